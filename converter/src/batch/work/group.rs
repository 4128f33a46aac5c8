//! Making a group of files durable, once their records are sure to find room. In this order, for all of them together:
//!
//! 1. The written files are on the disk.
//! 2. Each is read back and is what was encoded.
//! 3. Each gets its name, unless somebody else has it by now.
//! 4. The names are on the disk, and those of new folders, and what the source policy did.
//! 5. The records are on the disk.
//!
//! So no record says of a file what is not so after a crash, and what a crash leaves is found by the next try: a partial
//! file, or a FLAC that [`pending`](super::pending) tells of. Sources are not touched before all of this.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::file::{FileError, Written};
use crate::interrupt::Busy;

use super::super::decide::{SkipReason, Target};
use super::super::error::Error;
use super::super::folders::io_failure;
use super::super::journal::Journal;
use super::super::records::{Done, Failure};
use super::super::walk::MISSING;
use super::bring::{Bench, Reading, look, skipped_record};
use super::durable::Disk;
use super::pending::{Pending, PendingFile};

/// A group is complete with so many files,
pub const FILES: usize = 256;
/// with so many bytes of FLAC,
pub const BYTES: u64 = 64 << 20;
/// or when its first file has waited for so long.
pub const AGE: Duration = Duration::from_secs(1);

/// A file in a group.
#[derive(Debug)]
pub struct Item<'a> {
    pub what: What,
    /// Until it is recorded, a signal waits for it.
    pub busy: Busy<'a>,
    pub reading: Reading<'a>,
}

/// What is to be done for it.
#[derive(Debug)]
pub enum What {
    /// It gets its name, then its record.
    Written(Box<(Written, Done)>),
    /// It is recorded.
    Record(Box<Done>),
    /// Its source has gone or stays: that is recorded, once these folders are synced.
    Source(Box<Done>, BTreeSet<PathBuf>),
}

impl Item<'_> {
    /// Its record.
    pub fn done(&self) -> &Done {
        match &self.what {
            What::Written(written) => &written.1,
            What::Record(done) | What::Source(done, _) => done,
        }
    }

    /// Bytes that it adds to its group.
    pub fn bytes(&self) -> u64 {
        if let What::Written(written) = &self.what { written.1.output_bytes } else { 0 }
    }
}

/// Makes groups durable.
#[derive(Debug)]
pub struct Groups<'a> {
    pub bench: &'a Bench,
    pub disk: Disk,
    pub journal: Journal,
    pub pending: PendingFile,
    /// Where the process of a test dies: in which group, counted down to 0, and at what.
    #[cfg(test)]
    pub dies_at: Option<(usize, Step)>,
}

/// Where a worker may die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// What is to come is written down.
    Noted,
    /// The files are synced.
    Synced,
    /// So many have their names.
    Named(usize),
    /// The names are synced.
    NamesSynced,
    /// The records are written.
    Recorded,
}

