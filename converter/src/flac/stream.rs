//! PCM into a stream of frames: cuts blocks, counts, and keeps what STREAMINFO needs in the end.
//!
//! Knows no container and no particular encoder. Blocks are independent of each other, and only the MD5, the counts
//! and the places of frames tie them together: they all live here. Who makes a frame when is the pipeline's business.

use std::io;
use std::num::NonZeroUsize;

use super::encoder::{EncodeError, FrameEncoder};
use super::engine::{self, Engine};
use super::kernels::Kernels;
use super::level::Level;
use super::md5::{Digested, Md5};
use super::metadata::{MAX_SAMPLES, SeekTable, StreamInfo};
use super::pipeline::{MakeEncoder, Pipeline, Slot};
use super::shape::Shape;
use super::spare::SpareCores;
use super::verify::{Verify, VerifyingEncoder};

/// How a stream is encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamOptions {
    /// How hard the encoder tries.
    pub level: Level,
    /// Which encoder makes the frames.
    pub engine: Engine,
    /// How many threads may encode, the caller's included. The bytes do not depend on it.
    pub threads: NonZeroUsize,
    /// Where the cores for all threads but the caller's come from, if they are shared with other streams.
    pub spare: Option<SpareCores>,
    /// Whether each frame is decoded and compared with its block.
    pub verify: Verify,
}

/// Encodes one stream.
pub struct StreamEncoder {
    pipeline: Pipeline,
    shape: Shape,
    block_bytes: usize,
    /// The block that is being filled: interleaved, signed.
    block: Option<Slot>,
    /// Samples per channel in all full blocks.
    samples_in: u64,
    /// Of the frames that were passed on.
    info: StreamInfo,
    frames: u64,
    bytes: u64,
    seek_table: SeekTable,
}

/// What a finished stream came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    /// STREAMINFO with every field known.
    pub info: StreamInfo,
    /// Where frames begin.
    pub seek_table: SeekTable,
    /// Bytes at the end of the audio that made no whole sample of every channel.
    pub leftover: u64,
}

