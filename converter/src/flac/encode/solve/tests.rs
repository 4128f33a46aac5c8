use super::*;
use crate::flac::kernels::Kernels;
use crate::support::{Random, music, noise};

fn covariance(samples: &[i32], order: usize, shift: u32) -> Covariance {
    let mut covariance = Covariance::default();
    covariance.take(&Kernels::best(), samples, order, shift);
    covariance.look_at_second_differences();
    covariance.weigh();
    covariance
}

fn solved(samples: &[i32], order: usize) -> (Covariance, Solver) {
    let covariance = covariance(samples, order, 0);
    let mut solver = Solver::default();
    solver.take(&covariance);
    (covariance, solver)
}

/// The whole weighted matrix.
fn matrix(covariance: &Covariance) -> Vec<Vec<f64>> {
    let rows: Vec<&[f64]> = covariance.weighted().collect();
    (0..rows.len()).map(|i| (0..rows.len()).map(|j| rows[i.min(j)][i.max(j)]).collect()).collect()
}

/// `v' C v`.
fn energy(matrix: &[Vec<f64>], factors: &[f64]) -> f64 {
    let product = |row: &Vec<f64>| row.iter().zip(factors).map(|(entry, factor)| entry * factor).sum::<f64>();
    matrix.iter().zip(factors).map(|(row, factor)| product(row) * factor).sum()
}

/// The normal equations of this order, solved with whole pivoting.
fn solved_directly(matrix: &[Vec<f64>], order: usize) -> Vec<f64> {
    let mut rows: Vec<Vec<f64>> =
        (1..=order).map(|i| (1..=order).map(|j| matrix[i][j]).chain([matrix[i][0]]).collect()).collect();
    for step in 0..order {
        let largest = (step..order).max_by(|a, b| rows[*a][step].abs().total_cmp(&rows[*b][step].abs())).unwrap();
        rows.swap(step, largest);
        let pivot = rows[step].clone();
        for (at, row) in rows.iter_mut().enumerate() {
            let factor = if at == step { 0.0 } else { row[step] / pivot[step] };
            row.iter_mut().zip(&pivot).for_each(|(entry, above)| *entry -= factor * above);
        }
    }
    (0..order).map(|at| rows[at][order] / rows[at][at]).collect()
}

fn factors_of(coefficients: impl Iterator<Item = f64>) -> Vec<f64> {
    std::iter::once(1.0).chain(coefficients.map(|coefficient| -coefficient)).collect()
}

/// What a resonance of two poles makes of noise.
fn resonance(count: usize, factors: [f64; 2], loudness: f64) -> Vec<i32> {
    let mut random = Random::new(11);
    let mut past = [0.0; 2];
    let mut next = || {
        let sample = factors[0] * past[0] + factors[1] * past[1] + loudness * random.unit();
        past = [sample, past[0]];
        #[allow(clippy::cast_possible_truncation)] // small
        let sample = sample as i32;
        sample
    };
    std::iter::repeat_with(&mut next).take(count).collect()
}

#[test]
fn the_factors_of_a_resonance_are_found() {
    for factors in [[1.6, -0.8], [-0.5, -0.9], [1.9, -0.95]] {
        let (_, solver) = solved(&resonance(4096, factors, 2000.0), 2);
        let found = solver.factors();
        assert_eq!((found[0].to_bits(), solver.order()), (1.0_f64.to_bits(), 2));
        assert!((found[1] + factors[0]).abs() < 0.05 && (found[2] + factors[1]).abs() < 0.05, "{:?}", &found[..3]);
        let predictor = solver.predictor(solver.best_order()).unwrap();
        assert_eq!(predictor.order, 2);
        for (coefficient, factor) in predictor.coefficients().iter().zip(factors) {
            let scaled = f64::from(*coefficient) / f64::from(1 << predictor.shift);
            assert!((scaled - factor).abs() < 0.1, "{scaled} for {factor}");
        }
    }
}

#[test]
fn what_each_order_leaves_is_what_its_own_solution_leaves() {
    for (samples, order) in [(music(4096, 1, 16, 5), 12), (noise(1111, 1, 12, 2), 7), (music(2000, 1, 8, 3), 32)] {
        let (covariance, solver) = solved(&samples, order);
        let matrix = matrix(&covariance);
        assert_eq!(solver.order(), order);
        for order in 0..=order {
            let direct = energy(&matrix, &factors_of(solved_directly(&matrix, order).into_iter()));
            let told = solver.energy[order];
            assert!((told - direct).abs() <= 1e-6 * direct, "{told} for {direct} at order {order}");
            assert!(order == 0 || told <= solver.energy[order - 1]);
        }
        let factors = solver.factors();
        let left = energy(&matrix, &factors[..=order]);
        assert!((left - solver.energy[order]).abs() <= 1e-6 * left);
    }
}

#[test]
fn what_is_left_in_a_solver_changes_nothing() {
    let mut solver = Solver::default();
    for (order, seed) in [(12, 1), (3, 2), (32, 3), (2, 4), (12, 5)] {
        let covariance = covariance(&music(3000, 1, 16, seed), order, 0);
        let mut new = Solver::default();
        new.take(&covariance);
        solver.take(&covariance);
        assert_eq!(solver.best_order(), new.best_order());
        assert_eq!(solver.predictor(solver.best_order()), new.predictor(new.best_order()));
        assert_eq!(solver.factors().map(f64::to_bits), new.factors().map(f64::to_bits));
    }
}

