//! What is looked at before a block is coded.

use crate::flac::kernels::Survey;

pub(super) fn split(pcm: &[u8], bytes: usize, channels: &mut [Vec<i32>]) {
    let count = channels.len();
    for (number, channel) in channels.iter_mut().enumerate() {
        channel.clear();
        let samples = pcm.chunks_exact(bytes).skip(number).step_by(count);
        channel.extend(samples.map(|sample| {
            let mut wide = [0; 4];
            let (_, high) = wide.split_at_mut(4 - sample.len());
            high.copy_from_slice(sample);
            i32::from_le_bytes(wide) >> (32 - 8 * bytes)
        }));
    }
}

pub(super) fn mid_side(left: &[i32], right: &[i32], mid: &mut [i32], side: &mut [i32]) {
    for ((left, right), (mid, side)) in left.iter().zip(right).zip(mid.iter_mut().zip(side)) {
        *mid = (left + right) >> 1;
        *side = left - right;
    }
}

pub(super) fn survey(samples: &[i32]) -> Survey {
    let first = samples.first().copied().unwrap_or(0);
    samples.iter().fold(Survey::default(), |survey, sample| Survey {
        used: survey.used | sample.cast_unsigned(),
        spread: survey.spread | (sample ^ first).cast_unsigned(),
        magnitude: survey.magnitude | (sample ^ sample >> 31).cast_unsigned(),
    })
}

pub(super) fn stereo_sums(left: &[i32], right: &[i32]) -> [u64; 4] {
    let mut sums = [0; 4];
    for (left, right) in left.windows(3).zip(right.windows(3)) {
        let second = |of: &dyn Fn(i32, i32) -> i32| {
            let at = |t: usize| of(left[t], right[t]);
            u64::from((at(2) - 2 * at(1) + at(0)).unsigned_abs())
        };
        sums[0] += second(&|left, _| left);
        sums[1] += second(&|_, right| right);
        sums[2] += second(&|left, right| (left + right) >> 1);
        sums[3] += second(&|left, right| left - right);
    }
    sums
}

pub(super) fn fixed_sums(samples: &[i32]) -> [u64; 5] {
    let mut sums = [0; 5];
    for window in samples.windows(5) {
        let mut differences = [window[4], window[3], window[2], window[1], window[0]];
        for (order, sum) in sums.iter_mut().enumerate() {
            *sum += u64::from(differences[0].unsigned_abs());
            for at in 0..4 - order {
                differences[at] -= differences[at + 1];
            }
        }
    }
    sums
}

pub(super) fn lag_sums(samples: &[i32], from: usize, shift: u32, sums: &mut [f64]) {
    for (lag, sum) in sums.iter_mut().enumerate() {
        *sum = (from..samples.len())
            .map(|at| f64::from(samples[at] >> shift) * f64::from(samples[at - lag] >> shift))
            .sum();
    }
}
