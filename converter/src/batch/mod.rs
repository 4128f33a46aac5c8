//! The three stages of a batch run over files in volumes.

use std::process::ExitCode;

/// A stage of a batch run.
#[derive(Debug, clap::Subcommand)]
pub enum Command {}

/// Runs one stage.
pub fn run(command: Command) -> ExitCode {
    match command {}
}
