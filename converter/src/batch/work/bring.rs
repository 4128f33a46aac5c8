//! One file on its way to its record, as far as a thread brings it by itself: up to a FLAC that only lacks its name, or to
//! what its record will say.

use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::convert::{self, SpareCores, Warning};
use crate::file::{Existing, FileError, FileOptions, Written, sweep_part, write_part};

use super::super::decide::{Decision, Overwrite, SkipReason, Target, decide};
use super::super::folders::{Folders, io_failure};
use super::super::layout::Layout;
use super::super::path::RecordPath;
use super::super::records::{Done, Failure, Notice, Outcome, Planned, Stamp};
use super::super::walk::{MISSING, source_metadata};
use super::desk::Place;
use super::policy::Sources;
use super::shard::Known;

/// Shorter files are not worth a second thread.
const LONG: u64 = 4 << 20;

/// What all threads work with.
#[derive(Debug)]
pub struct Bench {
    /// Without links.
    pub root: PathBuf,
    pub folders: Mutex<Folders>,
    pub layout: Layout,
    pub overwrite: Overwrite,
    /// For one thread.
    pub options: FileOptions,
    /// Threads of all files together.
    pub cores: NonZeroUsize,
    /// Files at the same time.
    pub at_once: NonZeroUsize,
    /// Those of them that nobody uses.
    pub spare: SpareCores,
    pub sources: Sources,
}

/// How far a file was brought.
pub enum Verdict {
    /// Its record stands.
    Kept,
    /// Its record stands, but its source may have to go; so much is left of the earlier try.
    KeptFor(Known),
    /// Its source went just before an earlier try ended: so much is left of that.
    Gone(Known),
    /// This is to be recorded.
    Record(Box<Done>),
    /// This is to get its name, and then to be recorded.
    Written(Box<(Written, Done)>),
    /// Another job has it; this much of its patience is left.
    Busy(Place),
}

/// The source's bytes that were read, as long as they count.
#[derive(Debug)]
pub struct Reading<'a> {
    all: &'a AtomicU64,
    mine: u64,
    counts: bool,
}

impl<'a> Reading<'a> {
    /// Nothing was read yet. What is known already has been counted once.
    pub fn new(all: &'a AtomicU64, known: Option<Known>) -> Self {
        Self { all, mine: 0, counts: known.is_none() }
    }

    /// Nothing is read that counts.
    pub fn nothing(all: &'a AtomicU64) -> Self {
        Self { all, mine: 0, counts: false }
    }

    fn at(&mut self, bytes: u64) {
        if self.counts {
            self.all.fetch_add(bytes.saturating_sub(self.mine), Ordering::Relaxed);
            self.mine = self.mine.max(bytes);
        }
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.all.fetch_sub(self.mine, Ordering::Relaxed);
    }
}

impl Bench {
    /// Brings a file as far as it goes.
    pub fn bring(&self, planned: &Planned, place: Place, known: Option<Known>, reading: &mut Reading<'_>) -> Verdict {
        let n = place.n;
        let failed = |stamp, failure| Verdict::Record(Box::new(Done::failed(n, planned.path.clone(), stamp, failure)));
        if let Some(refused) = &planned.refused {
            return match known {
                Some(known) if known.outcome == Outcome::Failed => Verdict::Kept,
                _ => failed(planned.stamp, refused.clone()),
            };
        }
        let source = self.root.join(planned.path.as_path());
        // A failed file is tried again whenever its shard is.
        let (recorded, seen) = match known {
            Some(known) if known.outcome == Outcome::Failed => (None, known.stamp),
            _ => (known, planned.stamp),
        };
        let stamp = match source_metadata(&source, &self.root) {
            Ok(metadata) => Stamp::of(&metadata),
            Err(failure) => return self.without_source(n, planned, recorded, failure),
        };
        let file = File { n, path: &planned.path, source: &source, stamp, bytes_waiting: place.bytes_waiting };
        match self.decided(&file, seen, recorded, reading) {
            Ok(Brought::Verdict(verdict)) => {
                if matches!(verdict, Verdict::Record(_)) {
                    // An earlier try may have died while it wrote what is skipped now.
                    sweep_part(&self.target(file.path));
                }
                verdict
            }
            Ok(Brought::Busy(partial)) => {
                let mut place = place;
                if place.patience.is_over(&partial) {
                    let error = FileError::TargetBusy { path: partial };
                    return failed(stamp, Failure::new(error.code(), error.to_string()));
                }
                Verdict::Busy(place)
            }
            Err((stamp, failure)) => {
                sweep_part(&self.target(file.path));
                if failure.reason == MISSING {
                    self.without_source(n, planned, recorded, failure)
                } else {
                    failed(stamp, failure)
                }
            }
        }
    }

