//! Instructions, which a busy machine does not change: by `perf` where the machine can count them, else by
//! valgrind's callgrind, which runs the program on a processor of its own making.
//!
//! A short and a longer beginning of a track are encoded, and the difference counts: so starting the program is no part
//! of the figure.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::encoding::encoders::{Encoder, Programs};
use crate::wav::Wav;

/// The two beginnings, in seconds.
const SHORT: u32 = 1;
const LONG: u32 = 4;

/// How instructions can be counted here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counter {
    Perf,
    Callgrind,
    None,
}

impl Counter {
    /// What works on this machine.
    pub fn find() -> Self {
        let counts = |counter: Self| counter.count(Path::new("true"), &[]).is_some();
        [Self::Perf, Self::Callgrind].into_iter().find(|counter| counts(*counter)).unwrap_or(Self::None)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Perf => "perf stat",
            Self::Callgrind => "callgrind",
            Self::None => "n/a: neither perf nor valgrind can count here",
        }
    }

    /// The instructions of one run in user mode.
    fn count(self, program: &Path, arguments: &[std::ffi::OsString]) -> Option<u64> {
        let mut command = match self {
            Self::Perf => {
                let mut command = Command::new("perf");
                command.args(["stat", "-x", ",", "-e", "instructions:u", "--"]);
                command
            }
            Self::Callgrind => {
                let mut command = Command::new("valgrind");
                command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
                command
            }
            Self::None => return None,
        };
        let output = command.arg(program).args(arguments).output().ok().filter(|output| output.status.success())?;
        let told = String::from_utf8_lossy(&output.stderr);
        if self == Self::Perf { parse_perf(&told) } else { parse_callgrind(&told) }
    }
}

/// Instructions for each sample of one channel, from the beginnings of `track`; `None` where they cannot be counted.
pub fn per_sample(
    counter: Counter,
    encoder: Encoder,
    level: u8,
    programs: &Programs,
    track: &Path,
    folder: &Path,
) -> anyhow::Result<Option<f64>> {
    let count = |clip: &PathBuf| {
        let (program, arguments) = encoder.command(programs, level, &[clip], folder);
        counter.count(&program, &arguments)
    };
    let whole = Wav::read(track)?;
    let mut counts = Vec::new();
    for seconds in [SHORT, LONG] {
        let clip = folder.join(format!("beginning-{seconds}.wav"));
        fs::write(&clip, whole.beginning(seconds)).with_context(|| format!("cannot write {}", clip.display()))?;
        counts.push(count(&clip));
    }
    let [Some(short), Some(long)] = *counts else { return Ok(None) };
    let samples = (LONG - SHORT) * whole.rate * u32::from(whole.channels);
    #[allow(clippy::cast_precision_loss)] // below 2^52
    let more = long.saturating_sub(short) as f64;
    Ok(Some(more / f64::from(samples)))
}

/// `perf stat -x,`: the count is the first field, or `<not supported>`.
fn parse_perf(told: &str) -> Option<u64> {
    told.lines().find(|line| line.contains("instructions"))?.split(',').next()?.parse().ok()
}

/// `==123== Collected : 4567`.
fn parse_callgrind(told: &str) -> Option<u64> {
    told.lines().find_map(|line| line.split_once("Collected :"))?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_what_the_tools_tell() {
        assert_eq!(parse_perf("1234567,,instructions:u,5,100.00,,\n"), Some(1_234_567));
        assert_eq!(parse_perf("<not supported>,,instructions:u,0,100.00,,\n"), None);
        assert_eq!(parse_perf("perf: not found"), None);
        assert_eq!(parse_callgrind("==7== \n==7== Events    : Ir\n==7== Collected : 987654321\n"), Some(987_654_321));
        assert_eq!(parse_callgrind("valgrind: no such tool"), None);
    }
}
