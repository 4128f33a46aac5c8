//! What a program took, as the operating system accounts for it.
//!
//! Each program is run by a process of its own kind, this same binary, whose only child it is: what the children of
//! that process took is then what the program took. (Its peak is at least what that small process itself holds, some
//! MiB, for Linux counts memory from before the program was loaded.)

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike as _};

use crate::usage::Usage;

/// The first argument that makes this binary such a process.
pub const MEASURE: &str = "measure-one-program";

/// Runs a program to its end; its standard output is thrown away. Fails as the program does, with what it said.
pub fn measure(program: &Path, arguments: &[OsString]) -> anyhow::Result<Usage> {
    let told = || {
        let words = arguments.iter().map(|word| word.to_string_lossy());
        format!("{} {}", program.display(), words.collect::<Vec<_>>().join(" "))
    };
    let helper = std::env::current_exe().context("cannot tell where this program is")?;
    let output = Command::new(helper)
        .arg(MEASURE)
        .arg(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .context("cannot run this program again")?;
    if !output.status.success() {
        bail!("failed: {}\n{}", told(), String::from_utf8_lossy(&output.stderr).trim_end());
    }
    parse(&String::from_utf8_lossy(&output.stdout)).with_context(|| format!("no figures of: {}", told()))
}

/// The other end of [`measure`].
pub fn measure_here(mut words: Vec<OsString>) -> ExitCode {
    if words.is_empty() {
        return ExitCode::FAILURE;
    }
    let program = words.remove(0);
    let start = Instant::now();
    let status = Command::new(&program).args(words).stdin(Stdio::null()).stdout(Stdio::null()).status();
    let wall = start.elapsed();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => {
            eprintln!("{} ended with {status}", program.display());
            return ExitCode::FAILURE;
        }
        Err(error) => {
            eprintln!("cannot run {}: {error}", program.display());
            return ExitCode::FAILURE;
        }
    }
    let Ok(usage) = getrusage(UsageWho::RUSAGE_CHILDREN) else { return ExitCode::FAILURE };
    let micros = |time: TimeVal| time.num_microseconds();
    let cpu = micros(usage.user_time()) + micros(usage.system_time());
    println!("{cpu} {} {}", wall.as_micros(), usage.max_rss());
    ExitCode::SUCCESS
}

/// Microseconds of CPU, of time passed, and KiB of memory.
fn parse(line: &str) -> Option<Usage> {
    let mut numbers = line.split_whitespace().map(|word| word.parse::<u64>().ok());
    let mut next = || numbers.next().flatten();
    let (cpu, wall, peak) = (next()?, next()?, next()?);
    let usage = Usage { cpu: Duration::from_micros(cpu), wall: Duration::from_micros(wall), peak: peak * 1024 };
    numbers.next().is_none().then_some(usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_numbers_are_figures_and_nothing_else_is() {
        let usage = Usage { cpu: Duration::from_micros(15), wall: Duration::from_micros(20), peak: 3 * 1024 };
        assert_eq!(parse("15 20 3\n"), Some(usage));
        for line in ["", "15 20", "15 20 3 4", "15 x 3", "-1 20 3"] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
