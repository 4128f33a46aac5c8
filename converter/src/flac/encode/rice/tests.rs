use super::*;
use crate::flac::kernels::plain;
use crate::support::Random;

fn all_kernels() -> [Kernels; 3] {
    [plain::KERNELS, Kernels::portable(), Kernels::best()]
}

/// Folded values that are distributed geometrically with about this mean.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // what is too large becomes the largest
fn geometric(count: usize, mean: f64, random: &mut Random) -> Vec<u32> {
    let rate = (1.0 + 1.0 / mean).ln();
    (0..count).map(|_| (-(0.5 - 0.499_999 * random.unit()).ln() / rate) as u32).collect()
}

/// Values of any size, small ones as often as large ones.
fn wild(count: usize, random: &mut Random) -> Vec<u32> {
    (0..count).map(|_| random.bits() >> (random.bits() % 32)).collect()
}

/// Bits of these values with this parameter, one by one.
fn bits_of(values: &[u32], parameter: u64) -> u64 {
    values.iter().map(|value| u64::from(value >> parameter) + 1 + parameter).sum()
}

fn sum(values: &[u32]) -> u64 {
    values.iter().map(|value| u64::from(*value)).sum()
}

/// Reads what was written, bit by bit, as RFC 9639 §9.2.7 tells it; gives the values, and the parameters.
fn read(bytes: &[u8], block: usize, order: usize) -> (Vec<u32>, Vec<u32>) {
    let mut at = 0;
    let mut bit = || {
        at += 1;
        u32::from(bytes[(at - 1) / 8] >> (7 - (at - 1) % 8) & 1)
    };
    let mut number = |bits: u32| (0..bits).fold(0_u32, |number, _| number << 1 | bit());
    let method = number(2);
    let partition_order = number(4);
    assert!(method < 2 && block.is_multiple_of(1 << partition_order) && block >> partition_order > order);
    let (mut values, mut parameters) = (Vec::new(), Vec::new());
    for partition in 0..1 << partition_order {
        let parameter = number(4 + method);
        assert!(parameter < [15, 31][method as usize], "an escape code");
        parameters.push(parameter);
        for _ in 0..(block >> partition_order) - if partition == 0 { order } else { 0 } {
            let mut quotient = 0;
            while number(1) == 0 {
                quotient += 1;
            }
            values.push(quotient << parameter | number(parameter));
        }
    }
    (values, parameters)
}

/// Writes and reads back; gives the number of bits, and the parameters.
fn write(kernels: &Kernels, partitions: &Partitions, residual: &[u32], order: usize) -> (u64, Vec<u32>) {
    let mut out = BitWriter::default();
    partitions.write(kernels, residual, order, &mut out);
    let bits = out.len();
    let (values, parameters) = read(out.finish(), residual.len() + order, order);
    assert!(values == residual);
    (bits, parameters)
}

#[test]
fn the_parameter_of_geometric_values_is_within_a_hundredth_of_the_best() {
    let mut random = Random::new(7);
    for step in 0..60 {
        let mean = 0.05 * 1.5_f64.powi(step);
        let values = geometric(4000, mean, &mut random);
        let (chosen, expected) = parameter(values.len(), sum(&values));
        let best = (0..=30).map(|parameter| bits_of(&values, parameter)).min().unwrap();
        let bits = bits_of(&values, chosen);
        assert!(bits * 100 <= best * 101, "{bits} with {chosen} where {best} are enough for a mean of {mean}");
        assert!(expected.abs_diff(bits) * 100 <= bits * 4, "{expected} expected for {bits}, mean {mean}");
    }
}

#[test]
fn no_parameter_is_an_escape_code_and_sums_of_any_size_have_one() {
    for count in [1, 2, 15, 4096, 65_535] {
        for each in [0, 1, 2, 1 << 20, u32::MAX - 1, u32::MAX] {
            let (parameter, bits) = parameter(count, u64::from(each) * count as u64);
            assert!(parameter <= MAX_WIDE_PARAMETER.into());
            assert!(bits >= count as u64 * (parameter + 1));
        }
    }
    assert_eq!(parameter(100, 0), (0, 100));
}

