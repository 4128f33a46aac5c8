//! Samples out of containers.

use proptest::prelude::*;

use super::super::{Encoding, Endian, Kind};
use super::*;
use crate::support::{Place, Random, noise, pack, signed_pcm};

fn format(channels: u8, bits_per_sample: u8, container_bytes: u8, kind: Kind, endian: Endian) -> Format {
    Format {
        channels,
        sample_rate: 44_100,
        bits_per_sample,
        channel_mask: None,
        declared_samples: None,
        encoding: Encoding { container_bytes, kind, endian },
    }
}

/// Unpacks bytes given in pieces; the unpacker tells the rest.
fn unpack(format: &Format, pcm: &[u8], piece: usize) -> Result<(Vec<u8>, Unpacker), WavError> {
    let (mut unpacker, mut out) = (Unpacker::new(format), Vec::new());
    for piece in pcm.chunks(piece.max(1)) {
        unpacker.unpack(piece, &mut out)?;
        assert_eq!(out.len() % usize::from(format.channels), 0, "only whole samples of every channel");
    }
    Ok((out, unpacker))
}

/// Full-scale samples with both ends of the range among them.
fn samples(channels: usize, bits: u32) -> Vec<i32> {
    let mut samples = noise(50, channels, bits, 9);
    let high = i32::MAX >> (32 - bits);
    samples.extend([0, high, -high - 1, -1].repeat(channels));
    samples
}

#[test]
fn every_size_in_every_container_comes_out() {
    for bits in 4..=32_u8 {
        for bytes in bits.div_ceil(8)..=8 {
            let expected = samples(3, bits.into());
            let (high, low) =
                if bytes == 1 { (Kind::Unsigned, Kind::UnsignedLow) } else { (Kind::Signed, Kind::SignedLow) };
            let zeros = if bytes == 1 { Place::Low } else { Place::LowZeros };
            for (kind, place) in [(high, Place::High), (low, Place::Low), (low, zeros)] {
                let pcm = pack(&expected, bits.into(), bytes.into(), place);
                for piece in [1, 7, pcm.len()] {
                    let little = format(3, bits, bytes, kind, Endian::Little);
                    let (out, unpacker) = unpack(&little, &pcm, piece).unwrap();
                    assert_eq!(out, signed_pcm(&expected, bits.into()), "{bits} bits in {bytes}, {kind:?}");
                    assert!(unpacker.leftover().is_empty() && unpacker.warnings().is_empty());
                    let swapped: Vec<u8> =
                        pcm.chunks(bytes.into()).flat_map(|container| container.iter().rev().copied()).collect();
                    let big = format(3, bits, bytes, kind, Endian::Big);
                    assert_eq!(unpack(&big, &swapped, piece).unwrap().0, out, "{bits} bits in {bytes}, {kind:?}");
                }
            }
        }
    }
}

#[test]
fn unsigned_samples_of_many_bytes_lose_half_their_range() {
    let pcm: Vec<u8> = [0x0000_u16, 0x8000, 0x8001, 0xFFFF].iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let unsigned = format(1, 16, 2, Kind::Unsigned, Endian::Little);
    let (out, _) = unpack(&unsigned, &pcm, 3).unwrap();
    assert_eq!(out, signed_pcm(&[-32_768, 0, 1, 32_767], 16));
    let low = format(1, 12, 2, Kind::UnsignedLow, Endian::Little);
    let (out, _) = unpack(&low, &[0x00, 0x00, 0x00, 0x08, 0xFF, 0x0F], 2).unwrap();
    assert_eq!(out, signed_pcm(&[-2048, 0, 2047], 12));
    assert_eq!(unpack(&low, &[0x00, 0x10], 2).unwrap_err().code(), "high_bits_not_empty");
}

#[test]
fn padding_that_is_not_zero_is_refused_wherever_it_is() {
    let format = format(2, 24, 4, Kind::Signed, Endian::Little);
    let good = pack(&samples(2, 24), 24, 4, Place::High);
    for (at, sample, channel) in [(0, 0, 1), (4, 0, 2), (8 * 30, 30, 1), (8 * 40 + 4, 40, 2)] {
        let mut bad = good.clone();
        bad[at] = 1;
        for piece in [1, 5, 8, bad.len()] {
            let error = unpack(&format, &bad, piece).map(|_| ()).unwrap_err();
            let expected = WavError::PaddingNotZero { sample, channel, valid_bits: 24, container_bits: 32 };
            assert_eq!(error, expected, "pieces of {piece}");
            let text = error.to_string();
            assert!(text.contains("--valid-bits container") && text.contains("--valid-bits low"), "{text}");
        }
    }
}

#[test]
fn low_samples_that_need_more_bits_are_refused() {
    let format = format(1, 24, 4, Kind::SignedLow, Endian::Little);
    for (container, fits) in [
        (0x00FF_FFFF_u32, true),
        (0xFF80_0000, true),
        (0x0080_0000, true),
        (0x0100_0000, false),
        (0xFE00_0000, false),
        (0xFF7F_FFFF, false),
    ] {
        let pcm = [[0; 4], container.to_le_bytes()].concat();
        let result = unpack(&format, &pcm, 4).map(|(out, _)| out[3..].to_vec());
        let sample = container.to_le_bytes()[..3].to_vec();
        let refused = WavError::HighBitsNotEmpty { sample: 1, channel: 1, valid_bits: 24, container_bits: 32 };
        assert_eq!(result, if fits { Ok(sample) } else { Err(refused) }, "{container:#x}");
    }
}

