//! The encoder of blocks as a whole: what it refuses, what it promises of every frame, and how it compares channels.

use super::*;
use crate::flac::decode::FrameDecoder;
use crate::flac::kernels::plain;
use crate::support::{Random, music, noise, signed_pcm};

fn shape(channels: u8, bits_per_sample: u8, block_size: u16) -> Shape {
    Shape { channels, sample_rate: 44_100, bits_per_sample, block_size }
}

fn encoder(shape: Shape, level: u8) -> Encoder {
    Encoder::new(shape, Level::new(level).unwrap(), Kernels::best())
}

fn encode(encoder: &mut Encoder, pcm: &[u8]) -> Result<Vec<u8>, EncodeError> {
    let mut frame = Vec::new();
    encoder.encode(Block { number: 3, pcm }, &mut frame).map(|()| frame)
}

/// The frame of these samples, which are what it decodes to, and no larger than they are.
#[track_caller]
fn checked(encoder: &mut Encoder, samples: &[i32]) -> Vec<u8> {
    let shape = encoder.shape;
    let pcm = signed_pcm(samples, shape.bits_per_sample.into());
    let frame = encode(encoder, &pcm).unwrap();
    let mut decoder = FrameDecoder::new(shape);
    let facts = decoder.decode(&frame).unwrap();
    assert!(decoder.holds(&pcm), "{shape:?}");
    assert_eq!(facts.bytes, frame.len());
    let bits = samples.len() * usize::from(shape.bits_per_sample) + 8 * usize::from(shape.channels);
    assert!(frame.len() <= 16 + bits.div_ceil(8) + 2, "{} bytes for {bits} bits, {shape:?}", frame.len());
    frame
}

#[test]
fn samples_beyond_the_depth_are_refused() {
    for (depth, good, bad) in [
        (4, [7, -8], [8, -9]),
        (5, [15, -16], [16, -17]),
        (12, [2047, -2048], [2048, -2049]),
        (20, [524_287, -524_288], [524_288, -524_289]),
        (31, [0x3FFF_FFFF, -0x4000_0000], [0x4000_0000, -0x4000_0001]),
    ] {
        for channels in [1, 2, 3] {
            let mut encoder = encoder(shape(channels, depth, 64), 5);
            let pcm = |samples: [i32; 2]| signed_pcm(&samples.repeat(usize::from(channels) * 8), depth.into());
            let pcm_with = |sample: i32| {
                let mut samples = vec![0; usize::from(channels) * 16];
                *samples.last_mut().unwrap() = sample;
                signed_pcm(&samples, depth.into())
            };
            let before = encode(&mut encoder, &pcm(good)).unwrap();
            for sample in bad {
                let error = encode(&mut encoder, &pcm_with(sample)).unwrap_err();
                assert!(error.to_string().contains(&format!("{depth} bits")), "{error}");
                // A block of nothing else is a constant one.
                let alone = signed_pcm(&vec![sample; channels.into()], depth.into());
                encode(&mut encoder, &alone).unwrap_err();
            }
            assert_eq!(encode(&mut encoder, &pcm(good)).unwrap(), before, "it goes on after an error");
            for sample in good {
                encode(&mut encoder, &pcm_with(sample)).unwrap();
            }
        }
    }
}

#[test]
fn blocks_of_other_lengths_are_refused() {
    for (channels, depth, step) in [(1, 8, 1), (2, 16, 4), (3, 20, 9), (8, 32, 32)] {
        let mut encoder = encoder(shape(channels, depth, 32), 2);
        for bytes in [0, step - 1, step + 1, 32 * step - 1, 32 * step + 1, 33 * step, 65_536 * step, 65_568 * step] {
            let result = encode(&mut encoder, &vec![0; bytes]);
            // Of one byte a sample, no length is other than whole.
            assert_eq!(result.is_ok(), bytes > 0 && bytes % step == 0 && bytes <= 32 * step, "{bytes} of {step}");
        }
        encode(&mut encoder, &vec![0; 32 * step]).unwrap();
        encode(&mut encoder, &vec![0; step]).unwrap();
    }
}