#[test]
fn what_is_expected_is_too_low_by_half_a_bit_a_value_at_most() {
    let mut random = Random::new(3);
    let check = |values: &[u32]| {
        let (parameter, expected) = parameter(values.len(), sum(values));
        let bits = bits_of(values, parameter);
        let most = values.len().div_ceil(2) as u64;
        assert!(bits <= expected + most, "{bits} for {expected} of {} values, parameter {parameter}", values.len());
    };
    for value in (0..5000).chain((0..32).flat_map(|place| [u32::MAX >> place, 1 << place, (1 << place) - 1])) {
        check(&[value]);
        check(&[value, 0]);
        check(&[value, 0, u32::MAX]);
        check(&[value; 17]);
    }
    for round in 0..3000 {
        let count = 1 + random.bits() as usize % (1 + round % 100);
        check(&wild(count, &mut random));
    }
    // What a code likes least: a single large value, and values just large enough for one more bit each.
    for count in [100, 1000] {
        for large in (0..32).map(|place| u32::MAX >> place) {
            let mut values = vec![0; count];
            values[7] = large;
            check(&values);
            check(&vec![large; count]);
            check(&vec![large & !(large >> 1); count]);
        }
    }
}

#[test]
fn what_is_counted_is_what_is_written() {
    let mut random = Random::new(5);
    for kernels in all_kernels() {
        for block in [1_usize, 2, 16, 17, 48, 192, 255, 256, 576, 1152, 4096] {
            for order in [0, 1, 4, 12, 32] {
                if order >= block {
                    continue;
                }
                for mean in [0.0, 0.3, 40.0, 9e3, 3e7] {
                    let mut residual = geometric(block - order, mean + 1e-9, &mut random);
                    // Loud for a while, so that partitions differ.
                    residual.iter_mut().take(block / 3).for_each(|value| *value = value.saturating_mul(5));
                    let mut partitions = Partitions::default();
                    partition(&kernels, &residual, order, 6, &mut partitions);
                    let expected = partitions.bits;
                    partitions.count(&kernels, &residual, order);
                    let counted = partitions.bits;
                    assert_eq!(counted, write(&kernels, &partitions, &residual, order).0);
                    assert!(counted <= expected + residual.len() as u64, "{counted} for {expected}");
                    partitions.refine(&kernels, &residual, order);
                    assert_eq!(partitions.bits, write(&kernels, &partitions, &residual, order).0);
                    assert!(partitions.bits <= counted + (1 << partitions.order), "{block} {order} {mean}");
                }
            }
        }
    }
}

#[test]
fn the_first_partition_always_holds_a_residual() {
    let kernels = Kernels::best();
    let mut random = Random::new(9);
    for (block, order, finest) in [
        (16, 0, 4),
        (16, 1, 3),
        (16, 2, 2),
        (16, 3, 2),
        (16, 4, 1),
        (64, 4, 3),
        (64, 12, 2),
        (4096, 12, 8),
        (4096, 15, 8),
        (4096, 16, 7),
        (4096, 32, 6),
        (15, 3, 0),
        (4095, 8, 0),
        (4098, 8, 1),
        (65_535, 0, 0),
        (32_768, 32, 8),
        (5, 4, 0),
    ] {
        let residual = wild(block - order, &mut random);
        // Exactly so fine where nothing is lost by it: each partition is of another loudness.
        let mut partitions = Partitions::default();
        partition_from(&kernels, &residual, order, 15, &mut partitions);
        assert!(partitions.order <= finest && block >> partitions.order > order, "{block}, {order}");
        write(&kernels, &partitions, &residual, order);
        let length = block >> finest;
        let steps = (0..block).map(|at| if (at / length).is_multiple_of(2) { 0 } else { 0x0FFF_FFFF });
        let residual: Vec<u32> = steps.skip(order).collect();
        partitions.bits = u64::MAX;
        partition_from(&kernels, &residual, order, 15, &mut partitions);
        assert!(length < 8 || partitions.order == finest, "order {} of {finest}", partitions.order);
        write(&kernels, &partitions, &residual, order);
    }
}

