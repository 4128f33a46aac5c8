//! The engines of the frame encoder over every shape that FLAC has: what they make decodes to what went in, with
//! flac-codec's decoder and with the reference `flac`; it is never larger than the samples themselves, never larger
//! than a lower level's, and always the same.

use std::process::Command;

use converter::flac::{Block, Engine, FrameEncoder, Level, Shape, frame_encoder};
use flac_codec::decode::FlacSampleReader;
use md5::{Digest as _, Md5};
use proptest::prelude::*;

use crate::support::{Random, music, noise, signed_pcm};

/// A frame's header, footer and subframe headers at their largest (RFC 9639 §9.1: 16 bytes; 2; one for each channel).
const OVERHEAD: usize = 16 + 2;

/// A block of interleaved samples that stress an encoder in one way.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Signal {
    Silence,
    Constant,
    FullScaleSquare,
    /// The highest and the lowest value by turns.
    Extremes,
    Noise,
    Sine,
    Music,
    /// The second channel is the first with the sign turned.
    Antiphase,
    /// Equal channels.
    Twins,
    /// Silence with one loud sample.
    Impulse,
    /// Music with so many zero bits at the end of each sample.
    Wasted(u32),
    /// Wasted bits in the last channel only.
    WastedInOne,
    /// An even side of odd channels.
    WastedInSide,
    /// Loud at first, then almost silent.
    Fading,
}

const SIGNALS: [Signal; 16] = [
    Signal::Silence,
    Signal::Constant,
    Signal::FullScaleSquare,
    Signal::Extremes,
    Signal::Noise,
    Signal::Sine,
    Signal::Music,
    Signal::Antiphase,
    Signal::Twins,
    Signal::Impulse,
    Signal::Wasted(1),
    Signal::Wasted(7),
    Signal::Wasted(20),
    Signal::WastedInOne,
    Signal::WastedInSide,
    Signal::Fading,
];

impl Signal {
    fn samples(self, count: usize, channels: usize, bits: u32, seed: u64) -> Vec<i32> {
        let high = i32::MAX >> (32 - bits);
        let low = -high - 1;
        let music = || music(count, channels, bits, seed);
        let each = |value: &dyn Fn(usize, usize) -> i32| -> Vec<i32> {
            (0..count)
                .flat_map(|time| (0..channels).map(move |channel| (time, channel)))
                .map(|(t, c)| value(t, c))
                .collect()
        };
        let shift = |wasted: u32| wasted.min(bits - 1);
        match self {
            Self::Silence => vec![0; count * channels],
            Self::Constant => each(&|_, channel| if channel % 2 == 0 { low } else { 1 }),
            Self::FullScaleSquare => each(&|time, channel| if (time + channel) / 50 % 2 == 0 { high } else { low }),
            Self::Extremes => each(&|time, channel| if (time + channel) % 2 == 0 { high } else { low }),
            Self::Noise => noise(count, channels, bits, seed),
            Self::Sine => each(&|time, channel| {
                let phase = time as f64 * (0.05 + 0.3 * channel as f64);
                (phase.sin() * f64::from(high)) as i32
            }),
            Self::Music => music(),
            Self::Antiphase => {
                let one = music();
                each(&|time, channel| {
                    let sample = one[time * channels];
                    if channel % 2 == 0 { sample } else { sample.saturating_neg().min(high) }
                })
            }
            Self::Twins => {
                let one = music();
                each(&|time, _| one[time * channels])
            }
            Self::Impulse => each(&|time, _| if time == count / 2 { low } else { 0 }),
            Self::Wasted(wasted) => music().iter().map(|sample| sample >> shift(wasted) << shift(wasted)).collect(),
            Self::WastedInOne => {
                let all = music();
                each(&|time, channel| {
                    let sample = all[time * channels + channel];
                    if channel + 1 == channels { sample >> shift(2) << shift(2) } else { sample }
                })
            }
            Self::WastedInSide => {
                let all = music();
                each(&|time, channel| all[time * channels + channel] >> 1 << 1 | 1)
            }
            Self::Fading => {
                let all = noise(count, channels, bits, seed);
                each(&|time, channel| all[time * channels + channel] >> (time * 40 / count.max(1)).min(31))
            }
        }
    }
}

