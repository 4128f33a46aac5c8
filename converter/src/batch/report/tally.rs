//! Adds up the records of all shards. Memory is a number for each file of the shard at hand and a few short lists;
//! failures, and savings by folder, go through a [`Sorter`].
//!
//! Every planned file counts once, whatever state the record files are in: by its last whole record, or as failed if it
//! has none. So any prefix of any record file adds up, and a worker may write meanwhile.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::super::error::Error;
use super::super::journal;
use super::super::path::RecordPath;
use super::super::records::{Counts, Done, Failure, Outcome, Planned, SourceFate};
use super::super::spool::{Limits, Record, Sorted, Sorter};
use super::super::store::Store;
use super::super::summary::ByteTotals;
use super::top::Top;

/// Reason of a file that no worker came to.
pub const NOT_PROCESSED: &str = "not_processed";
/// Reason of a file whose line of the plan cannot be read, if no worker came to it either.
const PLAN_DAMAGED: &str = "plan_damaged";
/// How many of the slowest files are told.
pub const SLOWEST: usize = 20;
/// How many of the folders that saved most are told.
pub const FOLDERS: usize = 50;
/// Most different words that are counted; more than there are, but records may be damaged.
const WORDS: usize = 200;
/// Under which all further words are counted.
const OTHER: &str = "other";

/// A file without a FLAC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// The source, below the source root.
    #[serde(flatten)]
    pub path: RecordPath,
    /// Its shard.
    pub shard: usize,
    /// Why.
    #[serde(flatten)]
    pub failure: Failure,
}

/// A file that took long.
#[derive(Clone, Debug, Serialize)]
pub struct Slow {
    /// The source, below the source root.
    #[serde(flatten)]
    pub path: RecordPath,
    /// How long it took.
    pub seconds: f64,
    /// Bytes of the source.
    pub input: u64,
    /// Bytes of the FLAC.
    pub output: u64,
}

/// What the converted files of a folder come to, those in its subfolders not included.
#[derive(Clone, Debug, Serialize)]
pub struct Saving {
    /// The folder, below the source root; empty for the root itself.
    pub folder: String,
    /// Converted files.
    pub files: u64,
    /// Bytes of their sources.
    pub input: u64,
    /// Bytes of their FLACs.
    pub output: u64,
}

impl Saving {
    /// How many bytes fewer the FLACs have.
    pub fn saved(&self) -> u64 {
        self.input.saturating_sub(self.output)
    }
}

/// Folders by what they saved.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Folders {
    /// How many folders have converted files.
    pub total: u64,
    /// Those that saved most.
    pub most_saved: Vec<Saving>,
}

/// Sources that the source policy has acted on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sources {
    /// Sources that were deleted.
    pub deleted: u64,
    /// Sources that were moved.
    pub moved: u64,
}

/// What the records come to.
#[derive(Debug, Default)]
pub struct Totals {
    /// Files by outcome; their sum is what was planned.
    pub counts: Counts,
    /// Bytes of converted files.
    pub bytes: ByteTotals,
    /// What became of sources.
    pub sources: Sources,
    /// Time that workers spent on files.
    pub seconds: f64,
    /// Failed files by reason.
    pub reasons: BTreeMap<String, u64>,
    /// Skipped files by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Converted files by warning.
    pub warnings: BTreeMap<String, u64>,
    /// The files that took longest.
    pub slowest: Vec<Slow>,
    /// The folders that saved most.
    pub folders: Folders,
}

/// Adds up.
#[derive(Debug)]
pub struct Tally {
    totals: Totals,
    slowest: Top<Slow>,
    failures: Sorter,
    folders: Sorter,
    /// The folder of the last file and what its files come to; files come mostly by folder.
    folder: Option<(Vec<u8>, [u64; 3])>,
}

impl Tally {
    /// Nothing yet; what is too much for memory goes into `spool`.
    pub fn new(spool: &Path, limits: Limits) -> io::Result<Self> {
        let slower = |one: &Slow, other: &Slow| {
            other.seconds.total_cmp(&one.seconds).then_with(|| one.path.as_bytes().cmp(other.path.as_bytes()))
        };
        Ok(Self {
            totals: Totals::default(),
            slowest: Top::new(SLOWEST, slower),
            failures: Sorter::new(spool, limits)?,
            folders: Sorter::new(spool, limits)?,
            folder: None,
        })
    }

