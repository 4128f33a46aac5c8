//! What has become of the inputs so far, and what is said about it in the end, whether that comes by itself or by a
//! signal.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::report::{Failure, ratio, sizes};
use crate::convert::Summary;

/// Lines that a screen holds: failures that were told further up are told again in the end.
const SCREEN: usize = 24;

/// How many inputs that were not converted are named to a person.
const NAMED: usize = 20;

/// What has become of the inputs so far.
#[derive(Debug)]
pub struct Ledger {
    /// The inputs in their order.
    inputs: Vec<String>,
    /// How many of them are done, one way or another.
    done: usize,
    converted: usize,
    failed: usize,
    skipped: usize,
    bytes_in: u64,
    bytes_out: u64,
    failures: Vec<String>,
    /// Lines written since the first failure, other than failures.
    between: usize,
    began: Instant,
}

impl Ledger {
    /// Nothing has been done of `inputs`.
    pub fn new(inputs: Vec<String>) -> Self {
        Self {
            inputs,
            done: 0,
            converted: 0,
            failed: 0,
            skipped: 0,
            bytes_in: 0,
            bytes_out: 0,
            failures: Vec::new(),
            between: 0,
            began: Instant::now(),
        }
    }

    /// The next input was converted.
    pub fn converted(&mut self, summary: &Summary) {
        self.done += 1;
        self.converted += 1;
        self.bytes_in += summary.bytes_in;
        self.bytes_out += summary.bytes_out;
        self.note();
    }

    /// The next input was not converted.
    pub fn not_converted(&mut self, failure: &Failure) {
        self.done += 1;
        if failure.is_skip() {
            self.skipped += 1;
            self.note();
        } else {
            self.failed += 1;
            self.failures.push(failure.line());
        }
    }

    /// A line was written that is no failure.
    pub fn note(&mut self) {
        if !self.failures.is_empty() {
            self.between += 1;
        }
    }

    /// Whether every input so far was converted.
    pub fn is_clean(&self) -> bool {
        self.failed == 0 && self.skipped == 0
    }

    /// The failures, if they have left the screen.
    pub fn failures_again(&self) -> &[String] {
        if self.between > SCREEN { &self.failures } else { &[] }
    }

    /// The summary for a person who wants to know all.
    pub fn line(&self) -> String {
        format!(
            "{} inputs: {} converted, {} failed, {} skipped; {} in {:.1} s",
            self.inputs.len(),
            self.converted,
            self.failed,
            self.skipped,
            sizes(self.bytes_in, self.bytes_out),
            self.took().as_secs_f64(),
        )
    }

    /// The summary for a person who wants to know only what is wrong.
    pub fn failed_line(&self) -> Option<String> {
        let told =
            |count: usize, what: &str| (count > 0).then(|| format!("{count} of {} inputs {what}", self.inputs.len()));
        let told = [told(self.failed, "failed"), told(self.skipped, "skipped")];
        told.into_iter().flatten().reduce(|one, two| format!("{one}, {two}"))
    }

    /// The summary for a program; `stopped_by` is the signal that ended the run.
    pub fn object(&self, stopped_by: Option<&str>) -> Value {
        let mut summary = json!({
            "inputs": self.inputs.len(),
            "converted": self.converted,
            "failed": self.failed,
            "skipped": self.skipped,
            "not_converted": self.rest().len(),
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "ratio": ratio(self.bytes_in, self.bytes_out),
            "seconds": self.took().as_secs_f64(),
        });
        if let (Some(signal), Some(summary)) = (stopped_by, summary.as_object_mut()) {
            summary.insert("stopped_by".to_owned(), signal.into());
        }
        json!({ "summary": summary })
    }

    /// What was not come to when the run ended too early, for a person; `why` says how it ended.
    pub fn cut_short(&self, why: &str) -> String {
        let rest = self.rest();
        let mut text = format!("{why}: {} of {} inputs converted", self.converted, self.inputs.len());
        if !rest.is_empty() {
            let named = rest.get(..NAMED).unwrap_or(rest);
            let _ = write!(text, "; not converted: {}", named.join(", "));
            if rest.len() > named.len() {
                let _ = write!(text, " and {} more", rest.len() - named.len());
            }
        }
        text
    }

    /// The same for a program: an object for each input that was not come to.
    pub fn rest_objects(&self) -> impl Iterator<Item = Value> {
        self.rest().iter().map(|input| json!({"input": input, "status": "not_converted"}))
    }

    fn rest(&self) -> &[String] {
        self.inputs.get(self.done..).unwrap_or_default()
    }

    fn took(&self) -> Duration {
        self.began.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn failure(input: &str, code: &'static str) -> Failure {
        Failure::new(Path::new(input), code, "no".to_owned())
    }

    fn ledger(inputs: usize) -> Ledger {
        Ledger::new((0..inputs).map(|number| format!("{number}.wav")).collect())
    }

    #[test]
    fn failures_are_told_again_once_they_have_left_the_screen() {
        let mut ledger = ledger(50);
        ledger.not_converted(&failure("0.wav", "not_wav"));
        (0..SCREEN).for_each(|_| ledger.not_converted(&failure("s.wav", "target_exists")));
        assert!(ledger.failures_again().is_empty());
        ledger.note();
        assert_eq!(ledger.failures_again(), ["0.wav: error: no"]);
        assert!(!ledger.is_clean());
        assert_eq!(ledger.failed_line().unwrap(), "1 of 50 inputs failed, 24 of 50 inputs skipped");
    }

    #[test]
    fn the_rest_is_named_up_to_a_bound() {
        let mut ledger = ledger(3);
        ledger.not_converted(&failure("0.wav", "not_wav"));
        assert_eq!(ledger.cut_short("stopped"), "stopped: 0 of 3 inputs converted; not converted: 1.wav, 2.wav");
        assert_eq!(ledger.object(Some("SIGINT"))["summary"]["not_converted"], 2);
        assert_eq!(ledger.object(Some("SIGINT"))["summary"]["stopped_by"], "SIGINT");
        assert_eq!(ledger.rest_objects().count(), 2);
        let many = super::tests::ledger(NAMED + 5).cut_short("stopped");
        assert!(many.ends_with("18.wav, 19.wav and 5 more"), "{many}");
    }

    #[test]
    fn nothing_to_complain_about_is_no_line() {
        assert_eq!(ledger(2).failed_line(), None);
        assert_eq!(ledger(2).object(None)["summary"]["ratio"], Value::Null);
        assert!(ledger(2).is_clean());
    }
}
