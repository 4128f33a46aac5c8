//! One file to another: written beside its final name, made durable, verified by decoding, and only then renamed.
//! The command line and the batch workers share it.

mod error;
mod part;

use std::fs::{File, FileTimes};
use std::io::{self, BufReader, Read};
use std::path::Path;

pub use error::FileError;

use crate::convert::{ConvertError, Options, Progress, Summary, convert_reader};
use crate::flac::decode;
pub(crate) use part::PartFile;

/// Settings of [`convert_file`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileOptions {
    /// Settings of the conversion itself.
    pub convert: Options,
    /// Whether the result is decoded and compared before it gets its final name.
    pub verify: Verify,
    /// What happens to a target that is already there.
    pub existing: Existing,
}

/// Whether a written file is decoded again and compared with the source's samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// Decode and compare.
    Yes,
    /// Trust the encoder.
    No,
}

/// What happens to a target file that is already there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and the conversion is refused.
    Refuse,
    /// It is replaced in one step once the new file is whole.
    Replace,
}

/// Converts the file `source` into the FLAC file `target`, in an existing folder.
///
/// The result is written as `<target>.part`, synced, verified if asked, given the source's modification time, and
/// renamed; the folder is synced too. A reader of `target` never sees half a file, and on any error the partial file
/// is removed. A partial file that a crash left behind is taken over; one that another process is writing is
/// [`FileError::TargetBusy`] (told apart by an advisory lock).
///
/// With [`Existing::Refuse`] a target that appears while the conversion runs is refused too, but for the instant
/// between the last look and the rename.
pub fn convert_file(
    source: &Path,
    target: &Path,
    options: &FileOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Summary, FileError> {
    let unreadable = |error| FileError::SourceUnreadable { path: source.to_path_buf(), source: error };
    let input = File::open(source).map_err(unreadable)?;
    let meta = input.metadata().map_err(unreadable)?;
    if meta.is_dir() {
        return Err(unreadable(io::ErrorKind::IsADirectory.into()));
    }
    let times = meta.modified().map(|modified| FileTimes::new().set_modified(modified)).ok();
    write_file(input, source, times, target, options, progress)
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
    write_file(reader, name, None, target, options, progress)
}

fn write_file(
    reader: impl Read,
    source: &Path,
    times: Option<FileTimes>,
    target: &Path,
    options: &FileOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Summary, FileError> {
    check_target(source, target, options.existing)?;
    let mut part = PartFile::create(target)?;
    let summary = convert_reader(reader, &mut part, &options.convert, progress).map_err(|error| match error {
        ConvertError::Input(error) => FileError::SourceUnreadable { path: source.to_path_buf(), source: error },
        ConvertError::Output(error) => FileError::writing(target, error),
        other => FileError::Convert(other),
    })?;
    part.complete(&summary, times).map_err(|error| FileError::writing(target, error))?;
    if options.verify == Verify::Yes {
        let written = File::open(part.path()).map_err(|error| FileError::writing(target, error))?;
        verify(&written, &summary).map_err(|detail| FileError::VerifyFailed { path: target.to_path_buf(), detail })?;
    }
    check_target(source, target, options.existing)?;
    part.publish(target)?;
    Ok(summary)
}

/// Decodes a written FLAC file from its start and compares it with what was encoded; the error says what differs.
pub fn verify(written: &File, summary: &Summary) -> Result<(), String> {
    let bytes = written.metadata().map_err(|error| error.to_string())?.len();
    if bytes != summary.bytes_out {
        return Err(format!("{bytes} bytes on disk, {} written", summary.bytes_out));
    }
    let decoded = decode(BufReader::with_capacity(1 << 16, written)).map_err(|error| error.to_string())?;
    let format = &summary.format;
    // A FLAC file cannot tell "no samples" from "number unknown": both are 0 (RFC 9639 §8.2).
    let told_samples = decoded.told_samples.unwrap_or(0);
    let checks = [
        ("channels", u64::from(decoded.channels), u64::from(format.channels)),
        ("sample rate", decoded.sample_rate.into(), format.sample_rate.into()),
        ("bits per sample", decoded.bits_per_sample.into(), format.bits_per_sample.into()),
        ("samples", decoded.samples, summary.samples),
        ("samples in STREAMINFO", told_samples, summary.samples),
    ];
    if let Some((what, found, expected)) = checks.into_iter().find(|(_, found, expected)| found != expected) {
        return Err(format!("{what}: {found} instead of {expected}"));
    }
    if decoded.md5 != summary.md5 || decoded.told_md5 != Some(summary.md5) {
        return Err("the samples' MD5 differs".to_owned());
    }
    Ok(())
}

/// Refuses a target that must not be replaced, and a target that is the source.
pub(crate) fn check_target(source: &Path, target: &Path, existing: Existing) -> Result<(), FileError> {
    match target.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(FileError::writing(target, error)),
        Ok(_) if is_same_file(source, target) => Err(FileError::SameFile { path: target.to_path_buf() }),
        Ok(_) if existing == Existing::Refuse => Err(FileError::TargetExists { path: target.to_path_buf() }),
        Ok(meta) if meta.is_dir() => Err(FileError::writing(target, io::ErrorKind::IsADirectory.into())),
        Ok(_) => Ok(()),
    }
}

fn is_same_file(source: &Path, target: &Path) -> bool {
    match (source.canonicalize(), target.canonicalize()) {
        (Ok(source), Ok(target)) => source == target,
        _ => false,
    }
}
