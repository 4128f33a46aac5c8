//! The last line on standard output, which the operator reads from the pod's log: one JSON object, at most 64 KiB.

use std::io::Write;
use std::path::Path;

use serde::Serialize;

use super::error::ConfigReason;
use super::records::Counts;

/// Longest line in bytes, its newline included.
pub const MAX_LINE: usize = 64 * 1024;
/// Most failures in a line.
pub const MAX_FAILURES: usize = 20;
/// Longest path of a failure in bytes.
pub const MAX_PATH: usize = 256;
/// Longest message of a failure in bytes.
pub const MAX_MESSAGE: usize = 512;

/// What `plan` did.
#[derive(Debug, Serialize)]
pub struct PlanSummary {
    /// Files planned.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files of each shard.
    pub shard_files: Vec<u64>,
}

/// What `work` has done: the state of the whole shard, earlier tries included.
#[derive(Debug, Serialize)]
pub struct WorkSummary {
    /// The shard.
    pub shard: usize,
    /// Its files by outcome.
    pub files: FileTotals,
    /// Its bytes.
    pub bytes: WorkBytes,
}

/// Bytes of a shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WorkBytes {
    /// Of all its sources, as planned.
    pub total: u64,
    /// Of the sources of finished files, and what was read of those under way.
    pub done: u64,
    /// Of the sources of its converted files.
    pub input: u64,
    /// Of the FLACs of its converted files.
    pub output: u64,
}

/// What `report` found.
#[derive(Clone, Debug, Serialize)]
pub struct ReportSummary {
    /// Files by outcome.
    pub files: FileTotals,
    /// Bytes of the converted files.
    pub bytes: ByteTotals,
    /// The first failures, cut to size.
    pub failures: Vec<FailedFile>,
    /// Where the whole report lies.
    pub report: String,
    /// Where it lies as a page for people.
    pub page: String,
    /// When the records may go, RFC 3339; absent if they stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

/// Files by outcome; `total` is what was planned, and once all is done the sum of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FileTotals {
    /// All planned files.
    pub total: u64,
    /// Files by outcome.
    #[serde(flatten)]
    pub counts: Counts,
}

impl FileTotals {
    /// All of them done.
    pub fn of(counts: Counts) -> Self {
        Self { total: counts.converted + counts.skipped + counts.failed, counts }
    }
}

/// Bytes of the files that the run converted; skipped files do not count, so `output / input` is the ratio.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct ByteTotals {
    /// Of their sources.
    pub input: u64,
    /// Of their FLACs.
    pub output: u64,
}

/// A file without a FLAC.
#[derive(Clone, Debug, Serialize)]
pub struct FailedFile {
    /// Its path, cut at the front.
    pub path: String,
    /// A stable word.
    pub reason: String,
    /// A sentence, cut at the end.
    pub message: String,
}

impl FailedFile {
    /// Cuts a failure to size.
    pub fn new(path: &str, reason: &str, message: &str) -> Self {
        Self {
            path: keep_end(path, MAX_PATH),
            reason: keep_start(reason, MAX_PATH),
            message: keep_start(message, MAX_MESSAGE),
        }
    }
}

/// The error line of a stage.
#[derive(Debug, Serialize)]
pub struct ErrorLine<'a> {
    /// What to change.
    pub error: ErrorBody<'a>,
}

/// What is wrong.
#[derive(Debug, Serialize)]
pub struct ErrorBody<'a> {
    /// Which kind.
    pub reason: ConfigReason,
    /// In words.
    pub message: &'a str,
}

/// A stage's line: its name and what it has to say.
#[derive(Serialize)]
struct Line<'a, T> {
    stage: &'a str,
    #[serde(flatten)]
    body: &'a T,
}

/// The line of a stage, without its newline.
pub fn line<T: Serialize>(stage: &str, body: &T) -> serde_json::Result<String> {
    serde_json::to_string(&Line { stage, body })
}

/// The line of the report stage: as many of the failures as fit into [`MAX_LINE`].
pub fn report_line(stage: &str, summary: &ReportSummary) -> serde_json::Result<String> {
    let mut summary = summary.clone();
    summary.failures.truncate(MAX_FAILURES);
    loop {
        let line = line(stage, &summary)?;
        // Control characters are six bytes each in JSON, so 20 cut failures can still be too long.
        if line.len() < MAX_LINE || summary.failures.pop().is_none() {
            return Ok(line);
        }
    }
}

/// Prints a line as the last one. A closed standard output is no failure of the stage: the records are the truth.
pub fn print(line: &str) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = writeln!(out, "{line}").and_then(|()| out.flush()) {
        tracing::warn!(%error, "the summary could not be printed");
    }
}

