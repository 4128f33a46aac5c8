//! Having many files on the disk at once. One `syncfs` for a whole group is a third of the time of as many `fsync`s, and
//! the journal is committed once; but it is only right where it tells of what could not be written.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::sys::statfs::{BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, FsType, TMPFS_MAGIC, XFS_SUPER_MAGIC, fstatfs};
use nix::unistd::syncfs;

use super::super::atomic::sync_folder;

/// File systems on this machine whose `syncfs` writes all of them and tells what failed. Network file systems and FUSE
/// promise less.
const LOCAL: [FsType; 4] = [EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC, TMPFS_MAGIC];

/// Fewer files are synced one by one: others' data on the same file system then need not be waited for.
const WORTH_ALL: usize = 8;

/// The file system of a folder.
#[derive(Debug)]
pub struct Disk {
    /// Opened before anything is written: an error that came up before would not be told.
    root: File,
    device: u64,
    /// Whether all of it can be synced at once.
    whole: bool,
}

impl Disk {
    /// The file system of a folder that is there.
    pub fn of(root: &Path) -> io::Result<Self> {
        let root = File::open(root)?;
        let device = root.metadata()?.dev();
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let kind = fstatfs(&root).map(|told| told.filesystem_type());
        let whole = tells_errors(&release) && kind.is_ok_and(|kind| LOCAL.contains(&kind));
        Ok(Self { root, device, whole })
    }

    /// Has files on the disk when it returns, and tells which it could not.
    pub fn sync_files(&self, files: &[&File]) -> Vec<io::Result<()>> {
        let here = |file: &&File| file.metadata().is_ok_and(|metadata| metadata.dev() == self.device);
        if self.whole && files.len() >= WORTH_ALL && files.iter().all(here) {
            match syncfs(&self.root) {
                Ok(()) => return files.iter().map(|_| Ok(())).collect(),
                // It does not say which file it was; each of them does.
                Err(error) => tracing::debug!(%error, "not all could be synced at once; one by one now"),
            }
        }
        files.iter().map(|file| file.sync_all()).collect()
    }

    /// Has the names in folders on the disk when it returns.
    pub fn sync_folders(&self, folders: &BTreeSet<PathBuf>) -> io::Result<()> {
        let here = |folder: &&PathBuf| fs::metadata(folder).is_ok_and(|metadata| metadata.dev() == self.device);
        if self.whole && folders.len() >= WORTH_ALL && folders.iter().all(|folder| here(&folder)) {
            match syncfs(&self.root) {
                Ok(()) => return Ok(()),
                Err(error) => tracing::debug!(%error, "not all could be synced at once; one by one now"),
            }
        }
        for folder in folders {
            match sync_folder(folder) {
                // Somebody removed it, and what was in it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                done => done?,
            }
        }
        Ok(())
    }
}

/// Whether `syncfs` tells what could not be written, as it does since Linux 5.8 (syncfs(2)).
fn tells_errors(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    version >= (5, 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_that_tell() {
        for (release, tells) in
            [("6.1.0-37-cloud-amd64", true), ("5.8", true), ("5.7.19", false), ("4.19.0", false), ("", false)]
        {
            assert_eq!(tells_errors(release), tells, "{release}");
        }
    }

    #[test]
    fn many_and_few_files_are_synced() {
        let folder = tempfile::tempdir().unwrap();
        for whole in [true, false] {
            let disk = Disk { whole, ..Disk::of(folder.path()).unwrap() };
            for count in [0, 1, WORTH_ALL] {
                let files: Vec<File> = (0..count).map(|_| tempfile::tempfile_in(folder.path()).unwrap()).collect();
                let synced = disk.sync_files(&files.iter().collect::<Vec<_>>());
                assert_eq!(synced.into_iter().filter_map(Result::ok).count(), count);
                let folders = (0..count).map(|n| folder.path().join(n.to_string()));
                let folders: BTreeSet<PathBuf> = folders.inspect(|folder| _ = fs::create_dir(folder)).collect();
                disk.sync_folders(&folders).unwrap();
            }
            let gone = [folder.path().join("gone")].into();
            disk.sync_folders(&gone).unwrap();
        }
    }
}
