//! The state of the shard: what is known of each of its files, and what that adds up to. A few bytes a file.

use std::collections::TryReserveError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::super::records::{Counts, Done, Outcome, SourceFate, Stamp};
use super::super::summary::{FileTotals, WorkBytes, WorkSummary};
use super::bring::Reading;

/// What the last record of a file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// What became of the file.
    pub outcome: Outcome,
    /// What became of its source.
    pub fate: Option<SourceFate>,
    /// The source as it was.
    pub stamp: Stamp,
    /// Size of the FLAC.
    pub output_bytes: u64,
    /// Where the record begins in its file.
    pub at: u64,
}

impl Known {
    /// What a record says that begins there.
    pub fn of(done: &Done, at: u64) -> Self {
        Self { outcome: done.outcome, fate: done.source, stamp: done.stamp(), output_bytes: done.output_bytes, at }
    }
}

/// The state that threads share, and the admin port tells.
#[derive(Debug)]
pub struct Progress {
    number: usize,
    shard: Mutex<Shard>,
    /// Bytes read of files under way.
    pub read: AtomicU64,
}

impl Progress {
    /// Of the shard of that number.
    pub fn new(number: usize, shard: Shard) -> Self {
        Self { number, shard: Mutex::new(shard), read: AtomicU64::new(0) }
    }

    /// What is known of a file.
    pub fn get(&self, n: u64) -> Option<Known> {
        self.lock().get(n)
    }

    /// What is known of a file from now on, and no longer under way; returns what was.
    pub fn settle(&self, n: u64, known: Known, reading: Reading<'_>) -> Option<Known> {
        let mut shard = self.lock();
        let before = shard.put(n, known);
        // Under the lock, so that nobody sees its bytes twice or not at all.
        drop(reading);
        before
    }

    /// What it all adds up to, earlier tries included.
    pub fn summary(&self) -> WorkSummary {
        let shard = self.lock();
        shard.summary(self.number, self.read.load(Ordering::Relaxed))
    }

    fn lock(&self) -> MutexGuard<'_, Shard> {
        self.shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All files of a shard, by their number.
#[derive(Debug)]
pub struct Shard {
    files: Vec<Option<Known>>,
    counts: Counts,
    bytes: WorkBytes,
}

impl Shard {
    /// A shard of so many files and bytes, of none of which is anything known.
    ///
    /// A damaged plan may have any number of files.
    pub fn new(files: u64, bytes: u64) -> Result<Self, TryReserveError> {
        let count = usize::try_from(files).unwrap_or(usize::MAX);
        let mut files = Vec::new();
        files.try_reserve_exact(count)?;
        files.resize(count, None);
        Ok(Self { files, counts: Counts::default(), bytes: WorkBytes { total: bytes, ..WorkBytes::default() } })
    }

    /// How many files there are.
    pub fn files(&self) -> usize {
        self.files.len()
    }

    /// What is known of a file.
    pub fn get(&self, n: u64) -> Option<Known> {
        *self.files.get(usize::try_from(n).ok()?)?
    }

    /// What is known of a file from now on; returns what was. A number that no file has is passed over.
    pub fn put(&mut self, n: u64, known: Known) -> Option<Known> {
        let place = usize::try_from(n).ok().and_then(|n| self.files.get_mut(n))?;
        let before = place.replace(known);
        if let Some(before) = before {
            let count = self.count(before.outcome);
            *count = count.saturating_sub(1);
            let WorkBytes { done, input, output, .. } = &mut self.bytes;
            *done = done.saturating_sub(before.stamp.size);
            if before.outcome == Outcome::Converted {
                *input = input.saturating_sub(before.stamp.size);
                *output = output.saturating_sub(before.output_bytes);
            }
        }
        self.counts.add(known.outcome);
        self.bytes.done += known.stamp.size;
        if known.outcome == Outcome::Converted {
            self.bytes.input += known.stamp.size;
            self.bytes.output += known.output_bytes;
        }
        before
    }

    fn count(&mut self, outcome: Outcome) -> &mut u64 {
        match outcome {
            Outcome::Converted => &mut self.counts.converted,
            Outcome::Skipped => &mut self.counts.skipped,
            Outcome::Failed => &mut self.counts.failed,
        }
    }

    /// What it adds up to, when so many bytes of files under way were read.
    pub fn summary(&self, shard: usize, under_way: u64) -> WorkSummary {
        let done = self.bytes.done.saturating_add(under_way);
        WorkSummary {
            shard,
            files: FileTotals { total: self.files.len() as u64, counts: self.counts },
            bytes: WorkBytes { done, ..self.bytes },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(outcome: Outcome, size: u64, output_bytes: u64) -> Known {
        Known { outcome, fate: None, stamp: Stamp { size, mtime_ns: 0 }, output_bytes, at: 0 }
    }

    #[test]
    fn a_later_record_replaces_an_earlier_one() {
        let mut shard = Shard::new(3, 100).unwrap();
        assert_eq!(shard.put(0, known(Outcome::Failed, 10, 0)), None);
        assert_eq!(shard.put(1, known(Outcome::Converted, 20, 8)), None);
        assert_eq!(shard.put(3, known(Outcome::Converted, 99, 99)), None, "no such file");
        let summary = shard.summary(7, 5);
        assert_eq!(summary.files.counts, Counts { converted: 1, skipped: 0, failed: 1 });
        assert_eq!(summary.bytes, WorkBytes { total: 100, done: 35, input: 20, output: 8 });

        shard.put(0, known(Outcome::Converted, 12, 6));
        assert_eq!(shard.put(1, known(Outcome::Skipped, 20, 8)).map(|known| known.output_bytes), Some(8));
        let summary = shard.summary(7, 0);
        assert_eq!((summary.shard, summary.files.total), (7, 3));
        assert_eq!(summary.files.counts, Counts { converted: 1, skipped: 1, failed: 0 });
        assert_eq!(summary.bytes, WorkBytes { total: 100, done: 32, input: 12, output: 6 });
        assert_eq!((shard.get(2), shard.get(3)), (None, None));
    }
}
