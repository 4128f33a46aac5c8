//! Signals of our own making. The same seed gives the same samples on every machine.

use std::f64::consts::TAU;

use crate::wav::Wav;

/// What is made. A seed gives each its pitches, speeds and noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// One sine in each channel.
    Sine,
    /// Seven sines in each channel, in no harmony.
    Sines,
    /// A sine 50 dB above white noise.
    SineInNoise,
    /// From 20 Hz to 20 kHz, logarithmic.
    Sweep,
    /// Linear chirps, one after the other.
    Chirps,
    White,
    /// 3 dB less for each octave.
    Pink,
    /// 6 dB less for each octave.
    Brown,
    /// 6 dB more for each octave.
    Blue,
    Square,
    Saw,
    /// Digital silence and single loud samples.
    Clicks,
    /// Frequency and loudness modulated.
    Modulated,
    /// Strings by Karplus and Strong.
    Plucks,
    /// Levels that stay for a while.
    Steps,
    /// A sine rounded to 12 bits.
    Coarse,
    /// Noise of one or two units.
    Hiss,
    /// Such noise with digital silence between.
    HissPauses,
}

/// Below full scale, so that rounding never clips.
const LOUD: f64 = 0.7;

/// Makes a signal as a WAV file of 16 or 24 bits.
pub fn make(signal: Signal, seed: u64, channels: u8, rate: u32, bits: u8, seconds: u32) -> Wav {
    let frames = rate as usize * seconds as usize;
    let mut random = Random(seed);
    let channels: Vec<Vec<f64>> = (0..channels)
        .map(|_| Maker { random: random.fork(), rate: f64::from(rate), frames, bits }.make(signal))
        .collect();
    let full = f64::from(1_u32 << (bits - 1));
    let mut pcm = Vec::with_capacity(frames * channels.len() * usize::from(bits / 8));
    for frame in 0..frames {
        for channel in &channels {
            let value = channel.get(frame).copied().unwrap_or(0.0) * full;
            #[allow(clippy::cast_possible_truncation)] // no signal goes beyond full scale
            let value = value.round().clamp(-full, full - 1.0) as i32;
            pcm.extend(value.to_le_bytes().iter().take(usize::from(bits / 8)));
        }
    }
    let channels = u16::try_from(channels.len()).unwrap_or(u16::MAX);
    Wav { channels, rate, bits: u16::from(bits), pcm }
}

/// `SplitMix64`.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    fn fork(&mut self) -> Self {
        Self(self.next())
    }

    /// Below 1.
    #[allow(clippy::cast_precision_loss)] // 53 bits are exact
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Evenly between -1 and 1.
    fn noise(&mut self) -> f64 {
        self.between(-1.0, 1.0)
    }

    /// About normal, of variance 1.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

/// Makes one channel.
struct Maker {
    random: Random,
    rate: f64,
    frames: usize,
    bits: u8,
}

impl Maker {
    fn make(mut self, signal: Signal) -> Vec<f64> {
        match signal {
            Signal::Sine => self.sines(1),
            Signal::Sines => self.sines(7),
            Signal::SineInNoise => {
                let mut wave = self.sines(1);
                for value in &mut wave {
                    *value += 0.003 * LOUD * self.random.normal();
                }
                wave
            }
            Signal::Sweep => self.sweep(),
            Signal::Chirps => self.chirps(),
            Signal::White => (0..self.frames).map(|_| 0.15 * self.random.normal()).map(loud).collect(),
            Signal::Pink => self.pink(),
            Signal::Brown => self.brown(),
            Signal::Blue => self.blue(),
            Signal::Square => self.periodic(|phase| if phase < 0.5 { 1.0 } else { -1.0 }),
            Signal::Saw => self.periodic(|phase| 2.0 * phase - 1.0),
            Signal::Clicks => self.clicks(),
            Signal::Modulated => self.modulated(),
            Signal::Plucks => self.plucks(),
            Signal::Steps => self.steps(),
            Signal::Coarse => self.sines(2).into_iter().map(|value| (value * 2048.0).round() / 2048.0).collect(),
            Signal::Hiss => self.hiss(1.0),
            Signal::HissPauses => self.hiss(0.4),
        }
    }

    /// A frequency that people hear well, in turns for each sample.
    fn pitch(&mut self, low: f64, high: f64) -> f64 {
        low * (high / low).powf(self.random.unit()) / self.rate
    }

    #[allow(clippy::cast_precision_loss)] // samples of seconds
    fn times(&self) -> impl Iterator<Item = f64> + use<> {
        (0..self.frames).map(|at| at as f64)
    }

    fn sines(&mut self, count: u32) -> Vec<f64> {
        let mut wave = vec![0.0; self.frames];
        for _ in 0..count {
            let (pitch, phase) = (self.pitch(110.0, 7000.0), self.random.unit());
            let share = LOUD / f64::from(count);
            wave.iter_mut()
                .zip(self.times())
                .for_each(|(value, t)| *value += share * (TAU * (pitch * t + phase)).sin());
        }
        wave
    }

    fn sweep(&mut self) -> Vec<f64> {
        let (low, octaves) = (20.0 / self.rate, 1000.0_f64.ln());
        let turn = self.random.unit();
        let length = self.frames.max(1);
        self.times()
            .map(|t| {
                #[allow(clippy::cast_precision_loss)]
                let length = length as f64;
                let phase = low * length / octaves * ((octaves * t / length).exp() - 1.0);
                LOUD * (TAU * (phase + turn)).sin()
            })
            .collect()
    }

