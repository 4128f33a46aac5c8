//! A first look through an input that can seek: everything but the audio, which is passed over where it can be. It tells
//! what stands behind the audio before the first frame is made, and refuses a file that contradicts itself before anything
//! is written.

use std::cell::RefCell;
use std::io::{self, Read, Seek, SeekFrom};

use super::error::ConvertError;
use super::options::{HeadPlace, Input, Options};
use crate::meta::{Collected, Collector, Metadata};
use crate::wav::{Format, Parser, Piece, Skip};

/// What a first look found.
#[derive(Debug)]
pub struct Scan {
    pub(super) collected: Collected,
    audio_bytes: u64,
}

impl Scan {
    /// Looks through `input` from its start and leaves it there. Nothing but a WAV file has anything to be found.
    pub fn of(input: &mut (impl Read + Seek), options: &Options) -> Result<Option<Self>, ConvertError> {
        if matches!(options.input, Input::Pcm(_)) {
            return Ok(None);
        }
        let scan = look(input, options)?;
        input.rewind().map_err(ConvertError::Input)?;
        Ok(Some(scan))
    }

    /// Samples per channel.
    pub(super) fn samples(&self, format: &Format) -> u64 {
        self.audio_bytes.checked_div(format.block_align() as u64).unwrap_or(0)
    }
}

fn look(input: &mut (impl Read + Seek), options: &Options) -> Result<Scan, ConvertError> {
    let length = input.seek(SeekFrom::End(0)).map_err(ConvertError::Input)?;
    input.rewind().map_err(ConvertError::Input)?;
    let mut parser = Parser::new(options.rules);
    let collector = RefCell::new(Collector::new(options.metadata.keep, options.metadata.limit));
    let mut audio_bytes = 0;
    let mut take = |piece: Piece<'_>| -> Result<(), ConvertError> {
        if let Piece::Audio(bytes) = piece {
            audio_bytes += bytes.len() as u64;
        }
        Ok(collector.borrow_mut().take(&piece)?)
    };
    // A head that is final holds the digest of the whole file, and how its audio is to be put together again.
    let reads_all = options.metadata.keep == Metadata::Foreign && options.head == HeadPlace::Final;
    let mut buffer = vec![0; 16 * 1024];
    let mut at = 0;
    let mut skipped = 0;
    loop {
        let count = match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(ConvertError::Input(error)),
        };
        at += count as u64;
        parser.push(buffer.get(..count).unwrap_or_default(), &mut take)?;
        let rest = length.saturating_sub(at);
        let skip = match parser.skippable() {
            _ if reads_all => 0,
            None => 0,
            Some(Skip::Bytes(bytes)) => bytes.min(rest),
            Some(Skip::ToEnd) => rest,
        };
        if skip > 0 {
            at = input.seek(SeekFrom::Start(at + skip)).map_err(ConvertError::Input)?;
            parser.skip(skip);
            collector.borrow_mut().skip_audio(skip);
            skipped += skip;
        }
    }
    parser.finish(&mut take)?;
    Ok(Scan { collected: collector.into_inner().finish()?, audio_bytes: audio_bytes + skipped })
}
