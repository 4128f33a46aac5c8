//! Samples of different kinds: with noise alone no predictor is ever used.

use arbitrary::{Arbitrary, Result, Unstructured};

/// Sounds one after the other.
#[derive(Arbitrary, Debug, Clone)]
pub struct Sounds {
    parts: Vec<Part>,
}

#[derive(Arbitrary, Debug, Clone)]
struct Part {
    /// Samples per channel.
    length: u16,
    kind: Kind,
    /// Low bits that stay zero.
    wasted: u8,
    /// Whether all channels have the first one's samples, or their negatives.
    channels: Channels,
}

#[derive(Arbitrary, Debug, Clone)]
enum Kind {
    Constant(i32),
    Ramp {
        start: i32,
        step: i32,
    },
    /// Each sample from those before, as a resonator has them; starts again when it leaves the range.
    Resonance {
        factors: [i8; 3],
        shift: u8,
        start: i32,
        noise: u8,
    },
    Noise {
        seed: u32,
        quiet: u8,
    },
    /// What a linear predictor foretells from up to eight samples before, and a little more.
    Poles {
        factors: Vec<i16>,
        shift: u8,
        start: i32,
        noise: u8,
    },
    /// The lowest sample for each 0 among these bits, the highest for each 1.
    Extremes(Vec<u8>),
    /// Noise that is quiet but for some samples, which are of any loudness.
    Outliers {
        seed: u32,
        quiet: u8,
        every: u8,
    },
    /// The lowest and highest sample in turn.
    Square {
        half_period: u8,
    },
    Clicks {
        seed: u32,
        every: u8,
    },
    Raw(Vec<i16>),
}

#[derive(Arbitrary, Debug, Clone, Copy, PartialEq)]
enum Channels {
    Alike,
    Opposite,
    Different,
}

impl Sounds {
    /// Interleaved samples of so many bits, at most `limit` per channel.
    pub fn samples(&self, channels: u8, bits: u8, limit: usize) -> Vec<i32> {
        let mut samples = Vec::new();
        let channels = usize::from(channels);
        for part in &self.parts {
            let left = limit.saturating_sub(samples.len() / channels);
            let length = usize::from(part.length).min(left).min(10_000);
            let first = part.channel(0, length, bits);
            let all: Vec<Vec<i32>> = (0..channels)
                .map(|channel| match part.channels {
                    Channels::Different if channel > 0 => part.channel(channel, length, bits),
                    Channels::Opposite if channel % 2 == 1 => first.iter().map(|sample| !sample).collect(),
                    _ => first.clone(),
                })
                .collect();
            samples.extend((0..length).flat_map(|at| all.iter().map(move |channel| channel[at])));
        }
        samples
    }
}

impl Part {
    fn channel(&self, channel: usize, length: usize, bits: u8) -> Vec<i32> {
        let cut = |value: i64| fold(value, bits);
        let seed = |seed: u32| seed.wrapping_add(channel as u32 * 77).max(1);
        let wasted = self.wasted % bits;
        let waste = |sample: i32| sample >> wasted << wasted;
        let (min, max) = (i32::MIN >> (32 - bits), i32::MAX >> (32 - bits));
        let samples: Vec<i32> = match &self.kind {
            Kind::Constant(value) => vec![cut(i64::from(*value) + channel as i64); length],
            Kind::Ramp { start, step } => {
                (0..length as i64).map(|at| cut(i64::from(*start) + at * i64::from(*step) + channel as i64)).collect()
            }
            Kind::Resonance { factors, shift, start, noise } => {
                let mut random = seed(u32::from(*noise) + 1);
                let mut last = [cut(i64::from(*start)), cut(i64::from(*start) / 2), cut(channel as i64)];
                (0..length)
                    .map(|_| {
                        let sum: i64 = last.iter().zip(factors).map(|(x, f)| i64::from(*x) * i64::from(*f)).sum();
                        let rustle = i64::from(next(&mut random) % (u32::from(*noise) + 1));
                        let sample = cut((sum >> (shift % 8)) + rustle);
                        last = [sample, last[0], last[1]];
                        sample
                    })
                    .collect()
            }
            Kind::Poles { factors, shift, start, noise } => {
                let mut random = seed(u32::from(*noise) + 1);
                let mut last = [cut(i64::from(*start)); 8];
                (0..length)
                    .map(|_| {
                        let sum: i64 = last.iter().zip(factors).map(|(x, f)| i64::from(*x) * i64::from(*f)).sum();
                        let rustle = i64::from(next(&mut random) >> 1 >> (31 - noise % 31));
                        // What leaves the range is clipped, or comes in again at its other end.
                        let sample = (sum >> (shift % 16)) + rustle;
                        let sample =
                            if noise % 2 == 0 { cut(sample) } else { sample.clamp(min.into(), max.into()) as i32 };
                        last.rotate_right(1);
                        last[0] = sample;
                        sample
                    })
                    .collect()
            }
            Kind::Extremes(bytes) => {
                let bit = |at: usize| bytes.get(at / 8 % bytes.len().max(1)).map_or(0, |byte| byte >> (at % 8) & 1);
                (0..length).map(|at| if bit(at + channel) == 0 { min } else { max }).collect()
            }
            Kind::Outliers { seed: start, quiet, every } => {
                let mut random = seed(*start);
                (0..length)
                    .map(|_| {
                        let sample = (next(&mut random) as i32) >> (32 - bits);
                        let loud = next(&mut random) % (u32::from(*every) + 1) == 0;
                        if loud { sample >> (next(&mut random) % 32) } else { sample >> (quiet % bits) }
                    })
                    .collect()
            }
            Kind::Noise { seed: start, quiet } => {
                let mut random = seed(*start);
                (0..length).map(|_| (next(&mut random) as i32) >> (32 - bits) >> (quiet % bits)).collect()
            }
            Kind::Square { half_period } => {
                let period = usize::from(*half_period) + 1;
                (0..length).map(|at| if (at / period + channel) % 2 == 0 { min } else { max }).collect()
            }
            Kind::Clicks { seed: start, every } => {
                let mut random = seed(*start);
                let every = u32::from(*every) + 1;
                (0..length).map(|_| if next(&mut random) % every == 0 { max } else { 0 }).collect()
            }
            Kind::Raw(raw) => {
                let mut raw = raw.iter().cycle();
                (0..length).map(|_| cut(raw.next().map_or(0, |sample| i64::from(*sample) << (bits / 2)))).collect()
            }
        };
        samples.into_iter().map(waste).collect()
    }
}

/// The number's low bits, with a sign.
fn fold(value: i64, bits: u8) -> i32 {
    (value << (64 - bits) >> (64 - bits)) as i32
}

fn next(random: &mut u32) -> u32 {
    *random ^= *random << 13;
    *random ^= *random >> 17;
    *random ^= *random << 5;
    *random
}

/// As FLAC's MD5 sees samples.
pub fn signed_pcm(samples: &[i32], bits: u8) -> Vec<u8> {
    let bytes = usize::from(bits.div_ceil(8));
    samples.iter().flat_map(|sample| sample.to_le_bytes().into_iter().take(bytes)).collect()
}

/// A number out of a range, or now and then any other.
pub fn mostly(u: &mut Unstructured<'_>, range: std::ops::RangeInclusive<u32>) -> Result<u32> {
    if u.ratio(9, 10)? { u.int_in_range(range) } else { u.arbitrary() }
}
