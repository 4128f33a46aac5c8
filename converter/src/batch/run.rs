//! The three stages in one process, over two folders: what a person runs on a laptop. Same records, same resume.
//!
//! Records are in a folder of their own below `DESTINATION/.flacship`, named by the time. `order.json` in it says what was
//! asked for. A run is unfinished until its report is written; the newest unfinished run of the same order is gone on
//! with, and otherwise a new one begins.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Serialize;

use crate::interrupt::Interrupt;

use super::console::Console;
use super::error::Error;
use super::globs::Globs;
use super::places::{Places, make_folder};
use super::records::Order;
use super::store::Store;
use super::summary::{FailedFile, ReportSummary};
use super::{atomic, plan, report, summary, words, work};

/// Where the records of runs are, below the destination.
const RECORDS: &str = ".flacship";

/// What to convert, where to, and how.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder that holds the WAV files, searched with all its subfolders
    #[arg(value_name = "SOURCE")]
    source: PathBuf,

    /// Folder for the FLAC files; may be the source itself; made if it is missing
    #[arg(value_name = "DESTINATION")]
    destination: PathBuf,

    /// Folder for the records of this run. Without it: below DESTINATION/.flacship the newest unfinished run of the same
    /// source, globs and layout, or a new one
    #[arg(long, value_name = "DIR")]
    records: Option<PathBuf>,

    #[command(flatten)]
    what: plan::Choices,

    #[command(flatten)]
    how: work::Choices,

    #[command(flatten)]
    about: report::Choices,

    /// Print one line of JSON instead of words
    #[arg(long)]
    pub(super) json: bool,
}

/// What a run came to.
#[derive(Clone, Debug, Serialize)]
pub struct RunSummary {
    /// What the report says.
    #[serde(flatten)]
    report: ReportSummary,
    #[serde(skip)]
    took: Duration,
}

/// Plans, works and reports; or goes on where an earlier run was.
pub fn run(args: &Args, console: &Console) -> Result<RunSummary, Error> {
    let began = Instant::now();
    let mut places =
        Places { source: args.source.clone(), destination: args.destination.clone(), records: PathBuf::new() };
    // All that can be wrong is looked at before anything is made.
    Globs::new(&args.what.include, &args.what.exclude)?;
    places.source = places.open_source()?;
    places.destination = places.make_destination()?;
    places.records = match &args.records {
        Some(records) => records.clone(),
        None => choose(&places.destination.join(RECORDS), &args.what.order(&places.source))?,
    };
    let interrupt = Interrupt::watch(Duration::from_secs(args.how.grace_seconds.into()), |stop| {
        tracing::info!(signal = stop.name(), "stopped by a signal; the same command goes on from here");
    })
    .map_err(Error::io("taking signals for", &places.records))?;

    let planned = plan::run(&plan::Args { places: places.clone(), choices: args.what.clone() }, console)?;
    for shard in 0..planned.shard_files.len() {
        let args = work::Args {
            places: places.clone(),
            shard,
            layout: None,
            termination_log: None,
            choices: args.how.clone(),
        };
        work::run_until(&args, console, &interrupt)?;
    }
    let report = report::run(&report::Args { places, choices: args.about.clone(), ended: None })?;
    interrupt.over();
    Ok(RunSummary { report, took: began.elapsed() })
}

/// The records folder: that of the newest unfinished run of this order, or a new one.
fn choose(folder: &Path, order: &Order) -> Result<PathBuf, Error> {
    make_folder(folder)?;
    if let Some(records) = unfinished(folder, order).map_err(Error::io("reading", folder))? {
        tracing::info!(records = %records.display(), "going on with a run that is not finished");
        return Ok(records);
    }
    let records = claim(folder, Timestamp::now()).map_err(Error::making(folder))?;
    let path = Store::new(&records).order();
    atomic::write(&path, |out| Ok(serde_json::to_writer_pretty(out, order)?)).map_err(Error::making(&path))?;
    Ok(records)
}

fn unfinished(folder: &Path, order: &Order) -> io::Result<Option<PathBuf>> {
    let mut newest = None;
    for entry in fs::read_dir(folder)? {
        let records = entry?.path();
        let store = Store::new(&records);
        let asked = fs::read(store.order()).ok().and_then(|text| serde_json::from_slice::<Order>(&text).ok());
        // The names are times, so the last is the newest.
        if asked.as_ref() == Some(order) && !store.report().exists() && newest.as_ref() < Some(&records) {
            newest = Some(records);
        }
    }
    Ok(newest)
}

