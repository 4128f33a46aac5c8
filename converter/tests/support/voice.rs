//! A synthetic voice: glottal pulses and hissing through formants that move from vowel to vowel, with pauses.

use std::f64::consts::{PI, TAU};

use super::Random;

/// The first three formants of a, i, u, e and o, in Hz.
const VOWELS: [[f64; 3]; 5] = [
    [730.0, 1090.0, 2440.0],
    [270.0, 2290.0, 3010.0],
    [300.0, 870.0, 2240.0],
    [530.0, 1840.0, 2480.0],
    [570.0, 840.0, 2410.0],
];
/// How wide each formant is, in Hz.
const WIDTHS: [f64; 3] = [80.0, 100.0, 140.0];
/// Seconds of a vowel with the hissing before it; every fourth one is a pause instead.
const SYLLABLE: f64 = 0.18;
/// The part of a syllable that hisses.
const HISS: f64 = 0.2;

/// So many samples of speech at this rate (in Hz), from -1 to 1.
pub fn voice(length: usize, rate: f64, seed: u64) -> Vec<f64> {
    let mut random = Random::new(seed);
    let mut formants = [Resonator::default(); 3];
    let mut hiss = Resonator::default();
    hiss.tune(5000_f64.min(rate * 0.4), 2000.0, rate);
    let mut phase = 0.0_f64;
    let mut out = Vec::with_capacity(length);
    for time in 0..length {
        let place = time as f64 / rate / SYLLABLE;
        let (syllable, within) = (place as usize, place.fract());
        if time % 64 == 0 {
            // Towards the next vowel, smoothly.
            let [from, to] = [syllable, syllable + 1].map(|at| VOWELS[(at * 7 + seed as usize) % VOWELS.len()]);
            let share = (1.0 - (PI * within).cos()) / 2.0;
            for (number, formant) in formants.iter_mut().enumerate() {
                let pitch = from[number] + (to[number] - from[number]) * share;
                formant.tune(pitch.min(rate * 0.45), WIDTHS[number], rate);
            }
        }
        let pitch = 115.0 + 25.0 * (TAU * time as f64 / rate * 0.8).sin() + random.unit();
        phase = (phase + pitch / rate).fract();
        // The flow through the glottis rises and falls in six tenths of a period; what is heard is its slope.
        let pulse = if phase < 0.6 { (TAU * phase / 0.6).sin() } else { 0.0 };
        let loud = if syllable % 4 == 3 { 0.0 } else { (PI * within).sin() };
        let noise = random.unit();
        let spoken = formants.iter_mut().fold(pulse * loud, |sound, formant| formant.next(sound));
        let hissed = hiss.next(if within < HISS { noise * loud } else { 0.0 });
        out.push((0.6 * spoken + 0.1 * hissed + 0.0003 * noise).clamp(-1.0, 1.0));
    }
    out
}

/// The same as interleaved samples of so many bits at 44.1 kHz: every further channel hears it later and less.
pub fn speech(samples: usize, channels: usize, bits: u32, seed: u64) -> Vec<i32> {
    let mono = voice(samples, 44_100.0, seed);
    let peak = f64::from(i32::MAX >> (32 - bits));
    let heard = |time: usize, channel: usize| {
        let sound = time.checked_sub(channel * 13).map_or(0.0, |time| mono[time]);
        (sound * 0.85_f64.powi(channel as i32) * peak) as i32
    };
    (0..samples).flat_map(|time| (0..channels).map(move |channel| (time, channel))).map(|(t, c)| heard(t, c)).collect()
}

/// Two poles, with gain 1 at 0 Hz.
#[derive(Debug, Default, Clone, Copy)]
struct Resonator {
    factors: [f64; 3],
    last: [f64; 2],
}

impl Resonator {
    fn tune(&mut self, pitch: f64, width: f64, rate: f64) {
        let radius = (-PI * width / rate).exp();
        let (first, second) = (2.0 * radius * (TAU * pitch / rate).cos(), -radius * radius);
        self.factors = [1.0 - first - second, first, second];
    }

    fn next(&mut self, input: f64) -> f64 {
        let [gain, first, second] = self.factors;
        let out = gain * input + first * self.last[0] + second * self.last[1];
        self.last = [out, self.last[0]];
        out
    }
}
