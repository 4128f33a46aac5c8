//! Files that one process has at a time: Kubernetes may for a moment run two pods of one Job, or of one index.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

use super::error::Error;

/// Has the file locked when it returns, after whoever has it, which `other` says in words. A file system without locks is
/// used without. The lock goes with the file.
pub fn wait_for(file: &File, path: &Path, other: &str) -> io::Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            tracing::warn!(file = %path.display(), "{other}, waiting until it ends");
            file.lock()
        }
        Err(TryLockError::Error(error)) => {
            tracing::warn!(file = %path.display(), %error, "this file system has no locks; going on without");
            Ok(())
        }
    }
}

/// Lets one process plan or report on a run at a time, as long as it has the file that is returned.
pub fn of_run(path: &Path) -> Result<File, Error> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path).map_err(Error::making(path))?;
    wait_for(&file, path, "another process plans or reports on this run").map_err(Error::io("locking", path))?;
    Ok(file)
}
