//! `converter restore`: from a FLAC file with foreign metadata back to the same WAV file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::file::Existing;
use crate::restore::{Proof, restore_file};

const EXAMPLES: &str = "\
Examples:
  converter convert --metadata foreign take1.wav && converter restore take1.flac -o again.wav
  converter restore take1.flac                  writes take1.wav beside it

The FLAC file must have been made with `--metadata foreign`, or by `flac --keep-foreign-metadata`. The result is
compared with the digest that was stored; under its name there is the same file, or nothing.

Exit codes: 0 the file was restored; 1 it was not.";

/// Build the WAV file again that a FLAC file with foreign metadata was made from
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The FLAC file
    #[arg(value_name = "FILE")]
    input: PathBuf,

    /// File to write [default: beside the input, named .wav]
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,

    /// Replace a file that is already there
    #[arg(short, long)]
    force: bool,
}

/// Runs `converter restore`.
pub fn run(args: &Args) -> ExitCode {
    let target = args.output.clone().unwrap_or_else(|| args.input.with_extension("wav"));
    let existing = if args.force { Existing::Replace } else { Existing::Refuse };
    match restore_file(&args.input, &target, existing) {
        Ok(restored) => {
            let proof = match restored.proof {
                Proof::Digest => "the same as the file that was converted",
                Proof::Lengths => "its samples and lengths are those of the file that `flac` converted",
            };
            eprintln!("{} -> {}: {} bytes, {proof}", args.input.display(), shown(&target), restored.bytes);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