/// A whole FLAC file of these samples, with its STREAMINFO (RFC 9639 §8.2), and the bytes of each frame.
fn encode(shape: Shape, level: Level, samples: &[i32]) -> (Vec<u8>, Vec<usize>) {
    let pcm = signed_pcm(samples, shape.bits_per_sample.into());
    let mut encoder = frame_encoder(shape, level, Engine::default()).unwrap();
    let mut file = b"fLaC\x80\0\0\x22".to_vec();
    file.extend([shape.block_size; 2].iter().flat_map(|size| size.to_be_bytes()));
    file.extend([0; 6]);
    let packed = u64::from(shape.sample_rate) << 44
        | u64::from(shape.channels - 1) << 41
        | u64::from(shape.bits_per_sample - 1) << 36
        | (pcm.len() / shape.bytes_per_step()) as u64;
    file.extend(packed.to_be_bytes());
    file.extend(Md5::digest(&pcm));
    let mut sizes = Vec::new();
    for (number, pcm) in pcm.chunks(shape.bytes_per_block()).enumerate() {
        let before = file.len();
        encoder.encode(Block { number: number as u64, pcm }, &mut file).unwrap();
        let size = file.len() - before;
        let verbatim = (pcm.len() / shape.bytes_per_sample() * usize::from(shape.bits_per_sample)).div_ceil(8);
        assert!(size <= verbatim + OVERHEAD + usize::from(shape.channels), "{shape:?} {level} {size} {verbatim}");
        sizes.push(size);
    }
    (file, sizes)
}

fn decode(file: &[u8]) -> Vec<i32> {
    let mut reader = FlacSampleReader::new(file).unwrap();
    let mut samples = Vec::new();
    reader.read_to_end(&mut samples).unwrap();
    samples
}

/// Has the reference decoder check a file: every checksum, and the MD5 of what it decodes.
fn assert_reference_accepts(file: &[u8], what: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("frames.flac");
    std::fs::write(&path, file).unwrap();
    let test = Command::new("flac").args(["--silent", "--test", "--warnings-as-errors"]).arg(&path).output();
    let test = test.expect("these tests need the reference decoder: apt-get install flac");
    assert!(test.status.success(), "{what}: {}", String::from_utf8_lossy(&test.stderr));
}

/// One stream of some blocks and its end, checked with both decoders where `reference` says so.
fn assert_round_trip(shape: Shape, level: u8, signal: Signal, count: usize, reference: bool) {
    let channels = usize::from(shape.channels);
    let samples = signal.samples(count, channels, shape.bits_per_sample.into(), count as u64);
    let (file, _) = encode(shape, Level::new(level).unwrap(), &samples);
    let what = format!("{shape:?} level {level} {signal:?} {count} samples");
    assert!(decode(&file) == samples, "{what}");
    if reference {
        assert_reference_accepts(&file, &what);
    }
}

/// Every signal, in blocks of many sizes and ends of many lengths that take turns.
fn round_trips_of(depths: std::ops::RangeInclusive<u8>) {
    const BLOCK_SIZES: [u16; 12] = [16, 4096, 17, 64, 24, 576, 25, 63, 192, 1000, 256, 4608];
    let mut turn = 0_usize;
    for bits_per_sample in depths {
        for channels in 1..=8 {
            for signal in SIGNALS {
                let block_size = BLOCK_SIZES[turn % BLOCK_SIZES.len()];
                let whole = usize::from(block_size);
                let end = [0, 1, 2, 8, 9, 15, whole / 2, whole - 1][turn / 3 % 8];
                let count = if whole > 2000 { whole } else { 2 * whole } + end % whole;
                let level = [0, 5, 8, 2, 3, 7, 1, 6, 4][turn % 9];
                let sample_rate = [44_100, 192_000, 655_351, 8_000, 1_048_575][turn % 5];
                let shape = Shape { channels, sample_rate, bits_per_sample, block_size };
                assert_round_trip(shape, level, signal, count, turn.is_multiple_of(5));
                turn += 1;
            }
        }
    }
}

#[test]
fn depths_4_to_8_come_back() {
    round_trips_of(4..=8);
}

#[test]
fn depths_9_to_16_come_back() {
    round_trips_of(9..=16);
}

#[test]
fn depths_17_to_24_come_back() {
    round_trips_of(17..=24);
}

#[test]
fn depths_25_to_32_come_back() {
    round_trips_of(25..=32);
}

