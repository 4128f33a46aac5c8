//! What is counted over the whole stream: clipped samples, bits that no sample used, bytes of every kind.

use converter::convert::{Float, Options, Rules};

use crate::harness::{Breaks, assert_same, broken, codes, stream_options, whole};
use crate::support::{Wav, extensible_body, fmt_fields};

#[test]
fn samples_that_were_loud_before_the_break_are_remembered() {
    let fmt = extensible_body(1, 8_000, 32, 24, 0, 1);
    for (loud, suspected) in [(3, false), (60_000, true)] {
        // Left-justified in 32 bits: one sample is as loud as told, all others seem to be in the lowest bits.
        let samples: Vec<i32> = (0..40_000).map(|at| if at == loud { 1 << 30 } else { (at % 200) << 8 }).collect();
        let pcm: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let file = Wav::new().chunk(b"fmt ", &fmt).chunk(b"data", &pcm).build();
        let options = stream_options();
        let (found, resumed) = broken(&file, &options, &Breaks { at: vec![(70_000, 9)], piece: 999, seed: 2 });
        assert_eq!(resumed, 1);
        assert_same("loud", &found, &whole(&file, &options));
        assert_eq!(codes(&found.unwrap().1).contains(&"maybe_low_bits"), suspected);
    }
}

#[test]
fn each_clipped_sample_is_counted_once() {
    let loud = |at: usize| if at.is_multiple_of(3) { 2.0_f32 } else { 0.25 };
    let pcm: Vec<u8> = (0..20_000).flat_map(|at| loud(at).to_le_bytes()).collect();
    let file = Wav::new().chunk(b"fmt ", &fmt_fields(3, 1, 8_000, 4, 32)).chunk(b"data", &pcm).build();
    let rules = Rules { float: Float::To24, ..Rules::default() };
    for block_size in [16, 1000, 4096, 65_535] {
        let options = Options { rules, block_size, ..stream_options() };
        for piece in [1, 5000, 100_000] {
            let at = vec![(30_000, 5), (30_001, 100), (70_000, 9000), (79_999, 0)];
            let (found, resumed) = broken(&file, &options, &Breaks { at, piece, seed: 2 });
            assert_eq!(resumed, 4);
            assert_eq!(found.unwrap().1.clipped, 6_667);
        }
    }
}
