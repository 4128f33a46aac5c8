//! Both sets of kernels against definitions that are too simple to be wrong.

use crate::flac::kernels::{Kernels, MAX_ORDER, MAX_SEGMENT, Survey, plain};

/// The plain kernels, those of every CPU of this kind, and those of this CPU if it has any.
fn sets() -> Vec<(&'static str, Kernels)> {
    let mut sets = vec![("plain", plain::KERNELS), ("portable", Kernels::portable())];
    #[cfg(target_arch = "x86_64")]
    match crate::flac::kernels::x86::detected() {
        Some(kernels) => sets.push(("x86", kernels)),
        None => println!("this CPU has no AVX2 and FMA: only the portable kernels are tested"),
    }
    sets
}

/// Marsaglia's xorshift: the same numbers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number of so many bits.
    #[allow(clippy::cast_possible_truncation)]
    fn signed(&mut self, bits: u32) -> i32 {
        (self.next() >> 32) as i32 >> (32 - bits)
    }
}

/// Signals of this depth and length: noise, its extremes in several orders, silence, and the loudest of all.
fn signals(bits: u32, length: usize) -> Vec<Vec<i32>> {
    let mut random = Random(0x9E37_79B9_7F4A_7C15 ^ u64::from(bits) << 32 ^ length as u64);
    let (least, most) = (i32::MIN >> (32 - bits), i32::MAX >> (32 - bits));
    let periodic = |pattern: &[i32]| pattern.iter().copied().cycle().take(length).collect::<Vec<_>>();
    vec![
        (0..length).map(|_| random.signed(bits)).collect(),
        (0..length).map(|_| if random.next() >> 40 & 1 == 0 { least } else { most }).collect(),
        (0..length).map(|_| random.signed(bits) >> (random.next() >> 59).min(u64::from(bits))).collect(),
        periodic(&[least, most]),
        periodic(&[most, least]),
        periodic(&[least, least, most, most]),
        periodic(&[least]),
        periodic(&[most]),
        periodic(&[-1]),
        periodic(&[0]),
    ]
}

/// Every length that leaves another rest of a vector, and some around larger steps.
fn lengths() -> impl Iterator<Item = usize> {
    (0..=70).chain([127, 128, 129, 255, 256, 257, 258, 259, 260, 261, 262, 511, 512, 513, 516, 519, 1023, 1024, 4096])
}

fn second_differences(samples: &[i64]) -> u64 {
    samples.windows(3).map(|x| (x[2] - 2 * x[1] + x[0]).unsigned_abs()).sum()
}

#[test]
fn channels_are_split() {
    for (name, kernels) in sets() {
        for bytes in 1..=4 {
            for count in 1..=8 {
                // Vectors that hold something older already, of any length.
                let mut channels: Vec<_> = (0..count).map(|number| vec![7; 40 * number]).collect();
                for frames in (0..=70).rev().chain([127, 128, 129, 255, 256, 257, 300, 512, 1]) {
                    let mut random = Random(frames as u64 + 1);
                    let depth = 8 * u32::try_from(bytes).unwrap();
                    let wanted: Vec<Vec<i32>> =
                        (0..count).map(|_| (0..frames).map(|_| random.signed(depth)).collect()).collect();
                    // Not aligned.
                    let mut pcm = vec![0xAA];
                    for frame in 0..frames {
                        for one in &wanted {
                            pcm.extend_from_slice(&one[frame].to_le_bytes()[..bytes]);
                        }
                    }
                    (kernels.split)(&pcm[1..], bytes, &mut channels);
                    assert_eq!(channels, wanted, "{name}: {frames} frames of {count} channels in {bytes} bytes");
                }
            }
        }
    }
}