impl Groups<'_> {
    /// Makes a group durable. Every item is a record afterwards; tells where each begins.
    ///
    /// An error is the volume's: what has no record by then is left to the next try.
    #[cfg(not(test))]
    pub fn commit(&mut self, group: &mut [Item<'_>]) -> Result<Vec<u64>, Error> {
        self.take_steps(group)
    }

    /// The same, unless the process dies: what has no name yet stays then as it is.
    #[cfg(test)]
    pub fn commit(&mut self, group: &mut [Item<'_>]) -> Result<Vec<u64>, Error> {
        let places = self.take_steps(group);
        for item in group.iter_mut().filter(|_| places.is_err() && self.dies_at.is_some()) {
            let done = What::Record(Box::new(item.done().clone()));
            if let What::Written(written) = std::mem::replace(&mut item.what, done) {
                written.0.abandon();
            }
        }
        self.dies_at = self.dies_at.and_then(|(groups, step)| Some((groups.checked_sub(1)?, step)));
        places
    }

    fn take_steps(&mut self, group: &mut [Item<'_>]) -> Result<Vec<u64>, Error> {
        let records: Vec<&Done> = group.iter().map(Item::done).collect();
        // A FLAC that gets its name and no record would count as somebody else's.
        self.journal.make_room(&records).map_err(Error::io("recording in", self.journal.path()))?;
        // It is a help to the next try, and no more: a full disk must not keep the records from saying that it is full.
        if let Err(error) = self.note(group) {
            tracing::warn!(%error, "what is pending could not be noted beside {}", self.journal.path().display());
        }
        self.at(Step::Noted)?;
        self.sync(group);
        self.at(Step::Synced)?;
        let mut folders = self.bench.folders().unsynced();
        for (place, item) in group.iter_mut().enumerate() {
            name(item, &self.bench.root, &mut folders);
            self.at(Step::Named(place + 1))?;
        }
        self.disk.sync_folders(&folders).map_err(Error::io("syncing folders of", self.journal.path()))?;
        self.at(Step::NamesSynced)?;
        if let Some(item) = group.first() {
            item.busy.still_wanted();
        }
        let records: Vec<&Done> = group.iter().map(Item::done).collect();
        let places = self.journal.append(&records).map_err(Error::io("recording in", self.journal.path()))?;
        self.at(Step::Recorded)?;
        self.pending.clear().map_err(Error::io("clearing what was pending beside", self.journal.path()))?;
        Ok(places)
    }

    fn note(&mut self, group: &[Item<'_>]) -> io::Result<()> {
        let pending = group.iter().filter_map(|item| match &item.what {
            What::Written(written) => {
                let inode = written.0.file().metadata().ok()?.ino();
                Some(Pending { inode, done: written.1.clone() })
            }
            _ => None,
        });
        let pending: Vec<Pending> = pending.collect();
        self.pending.note(&pending)
    }

    fn sync(&self, group: &mut [Item<'_>]) {
        let files: Vec<&File> = group.iter().filter_map(|item| item.written().map(Written::file)).collect();
        let mut synced = self.disk.sync_files(&files).into_iter();
        for item in group {
            let Some(error) = item.written().and_then(|_| synced.next()).and_then(Result::err) else { continue };
            if let What::Written(written) = &item.what {
                let error = written.0.writing(error);
                item.what = failed(&written.1, &error);
            }
        }
    }

    /// The process goes on from here.
    #[cfg(not(test))]
    #[allow(clippy::unused_self, clippy::unnecessary_wraps)] // a test dies here
    fn at(&self, _: Step) -> Result<(), Error> {
        Ok(())
    }

    #[cfg(test)]
    fn at(&self, step: Step) -> Result<(), Error> {
        let dies = self.dies_at == Some((0, step));
        if dies { Err(Error::io("dying at", Path::new("a step"))(std::io::ErrorKind::Other.into())) } else { Ok(()) }
    }
}

impl Item<'_> {
    fn written(&self) -> Option<&Written> {
        if let What::Written(written) = &self.what { Some(&written.0) } else { None }
    }
}

/// Checks a written file and gives it its name, or finds why not. The folders are those to sync.
fn name(item: &mut Item<'_>, root: &Path, folders: &mut BTreeSet<PathBuf>) {
    let in_between = What::Record(Box::new(item.done().clone()));
    item.what = match std::mem::replace(&mut item.what, in_between) {
        What::Written(written) => {
            let (written, done) = *written;
            let target = written.target().to_path_buf();
            // Another job may have found the FLAC that is there good enough to let the source go: then that one stays.
            if written.replaces() && !root.join(done.path.as_path()).exists() {
                item.what = What::Record(Box::new(Done::failed(done.n, done.path.clone(), done.stamp(), missing())));
                return;
            }
            match written.verify().and_then(|()| written.publish()) {
                Ok(_) => {
                    folders.extend(target.parent().map(Path::to_path_buf));
                    What::Record(Box::new(done))
                }
                // Another job was faster. Its FLAC is as good as ours.
                Err(FileError::TargetExists { .. }) => match look(&target) {
                    Ok(there @ Target::File(_)) => {
                        let exists = SkipReason::Exists;
                        let skipped = skipped_record(done.n, &done.path, done.stamp(), exists, there);
                        What::Record(Box::new(Done { seconds: done.seconds, ..skipped }))
                    }
                    Ok(_) => failed(&done, &FileError::TargetExists { path: target }),
                    Err(error) => What::Record(Box::new(Done::failed(
                        done.n,
                        done.path.clone(),
                        done.stamp(),
                        io_failure(&error, &target),
                    ))),
                },
                Err(error) => failed(&done, &error),
            }
        }
        What::Source(done, changed) => {
            folders.extend(changed.iter().cloned());
            What::Source(done, changed)
        }
        record @ What::Record(_) => record,
    };
}

fn missing() -> Failure {
    Failure::new(MISSING, "the file is not there any more; the FLAC that was there before stays")
}

fn failed(done: &Done, error: &FileError) -> What {
    let failure = Failure::new(error.code(), error.to_string());
    let record = Done::failed(done.n, done.path.clone(), done.stamp(), failure);
    What::Record(Box::new(Done { seconds: done.seconds, ..record }))
}