    fn chirps(&mut self) -> Vec<f64> {
        let mut wave = Vec::with_capacity(self.frames);
        while wave.len() < self.frames {
            let (from, to) = (self.pitch(50.0, 18_000.0), self.pitch(50.0, 18_000.0));
            let length = self.rate * self.random.between(0.05, 0.5);
            let loud = LOUD * self.random.between(0.1, 1.0);
            let times = self.times().take_while(|t| *t < length);
            wave.extend(times.map(|t| loud * (TAU * t * (from + (to - from) * t / length / 2.0)).sin()));
        }
        wave
    }

    /// Sums of noises that change at half the rate of each other (Voss and McCartney).
    fn pink(&mut self) -> Vec<f64> {
        let mut rows = [0.0; 16];
        (1..=self.frames)
            .map(|at| {
                if let Some(row) = rows.get_mut(at.trailing_zeros() as usize) {
                    *row = self.random.noise();
                }
                loud((rows.iter().sum::<f64>() + self.random.noise()) / 8.0)
            })
            .collect()
    }

    fn brown(&mut self) -> Vec<f64> {
        let mut level = 0.0;
        let step = |random: &mut Random| 0.01 * random.normal();
        (0..self.frames)
            .map(|_| {
                level = 0.999 * level + step(&mut self.random);
                loud(level)
            })
            .collect()
    }

    fn blue(&mut self) -> Vec<f64> {
        let mut last = 0.0;
        (0..self.frames)
            .map(|_| {
                let now = 0.3 * self.random.noise();
                let step = now - last;
                last = now;
                step
            })
            .collect()
    }

    fn periodic(&mut self, shape: impl Fn(f64) -> f64) -> Vec<f64> {
        let (pitch, turn) = (self.pitch(55.0, 1500.0), self.random.unit());
        self.times().map(|t| LOUD * shape((pitch * t + turn).fract())).collect()
    }

    fn clicks(&mut self) -> Vec<f64> {
        let mut wave = vec![0.0; self.frames];
        let distance = self.rate * self.random.between(0.05, 0.3);
        let mut next = distance;
        for (value, t) in wave.iter_mut().zip(self.times()) {
            if t >= next {
                *value = LOUD * self.random.noise();
                next += distance * self.random.between(0.5, 1.5);
            }
        }
        wave
    }

    fn modulated(&mut self) -> Vec<f64> {
        let (carrier, ratio) = (self.pitch(200.0, 1200.0), self.random.between(0.3, 3.0));
        let (depth, slow) = (self.random.between(1.0, 5.0), self.random.between(0.3, 4.0) / self.rate);
        self.times()
            .map(|t| {
                let tremolo = 0.6 + 0.4 * (TAU * slow * t).sin();
                LOUD * tremolo * (TAU * carrier * t + depth * (TAU * carrier * ratio * t).sin()).sin()
            })
            .collect()
    }

    fn plucks(&mut self) -> Vec<f64> {
        let mut wave: Vec<f64> = Vec::with_capacity(self.frames);
        while wave.len() < self.frames {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a period of some hundred samples
            let period = (1.0 / self.pitch(80.0, 700.0)).max(2.0) as usize;
            let start = wave.len();
            wave.extend((0..period).map(|_| LOUD * self.random.noise()));
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let end = start + (self.rate * self.random.between(0.3, 1.2)) as usize;
            for at in start + period..end {
                let (one, two) = (wave[at - period], wave[(at - period).saturating_sub(1).max(start)]);
                wave.push(0.498 * (one + two));
            }
        }
        wave
    }

    fn steps(&mut self) -> Vec<f64> {
        let mut level = 0.0;
        (0..self.frames)
            .map(|_| {
                if self.random.unit() < 0.002 {
                    level = LOUD * self.random.noise();
                }
                level
            })
            .collect()
    }

    /// Noise of a unit or two, for this part of the time; digital silence else.
    fn hiss(&mut self, part: f64) -> Vec<f64> {
        let unit = 1.0 / f64::from(1_u32 << (self.bits - 1));
        let mut sounds = true;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a quarter of a second
        let span = (self.rate / 4.0) as usize;
        (0..self.frames)
            .map(|at| {
                if at.is_multiple_of(span) {
                    sounds = self.random.unit() < part;
                }
                if sounds { 0.8 * unit * self.random.normal() } else { 0.0 }
            })
            .collect()
    }
}

/// Within full scale.
fn loud(value: f64) -> f64 {
    value.clamp(-0.99, 0.99)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Signal; 18] = [
        Signal::Sine,
        Signal::Sines,
        Signal::SineInNoise,
        Signal::Sweep,
        Signal::Chirps,
        Signal::White,
        Signal::Pink,
        Signal::Brown,
        Signal::Blue,
        Signal::Square,
        Signal::Saw,
        Signal::Clicks,
        Signal::Modulated,
        Signal::Plucks,
        Signal::Steps,
        Signal::Coarse,
        Signal::Hiss,
        Signal::HissPauses,
    ];

    #[test]
    fn every_signal_is_as_long_as_asked_and_its_channels_differ() {
        for signal in ALL {
            let wav = make(signal, 7, 2, 8000, 16, 3);
            assert_eq!(wav.frames(), 24_000, "{signal:?}");
            let channel = |from| wav.pcm.chunks(2).skip(from).step_by(2);
            assert!(channel(0).ne(channel(1)), "{signal:?}");
        }
    }

    #[test]
    fn a_seed_gives_the_same_samples_again_and_another_seed_others() {
        for signal in ALL {
            assert_eq!(make(signal, 7, 1, 8000, 24, 2), make(signal, 7, 1, 8000, 24, 2), "{signal:?}");
            assert_ne!(make(signal, 7, 1, 8000, 24, 2), make(signal, 8, 1, 8000, 24, 2), "{signal:?}");
        }
    }
}