#[test]
fn every_length_around_the_edges_of_a_block_comes_back() {
    for (bits_per_sample, channels) in [(4, 1), (8, 1), (12, 3), (16, 2), (24, 2), (31, 1), (32, 2)] {
        for block_size in [16, 24, 64, 256] {
            let shape = Shape { channels, sample_rate: 44_100, bits_per_sample, block_size };
            let whole = usize::from(block_size);
            for count in (1..=40).chain(whole - 2..=whole + 25).chain(2 * whole - 1..=2 * whole + 1) {
                for (level, signal) in [(0, Signal::Sine), (5, Signal::Music), (8, Signal::Fading)] {
                    assert_round_trip(shape, level, signal, count, count == 3 || count == whole + 17);
                }
            }
        }
    }
}

#[test]
fn the_largest_blocks_come_back() {
    for (bits_per_sample, channels, block_size) in [
        (16, 2, 16_384),
        (16, 2, 32_767),
        (16, 1, 32_768),
        (24, 2, 65_535),
        (32, 1, 65_535),
        (13, 1, 65_535),
        (8, 8, 65_535),
    ] {
        let shape = Shape { channels, sample_rate: 96_000, bits_per_sample, block_size };
        for signal in [Signal::Music, Signal::Noise, Signal::Impulse, Signal::Extremes] {
            assert_round_trip(shape, 5, signal, usize::from(block_size) + 100, true);
        }
    }
}

#[test]
fn every_number_of_wasted_bits_is_used() {
    for (bits_per_sample, channels) in [(8, 1), (12, 2), (16, 1), (16, 2), (20, 2), (24, 2), (32, 2)] {
        let shape = Shape { channels, sample_rate: 44_100, bits_per_sample, block_size: 4096 };
        let bits = u32::from(bits_per_sample);
        for wasted in 1..bits.min(21) {
            let narrow = noise(4096, channels.into(), bits - wasted, 9);
            let samples: Vec<i32> = narrow.iter().map(|sample| sample << wasted).collect();
            let (file, sizes) = encode(shape, Level::default(), &samples);
            assert!(decode(&file) == samples, "{shape:?} {wasted}");
            let room = 4096 * usize::from(channels) * (bits - wasted) as usize / 8;
            assert!(sizes[0] <= room + OVERHEAD + 5 * usize::from(channels), "{shape:?} {wasted} {sizes:?} {room}");
        }
    }
}

#[test]
fn every_depth_and_block_size_is_compressed() {
    for bits_per_sample in 4..=32 {
        for (channels, block_size) in [(1, 4096), (2, 4096), (5, 1152), (2, 65_535), (2, 200), (1, 48)] {
            let shape = Shape { channels, sample_rate: 44_100, bits_per_sample, block_size };
            let samples =
                Signal::Sine.samples(usize::from(block_size) + 48, channels.into(), bits_per_sample.into(), 1);
            for level in [0, 5] {
                let (_, sizes) = encode(shape, Level::new(level).unwrap(), &samples);
                let verbatim = usize::from(block_size) * usize::from(bits_per_sample) * usize::from(channels) / 8;
                // Of one channel in six (a fast sine) little can be saved without linear prediction.
                let bound = if level == 0 || block_size < 1000 { 98 } else { 85 };
                assert!(sizes[0] * 100 < verbatim * bound, "{shape:?} level {level} {sizes:?} of {verbatim}");
            }
        }
    }
}

#[test]
fn no_level_makes_a_larger_frame_than_the_one_below() {
    for (bits_per_sample, channels) in [(8, 2), (13, 2), (16, 1), (16, 2), (16, 6), (24, 2), (32, 2)] {
        for block_size in [4096, 1000] {
            let shape = Shape { channels, sample_rate: 48_000, bits_per_sample, block_size };
            for signal in SIGNALS {
                let samples = signal.samples(usize::from(block_size) + 700, channels.into(), bits_per_sample.into(), 3);
                let mut below = vec![usize::MAX; 2];
                for level in 0..=8 {
                    let (_, sizes) = encode(shape, Level::new(level).unwrap(), &samples);
                    assert!(sizes.iter().zip(&below).all(|(now, below)| now <= below), "{shape:?} {signal:?} {level}");
                    below = sizes;
                }
            }
        }
    }
}