    /// What to make of a file whose source cannot be had.
    fn without_source(&self, n: u64, planned: &Planned, recorded: Option<Known>, failure: Failure) -> Verdict {
        let is_gone = failure.reason == MISSING && !self.sources.stay();
        let failed = || Verdict::Record(Box::new(Done::failed(n, planned.path.clone(), planned.stamp, failure)));
        let there = look(&self.target(&planned.path)).unwrap_or(Target::Missing);
        match (recorded, there) {
            (Some(recorded), _) if recorded.fate.is_some() => Verdict::Kept,
            (Some(recorded), _) if is_gone => Verdict::Gone(recorded),
            // It has its FLAC. What somebody does to the source afterwards takes nothing of that back.
            (Some(_), Target::File(_)) if self.sources.stay() => Verdict::Kept,
            (Some(recorded), Target::File(_)) => Verdict::KeptFor(recorded),
            // A FLAC carries the time of its source: another job with the same policy was faster.
            (None, Target::File(flac)) if is_gone && flac.mtime_ns == planned.stamp.mtime_ns => {
                let mut done = skipped_record(n, &planned.path, planned.stamp, SkipReason::Exists, there);
                done.source = self.sources.gone(&done);
                if done.source.is_some() { Verdict::Record(Box::new(done)) } else { failed() }
            }
            _ => failed(),
        }
    }

    /// Where the FLAC of a file goes.
    fn target(&self, path: &RecordPath) -> PathBuf {
        self.folders().destination().join(path.flac(self.layout).as_path())
    }

    fn decided(
        &self,
        file: &File<'_>,
        seen: Stamp,
        recorded: Option<Known>,
        reading: &mut Reading<'_>,
    ) -> Result<Brought, (Stamp, Failure)> {
        let flac = file.path.flac(self.layout);
        let failed = |failure| (file.stamp, failure);
        let target = self.folders().place(flac.as_path()).map_err(failed)?;
        let there = look(&target).map_err(|error| failed(io_failure(&error, &target)))?;
        let decision = decide(self.overwrite, file.stamp, seen, recorded.map(|recorded| recorded.stamp), there);
        let decision = match recorded {
            // The file of that name is another one than that of the record, which has gone: the next run takes it.
            Some(recorded) if decision == Decision::Replace && recorded.fate.is_some() => Decision::Keep,
            None if decision == Decision::Replace
                && self.overwrite != Overwrite::Always
                && self.sources.are_deleted() =>
            {
                return Err(failed(only_copy(&target)));
            }
            _ => decision,
        };
        let verdict = match (decision, recorded) {
            (Decision::Keep, Some(known)) if known.fate.is_none() && !self.sources.stay() => Verdict::KeptFor(known),
            (Decision::Keep, Some(_)) => Verdict::Kept,
            (Decision::Keep, None) => skipped(file, SkipReason::Exists, there),
            (Decision::Skip(reason), _) => skipped(file, reason, there),
            (Decision::Create, _) => return self.convert(file, &target, Existing::Refuse, reading),
            (Decision::Replace, _) => {
                // What another job puts there from now on is as good as ours.
                let existing =
                    if let Target::File(seen) = there { Existing::ReplaceSeen(seen.seen()) } else { Existing::Refuse };
                return self.convert(file, &target, existing, reading);
            }
            (Decision::Refuse, _) => {
                let message = format!("{} is there and is no file: move it away", target.display());
                return Err(failed(Failure::new("target_not_a_file", message)));
            }
            (Decision::Wait, _) => return Err(failed(source_changed("since it was planned or tried last"))),
        };
        Ok(Brought::Verdict(verdict))
    }

