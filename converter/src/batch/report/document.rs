//! `report.json`. Failures come last in it and are written as they are read.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use serde::ser::{Error as _, SerializeSeq};
use serde::{Serialize, Serializer};

use super::super::records::Plan;
use super::super::summary::{ByteTotals, FileTotals};
use super::Args;
use super::tally::{Failed, Failures, Folders, Slow, Sources, Totals};

/// The report but for the failures.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Name of the job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// How the conversion ended, if not well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// When the records may go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The source folder.
    pub source: String,
    /// The destination folder.
    pub destination: String,
    /// Where the records lie.
    pub records: String,
    /// Files by outcome.
    pub files: FileTotals,
    /// Bytes of converted files.
    pub bytes: ByteTotals,
    /// `output / input`; absent while nothing is converted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// What became of sources.
    pub sources: Sources,
    /// When what.
    #[serde(flatten)]
    pub times: Times,
    /// Failed files by reason.
    pub reasons: BTreeMap<String, u64>,
    /// Skipped files by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Converted files by warning.
    pub warnings: BTreeMap<String, u64>,
    /// The converted files that took longest.
    pub slowest: Vec<Slow>,
    /// Folders by what they saved.
    pub folders: Folders,
}

/// When what, and how fast.
#[derive(Clone, Debug, Serialize)]
pub struct Times {
    /// When the plan was made.
    pub planned_at: String,
    /// When the last record was written; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worked_until: Option<Timestamp>,
    /// When this was written.
    pub reported_at: Timestamp,
    /// Time that workers spent on files, in seconds, all added up.
    pub seconds: f64,
    /// From the plan to the last record, pauses included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elapsed_seconds: Option<f64>,
    /// Source bytes of converted files for each of those seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<f64>,
}

impl Times {
    fn new(plan: &Plan, totals: &Totals, worked_until: Option<Timestamp>, reported_at: Timestamp) -> Self {
        let planned: Option<Timestamp> = plan.planned_at.parse().ok();
        let elapsed = planned.zip(worked_until).map(|(from, to)| to.duration_since(from).as_secs_f64());
        // The volume's clock may be another's.
        let elapsed = elapsed.filter(|seconds| *seconds > 0.0);
        #[allow(clippy::cast_precision_loss)]
        let rate = |seconds: f64| totals.bytes.input as f64 / seconds;
        Self {
            planned_at: plan.planned_at.clone(),
            worked_until,
            reported_at,
            seconds: totals.seconds,
            elapsed_seconds: elapsed,
            bytes_per_second: elapsed.map(rate),
        }
    }
}

impl Report {
    /// Puts together what `args` say and what the records came to.
    pub fn new(
        args: &Args,
        plan: &Plan,
        totals: Totals,
        worked_until: Option<Timestamp>,
        reported_at: Timestamp,
    ) -> Self {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let ByteTotals { input, output } = totals.bytes;
        #[allow(clippy::cast_precision_loss)]
        let ratio = (input > 0).then(|| output as f64 / input as f64);
        let expires_at = args.choices.keep_for.map(|seconds| {
            let kept = jiff::SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
            reported_at.checked_add(kept).unwrap_or(Timestamp::MAX)
        });
        Self {
            title: args.choices.title.clone(),
            ended: args.ended.clone(),
            expires_at,
            source: text(&args.places.source),
            destination: text(&args.places.destination),
            records: text(&args.places.records),
            files: FileTotals::of(totals.counts),
            bytes: totals.bytes,
            ratio,
            sources: totals.sources,
            times: Times::new(plan, &totals, worked_until, reported_at),
            reasons: totals.reasons,
            skipped: totals.skipped,
            warnings: totals.warnings,
            slowest: totals.slowest,
            folders: totals.folders,
        }
    }
}

/// The report with its failures, of which the first are kept as they go by.
#[derive(Serialize)]
pub struct Whole<'a> {
    #[serde(flatten)]
    report: &'a Report,
    failures: Stream<'a>,
}

impl<'a> Whole<'a> {
    /// Ready to be written once; afterwards `first` holds the first `keep` failures.
    pub fn new(report: &'a Report, failures: &'a mut Failures, first: &'a mut Vec<Failed>, keep: usize) -> Self {
        Self { report, failures: Stream(RefCell::new((failures, first)), keep) }
    }
}

struct Stream<'a>(RefCell<(&'a mut Failures, &'a mut Vec<Failed>)>, usize);

impl Serialize for Stream<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(state, keep) = self;
        let (failures, first) = &mut *state.try_borrow_mut().map_err(S::Error::custom)?;
        let mut list = serializer.serialize_seq(None)?;
        while let Some(failed) = failures.next().map_err(S::Error::custom)? {
            list.serialize_element(&failed)?;
            if first.len() < *keep {
                first.push(failed);
            }
        }
        list.end()
    }
}
