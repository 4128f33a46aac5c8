//! How long a plan of a million files takes and how much memory, in one folder and in a hundred thousand.
//!
//! The files have sizes as recordings do and no content; a plan looks at no more. They are made here and removed at the end.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use crate::bar::{self, Bar};
use crate::table::Table;
use crate::usage::Usage;
use crate::{found, machine, process};

/// Entries of the source folder.
const FILES: u32 = 1_000_000;
/// Shards that they are dealt to.
const SHARDS: usize = 16;
/// What must hold.
const LONGEST: Duration = Duration::from_mins(1);
const MOST_MEMORY: u64 = 64 << 20;
const LEAST_EVEN: f64 = 1.1;

/// What to measure, and how much.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The converter to measure: a release build
    #[arg(long, value_name = "PROGRAM", default_value = "target/release/converter")]
    converter: PathBuf,

    /// Folder in which the files are made, on the disk that is measured
    #[arg(long, value_name = "FOLDER", default_value = "target/bench")]
    folder: PathBuf,

    /// A short run over a fiftieth of the files that only shows that the bench works
    #[arg(long)]
    quick: bool,
}

/// How the files lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// All in one folder.
    Wide,
    /// Ten in a folder, folders in folders.
    Deep,
}

impl Shape {
    fn name(self) -> &'static str {
        match self {
            Self::Wide => "in one folder",
            Self::Deep => "ten in a folder",
        }
    }

    /// The path of a file below the source folder.
    fn path(self, number: u32) -> String {
        match self {
            Self::Wide => format!("recording {number:07}.wav"),
            Self::Deep => {
                let folder = number / 10;
                format!(
                    "station {}/{:02}/day {:04}/take {}.wav",
                    folder % 10,
                    folder / 10 % 100,
                    folder / 1000,
                    number % 10
                )
            }
        }
    }
}

/// What a plan took.
#[derive(Debug, Clone, Copy)]
struct Planned {
    shape: Shape,
    files: u32,
    usage: Usage,
    /// Bytes of the largest shard over those of the smallest.
    evenness: f64,
}

/// Measures, prints, and says whether every bar holds.
pub fn bench(args: &Args) -> anyhow::Result<bool> {
    fs::create_dir_all(&args.folder)?;
    let converter = found(&args.converter, "cargo build --release --package converter")?;
    println!("{}", machine(&[(&converter, "--version")]));
    let files = if args.quick { FILES / 50 } else { FILES };
    let mut planned = Vec::new();
    for shape in [Shape::Wide, Shape::Deep] {
        planned.push(measure(&converter, &args.folder, shape, files)?);
    }
    print!("{}", table(&planned));
    let bars = judge(&planned, args.quick);
    print!("{}", bar::table(&bars, "plans that are on the disk"));
    Ok(bars.iter().all(|bar| bar.verdict != bar::Verdict::Missed))
}

fn measure(converter: &Path, folder: &Path, shape: Shape, files: u32) -> anyhow::Result<Planned> {
    let folder = tempfile::Builder::new().prefix("plan-").tempdir_in(folder)?;
    let source = folder.path().join("source");
    eprintln!("plan: making {files} files {}", shape.name());
    make(&source, shape, files)?;
    let (destination, records) = (folder.path().join("destination"), folder.path().join("records"));
    let mut arguments: Vec<OsString> = ["batch", "plan"].map(OsString::from).into();
    for (flag, value) in [("--source", &source), ("--destination", &destination), ("--records", &records)] {
        arguments.extend([flag.into(), value.into()]);
    }
    arguments.extend(["--shards".into(), SHARDS.to_string().into()]);
    eprintln!("plan: planning");
    let usage = process::measure(converter, &arguments)?;
    Ok(Planned { shape, files, usage, evenness: evenness(&records.join("plan/plan.json"), files)? })
}

