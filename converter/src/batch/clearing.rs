//! Taking the records of a run away: for a new plan in the same folder, and when their time is over.
//!
//! A records folder is named by a person, and that can be the wrong one. So nothing goes before all of it was looked at:
//! where something lies in it that no run puts there, or a worker is at its records, everything stays.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::atomic;
use super::error::{ConfigReason, Error};
use super::store::{Store, is_of_shard};

/// Why records stay.
#[derive(Debug, thiserror::Error)]
pub enum Stays {
    /// Something else lies there.
    #[error("{} is no record of a batch run, so nothing is removed: choose another folder for the records", .0.display())]
    Foreign(PathBuf),
    /// A worker has them.
    #[error("a worker writes to {} just now: let it end, or choose another folder for the records", .0.display())]
    InUse(PathBuf),
    /// The volume failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// How.
        source: io::Error,
    },
}

impl From<Stays> for Error {
    fn from(stays: Stays) -> Self {
        match stays {
            Stays::Foreign(_) | Stays::InUse(_) => {
                Self::config(ConfigReason::DestinationNotWritable, stays.to_string())
            }
            Stays::Io { path, source } => Self::making(&path)(source),
        }
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> Stays {
    move |source| Stays::Io { path: path.to_owned(), source }
}

/// Takes away what an earlier plan left, whole or killed, and what was recorded by its numbers. The plan goes first, and
/// the lock stays.
pub fn clear(store: &Store) -> Result<(), Stays> {
    let found = found(store)?;
    let folder = store.plan_folder();
    remove(&store.plan())?;
    atomic::sync_folder(&folder).map_err(failed(&folder))?;
    for path in found.iter().filter(|path| **path != store.lock()) {
        remove_unused(path)?;
    }
    [store.failed_count(), store.page(), store.report()].iter().try_for_each(|path| remove(path))?;
    // What comes back after a crash would be taken for records of the next plan's files.
    let results = store.results_folder();
    atomic::sync_folder(&results).map_err(failed(&results))
}

/// Takes the whole folder away, its report last: until then another sweep comes back to it.
pub fn remove_all(store: &Store) -> Result<(), Stays> {
    let root = store.root();
    let ours = [store.failed_count(), store.order(), store.page(), store.report()];
    let (plan, results) = (store.plan_folder(), store.results_folder());
    for path in list(root)? {
        if path != plan && path != results && !ours.contains(&path) && !is_temporary(&path) {
            return Err(Stays::Foreign(path));
        }
    }
    for path in found(store)? {
        remove_unused(&path)?;
    }
    for folder in [&plan, &results] {
        gone(fs::remove_dir(folder)).map_err(failed(folder))?;
    }
    atomic::clean(root).map_err(failed(root))?;
    ours.iter().try_for_each(|path| remove(path))?;
    gone(fs::remove_dir(root)).map_err(failed(root))
}

/// What lies in the folders of the plan and the results, all of it a run's and not in use.
fn found(store: &Store) -> Result<Vec<PathBuf>, Stays> {
    let mut found = Vec::new();
    for folder in [store.plan_folder(), store.results_folder()] {
        match fs::symlink_metadata(&folder) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Err(Stays::Foreign(folder)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(&folder)(error)),
        }
        for path in list(&folder)? {
            let is_file = fs::symlink_metadata(&path).map_err(failed(&path))?.is_file();
            if !is_file || !(is_of_shard(&path) || path == store.lock() || path == store.plan() || is_temporary(&path))
            {
                return Err(Stays::Foreign(path));
            }
            drop(unused(&path)?);
            found.push(path);
        }
    }
    Ok(found)
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, Stays> {
    let entries = fs::read_dir(folder).map_err(failed(folder))?;
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(failed(folder))).collect()
}

/// Whether it has the name of what a stage that was killed may leave: of a file on its way to its name, or of a spool that
/// was about to lose its own, which NFS renames.
fn is_temporary(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    [atomic::WRITING, ".tmp", ".nfs"].iter().any(|prefix| name.starts_with(prefix.as_bytes()))
}

/// The open file, if no worker has it. On a file system without locks nobody can tell.
fn unused(path: &Path) -> Result<Option<File>, Stays> {
    if path.extension().is_none_or(|ending| ending != "jsonl") {
        return Ok(None);
    }
    let file = File::open(path).map_err(failed(path))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(Stays::InUse(path.to_owned())),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(Some(file)),
    }
}

/// Removes a file while nobody can take it for its own.
fn remove_unused(path: &Path) -> Result<(), Stays> {
    let held = unused(path)?;
    remove(path)?;
    drop(held);
    Ok(())
}

fn remove(path: &Path) -> Result<(), Stays> {
    gone(fs::remove_file(path)).map_err(failed(path))
}

fn gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        for path in [
            store.plan(),
            store.lock(),
            store.planned(0),
            store.plan_folder().join(".writing-x"),
            store.results(0),
            store.pending(0),
            store.report(),
            store.failed_count(),
        ] {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"").unwrap();
        }
        (folder, store)
    }

    fn count(store: &Store) -> usize {
        walkdir::WalkDir::new(store.root()).into_iter().filter(|entry| entry.as_ref().unwrap().path().is_file()).count()
    }

    #[test]
    fn records_go_and_the_lock_stays() {
        let (_folder, store) = records();
        clear(&store).unwrap();
        assert_eq!(count(&store), 1);
        assert!(store.lock().exists());
        remove_all(&store).unwrap();
        assert!(!store.root().exists());
    }

    #[test]
    fn what_is_no_record_keeps_everything() {
        for name in
            ["results/take.flac", "plan/shard-1.jsonl", "results/shard-00000.wav", "plan/.hidden", "results/day/x"]
        {
            let (_folder, store) = records();
            let path = store.root().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, b"music").unwrap();
            let before = count(&store);
            for stays in [clear(&store), remove_all(&store)] {
                assert!(matches!(stays, Err(Stays::Foreign(_))), "{name}: {stays:?}");
            }
            assert_eq!(count(&store), before, "{name}");
        }
    }

    #[test]
    fn a_workers_records_keep_everything() {
        let (_folder, store) = records();
        let worker = File::open(store.results(0)).unwrap();
        worker.lock().unwrap();
        let before = count(&store);
        assert!(matches!(clear(&store), Err(Stays::InUse(path)) if path == store.results(0)));
        assert!(matches!(remove_all(&store), Err(Stays::InUse(_))));
        assert_eq!(count(&store), before);
        drop(worker);
        clear(&store).unwrap();
    }
}