#[test]
fn every_block_of_every_shape_decodes_and_is_no_larger_than_its_samples() {
    let mut random = Random::new(41);
    for round in 0..260_u32 {
        let depth = [4, 7, 8, 12, 16, 16, 20, 24, 24, 30, 31, 32][random.bits() as usize % 12];
        let channels = [1, 2, 2, 2, 3, 8][random.bits() as usize % 6];
        let shape = shape(channels, depth, 1024);
        let mut encoder = encoder(shape, (round % 9) as u8);
        let depth = u32::from(depth);
        for count in
            [1 + random.bits() as usize % 20, 1 + random.bits() as usize % 600, 64 * (random.bits() as usize % 4)]
        {
            let count = count.max(1);
            let (seed, each) = (u64::from(random.bits()) + 1, usize::from(channels));
            let mut samples = match random.bits() % 5 {
                0 => noise(count, each, depth, seed),
                1 => music(count, each, depth.min(24), seed)
                    .iter()
                    .map(|sample| sample << (depth - depth.min(24)))
                    .collect(),
                2 => (0..count * each)
                    .map(|_| if random.bits() & 1 == 0 { i32::MIN } else { i32::MAX } >> (32 - depth))
                    .collect(),
                3 => (0..count * each)
                    .map(|_| random.bits().cast_signed() >> (32 - depth) >> (random.bits() % depth))
                    .collect(),
                _ => vec![i32::MIN >> (32 - depth); count * each],
            };
            let wasted = if random.bits().is_multiple_of(4) { random.bits() % depth } else { 0 };
            for sample in &mut samples {
                *sample = *sample >> wasted << wasted;
            }
            checked(&mut encoder, &samples);
        }
    }
}

#[test]
fn the_longest_blocks_and_the_shortest_are_encoded() {
    for (channels, depth, count) in
        [(1_u8, 16, 65_535), (2, 8, 65_535), (2, 32, 65_535), (1, 24, 65_535), (8, 32, 1), (2, 4, 1)]
    {
        let mut encoder = encoder(shape(channels, depth, 65_535), 5);
        let (channels, bits) = (usize::from(channels), u32::from(depth));
        for samples in [
            noise(count, channels, bits, 3),
            (0..count * channels)
                .map(|at| if at / channels % 2 == 0 { i32::MIN } else { i32::MAX } >> (32 - bits))
                .collect(),
        ] {
            checked(&mut encoder, &samples);
        }
    }
}

#[test]
fn a_pair_that_is_larger_than_its_channels_is_not_kept() {
    // Noise in both, in each way near to what the estimate takes for alike.
    let mut random = Random::new(7);
    for level in 0..=8 {
        for bits in [4, 8, 16, 24, 31] {
            let mut encoder = encoder(shape(2, bits, 4096), level);
            for count in [16, 17, 64, 300] {
                let mut samples = noise(count, 2, bits.into(), 9);
                for frame in samples.chunks_mut(2) {
                    if random.bits().is_multiple_of(3) {
                        frame[1] = frame[0];
                    }
                }
                checked(&mut encoder, &samples);
            }
        }
    }
}

#[test]
fn deep_channels_are_never_joined() {
    let tones = music(4096, 1, 24, 3);
    let alike: Vec<i32> = tones.iter().flat_map(|sample| [sample << 7 | 1; 2]).collect();
    for (depth, joined) in [(31, true), (32, false)] {
        for level in [0, 5, 8] {
            let frame = checked(&mut encoder(shape(2, depth, 4096), level), &alike);
            assert_eq!(frame[3] >> 4 >= 0b1000, joined, "{depth} bits, level {level}");
        }
    }
}

fn expected(channels: [&[i32]; 2], depth: u8) -> [f64; 4] {
    let mut encoder = encoder(shape(2, depth, 4096), 5);
    let interleaved: Vec<i32> = channels[0].iter().zip(channels[1]).flat_map(|(left, right)| [*left, *right]).collect();
    encoder.split(&signed_pcm(&interleaved, depth.into())).unwrap();
    encoder.bits_by_differences()
}

