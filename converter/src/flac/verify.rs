//! The verifier: decodes what was encoded with a decoder that shares no code with the encoders, frame by frame while
//! they are made, or whole streams.

use std::io::Read;

use super::decode::{DecodeError, Decoder, FrameDecoder, Place};
use super::encoder::{Block, EncodeError, FrameEncoder};
use super::kernels::Kernels;
use super::md5::Md5;
use super::shape::Shape;

/// Whether what is encoded is decoded again and compared with the samples that went in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Verify {
    /// Decode and compare.
    Yes,
    /// Trust the encoder.
    #[default]
    No,
}

/// A frame encoder that decodes each frame of another and compares it with its block.
pub(super) struct VerifyingEncoder {
    encoder: Box<dyn FrameEncoder>,
    decoder: FrameDecoder,
    shape: Shape,
}

impl VerifyingEncoder {
    /// Verifies what `encoder` makes.
    pub fn new(shape: Shape, encoder: Box<dyn FrameEncoder>) -> Self {
        Self { encoder, decoder: FrameDecoder::new(shape), shape }
    }

    /// Whether the frame holds the block, as its whole and nothing else.
    fn holds(&mut self, frame: &[u8], block: Block<'_>) -> Result<(), String> {
        let facts = self.decoder.decode(frame).map_err(|error| error.to_string())?;
        if facts.bytes != frame.len() {
            return Err(format!("it ends after {} of {} bytes", facts.bytes, frame.len()));
        }
        if facts.header.place != Place::Frame(block.number) {
            return Err("it has another number".to_owned());
        }
        if self.decoder.holds(block.pcm) { Ok(()) } else { Err("it decodes to other samples".to_owned()) }
    }
}

impl FrameEncoder for VerifyingEncoder {
    fn encode(&mut self, block: Block<'_>, frame: &mut Vec<u8>) -> Result<(), EncodeError> {
        let start = frame.len();
        self.encoder.encode(block, frame)?;
        self.holds(frame.get(start..).unwrap_or_default(), block).map_err(|detail| EncodeError::Verify {
            frame: block.number,
            first_sample: block.number.saturating_mul(self.shape.block_size.into()),
            detail,
        })
    }
}

/// What a FLAC stream decodes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoded {
    /// Number of channels.
    pub channels: u8,
    /// In Hz.
    pub sample_rate: u32,
    /// Bits of each sample.
    pub bits_per_sample: u32,
    /// Samples per channel that came out.
    pub samples: u64,
    /// MD5 of the samples that came out: signed, little-endian, interleaved.
    pub md5: [u8; 16],
    /// Samples per channel that STREAMINFO tells, if it does.
    pub told_samples: Option<u64>,
    /// MD5 that STREAMINFO tells, if it does.
    pub told_md5: Option<[u8; 16]>,
}

/// Decodes a whole stream (every frame's checksums, the order of frames and their number included) and tells what came
/// out. Memory does not grow with its length.
pub fn decode(reader: impl Read) -> Result<Decoded, DecodeError> {
    let mut decoder = Decoder::new(reader, 0)?;
    let mut md5 = Md5::new(&Kernels::best());
    let mut pcm = Vec::new();
    let mut samples = 0;
    while let Some(block) = decoder.next_block()? {
        pcm.clear();
        block.append_pcm(&mut pcm);
        md5.update(&pcm);
        samples += u64::from(block.block_size);
    }
    let info = decoder.info();
    Ok(Decoded {
        channels: info.channels,
        sample_rate: info.sample_rate,
        bits_per_sample: info.bits_per_sample.into(),
        samples,
        md5: md5.finalize(),
        told_samples: info.total_samples,
        told_md5: info.md5,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flac::{Engine, Level, frame_encoder};
    use crate::support::{music, signed_pcm};

    const SHAPE: Shape = Shape { channels: 2, sample_rate: 44_100, bits_per_sample: 16, block_size: 4096 };

    /// Does something to the frames of a sound encoder.
    struct Spoiled(Box<dyn FrameEncoder>, fn(&mut Vec<u8>));

    impl FrameEncoder for Spoiled {
        fn encode(&mut self, block: Block<'_>, frame: &mut Vec<u8>) -> Result<(), EncodeError> {
            let mut own = Vec::new();
            self.0.encode(block, &mut own)?;
            self.1(&mut own);
            frame.extend(own);
            Ok(())
        }
    }

    fn verified(number: u64, spoil: fn(&mut Vec<u8>)) -> Result<Vec<u8>, EncodeError> {
        let encoder = Spoiled(frame_encoder(SHAPE, Level::default(), Engine::default()).unwrap(), spoil);
        let mut encoder = VerifyingEncoder::new(SHAPE, Box::new(encoder));
        let pcm = signed_pcm(&music(4096, 2, 16, 1), 16);
        // What is there already stays and is not looked at.
        let mut frame = vec![1, 2, 3];
        encoder.encode(Block { number: number + 1, pcm: &pcm[..400] }, &mut Vec::new())?;
        encoder.encode(Block { number, pcm: &pcm }, &mut frame)?;
        assert_eq!(frame[..3], [1, 2, 3]);
        Ok(frame)
    }

    #[test]
    fn a_sound_frame_passes_unchanged() {
        let mut plain = vec![1, 2, 3];
        let pcm = signed_pcm(&music(4096, 2, 16, 1), 16);
        let mut encoder = frame_encoder(SHAPE, Level::default(), Engine::default()).unwrap();
        encoder.encode(Block { number: 7, pcm: &pcm }, &mut plain).unwrap();
        assert_eq!(verified(7, |_| {}).unwrap(), plain);
    }

    #[test]
    fn a_frame_that_holds_anything_else_is_refused() {
        let spoils: [fn(&mut Vec<u8>); 5] = [
            |frame| {
                let middle = frame.len() / 2;
                frame[middle] ^= 0x10;
            },
            |frame| frame.push(0),
            |frame| _ = frame.pop(),
            Vec::clear,
            // A sound frame of other samples: silence as two constant subframes.
            |frame| {
                let mut encoder = frame_encoder(SHAPE, Level::default(), Engine::default()).unwrap();
                frame.clear();
                encoder.encode(Block { number: 7, pcm: &[0; 4096 * 4] }, frame).unwrap();
            },
        ];
        for (number, spoil) in spoils.into_iter().enumerate() {
            let error = verified(7, spoil).unwrap_err();
            let EncodeError::Verify { frame, first_sample, detail } = error else { panic!("{number}: {error}") };
            assert!((frame, first_sample) == (8, 8 * 4096) || (frame, first_sample) == (7, 7 * 4096), "{detail}");
        }
        let other_number: fn(&mut Vec<u8>) = |frame| {
            let pcm = signed_pcm(&music(4096, 2, 16, 1), 16);
            let mut encoder = frame_encoder(SHAPE, Level::default(), Engine::default()).unwrap();
            frame.clear();
            encoder.encode(Block { number: 9, pcm: &pcm }, frame).unwrap();
        };
        assert!(verified(7, other_number).unwrap_err().to_string().contains("another number"));
    }
}
