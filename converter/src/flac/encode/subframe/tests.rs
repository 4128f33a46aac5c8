use super::*;
use crate::flac::level::Level;
use crate::support::{Random, music, noise};

fn search(level: u8) -> Search {
    Search::of(Level::new(level).unwrap(), 44_100)
}

/// A signal of so many bits as it is once it was analysed.
fn signal(samples: &[i32], depth: u32) -> Signal {
    let mut signal = Signal::default();
    signal.samples.extend(samples);
    signal.survey(&Kernels::best(), depth);
    assert!(signal.used_depth <= signal.depth);
    signal.strip();
    signal
}

fn written(subframe: &Subframe, signal: &Signal) -> (u64, Vec<u8>) {
    let mut out = BitWriter::default();
    subframe.write(&Kernels::best(), signal, &mut out);
    (out.len(), out.finish().to_vec())
}

/// The subframe that a level chooses.
fn chosen(level: u8, signal: &Signal) -> Subframe {
    let (kernels, search) = (Kernels::best(), search(level));
    let (mut analysis, mut subframe) = (Analysis::default(), Subframe::default());
    analysis.analyse(&kernels, &search, signal);
    subframe.choose(&kernels, &search, signal, &analysis);
    subframe
}

/// The code of the type in a subframe's header (§9.2.1).
fn type_of(bytes: &[u8]) -> u8 {
    bytes[0] >> 1
}

fn predictor(coefficients: &[i32], shift: u32) -> Predictor {
    let mut all = [0; crate::flac::kernels::MAX_ORDER];
    all[..coefficients.len()].copy_from_slice(coefficients);
    Predictor { order: coefficients.len(), shift, coefficients: all }
}

#[test]
fn every_kind_takes_the_bits_that_it_tells() {
    // With parameters that are counted, all is exact.
    let (kernels, exact) = (Kernels::best(), search(8));
    for (depth, wasted) in [(4, 0), (8, 1), (16, 0), (16, 5), (24, 0), (27, 0), (32, 0), (32, 9)] {
        for count in [20, 255, 576] {
            // So quiet that every predictor's residual is one that the format allows.
            let quiet = if depth - wasted > 24 { 5 } else { 2 };
            let samples: Vec<i32> =
                noise(count, 1, depth - wasted, 3).iter().map(|sample| sample >> quiet << wasted).collect();
            let signal = signal(&samples, depth);
            assert_eq!((signal.wasted, signal.depth), (wasted, depth - wasted));
            let mut subframe = Subframe::default();
            subframe.take_verbatim(&signal);
            let (bits, bytes) = written(&subframe, &signal);
            assert_eq!((bits, type_of(&bytes)), (subframe.bits, 1));
            for order in 0..=MAX_FIXED_ORDER {
                let mut subframe = Subframe::default();
                subframe.fixed(&kernels, &exact, &signal, order);
                assert_eq!(subframe.kind, Kind::Fixed(order));
                let (bits, bytes) = written(&subframe, &signal);
                assert_eq!((bits, type_of(&bytes)), (subframe.bits, 8 + u8::try_from(order).unwrap()));
            }
            for order in [1_u8, 2, 7, 12, 19] {
                let mut subframe = Subframe::default();
                let predictor = predictor(&vec![-3; order.into()], 6);
                subframe.linear(&kernels, &exact, &signal, &predictor);
                assert_eq!(subframe.kind, Kind::Linear(predictor));
                let (bits, bytes) = written(&subframe, &signal);
                assert_eq!((bits, type_of(&bytes)), (subframe.bits, 31 + order));
            }
        }
        let constant = signal(&[i32::MIN >> (32 - depth); 40], depth);
        let subframe = chosen(5, &constant);
        let (bits, bytes) = written(&subframe, &constant);
        assert_eq!((bits, bytes[0]), (subframe.bits, 0), "a constant is told with all its bits");
        assert_eq!(bits, 8 + u64::from(depth));
    }
}

#[test]
fn wasted_bits_are_told_in_unary_before_the_samples() {
    for wasted in 1..=30_usize {
        let signal = signal(&[0, 1 << wasted, -2 << wasted, 0], 32);
        let mut subframe = Subframe::default();
        subframe.take_verbatim(&signal);
        let (bits, bytes) = written(&subframe, &signal);
        let text = bytes.iter().map(|byte| format!("{byte:08b}")).collect::<Vec<_>>().concat();
        let depth = 32 - wasted;
        assert!(text.starts_with(&format!("00000011{}1", "0".repeat(wasted - 1))), "{text}");
        let samples = format!("{:0depth$b}{:0depth$b}{:b}", 0, 1, (1_u64 << depth) - 2);
        assert!(text[8 + wasted..].starts_with(&samples), "{text}");
        assert_eq!(bits, (8 + wasted + 4 * depth) as u64);
    }
}

