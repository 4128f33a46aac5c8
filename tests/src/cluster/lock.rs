//! One `up` or `down` at a time for each cluster.
//!
//! A started process inherits the lock through its standard input until it has written itself down (see
//! `process`): so a `down` after a killed `up` waits for that, and misses no process.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::layout::Layout;

/// Held while a cluster is being changed.
#[derive(Debug)]
pub struct Lock {
    file: Flock<File>,
    path: PathBuf,
}

impl Lock {
    /// Waits for the lock, and says so.
    pub fn take(layout: &Layout) -> Result<Self> {
        let path = Self::path(layout);
        loop {
            let file = lock(&path).with_context(|| format!("lock {}", path.display()))?;
            // `down` removes the file while it holds the lock: what we got may be gone by now.
            let here = fs::metadata(&path).map(|there| there.ino()).ok();
            if here == Some(file.metadata()?.ino()) {
                return Ok(Self { file, path });
            }
        }
    }

    /// The file that is locked.
    pub fn path(layout: &Layout) -> PathBuf {
        PathBuf::from(format!("{}.lock", layout.run_dir.display()))
    }

    /// The lock as a child's standard input.
    pub fn as_stdin(&self) -> Result<Stdio> {
        Ok(self.file.try_clone().context("duplicate the lock")?.into())
    }

    /// Removes the file and lets go.
    pub fn remove(self) -> Result<()> {
        super::files::remove(&self.path)
    }
}

/// Locks the file at `path`, made if need be; waits for another holder, and says so.
pub fn lock(path: &Path) -> Result<Flock<File>> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(lock),
        Err((file, Errno::EWOULDBLOCK)) => {
            println!("waiting for another `cluster` command to end …");
            Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| errno.into())
        }
        Err((_, errno)) => Err(errno.into()),
    }
}