/// Makes the files, some orders of magnitude apart in size, and none of them taking space.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn make(source: &Path, shape: Shape, files: u32) -> anyhow::Result<()> {
    let mut random = Random(1);
    for number in 0..files {
        let path = source.join(shape.path(number));
        if let Some(above) = path.parent()
            && (number == 0 || shape == Shape::Deep && number % 10 == 0)
        {
            fs::create_dir_all(above)?;
        }
        let size = 1e6 * random.normal().exp();
        File::create_new(&path)?.set_len(size as u64).with_context(|| format!("cannot make {}", path.display()))?;
    }
    Ok(())
}

/// The same numbers each time, which look like chance.
struct Random(u64);

impl Random {
    /// Above 0, at most 1.
    #[allow(clippy::cast_precision_loss)]
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) + 1) as f64 / f64::from(1u32 << 31)
    }

    /// By Box and Muller.
    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// Reads how even the shards are, and that no file is missing.
#[allow(clippy::cast_precision_loss)]
fn evenness(plan: &Path, files: u32) -> anyhow::Result<f64> {
    let plan: serde_json::Value = serde_json::from_slice(&fs::read(plan)?)?;
    anyhow::ensure!(plan["files"] == files, "the plan has {} files and not {files}", plan["files"]);
    let bytes: Vec<u64> = serde_json::from_value(plan["shard_bytes"].clone())?;
    let (least, most) = (bytes.iter().min().copied().unwrap_or(0), bytes.iter().max().copied().unwrap_or(0));
    Ok(most as f64 / least as f64)
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

fn table(planned: &[Planned]) -> String {
    let mut table = Table::new(&["plan", "files", "took", "CPU", "peak", "largest shard / smallest"]);
    for Planned { shape, files, usage, evenness } in planned {
        table.row(vec![
            shape.name().to_owned(),
            files.to_string(),
            seconds(usage.wall),
            seconds(usage.cpu),
            mebibytes(usage.peak),
            format!("{evenness:.4}"),
        ]);
    }
    format!("{table}\n")
}

fn judge(planned: &[Planned], quick: bool) -> Vec<Bar> {
    let bar = |what: &str, planned: &Planned, limit: String, measured: String, holds| {
        let what = format!("{what} {}", planned.shape.name());
        if quick {
            return Bar::not_measured(what, limit, &format!("{measured}, but in a quick run"));
        }
        Bar::new(what, limit, measured, holds)
    };
    planned
        .iter()
        .flat_map(|one| {
            let Usage { wall, peak, .. } = one.usage;
            [
                bar(
                    "planning a million files",
                    one,
                    format!("at most {}", seconds(LONGEST)),
                    seconds(wall),
                    wall <= LONGEST,
                ),
                bar(
                    "its memory,",
                    one,
                    format!("at most {}", mebibytes(MOST_MEMORY)),
                    mebibytes(peak),
                    peak <= MOST_MEMORY,
                ),
                bar(
                    "its shards,",
                    one,
                    format!("at most {LEAST_EVEN} x"),
                    format!("{:.4} x", one.evenness),
                    one.evenness <= LEAST_EVEN,
                ),
            ]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bar::Verdict;

    fn planned(wall: u64, peak: u64, evenness: f64) -> Planned {
        let usage = Usage { wall: Duration::from_secs(wall), peak: peak << 20, ..Usage::default() };
        Planned { shape: Shape::Wide, files: FILES, usage, evenness }
    }

    #[test]
    fn bars_are_of_time_memory_and_evenness() {
        use Verdict::{Holds, Missed, NotMeasured};
        let verdicts = |planned, quick| -> Vec<_> { judge(&[planned], quick).iter().map(|bar| bar.verdict).collect() };
        assert_eq!(verdicts(planned(60, 64, 1.1), false), [Holds, Holds, Holds]);
        assert_eq!(verdicts(planned(61, 65, 1.2), false), [Missed, Missed, Missed]);
        assert_eq!(verdicts(planned(1, 1, 1.0), true), [NotMeasured; 3]);
    }

    #[test]
    fn every_file_has_a_path_of_its_own() {
        for shape in [Shape::Wide, Shape::Deep] {
            let paths: std::collections::HashSet<_> = (0..30_000).map(|number| shape.path(number)).collect();
            assert_eq!(paths.len(), 30_000);
        }
    }
}
