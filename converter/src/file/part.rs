//! The partial file: `<target>.part`, locked while it is written, removed unless it is published.

use std::ffi::OsString;
use std::fs::{File, FileTimes, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::error::FileError;
use super::room::make_room;
use crate::convert::{Output, Summary};
use crate::interrupt::PARTIALS;

/// Bytes gathered before they are written.
const BUFFER: usize = 64 * 1024;

/// A FLAC file on its way to its name. Dropping it removes it.
pub(crate) struct PartFile {
    path: PathBuf,
    file: BufWriter<File>,
    /// It is not to be removed: it has its name, or is to stay as it is.
    published: bool,
}

impl PartFile {
    /// Creates the partial file of `target`, or takes over one that nobody writes any more.
    pub fn create(target: &Path) -> Result<Self, FileError> {
        let mut name = target.file_name().map(OsString::from).unwrap_or_default();
        name.push(".part");
        let path = target.with_file_name(name);
        let file = PARTIALS.create(&path, || claim(&path))?;
        Ok(Self { path, file: BufWriter::with_capacity(BUFFER, file), published: false })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes what is buffered and the final head, sets the times, and syncs.
    pub fn complete(&mut self, summary: &Summary, times: Option<FileTimes>) -> io::Result<()> {
        self.file.flush()?;
        let file = self.file.get_mut();
        if summary.head.len() != summary.head_sent {
            make_room(file, summary.head_sent as u64, summary.head.len() as u64)?;
        }
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&summary.head)?;
        self.sync(times)
    }

    /// Writes what is buffered, sets the times, and syncs.
    pub fn sync(&mut self, times: Option<FileTimes>) -> io::Result<()> {
        self.file.flush()?;
        let file = self.file.get_ref();
        if let Some(times) = times {
            file.set_times(times)?;
        }
        file.sync_all()
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
        PARTIALS.release(&self.path);
        self.published = true;
    }

    /// Gives the file its name and syncs the folder.
    pub fn publish(mut self, target: &Path) -> Result<(), FileError> {
        PARTIALS.publish(&self.path, target).map_err(|error| FileError::writing(target, error))?;
        self.published = true;
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        match File::open(folder).and_then(|folder| folder.sync_all()) {
            Ok(()) => Ok(()),
            // Some network file systems cannot sync a folder; they order the rename themselves.
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
            Err(error) => Err(FileError::writing(target, error)),
        }
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

impl Drop for PartFile {
    fn drop(&mut self) {
        if !self.published {
            // The lock is still held, so this is our own file; if it cannot be removed, the next run takes it over.
            PARTIALS.discard(&self.path);
        }
    }
}

/// Opens the partial file for this process alone, empty.
///
/// `O_EXCL` first, so that nothing is created through a symbolic link. A file that is already there is taken over
/// only with its lock, and only if the locked file still is the plain file of that name: another process may have
/// published or removed it between the open and the lock.
fn claim(path: &Path) -> Result<File, FileError> {
    const ATTEMPTS: usize = 8;
    let failed = |error| FileError::writing(path, error);
    for _ in 0..ATTEMPTS {
        let file = match OpenOptions::new().read(true).write(true).create_new(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                match OpenOptions::new().read(true).write(true).open(path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    other => other,
                }
            }
            other => other,
        }
        .map_err(failed)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(FileError::TargetBusy { path: path.to_path_buf() }),
            // Without an error, or on a file system without locks: one writer per target is then the caller's promise.
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
            file.set_len(0).map_err(failed)?;
            return Ok(file);
        }
    }
    Err(FileError::TargetBusy { path: path.to_path_buf() })
}
