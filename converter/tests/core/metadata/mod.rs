//! What is kept beside the audio: blocks as `metaflac` reads them, tags as `ffmpeg` writes them, whole WAV files as
//! `flac --keep-foreign-metadata` restores them. The Debian packages `flac` and `ffmpeg` must be there.

mod blocks;
mod foreign;
mod restored;
mod tags;

use std::path::Path;
use std::process::{Command, Output};

use converter::convert::{MetadataOptions, Options};
use converter::meta::{Collected, Collector, Metadata};
use converter::wav::{Format, Parser, Piece, Rules, Unpacker};

use crate::tools::convert_with;

/// What became of a WAV file.
pub struct Converted {
    pub flac: Vec<u8>,
    pub collected: Collected,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Reads a WAV file: what it says beside its audio, its format, and its samples as FLAC has them.
pub fn read(wav: &[u8], rules: Rules, mode: Metadata) -> Result<(Collected, Format, Vec<u8>), Failure> {
    let mut parser = Parser::new(rules);
    let mut collector = Collector::new(mode, 1 << 26);
    let (mut format, mut unpacker, mut samples) = (None, None, Vec::new());
    let mut take = |piece: Piece<'_>| -> Result<(), Failure> {
        collector.take(&piece)?;
        match (&piece, &mut unpacker) {
            (Piece::Format(found), _) => {
                format = Some(*found);
                unpacker = Some(Unpacker::new(found));
            }
            (Piece::Audio(bytes), Some(unpacker)) => unpacker.unpack(bytes, &mut samples)?,
            _ => {}
        }
        Ok(())
    };
    for bytes in wav.chunks(997) {
        parser.push(bytes, &mut take)?;
    }
    parser.finish(&mut take)?;
    Ok((collector.finish()?, format.ok_or("no format")?, samples))
}

/// Converts a WAV file.
pub fn convert(wav: &[u8], rules: Rules, mode: Metadata) -> Result<Converted, Failure> {
    let (collected, ..) = read(wav, rules, mode)?;
    let metadata = MetadataOptions { keep: mode, limit: 1 << 26, ..MetadataOptions::default() };
    let options = Options { rules, metadata, ..Options::default() };
    let (flac, summary) = convert_with(wav, &options)?;
    assert!(summary.left_out.is_empty());
    Ok(Converted { flac, collected })
}

/// Runs a program; it must be there.
pub fn run(program: &str, args: &[&str], folder: &Path) -> Output {
    let output = Command::new(program).args(args).current_dir(folder).output();
    output.unwrap_or_else(|error| panic!("{program}: {error}; these tests need the Debian packages flac and ffmpeg"))
}

/// Runs a program that must succeed; returns what it writes to standard output.
pub fn must(program: &str, args: &[&str], folder: &Path) -> String {
    let output = run(program, args, folder);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {}: {error}", args.join(" "));
    String::from_utf8(output.stdout).unwrap()
}
