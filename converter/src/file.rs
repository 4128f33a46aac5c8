//! One file to another: written beside its final name, made durable, verified if asked, and only then renamed.
//! The command line and the batch workers share it: [`convert_file`] takes all these steps, and a worker takes them for
//! many files together, each of which is a [`Written`] until then.

mod check;
mod compare;
mod error;
mod name;
mod part;
mod room;

use std::fs::{self, File, FileTimes, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

pub(crate) use compare::{Difference, same_bytes, same_samples};
pub use error::FileError;
pub(crate) use name::rename_to_new;

use crate::convert::{Conversion, ConvertError, HeadPlace, Options, Progress, Scan, Summary, Warning};
pub use crate::flac::Verify;
use part::WholePart;
pub(crate) use part::{PartFile, is_being_written, sweep_part};

use check::{Expected, Summing, verify};

/// Settings of [`convert_file`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileOptions {
    /// Settings of the conversion itself. Where its head goes and when it verifies is decided here.
    pub convert: Options,
    /// Whether each frame is decoded and compared with the source's samples, and the written file with the frames before
    /// it gets its name.
    pub verify: Verify,
    /// What happens to a target that is already there.
    pub existing: Existing,
    /// Which modification time the result gets.
    pub times: Times,
}

/// Which modification time a result gets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Times {
    /// The source's.
    #[default]
    Source,
    /// That of its writing.
    Own,
}

/// What happens to a target file that is already there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and the conversion is refused.
    Refuse,
    /// It is replaced in one step once the new file is whole.
    Replace,
    /// It is replaced as long as it is the file that was seen there; another's stays.
    ReplaceSeen(Seen),
}

/// A file as it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Bytes.
    pub size: u64,
    /// Time of its last change in nanoseconds since 1970.
    pub mtime_ns: i64,
}

impl Seen {
    /// A file that has this metadata.
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            size: metadata.size(),
            mtime_ns: metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec()),
        }
    }
}