#[test]
fn the_middle_and_the_side_are_halves_and_differences() {
    for (name, kernels) in sets() {
        for bits in [1, 8, 16, 17, 24, 25, 31] {
            for length in lengths() {
                let signals = signals(bits, length);
                for (left, right) in signals.iter().zip(signals.iter().cycle().skip(3)) {
                    let skip = length.min(1);
                    let (left, right) = (&left[skip..], &right[skip..]);
                    let (mut mid, mut side) = (vec![0; left.len() + skip], vec![0; left.len()]);
                    (kernels.mid_side)(left, right, &mut mid[skip..], &mut side);
                    for (at, (left, right)) in left.iter().zip(right).enumerate() {
                        let (left, right) = (i64::from(*left), i64::from(*right));
                        let wanted = ((left + right).div_euclid(2), left - right);
                        assert_eq!((i64::from(mid[at + skip]), i64::from(side[at])), wanted, "{name} {bits} {length}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_survey_finds_every_bit() {
    for (name, kernels) in sets() {
        for bits in [1, 2, 8, 16, 24, 32] {
            for length in lengths() {
                let mut signals = signals(bits, length);
                // One sample that differs, at every place of the short ones.
                for at in 0..length.min(70) {
                    let mut signal = vec![5; length];
                    signal[at] = i32::MIN >> (32 - bits);
                    signals.push(signal);
                }
                for signal in signals {
                    for signal in [&signal[..], &signal[length.min(1)..]] {
                        let has = |bit: u32, sample: i32| sample >> bit & 1 != 0;
                        let mut wanted = Survey::default();
                        for bit in 0..32 {
                            let (one, first) = (1 << bit, signal.first().is_some_and(|first| has(bit, *first)));
                            let any = |test: &dyn Fn(i32) -> bool| {
                                if signal.iter().any(|sample| test(*sample)) { one } else { 0 }
                            };
                            wanted.used |= any(&|sample| has(bit, sample));
                            wanted.spread |= any(&|sample| has(bit, sample) != first);
                            wanted.magnitude |= any(&|sample| has(bit, sample) != (sample < 0));
                        }
                        assert_eq!((kernels.survey)(signal), wanted, "{name} {bits} {length}");
                    }
                }
            }
        }
    }
}

#[test]
fn stereo_sums_are_those_of_the_second_differences() {
    for (name, kernels) in sets() {
        for bits in [1, 8, 16, 17, 20, 24, 25] {
            for length in lengths() {
                let signals = signals(bits, length);
                for (left, right) in signals.iter().zip(signals.iter().cycle().skip(1)) {
                    for skip in [0, length.min(1), length.min(3)] {
                        let (left, right) = (&left[skip..], &right[skip..]);
                        let wide = |one: &[i32]| one.iter().map(|sample| i64::from(*sample)).collect::<Vec<_>>();
                        let (l, r) = (wide(left), wide(right));
                        let mid: Vec<_> = l.iter().zip(&r).map(|(l, r)| (l + r).div_euclid(2)).collect();
                        let side: Vec<_> = l.iter().zip(&r).map(|(l, r)| l - r).collect();
                        let wanted = [&l, &r, &mid, &side].map(|one| second_differences(one));
                        assert_eq!((kernels.stereo_sums)(left, right), wanted, "{name} {bits} {length} {skip}");
                    }
                }
            }
        }
    }
}

#[test]
fn fixed_sums_are_those_of_the_residuals() {
    for (name, kernels) in sets() {
        for bits in [1, 8, 16, 17, 24, 25, 26] {
            for length in lengths() {
                for signal in signals(bits, length) {
                    for skip in [0, length.min(1), length.min(3)] {
                        let signal = &signal[skip..];
                        let mut differences: Vec<_> = signal.iter().map(|sample| i64::from(*sample)).collect();
                        let wanted = [0, 1, 2, 3, 4].map(|order: usize| {
                            if order > 0 {
                                differences = differences.windows(2).map(|pair| pair[1] - pair[0]).collect();
                            }
                            differences.iter().skip(4 - order).map(|one| one.unsigned_abs()).sum::<u64>()
                        });
                        assert_eq!((kernels.fixed_sums)(signal), wanted, "{name} {bits} {length} {skip}");
                    }
                }
            }
        }
    }
}

#[test]
fn lag_sums_are_exact() {
    let lengths = || (0..=70).chain([127, 128, 129, 255, 256, 257, 511, 512, 513, 1023, MAX_SEGMENT]);
    for (name, kernels) in sets() {
        for (bits, shift) in [(21, 0), (16, 0), (17, 0), (15, 0), (24, 3), (16, 2), (17, 1), (32, 11), (1, 0)] {
            for length in lengths() {
                for count in 1..=MAX_ORDER + 1 {
                    // Just the history that is needed, or more.
                    let from = count - 1 + [0, 1, 50][(length + count) % 3];
                    let signals = signals(bits, from + length);
                    // All signals for some, one for each of the others.
                    let few = if length % 64 == 0 || length == 1 { 0 } else { (length + count) % signals.len() };
                    let until = if few == 0 { signals.len() } else { few + 1 };
                    for signal in &signals[few..until] {
                        let x = |at: usize| i128::from(signal[at] >> shift);
                        let mut sums = vec![f64::NAN; count];
                        (kernels.lag_sums)(signal, from, shift, &mut sums);
                        for (lag, sum) in sums.iter().enumerate() {
                            let wanted: i128 = (from..signal.len()).map(|t| x(t) * x(t - lag)).sum();
                            #[allow(clippy::cast_precision_loss)] // below 2^53
                            let exact = wanted as f64;
                            assert_eq!(sum.to_bits(), exact.to_bits(), "{name} {bits} {length} {count} {lag}");
                        }
                    }
                }
            }
        }
    }
}
