//! From a FLAC file back to the very same WAV file, if it was stored with its foreign metadata.
//!
//! [`restore`] writes to anything and says in the end whether what it wrote is the same; [`restore_file`] gives a file
//! its name only then. How the foreign metadata is stored is told in [`crate::meta::foreign`].

mod error;
mod plan;

use std::fs::{File, FileTimes};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

pub use error::{RestoreError, RestoreFileError};

use md5::{Digest as _, Md5};
use plan::Plan;
use sha2::Sha256;

use crate::file::{Existing, FileError, PartFile, check_target};
use crate::flac::decode::{DecodeError, Decoder};
use crate::flac::{BlockHeader, BlockType, MARKER, StreamInfo};
use crate::wav::Packer;

/// Bytes that are moved in one step.
const BUFFER: usize = 64 * 1024;

/// What was restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// Bytes of the file.
    pub bytes: u64,
    /// What says that it is the same file.
    pub proof: Proof,
}

/// What says that a restored file is the one that was converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The digest (SHA-256) of the whole file, stored when it was converted.
    Digest,
    /// All stored lengths agree, and the samples' MD5: all that `flac` stores.
    Lengths,
}

/// Builds the file again that `flac` was made from. If it fails, what was written to `out` is not that file.
///
/// Memory holds what is stored of the file beside its audio, and no more of the audio than a block.
pub fn restore(flac: impl Read, out: &mut dyn Write) -> Result<Restored, RestoreError> {
    let mut flac = BufReader::with_capacity(BUFFER, flac);
    let (info, plan) = Plan::read(&mut flac)?;
    let mut output = Digesting { out, sha256: Sha256::new(), bytes: 0 };
    output.write(&plan.before)?;
    let mut packer = Packer::new(plan.packing, info.bits_per_sample);
    let mut samples = Md5::new();
    let mut bytes = Vec::new();
    decode(&info, flac, &mut |pcm| {
        samples.update(pcm);
        bytes.clear();
        packer.pack(pcm, &mut bytes);
        output.write(&bytes)
    })?;
    if info.md5 != [0; 16] && info.md5 != <[u8; 16]>::from(samples.finalize()) {
        return Err(RestoreError::Damaged("its samples are not those that its header tells the MD5 of"));
    }
    if output.bytes.checked_sub(plan.before.len() as u64) != Some(plan.audio) {
        return Err(RestoreError::Damaged("it does not have as many samples as the file had"));
    }
    plan.after.iter().try_for_each(|bytes| output.write(bytes))?;
    output.finish(&plan)
}

/// Builds the file `target` again that the FLAC file `source` was made from, with the same care as
/// [`convert_file`](crate::file::convert_file): under its name there is the same file, or nothing new. It gets the FLAC
/// file's modification time, which is that of the file that was converted.
pub fn restore_file(source: &Path, target: &Path, existing: Existing) -> Result<Restored, RestoreFileError> {
    let unreadable = |error| FileError::SourceUnreadable { path: source.to_path_buf(), source: error };
    let file = File::open(source).map_err(unreadable)?;
    let meta = file.metadata().map_err(unreadable)?;
    if meta.is_dir() {
        return Err(unreadable(io::ErrorKind::IsADirectory.into()).into());
    }
    check_target(source, target, existing)?;
    let mut part = PartFile::create(target)?;
    let restored = restore(file, &mut part).map_err(|error| match error {
        RestoreError::Output(error) => FileError::writing(target, error).into(),
        RestoreError::Input(error) => unreadable(error).into(),
        other => RestoreFileError::Restore { path: source.to_path_buf(), source: other },
    })?;
    let times = meta.modified().map(|modified| FileTimes::new().set_modified(modified)).ok();
    let whole = part.whole(times).map_err(|error| FileError::writing(target, error))?;
    check_target(source, target, existing)?;
    whole.publish_durably(target, existing)?;
    Ok(restored)
}

/// The ending that a file restored from `flac` should have, as its container says: `wav`, or `w64` for Wave64.
pub fn ending(flac: impl Read) -> Result<&'static str, RestoreError> {
    let (_, plan) = Plan::read(&mut BufReader::with_capacity(BUFFER, flac))?;
    Ok(if plan.before.starts_with(b"riff") { "w64" } else { "wav" })
}

/// Writes, counts and hashes.
struct Digesting<'a> {
    out: &'a mut dyn Write,
    sha256: Sha256,
    bytes: u64,
}

impl Digesting<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), RestoreError> {
        self.sha256.update(bytes);
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        self.out.write_all(bytes).map_err(RestoreError::Output)
    }

    fn finish(self, plan: &Plan) -> Result<Restored, RestoreError> {
        self.out.flush().map_err(RestoreError::Output)?;
        if self.bytes != plan.length {
            return Err(RestoreError::Differs);
        }
        let proof = match plan.digest {
            Some(digest) if digest == <[u8; 32]>::from(self.sha256.finalize()) => Proof::Digest,
            Some(_) => return Err(RestoreError::Differs),
            None => Proof::Lengths,
        };
        Ok(Restored { bytes: self.bytes, proof })
    }
}

/// Decodes the frames that `frames` yields, and passes on samples: signed, little-endian, interleaved. The decoder wants
/// the stream from its start, so it gets its STREAMINFO again.
fn decode(
    info: &StreamInfo,
    frames: impl Read,
    take: &mut dyn FnMut(&[u8]) -> Result<(), RestoreError>,
) -> Result<(), RestoreError> {
    let header = BlockHeader { kind: BlockType::StreamInfo, last: true, length: 34 };
    let head = [&MARKER[..], &header.to_bytes(), &info.to_bytes()].concat();
    let failed = |error: DecodeError| RestoreError::Decode(error.to_string());
    let mut decoder = Decoder::new(head.chain(frames), 0).map_err(failed)?;
    let mut pcm = Vec::new();
    while let Some(block) = decoder.next_block().map_err(failed)? {
        pcm.clear();
        block.append_pcm(&mut pcm);
        take(&pcm)?;
    }
    Ok(())
}

/// Restores to an output that cannot go back, standard output for example.
pub fn restore_to(flac: impl Read, out: impl Write) -> Result<Restored, RestoreError> {
    restore(flac, &mut BufWriter::with_capacity(BUFFER, out))
}
