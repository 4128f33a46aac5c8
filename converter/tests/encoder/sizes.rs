//! What frames come to: that none is larger than its samples is checked with every [`Case`].

use converter::flac::{Engine, Shape};

use crate::case::{Case, OVERHEAD};
use crate::sounds::Sound;

const ENGINES: [Engine; 2] = [Engine::Native, Engine::Flacenc];

#[test]
fn every_depth_and_block_size_is_compressed() {
    for bits_per_sample in 4..=32 {
        for (channels, block_size) in [(1, 4096), (2, 4096), (5, 1152), (2, 65_535), (2, 200), (1, 48)] {
            let shape = Shape { channels, sample_rate: 44_100, bits_per_sample, block_size };
            let samples = Sound::Sine.samples(usize::from(block_size) + 48, channels.into(), bits_per_sample.into(), 1);
            for level in [0, 5] {
                let case = Case::new(Sound::Sine, shape, level, samples.clone());
                for engine in ENGINES {
                    let size = case.encode(engine, 1).sizes[0];
                    let verbatim = usize::from(block_size) * usize::from(bits_per_sample) * usize::from(channels) / 8;
                    // Of one channel in six (a fast sine) little can be saved without linear prediction.
                    let bound = if level == 0 || block_size < 1000 { 98 } else { 85 };
                    assert!(size * 100 < verbatim * bound, "{size} of {verbatim}, {engine}: {}", case.name);
                }
            }
        }
    }
}

/// Sounds as they are recorded, and not made to mislead an encoder.
const RECORDED: [Sound; 7] =
    [Sound::Music, Sound::Speech, Sound::Clipped, Sound::Quiet, Sound::Twins, Sound::Brown, Sound::Wasted(1)];

#[test]
fn each_level_makes_less_of_recorded_sound_than_the_one_below() {
    for (bits_per_sample, channels) in [(8, 2), (13, 2), (16, 1), (16, 2), (16, 6), (24, 2), (32, 2)] {
        for block_size in [4096, 1000] {
            let shape = Shape { channels, sample_rate: 44_100, bits_per_sample, block_size };
            let sounds = RECORDED.map(|sound| sound.samples(30_000, channels.into(), bits_per_sample.into(), 3));
            let size = |level: usize| -> usize {
                let cases = sounds.iter().map(|samples| Case::new("recorded sound", shape, level, samples.clone()));
                cases.map(|case| case.encode(Engine::Native, 1).sizes.iter().sum::<usize>()).sum()
            };
            let sizes: Vec<usize> = (0..=8).map(size).collect();
            // The bench set's figures are exact about it; sounds of 8 bits are mostly noise.
            assert!(
                sizes.is_sorted_by(|below, size| size * 1000 <= below * 1003),
                "{sizes:?} at levels 0 to 8, {shape:?}"
            );
            assert!(sizes[8] < sizes[5] && sizes[5] < sizes[0], "{sizes:?} at levels 0 to 8, {shape:?}");
        }
    }
}

/// Waves of a few lines, most of whose residuals are zero under one of the fixed predictors: where the mean of the
/// squares says something else, it is wrong.
#[test]
fn no_level_makes_much_more_of_synthetic_sound_than_level_0() {
    const COUNT: i32 = 60_000;
    for bits in [8, 16] {
        let high = i32::MAX >> (32 - bits);
        let triangle = |time: i32, half: i32| ((time % (2 * half)) - half).abs() * (2 * high / half) - high;
        let waves: [(&str, &dyn Fn(i32) -> i32); 6] = [
            ("a slow square", &|time| if time / 188 % 2 == 0 { high } else { -high }),
            ("a square", &|time| if time / 50 % 2 == 0 { high } else { -high }),
            ("a triangle", &|time| triangle(time, 60)),
            ("a saw", &|time| time % 99 * (2 * high / 99) - high),
            ("stairs", &|time| time / 37 * 7919 % (2 * high) - high),
            ("clicks", &|time| if time * 31 % 211 == 0 { high } else { 0 }),
        ];
        for (name, wave) in waves {
            let samples: Vec<i32> = (0..COUNT).map(wave).collect();
            for block_size in [4096, 512] {
                let shape = Shape { channels: 1, sample_rate: 44_100, bits_per_sample: bits as u8, block_size };
                let size = |level: usize| -> usize {
                    Case::new(name, shape, level, samples.clone()).encode(Engine::Native, 1).sizes.iter().sum()
                };
                let sizes: Vec<usize> = (0..=8).map(size).collect();
                let most = sizes[0] * 106 / 100 + 64;
                assert!(sizes.iter().all(|size| *size <= most), "{name} at levels 0 to 8: {sizes:?}, {shape:?}");
            }
        }
    }
}

#[test]
fn digital_silence_takes_a_few_bytes() {
    for bits_per_sample in 4..=32 {
        let shape = Shape { channels: 8, sample_rate: 44_100, bits_per_sample, block_size: 4096 };
        let case = Case::new(Sound::Silence, shape, 0, vec![0; 4096 * 8]);
        for engine in ENGINES {
            let sizes = case.encode(engine, 1).sizes;
            assert!(sizes[0] <= OVERHEAD + 8 * 5, "{sizes:?}, {engine}");
        }
    }
}

#[test]
fn one_silent_channel_costs_next_to_nothing() {
    for (bits_per_sample, channels) in [(16, 2), (24, 2), (16, 6)] {
        let shape = Shape { channels, sample_rate: 44_100, bits_per_sample, block_size: 4096 };
        let count = usize::from(channels);
        let mut samples = Sound::Music.samples(4096, count, bits_per_sample.into(), 2);
        let alone: Vec<i32> = samples.iter().step_by(count).copied().collect();
        for frame in samples.chunks_mut(count) {
            frame[1..].fill(0);
        }
        let mono = Case::new("music", Shape { channels: 1, ..shape }, 5, alone);
        let with_silence = Case::new("music beside silence", shape, 5, samples);
        for engine in ENGINES {
            let (alone, both) = (mono.encode(engine, 1).sizes[0], with_silence.encode(engine, 1).sizes[0]);
            assert!(both <= alone + 8 * count, "{both} {alone} {engine}: {}", with_silence.name);
        }
    }
}
