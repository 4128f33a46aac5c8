//! What a stage tells on its last line (`converter batch` prints it, the pod's log holds it), read from untrusted text.
//!
//! Only the reading lives here; which pod's log it is, and what follows from it, is decided elsewhere.

use crds::conditions::JobReason;
use crds::conversionjob::{ByteCounts, FileCounts, FileFailure};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::conditions::shorten;

/// Longest line that is read, in bytes. The stages promise to stay within it.
pub const MAX_LINE: usize = 64 * 1024;
/// Most failures that the status lists.
const MAX_FAILURES: usize = 20;
/// Longest path of a failure in the status, in bytes.
const MAX_PATH: usize = 256;
/// Longest reason of a failure in the status, in bytes.
const MAX_REASON: usize = 64;
/// Longest message of a failure or an error in the status, in bytes.
const MAX_MESSAGE: usize = 1024;

/// Why a run ends without a complete report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The reason of the condition.
    pub reason: JobReason,
    /// What is wrong and what to change.
    pub message: String,
}

/// What the plan stage found.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanResult {
    /// Files to convert.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files of each shard.
    pub shard_files: Vec<u64>,
}

impl PlanResult {
    /// How many indexes the convert Job needs: up to the last shard that has a file. With fewer files than shards, the
    /// empty ones need no pod.
    pub fn shards_with_files(&self) -> usize {
        self.shard_files.iter().rposition(|&files| files > 0).map_or(0, |last| last + 1)
    }
}

/// What the report stage found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportResult {
    /// Files by outcome.
    pub files: FileCounts,
    /// Bytes of the converted files, before and after.
    pub bytes: ByteCounts,
    /// Up to 20 files that could not be converted.
    pub failures: Vec<FileFailure>,
    /// Where the report lies, as a path inside the pod.
    pub report: String,
}

/// What a log says about its stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told<R> {
    /// The stage did its work.
    Result(R),
    /// The stage met something that only a person can change.
    Error(Failure),
    /// The log has no such line.
    Nothing,
}

/// A stage that tells a result.
pub trait StageResult: Sized {
    /// The stage's name on its line.
    const STAGE: &'static str;

    /// The result on the stage's line.
    fn read(line: Value) -> Option<Self>;
}

impl StageResult for PlanResult {
    const STAGE: &'static str = "plan";

    fn read(line: Value) -> Option<Self> {
        serde_json::from_value(line).ok()
    }
}

/// The convert stage tells its result to the volume; only its errors are read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worked;

impl StageResult for Worked {
    const STAGE: &'static str = "work";

    fn read(_: Value) -> Option<Self> {
        Some(Self)
    }
}

impl StageResult for ReportResult {
    const STAGE: &'static str = "report";

    fn read(line: Value) -> Option<Self> {
        #[derive(Deserialize)]
        struct Line {
            files: FileCounts,
            bytes: ByteCounts,
            #[serde(default)]
            failures: Vec<FileFailure>,
            report: String,
        }
        let Line { files, bytes, mut failures, report } = from_value(line)?;
        failures.truncate(MAX_FAILURES);
        for failure in &mut failures {
            failure.path = shorten(&failure.path, MAX_PATH);
            failure.reason = shorten(&failure.reason, MAX_REASON);
            failure.message = shorten(&failure.message, MAX_MESSAGE);
        }
        Some(Self { files, bytes, failures, report: shorten(&report, MAX_MESSAGE) })
    }
}

fn from_value<T: DeserializeOwned>(value: Value) -> Option<T> {
    serde_json::from_value(value).ok()
}

/// What the last line of a log that speaks for the stage says.
///
/// A pod's log holds standard output and standard error in one, so lines of the logger may follow the result: the last
/// line counts that is a JSON object of this stage. Lines over [`MAX_LINE`] are passed over.
pub fn read<R: StageResult>(log: &str) -> Told<R> {
    log.lines().rev().find_map(read_line).unwrap_or(Told::Nothing)
}

fn read_line<R: StageResult>(line: &str) -> Option<Told<R>> {
    let line = line.trim();
    if line.len() > MAX_LINE || !line.starts_with('{') {
        return None;
    }
    let value: Value = serde_json::from_str(line).ok()?;
    if value.get("stage")?.as_str()? != R::STAGE {
        return None;
    }
    match value.get("error") {
        Some(error) => Some(Told::Error(read_error(error))),
        None => R::read(value).map(Told::Result),
    }
}

