use super::*;
use crate::flac::kernels::{MAX_SEGMENT, plain};
use crate::support::{Random, music, noise};

/// The lowest and the highest number of so many bits, in no order.
fn extremes(count: usize, bits: u32, seed: u64) -> Vec<i32> {
    let mut random = Random::new(seed);
    (0..count).map(|_| if random.bits() & 1 == 0 { i32::MIN } else { i32::MAX } >> (32 - bits)).collect()
}

fn taken(kernels: &Kernels, samples: &[i32], order: usize, shift: u32) -> Covariance {
    let mut covariance = Covariance::default();
    covariance.take(kernels, samples, order, shift);
    covariance
}

/// Where each segment begins and ends.
fn segments(covariance: &Covariance) -> Vec<std::ops::Range<usize>> {
    let mut start = covariance.order;
    let mut next = |length: &f64| {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // whole and small
        let end = start + *length as usize;
        std::mem::replace(&mut start, end)..end
    };
    covariance.lengths.iter().map(&mut next).collect()
}

fn assert_direct(covariance: &Covariance, samples: &[i32]) {
    let Covariance { order, shift, .. } = *covariance;
    let ranges = segments(covariance);
    assert_eq!(ranges.last().map(|range| range.end), Some(samples.len()));
    let stride = stride(order);
    let row = |at: usize, lag: usize| i64::from(samples[at - lag] >> shift);
    for (range, matrix) in ranges.into_iter().zip(covariance.matrices.chunks_exact(covariance.size())) {
        assert!(range.len() <= MAX_SEGMENT);
        for i in 0..=order {
            for j in 0..stride {
                let direct: i64 =
                    if (i..=order).contains(&j) { range.clone().map(|t| row(t, i) * row(t, j)).sum() } else { 0 };
                assert!(direct.unsigned_abs() < 1 << 53);
                #[allow(clippy::cast_precision_loss, clippy::float_cmp)] // whole numbers below 2^53
                let same = matrix[i * stride + j] == direct as f64;
                assert!(same, "({i}, {j}) of {range:?}, order {order}, shift {shift}");
            }
        }
    }
}

#[test]
fn the_matrix_of_every_segment_holds_the_direct_sums_exactly() {
    for (kernels, orders) in
        [(plain::KERNELS, [2, 4, 9, 32]), (Kernels::portable(), [2, 5, 12, 32]), (Kernels::best(), [3, 8, 31, 32])]
    {
        for order in orders {
            for count in [order + 1, order + 2, 4 * order, 511, 767, 769] {
                assert_direct(&taken(&kernels, &extremes(count, 21, 1), order, 0), &extremes(count, 21, 1));
            }
        }
        for (count, order, bits) in [(1279, 12, 16), (1281, 2, 17), (2050, 9, 21), (1535, 32, 4)] {
            let samples = noise(count, 1, bits, 3);
            assert_direct(&taken(&kernels, &samples, order, 0), &samples);
        }
    }
}

#[test]
fn deep_samples_are_shifted_into_what_stays_exact() {
    for kernels in [plain::KERNELS, Kernels::portable(), Kernels::best()] {
        for (samples, shift) in [
            (noise(700, 1, 32, 5), 11),
            (extremes(767, 32, 6), 11),
            (noise(531, 1, 24, 7), 3),
            (extremes(40, 22, 8), 1),
        ] {
            assert_direct(&taken(&kernels, &samples, 10, shift), &samples);
        }
    }
}

#[test]
fn nothing_is_left_of_the_blocks_before() {
    let kernels = Kernels::best();
    let mut covariance = Covariance::default();
    for (count, order) in [(1500, 12), (1400, 12), (600, 32), (2000, 4), (9, 8), (3, 2), (1500, 12)] {
        let samples = noise(count, 1, 20, count as u64);
        covariance.take(&kernels, &samples, order, 0);
        assert_direct(&covariance, &samples);
        covariance.look_at_second_differences();
        assert_eq!(covariance.energies.len(), covariance.lengths.len());
    }
}

#[test]
fn every_sample_after_the_first_is_in_one_segment_that_is_not_short() {
    let kernels = Kernels::best();
    for order in [2, 12, 32] {
        for count in [64, 511, 512, 513, 767, 768, 1023, 1024, 1280, 4096, 4608, 65_535] {
            let covariance = taken(&kernels, &vec![1; count], order, 0);
            let ranges = segments(&covariance);
            assert_eq!((ranges[0].start, ranges.last().unwrap().end), (order, count));
            assert!(ranges.iter().all(|range| range.len() < SEGMENT + SEGMENT / 2), "{count}");
            assert!(ranges.iter().skip(1).all(|range| range.len() >= SEGMENT / 2), "{count}");
            #[allow(clippy::float_cmp)] // whole numbers
            let same = covariance.samples() == real(count - order);
            assert!(same);
        }
    }
}