    fn convert(
        &self,
        file: &File<'_>,
        target: &Path,
        existing: Existing,
        reading: &mut Reading<'_>,
    ) -> Result<Brought, (Stamp, Failure)> {
        let mut options = FileOptions { existing, ..self.options.clone() };
        if self.may_share(file) {
            options.convert.threads = self.cores;
            options.convert.spare = Some(self.spare.clone());
        }
        let mut progress = |progress: convert::Progress| reading.at(progress.bytes_in);
        // One file that the converter chokes on must not cost the shard.
        let result = catch_unwind(AssertUnwindSafe(|| {
            #[cfg(test)]
            super::tests::may_panic(file.source);
            write_part(file.source, target, &options, &mut progress)
        }));
        let failed = |failure| (file.stamp, failure);
        let now = || fs::metadata(file.source).map_or(file.stamp, |metadata| Stamp::of(&metadata));
        match result {
            Ok(Ok(mut written)) => {
                // Hundreds may wait for their group, and a head may be some MiB.
                written.summary.head = Vec::new();
                let moved = now();
                if moved != file.stamp || written.summary.warnings.contains(&Warning::SourceChanged) {
                    return Err((moved, source_changed("while it was read")));
                }
                let done = converted(file, &written);
                Ok(Brought::Verdict(Verdict::Written(Box::new((written, done)))))
            }
            // Another job was faster. Its FLAC is as good as ours.
            Ok(Err(FileError::TargetExists { .. })) => {
                let there = look(target).map_err(|error| failed(io_failure(&error, target)))?;
                Ok(Brought::Verdict(skipped(file, SkipReason::Exists, there)))
            }
            Ok(Err(FileError::TargetBusy { path })) => Ok(Brought::Busy(path)),
            Ok(Err(FileError::SourceUnreadable { .. })) if !file.source.exists() => {
                Err(failed(Failure::new(MISSING, "the file is not there any more")))
            }
            // Half of what somebody is writing may well make no sense.
            Ok(Err(FileError::Convert(_))) if now() != file.stamp => Err((now(), source_changed("while it was read"))),
            Ok(Err(error)) => Err(failed(Failure::new(error.code(), error.to_string()))),
            Err(_) => Err(failed(Failure::new(
                "internal",
                "the converter broke on this file, which is a fault of ours: please report it with the log",
            ))),
        }
    }

    /// Whether this file could use a core that has no other: there is one from the start, or the other threads may run out
    /// of files before one alone has converted this one.
    fn may_share(&self, file: &File<'_>) -> bool {
        let others = self.cores.get() as u64 - 1;
        let outlasts = file.bytes_waiting < file.stamp.size.saturating_mul(others);
        file.stamp.size >= LONG && (outlasts || self.at_once < self.cores)
    }

    /// The folders at the destination.
    pub fn folders(&self) -> MutexGuard<'_, Folders> {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file that is to be brought.
struct File<'a> {
    n: u64,
    path: &'a RecordPath,
    source: &'a Path,
    stamp: Stamp,
    bytes_waiting: u64,
}

enum Brought {
    Verdict(Verdict),
    /// Another job has this partial file.
    Busy(PathBuf),
}

fn converted(file: &File<'_>, written: &Written) -> Done {
    let summary = &written.summary;
    let warnings = summary.warnings.iter();
    Done {
        output_bytes: summary.bytes_out,
        samples: Some(summary.samples),
        md5: Some(convert::md5_text(summary.md5)),
        warnings: warnings
            .map(|warning| Notice { code: warning.code().to_owned(), message: warning.to_string() })
            .collect(),
        ..Done::blank(file.n, file.path.clone(), file.stamp, Outcome::Converted)
    }
}

fn skipped(file: &File<'_>, reason: SkipReason, there: Target) -> Verdict {
    Verdict::Record(Box::new(skipped_record(file.n, file.path, file.stamp, reason, there)))
}

/// The record of a file whose FLAC was there.
pub fn skipped_record(n: u64, path: &RecordPath, source: Stamp, reason: SkipReason, there: Target) -> Done {
    Done {
        output_bytes: if let Target::File(flac) = there { flac.size } else { 0 },
        reason: Some(reason.as_str().to_owned()),
        ..Done::blank(n, path.clone(), source, Outcome::Skipped)
    }
}

/// Recorders use names again. The source of an older FLAC may have been deleted by an earlier run, and this be all of it.
fn only_copy(target: &Path) -> Failure {
    Failure::new(
        "only_copy",
        format!(
            "{} is older, and may be all that is left of a recording of this name that was deleted when it was converted: \
             move one of the two away, or convert with overwrite Always",
            target.display()
        ),
    )
}

fn source_changed(when: &str) -> Failure {
    Failure::new(
        "source_changed",
        format!("its size or time has moved {when}: wait until nobody writes it any more, the next try takes it then"),
    )
}

/// What is at the destination. A link counts as what it leads to; one that leads nowhere is in the way.
pub fn look(target: &Path) -> io::Result<Target> {
    match fs::metadata(target) {
        Ok(metadata) if metadata.is_file() => Ok(Target::File(Stamp::of(&metadata))),
        Ok(_) => Ok(Target::Other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Ok(if target.is_symlink() { Target::Other } else { Target::Missing })
        }
        Err(error) => Err(error),
    }
}