#[test]
fn no_level_writes_more_than_the_samples_have() {
    let mut random = Random::new(31);
    for round in 0..120_u32 {
        let depth = [4, 8, 16, 24, 32][round as usize % 5];
        let count = [1, 2, 8, 9, 16, 33, 64, 256, 1024][random.bits() as usize % 9];
        let seed = u64::from(round) + 1;
        let mut samples = match round % 4 {
            0 => music(count, 1, depth.min(24), seed),
            1 => noise(count, 1, depth, seed),
            // Each of its own loudness: what a code of few parameters likes least.
            2 => (0..count).map(|_| random.bits().cast_signed() >> (32 - depth) >> (random.bits() % depth)).collect(),
            _ => (0..count).map(|at| if at % 7 < 3 { i32::MIN } else { i32::MAX } >> (32 - depth)).collect::<Vec<_>>(),
        };
        if round % 3 == 0 {
            // Just before or after a predictor would pay.
            let quiet = count * (random.bits() as usize % 100) / 400;
            samples[..quiet].fill(0);
        }
        let signal = signal(&samples, depth);
        for level in 0..=8 {
            let subframe = chosen(level, &signal);
            let bits = written(&subframe, &signal).0;
            assert!(bits <= signal.verbatim_bits(), "{bits} of {}, level {level}", signal.verbatim_bits());
            assert!(subframe.bits <= signal.verbatim_bits());
        }
    }
}

#[test]
fn residuals_that_the_format_does_not_allow_are_not_taken() {
    let (kernels, search) = (Kernels::best(), search(8));
    // The second difference of these is beyond 32 bits.
    let signal = signal(&[i32::MAX, i32::MIN, i32::MAX, i32::MIN].repeat(10), 32);
    for order in 1..=4 {
        let mut subframe = Subframe::default();
        subframe.fixed(&kernels, &search, &signal, order);
        assert_eq!(subframe.kind, Kind::Verbatim);
    }
    let mut subframe = Subframe::default();
    subframe.fixed(&kernels, &search, &signal, 0);
    assert_eq!(subframe.kind, Kind::Verbatim, "the lowest sample of 32 bits is no residual");
    subframe.linear(&kernels, &search, &signal, &predictor(&[1], 0));
    assert_eq!(subframe.kind, Kind::Verbatim);
    assert_eq!(subframe.bits, u64::MAX);
}

#[test]
fn each_kind_is_chosen_where_it_is_the_smallest() {
    let kind = |level: u8, samples: &[i32]| chosen(level, &signal(samples, 16)).kind;
    assert_eq!(kind(5, &[7; 1000]), Kind::Constant);
    assert_eq!(kind(5, &[-32_768]), Kind::Constant);
    assert_eq!(kind(5, &[1, 2, 3]), Kind::Verbatim, "too short for any predictor");
    assert_eq!(kind(8, &noise(4096, 1, 16, 4)), Kind::Verbatim);
    assert!(matches!(kind(5, &music(4096, 1, 16, 4)), Kind::Linear(_)));
    assert!(matches!(kind(0, &music(4096, 1, 16, 4)), Kind::Fixed(1..)), "level 0 has fixed predictors only");
    assert_eq!(kind(5, &noise(4096, 1, 5, 4)), Kind::Fixed(0));
    let mut steps = noise(4096, 1, 3, 4);
    for order in 1..=2 {
        (1..4096).for_each(|at| steps[at] += steps[at - 1]);
        let signal = signal(&steps, 24);
        assert_eq!(chosen(0, &signal).kind, Kind::Fixed(order));
    }
}

#[test]
fn what_is_chosen_depends_on_no_signal_before() {
    // Half-way between the best fixed predictor of its whole and one that pays for its end only: verbatim, unless the
    // signal before has had others tried.
    let mut end = noise(4096, 1, 16, 4);
    end[3584..].fill(32_767);
    let mut random = Random::new(3);
    let restless: Vec<i32> =
        (0..4096).map(|at| (random.bits().cast_signed() >> 16) >> if at % 128 < 16 { 0 } else { 12 }).collect();
    let others = [restless, noise(4096, 1, 16, 5), music(4096, 1, 16, 5), vec![9; 4096], vec![1, 5, 8]];
    let kernels = Kernels::best();
    for level in 0..=8 {
        let search = search(level);
        let (mut analysis, mut subframe) = (Analysis::default(), Subframe::default());
        let mut next = |samples: &[i32]| {
            let signal = signal(samples, 16);
            analysis.analyse(&kernels, &search, &signal);
            subframe.choose(&kernels, &search, &signal, &analysis);
            (subframe.kind, written(&subframe, &signal))
        };
        for other in &others {
            next(other);
            let signal = signal(&end, 16);
            let alone = chosen(level, &signal);
            assert!(next(&end) == (alone.kind, written(&alone, &signal)), "level {level}");
        }
    }
}

#[test]
fn square_waves_are_coded_by_differences_at_every_level() {
    for (half, count) in [(188, 512), (60, 512), (300, 512), (188, 4096), (700, 4096)] {
        for start in [0, half / 2] {
            let samples: Vec<i32> =
                (start..start + count).map(|at| if at / half % 2 == 0 { -128 } else { 127 }).collect();
            let signal = signal(&samples, 8);
            let few = chosen(0, &signal).bits;
            for level in 1..=8 {
                let bits = chosen(level, &signal).bits;
                assert!(bits <= few + few / 50, "{bits} where level 0 has {few}: {half} of {count}, level {level}");
            }
        }
    }
}
