//! The converter over folders of files: `converter batch` beside `find … | xargs … flac`, on many short files and on a few
//! long ones, both verifying, from the start until all is on the disk.
//!
//! [`files`] has what they convert, [`sides`] how each is run, [`check`] whether what they made is right, [`bars`] what must
//! hold, [`report`] the tables. [`plan`] is apart: a plan of a million files.

mod bars;
mod check;
mod files;
pub mod plan;
mod report;
mod sides;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::usage::Usage;
use crate::{bar, corpus, found, machine};
use files::Kind;
use sides::Side;

/// What to measure, and how much.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The converter to measure: a release build
    #[arg(long, value_name = "PROGRAM", default_value = "target/release/converter")]
    converter: PathBuf,

    /// Folder for the files and what they are made of, on the disk that is measured
    #[arg(long, value_name = "FOLDER", default_value = "target/bench")]
    folder: PathBuf,

    /// How often each side converts all files, by turns
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    rounds: u32,

    /// Measure only these files; can be given many times
    #[arg(long, value_name = "KIND")]
    only: Vec<Kind>,

    /// A short run that only shows that the bench works
    #[arg(long)]
    quick: bool,
}

/// What the two sides took on one kind of files.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Compared {
    kind: Kind,
    files: usize,
    /// Bytes of all files.
    bytes: u64,
    /// Playing time of all files in seconds.
    seconds: u64,
    ours: Vec<Usage>,
    theirs: Vec<Usage>,
    /// Bytes of all FLACs.
    our_bytes: u64,
    their_bytes: u64,
}

/// All that was measured.
#[derive(Debug, Default)]
struct Results {
    compared: Vec<Compared>,
    quick: bool,
}

/// Measures, prints, and says whether every bar holds.
pub fn bench(args: &Args) -> anyhow::Result<bool> {
    fs::create_dir_all(&args.folder)?;
    let folder = args.folder.canonicalize()?;
    let converter = found(&args.converter, "cargo build --release --package converter")?;
    let music = music(&folder)?;
    println!("{}", machine(&[(&converter, "--version"), (Path::new("flac"), "--version")]));
    let mut results = Results { quick: args.quick, ..Results::default() };
    for kind in [Kind::Short, Kind::Long] {
        if args.only.is_empty() || args.only.contains(&kind) {
            results.compared.push(compare(args, kind, &converter, &folder.join("batch"), &music)?);
        }
    }
    print!("{}", report::tables(&results));
    let bars = bars::judge(&results);
    print!("{}", bar::table(&bars, "whole runs until all is on the disk"));
    Ok(bars.iter().all(|bar| bar.verdict != bar::Verdict::Missed))
}

/// Minutes of CD audio.
fn music(folder: &Path) -> anyhow::Result<PathBuf> {
    let only = vec![corpus::Category::Album];
    let wanted = corpus::Wanted { half: corpus::Half::Reported, only, quick: false };
    let sets = corpus::prepare(&wanted, &folder.join("packages"), &folder.join("wav"))?;
    sets.into_iter().flat_map(|set| set.sounds).next().map(|sound| sound.path).context("there is no music")
}

/// Runs both sides by turns, each where nothing is made yet, and checks all that they made.
fn compare(args: &Args, kind: Kind, converter: &Path, folder: &Path, music: &Path) -> anyhow::Result<Compared> {
    let set = files::prepare(kind, args.quick, folder, music)?;
    let mut compared = Compared {
        kind,
        files: set.sounds.len(),
        bytes: set.bytes(),
        seconds: set.seconds(),
        ours: Vec::new(),
        theirs: Vec::new(),
        our_bytes: 0,
        their_bytes: 0,
    };
    let rounds = if args.quick { 1 } else { args.rounds };
    let sides = [Side::Converter(converter), Side::Flac { files_a_process: kind.files_a_process() }];
    for round in 0..rounds {
        let mut order = sides;
        if round % 2 == 1 {
            order.reverse();
        }
        for side in order {
            eprintln!("{}: {}, round {} of {rounds}", kind.name(), side.name(), round + 1);
            sides::clear(&set)?;
            set.warm()?;
            let usage = side.run(&set.folder)?;
            let bytes = check::all(&set)?;
            match side {
                Side::Converter(_) => {
                    compared.ours.push(usage);
                    compared.our_bytes = bytes;
                }
                Side::Flac { .. } => {
                    compared.theirs.push(usage);
                    compared.their_bytes = bytes;
                }
            }
        }
    }
    sides::clear(&set)?;
    Ok(compared)
}
