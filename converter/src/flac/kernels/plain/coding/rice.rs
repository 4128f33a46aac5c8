//! Rice codes (§9.2.7.2): how many bits they take, and their bits.

use crate::flac::bits::{BitWriter, STORE_BITS};

/// Values whose quotients are added in lanes of 32 bits.
const FEW: u32 = 64;

#[inline(always)]
#[allow(clippy::inline_always)] // so that it can be compiled for other CPUs too
pub(in crate::flac::kernels) fn partition_sums(residual: &[u32], order: usize, sums: &mut [u64]) {
    let length = (residual.len() + order) / sums.len().max(1);
    let mut rest = residual;
    for (number, sum) in sums.iter_mut().enumerate() {
        let (partition, after) = rest.split_at(if number == 0 { length - order } else { length });
        *sum = partition.iter().map(|value| u64::from(*value)).sum();
        rest = after;
    }
}

#[inline(always)]
#[allow(clippy::inline_always)] // so that it can be compiled for other CPUs too
pub(in crate::flac::kernels) fn quotients(residual: &[u32], order: usize, parameters: &[u8], sums: &mut [[u64; 3]]) {
    let length = (residual.len() + order) / sums.len().max(1);
    let mut rest = residual;
    for (number, (parameter, sums)) in parameters.iter().zip(sums).enumerate() {
        let (partition, after) = rest.split_at(if number == 0 { length - order } else { length });
        *sums = quotients_of(partition, u32::from(*parameter));
        rest = after;
    }
}

#[inline(always)]
#[allow(clippy::inline_always)] // as above
fn quotients_of(partition: &[u32], parameter: u32) -> [u64; 3] {
    let shifts = [parameter.saturating_sub(1), parameter, (parameter + 1).min(30)];
    let mut sums = [0; 3];
    for few in partition.chunks(FEW as usize) {
        let any = few.iter().fold(0, |any, value| any | value);
        // So few fit into 32 bits, of which a vector holds twice as many as of 64.
        let more = if any >> shifts[0] <= u32::MAX / FEW {
            few.iter()
                .fold([0; 3], |[a, b, c], value| {
                    [a + (value >> shifts[0]), b + (value >> shifts[1]), c + (value >> shifts[2])]
                })
                .map(u64::from)
        } else {
            shifts.map(|shift| few.iter().map(|value| u64::from(value >> shift)).sum())
        };
        sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
    }
    sums
}

/// Codes of four values, or of two where four would rarely fit, are put together before they are written.
pub(in crate::flac::kernels) fn put_rice(residual: &[u32], parameter: u32, out: &mut BitWriter) {
    match parameter {
        0..=9 => put_groups::<4>(residual, parameter, out),
        10..=22 => put_groups::<2>(residual, parameter, out),
        _ => put_groups::<1>(residual, parameter, out),
    }
}

fn put_groups<const SIZE: usize>(residual: &[u32], parameter: u32, out: &mut BitWriter) {
    let (groups, rest) = residual.as_chunks::<SIZE>();
    let (twos, groups) = groups.as_chunks::<2>();
    let mut run = out.run();
    for two in twos {
        let fields = two.each_ref().map(|group| together(group, parameter));
        if fields.iter().all(|(_, bits)| *bits <= STORE_BITS.into()) {
            #[allow(clippy::cast_possible_truncation)] // at most 57
            run.put(fields.map(|(codes, bits)| (codes, bits as u32)));
        } else {
            run.by(|out| put_long(two.as_flattened(), parameter, out));
        }
    }
    run.by(|out| {
        put_long(groups.as_flattened(), parameter, out);
        put_long(rest, parameter, out);
    });
}

/// Codes one after the other, and their bits. The codes are right if the bits are fewer than 64.
#[inline(always)]
#[allow(clippy::inline_always)] // into the loop, where the compiler mixes several
fn together(values: &[u32], parameter: u32) -> (u64, u64) {
    values.iter().fold((0, 0), |(codes, all): (u64, u64), value| {
        let bits = u64::from(value >> parameter) + u64::from(parameter + 1);
        #[allow(clippy::cast_possible_truncation)] // below 64 where it matters
        let before = codes.wrapping_shl(bits as u32);
        (before | stop_and_remainder(*value, parameter), all + bits)
    })
}

/// Codes of any length.
#[cold]
fn put_long(residual: &[u32], parameter: u32, out: &mut BitWriter) {
    for value in residual {
        out.put_zeros(u64::from(value >> parameter));
        out.put(stop_and_remainder(*value, parameter), parameter + 1);
    }
}

/// What follows a quotient's zeros: a one, and the lowest bits of the value.
fn stop_and_remainder(value: u32, parameter: u32) -> u64 {
    let stop = 1 << parameter;
    stop | u64::from(value) & (stop - 1)
}