/// Most bytes of a termination message that Kubernetes keeps.
const MAX_TERMINATION_MESSAGE: usize = 4096;

/// Writes a line to a file for Kubernetes' termination message, unless it is too long for one: half a line of JSON tells
/// nothing. What cannot be written is no failure of the stage either.
pub fn log(line: &str, path: &Path) {
    let result = if line.len() < MAX_TERMINATION_MESSAGE {
        std::fs::write(path, format!("{line}\n"))
    } else {
        Err(std::io::ErrorKind::FileTooLarge.into())
    };
    if let Err(error) = result {
        tracing::warn!(file = %path.display(), %error, "the termination message could not be written");
    }
}

/// `text`, or its start and an ellipsis, in at most `limit` bytes.
fn keep_start(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(limit.saturating_sub('…'.len_utf8()));
    format!("{}…", text.get(..end).unwrap_or_default())
}

/// `text`, or an ellipsis and its end, in at most `limit` bytes. Of a path the end tells files apart.
fn keep_end(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let start = text.ceil_char_boundary(text.len() - limit.saturating_sub('…'.len_utf8()));
    format!("…{}", text.get(start..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn report(failures: Vec<FailedFile>) -> ReportSummary {
        ReportSummary {
            files: FileTotals { total: 6, counts: Counts { converted: 1, skipped: 2, failed: 3 } },
            bytes: ByteTotals { input: 10, output: 5 },
            failures,
            report: "/d/report.json".into(),
            page: "/d/report.html".into(),
            expires_at: None,
        }
    }

    #[test]
    fn lines_read_as_the_protocol_says() {
        let plan = PlanSummary { files: 3, bytes: 9, shard_files: vec![2, 1] };
        assert_eq!(line("plan", &plan).unwrap(), r#"{"stage":"plan","files":3,"bytes":9,"shard_files":[2,1]}"#);
        let work = WorkSummary {
            shard: 4,
            files: FileTotals { total: 6, counts: Counts { converted: 1, skipped: 2, failed: 3 } },
            bytes: WorkBytes { total: 90, done: 90, input: 30, output: 15 },
        };
        assert_eq!(
            line("work", &work).unwrap(),
            r#"{"stage":"work","shard":4,"files":{"total":6,"converted":1,"skipped":2,"failed":3},"bytes":{"total":90,"done":90,"input":30,"output":15}}"#
        );
        let failures = vec![FailedFile::new("a.wav", "not_wav", "no RIFF")];
        assert_eq!(
            report_line("report", &report(failures)).unwrap(),
            r#"{"stage":"report","files":{"total":6,"converted":1,"skipped":2,"failed":3},"bytes":{"input":10,"output":5},"failures":[{"path":"a.wav","reason":"not_wav","message":"no RIFF"}],"report":"/d/report.json","page":"/d/report.html"}"#
        );
        let error = ErrorLine { error: ErrorBody { reason: ConfigReason::InvalidGlob, message: "m" } };
        assert_eq!(line("plan", &error).unwrap(), r#"{"stage":"plan","error":{"reason":"InvalidGlob","message":"m"}}"#);
    }

    fn failures(line: &str) -> usize {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        value["failures"].as_array().unwrap().len()
    }

    #[test]
    fn the_longest_failures_fit() {
        // The worst of all: every byte becomes six.
        let worst = "\u{1}".repeat(5000);
        let summary = report(vec![FailedFile::new(&worst, &worst, &worst); 10_000]);
        let line = report_line("report", &summary).unwrap();
        assert!(line.len() < MAX_LINE, "{}", line.len());
        assert!(failures(&line) > 0);

        let summary = report(vec![FailedFile::new(&"ä".repeat(4000), "not_wav", "no"); 10_000]);
        let line = report_line("report", &summary).unwrap();
        assert!(line.len() < MAX_LINE, "{}", line.len());
        assert_eq!(failures(&line), MAX_FAILURES);
    }

    #[test]
    fn cuts() {
        assert_eq!(keep_start("abcdef", 6), "abcdef");
        assert_eq!(keep_start("abcdefg", 6), "abc…");
        assert_eq!(keep_end("abcdefg", 6), "…efg");
        assert_eq!(keep_end("ääää", 6), "…ä");
    }

    proptest! {
        #[test]
        fn cuts_keep_to_the_limit(text in ".{0,200}", limit in 3usize..100) {
            let (start, end) = (keep_start(&text, limit), keep_end(&text, limit));
            prop_assert!(start.len() <= limit && end.len() <= limit);
            prop_assert!(text.starts_with(start.trim_end_matches('…')) || text.contains('…'));
            prop_assert!(text.ends_with(end.trim_start_matches('…')) || text.contains('…'));
        }
    }
}
