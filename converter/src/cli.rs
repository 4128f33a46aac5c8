//! The command line: what may be typed, and `converter convert`. Serving and batch runs have their own modules.

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
    /// Run the service: the page, `POST /convert`, live streams
    Serve(crate::serve::Args),
    /// Run one stage of a batch conversion over volumes (Flacship's jobs do this)
    #[command(subcommand)]
    Batch(crate::batch::Command),
}
