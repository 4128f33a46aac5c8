//! The third stage: merge the records of all shards into totals and a list of every failure. It reads only records, so
//! it can run at any time: after a failure or a deadline, or while workers run, for the state so far.
//!
//! [`tally`] adds up, [`document`] is `report.json`, [`page`] is `report.html`.

mod document;
mod page;
mod tally;
mod top;

use std::fs;
use std::path::Path;

use jiff::Timestamp;

use super::error::Error;
use super::places::Places;
use super::records::{Counts, Plan};
use super::spool::Limits;
use super::store::Store;
use super::summary::{FailedFile, MAX_FAILURES, ReportSummary};
use super::{atomic, lock};
use document::{Report, Whole};
use tally::{Failed, Tally};

/// How many failures the page shows; `report.json` has all.
const PAGE_FAILURES: usize = 500;

/// What to report on.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub places: Places,

    #[command(flatten)]
    pub choices: Choices,

    /// How the conversion ended, if not well; the report says so
    #[arg(long, value_name = "TEXT")]
    pub ended: Option<String>,
}

/// What is up to the user.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Choices {
    /// What the report is called, the name of the job say
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,

    /// For how long the records are to stay: after that a later run beside this one removes them. Without it they stay
    #[arg(long, value_name = "SECONDS")]
    pub keep_for: Option<u64>,
}

/// Writes `report.json` and `report.html` and sums them up.
pub fn run(args: &Args) -> Result<ReportSummary, Error> {
    let plan = args.places.read_plan()?;
    let store = args.places.store();
    let folder = store.root();
    let _lock = lock::of_run(&store.lock())?;
    atomic::clean(folder).map_err(Error::making(folder))?;
    let mut tally = Tally::new(folder, Limits::default()).map_err(Error::making(folder))?;
    for (shard, files) in plan.shard_files.iter().enumerate() {
        tally.add_shard(&store, shard, *files)?;
    }
    let worked_until = last_record(&store, &plan);
    let (totals, mut failures) = tally.finish().map_err(Error::io("adding up in", folder))?;
    let report = Report::new(args, &plan, totals, worked_until, Timestamp::now());

    let mut first: Vec<Failed> = Vec::new();
    let path = store.report();
    atomic::write(&path, |out| {
        serde_json::to_writer_pretty(&mut *out, &Whole::new(&report, &mut failures, &mut first, PAGE_FAILURES))?;
        out.write_all(b"\n")
    })
    .map_err(Error::making(&path))?;
    let page = store.page();
    atomic::write(&page, |out| page::write(out, &report, &first)).map_err(Error::making(&page))?;

    let Counts { converted, skipped, failed } = report.files.counts;
    tracing::info!(converted, skipped, failed, report = %path.display(), page = %page.display(), "reported");
    Ok(ReportSummary {
        files: report.files,
        bytes: report.bytes,
        failures: first.iter().take(MAX_FAILURES).map(cut).collect(),
        report: text(&path),
        page: text(&page),
        expires_at: report.expires_at.map(|time| time.to_string()),
    })
}

/// When the last record was written, by the volume's clock.
fn last_record(store: &Store, plan: &Plan) -> Option<Timestamp> {
    let times = (0..plan.shard_files.len()).filter_map(|shard| {
        let metadata = fs::metadata(store.results(shard)).ok().filter(|metadata| metadata.len() > 0)?;
        Timestamp::try_from(metadata.modified().ok()?).ok()
    });
    times.max()
}

fn cut(failed: &Failed) -> FailedFile {
    FailedFile::new(&failed.path.text(), &failed.failure.reason, &failed.failure.message)
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
