//! The third stage: merge the records of all shards into totals and a list of every failure. It reads only records, so
//! it can run at any time: after a failure or a deadline, or while workers run, for the state so far.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::Serialize;

use super::error::Error;
use super::path::RecordPath;
use super::places::Places;
use super::records::{Counts, Done, Failure, Outcome, Planned};
use super::store::Store;
use super::summary::{ByteTotals, FailedFile, FileTotals, MAX_FAILURES, ReportSummary};
use super::{atomic, journal};

/// Reason of a file that no worker came to.
pub const NOT_PROCESSED: &str = "not_processed";

/// What to report on.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    places: Places,
}

/// `report.json`.
#[derive(Debug, Serialize)]
struct Report {
    source: String,
    destination: String,
    planned_at: String,
    reported_at: String,
    files: FileTotals,
    bytes: ByteTotals,
    /// Time that workers spent on files, in seconds.
    seconds: f64,
    /// How many files failed for each reason.
    reasons: BTreeMap<String, u64>,
    /// How many files were converted with each warning.
    warnings: BTreeMap<String, u64>,
    /// Every file without a FLAC.
    failures: Vec<Failed>,
}

/// A file without a FLAC.
#[derive(Clone, Debug, Serialize)]
struct Failed {
    #[serde(flatten)]
    path: RecordPath,
    shard: usize,
    #[serde(flatten)]
    failure: Failure,
}

/// What the records come to.
#[derive(Debug, Default)]
struct Tally {
    counts: Counts,
    bytes: ByteTotals,
    seconds: f64,
    reasons: BTreeMap<String, u64>,
    warnings: BTreeMap<String, u64>,
    failures: Vec<Failed>,
}

impl Tally {
    /// Adds a planned file and its last record.
    fn add(&mut self, shard: usize, planned: Planned, done: Option<Done>) {
        let Some(done) = done else {
            let failure = planned.refused.unwrap_or_else(|| {
                Failure::new(
                    NOT_PROCESSED,
                    "no worker came to this file: run the job again, or look at why its worker ended",
                )
            });
            return self.fail(shard, planned.path, failure);
        };
        self.seconds += done.seconds;
        match done.outcome {
            Outcome::Converted => {
                self.bytes.input += done.input_bytes;
                self.bytes.output += done.output_bytes;
                for warning in done.warnings {
                    *self.warnings.entry(warning.code).or_default() += 1;
                }
                self.counts.add(Outcome::Converted);
            }
            Outcome::Skipped => self.counts.add(Outcome::Skipped),
            Outcome::Failed => {
                let failure =
                    Failure { reason: done.reason.unwrap_or_default(), message: done.message.unwrap_or_default() };
                self.fail(shard, planned.path, failure);
            }
        }
    }

    fn fail(&mut self, shard: usize, path: RecordPath, failure: Failure) {
        self.counts.add(Outcome::Failed);
        *self.reasons.entry(failure.reason.clone()).or_default() += 1;
        self.failures.push(Failed { path, shard, failure });
    }
}

/// Writes `report.json` and sums it up.
pub fn run(args: &Args) -> Result<ReportSummary, Error> {
    let plan = args.places.read_plan()?;
    let store = args.places.store();
    let mut tally = Tally::default();
    for shard in 0..plan.order.shards {
        tally_shard(&store, shard, &mut tally)?;
    }
    // By path; those that nobody came to last, as they tell the least.
    tally.failures.sort_by(|one, other| {
        let key = |failed: &Failed| failed.failure.reason == NOT_PROCESSED;
        key(one).cmp(&key(other)).then_with(|| one.path.as_bytes().cmp(other.path.as_bytes()))
    });
    let Counts { converted, skipped, failed } = tally.counts;
    let report = Report {
        source: text(&args.places.source),
        destination: text(&args.places.destination),
        planned_at: plan.planned_at,
        reported_at: jiff::Timestamp::now().to_string(),
        files: FileTotals { total: converted + skipped + failed, counts: tally.counts },
        bytes: tally.bytes,
        seconds: tally.seconds,
        reasons: tally.reasons,
        warnings: tally.warnings,
        failures: tally.failures,
    };
    let path = store.report();
    atomic::write(&path, |out| {
        serde_json::to_writer_pretty(&mut *out, &report)?;
        out.write_all(b"\n")
    })
    .map_err(Error::making(&path))?;
    tracing::info!(converted, skipped, failed, report = %path.display(), "reported");
    Ok(ReportSummary {
        files: report.files,
        bytes: report.bytes,
        failures: report.failures.iter().take(MAX_FAILURES).map(cut).collect(),
        report: text(&path),
        page: text(&store.page()),
        expires_at: None,
    })
}

/// Adds a shard: every planned file with its last record. Memory is that of the shard's records.
fn tally_shard(store: &Store, shard: usize, tally: &mut Tally) -> Result<(), Error> {
    let mut records: HashMap<u64, Done> = HashMap::new();
    let path = store.results(shard);
    journal::read(&path, |done: Done| {
        records.insert(done.n, done);
    })
    .map_err(Error::io("reading", &path))?;
    let path = store.planned(shard);
    let mut n = 0;
    journal::read(&path, |planned: Planned| {
        let done = records.remove(&n);
        n += 1;
        tally.add(shard, planned, done);
    })
    .map_err(Error::io("reading", &path))
}

fn cut(failed: &Failed) -> FailedFile {
    FailedFile::new(&failed.path.text(), &failed.failure.reason, &failed.failure.message)
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
