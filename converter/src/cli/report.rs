//! What a person or a program (`--json`) is told about one conversion: the words, not where they go.

use std::path::Path;
use std::time::Duration;

use indicatif::HumanBytes;
use serde_json::{Value, json};

use super::targets::{Place, Task};
use crate::convert::md5_text;
use crate::convert::{Summary, Warning};

/// How the two ends of a conversion are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The input.
    pub input: String,
    /// The output.
    pub output: String,
}

impl From<&Task> for Names {
    fn from(task: &Task) -> Self {
        let name = |place: &Place, standard: &str| match place {
            Place::Standard => standard.to_owned(),
            Place::File(path) => path.display().to_string(),
        };
        Self { input: name(&task.input, "standard input"), output: name(&task.output, "standard output") }
    }
}

/// Why an input was not converted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The input.
    pub input: String,
    /// A stable name for programs, `snake_case`.
    pub code: &'static str,
    /// What is wrong and what to change.
    pub message: String,
}

impl Failure {
    /// A failure of the input at `path`.
    pub fn new(path: &Path, code: &'static str, message: String) -> Self {
        Self { input: path.display().to_string(), code, message }
    }

    /// Whether the input was left alone because its FLAC file is there already.
    pub fn is_skip(&self) -> bool {
        self.code == "target_exists"
    }

    /// One line for a person.
    pub fn line(&self) -> String {
        let (input, message) = (&self.input, &self.message);
        if self.is_skip() {
            format!("{input}: skipped: {message} (--force)")
        } else {
            format!("{input}: error: {message}")
        }
    }

    /// One object for a program.
    pub fn object(&self) -> Value {
        json!({
            "input": self.input,
            "status": if self.is_skip() { "skipped" } else { "failed" },
            "error": {"code": self.code, "message": self.message},
        })
    }
}

/// One line for a person: sizes, ratio, length, speed.
pub fn line(names: &Names, summary: &Summary, took: Duration) -> String {
    let length = summary.seconds();
    let speed = length / took.as_secs_f64().max(1e-6);
    format!(
        "{} -> {}: {}, {length:.1} s of audio at {speed:.0} times its speed",
        names.input,
        names.output,
        sizes(summary.bytes_in, summary.bytes_out),
    )
}

/// One object for a program.
pub fn object(names: &Names, summary: &Summary, took: Duration) -> Value {
    let warning = |warning: &Warning| json!({"code": warning.code(), "message": warning.to_string()});
    json!({
        "input": names.input,
        "output": names.output,
        "status": "converted",
        "channels": summary.format.channels,
        "sample_rate": summary.format.sample_rate,
        "bits_per_sample": summary.format.bits_per_sample,
        "samples": summary.samples,
        "bytes_in": summary.bytes_in,
        "bytes_out": summary.bytes_out,
        "ratio": ratio(summary.bytes_in, summary.bytes_out),
        "md5": md5_text(summary.md5),
        "subset": summary.subset,
        "clipped": summary.clipped,
        "left_out": summary.left_out,
        "warnings": summary.warnings.iter().map(warning).collect::<Vec<_>>(),
        "seconds": took.as_secs_f64(),
    })
}

/// What went in and came out, in words.
pub fn sizes(bytes_in: u64, bytes_out: u64) -> String {
    let percent = ratio(bytes_in, bytes_out).map_or_else(String::new, |ratio| format!(" ({:.1} %)", 100.0 * ratio));
    format!("{} to {}{percent}", HumanBytes(bytes_in), HumanBytes(bytes_out))
}

/// What came out as a part of what went in, if anything did.
#[allow(clippy::cast_precision_loss)] // for people
pub fn ratio(bytes_in: u64, bytes_out: u64) -> Option<f64> {
    (bytes_in > 0).then(|| bytes_out as f64 / bytes_in as f64)
}