#[test]
#[allow(clippy::float_cmp)] // whole numbers below 2^53
fn the_energy_of_second_differences_is_exact() {
    for kernels in [plain::KERNELS, Kernels::portable(), Kernels::best()] {
        for order in [2, 3, 12] {
            let samples = extremes(1300, 17, 4);
            let mut covariance = taken(&kernels, &samples, order, 0);
            covariance.look_at_second_differences();
            for (range, energy) in segments(&covariance).into_iter().zip(&covariance.energies) {
                let error =
                    |t: usize| i64::from(samples[t]) - 2 * i64::from(samples[t - 1]) + i64::from(samples[t - 2]);
                let direct: i64 = range.map(|t| error(t) * error(t)).sum();
                #[allow(clippy::cast_precision_loss)] // below 2^53
                let direct = direct as f64;
                assert_eq!(*energy, direct);
            }
        }
    }
}

#[test]
fn the_energy_of_any_factors_is_that_of_the_errors_they_leave() {
    let kernels = Kernels::best();
    let mut random = Random::new(3);
    for used in [0, 1, 2, 3, 4, 7, 11, 12, 31, 32] {
        for order in [used.max(2), 32] {
            let samples = music(1100, 1, 16, 2);
            let mut factors = [0.0; STRIDE];
            factors[0] = 1.0;
            factors[1..=used].fill_with(|| random.unit());
            let mut covariance = taken(&kernels, &samples, order, 0);
            covariance.look_at(&factors, used);
            for (range, energy) in segments(&covariance).into_iter().zip(&covariance.energies) {
                let error = |t: usize| (0..=used).map(|lag| factors[lag] * f64::from(samples[t - lag])).sum::<f64>();
                let direct: f64 = range.map(|t| error(t) * error(t)).sum();
                assert!((energy - direct).abs() <= 1e-9 * direct, "{energy} for {direct}, order {used} of {order}");
            }
        }
    }
}

#[test]
fn segments_are_weighed_by_what_is_left_of_them() {
    // A loud segment, a quiet one, and a silent one.
    let mut samples = noise(512, 1, 16, 4);
    samples.extend(noise(512, 1, 6, 5));
    samples.extend([0; 514]);
    let mut covariance = taken(&Kernels::best(), &samples, 4, 0);
    covariance.look_at_second_differences();
    covariance.weigh();
    let weights: Vec<f64> =
        covariance.lengths.iter().zip(&covariance.energies).map(|(n, e)| n / (e + 0.25 * n)).collect();
    assert!(weights[0] < weights[1] && weights[1] < weights[2] && weights[2] <= 4.0, "{weights:?}");
    let near = |one: f64, other: f64| (one - other).abs() <= 1e-12 * one.abs();
    for (at, sum) in covariance.sum.iter().enumerate() {
        let matrices = covariance.matrices.chunks_exact(covariance.size());
        assert!(near(*sum, matrices.zip(&weights).map(|(matrix, weight)| weight * matrix[at]).sum()), "{at}");
    }
    assert!(near(covariance.unit(), covariance.lengths.iter().zip(&weights).map(|(n, w)| n * w).sum()));
    assert_eq!(covariance.weighted().count(), 5);
    let again: Vec<(f64, f64)> = covariance.variances().collect();
    assert_eq!(again[2], (514.0, covariance.energies[2] / 514.0));
}

#[test]
fn weights_are_finite_numbers_whatever_the_samples_are() {
    for (samples, shift) in [
        (vec![0; 600], 0),
        (vec![0; 600], 11),
        (vec![i32::MIN; 600], 11),
        (extremes(600, 32, 1), 11),
        (extremes(9, 21, 1), 0),
    ] {
        let mut covariance = taken(&Kernels::best(), &samples, 2, shift);
        covariance.look_at_second_differences();
        covariance.weigh();
        assert!(covariance.weight > 0.0 && covariance.unit() > 0.0);
        assert!(covariance.sum.iter().chain([&covariance.weight]).all(|number| number.is_finite()));
        // Factors that no sound solution has, and that are no numbers.
        for factor in [1e200, f64::INFINITY, f64::NAN] {
            covariance.look_at(&[factor; STRIDE], 2);
            assert!(covariance.energies.iter().all(|energy| *energy >= 0.0));
            covariance.weigh();
            assert!(covariance.sum.iter().all(|number| number.is_finite()), "{factor}");
        }
    }
}

#[test]
fn variances_are_told_in_units_of_the_samples() {
    let samples = noise(1024, 1, 30, 4);
    for (shift, bound) in [(9, 1e-4), (15, 1e-2)] {
        let mut covariance = taken(&Kernels::best(), &samples, 2, shift);
        covariance.look_at_second_differences();
        for (range, (length, variance)) in segments(&covariance).into_iter().zip(covariance.variances()) {
            let error = |t: usize| f64::from(samples[t]) - 2.0 * f64::from(samples[t - 1]) + f64::from(samples[t - 2]);
            let direct = range.map(|t| error(t) * error(t)).sum::<f64>() / length;
            assert!((variance / direct - 1.0).abs() < bound, "{variance} for {direct}");
        }
    }
}
