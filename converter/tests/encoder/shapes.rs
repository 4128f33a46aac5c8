//! Every sound in every depth and number of channels, in blocks of many sizes with ends of many lengths, at every
//! level.

use std::ops::RangeInclusive;

use converter::flac::Shape;

use crate::case::Case;
use crate::judges::Judges;
use crate::sounds::SOUNDS;

const BLOCK_SIZES: [u16; 13] = [16, 4096, 17, 64, 24, 576, 25, 63, 192, 1000, 256, 4608, 33];
const RATES: [u32; 5] = [44_100, 192_000, 655_351, 8_000, 1_048_575];

/// For each sound, what takes turns goes round at lengths that share no factor: every level meets every block size.
fn come_back(depths: RangeInclusive<u8>, by_ffmpeg: usize) {
    let mut judges = Judges::new();
    let mut turn = 0;
    for (kind, sound) in SOUNDS.into_iter().enumerate() {
        for bits_per_sample in depths.clone() {
            for channels in 1..=8 {
                let place = usize::from(bits_per_sample) * 8 + usize::from(channels) + kind;
                let block_size = BLOCK_SIZES[place % BLOCK_SIZES.len()];
                let whole = usize::from(block_size);
                let end = [0, 1, 2, 8, 9, 15, whole / 2, whole - 1][place / 3 % 8] % whole;
                let count = if whole > 2000 { whole } else { 2 * whole } + end;
                let shape = Shape { channels, sample_rate: RATES[place % 5], bits_per_sample, block_size };
                let samples = sound.samples(count, channels.into(), bits_per_sample.into(), count as u64);
                Case::new(sound, shape, place % 9, samples).check(turn, &mut judges);
                turn += 1;
            }
        }
    }
    judges.finish(turn, by_ffmpeg);
}

#[test]
fn depths_4_to_8_come_back() {
    come_back(4..=8, 1000);
}

#[test]
fn depths_9_to_16_come_back() {
    come_back(9..=16, 1700);
}

#[test]
fn depths_17_to_24_come_back() {
    come_back(17..=24, 1700);
}

#[test]
fn depths_25_to_32_come_back() {
    come_back(25..=32, 1500);
}
