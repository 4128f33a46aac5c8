//! What a person (standard error) or a program (`--json`) is told about a conversion.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::convert::{Progress, Summary, Warning};

/// A progress bar on standard error, if that is a terminal. `size` is the input's, in bytes, if it is known.
pub fn progress_bar(name: &str, size: Option<u64>) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match size {
        Some(size) => {
            (ProgressBar::new(size), "{msg} {wide_bar} {percent:>3} % {bytes}/{total_bytes} {bytes_per_sec} {eta}")
        }
        None => (ProgressBar::no_length(), "{msg} {spinner} {bytes} {bytes_per_sec} {elapsed}"),
    };
    bar.set_draw_target(ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style);
    bar.set_message(name.to_owned());
    bar
}

/// Shows how far a conversion has come.
pub fn show(bar: &ProgressBar, progress: Progress) {
    bar.set_position(progress.bytes_in);
}

/// One line for a person: sizes, ratio, length, speed.
pub fn human(name: &str, target: &str, summary: &Summary, took: Duration) -> String {
    let length = seconds(summary);
    let percent = if summary.bytes_in == 0 { 0.0 } else { 100.0 * ratio(summary) };
    let speed = length / took.as_secs_f64().max(1e-6);
    format!(
        "{name} -> {target}: {} to {} ({percent:.1} %), {length:.1} s of audio at {speed:.0} times its speed",
        HumanBytes(summary.bytes_in),
        HumanBytes(summary.bytes_out),
    )
}

/// One JSON object for a program.
pub fn json(name: &str, target: &str, summary: &Summary, took: Duration) -> serde_json::Value {
    let warning = |warning: &Warning| serde_json::json!({"code": warning.code(), "message": warning.to_string()});
    serde_json::json!({
        "input": name,
        "output": target,
        "channels": summary.format.channels,
        "sample_rate": summary.format.sample_rate,
        "bits_per_sample": summary.format.bits_per_sample,
        "samples": summary.samples,
        "bytes_in": summary.bytes_in,
        "bytes_out": summary.bytes_out,
        "md5": hex(summary.md5),
        "subset": summary.subset,
        "warnings": summary.warnings.iter().map(warning).collect::<Vec<_>>(),
        "seconds": took.as_secs_f64(),
    })
}

/// One JSON object for an input that failed.
pub fn json_error(name: &str, code: &str, message: &str) -> serde_json::Value {
    serde_json::json!({"input": name, "error": {"code": code, "message": message}})
}

/// An MD5 as people write it.
fn hex(md5: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(md5))
}

/// The audio's length in seconds.
#[allow(clippy::cast_precision_loss)] // for people: 2^53 samples are out of reach
fn seconds(summary: &Summary) -> f64 {
    summary.samples as f64 / f64::from(summary.format.sample_rate)
}

#[allow(clippy::cast_precision_loss)] // for people
fn ratio(summary: &Summary) -> f64 {
    summary.bytes_out as f64 / summary.bytes_in as f64
}
