//! The decoder against streams of other encoders, streams made bit by bit, and damage.

mod built;
mod damage;
mod oracles;

use super::{DecodeError, Decoder, ReadInfo};
use crate::support::{Random, music, noise};
use md5::{Digest as _, Md5};

/// Decodes a stream whole: STREAMINFO, and interleaved samples. A wrong MD5 is an error too.
fn decoded(flac: &[u8]) -> Result<(ReadInfo, Vec<i32>), DecodeError> {
    let mut decoder = Decoder::new(flac, 0)?;
    let channels = usize::from(decoder.info().channels);
    let mut samples = Vec::new();
    let mut md5 = Md5::new();
    let mut pcm = Vec::new();
    while let Some(block) = decoder.next_block()? {
        let step = samples.len() / channels;
        assert_eq!(block.first_sample, step as u64);
        for at in 0..usize::from(block.block_size) {
            samples.extend((0..channels).map(|channel| block.channel(channel)[at]));
        }
        pcm.clear();
        block.append_pcm(&mut pcm);
        md5.update(&pcm);
    }
    assert!(decoder.next_block().unwrap().is_none(), "the end stays the end");
    let info = *decoder.info();
    match info.md5 {
        Some(told) if told != <[u8; 16]>::from(md5.finalize()) => Err(DecodeError::Metadata("the MD5 differs")),
        _ => Ok((info, samples)),
    }
}

/// Sounds that reach for different parts of the format, with their names.
fn sounds(samples: usize, channels: usize, bits: u32) -> Vec<(&'static str, Vec<i32>)> {
    let count = samples * channels;
    let (min, max) = (i32::MIN >> (32 - bits), i32::MAX >> (32 - bits));
    let tones: Vec<i32> = match bits {
        // `music` cannot fill 32 bits.
        31.. => music(samples, channels, 24, 5).iter().map(|sample| sample << (bits - 24)).collect(),
        _ => music(samples, channels, bits, 5),
    };
    let mut random = Random::new(9);
    let silent_bits = bits / 3;
    vec![
        ("silence", vec![0; count]),
        ("constant", (0..count).map(|at| if at % channels == 0 { min } else { max }).collect()),
        ("noise", noise(samples, channels, bits, 6)),
        ("wasted bits", tones.iter().map(|sample| sample >> silent_bits << silent_bits).collect()),
        ("alike", tones.iter().enumerate().map(|(at, _)| tones[at / channels * channels]).collect()),
        // Neighbours as far from each other as can be, in time and in channels: the difference has a bit more.
        ("extremes", (0..count).map(|at| if (at / channels + at).is_multiple_of(2) { min } else { max }).collect()),
        ("clicks", (0..count).map(|_| if random.bits().is_multiple_of(64) { max } else { 0 }).collect()),
        ("tones", tones),
    ]
}
