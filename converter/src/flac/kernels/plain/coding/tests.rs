//! Every coding kernel of every set against what it is defined to do, written down as plainly as can be. So the sets
//! are the same too, for all that is tried here.

use crate::flac::bits::BitWriter;
use crate::flac::kernels::{Kernels, MAX_ORDER, Width, plain};

/// Numbers without a pattern, the same in each run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 11) % end
    }

    /// From -`most` to `most`, often one of these.
    fn within(&mut self, most: i64) -> i64 {
        match self.below(4) {
            0 => most,
            1 => -most,
            _ => i64::try_from(self.below(2 * most.unsigned_abs() + 1)).unwrap() - most,
        }
    }

    fn of<T: Copy>(&mut self, some: &[T]) -> T {
        some[usize::try_from(self.below(some.len() as u64)).unwrap()]
    }
}

/// The plain kernels, those of every CPU of this kind, and those of this CPU if it has any.
fn sets() -> Vec<(&'static str, Kernels)> {
    let mut sets = vec![("plain", plain::KERNELS), ("portable", Kernels::portable())];
    #[cfg(target_arch = "x86_64")]
    match crate::flac::kernels::x86::detected() {
        Some(kernels) => sets.push(("x86", kernels)),
        None => println!("only the portable kernels are tested: this CPU lacks what the others need"),
    }
    sets
}

/// All that are short, and some around the lengths of vectors and tiles.
fn lengths() -> impl Iterator<Item = usize> {
    (0..=70).chain([127, 128, 129, 255, 256, 257, 290, 511, 513, 1023, 1024, 1025, 1040, 1041, 1056, 2100, 4096])
}

fn fold(residual: i64) -> u32 {
    #[allow(clippy::cast_possible_truncation)] // that a residual fits is the caller's care
    let residual = residual as i32;
    (residual << 1 ^ residual >> 31).cast_unsigned()
}

/// A predictor, samples, and a width that they allow.
struct Case {
    coefficients: Vec<i32>,
    shift: u32,
    width: Width,
    samples: Vec<i32>,
}

impl Case {
    fn new(numbers: &mut Numbers, width: Width, order: usize, length: usize) -> Self {
        let shift = u32::try_from(numbers.below(16)).unwrap();
        let most = match width {
            Width::Pairs => 1 << numbers.below(16),
            Width::Narrow | Width::Wide => 1_i64 << numbers.below(31),
        };
        let most = most - i64::try_from(numbers.below(2)).unwrap();
        let all = match width {
            Width::Pairs | Width::Narrow => ((1 << 31) - 1) / most.max(1),
            Width::Wide => (((1 << 31) - 2 - most) << shift | ((1 << shift) - 1)) / most.max(1),
        };
        let each = match width {
            Width::Pairs => i64::from(i16::MAX),
            Width::Narrow | Width::Wide => i64::from(i32::MAX),
        };
        let coefficients = coefficients(numbers, order, all, each);
        let samples = match numbers.below(3) {
            // What the first is predicted from adds up to as much as is possible.
            0 => {
                let worst = coefficients.iter().rev().map(|factor| i64::from(factor.signum()) * most);
                worst.cycle().take(length).collect()
            }
            1 => vec![-most; length],
            _ => (0..length).map(|_| numbers.within(most)).collect::<Vec<_>>(),
        };
        let lowest = if width == Width::Pairs { i64::from(i16::MIN) } else { i64::MIN };
        let highest = if width == Width::Pairs { i64::from(i16::MAX) } else { i64::MAX };
        let samples = samples.iter().map(|sample| i32::try_from(*sample.clamp(&lowest, &highest)).unwrap()).collect();
        Self { coefficients, shift, width, samples }
    }

    fn expected(&self) -> Vec<u32> {
        let order = self.coefficients.len();
        let residual = |at: usize| {
            let product = |(back, factor): (usize, &i32)| i64::from(*factor) * i64::from(self.samples[at - 1 - back]);
            let sum: i64 = self.coefficients.iter().enumerate().map(product).sum();
            fold(i64::from(self.samples[at]) - (sum >> self.shift))
        };
        (order..self.samples.len()).map(residual).collect()
    }
}