#[test]
fn frames_depend_on_nothing_but_their_block() {
    for bits in [13, 16, 24] {
        let shape = Shape { channels: 2, sample_rate: 44_100, bits_per_sample: bits, block_size: 4096 };
        let bits = u32::from(bits);
        let first = signed_pcm(&music(4096, 2, bits, 1), bits);
        let second = signed_pcm(&noise(4096, 2, bits, 2), bits);
        let frame = |encoder: &mut dyn FrameEncoder, number, pcm: &[u8]| {
            let mut frame = Vec::new();
            encoder.encode(Block { number, pcm }, &mut frame).unwrap();
            frame
        };
        let mut encoder = frame_encoder(shape, Level::SMALLEST, Engine::default()).unwrap();
        let before = frame(&mut *encoder, 7, &first);
        frame(&mut *encoder, 8, &second);
        frame(&mut *encoder, 9, &first[..shape.bytes_per_step() * 100]);
        frame(&mut *encoder, 10, &vec![0; first.len()]);
        assert_eq!(frame(&mut *encoder, 7, &first), before);
        assert_eq!(frame(&mut *frame_encoder(shape, Level::SMALLEST, Engine::default()).unwrap(), 7, &first), before);
        assert_ne!(frame(&mut *encoder, 8, &first), before, "the number is part of the frame");
    }
}

#[test]
fn digital_silence_takes_a_few_bytes() {
    for bits_per_sample in 4..=32 {
        let shape = Shape { channels: 8, sample_rate: 44_100, bits_per_sample, block_size: 4096 };
        let (_, sizes) = encode(shape, Level::FASTEST, &vec![0; 4096 * 8]);
        assert!(sizes[0] <= OVERHEAD + 8 * 5, "{sizes:?}");
    }
}

#[test]
fn what_flac_does_not_have_is_refused_with_the_limit() {
    let good = Shape { channels: 2, sample_rate: 44_100, bits_per_sample: 16, block_size: 4096 };
    for (shape, told) in [
        (Shape { channels: 0, ..good }, "8 channels"),
        (Shape { channels: 9, ..good }, "8 channels"),
        (Shape { bits_per_sample: 3, ..good }, "32 bits"),
        (Shape { bits_per_sample: 33, ..good }, "32 bits"),
        (Shape { block_size: 15, ..good }, "65535 samples"),
        (Shape { sample_rate: 0, ..good }, "1048575 Hz"),
        (Shape { sample_rate: 1 << 20, ..good }, "1048575 Hz"),
    ] {
        let error = frame_encoder(shape, Level::default(), Engine::default()).err().unwrap();
        assert!(error.to_string().contains(told), "{shape:?}: {error}");
    }
    let mut encoder = frame_encoder(good, Level::default(), Engine::default()).unwrap();
    for bytes in [0, 3, 4 * 4097] {
        let pcm = vec![0; bytes];
        assert!(encoder.encode(Block { number: 0, pcm: &pcm }, &mut Vec::new()).is_err(), "{bytes} bytes");
    }
    let mut odd = frame_encoder(Shape { bits_per_sample: 12, ..good }, Level::default(), Engine::default()).unwrap();
    let error = odd.encode(Block { number: 0, pcm: &[0, 0, 0, 8] }, &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("12 bits"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Pieces of unlike loudness, each a sum of noise and of a wave that may be clipped.
    #[test]
    fn whatever_the_samples_are_they_come_back(
        bits_per_sample in 4_u8..=32,
        channels in 1_u8..=8,
        block_size in 16_u16..=700,
        level in 0_u8..=8,
        pieces in prop::collection::vec((1_usize..400, 0_u32..32, 0.0..3.2_f64, 0.0..2.0_f64, 0_u32..8), 1..5),
        seed in 1..u64::MAX,
    ) {
        let shape = Shape { channels, sample_rate: 44_100, bits_per_sample, block_size };
        let mut random = Random::new(seed);
        let high = f64::from(i32::MAX >> (32 - bits_per_sample));
        let mut samples = Vec::new();
        for (length, quiet, pitch, loud, wasted) in pieces {
            let wasted = wasted.min(u32::from(bits_per_sample) - 1);
            for time in 0..length {
                for _ in 0..channels {
                    let wave = loud * (time as f64 * pitch).sin() * high;
                    let noise = f64::from(random.bits() as i32 >> quiet.min(31)) / 2_f64.powi(32 - i32::from(bits_per_sample));
                    samples.push((wave + noise).clamp(-high - 1.0, high) as i32 >> wasted << wasted);
                }
            }
        }
        let (file, _) = encode(shape, Level::new(level).unwrap(), &samples);
        prop_assert!(decode(&file) == samples);
    }
}