/// Makes a folder that is named by the time and was not there before.
fn claim(folder: &Path, now: Timestamp) -> io::Result<PathBuf> {
    let name = now.strftime("%Y-%m-%dT%H-%M-%SZ").to_string();
    for number in 1.. {
        let name = if number == 1 { name.clone() } else { format!("{name}-{number}") };
        let records = folder.join(name);
        match fs::create_dir(&records) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|()| records),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// The line for programs: that of the report.
pub fn line(stage: &str, summary: &RunSummary) -> serde_json::Result<String> {
    summary::report_line(stage, &summary.report)
}

impl RunSummary {
    /// What happened, for a person.
    pub fn words(&self) -> String {
        let ReportSummary { files, bytes, failures, page, .. } = &self.report;
        let counts = files.counts;
        let mut lines = vec![format!(
            "{} in {}: {} converted, {} skipped, {} failed.",
            words::files(files.total),
            words::duration(self.took.as_secs_f64()),
            words::count(counts.converted),
            words::count(counts.skipped),
            words::count(counts.failed)
        )];
        if counts.converted > 0 {
            let less = words::less(bytes.input, bytes.output).map_or(String::new(), |less| format!(", {less}"));
            lines.push(format!("{} of WAV, {} of FLAC{less}.", words::bytes(bytes.input), words::bytes(bytes.output)));
        }
        if !failures.is_empty() {
            lines.push("Failed:".to_owned());
            let line = |FailedFile { path, reason, message }: &FailedFile| {
                format!("  {}: {} ({reason})", words::visible(path), words::visible(message))
            };
            lines.extend(failures.iter().map(line));
        }
        match counts.failed.saturating_sub(failures.len() as u64) {
            0 => {}
            more => lines.push(format!("  and {} more, all of them in the report", words::count(more))),
        }
        lines.push(format!("Report: {page}"));
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::Layout;
    use super::super::records::Counts;
    use super::super::summary::{ByteTotals, FileTotals};
    use super::*;

    fn order(shards: usize) -> Order {
        Order { source: "/s".into(), include: vec![], exclude: vec![], shards, layout: Layout::Mirror }
    }

    #[test]
    fn the_newest_unfinished_run_of_the_same_order_is_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let records = folder.path().join(".flacship");
        let first = choose(&records, &order(1)).unwrap();
        assert_eq!(choose(&records, &order(1)).unwrap(), first);
        let other = choose(&records, &order(2)).unwrap();
        assert_ne!(other, first, "another order");
        assert_eq!(choose(&records, &order(1)).unwrap(), first);

        let newer = records.join("9999-01-01T00-00-00Z");
        fs::create_dir(&newer).unwrap();
        assert_eq!(choose(&records, &order(1)).unwrap(), first, "nobody knows what it is of");
        fs::copy(first.join("order.json"), newer.join("order.json")).unwrap();
        assert_eq!(choose(&records, &order(1)).unwrap(), newer);
        for done in [&newer, &first] {
            fs::write(done.join("report.json"), "{}").unwrap();
        }
        let next = choose(&records, &order(1)).unwrap();
        assert!(![first, other, newer].contains(&next), "all are finished");
    }

    #[test]
    fn folders_of_one_second_have_names_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let now = "2026-11-30T21:33:06.9Z".parse().unwrap();
        let names = [(); 3].map(|()| claim(folder.path(), now).unwrap());
        let wanted = ["2026-11-30T21-33-06Z", "2026-11-30T21-33-06Z-2", "2026-11-30T21-33-06Z-3"];
        assert_eq!(names, wanted.map(|name| folder.path().join(name)));
    }

    fn summary(counts: Counts, failures: Vec<FailedFile>) -> RunSummary {
        let report = ReportSummary {
            files: FileTotals::of(counts),
            bytes: ByteTotals { input: 4 << 20, output: 1 << 20 },
            failures,
            report: "/d/report.json".into(),
            page: "/d/report.html".into(),
            expires_at: None,
        };
        RunSummary { report, took: Duration::from_secs(123) }
    }

    #[test]
    fn words() {
        let failures = vec![FailedFile::new("a\u{1b}.wav", "not_wav", "no RIFF")];
        let failed = summary(Counts { converted: 1500, skipped: 0, failed: 3 }, failures);
        assert_eq!(
            failed.words(),
            "1,503 files in 2 min 3 s: 1,500 converted, 0 skipped, 3 failed.\n\
             4.00 MiB of WAV, 1.00 MiB of FLAC, 75 % less.\n\
             Failed:\n  a\\u{1b}.wav: no RIFF (not_wav)\n  and 2 more, all of them in the report\n\
             Report: /d/report.html"
        );
        let nothing = summary(Counts { converted: 0, skipped: 1, failed: 0 }, vec![]);
        assert_eq!(nothing.words(), "1 file in 2 min 3 s: 0 converted, 1 skipped, 0 failed.\nReport: /d/report.html");
    }
}