/// Of which the sum of all |coefficient| is at most `all`.
fn coefficients(numbers: &mut Numbers, order: usize, all: i64, each: i64) -> Vec<i32> {
    let mut left = all;
    let even = numbers.below(2) == 0;
    let mut coefficients: Vec<i32> = (0..order)
        .map(|_| {
            let share = if even { all / i64::try_from(order).unwrap() } else { left };
            let coefficient = numbers.within(share.min(each));
            left -= coefficient.abs();
            i32::try_from(coefficient).unwrap()
        })
        .collect();
    let from = usize::try_from(numbers.below(order as u64)).unwrap();
    coefficients.rotate_left(from);
    coefficients
}

#[test]
fn linear_residuals_are_exact_for_all_that_their_width_promises() {
    let numbers = &mut Numbers(1);
    for (name, kernels) in sets() {
        // Whatever was there before is replaced.
        let mut residual = vec![77; 300];
        for width in [Width::Pairs, Width::Narrow, Width::Wide] {
            for order in 1..=MAX_ORDER {
                for length in lengths() {
                    let case = Case::new(numbers, width, order, length);
                    let (samples, expected) = (&case.samples, case.expected());
                    (kernels.linear_residual)(samples, &case.coefficients, case.shift, case.width, &mut residual);
                    let (coefficients, shift) = (&case.coefficients, case.shift);
                    assert!(residual == expected, "{name} {width:?} {length} {coefficients:?} >> {shift} {samples:?}");
                    assert_eq!(residual.len(), length.saturating_sub(order));
                }
            }
        }
    }
}

#[test]
fn linear_residuals_are_the_same_for_any_width_that_is_wide_enough() {
    let numbers = &mut Numbers(2);
    let samples: Vec<i32> = (0..4097).map(|_| i32::try_from(numbers.within(1 << 15)).unwrap().min(32_767)).collect();
    for (name, kernels) in sets() {
        for order in 1..=MAX_ORDER {
            // At each alignment, too.
            let samples = &samples[order % 9..];
            let coefficients = coefficients(numbers, order, (1 << 16) - 1, (1 << 15) - 1);
            let case = Case { coefficients, shift: 15, width: Width::Pairs, samples: samples.to_vec() };
            for width in [Width::Pairs, Width::Narrow, Width::Wide] {
                let mut residual = Vec::new();
                (kernels.linear_residual)(samples, &case.coefficients, case.shift, width, &mut residual);
                assert!(residual == case.expected(), "{name} {order} {width:?}");
            }
        }
    }
}

#[test]
fn fixed_residuals_are_those_of_the_fixed_predictors() {
    // §9.2.5.
    const FACTORS: [&[i64]; 5] = [&[], &[1], &[2, -1], &[3, -3, 1], &[4, -6, 4, -1]];
    let numbers = &mut Numbers(3);
    for (name, kernels) in sets() {
        let mut residual = vec![77; 300];
        for (order, factors) in FACTORS.iter().enumerate() {
            for length in lengths() {
                let alternating = (0..length).map(|at| if at % 2 == 0 { -(1 << 26) } else { (1 << 26) - 1 });
                let random = (0..length).map(|_| numbers.within(1 << 26).min((1 << 26) - 1));
                for samples in [alternating.collect::<Vec<i64>>(), random.collect()] {
                    let one = |at: usize| {
                        let past = factors.iter().enumerate().map(|(back, factor)| factor * samples[at - 1 - back]);
                        fold(samples[at] - past.sum::<i64>())
                    };
                    let expected: Vec<u32> = (order..length).map(one).collect();
                    let samples: Vec<i32> = samples.iter().map(|sample| i32::try_from(*sample).unwrap()).collect();
                    (kernels.fixed_residual)(&samples, order, &mut residual);
                    assert!(residual == expected, "{name} {order} {samples:?}");
                }
            }
        }
    }
}