#[test]
fn what_is_expected_of_channels_counts_neither_wasted_bits_nor_depth_twice() {
    let left: Vec<i32> = music(4096, 1, 16, 3).iter().map(|sample| sample / 2).collect();
    let right: Vec<i32> = noise(4096, 1, 16, 4).iter().zip(&left).map(|(noise, left)| left + (noise >> 6)).collect();
    let plain = expected([&left, &right], 16);
    // So much that more samples of zero than others are expected.
    let sparse: Vec<i32> = (0..4096).map(|at| i32::from(at % 50 == 0)).collect();
    for wasted in [1, 8, 14] {
        let deep = |samples: &[i32]| samples.iter().map(|sample| sample << wasted).collect::<Vec<_>>();
        let found = expected([&deep(&left), &deep(&right)], 16 + wasted);
        for (at, (found, plain)) in found.iter().zip(plain).enumerate() {
            // A middle may have a bit more than it needs.
            let more = if at == MID { 4096.0 * 1.2 } else { 0.0 };
            assert!((found - plain).abs() <= more, "{found} for {plain}, {wasted} bits");
        }
        let found = expected([&deep(&sparse), &deep(&sparse)], 16 + wasted);
        assert!(found.iter().all(|bits| *bits >= 4096.0), "no sample takes less than a bit: {found:?}");
    }
    // Samples of full loudness take their depth, however deep they are.
    for depth in [16, 24, 25, 28, 31] {
        let channels = [noise(4096, 1, depth.into(), 5), noise(4096, 1, depth.into(), 6)];
        let most = 4096.0 * f64::from(depth);
        assert_eq!(expected([&channels[0], &channels[1]], depth)[..2], [most; 2], "{depth}");
    }
}

#[test]
fn no_frame_depends_on_the_blocks_before() {
    let mut random = Random::new(3);
    for channels in [1, 2] {
        let shape = shape(channels, 16, 4096);
        let each = usize::from(channels);
        let restless: Vec<i32> = (0..4096 * each)
            .map(|at| (random.bits().cast_signed() >> 16) >> if at / each % 128 < 16 { 0 } else { 12 })
            .collect();
        // Noise, and at its end what another fixed predictor than the best of the whole would make small.
        let mut end = noise(4096, each, 16, 4);
        end[3584 * each..].fill(32_767);
        let blocks = [
            restless,
            noise(4096, each, 16, 5),
            end,
            music(4096, each, 16, 5),
            vec![0; 4096 * each],
            music(77, each, 16, 2),
        ];
        for level in 0..=8 {
            let alone: Vec<_> = blocks.iter().map(|block| checked(&mut encoder(shape, level), block)).collect();
            let mut same = encoder(shape, level);
            for first in 0..blocks.len() {
                for second in 0..blocks.len() {
                    checked(&mut same, &blocks[first]);
                    assert!(
                        checked(&mut same, &blocks[second]) == alone[second],
                        "{second} after {first}, level {level}"
                    );
                }
            }
        }
    }
}

/// Two channels of a few tones with noise, alike but for a little, from whole numbers alone: the same on every machine.
fn resonances(samples: usize, depth: u8, seed: u64) -> Vec<i32> {
    /// What is left of a tone's last sample, and of the one before, in parts of 256.
    const TONES: [[i64; 2]; 5] = [[505, 254], [430, 250], [260, 252], [-60, 248], [-380, 240]];
    let mut random = Random::new(seed);
    let mut tones = [[0_i64; 2]; TONES.len()];
    let scale = 1_i64 << (depth - 8);
    let most = (1_i64 << (depth - 1)) - 1;
    let mut found = Vec::new();
    for at in 0..samples {
        // Loud at first, then quiet, and so again and again.
        let strength = if at % 1000 < 300 { 6 } else { 1 } * scale;
        for ([last, before], [one, two]) in tones.iter_mut().zip(TONES) {
            let push = (i64::from(random.bits() % 64) - 32) * strength / 64;
            let now = ((*last * one - *before * two) / 256 + push).clamp(-most, most);
            (*before, *last) = (*last, now);
        }
        let now = tones.iter().map(|[last, _]| last).sum::<i64>().clamp(-most, most);
        let other = (now * 3 / 4 + i64::from(random.bits() % 8) - 4).clamp(-most, most);
        found.extend([now, other].map(|sample| i32::try_from(sample).unwrap()));
    }
    found
}

#[test]
fn predictors_of_every_order_to_32_come_back() {
    for (depth, samples) in [(8, 4096), (16, 4096), (16, 600), (24, 2000), (31, 1024)] {
        let sound = resonances(samples, depth, 5);
        for order in 1..=32 {
            for level in [5, 8] {
                let shape = shape(2, depth, 4096);
                let search = Search { order, ..Search::of(Level::new(level).unwrap(), shape.sample_rate) };
                checked(&mut Encoder::with(shape, search, Kernels::best()), &sound);
            }
        }
    }
}

