//! Sounds of every loudness, from full scale to the lowest bit, and every number of wasted bits.

use converter::flac::{Engine, Shape};

use crate::case::{Case, OVERHEAD};
use crate::judges::Judges;
use crate::sounds::{Sound, interleaved};
use crate::support::noise;

fn shape(channels: u8, bits_per_sample: u8) -> Shape {
    Shape { channels, sample_rate: 44_100, bits_per_sample, block_size: 4096 }
}

/// Peaks go down to less than the lowest bit, which leaves silence.
#[test]
fn sines_of_every_loudness_come_back() {
    const PITCHES: [f64; 5] = [0.0003, 0.0627, 0.4, 1.9, 3.1];
    let mut judges = Judges::new();
    let mut turn = 0;
    for bits in 4..=32_u8 {
        for quieter in 0..=u32::from(bits) {
            let channels = 1 + (turn % 2) as u8;
            let peak = f64::from(i32::MAX >> (32 - bits)) / 2_f64.powi(quieter as i32) * 0.99;
            let pitch = PITCHES[turn % PITCHES.len()];
            let samples = interleaved(4200, channels.into(), &|time, channel| {
                let phase = time as f64 * pitch * (1.0 + 0.37 * channel as f64);
                (phase.sin() * peak).round() as i32
            });
            let name = format!("a sine of {pitch} radians a sample, {quieter} bits below full scale");
            Case::new(name, shape(channels, bits), (turn * 4) % 9, samples).check(turn, &mut judges);
            turn += 1;
        }
    }
    judges.finish(turn, turn / 2);
}

#[test]
fn noise_of_every_loudness_comes_back() {
    let mut judges = Judges::new();
    let mut turn = 0;
    for bits in [8, 16, 20, 24, 32_u8] {
        for quieter in 0..bits.into() {
            let channels = 1 + (turn % 3) as u8;
            let samples: Vec<i32> =
                noise(4096 + 77, channels.into(), bits.into(), 3).iter().map(|sample| sample >> quieter).collect();
            let name = format!("noise {quieter} bits below full scale");
            Case::new(name, shape(channels, bits), (turn * 7) % 9, samples).check(turn, &mut judges);
            turn += 1;
        }
    }
    judges.finish(turn, turn / 2);
}

#[test]
fn every_number_of_wasted_bits_is_used_and_comes_back() {
    let mut judges = Judges::new();
    let mut turn = 0;
    for (bits, channels) in [(8, 1), (12, 2), (16, 1), (16, 2), (20, 2), (24, 2), (24, 6), (32, 2)] {
        let shape = shape(channels, bits);
        let bits = u32::from(bits);
        for wasted in 1..bits.min(21) {
            let narrow = noise(4096, channels.into(), bits - wasted, 9);
            let samples = narrow.iter().map(|sample| sample << wasted).collect();
            let case = Case::new(format!("noise over {wasted} wasted bits"), shape, turn % 9, samples);
            let size = case.encode(Engine::Native, 1).sizes[0];
            let room = 4096 * usize::from(channels) * (bits - wasted) as usize / 8;
            assert!(size <= room + OVERHEAD + 5 * usize::from(channels), "{size} {room} {}", case.name);
            case.check(turn, &mut judges);
            let sound = Sound::Wasted(wasted);
            let samples = sound.samples(4096 + 50, channels.into(), bits, 5);
            Case::new(sound, shape, (turn + 5) % 9, samples).check(turn, &mut judges);
            turn += 1;
        }
    }
    judges.finish(2 * turn, turn);
}
