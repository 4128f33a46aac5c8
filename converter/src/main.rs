//! The `converter` binary: parses the command line and hands over.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use converter::cli::{self, Cli, Command, convert, restore, stream};
use converter::{batch, serve};

fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Convert(args) => Ok(convert::run(&args)),
        Command::Restore(args) => Ok(restore::run(&args)),
        Command::Stream(args) => Ok(stream::run(&args)),
        Command::Serve(args) => {
            let runtime = tokio::runtime::Runtime::new().context("the async runtime did not start")?;
            match runtime.block_on(serve::run(*args)) {
                Err(error) if error.is_of_settings() => Ok(cli::misused(&error)),
                ended => Ok(ended.map(|()| ExitCode::SUCCESS)?),
            }
        }
        Command::Batch(command) => Ok(batch::run(command)),
    }
}
