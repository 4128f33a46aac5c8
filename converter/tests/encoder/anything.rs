//! Whatever the samples are, they come back.

use converter::flac::{Engine, Shape};
use proptest::prelude::*;

use crate::case::Case;
use crate::support::Random;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Pieces of unlike loudness, each a sum of noise and of a wave that may be clipped.
    #[test]
    fn whatever_the_samples_are_they_come_back(
        bits_per_sample in 4_u8..=32,
        channels in 1_u8..=8,
        block_size in 16_u16..=700,
        level in 0_usize..=8,
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
        let case = Case::new("pieces", shape, level, samples);
        let native = case.encode(Engine::Native, 1).file;
        prop_assert!(native == case.encode(Engine::Portable, 1).file);
        case.assert_decodes(&native);
        case.assert_decodes(&case.encode(Engine::Flacenc, 1).file);
    }
}