/// Where a stream stands after a whole block: what it takes to go on with the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamPlace {
    /// Samples per channel so far, a multiple of the block size.
    pub samples: u64,
    /// Bytes of the frames so far.
    pub bytes: u64,
    /// Bytes of the smallest one; 0 if there is none.
    pub min_frame_size: u32,
    /// Bytes of the largest one.
    pub max_frame_size: u32,
    /// The MD5 of the samples so far.
    pub md5: Digested,
    pub seek_table: SeekTable,
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
    pub fn new(shape: Shape, options: &StreamOptions) -> Result<Self, EncodeError> {
        let StreamOptions { level, engine, threads, verify, .. } = *options;
        let make = Box::new(move || frame_encoder(shape, level, engine, verify));
        let mut stream = Self::with_encoders(shape, threads, &engine.kernels(), make)?;
        stream.pipeline = stream.pipeline.with_spare(options.spare.clone());
        Ok(stream)
    }

    /// Goes on with a stream.
    pub(crate) fn resume(shape: Shape, options: &StreamOptions, place: &StreamPlace) -> Result<Self, EncodeError> {
        let StreamOptions { level, engine, threads, verify, .. } = *options;
        let make = Box::new(move || frame_encoder(shape, level, engine, verify));
        let block_bytes = shape.bytes_per_block();
        let frames = place.samples / u64::from(shape.block_size.max(1));
        let md5 = Md5::resume(&engine.kernels(), &place.md5);
        Ok(Self {
            pipeline: Pipeline::new(make, md5, threads, block_bytes)?.after(frames).with_spare(options.spare.clone()),
            shape,
            block_bytes,
            block: None,
            samples_in: place.samples,
            info: StreamInfo {
                min_frame_size: place.min_frame_size,
                max_frame_size: place.max_frame_size,
                total_samples: place.samples,
                ..StreamInfo::of_unknown_length(shape)
            },
            frames,
            bytes: place.bytes,
            seek_table: place.seek_table.clone(),
        })
    }

    /// Where the stream stands after the latest frame that was passed on; what of the next block is there is no part of
    /// it. The seek table has at most so many points. None while frames are under way.
    pub(crate) fn place(&self, points: usize) -> Option<StreamPlace> {
        if !self.pipeline.is_empty() {
            return None;
        }
        Some(StreamPlace {
            samples: self.info.total_samples,
            bytes: self.bytes,
            min_frame_size: self.info.min_frame_size,
            max_frame_size: self.info.max_frame_size,
            md5: self.pipeline.md5()?.place(),
            seek_table: self.seek_table.thinned(points),
        })
    }

    /// Seek points so far.
    pub(crate) fn seek_points(&self) -> usize {
        self.seek_table.points().len()
    }

    /// Starts a stream whose frames the encoders of `make` make.
    fn with_encoders(
        shape: Shape,
        threads: NonZeroUsize,
        kernels: &Kernels,
        make: MakeEncoder,
    ) -> Result<Self, EncodeError> {
        let block_bytes = shape.bytes_per_block();
        Ok(Self {
            pipeline: Pipeline::new(make, Md5::new(kernels), threads, block_bytes)?,
            shape,
            block_bytes,
            block: None,
            samples_in: 0,
            info: StreamInfo::of_unknown_length(shape),
            frames: 0,
            bytes: 0,
            seek_table: SeekTable::new(shape.sample_rate),
        })
    }

    /// Samples per channel in the frames that were passed on so far.
    pub fn samples(&self) -> u64 {
        self.info.total_samples
    }

    /// Takes PCM as [`Block::pcm`](super::Block::pcm) has it, split anywhere, and passes on every frame that is made
    /// by then, in order. With one thread these are all that `pcm` completes; with more, some come with a later call.
    ///
    /// After an error the stream is over.
    pub fn push(&mut self, mut pcm: &[u8], take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> Result<(), StreamError> {
        while !pcm.is_empty() {
            let mut slot = self.empty_or_begun(take)?;
            if slot.pcm.is_empty() {
                if self.pipeline.is_alone()
                    && let Some((block, later)) = pcm.split_at_checked(self.block_bytes)
                {
                    // It need not be copied for another thread.
                    self.count(block.len(), take)?;
                    self.pipeline.make(block, &mut slot)?;
                    self.pass(slot, take)?;
                    pcm = later;
                    continue;
                }
                slot.pcm.reserve_exact(self.block_bytes);
            }
            let used = pcm.len().min(self.block_bytes - slot.pcm.len());
            let (now, later) = pcm.split_at(used);
            slot.pcm.extend_from_slice(now);
            pcm = later;
            if slot.pcm.len() == self.block_bytes {
                self.put(slot, take)?;
                // Now, so that the frame comes as soon as it can.
                slot = self.empty_or_begun(take)?;
            }
            self.block = Some(slot);
        }
        self.pipeline.announce();
        Ok(())
    }

    /// Ends the audio: encodes what is left as the last, shorter block, and passes on all frames that are left.
    pub fn finish(mut self, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> Result<Figures, StreamError> {
        let mut leftover = 0;
        if let Some(mut slot) = self.block.take() {
            leftover = slot.pcm.len() % self.shape.bytes_per_step();
            slot.pcm.truncate(slot.pcm.len() - leftover);
            if !slot.pcm.is_empty() {
                self.put(slot, take)?;
            }
        }
        self.pass_all(take)?;
        self.info.md5 = self.pipeline.md5().map(Md5::finalize).unwrap_or_default();
        Ok(Figures { info: self.info, seek_table: self.seek_table, leftover: leftover as u64 })
    }

    /// The block that is being filled, or a new one.
    fn empty_or_begun(&mut self, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> Result<Slot, StreamError> {
        loop {
            if let Some(slot) = self.block.take().or_else(|| self.pipeline.slot()) {
                return Ok(slot);
            }
            if let Some(slot) = self.pipeline.take()? {
                self.pass(slot, take)?;
            }
        }
    }

    /// Counts a block that is next. An error where STREAMINFO cannot count it.
    fn count(&mut self, bytes: usize, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> Result<(), StreamError> {
        let samples = self.samples_in + (bytes / self.shape.bytes_per_step()) as u64;
        if samples > MAX_SAMPLES {
            // The frames before come first, whatever made them.
            self.pass_all(take)?;
            return Err(StreamError::TooLong);
        }
        self.samples_in = samples;
        Ok(())
    }

    /// Sends a block into the pipeline, and passes on what is made by then.
    fn put(&mut self, slot: Slot, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> Result<(), StreamError> {
        self.count(slot.pcm.len(), take)?;
        self.pipeline.put(slot)?;
        while let Some(slot) = self.pipeline.take_made()? {
            self.pass(slot, take)?;
        }
        Ok(())
    }

    fn pass_all(&mut self, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> Result<(), StreamError> {
        while let Some(slot) = self.pipeline.take()? {
            self.pass(slot, take)?;
        }
        Ok(())
    }

    /// Passes a frame on.
    fn pass(&mut self, slot: Slot, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> Result<(), StreamError> {
        let samples = slot.length / self.shape.bytes_per_step();
        let size = u32::try_from(slot.frame.len()).unwrap_or(u32::MAX);
        self.info.min_frame_size = if self.frames == 0 { size } else { self.info.min_frame_size.min(size) };
        self.info.max_frame_size = self.info.max_frame_size.max(size);
        self.seek_table.note(self.info.total_samples, self.bytes, u16::try_from(samples).unwrap_or(u16::MAX));
        self.info.total_samples += samples as u64;
        self.bytes += u64::from(size);
        self.frames += 1;
        take(&slot.frame).map_err(StreamError::Output)?;
        self.pipeline.recycle(slot);
        Ok(())
    }
}

/// An encoder of frames, which checks them if asked.
fn frame_encoder(
    shape: Shape,
    level: Level,
    engine: Engine,
    verify: Verify,
) -> Result<Box<dyn FrameEncoder>, EncodeError> {
    let encoder = engine::frame_encoder(shape, level, engine)?;
    Ok(match verify {
        Verify::Yes => Box::new(VerifyingEncoder::new(shape, encoder)),
        Verify::No => encoder,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use md5::Digest as _;

    use super::*;
    use crate::flac::Block;

    const INLINE: StreamOptions = StreamOptions {
        level: Level::FASTEST,
        engine: Engine::Native,
        threads: NonZeroUsize::MIN,
        spare: None,
        verify: Verify::Yes,
    };

    /// The blocks that an encoder was given: number and samples.
    type Blocks = Arc<Mutex<Vec<(u64, Vec<u8>)>>>;

    /// Writes down what it is asked, and makes frames of 10 bytes and the block's number.
    #[derive(Clone)]
    struct Recorder(Blocks);

    impl FrameEncoder for Recorder {
        fn encode(&mut self, block: Block<'_>, frame: &mut Vec<u8>) -> Result<(), EncodeError> {
            self.0.lock().unwrap().push((block.number, block.pcm.to_vec()));
            frame.resize(10 + usize::try_from(block.number).unwrap(), 0xFF);
            Ok(())
        }
    }

    #[derive(Clone)]
    struct Broken;

    impl FrameEncoder for Broken {
        fn encode(&mut self, _: Block<'_>, _: &mut Vec<u8>) -> Result<(), EncodeError> {
            Err(EncodeError::Panicked("on purpose".to_owned()))
        }
    }

    /// A stream on one thread with this encoder.
    fn stream_with(encoder: impl FrameEncoder + Clone + 'static) -> StreamEncoder {
        let make = move || -> Result<Box<dyn FrameEncoder>, _> { Ok(Box::new(encoder.clone())) };
        StreamEncoder::with_encoders(mono_8_bits(), NonZeroUsize::MIN, &Kernels::best(), Box::new(make)).unwrap()
    }

    const BLOCK_SIZE: usize = 4096;

    fn mono_8_bits() -> Shape {
        Shape { channels: 1, sample_rate: 8_000, bits_per_sample: 8, block_size: 4096 }
    }

    #[test]
    fn cuts_blocks_and_keeps_stream_info() {
        let seen = Blocks::default();
        let mut stream = stream_with(Recorder(Arc::clone(&seen)));
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
        assert_eq!(info.md5, <[u8; 16]>::from(md5::Md5::digest(&pcm)));
    }

    #[test]
    fn buffers_stay_as_large_as_one_block() {
        let shape = Shape { channels: 8, bits_per_sample: 24, ..mono_8_bits() };
        let mut stream = StreamEncoder::new(shape, &INLINE).unwrap();
        let pcm = crate::support::signed_pcm(&crate::support::music(20 * BLOCK_SIZE, 8, 24, 1), 24);
        let mut frame_capacity = Vec::new();
        stream.push(&pcm[..24], &mut |_| Ok(())).unwrap();
        for _ in 0..10 {
            stream.push(&pcm, &mut |_| Ok(())).unwrap();
            let slot = stream.block.as_ref().unwrap();
            assert_eq!(slot.pcm.capacity(), BLOCK_SIZE * 8 * 3);
            frame_capacity.push(slot.frame.capacity());
        }
        assert!(frame_capacity.iter().all(|capacity| *capacity <= 2 * BLOCK_SIZE * 8 * 3), "{frame_capacity:?}");
    }

    #[test]
    fn bytes_that_make_no_whole_sample_are_left_over() {
        let shape = Shape { channels: 2, bits_per_sample: 24, ..mono_8_bits() };
        let mut stream = StreamEncoder::new(shape, &INLINE).unwrap();
        stream.push(&[1; 17], &mut |_| Ok(())).unwrap();
        let figures = stream.finish(&mut |_| Ok(())).unwrap();
        assert_eq!((figures.info.total_samples, figures.leftover), (2, 5));
        assert_eq!(figures.info.md5, <[u8; 16]>::from(md5::Md5::digest([1; 12])));
    }

    #[test]
    fn no_samples_make_no_frame() {
        let stream = StreamEncoder::new(mono_8_bits(), &INLINE).unwrap();
        let figures = stream.finish(&mut |_| unreachable!("no frame")).unwrap();
        let info = figures.info;
        assert_eq!((info.total_samples, info.min_frame_size, info.max_frame_size), (0, 0, 0));
        assert_eq!(info.md5, <[u8; 16]>::from(md5::Md5::digest(b"")));
    }

    #[test]
    fn refuses_to_count_beyond_stream_info() {
        let mut stream = StreamEncoder::new(mono_8_bits(), &INLINE).unwrap();
        stream.samples_in = MAX_SAMPLES - BLOCK_SIZE as u64;
        stream.info.total_samples = stream.samples_in;
        stream.push(&[0; BLOCK_SIZE], &mut |_| Ok(())).unwrap();
        assert_eq!(stream.samples(), MAX_SAMPLES);
        let error = stream.push(&[0; BLOCK_SIZE], &mut |_| Ok(())).unwrap_err();
        assert!(matches!(error, StreamError::TooLong));
    }

    #[test]
    fn failures_of_encoder_and_output_come_out() {
        let mut broken = stream_with(Broken);
        let error = broken.push(&[0; BLOCK_SIZE], &mut |_| Ok(())).unwrap_err();
        assert!(error.to_string().contains("on purpose"));
        let mut stream = StreamEncoder::new(mono_8_bits(), &INLINE).unwrap();
        let full = &mut |_: &[u8]| Err(io::ErrorKind::StorageFull.into());
        let error = stream.push(&[0; BLOCK_SIZE], full).unwrap_err();
        assert!(matches!(error, StreamError::Output(error) if error.kind() == io::ErrorKind::StorageFull));
    }
}
