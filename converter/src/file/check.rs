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

/// Bytes that are read at once.
const PIECE: usize = 256 * 1024;

/// A checksum (CRC-32) of bytes on their way to a file.
#[derive(Debug, Clone, Default)]
struct Sum(crc32fast::Hasher);

impl Sum {
    fn of(bytes: &[u8]) -> u32 {
        let mut sum = Self::default();
        sum.0.update(bytes);
        sum.finish()
    }

    fn finish(self) -> u32 {
        self.0.finalize()
    }
}

/// What a file must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expected {
    bytes: u64,
    head_bytes: usize,
    head: u32,
    frames: u32,
}

/// Passes everything on to another output, and adds the frames up.
pub(super) struct Summing<'a, O> {
    output: &'a mut O,
    frames: Sum,
}

impl<'a, O> Summing<'a, O> {
    pub fn new(output: &'a mut O) -> Self {
        Self { output, frames: Sum::default() }
    }

    /// What the file must hold once it has its head.
    pub fn expected(self, summary: &Summary) -> Expected {
        Expected {
            bytes: summary.bytes_out,
            head_bytes: summary.head.len(),
            head: Sum::of(&summary.head),
            frames: self.frames.finish(),
        }
    }
}

impl<O: Output> Output for Summing<'_, O> {
    fn head(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.output.head(bytes)
    }

    fn frame(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.frames.0.update(bytes);
        self.output.frame(bytes)
    }
}

/// Reads a written FLAC file and compares it with what was encoded; the error says what differs.
pub(super) fn verify(written: &File, summary: &Summary, expected: &Expected) -> Result<(), String> {
    let told = |error: io::Error| error.to_string();
    let bytes = written.metadata().map_err(told)?.len();
    if bytes != expected.bytes {
        return Err(format!("{bytes} bytes on disk, {} written", expected.bytes));
    }
    let mut head = vec![0; expected.head_bytes];
    written.read_exact_at(&mut head, 0).map_err(told)?;
    if Sum::of(&head) != expected.head {
        return Err("the metadata on disk is not what was written".to_owned());
    }
    verify_head(&head, summary)?;
    let mut at = head.len() as u64;
    let mut found = Sum::default();
    // No more than there is to read: most files are short.
    let rest = usize::try_from(bytes.saturating_sub(at)).unwrap_or(PIECE);
    let mut piece = vec![0; rest.clamp(1, PIECE)];
    loop {
        match written.read_at(&mut piece, at) {
            Ok(0) => break,
            Ok(count) => {
                found.0.update(piece.get(..count).unwrap_or_default());
                at += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    if at != bytes || found.finish() != expected.frames {
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::convert::{Options, convert_reader};
    use crate::support::{Wav, music, wav_pcm};

    #[test]
    fn every_damage_is_seen() {
        let wav = Wav::pcm(2, 44_100, 16, &wav_pcm(&music(10_000, 2, 16, 1), 16));
        let mut frames = Vec::new();
        let mut out = Summing::new(&mut frames);
        let summary = convert_reader(wav.as_slice(), &mut out, &Options::default(), &mut |_| {}).unwrap();
        let expected = out.expected(&summary);
        let good = [summary.head.as_slice(), &frames[summary.head_sent..]].concat();
        let file = tempfile::NamedTempFile::new().unwrap();
        let check = |bytes: &[u8]| {
            fs::write(file.path(), bytes).unwrap();
            verify(&File::open(file.path()).unwrap(), &summary, &expected)
        };
        assert_eq!(check(&good), Ok(()));
        assert!(check(&good[..good.len() - 1]).unwrap_err().contains("bytes on disk"));
        assert!(check(&[good.as_slice(), b"x"].concat()).unwrap_err().contains("bytes on disk"));
        let step = good.len() / 97;
        // Any byte of STREAMINFO, and bytes all over the head and the frames.
        for at in (8..42).chain((42..good.len()).step_by(step)) {
            let mut damaged = good.clone();
            damaged[at] ^= 0x10;
            assert!(check(&damaged).is_err(), "byte {at}");
        }
    }
}
