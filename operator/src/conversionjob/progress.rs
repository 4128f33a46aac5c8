//! How far the conversion has come: from what is known of each shard to totals that never go backwards. Pure.
//!
//! A shard is known from its worker's word, live from its admin port or last from its termination message. A shard that
//! nobody tells of counts as done once the Job says so: that is the fallback where pods cannot be asked.

use std::collections::{BTreeMap, BTreeSet};

use crds::ConversionJobStatus;
use crds::conversionjob::{ByteCounts, FileCounts};
use serde::Deserialize;

use super::result::PlanResult;

/// What a worker says of its shard, all tries together.
#[derive(Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The shard.
    pub shard: usize,
    /// Its files.
    pub files: FilesRead,
    /// Its bytes.
    pub bytes: BytesRead,
    /// Whether it was the worker's last word, after it was done.
    #[serde(skip)]
    pub last: bool,
}

/// Files of a shard by outcome.
#[derive(Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FilesRead {
    /// Converted.
    pub converted: u64,
    /// Whose FLAC was there.
    pub skipped: u64,
    /// That could not be converted.
    pub failed: u64,
}

/// Bytes of a shard.
#[derive(Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BytesRead {
    /// Of all its sources.
    pub total: u64,
    /// Of the sources that are done, and what was read of those under way.
    pub done: u64,
    /// Of the sources that were converted.
    pub input: u64,
    /// Of their FLAC.
    pub output: u64,
}

impl Reading {
    /// The files that are done, whatever came of them.
    pub fn files_done(&self) -> u64 {
        let FilesRead { converted, skipped, failed } = self.files;
        converted.saturating_add(skipped).saturating_add(failed)
    }

    /// The last word of a worker of `shard`, as its container's termination message holds it.
    pub fn last_of(message: &str, shard: usize) -> Option<Self> {
        let reading: Self = message.lines().rev().find_map(|line| serde_json::from_str(line.trim()).ok())?;
        (reading.shard == shard).then_some(Self { last: true, ..reading })
    }
}

/// What is known of the shards of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readings {
    told: BTreeMap<usize, Reading>,
    /// Shards that are done and whose last word is not to be had.
    mute: BTreeSet<usize>,
}

impl Readings {
    /// Takes in what a worker says.
    ///
    /// A new try begins with what its records hold, and may know less for a moment: what was known stays until it has come
    /// as far. After a worker's last word nothing else counts.
    pub fn take(&mut self, new: Reading) {
        let behind = |known: &Reading| {
            known.last || (!new.last && (new.files_done(), new.bytes.done) < (known.files_done(), known.bytes.done))
        };
        if !self.told.get(&new.shard).is_some_and(behind) {
            self.told.insert(new.shard, new);
        }
    }

    /// The last word of the worker of `shard`, which is done, is not to be had.
    pub fn is_mute(&mut self, shard: usize) {
        self.mute.insert(shard);
    }

    /// Of the shards that are done, those whose last word is still to be read.
    pub fn to_read(&self, completed: &BTreeSet<usize>) -> Vec<usize> {
        let known = |shard: &usize| self.mute.contains(shard) || self.told.get(shard).is_some_and(|told| told.last);
        completed.iter().copied().filter(|shard| !known(shard)).collect()
    }
}

/// How far a conversion has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Files that are done, whatever came of them.
    pub files_done: u64,
    /// Files by outcome, as far as workers say.
    pub files: FilesRead,
    /// Source bytes that are done.
    pub bytes_done: u64,
    /// Bytes of sources that were converted.
    pub input: u64,
    /// Bytes of their FLAC.
    pub output: u64,
}

/// The sum over the shards of a plan, of which `completed` are done.
pub fn plan_progress(plan: &PlanResult, readings: &Readings, completed: &BTreeSet<usize>) -> Progress {
    let mut sum = Progress::default();
    for (shard, &files) in plan.shard_files.iter().enumerate() {
        // Who tells of more files than the shard has tells of something else.
        let reading = readings.told.get(&shard).filter(|reading| reading.files_done() <= files);
        let done = completed.contains(&shard);
        let told = reading.map(Reading::files_done).unwrap_or_default();
        sum.files_done = sum.files_done.saturating_add(if done { files } else { told });
        match reading {
            Some(reading) => {
                let Reading { files, bytes, .. } = reading;
                sum.files.converted = sum.files.converted.saturating_add(files.converted);
                sum.files.skipped = sum.files.skipped.saturating_add(files.skipped);
                sum.files.failed = sum.files.failed.saturating_add(files.failed);
                let all = if done { bytes.done.max(bytes.total) } else { bytes.done };
                sum.bytes_done = sum.bytes_done.saturating_add(all);
                sum.input = sum.input.saturating_add(bytes.input);
                sum.output = sum.output.saturating_add(bytes.output);
            }
            // Shards are dealt by bytes, so its part of the files is not its part of the bytes: near enough for a rate.
            None if done => sum.bytes_done = sum.bytes_done.saturating_add(share(plan.bytes, files, plan.files)),
            None => {}
        }
    }
    sum.files_done = sum.files_done.min(plan.files);
    sum.bytes_done = sum.bytes_done.min(plan.bytes);
    sum
}

/// `part` of `whole` of `amount`.
fn share(amount: u64, part: u64, whole: u64) -> u64 {
    let share = u128::from(amount) * u128::from(part) / u128::from(whole.max(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}

/// Puts `progress` into a status of the same run, as far as the status has not come further already: the operator that
/// wrote it may have known of pods that are gone, and what only these told.
pub fn put(progress: &Progress, total: u64, status: &mut ConversionJobStatus) {
    let Progress { files_done, files, bytes_done: _, input, output } = *progress;
    let total = number(total);
    let (done, input, output) = (number(files_done), number(input), number(output));
    if known_done(status).is_none_or(|before| before <= done) {
        status.progress = Some(format!("{done}/{total}"));
    }
    let [converted, skipped, failed] = [files.converted, files.skipped, files.failed].map(number);
    let counts = FileCounts { total, converted, skipped, failed };
    let before = status.files.get_or_insert_default();
    before.total = total;
    if counted(before) <= counted(&counts) {
        *before = counts;
    }
    let before = status.bytes.clone().unwrap_or_default();
    if input > 0 && before.input <= input && before.output <= output {
        status.bytes = Some(ByteCounts { input, output });
        status.ratio = ratio(&ByteCounts { input, output });
    }
}

fn counted(files: &FileCounts) -> i64 {
    let FileCounts { total: _, converted, skipped, failed } = files;
    converted.saturating_add(*skipped).saturating_add(*failed)
}

/// The files that are done by `status.progress`.
pub fn known_done(status: &ConversionJobStatus) -> Option<i64> {
    status.progress.as_deref()?.split_once('/')?.0.parse().ok()
}

/// Bytes written by bytes read with two decimals; None where nothing was converted.
pub fn ratio(bytes: &ByteCounts) -> Option<String> {
    let ByteCounts { input, output } = *bytes;
    if input <= 0 || output < 0 {
        return None;
    }
    // In whole hundredths, rounded: exact at any size.
    let hundredths = (i128::from(output) * 200 + i128::from(input)) / (i128::from(input) * 2);
    Some(format!("{}.{:02}", hundredths / 100, hundredths % 100))
}

/// A count as the API has it.
pub fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
