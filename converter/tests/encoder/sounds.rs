//! Sounds that stress an encoder, each in one way.

use std::f64::consts::TAU;

use crate::support::voice::speech;
use crate::support::{Random, music, noise};

/// A kind of sound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sound {
    Silence,
    /// One value for each channel.
    Constant,
    /// A large constant with a little noise on it.
    Offset,
    FullScaleSquare,
    /// The highest and the lowest value by turns.
    Extremes,
    /// The same, but for places where one comes twice: what foretells the rest is wrong there by twice the range.
    BrokenExtremes,
    Noise,
    /// Noise that wanders: a first-order predictor fits it best.
    Brown,
    Sine,
    /// From the lowest pitch to the highest.
    Chirp,
    Ramp,
    /// Two poles that almost ring for ever, in whole numbers.
    Resonance,
    Music,
    Speech,
    /// Four times too loud for the range.
    Clipped,
    /// Music with a peak of three bits.
    Quiet,
    /// Silence but for a 1 or -1 now and then.
    NearSilent,
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
    /// Silence, noise, music and a constant one after the other.
    Mixed,
}

pub const SOUNDS: [Sound; 27] = [
    Sound::Silence,
    Sound::Constant,
    Sound::Offset,
    Sound::FullScaleSquare,
    Sound::Extremes,
    Sound::BrokenExtremes,
    Sound::Noise,
    Sound::Brown,
    Sound::Sine,
    Sound::Chirp,
    Sound::Ramp,
    Sound::Resonance,
    Sound::Music,
    Sound::Speech,
    Sound::Clipped,
    Sound::Quiet,
    Sound::NearSilent,
    Sound::Antiphase,
    Sound::Twins,
    Sound::Impulse,
    Sound::Wasted(1),
    Sound::Wasted(7),
    Sound::Wasted(20),
    Sound::WastedInOne,
    Sound::WastedInSide,
    Sound::Fading,
    Sound::Mixed,
];

impl Sound {
    /// So many interleaved samples of each channel.
    pub fn samples(self, count: usize, channels: usize, bits: u32, seed: u64) -> Vec<i32> {
        let (low, high) = (i32::MIN >> (32 - bits), i32::MAX >> (32 - bits));
        let music = || music(count, channels, bits, seed);
        let noise = || noise(count, channels, bits, seed);
        let each = |value: &dyn Fn(usize, usize) -> i32| interleaved(count, channels, value);
        let scaled = |sound: f64| (sound * f64::from(high)) as i32;
        let shift = |wasted: u32| wasted.min(bits - 1);
        match self {
            Self::Silence => vec![0; count * channels],
            Self::Constant => each(&|_, channel| if channel % 2 == 0 { low } else { 1 }),
            Self::Offset => noise().iter().map(|sample| high - (sample >> (bits - 2) & 3)).collect(),
            Self::FullScaleSquare => each(&|time, channel| if (time + channel) / 50 % 2 == 0 { high } else { low }),
            Self::Extremes => each(&|time, channel| if (time + channel) % 2 == 0 { high } else { low }),
            Self::BrokenExtremes => each(&|time, channel| {
                let turns = (time + channel + time / 61) % 2;
                let near = ((time / 61 + seed as usize) % 5) as i32;
                if turns == 0 { high - near } else { low + near / 2 }
            }),
            Self::Noise => noise(),
            Self::Brown => wandering(&noise(), channels, bits),
            Self::Sine => each(&|time, channel| scaled((time as f64 * (0.05 + 0.3 * channel as f64)).sin())),
            Self::Chirp => each(&|time, channel| {
                let place = time as f64 / count as f64;
                scaled((TAU / 4.0 * place * place * count as f64 + channel as f64).sin())
            }),
            Self::Ramp => each(&|time, channel| {
                let step = i64::from((high >> 6).max(1) >> (channel % 3));
                (i64::from(low) + time as i64 % 127 * step).min(high.into()) as i32
            }),
            Self::Resonance => resonance(count, channels, bits, seed),
            Self::Music => music(),
            Self::Speech => speech(count, channels, bits, seed),
            Self::Clipped => {
                music().iter().map(|sample| (i64::from(*sample) * 4).clamp(low.into(), high.into()) as i32).collect()
            }
            Self::Quiet => music().iter().map(|sample| sample >> bits.saturating_sub(4)).collect(),
            Self::NearSilent => {
                noise().iter().map(|sample| i32::from(sample & 7 == 3) - i32::from(sample & 7 == 5)).collect()
            }
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
            Self::WastedInSide => music().iter().map(|sample| sample >> 1 << 1 | 1).collect(),
            Self::Fading => {
                let all = noise();
                each(&|time, channel| all[time * channels + channel] >> (time * 40 / count.max(1)).min(31))
            }
            Self::Mixed => {
                let (noise, music) = (noise(), music());
                each(&|time, channel| match time * 8 / count.max(1) {
                    0 | 4 => 0,
                    1 => noise[time * channels + channel],
                    2 | 6 => low,
                    _ => music[time * channels + channel],
                })
            }
        }
    }
}

/// The samples that `value` gives for each time and channel.
pub fn interleaved(count: usize, channels: usize, value: &dyn Fn(usize, usize) -> i32) -> Vec<i32> {
    (0..count).flat_map(|time| (0..channels).map(move |channel| (time, channel))).map(|(t, c)| value(t, c)).collect()
}

fn wandering(noise: &[i32], channels: usize, bits: u32) -> Vec<i32> {
    let mut places = vec![0; channels];
    let mut out = Vec::with_capacity(noise.len());
    for frame in noise.chunks(channels) {
        for (step, place) in frame.iter().zip(&mut places) {
            *place += (step >> 3) - (*place >> 4);
            *place = (*place).clamp(i32::MIN >> (32 - bits), i32::MAX >> (32 - bits));
            out.push(*place);
        }
    }
    out
}

fn resonance(count: usize, channels: usize, bits: u32, seed: u64) -> Vec<i32> {
    let mut random = Random::new(seed.max(1));
    let (low, high) = (i64::from(i32::MIN >> (32 - bits)), i64::from(i32::MAX >> (32 - bits)));
    let mut last = vec![[high / 2, high / 3]; channels];
    let mut out = Vec::with_capacity(count * channels);
    for _ in 0..count {
        for (channel, [one, two]) in last.iter_mut().enumerate() {
            let factor = 30_000 - 9_000 * channel as i64;
            let next = ((*one * factor) >> 14) - *two + i64::from(random.bits() & 1);
            (*one, *two) = (next.clamp(low, high), *one);
            out.push(*one as i32);
        }
    }
    out
}
