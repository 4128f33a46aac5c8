//! PCM into a stream of frames: cuts blocks, counts, and keeps what STREAMINFO needs in the end.
//!
//! Knows no container and no particular encoder. Blocks are independent of each other, and only the MD5, the counts
//! and the order of output tie them together: they all live here.

use std::io;

use md5::{Digest as _, Md5};

use super::encoder::{Block, EncodeError, FrameEncoder};
use super::engine::frame_encoder;
use super::level::Level;
use super::metadata::{MAX_SAMPLES, StreamInfo};
use super::shape::Shape;

/// Encodes one stream.
pub struct StreamEncoder {
    encoder: Box<dyn FrameEncoder>,
    shape: Shape,
    /// The block that is being filled: interleaved, signed.
    block: Vec<u8>,
    block_bytes: usize,
    frame: Vec<u8>,
    md5: Md5,
    info: StreamInfo,
    frames: u64,
}

/// What a finished stream came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// STREAMINFO with every field known.
    pub info: StreamInfo,
    /// Bytes at the end of the audio that made no whole sample of every channel.
    pub leftover: u64,
}

/// Why a stream could not be encoded.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The frame encoder failed.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// More samples than STREAMINFO can count.
    #[error("more than 2^36 - 1 samples per channel")]
    TooLong,
    /// The taker of frames failed.
    #[error(transparent)]
    Output(#[from] io::Error),
}

impl StreamEncoder {
    /// Starts a stream.
    pub fn new(shape: Shape, level: Level) -> Result<Self, EncodeError> {
        Ok(Self::with_encoder(shape, frame_encoder(shape, level)?))
    }

    /// Starts a stream whose frames `encoder` makes.
    fn with_encoder(shape: Shape, encoder: Box<dyn FrameEncoder>) -> Self {
        let block_bytes = shape.bytes_per_block();
        Self {
            encoder,
            shape,
            block: Vec::with_capacity(block_bytes),
            block_bytes,
            frame: Vec::new(),
            md5: Md5::new(),
            info: StreamInfo::of_unknown_length(shape),
            frames: 0,
        }
    }

    /// Samples per channel in the frames so far.
    pub fn samples(&self) -> u64 {
        self.info.total_samples
    }

