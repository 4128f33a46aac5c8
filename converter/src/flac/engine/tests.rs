//! What the engines are trusted with, and what not. That their frames decode is tested over all shapes in
//! `tests/core/engines.rs`.

use super::codec::Codec;
use super::*;
use crate::flac::level::{Channels, Coding};
use crate::support::{music, noise, signed_pcm};

const LINEAR: Coding = Coding { max_order: 12, alpha: 0.5, channels: Channels::Tried };

fn shape(channels: u8, bits_per_sample: u8) -> Shape {
    Shape { channels, sample_rate: 44_100, bits_per_sample, block_size: 4096 }
}

fn filled(shape: Shape, samples: &[i32]) -> Samples {
    let mut filled = Samples::default();
    filled.fill(shape, &signed_pcm(samples, shape.bits_per_sample.into())).unwrap();
    filled
}

/// Samples that turn their sign each time, which a first-order predictor with the factor -1 foretells; but for one place,
/// where the lowest value comes twice. The prediction there is 2^31: one too many.
fn turning_but_for_one_place() -> Vec<i32> {
    let mut samples: Vec<i32> = (0..60_000).map(|time| (i32::MAX - 5 + time % 3) * (1 - time % 2 * 2)).collect();
    samples[2001..2003].fill(i32::MIN);
    samples[2003] = -5;
    samples
}

#[test]
fn engines_are_named_as_they_are_read() {
    for engine in [Engine::Native, Engine::Portable, Engine::Flacenc] {
        assert_eq!(engine.to_string().parse(), Ok(engine));
    }
    for text in ["", "Native", "flac-codec", "native "] {
        assert_eq!(text.parse::<Engine>(), Err(UnknownEngine), "{text}");
    }
    assert_eq!(Engine::default(), Engine::Native);
}

#[test]
fn a_prediction_that_leaves_32_bits_is_found_and_not_used() {
    let shape = Shape { block_size: 60_000, ..shape(1, 32) };
    let samples = filled(shape, &turning_but_for_one_place());
    let codec = Codec::new(shape);
    let first_order = Coding { max_order: 1, ..LINEAR };
    let frame = codec.frame(first_order, &samples).unwrap();
    assert!(!codec.is_exact(&frame), "the check can go when flac-codec minds this itself");
    let mut best = Body::default();
    codec.encode(&[first_order], &samples, &mut best);
    assert!(best.coding.is_some() && best.bytes.len() > frame.len(), "coded in another way");
}

#[test]
fn ordinary_audio_of_many_bits_is_exact() {
    for bits in [25, 31, 32] {
        let shape = shape(2, bits);
        let samples = filled(shape, &music(4096, 2, bits.into(), 1));
        let codec = Codec::new(shape);
        assert!(codec.is_exact(&codec.frame(LINEAR, &samples).unwrap()), "{bits}");
    }
}

#[test]
fn wasted_bits_are_seen_in_every_channel_and_pair() {
    let look = |channels: u8, samples: &[i32]| filled(shape(channels, 16), samples).split_and_look_for_wasted_bits();
    assert!(!look(1, &[1, 2, 4]));
    assert!(look(1, &[2, 0, 4]), "all even");
    assert!(!look(1, &[0, 0, 0]), "silence is a constant, and needs none");
    assert!(look(2, &[1, 2, 3, 4, 6, 6]), "right is even");
    assert!(look(2, &[1, 3, 3, 5, 8, 2]), "the side is even: -2, -2, 6");
    assert!(look(2, &[1, 4, 5, 4, 8, 5]), "the middle is even: 2, 4, 6");
    assert!(!look(2, &[1, 1, 2, 2, 3, 3]), "twins: their side is silence");
    assert!(look(3, &[1, 1, 2, 3, 3, 4]), "the third is even");
}

#[test]
fn blocks_go_to_flacenc_where_it_can_and_need_flac_codec_only_beside() {
    for (bits, block_size, expected) in [(8, 4096, true), (16, 4608, true), (16, 1000, false), (24, 4096, false)] {
        let engines = Engines::new(Shape { block_size, ..shape(2, bits) }, Level::default()).unwrap();
        assert_eq!(engines.flacenc.is_some(), expected, "{bits} {block_size}");
    }
}

#[test]
fn loud_audio_of_20_and_24_bits_uses_5_bit_rice_parameters() {
    for bits in [20, 24] {
        let shape = shape(2, bits);
        // Noise of one bit less than there are: without these parameters it would be verbatim, or far larger.
        let samples: Vec<i32> = noise(4096, 2, u32::from(bits) - 1, 7);
        let mut frame = Vec::new();
        let pcm = signed_pcm(&samples, bits.into());
        Engines::new(shape, Level::default()).unwrap().encode(Block { number: 0, pcm: &pcm }, &mut frame).unwrap();
        let verbatim = plain::verbatim_bytes(shape, 4096);
        assert!(frame.len() < verbatim * 99 / 100, "{bits} {} {verbatim}", frame.len());
    }
}