#[test]
fn low_samples_that_pass_for_high_ones_are_suspected() {
    let quiet: Vec<i32> = noise(20, 2, 16, 3).iter().map(|sample| sample << 8).collect();
    let high = format(2, 24, 4, Kind::Signed, Endian::Little);
    let warned = |pcm: &[u8]| unpack(&high, pcm, 64).unwrap().1.warnings();
    let suspected = [WavWarning::MaybeLowBits { valid_bits: 24, container_bits: 32 }];
    assert_eq!(warned(&pack(&quiet, 24, 4, Place::Low)), suspected);
    assert_eq!(warned(&pack(&quiet, 24, 4, Place::High)), []);
    assert_eq!(warned(&[0; 800]), [], "silence is silence");
}

#[test]
fn floats_are_rounded_half_to_even_and_clipped() {
    let table: [(f64, i32, bool); 16] = [
        (0.0, 0, false),
        (-0.0, 0, false),
        (0.5, 16_384, false),
        (-1.0, -32_768, false),
        (1.0, 32_767, true),
        (32_767.0 / 32_768.0, 32_767, false),
        (32_767.5 / 32_768.0, 32_767, true),
        (32_767.25 / 32_768.0, 32_767, false),
        (-32_768.5 / 32_768.0, -32_768, false),
        (-32_769.0 / 32_768.0, -32_768, true),
        (0.5 / 32_768.0, 0, false),
        (1.5 / 32_768.0, 2, false),
        (2.5 / 32_768.0, 2, false),
        (-1.5 / 32_768.0, -2, false),
        (f64::INFINITY, 32_767, true),
        (f64::NEG_INFINITY, -32_768, true),
    ];
    let pcm: Vec<u8> = table.iter().flat_map(|(float, ..)| float.to_le_bytes()).collect();
    let (out, unpacker) = unpack(&format(1, 16, 8, Kind::Float, Endian::Little), &pcm, 5).unwrap();
    let expected: Vec<i32> = table.iter().map(|(_, sample, _)| *sample).collect();
    assert_eq!(out, signed_pcm(&expected, 16));
    assert_eq!(unpacker.clipped(), 5);
    assert_eq!(unpacker.warnings(), [WavWarning::Clipped { samples: 5 }]);
    let pcm: Vec<u8> = [0.5_f32, -1.0, f32::NAN, 1e30].iter().flat_map(|float| float.to_le_bytes()).collect();
    let (out, unpacker) = unpack(&format(2, 24, 4, Kind::Float, Endian::Little), &pcm, 16).unwrap();
    assert_eq!(out, signed_pcm(&[1 << 22, -(1 << 23), 0, (1 << 23) - 1], 24));
    assert_eq!(unpacker.clipped(), 2);
}

#[test]
fn bytes_that_make_no_whole_sample_are_left_over() {
    for (channels, bytes) in [(2, 2), (8, 8), (1, 3)] {
        let step = usize::from(channels * bytes);
        let format = format(channels, (bytes * 8).min(32), bytes, Kind::Signed, Endian::Little);
        let pcm: Vec<u8> = vec![0; step * 3 - 1];
        let (out, unpacker) = unpack(&format, &pcm, step - 1).unwrap();
        assert_eq!(out.len() / usize::from(format.bits_per_sample / 8) / usize::from(channels), 2);
        assert_eq!(unpacker.leftover(), &pcm[..step - 1]);
    }
}

proptest! {
    /// The same samples or the same error in any split, and never a panic.
    #[test]
    fn every_split_gives_the_same(
        channels in 1..=8_u8,
        bits in 4..=32_u8,
        spare in 0..5_u8,
        kind in prop::sample::select(vec![
            Kind::Signed, Kind::Unsigned, Kind::SignedLow, Kind::UnsignedLow, Kind::Float,
        ]),
        big in any::<bool>(),
        seed in 1..u64::MAX,
        length in 0..400_usize,
        mostly_zero in any::<bool>(),
        piece in 1..70_usize,
    ) {
        let (bits, bytes) = match kind {
            Kind::Float => (16, if spare < 2 { 4 } else { 8 }),
            _ => (bits, (bits.div_ceil(8) + spare).min(8)),
        };
        let endian = if big { Endian::Big } else { Endian::Little };
        let format = format(channels, bits, bytes, kind, endian);
        let mut random = Random::new(seed);
        let pcm: Vec<u8> = (0..length)
            .map(|_| random.bits())
            .map(|bits| if mostly_zero && bits % 50 != 0 { 0 } else { bits.to_le_bytes()[1] })
            .collect();
        let told = |result: Result<(Vec<u8>, Unpacker), WavError>| {
            result.map(|(out, unpacker)| (out, unpacker.leftover().to_vec(), unpacker.warnings(), unpacker.clipped()))
        };
        let whole = told(unpack(&format, &pcm, pcm.len()));
        prop_assert_eq!(told(unpack(&format, &pcm, piece)), whole.clone());
        if let Ok((_, leftover, ..)) = whole {
            prop_assert_eq!(leftover.as_slice(), &pcm[pcm.len() - pcm.len() % format.block_align()..]);
        }
    }
}