fn read_error(error: &Value) -> Failure {
    let text = |key| error.get(key).and_then(Value::as_str).unwrap_or_default();
    let message = shorten(text("message"), MAX_MESSAGE);
    match JobReason::from_name(text("reason")) {
        Some(reason) if !message.is_empty() => Failure { reason, message },
        Some(reason) => Failure { reason, message: reason.to_string() },
        // A converter newer than this operator may know more reasons.
        None => Failure {
            reason: JobReason::StageFailed,
            message: format!("{}: {message}", shorten(text("reason"), MAX_REASON)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLAN: &str = r#"{"stage":"plan","files":3,"bytes":70000,"shard_files":[2,1,0,0]}"#;
    const REPORT: &str = r#"{"stage":"report","files":{"total":4,"converted":2,"skipped":1,"failed":1},"bytes":{"input":100,"output":58},"failures":[{"path":"a/ö.wav","reason":"not_wav","message":"it is text"}],"report":"/source/.flacship/u-1/report.json"}"#;

    #[test]
    fn reads_the_line_of_each_stage() {
        let plan = PlanResult { files: 3, bytes: 70_000, shard_files: vec![2, 1, 0, 0] };
        assert_eq!(plan.shards_with_files(), 2);
        assert_eq!(read(PLAN), Told::Result(plan));
        let Told::Result(report) = read::<ReportResult>(REPORT) else { panic!("no result") };
        assert_eq!(report.files, FileCounts { total: 4, converted: 2, skipped: 1, failed: 1 });
        assert_eq!(report.failures[0].path, "a/ö.wav");
        assert_eq!(read(r#"{"stage":"work","shard":0,"converted":1,"skipped":0,"failed":0}"#), Told::Result(Worked));
    }

    #[test]
    fn the_last_line_of_the_stage_counts_whatever_else_the_log_holds() {
        let later = r#"{"stage":"plan","files":1,"bytes":1,"shard_files":[1]}"#;
        for noise in [
            "",
            "2026-01-01T00:00:00Z  INFO walked the source",
            "{",
            r#"{"level":"INFO","message":"done"}"#,
            r#"{"stage":7}"#,
            r#"{"stage":"report","files":{}}"#,
            r#"{"stage":"plan","files":"many"}"#,
            r#"{"stage":"plan","files":-1,"bytes":0,"shard_files":[]}"#,
            "[1]",
            "\u{0}\u{fffd}",
        ] {
            let log = format!("{PLAN}\n{noise}\n{later}\n{noise}\r\n{noise}");
            assert_eq!(read(&log), Told::Result(PlanResult { files: 1, bytes: 1, shard_files: vec![1] }), "{noise:?}");
        }
    }

    #[test]
    fn a_log_without_the_line_tells_nothing() {
        for log in ["", "\n\n", "panicked at main.rs", "{\"stage\":\"plan\"", REPORT, r#"{"stage":"plan"}"#] {
            assert_eq!(read::<PlanResult>(log), Told::Nothing, "{log:?}");
        }
    }

    #[test]
    fn an_over_long_line_is_passed_over() {
        let fitting =
            format!(r#"{{"stage":"plan","files":1,"bytes":1,"shard_files":[1],"x":"{}"}}"#, "x".repeat(60_000));
        assert!(matches!(read::<PlanResult>(&fitting), Told::Result(_)));
        let long = format!(r#"{{"stage":"plan","files":9,"bytes":9,"shard_files":[9],"x":"{}"}}"#, "x".repeat(70_000));
        assert_eq!(read::<PlanResult>(&long), Told::Nothing);
        assert!(matches!(read::<PlanResult>(&format!("{PLAN}\n{long}")), Told::Result(PlanResult { files: 3, .. })));
    }

    #[test]
    fn an_error_keeps_its_reason_and_words() {
        let line = |reason: &str| {
            format!(r#"{{"stage":"work","error":{{"reason":"{reason}","message":"/source/x is no folder"}}}}"#)
        };
        let told =
            |reason: JobReason, message: &str| Told::<Worked>::Error(Failure { reason, message: message.to_owned() });
        assert_eq!(read(&line("SourceNotFound")), told(JobReason::SourceNotFound, "/source/x is no folder"));
        assert_eq!(read(&line("Moonphase")), told(JobReason::StageFailed, "Moonphase: /source/x is no folder"));
        assert_eq!(
            read(r#"{"stage":"work","error":{"reason":"InvalidGlob"}}"#),
            told(JobReason::InvalidGlob, "InvalidGlob")
        );
        assert!(matches!(read::<Worked>(r#"{"stage":"work","error":"oh"}"#), Told::Error(_)));
    }

    #[test]
    fn a_report_is_cut_to_what_a_status_may_hold() {
        let failures: Vec<Value> = (0..50)
            .map(|_| serde_json::json!({"path": "ä".repeat(900), "reason": "r".repeat(900), "message": "m".repeat(9000)}))
            .collect();
        let mut line: Value = serde_json::from_str(REPORT).unwrap();
        line["failures"] = Value::Array(failures);
        let report = ReportResult::read(line).unwrap();
        assert_eq!(report.failures.len(), 20);
        let first = &report.failures[0];
        assert!(first.path.len() <= 256 && first.reason.len() <= 64 && first.message.len() <= 1024);
        assert!(first.path.ends_with('…'));
    }

    proptest! {
        #[test]
        fn no_log_makes_it_panic(log in "(\\PC|\n){0,200}") {
            let _ = read::<ReportResult>(&log);
        }

        #[test]
        fn a_line_survives_any_log_around_it(before in "(\\PC|\n){0,80}", after in "(\\PC|\n){0,80}") {
            let log = format!("{before}\n{PLAN}\n{after}");
            prop_assert!(matches!(read::<PlanResult>(&log), Told::Result(_)));
        }
    }
}
