//! The command line: what may be typed. [`convert`] runs `converter convert`, [`stream`] `converter
//! stream`; serving and batch runs have their own modules.

mod args;
mod chosen;
mod console;
pub mod convert;
mod find;
mod ledger;
mod level;
pub(crate) mod pcm;
mod report;
pub mod restore;
pub mod stream;
pub(crate) mod tag;
mod targets;

use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// WAV in, FLAC out: files, pipes, a service, or batch runs over volumes.
#[derive(Debug, Parser)]
#[command(name = "converter", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Convert WAV files, folders of them, or standard input to FLAC
    Convert(Box<convert::Args>),
    /// Build the WAV file again that a FLAC file with foreign metadata was made from
    Restore(restore::Args),
    /// Convert over a service's live stream: a file, or audio as it is recorded
    Stream(Box<stream::Args>),
    /// Run the service: the page, `POST /convert`, live streams
    Serve(Box<crate::serve::Args>),
    /// Convert a folder of files with a report at the end, whole or stage by stage (Flacship's jobs do this)
    #[command(subcommand)]
    Batch(crate::batch::Command),
}

/// Tells a mistake on the command line that clap cannot see, as clap tells its own.
pub fn misused(error: &impl Display) -> ExitCode {
    drop(writeln!(io::stderr(), "error: {error}\n\nFor more information, try '--help'."));
    ExitCode::from(2)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
