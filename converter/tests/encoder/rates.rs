//! Recorded sound as it is found: speech and music of one rate made into another. Where the new rate is higher, the
//! upper part of the spectrum is empty, and predictors get far better than the samples' last bits.

use std::f64::consts::PI;

use converter::flac::Shape;

use crate::case::Case;
use crate::judges::Judges;
use crate::support::music;
use crate::support::voice::voice;

const RATES: [u32; 14] =
    [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000, 352_800, 384_000];
/// Of the sounds before.
const SOURCES: [u32; 2] = [8_000, 44_100];
/// Samples of the source on either side that make one of the result.
const REACH: f64 = 16.0;

/// A windowed sinc at the lower of both rates.
fn resampled(sound: &[f64], from: u32, to: u32, count: usize) -> Vec<f64> {
    let step = f64::from(from) / f64::from(to);
    let band = step.recip().min(1.0);
    let reach = REACH / band;
    let sinc = |x: f64| if x.abs() < 1e-9 { 1.0 } else { (PI * x).sin() / (PI * x) };
    (0..count)
        .map(|time| {
            let place = time as f64 * step + reach;
            let around = (place - reach).ceil() as usize..=(place + reach).floor() as usize;
            let part = |at: usize| {
                let away = at as f64 - place;
                let window = (PI * away / reach / 2.0).cos().powi(2);
                sound.get(at).map_or(0.0, |sound| sound * band * sinc(away * band) * window)
            };
            around.map(part).sum()
        })
        .collect()
}

#[test]
fn resampled_sound_of_8_to_384_khz_comes_back() {
    const COUNT: usize = 4096 * 2 + 300;
    let mut judges = Judges::new();
    let mut turn = 0;
    for from in SOURCES {
        let length = COUNT * from as usize / 8_000 + 1_000;
        let music: Vec<f64> =
            music(length, 1, 24, 3).iter().map(|sample| f64::from(*sample) / 2_f64.powi(23)).collect();
        let voice = voice(length, from.into(), 4);
        for to in RATES {
            let [left, right] = [&music, &voice].map(|sound| resampled(sound, from, to, COUNT));
            for bits_per_sample in [8, 16, 20, 24, 32_u8] {
                let peak = f64::from(i32::MAX >> (32 - bits_per_sample)) * 0.8;
                let mixed = |(left, right): (&f64, &f64)| {
                    [0.8 * left + 0.2 * right, 0.3 * left + 0.7 * right]
                        .map(|sound| (sound.clamp(-1.0, 1.0) * peak) as i32)
                };
                let stereo: Vec<i32> = left.iter().zip(&right).flat_map(mixed).collect();
                let one = |shift: usize| stereo.iter().skip(shift).step_by(2).copied().collect();
                let (channels, samples) = match turn % 4 {
                    0 | 2 => (2, stereo),
                    1 => (1, one(0)),
                    _ => (1, one(1)),
                };
                let block_size = if to > 48_000 && turn % 5 == 0 { 8192 } else { 4096 };
                let shape = Shape { channels, sample_rate: to, bits_per_sample, block_size };
                let name = format!("music and speech of {from} Hz resampled");
                Case::new(name, shape, (turn * 2) % 9, samples).check(turn, &mut judges);
                turn += 1;
            }
        }
    }
    judges.finish(turn, turn / 2);
}
