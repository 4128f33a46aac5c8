//! `converter restore`: from a FLAC file with foreign metadata back to the same WAV file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use crate::file::Existing;
use crate::interrupt::Interrupt;
use crate::restore::{Proof, ending, restore_file};

const EXAMPLES: &str = "\
Examples:
  converter convert --keep-foreign-metadata take1.wav
  converter restore take1.flac -o again.wav     the same bytes as take1.wav
  converter restore take1.flac                  writes take1.wav beside it

The FLAC file must have been made with --keep-foreign-metadata, by converter or by flac. What comes out is compared with \
the SHA-256 that converter stored (flac stores none: then with the lengths and the samples' MD5). Only a file that \
passes gets its name, with the FLAC file's modification time; while it is written its name ends in .part.

Exit codes: 0 the file was restored; 1 it was not; 2 the command line is wrong; 130, 143, 129 stopped by Ctrl-C, \
SIGTERM, SIGHUP.";

/// Build the WAV file again that a FLAC file with foreign metadata was made from
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The FLAC file
    #[arg(value_name = "FILE")]
    input: PathBuf,

    /// File to write [default: beside the input, named .wav, or .w64 if it was Wave64]
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,

    /// Replace a file that is already there
    #[arg(short, long)]
    force: bool,
}

/// Runs `converter restore`.
pub fn run(args: &Args) -> ExitCode {
    // A signal ends the process from here on, and takes what there is of the file with it.
    if let Err(error) = Interrupt::watch(Duration::ZERO, |stop| eprintln!("stopped by {}", stop.name())) {
        eprintln!("error: signals cannot be watched: {error}");
        return ExitCode::FAILURE;
    }
    let target = args.output.clone().unwrap_or_else(|| default_target(&args.input));
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

/// What cannot be read is told when it is restored.
fn default_target(flac: &Path) -> PathBuf {
    let ending = File::open(flac).ok().and_then(|file| ending(file).ok());
    flac.with_extension(ending.unwrap_or("wav"))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