    /// Adds a shard of so many files.
    pub fn add_shard(&mut self, store: &Store, shard: usize, files: u64) -> Result<(), Error> {
        let path = store.results(shard);
        let last = last_records(&path, files).map_err(Error::io("reading", &path))?;
        let mut number = 0u32;
        let mut added = Ok(());
        journal::read(&path, |done: Done| {
            number = number.saturating_add(1);
            if added.is_ok() && position(done.n).and_then(|n| last.get(n)) == Some(&number) {
                added = self.add(shard, done);
            }
        })
        .and(added)
        .map_err(Error::io("adding up", &path))?;
        if last.contains(&0) {
            let path = store.planned(shard);
            self.add_unrecorded(&path, shard, &last).map_err(Error::io("reading", &path))?;
        }
        Ok(())
    }

    fn add(&mut self, shard: usize, done: Done) -> io::Result<()> {
        self.totals.seconds += done.seconds;
        match done.source {
            Some(SourceFate::Deleted) => self.totals.sources.deleted += 1,
            Some(SourceFate::Moved) => self.totals.sources.moved += 1,
            None => {}
        }
        match done.outcome {
            Outcome::Converted => {
                self.totals.counts.add(Outcome::Converted);
                self.totals.bytes.input = self.totals.bytes.input.saturating_add(done.input_bytes);
                self.totals.bytes.output = self.totals.bytes.output.saturating_add(done.output_bytes);
                for warning in &done.warnings {
                    count(&mut self.totals.warnings, &warning.code);
                }
                self.add_to_folder(&done)?;
                self.slowest.offer(Slow {
                    path: done.path,
                    seconds: done.seconds,
                    input: done.input_bytes,
                    output: done.output_bytes,
                });
                Ok(())
            }
            Outcome::Skipped => {
                self.totals.counts.add(Outcome::Skipped);
                count(&mut self.totals.skipped, done.reason.as_deref().unwrap_or_default());
                Ok(())
            }
            Outcome::Failed => {
                let failure =
                    Failure { reason: done.reason.unwrap_or_default(), message: done.message.unwrap_or_default() };
                self.fail(&Failed { path: done.path, shard, failure })
            }
        }
    }