#[test]
fn lags_that_follow_from_others_end_the_elimination() {
    let periodic = |period: &[i32]| period.iter().copied().cycle().take(2000).collect::<Vec<_>>();
    for (samples, rank) in [
        (vec![0; 2000], 0),
        (vec![1000; 2000], 1),
        (vec![-32_768; 2000], 1),
        (periodic(&[5, -5]), 1),
        (periodic(&[7, 0]), 2),
        (periodic(&[1000, 3, -20, 4]), 4),
    ] {
        let (_, solver) = solved(&samples, 12);
        assert!(solver.order() <= rank, "order {} for rank {rank}", solver.order());
        assert!(solver.factors().iter().all(|factor| factor.is_finite()));
        let predictor = solver.predictor(solver.best_order());
        assert!(predictor.is_none_or(|predictor| predictor.order <= rank));
    }
}

#[test]
fn noise_needs_no_predictor_and_music_does() {
    let (_, solver) = solved(&noise(4096, 1, 16, 9), 12);
    assert_eq!((solver.best_order(), solver.predictor(0)), (0, None));
    let (_, solver) = solved(&music(4096, 1, 16, 9), 12);
    assert!(solver.best_order() > 2);
}

#[test]
fn rounding_adds_no_more_than_its_bound() {
    for (samples, order) in [(music(4096, 1, 16, 5), 12), (resonance(1500, [1.99, -0.995], 9.0), 8)] {
        let (covariance, solver) = solved(&samples, order);
        let matrix = matrix(&covariance);
        for order in 1..=solver.order() {
            for shift in [0, 3, 7, 11, 15] {
                let unit = f64::from(1 << shift);
                let rounded = solver.rounded(order, shift);
                let factors =
                    factors_of(rounded.coefficients().iter().map(|coefficient| f64::from(*coefficient) / unit));
                let added = energy(&matrix, &factors) - solver.energy[order];
                // Half a unit in each direction of the triangle.
                let bound: f64 = (0..order).map(|at| solver.rows[at][at] / unit / unit / 4.0).sum();
                assert!(added <= bound * (1.0 + 1e-6) + 1e-6 * matrix[0][0], "{added} above {bound}, {order}, {shift}");
            }
        }
    }
}

#[test]
fn predictors_fit_into_their_fields() {
    let mut random = Random::new(21);
    for round in 0..300_u32 {
        let (order, bits) = ([2, 4, 8, 12, 32][round as usize % 5], 4 + random.bits() % 29);
        let count = 4 * order + random.bits() as usize % 700;
        let samples = match round % 4 {
            0 => noise(count, 1, bits, u64::from(round) + 1),
            1 => music(count, 1, bits, u64::from(round) + 1),
            // Nearly, but not wholly, foretold.
            2 => {
                let noise = noise(count, 1, 2, u64::from(round) + 1);
                let ramp = (0_i32..).map(|at| (at * at) >> 3);
                ramp.zip(noise).map(|(ramp, noise)| (ramp + noise) << (32 - bits) >> (32 - bits)).collect()
            }
            _ => (0..count)
                .map(|at| if at % 9 == 0 { i32::MIN >> (32 - bits) } else { i32::from(at % 2 == 1) })
                .collect(),
        };
        let covariance = covariance(&samples, order, bits.saturating_sub(21));
        let mut solver = Solver::default();
        solver.take(&covariance);
        for order in 0..=solver.order() {
            let Some(predictor) = solver.predictor(order) else { continue };
            assert!((1..=MAX_PRECISION).contains(&predictor.precision()) && predictor.shift <= MAX_SHIFT);
            assert!((1..=order).contains(&predictor.order));
            assert_ne!(predictor.coefficients().last(), Some(&0));
        }
    }
}

/// A solver whose only coefficient is this one.
fn solver_of(coefficient: f64, energy: f64) -> Solver {
    let mut solver = Solver { last: 1, order: 1, samples: 100.0, unit: 1e-9, ..Solver::default() };
    (solver.rows[0][0], solver.rows[0][1], solver.inverses[0], solver.energy) = (1.0, coefficient, 1.0, [energy; 33]);
    solver
}

#[test]
fn large_coefficients_lose_their_lowest_bits_and_too_large_ones_are_none() {
    // So little is left that every bit of a coefficient pays.
    let found = |coefficient: f64| {
        let predictor = solver_of(coefficient, 1e-9).predictor(1)?;
        Some((predictor.coefficients[0], predictor.shift))
    };
    assert_eq!(found(0.499_969_482_421_875), Some((16_383, 15)));
    assert_eq!(found(0.5), Some((8192, 14)));
    assert_eq!(found(-0.5), Some((-16_384, 15)));
    assert_eq!(found(-3000.0), Some((-12_000, 2)));
    assert_eq!(found(16_383.0), Some((16_383, 0)));
    assert_eq!(found(-16_384.0), Some((-16_384, 0)));
    for none in [16_384.0, -16_385.0, 1e12, -1e300, f64::INFINITY, f64::NAN, 0.0] {
        assert_eq!(found(none), None, "{none}");
    }
    // So much is left that none does.
    assert_eq!(
        solver_of(3.4, 1e9).predictor(1).map(|predictor| (predictor.coefficients[0], predictor.shift)),
        Some((3, 0))
    );
}
