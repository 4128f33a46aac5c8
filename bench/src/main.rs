//! `make bench`, `make bench-service` and `make bench-batch`: the converter against its peers, all in one run on the same sounds, and against
//! its own bars.
//!
//! [`encoding`] measures it as an encoder, [`service`] as a server, [`batch`] over folders of files. Programs are run whole, by turns, and the operating
//! system is asked what each took ([`process`]). Nothing of the converter is linked in. [`corpus`] has the sounds.

mod bar;
mod batch;
mod corpus;
mod encoding;
mod outputs;
mod process;
mod service;
mod table;
mod usage;
mod wav;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::Context as _;
use clap::{Parser, Subcommand};

/// Measure the converter against its peers, and against its own bars
#[derive(Debug, Parser)]
#[command(after_help = "Exit codes: 0 every bar holds; 1 a bar is missed, or the bench could not run; 2 wrong usage.")]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The encoder against libFLAC, flac, ffmpeg and flacenc
    Encoding(encoding::Args),
    /// The service against processes of flac and ffmpeg, one a stream or request
    Service(service::Args),
    /// Batch runs against find, xargs and flac
    Batch(batch::Args),
    /// The plan of a batch run of a million files
    BatchPlan(batch::plan::Args),
    /// A server to compare with (the bench starts it)
    #[command(hide = true)]
    Peer(service::peer::Args),
}

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == process::MEASURE) {
        return process::measure_here(words.collect::<Vec<OsString>>());
    }
    let result = match Cli::parse().what {
        What::Encoding(args) => encoding::bench(&args),
        What::Service(args) => service::bench(&args),
        What::Batch(args) => batch::bench(&args),
        What::BatchPlan(args) => batch::plan::bench(&args),
        What::Peer(args) => service::peer::run(&args).map(|()| true),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn found(program: &Path, build: &str) -> anyhow::Result<PathBuf> {
    program.canonicalize().with_context(|| format!("there is no {}; build it with: {build}", program.display()))
}

/// What is measured on, and what with: each program and how it is asked for its version.
fn machine(programs: &[(&Path, &str)]) -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("", |model| model.trim_start_matches([' ', '\t', ':']));
    let cores = nix::unistd::sysconf(nix::unistd::SysconfVar::_NPROCESSORS_ONLN).ok().flatten().unwrap_or(1);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    let first_line = |(program, ask): &(&Path, &str)| {
        let output = Command::new(program).arg(ask).output().map(|output| output.stdout).unwrap_or_default();
        format!("\n{}", String::from_utf8_lossy(&output).lines().next().unwrap_or("?"))
    };
    let programs: String = programs.iter().map(first_line).collect();
    format!("{cpu}, {cores} cores, load {load} before the start{programs}")
}