#[test]
fn no_finer_partitions_than_asked_for_unless_the_residual_is_restless() {
    let kernels = Kernels::best();
    let mut random = Random::new(13);
    let steady = geometric(4096, 50.0, &mut random);
    let loud = geometric(4096, 5000.0, &mut random);
    let changing = |is_loud: fn(usize) -> bool| -> Vec<u32> {
        loud.iter().enumerate().map(|(at, value)| if is_loud(at) { *value } else { value >> 9 }).collect()
    };
    let found = [steady, changing(|at| at < 1024), changing(|at| at / 64 % 2 == 0), changing(|at| at % 128 < 16)];
    let mut partitions = Partitions::default();
    let mut orders = |finest: u32| {
        found
            .iter()
            .map(|residual| {
                partition(&kernels, residual, 0, finest, &mut partitions);
                (partitions.order, partitions.restless)
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(orders(6), [(0, false), (2, false), (6, true), (8, true)]);
    assert_eq!(orders(0), [(0, false); 4]);
}

#[test]
fn parameters_above_14_are_told_in_5_bits() {
    let kernels = Kernels::best();
    let mut largest = Vec::new();
    // Means around 2^15: the parameter turns from 14 to 15.
    for value in [20_000, 32_000, 34_000, 34_100, 40_000, 70_000, 1 << 30, u32::MAX - 1] {
        let residual = [vec![3; 500], vec![value; 524]].concat();
        let mut partitions = Partitions::default();
        partition(&kernels, &residual, 0, 1, &mut partitions);
        partitions.refine(&kernels, &residual, 0);
        let mut out = BitWriter::default();
        partitions.write(&kernels, &residual, 0, &mut out);
        let method = out.finish()[0] >> 6;
        let (bits, parameters) = write(&kernels, &partitions, &residual, 0);
        assert_eq!(bits, partitions.bits);
        let most = parameters.iter().copied().max().unwrap();
        assert_eq!(method, u8::from(most > 14), "{value}");
        largest.push(most);
    }
    assert!(largest.is_sorted() && largest.contains(&14) && largest.contains(&15), "{largest:?}");
    assert_eq!(largest.last(), Some(&30));
}

#[test]
fn refining_finds_the_best_of_the_parameters_beside() {
    let kernels = Kernels::portable();
    let mut random = Random::new(17);
    for _ in 0..200 {
        let residual = wild(96, &mut random);
        let mut partitions = Partitions::default();
        partition(&kernels, &residual, 0, 3, &mut partitions);
        let before = write(&kernels, &partitions, &residual, 0).1;
        partitions.refine(&kernels, &residual, 0);
        let after = write(&kernels, &partitions, &residual, 0).1;
        for ((partition, before), after) in residual.chunks(96 >> partitions.order).zip(before).zip(after) {
            let beside = before.saturating_sub(1)..=(before + 1).min(MAX_WIDE_PARAMETER);
            let best = beside.map(|parameter| bits_of(partition, parameter.into())).min().unwrap();
            assert_eq!(bits_of(partition, after.into()), best, "{before}, {after}");
        }
    }
}

#[test]
fn one_partitions_parameters_say_nothing_of_the_next_residual() {
    let kernels = Kernels::best();
    let mut random = Random::new(19);
    let mut partitions = Partitions::default();
    for count in [4096, 16, 4096, 17, 512] {
        let residual = wild(count, &mut random);
        partition(&kernels, &residual, 0, 6, &mut partitions);
        let mut new = Partitions::default();
        partition(&kernels, &residual, 0, 6, &mut new);
        assert_eq!((partitions.order, partitions.bits, partitions.restless), (new.order, new.bits, new.restless));
        assert_eq!(partitions.parameters(), new.parameters());
    }
}
