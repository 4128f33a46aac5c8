//! `make bench`: the converter against `flac` and `ffmpeg`, all in one run on the same sounds, and against its own bars.
//!
//! The programs are run whole, by turns, and the operating system is asked what each took ([`process`]). Nothing of the
//! converter is linked in. [`sounds`] has what they encode, [`encoders`] how each is asked, [`plan`] what is run,
//! [`bars`] what must hold, [`report`] the tables.

mod bars;
mod encoders;
mod figures;
mod instructions;
mod plan;
mod process;
mod report;
mod rf64;
mod sounds;
mod table;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;

/// Measure the converter against flac and ffmpeg, and against its own bars
#[derive(Debug, Parser)]
#[command(after_help = "Exit codes: 0 every bar holds; 1 a bar is missed, or the bench could not run; 2 wrong usage.")]
struct Args {
    /// The converter to measure: a release build
    #[arg(long, value_name = "PROGRAM", default_value = "target/release/converter")]
    converter: PathBuf,

    /// Folder for what is downloaded, decoded and encoded
    #[arg(long, value_name = "FOLDER", default_value = "target/bench")]
    folder: PathBuf,

    /// Seconds of each music track
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=180))]
    seconds: u32,

    /// Runs of each program at levels 0 and 5, of which the median counts; at level 8 half as many
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=50))]
    runs: u32,

    /// A short run that only shows that the bench works: a part of the sounds, one run, no 4.5 GiB file
    #[arg(long)]
    quick: bool,
}

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == process::MEASURE) {
        return process::measure_here(words.collect::<Vec<OsString>>());
    }
    match bench(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Measures, prints, and says whether every bar holds.
fn bench(args: &Args) -> anyhow::Result<bool> {
    let converter = args.converter.canonicalize().with_context(|| {
        format!("there is no {}; build it with: cargo build --release --package converter", args.converter.display())
    })?;
    encoders::check_flags(&converter)?;
    std::fs::create_dir_all(&args.folder).with_context(|| format!("cannot make {}", args.folder.display()))?;
    let folder = args.folder.canonicalize()?;
    let plan = plan::Plan::new(args.quick, args.runs, args.seconds);
    println!("{}", report::machine(&converter));
    let sets = sounds::prepare(&folder, &plan)?;
    let results = plan.run(&converter, &folder, &sets)?;
    print!("{}", report::tables(&results));
    let bars = bars::judge(&results);
    print!("{}", report::bars(&bars));
    Ok(bars.iter().all(|bar| bar.verdict != bars::Verdict::Missed))
}
