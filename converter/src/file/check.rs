//! Whether a written file is what was encoded.
//!
//! That each frame decodes to its block was checked when it was made, beside the encoding; here it is whether the disk has
//! the very bytes of the head and of those frames. Together it is the proof that the file holds the source's samples, for
//! a third of what it takes to decode the file and digest its samples.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use crate::convert::{Output, Summary};
use crate::flac::decode::Decoder;

/// A checksum (CRC-32) of frames on their way to a file.
#[derive(Debug, Clone, Default)]
pub struct FrameSum(crc32fast::Hasher);

impl FrameSum {
    /// Takes the next bytes, split anywhere.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
}

/// Passes everything on to another output, and adds the frames up.
pub(super) struct Summing<'a, O> {
    pub output: &'a mut O,
    pub frames: FrameSum,
}

impl<O: Output> Output for Summing<'_, O> {
    fn head(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.output.head(bytes)
    }

    fn frame(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.frames.update(bytes);
        self.output.frame(bytes)
    }
}

/// Reads a written FLAC file and compares it with what was encoded, whose frames were `frames`; the error says what
/// differs.
pub fn verify(written: &File, summary: &Summary, frames: &FrameSum) -> Result<(), String> {
    let told = |error: io::Error| error.to_string();
    let bytes = written.metadata().map_err(told)?.len();
    if bytes != summary.bytes_out {
        return Err(format!("{bytes} bytes on disk, {} written", summary.bytes_out));
    }
    let mut head = vec![0; summary.head.len()];
    written.read_exact_at(&mut head, 0).map_err(told)?;
    if head != summary.head {
        return Err("the metadata on disk is not what was written".to_owned());
    }
    verify_head(&head, summary)?;
    let mut found = FrameSum::default();
    let mut piece = vec![0; 256 * 1024];
    let mut at = head.len() as u64;
    loop {
        match written.read_at(&mut piece, at) {
            Ok(0) => break,
            Ok(count) => {
                found.update(piece.get(..count).unwrap_or_default());
                at += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    if at != bytes || found.0.finalize() != frames.0.clone().finalize() {
        return Err("the frames on disk are not what was written".to_owned());
    }
    Ok(())
}

/// Whether a decoder finds in the head what was encoded.
fn verify_head(head: &[u8], summary: &Summary) -> Result<(), String> {
    let mut decoder = Decoder::new(head, 0).map_err(|error| error.to_string())?;
    while decoder.next_metadata().map_err(|error| error.to_string())?.is_some() {}
    let (info, format) = (decoder.info(), &summary.format);
    let checks = [
        ("channels", u64::from(info.channels), u64::from(format.channels)),
        ("sample rate", info.sample_rate.into(), format.sample_rate.into()),
        ("bits per sample", info.bits_per_sample.into(), format.bits_per_sample.into()),
        // A FLAC file cannot tell "no samples" from "number unknown": both are 0 (RFC 9639 §8.2).
        ("samples", info.total_samples.unwrap_or(0), summary.samples),
    ];
    if let Some((what, found, expected)) = checks.into_iter().find(|(_, found, expected)| found != expected) {
        return Err(format!("{what}: {found} instead of {expected}"));
    }
    if info.md5 == Some(summary.md5) { Ok(()) } else { Err("the samples' MD5 differs".to_owned()) }
}