    /// Takes PCM as [`Block::pcm`] has it, split anywhere, and passes on every frame that it completes.
    pub fn push(&mut self, mut pcm: &[u8], take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> Result<(), StreamError> {
        while !pcm.is_empty() {
            let used = pcm.len().min(self.block_bytes - self.block.len());
            let (now, later) = pcm.split_at(used);
            self.block.extend_from_slice(now);
            pcm = later;
            if self.block.len() == self.block_bytes {
                self.encode_block(take)?;
            }
        }
        Ok(())
    }

    /// Ends the audio: encodes what is left as the last, shorter block.
    pub fn finish(mut self, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> Result<Figures, StreamError> {
        let leftover = self.block.len() % self.shape.bytes_per_step();
        self.block.truncate(self.block.len() - leftover);
        if !self.block.is_empty() {
            self.encode_block(take)?;
        }
        self.info.md5 = self.md5.finalize().into();
        Ok(Figures { info: self.info, leftover: leftover as u64 })
    }

    fn encode_block(&mut self, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> Result<(), StreamError> {
        let samples = self.info.total_samples + (self.block.len() / self.shape.bytes_per_step()) as u64;
        if samples > MAX_SAMPLES {
            return Err(StreamError::TooLong);
        }
        self.frame.clear();
        self.encoder.encode(Block { number: self.frames, pcm: &self.block }, &mut self.frame)?;
        self.md5.update(&self.block);
        self.block.clear();
        let size = u32::try_from(self.frame.len()).unwrap_or(u32::MAX);
        self.info.min_frame_size = if self.frames == 0 { size } else { self.info.min_frame_size.min(size) };
        self.info.max_frame_size = self.info.max_frame_size.max(size);
        self.info.total_samples = samples;
        self.frames += 1;
        take(&self.frame).map_err(StreamError::Output)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// The blocks that an encoder was given: number and samples.
    type Blocks = Arc<Mutex<Vec<(u64, Vec<u8>)>>>;

    /// Writes down what it is asked, and makes frames of 10 bytes and the block's number.
    struct Recorder(Blocks);

    impl FrameEncoder for Recorder {
        fn encode(&mut self, block: Block<'_>, frame: &mut Vec<u8>) -> Result<(), EncodeError> {
            self.0.lock().unwrap().push((block.number, block.pcm.to_vec()));
            frame.resize(10 + usize::try_from(block.number).unwrap(), 0xFF);
            Ok(())
        }
    }

    struct Broken;

    impl FrameEncoder for Broken {
        fn encode(&mut self, _: Block<'_>, _: &mut Vec<u8>) -> Result<(), EncodeError> {
            Err(EncodeError::Panicked("on purpose".to_owned()))
        }
    }

    const BLOCK_SIZE: usize = 4096;

    fn mono_8_bits() -> Shape {
        Shape { channels: 1, sample_rate: 8_000, bits_per_sample: 8, block_size: 4096 }
    }

    #[test]
    fn cuts_blocks_and_keeps_stream_info() {
        let seen = Blocks::default();
        let mut stream = StreamEncoder::with_encoder(mono_8_bits(), Box::new(Recorder(Arc::clone(&seen))));
        let pcm: Vec<u8> = (0..2 * BLOCK_SIZE + 5).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let mut frames = Vec::new();
        let mut take = |frame: &[u8]| {
            frames.push(frame.len());
            Ok(())
        };
        for piece in pcm.chunks(1000) {
            stream.push(piece, &mut take).unwrap();
        }
        assert_eq!(stream.samples(), 2 * BLOCK_SIZE as u64);
        let figures = stream.finish(&mut take).unwrap();
        assert_eq!(frames, [10, 11, 12]);
        let seen = seen.lock().unwrap();
        let lengths: Vec<_> = seen.iter().map(|(number, block)| (*number, block.len())).collect();
        assert_eq!(lengths, [(0, BLOCK_SIZE), (1, BLOCK_SIZE), (2, 5)]);
        assert_eq!(seen.iter().flat_map(|(_, block)| block.clone()).collect::<Vec<_>>(), pcm);
        let info = figures.info;
        assert_eq!((info.block_size, info.min_frame_size, info.max_frame_size), (4096, 10, 12));
        assert_eq!((info.total_samples, figures.leftover), (2 * BLOCK_SIZE as u64 + 5, 0));
        assert_eq!(info.md5, <[u8; 16]>::from(Md5::digest(&pcm)));
    }

    #[test]
    fn buffers_stay_as_large_as_one_block() {
        let shape = Shape { channels: 8, bits_per_sample: 24, ..mono_8_bits() };
        let mut stream = StreamEncoder::new(shape, Level::FASTEST).unwrap();
        let pcm = crate::support::signed_pcm(&crate::support::music(20 * BLOCK_SIZE, 8, 24, 1), 24);
        let mut frame_capacity = Vec::new();
        for _ in 0..10 {
            stream.push(&pcm, &mut |_| Ok(())).unwrap();
            assert_eq!(stream.block.capacity(), BLOCK_SIZE * 8 * 3);
            frame_capacity.push(stream.frame.capacity());
        }
        assert!(frame_capacity.iter().all(|capacity| *capacity <= 2 * BLOCK_SIZE * 8 * 3), "{frame_capacity:?}");
    }

    #[test]
    fn bytes_that_make_no_whole_sample_are_left_over() {
        let shape = Shape { channels: 2, bits_per_sample: 24, ..mono_8_bits() };
        let mut stream = StreamEncoder::new(shape, Level::default()).unwrap();
        stream.push(&[1; 17], &mut |_| Ok(())).unwrap();
        let figures = stream.finish(&mut |_| Ok(())).unwrap();
        assert_eq!((figures.info.total_samples, figures.leftover), (2, 5));
        assert_eq!(figures.info.md5, <[u8; 16]>::from(Md5::digest([1; 12])));
    }

    #[test]
    fn no_samples_make_no_frame() {
        let stream = StreamEncoder::new(mono_8_bits(), Level::default()).unwrap();
        let figures = stream.finish(&mut |_| unreachable!("no frame")).unwrap();
        let info = figures.info;
        assert_eq!((info.total_samples, info.min_frame_size, info.max_frame_size), (0, 0, 0));
        assert_eq!(info.md5, <[u8; 16]>::from(Md5::digest(b"")));
    }

    #[test]
    fn refuses_to_count_beyond_stream_info() {
        let mut stream = StreamEncoder::new(mono_8_bits(), Level::default()).unwrap();
        stream.info.total_samples = MAX_SAMPLES - BLOCK_SIZE as u64;
        stream.push(&[0; BLOCK_SIZE], &mut |_| Ok(())).unwrap();
        assert_eq!(stream.samples(), MAX_SAMPLES);
        let error = stream.push(&[0; BLOCK_SIZE], &mut |_| Ok(())).unwrap_err();
        assert!(matches!(error, StreamError::TooLong));
    }

    #[test]
    fn failures_of_encoder_and_output_come_out() {
        let mut broken = StreamEncoder::with_encoder(mono_8_bits(), Box::new(Broken));
        let error = broken.push(&[0; BLOCK_SIZE], &mut |_| Ok(())).unwrap_err();
        assert!(error.to_string().contains("on purpose"));
        let mut stream = StreamEncoder::new(mono_8_bits(), Level::default()).unwrap();
        let full = &mut |_: &[u8]| Err(io::ErrorKind::StorageFull.into());
        let error = stream.push(&[0; BLOCK_SIZE], full).unwrap_err();
        assert!(matches!(error, StreamError::Output(error) if error.kind() == io::ErrorKind::StorageFull));
    }
}