#[test]
fn sums_are_those_of_each_partition() {
    let numbers = &mut Numbers(4);
    for (name, kernels) in sets() {
        for count in [1, 2, 4, 16, 64] {
            for length in (1..=40).chain([64, 100, 256]) {
                for order in [0, 1, 4, 12, 32].into_iter().filter(|order| *order <= length) {
                    let residual: Vec<u32> =
                        (order..count * length).map(|_| u32::try_from(numbers.next() >> 32).unwrap()).collect();
                    let mut all = vec![0; order];
                    all.extend(residual.iter().map(|value| u64::from(*value)));
                    let expected: Vec<u64> = all.chunks(length).map(|partition| partition.iter().sum()).collect();
                    let mut sums = vec![77; count];
                    (kernels.partition_sums)(&residual, order, &mut sums);
                    assert_eq!(sums, expected, "{name} {count} {length} {order}");
                }
            }
        }
        let largest = vec![u32::MAX; 65_535];
        let mut sums = [0];
        (kernels.partition_sums)(&largest, 0, &mut sums);
        assert_eq!(sums, [65_535 * u64::from(u32::MAX)], "{name}");
        let mut quotients = [[0; 3]];
        (kernels.quotients)(&largest, 0, &[0], &mut quotients);
        assert_eq!(quotients, [[sums[0], sums[0], sums[0] / 2 - 65_535 / 2]], "{name}");
    }
}

#[test]
fn quotients_are_added_for_every_parameter_and_its_neighbours() {
    let numbers = &mut Numbers(5);
    for (name, kernels) in sets() {
        for parameter in 0..=30_u32 {
            for (count, length, order) in
                lengths().map(|length| (1, length, 0)).chain([(4, 16, 0), (4, 16, 12), (64, 64, 1)])
            {
                // Small ones, and sometimes large ones: where sums of 32 bits do, and where they do not.
                let quiet = u32::try_from(numbers.next() % 32).unwrap();
                let residual: Vec<u32> =
                    (order..count * length).map(|_| u32::try_from(numbers.next() >> 32).unwrap() >> quiet).collect();
                let parameters: Vec<u8> =
                    (0..count).map(|at| u8::try_from((parameter as usize + at) % 31).unwrap()).collect();
                let mut rest = residual.as_slice();
                let expected: Vec<[u64; 3]> = parameters
                    .iter()
                    .enumerate()
                    .map(|(number, parameter)| {
                        let (partition, after) = rest.split_at(length - if number == 0 { order } else { 0 });
                        rest = after;
                        [parameter.saturating_sub(1), *parameter, (parameter + 1).min(30)]
                            .map(|shift| partition.iter().map(|value| u64::from(value >> shift)).sum())
                    })
                    .collect();
                let mut sums = vec![[77; 3]; count];
                (kernels.quotients)(&residual, order, &parameters, &mut sums);
                assert_eq!(sums, expected, "{name} {parameter} {count} {length} {order}");
            }
        }
    }
}

/// Reads bits as the format has them, one after the other.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn bit(&mut self) -> u32 {
        self.at += 1;
        u32::from(self.bytes[(self.at - 1) / 8] >> (7 - (self.at - 1) % 8) & 1)
    }

    fn bits(&mut self, count: u32) -> u32 {
        (0..count).fold(0, |value, _| value << 1 | self.bit())
    }

    fn rice(&mut self, parameter: u32) -> u32 {
        let mut quotient = 0;
        while self.bit() == 0 {
            quotient += 1;
        }
        quotient << parameter | self.bits(parameter)
    }
}

