//! The converter as an encoder: CPU, time, memory and bytes against libFLAC, `flac`, `ffmpeg` and flacenc.
//!
//! [`crate::corpus`] has what they encode, [`encoders`] how each is asked, [`plan`] what is run, [`bars`] what must hold,
//! [`report`] the tables.

mod bars;
mod encoders;
mod figures;
mod instructions;
mod plan;
mod report;
mod rf64;

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::{bar, corpus, found, machine};

/// What to measure, and how often.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The converter to measure: a release build
    #[arg(long, value_name = "PROGRAM", default_value = "target/release/converter")]
    converter: PathBuf,

    /// The program that encodes with libFLAC: a release build
    #[arg(long, value_name = "PROGRAM", default_value = "target/release/libflac-peer")]
    libflac: PathBuf,

    /// Folder for what is downloaded, decoded and encoded
    #[arg(long, value_name = "FOLDER", default_value = "target/bench")]
    folder: PathBuf,

    /// Folder for the decoded sounds, as HALF/CATEGORY/NAME.wav [default: wav in the bench's folder]
    #[arg(long, value_name = "FOLDER")]
    sounds: Option<PathBuf>,

    /// Make the sounds of both halves and measure nothing
    #[arg(long)]
    sounds_only: bool,

    /// The half of the sounds to measure: settings are tuned on one, and the figures are from the other
    #[arg(long, default_value = "reported")]
    half: corpus::Half,

    /// Measure only this category; can be given many times
    #[arg(long, value_name = "CATEGORY")]
    only: Vec<corpus::Category>,

    /// Runs of each program at levels 0 and 5, of which the median counts; at level 8 half as many
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=50))]
    runs: u32,

    /// A short run that only shows that the bench works: a part of the sounds, one run, no 4.5 GiB file
    #[arg(long)]
    quick: bool,
}

/// Measures, prints, and says whether every bar holds.
pub fn bench(args: &Args) -> anyhow::Result<bool> {
    std::fs::create_dir_all(&args.folder).with_context(|| format!("cannot make {}", args.folder.display()))?;
    let folder = args.folder.canonicalize()?;
    let sounds = args.sounds.clone().unwrap_or_else(|| folder.join("wav"));
    // A quick run's are shorter.
    let sounds = if args.quick { sounds.join("quick") } else { sounds };
    let prepare = |half| {
        let wanted = corpus::Wanted { half, only: args.only.clone(), quick: args.quick };
        corpus::prepare(&wanted, &folder.join("packages"), &sounds)
    };
    if args.sounds_only {
        prepare(corpus::Half::Tuning)?;
        prepare(corpus::Half::Reported)?;
        return Ok(true);
    }
    let programs = encoders::Programs {
        converter: found(&args.converter, "cargo build --release --package converter")?,
        libflac: found(&args.libflac, "cargo build --release --package bench --features libflac")?,
    };
    encoders::check_flags(&programs.converter)?;
    let version = "--version";
    println!(
        "{}",
        machine(&[
            (&programs.converter, version),
            (&programs.libflac, version),
            (Path::new("flac"), version),
            (Path::new("ffmpeg"), "-version"),
        ])
    );
    let results = plan::Plan::new(args.quick, args.runs).run(&programs, &folder, &prepare(args.half)?)?;
    print!("{}", report::tables(&results, args.half));
    let bars = bars::judge(&results);
    print!("{}", bar::table(&bars, &format!("the {} half", args.half.name())));
    Ok(bars.iter().all(|bar| bar.verdict != bar::Verdict::Missed))
}
