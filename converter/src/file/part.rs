//! The partial file: `<target>.part`, locked while it is written, removed unless it is published.

use std::ffi::OsString;
use std::fs::{self, File, FileTimes, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use super::Existing;
use super::error::FileError;
use super::name;
use super::room::make_room;
use crate::convert::{Output, Summary};
use crate::interrupt::PARTIALS;

/// Bytes gathered before they are written.
const BUFFER: usize = 64 * 1024;

/// A FLAC file on its way to its name. Dropping it removes it.
pub(crate) struct PartFile {
    // Dropped before the file, whose lock says that the name is ours.
    name: PartName,
    file: BufWriter<File>,
}

/// A FLAC file that only lacks its name. It has no buffer, so that many can wait. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct WholePart {
    // Dropped before the file, whose lock says that the name is ours.
    name: PartName,
    file: File,
}

/// The name of a partial file, which goes with its file unless it is let be.
#[derive(Debug)]
struct PartName {
    path: PathBuf,
    /// It is not to be removed: the file has another name by now, or is to stay as it is.
    stays: bool,
}

impl PartFile {
    /// Creates the partial file of `target`, or takes over one that nobody writes any more.
    pub fn create(target: &Path) -> Result<Self, FileError> {
        let path = part_of(target);
        let file = PARTIALS.create(&path, || claim(&path))?;
        Ok(Self { name: PartName { path, stays: false }, file: BufWriter::with_capacity(BUFFER, file) })
    }

    /// Writes what is buffered and the final head, and sets the times. Nothing is synced.
    pub fn complete(mut self, summary: &Summary, times: Option<FileTimes>) -> io::Result<WholePart> {
        self.file.flush()?;
        let file = self.file.get_mut();
        if summary.head.len() != summary.head_sent {
            make_room(file, summary.head_sent as u64, summary.head.len() as u64)?;
        }
        file.write_all_at(&summary.head, 0)?;
        self.whole(times)
    }

    /// Writes what is buffered and sets the times. Nothing is synced.
    pub fn whole(self, times: Option<FileTimes>) -> io::Result<WholePart> {
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        if let Some(times) = times {
            file.set_times(times)?;
        }
        Ok(WholePart { name: self.name, file })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.name.path
    }

    /// Writes what is buffered, and has it on the disk when it returns.
    pub fn sync(&mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_all()
    }

    /// Takes away everything from `length` on. What is written next follows there.
    pub fn cut(&mut self, length: u64) -> io::Result<()> {
        self.file.flush()?;
        let file = self.file.get_mut();
        file.set_len(length)?;
        file.seek(SeekFrom::Start(length)).map(drop)
    }

    /// Writes over what is at `place`.
    pub fn rewrite(&mut self, place: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().write_all_at(bytes, place)
    }

    /// Lets the partial file stay, under its own name, whatever becomes of this process.
    pub fn stay(&mut self) {
        self.name.stay();
    }
}

impl WholePart {
    /// The file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Has the file on the disk when it returns; its name may be lost still.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Gives the file its name. What may have that name already is decided by `existing`, whatever was there before.
    pub fn publish(mut self, target: &Path, existing: Existing) -> Result<(), FileError> {
        if !is_named(&self.file, &self.name.path) {
            // Only where locks do not hold. The name is another's, and half of what that one writes must not get ours.
            self.name.stay();
            return Err(FileError::TargetBusy { path: self.name.path.clone() });
        }
        let path = &self.name.path;
        PARTIALS.publish(path, || name::publish(path, target, existing)).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => FileError::TargetExists { path: target.to_path_buf() },
            _ => FileError::writing(target, error),
        })?;
        self.name.stays = true;
        Ok(())
    }

    /// Syncs the file, gives it its name, and syncs the folder.
    pub fn publish_durably(self, target: &Path, existing: Existing) -> Result<(), FileError> {
        self.sync().map_err(|error| FileError::writing(target, error))?;
        self.publish(target, existing)?;
        sync_folder_of(target).map_err(|error| FileError::writing(target, error))
    }

    /// Lets the file stay as it is, as a crash would.
    #[cfg(test)]
    pub fn abandon(mut self) {
        self.name.stay();
    }
}

/// Has the names in the folder of `path` on the disk when it returns.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match File::open(folder)?.sync_all() {
        // Some network file systems cannot sync a folder; they order the rename themselves.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        done => done,
    }
}