#[test]
fn higher_rates_gain_by_higher_orders_and_all_kernels_agree() {
    let pcm = signed_pcm(&resonances(4096, 24, 6), 24);
    let encoded = |sample_rate: u32| {
        let shape = Shape { sample_rate, ..shape(2, 24, 4096) };
        let frames = [plain::KERNELS, Kernels::portable(), Kernels::best()]
            .map(|kernels| encode(&mut Encoder::new(shape, Level::SMALLEST, kernels), &pcm).unwrap());
        assert!(frames[0] == frames[1] && frames[0] == frames[2], "{sample_rate}");
        frames[0].len()
    };
    assert!(encoded(96_000) < encoded(48_000));
}

#[test]
fn plain_kernels_make_the_same_frames() {
    for (depth, block_size) in [(8, 4096), (16, 4096), (16, 1000), (20, 576), (24, 4096), (31, 512)] {
        let samples = resonances(block_size.into(), depth, 3);
        let pcm = signed_pcm(&samples, depth.into());
        for channels in [1, 2] {
            let shape = shape(channels, depth, block_size * (2 / u16::from(channels)));
            for level in 0..=8 {
                let level = Level::new(level).unwrap();
                let frames = [plain::KERNELS, Kernels::portable(), Kernels::best()]
                    .map(|kernels| encode(&mut Encoder::new(shape, level, kernels), &pcm).unwrap());
                assert!(frames[0] == frames[1] && frames[0] == frames[2], "{shape:?} {level:?}");
            }
        }
    }
}

fn pick<T: Copy>(random: &mut Random, choices: &[T]) -> T {
    choices[random.bits() as usize % choices.len()]
}

/// Whoever used the buffers before, and for what, leaves no trace in a frame.
#[test]
fn borrowed_buffers_make_the_same_frames_as_own_ones() {
    let mut random = Random::new(9);
    for round in 0..400 {
        let channels = pick(&mut random, &[1, 2, 2, 3, 6, 8]);
        let depth = pick(&mut random, &[8, 12, 16, 16, 24, 32]);
        let shape = shape(channels, depth, pick(&mut random, &[64, 576, 4096]));
        let level = Level::new(pick(&mut random, &[0, 3, 5, 8])).unwrap();
        let kernels = if round % 3 == 0 { Kernels::portable() } else { Kernels::best() };
        let samples = music(shape.block_size.into(), channels.into(), depth.into(), round);
        let samples: Vec<i32> =
            if round % 5 == 0 { samples.iter().map(|sample| sample & !3).collect() } else { samples };
        let block = Block { number: round, pcm: &signed_pcm(&samples, depth.into()) };
        let [mut own, mut borrowed] = [Vec::new(), Vec::new()];
        Encoder::new(shape, level, kernels).encode(block, &mut own).unwrap();
        Sharing::new(shape, level, kernels).encode(block, &mut borrowed).unwrap();
        assert!(own == borrowed, "{round}: {shape:?} {level:?}");
    }
}

/// Sums of the frames of fixed blocks, level by level. They differ on a CPU, or with a compiler, that rounds otherwise:
/// then the bytes of a file would depend on where it was made. They also change with whatever changes the encoder's
/// choices: then these are to be replaced by what the test prints.
#[test]
fn the_bytes_are_those_of_every_other_machine() {
    #[rustfmt::skip]
    const EXPECTED: [[u32; 9]; 2] = [
        [
            0xCBBD_798D, 0xFD10_6BB7, 0xB894_16C3, 0x6D53_42E5, 0x555F_0975, 0x39F2_FC3C, 0x8354_DB23, 0xB31D_D47F,
            0xB31D_D47F,
        ],
        [
            0xD4E8_D040, 0xD150_9F8C, 0xE8C0_2725, 0x593F_088D, 0x241D_57E0, 0x902B_55A0, 0x209D_B5BB, 0x8C7C_7510,
            0x8C7C_7510,
        ],
    ];
    let found = [16, 24].map(|depth| {
        let pcm = signed_pcm(&resonances(3 * 4096, depth, 11), depth.into());
        let shape = shape(2, depth, 4096);
        std::array::from_fn(|level| {
            let mut encoder = encoder(shape, u8::try_from(level).unwrap());
            let blocks = pcm.chunks(shape.bytes_per_block());
            let frames: Vec<u8> = blocks.flat_map(|block| encode(&mut encoder, block).unwrap()).collect();
            crc32fast::hash(&frames)
        })
    });
    assert_eq!(found, EXPECTED, "{found:#x?}");
}