/// Converts the file `source` into the FLAC file `target`, in an existing folder.
///
/// The result is written as `<target>.part`, synced, verified if asked, given the source's modification time, and
/// renamed; the folder is synced too. A reader of `target` never sees half a file, and on any error the partial file
/// is removed. A partial file that a crash left behind is taken over; one that another process is writing is
/// [`FileError::TargetBusy`] (told apart by an advisory lock).
///
/// With [`Existing::Refuse`] a target that appears while the conversion runs is refused too.
pub fn convert_file(
    source: &Path,
    target: &Path,
    options: &FileOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Summary, FileError> {
    write_part(source, target, options, progress)?.finish()
}

/// Converts what `reader` yields into the FLAC file `target`, as [`convert_file`] does; `name` is what errors call the
/// source. The result has no other modification time than its own.
pub fn convert_to_file(
    reader: impl Read,
    name: &Path,
    target: &Path,
    options: &FileOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Summary, FileError> {
    check_target(name, target, options.existing)?;
    write(reader, None, name, None, target, options, progress)?.finish()
}

/// A FLAC file that is written, under its partial name: not synced, not checked, not named. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct Written {
    /// What the conversion told. Where many files wait, its head may be taken away: what follows does without.
    pub summary: Summary,
    part: WholePart,
    source: PathBuf,
    target: PathBuf,
    existing: Existing,
    expected: Option<Expected>,
}

/// The first step of [`convert_file`]: all but to make the result durable, to check and to name it. If the source has
/// changed meanwhile, the summary has [`Warning::SourceChanged`].
pub(crate) fn write_part(
    source: &Path,
    target: &Path,
    options: &FileOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Written, FileError> {
    let unreadable = |error| FileError::SourceUnreadable { path: source.to_path_buf(), source: error };
    let mut input = File::open(source).map_err(unreadable)?;
    let before = input.metadata().map_err(unreadable)?;
    if before.is_dir() {
        return Err(unreadable(io::ErrorKind::IsADirectory.into()));
    }
    check_target(source, target, options.existing)?;
    let scan = if before.is_file() {
        Scan::of(&mut input, &options.convert).map_err(|error| told(error, source, target))?
    } else {
        None
    };
    let times = match options.times {
        Times::Source => before.modified().map(|modified| FileTimes::new().set_modified(modified)).ok(),
        Times::Own => None,
    };
    let mut written = write(&input, scan, source, times, target, options, progress)?;
    let after = input.metadata().map_err(unreadable)?;
    if has_changed(&before, &after) {
        written.summary.warnings.push(Warning::SourceChanged);
    }
    Ok(written)
}

fn has_changed(before: &Metadata, after: &Metadata) -> bool {
    before.is_file() && (before.len() != after.len() || before.modified().ok() != after.modified().ok())
}

fn write(
    reader: impl Read,
    scan: Option<Scan>,
    source: &Path,
    times: Option<FileTimes>,
    target: &Path,
    options: &FileOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Written, FileError> {
    let convert = Options { head: HeadPlace::Rewritable, verify: options.verify, ..options.convert.clone() };
    let mut part = PartFile::create(target)?;
    // Whoever had the partial file may have given it its name just now.
    check_target(source, target, options.existing)?;
    let conversion = Conversion::after(scan, &convert);
    let told = |error| told(error, source, target);
    let (summary, expected) = match options.verify {
        Verify::No => (conversion.run(reader, &mut part, progress).map_err(told)?, None),
        Verify::Yes => {
            let mut out = Summing::new(&mut part);
            let summary = conversion.run(reader, &mut out, progress).map_err(told)?;
            let expected = out.expected(&summary);
            (summary, Some(expected))
        }
    };
    let part = part.complete(&summary, times).map_err(|error| FileError::writing(target, error))?;
    let (source, target) = (source.to_path_buf(), target.to_path_buf());
    Ok(Written { summary, part, source, target, existing: options.existing, expected })
}

impl Written {
    /// The written file.
    pub fn file(&self) -> &File {
        self.part.file()
    }

    /// Where it is to be.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Whether it takes the place of another file.
    pub fn replaces(&self) -> bool {
        self.existing != Existing::Refuse
    }

    /// An error of the target's file system, as that of this file.
    pub fn writing(&self, error: io::Error) -> FileError {
        FileError::writing(&self.target, error)
    }

    /// Reads the file and compares it with what was encoded, if it was to be verified.
    pub fn verify(&self) -> Result<(), FileError> {
        let Some(expected) = &self.expected else { return Ok(()) };
        verify(self.part.file(), &self.summary, expected)
            .map_err(|detail| FileError::VerifyFailed { path: self.target.clone(), detail })
    }

    /// Gives the file its name.
    pub fn publish(self) -> Result<Summary, FileError> {
        check_target(&self.source, &self.target, self.existing)?;
        self.part.publish(&self.target, self.existing)?;
        Ok(self.summary)
    }

    /// All steps that are left, for this file alone.
    fn finish(self) -> Result<Summary, FileError> {
        self.part.sync().map_err(|error| self.writing(error))?;
        self.verify()?;
        let target = self.target.clone();
        let summary = self.publish()?;
        part::sync_folder_of(&target).map_err(|error| FileError::writing(&target, error))?;
        Ok(summary)
    }

    /// Lets the partial file stay as it is, as a crash would.
    #[cfg(test)]
    pub fn abandon(self) {
        self.part.abandon();
    }
}

/// A conversion's error with the names of its files.
fn told(error: ConvertError, source: &Path, target: &Path) -> FileError {
    match error {
        ConvertError::Input(error) => FileError::SourceUnreadable { path: source.to_path_buf(), source: error },
        ConvertError::Output(error) => FileError::writing(target, error),
        other => FileError::Convert(other),
    }
}

/// Refuses a target that must not be replaced, and a target that is the source.
pub(crate) fn check_target(source: &Path, target: &Path, existing: Existing) -> Result<(), FileError> {
    match target.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(FileError::writing(target, error)),
        Ok(_) if is_same_file(source, target) => Err(FileError::SameFile { path: target.to_path_buf() }),
        Ok(_) if !is_replaceable(target, existing) => Err(FileError::TargetExists { path: target.to_path_buf() }),
        Ok(meta) if meta.is_dir() => Err(FileError::writing(target, io::ErrorKind::IsADirectory.into())),
        Ok(_) => Ok(()),
    }
}

fn is_replaceable(target: &Path, existing: Existing) -> bool {
    match existing {
        Existing::Refuse => false,
        Existing::Replace => true,
        Existing::ReplaceSeen(seen) => fs::metadata(target).is_ok_and(|there| Seen::of(&there) == seen),
    }
}

fn is_same_file(source: &Path, target: &Path) -> bool {
    match (source.canonicalize(), target.canonicalize()) {
        (Ok(source), Ok(target)) => source == target,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_was_seen_is_replaced_and_another_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (source, target) = (folder.path().join("a.wav"), folder.path().join("a.flac"));
        fs::write(&target, b"old").unwrap();
        let seen = Existing::ReplaceSeen(Seen::of(&fs::metadata(&target).unwrap()));
        check_target(&source, &target, seen).unwrap();
        fs::write(&target, b"another's").unwrap();
        let error = check_target(&source, &target, seen).unwrap_err();
        assert!(matches!(error, FileError::TargetExists { .. }), "{error}");
        check_target(&source, &target, Existing::Replace).unwrap();
        fs::remove_file(&target).unwrap();
        check_target(&source, &target, seen).unwrap();
    }
}