impl io::Write for PartFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Output for PartFile {
    fn head(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    fn frame(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }
}

impl PartName {
    fn stay(&mut self) {
        PARTIALS.release(&self.path);
        self.stays = true;
    }
}

impl Drop for PartName {
    fn drop(&mut self) {
        if !self.stays {
            // The lock is still held, so this is our own file; if it cannot be removed, the next run takes it over.
            PARTIALS.discard(&self.path);
        }
    }
}

/// Removes the partial file of `target` that a process left which has ended. What another process has stays, and what is no
/// plain file.
pub(crate) fn sweep_part(target: &Path) {
    let path = part_of(target);
    // Most often there is none, and this is all.
    let Ok(file) = open_existing(&path) else { return };
    // A file system without locks cannot tell.
    if file.try_lock().is_ok() && is_named(&file, &path) && fs::remove_file(&path).is_ok() {
        tracing::debug!(partial = %path.display(), "removed what an earlier try left");
    }
}

/// Whether another process is writing the partial file of `target`.
pub(crate) fn is_being_written(target: &Path) -> bool {
    open_existing(&part_of(target)).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

/// Opens a partial file that may be anything, also a pipe, for which an open would wait.
fn open_existing(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)
}

/// Whether the plain file of that name is this one.
fn is_named(file: &File, path: &Path) -> bool {
    let same = |named: fs::Metadata| {
        file.metadata().is_ok_and(|held| (named.dev(), named.ino()) == (held.dev(), held.ino()) && named.is_file())
    };
    path.symlink_metadata().is_ok_and(same)
}

fn part_of(target: &Path) -> PathBuf {
    let mut name = target.file_name().map(OsString::from).unwrap_or_default();
    name.push(".part");
    target.with_file_name(name)
}

/// Opens the partial file for this process alone, empty.
///
/// `O_EXCL` first, so that nothing is created through a symbolic link. A file that is already there is taken over
/// only with its lock, and only if the locked file still is the plain file of that name: another process may have
/// published or removed it between the open and the lock. One that has a second name was published by a process that
/// ended before it took the first one away: only that name is.
fn claim(path: &Path) -> Result<File, FileError> {
    const ATTEMPTS: usize = 8;
    let failed = |error| FileError::writing(path, error);
    for _ in 0..ATTEMPTS {
        let (file, is_new) = match OpenOptions::new().read(true).write(true).create_new(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                match OpenOptions::new().read(true).write(true).open(path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    other => (other.map_err(failed)?, false),
                }
            }
            other => (other.map_err(failed)?, true),
        };
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(FileError::TargetBusy { path: path.to_path_buf() }),
            // A file system without locks. Whoever may still write this one keeps it, and finds its name lost in the end.
            Err(TryLockError::Error(_)) if !is_new => {
                fs::remove_file(path).map_err(failed)?;
                continue;
            }
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let named = match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other.map_err(failed)?,
        };
        let held = file.metadata().map_err(failed)?;
        if !named.is_file() {
            return Err(FileError::TargetBusy { path: path.to_path_buf() });
        }
        if (named.dev(), named.ino()) == (held.dev(), held.ino()) {
            if held.nlink() > 1 {
                fs::remove_file(path).map_err(failed)?;
                continue;
            }
            file.set_len(0).map_err(failed)?;
            return Ok(file);
        }
    }
    Err(FileError::TargetBusy { path: path.to_path_buf() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partial_file_with_a_second_name_is_not_emptied() {
        let folder = tempfile::tempdir().unwrap();
        let (target, part) = (folder.path().join("a.flac"), folder.path().join("a.flac.part"));
        fs::write(&target, b"published").unwrap();
        fs::hard_link(&target, &part).unwrap();
        let file = PartFile::create(&target).unwrap();
        assert_eq!(fs::read(&part).unwrap(), b"", "a new one");
        drop(file);
        assert_eq!(fs::read(&target).unwrap(), b"published");
        assert!(!part.exists());
    }

    #[test]
    fn a_partial_file_whose_name_another_took_is_not_published() {
        let folder = tempfile::tempdir().unwrap();
        let (target, path) = (folder.path().join("a.flac"), folder.path().join("a.flac.part"));
        let part = PartFile::create(&target).unwrap().whole(None).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, b"half").unwrap();
        let error = part.publish(&target, Existing::Replace).unwrap_err();
        assert!(matches!(error, FileError::TargetBusy { .. }), "{error}");
        assert!(!target.exists() && fs::read(&path).unwrap() == b"half");
    }

    #[test]
    fn what_a_process_left_is_swept_and_what_another_has_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (target, path) = (folder.path().join("a.flac"), folder.path().join("a.flac.part"));
        sweep_part(&target);
        let part = PartFile::create(&target).unwrap();
        sweep_part(&target);
        assert!(path.exists(), "it is locked");
        part.whole(None).unwrap().abandon();
        sweep_part(&target);
        assert!(!path.exists());
        fs::write(folder.path().join("other"), b"kept").unwrap();
        std::os::unix::fs::symlink("other", &path).unwrap();
        sweep_part(&target);
        assert!(path.is_symlink() && folder.path().join("other").exists());
    }

    #[test]
    fn a_partial_file_goes_with_its_owner_and_not_with_its_buffer() {
        let folder = tempfile::tempdir().unwrap();
        let (target, path) = (folder.path().join("a.flac"), folder.path().join("a.flac.part"));
        let mut part = PartFile::create(&target).unwrap();
        part.write_all(b"all").unwrap();
        let whole = part.whole(None).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"all");
        assert!(matches!(PartFile::create(&target), Err(FileError::TargetBusy { .. })), "it is still locked");
        drop(whole);
        assert!(!path.exists());
        PartFile::create(&target).unwrap().whole(None).unwrap().abandon();
        assert!(path.exists());
        PartFile::create(&target).unwrap().whole(None).unwrap().publish(&target, Existing::Refuse).unwrap();
        let late = PartFile::create(&target).unwrap().whole(None).unwrap();
        assert!(matches!(late.publish(&target, Existing::Refuse), Err(FileError::TargetExists { .. })));
        assert!(target.exists() && !path.exists());
    }
}