    /// Adds the files without a record as failed. The plan's lines say what they are.
    fn add_unrecorded(&mut self, plan: &Path, shard: usize, last: &[u32]) -> io::Result<()> {
        let mut lines = match File::open(plan) {
            Ok(file) => Some(BufReader::new(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let mut line = Vec::new();
        for (n, record) in last.iter().enumerate() {
            if let Some(lines) = &mut lines {
                journal::read_line(lines, &mut line)?;
            }
            if *record == 0 {
                self.fail(&unrecorded(&line, plan, shard, n))?;
            }
        }
        Ok(())
    }

    fn fail(&mut self, failed: &Failed) -> io::Result<()> {
        self.totals.counts.add(Outcome::Failed);
        count(&mut self.totals.reasons, &failed.failure.reason);
        // By path; those that nobody came to last, as they tell the least.
        let mut key = vec![u8::from(failed.failure.reason == NOT_PROCESSED)];
        key.extend(failed.path.as_bytes());
        self.failures.push(&key, &serde_json::to_vec(failed)?)
    }

    fn add_to_folder(&mut self, done: &Done) -> io::Result<()> {
        let parent = done.path.as_path().parent().unwrap_or(Path::new("")).as_os_str().as_bytes();
        let adds = [1, done.input_bytes, done.output_bytes];
        match &mut self.folder {
            Some((folder, sums)) if folder == parent => add_sums(sums, adds),
            folder => {
                let before = folder.replace((parent.to_vec(), adds));
                self.push_folder(before)?;
            }
        }
        Ok(())
    }

    fn push_folder(&mut self, folder: Option<(Vec<u8>, [u64; 3])>) -> io::Result<()> {
        folder.map_or(Ok(()), |(folder, sums)| self.folders.push(&folder, &sums.map(u64::to_le_bytes).concat()))
    }

    /// What it all comes to, and the failures.
    pub fn finish(mut self) -> io::Result<(Totals, Failures)> {
        let folder = self.folder.take();
        self.push_folder(folder)?;
        self.totals.slowest = self.slowest.into_items();
        self.totals.folders = sum_folders(self.folders.sorted()?)?;
        Ok((self.totals, Failures(self.failures.sorted()?)))
    }
}

/// Every file without a FLAC: by path, those that nobody came to last.
#[derive(Debug)]
pub struct Failures(Sorted);

impl Failures {
    /// The next.
    pub fn next(&mut self) -> io::Result<Option<Failed>> {
        let mut record = Record::default();
        Ok(if self.0.next(&mut record)? { Some(serde_json::from_slice(&record.body)?) } else { None })
    }
}

/// The number of each file's last record among those of the shard, from 1; 0 where there is none.
fn last_records(path: &Path, files: u64) -> io::Result<Vec<u32>> {
    let files = usize::try_from(files).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let mut last = Vec::new();
    last.try_reserve_exact(files).map_err(|_| io::ErrorKind::OutOfMemory)?;
    last.resize(files, 0);
    let (mut number, mut strays) = (0u32, 0u64);
    journal::read(path, |done: Done| {
        number = number.saturating_add(1);
        match position(done.n).and_then(|n| last.get_mut(n)) {
            Some(last) if number < u32::MAX => *last = number,
            _ => strays += 1,
        }
    })?;
    if strays > 0 {
        tracing::warn!(file = %path.display(), records = strays, "records of files that are not in the plan, passed over");
    }
    Ok(last)
}

fn position(n: u64) -> Option<usize> {
    usize::try_from(n).ok()
}

/// What a planned file without a record is.
fn unrecorded(line: &[u8], plan: &Path, shard: usize, n: usize) -> Failed {
    let not_processed = || {
        Failure::new(NOT_PROCESSED, "no worker came to this file: run the job again, or look at why its worker ended")
    };
    if let Ok(planned) = serde_json::from_slice::<Planned>(line) {
        return Failed { path: planned.path, shard, failure: planned.refused.unwrap_or_else(not_processed) };
    }
    let name = plan.file_name().unwrap_or_default().to_string_lossy();
    let path = RecordPath::stand_in(&format!("line {} of {name}", n + 1));
    let message = "this line of the plan cannot be read, so nobody knows which file it was: run the job anew";
    Failed { path, shard, failure: Failure::new(PLAN_DAMAGED, message) }
}

fn count(words: &mut BTreeMap<String, u64>, word: &str) {
    if let Some(count) = words.get_mut(word) {
        *count += 1;
    } else {
        let word = if words.len() < WORDS { word } else { OTHER };
        *words.entry(word.to_owned()).or_default() += 1;
    }
}

fn add_sums(sums: &mut [u64; 3], adds: [u64; 3]) {
    for (sum, add) in sums.iter_mut().zip(adds) {
        *sum = sum.saturating_add(add);
    }
}

/// Adds up what each folder has in one place or in several.
fn sum_folders(mut sorted: Sorted) -> io::Result<Folders> {
    let more =
        |one: &Saving, other: &Saving| other.saved().cmp(&one.saved()).then_with(|| one.folder.cmp(&other.folder));
    let mut total = 0;
    let mut top = Top::new(FOLDERS, more);
    let mut folder: Option<(Vec<u8>, [u64; 3])> = None;
    let mut end = |folder: Option<(Vec<u8>, [u64; 3])>| {
        if let Some((name, [files, input, output])) = folder {
            total += 1;
            top.offer(Saving { folder: String::from_utf8_lossy(&name).into_owned(), files, input, output });
        }
    };
    let mut record = Record::default();
    while sorted.next(&mut record)? {
        let (numbers, _) = record.body.as_chunks::<8>();
        let mut numbers = numbers.iter().map(|number| u64::from_le_bytes(*number));
        let adds = [(); 3].map(|()| numbers.next().unwrap_or(0));
        match &mut folder {
            Some((name, sums)) if *name == record.key => add_sums(sums, adds),
            folder => end(folder.replace((record.key.clone(), adds))),
        }
    }
    end(folder);
    Ok(Folders { total, most_saved: top.into_items() })
}

#[cfg(test)]
mod tests;
