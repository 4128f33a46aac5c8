//! Residuals at the edge of what RFC 9639 §9.2.7.3 allows: 32 bits with a sign, but for the lowest such number.

use converter::flac::Shape;

use crate::case::Case;
use crate::judges::Judges;
use crate::support::Random;

/// Samples that turn their sign each time, of unsteady loudness, so that a predictor with the factor -1 and no fraction
/// suits them; but for some places, where the lowest value comes twice. The residual there is twice that value.
fn turning_but_for_some_places(bits: u32, steady: f64) -> Vec<i32> {
    let (low, high) = (i32::MIN >> (32 - bits), i32::MAX >> (32 - bits));
    let mut random = Random::new(u64::from(bits));
    let mut samples: Vec<i32> = (0..4096)
        .map(|time| {
            let loud = (steady + (1.0 - steady) * random.unit()) * f64::from(high);
            if time % 2 == 0 { loud as i32 } else { -loud as i32 }
        })
        .collect();
    for place in [1000, 2001, 3002] {
        samples[place..place + 2].fill(low);
    }
    samples
}

#[test]
fn residuals_of_more_than_32_bits_are_not_written() {
    let mut judges = Judges::new();
    let mut turn = 0;
    for bits_per_sample in 28..=32_u8 {
        for steady in [0.55, 0.7, 0.9, 0.99] {
            let one = turning_but_for_some_places(bits_per_sample.into(), steady);
            for level in [turn % 9, (turn + 3) % 9, 8] {
                let shape = Shape { channels: 1, sample_rate: 44_100, bits_per_sample, block_size: 4096 };
                let name = format!("turning, {steady} steady");
                Case::new(&name, shape, level, one.clone()).check(turn, &mut judges);
                let both = one.iter().zip(&one[1..]).flat_map(|(one, next)| [*one, *next]).collect();
                Case::new(&name, Shape { channels: 2, ..shape }, level, both).check(turn, &mut judges);
                turn += 1;
            }
        }
    }
    judges.finish(2 * turn, turn);
}