/// A marker of so many bits, Rice codes, and a marker again; all is read back.
fn check_rice(name: &str, kernels: &Kernels, writer: &mut BitWriter, before: u32, parameter: u32, residual: &[u32]) {
    let marker = if before == 0 { 0 } else { u64::from(u32::MAX >> (32 - before)) };
    writer.clear();
    writer.put(marker, before);
    (kernels.put_rice)(residual, parameter, writer);
    writer.put(0x2A5, 10);
    let length = writer.len();
    let mut reader = Reader { bytes: writer.finish(), at: 0 };
    assert_eq!(u64::from(reader.bits(before)), marker, "{name} {before} {parameter}");
    for value in residual {
        assert_eq!(reader.rice(parameter), *value, "{name} {before} {parameter} {residual:?}");
    }
    assert_eq!(reader.bits(10), 0x2A5, "{name} {before} {parameter} {residual:?}");
    assert_eq!(reader.at as u64, length);
    assert_eq!(reader.bytes.len() as u64, length.div_ceil(8));
}

#[test]
fn rice_codes_are_read_back() {
    let numbers = &mut Numbers(6);
    for (name, kernels) in sets() {
        let mut writer = BitWriter::default();
        for parameter in 0..=30 {
            for before in (0..=17).chain([31, 32]) {
                for length in [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 50, 256] {
                    // Short and long ones, and long ones among short.
                    let longest = numbers.of(&[1, 2, 5, 20, 60, 300]);
                    let long = numbers.of(&[0, 0, 1, 10, 100]);
                    let residual: Vec<u32> = (0..length)
                        .map(|_| {
                            let longest = if numbers.below(100) < long { 5000 } else { longest };
                            let highest = (longest << parameter).min(1 << 32);
                            u32::try_from(numbers.below(highest)).unwrap()
                        })
                        .collect();
                    check_rice(name, &kernels, &mut writer, before, parameter, &residual);
                }
            }
        }
    }
}

#[test]
fn the_largest_residuals_have_codes_too() {
    for (name, kernels) in sets() {
        let mut writer = BitWriter::default();
        for parameter in 12..=30 {
            for at in 0..18 {
                let mut residual = [0; 18];
                residual[at] = u32::MAX;
                check_rice(name, &kernels, &mut writer, 5, parameter, &residual);
            }
        }
        // Quotients of up to 2^20 beside small ones.
        for parameter in [0, 1, 9, 10, 22] {
            let sizes = [u32::MAX >> 8, 1 << 24, 0, 3, 0x00FF_FFC6, 0, 0, 1];
            check_rice(name, &kernels, &mut writer, 3, parameter, &sizes.map(|size| size >> 4));
        }
    }
}

/// Codes of exactly as many bits as are put at once, of one less, and of one more.
#[test]
fn codes_at_the_limit_of_what_is_put_at_once_are_read_back() {
    for (name, kernels) in sets() {
        let mut writer = BitWriter::default();
        for parameter in 0..=30 {
            for quotient in 0..=70_u32 {
                let mut residual = [1 << parameter >> 1; 48];
                for at in [0, 5, 10, 15, 16, 40] {
                    residual[at] = u32::try_from(u64::from(quotient) << parameter & 0xFFFF_FFFF).unwrap();
                }
                check_rice(name, &kernels, &mut writer, quotient % 8, parameter, &residual);
            }
        }
    }
}

#[test]
fn checksums_are_those_of_each_bit_after_the_other() {
    let numbers = &mut Numbers(8);
    let bytes: Vec<u8> = (0..5000).map(|_| numbers.next().to_le_bytes()[5]).collect();
    let slow = |crc: u16, bytes: &[u8]| {
        bytes.iter().fold(crc, |crc, byte| {
            (0..8).fold(
                crc ^ u16::from(*byte) << 8,
                |crc, _| {
                    if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x8005 }
                },
            )
        })
    };
    for (name, kernels) in sets() {
        for start in [0, 1, 0x8005, 0xFFFF] {
            for length in (0..300).chain([1023, 1024, 1025, 4999]) {
                let bytes = &bytes[length % 17..][..length.min(4983)];
                assert_eq!((kernels.crc16)(start, bytes), slow(start, bytes), "{name} {length}");
            }
        }
        assert_eq!((kernels.crc16)(0, b"123456789"), 0xFEE8, "{name}");
    }
}
