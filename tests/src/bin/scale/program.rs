//! The operator as a process of ours.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::Args;
use crate::plane::Plane;

/// Its port, inside the control plane's network.
const LISTEN: &str = "127.0.0.1:18081";
/// How long it may take to end.
const END: Duration = Duration::from_secs(30);

/// A running operator; it is killed when this is dropped.
pub struct Operator {
    child: Child,
    log: PathBuf,
}

/// What a process holds, in MiB.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Memory {
    /// The most that it has held (`VmHWM`).
    pub peak: f64,
    /// What it holds now (`VmRSS`).
    pub now: f64,
}

impl Operator {
    /// Starts it as an administrator of `plane`; `name` is its log's.
    pub fn start(args: &Args, plane: &Plane, name: &str) -> Result<Self> {
        let log = args.folder.join(format!("operator-{name}.log"));
        let file = File::create(&log).with_context(|| format!("create {}", log.display()))?;
        let child = Command::new(&args.operator)
            .args(["run", "--converter-image", "flacship.dev/converter:scale", "--listen", LISTEN])
            .arg(format!("--concurrency={}", args.concurrency))
            .args(&args.operator_arg)
            .env("KUBECONFIG", &plane.layout.kubeconfig)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("run {}", args.operator.display()))?;
        let operator = Self { child, log };
        operator.wait_until_ready()?;
        Ok(operator)
    }

    fn wait_until_ready(&self) -> Result<()> {
        let start = Instant::now();
        // Whoever is ready answers 200 to a plain request.
        while !is_ready() {
            self.must_run()?;
            ensure!(start.elapsed() < Duration::from_mins(2), "the operator is not ready: see {}", self.log.display());
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Fails if it has ended.
    pub fn must_run(&self) -> Result<()> {
        self.status("State").map(|_| ()).with_context(|| format!("the operator has ended: see {}", self.log.display()))
    }

    /// What it holds.
    pub fn memory(&self) -> Result<Memory> {
        Ok(Memory { peak: mebibytes(&self.status("VmHWM")?)?, now: mebibytes(&self.status("VmRSS")?)? })
    }

    fn status(&self, field: &str) -> Result<String> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        // A process that has ended and was not waited for has no memory.
        let value = value.filter(|value| field != "State" || !value.trim().starts_with('Z'));
        Ok(value.with_context(|| format!("no {field} in the process's status"))?.trim().to_owned())
    }

    /// Processor time that it has used.
    pub fn processor_time(&self) -> Result<Duration> {
        processor_time(self.child.id())
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(mut self) -> Result<()> {
        kill(Pid::from_raw(i32::try_from(self.child.id())?), Signal::SIGTERM)?;
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "the operator ended with {status}: see {}", self.log.display());
                return Ok(());
            }
            if start.elapsed() > END {
                bail!("the operator did not end within {} s", END.as_secs());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processor time that a process has used, in user and kernel mode. proc(5): fields 14 and 15 of `stat`, in clock ticks.
pub fn processor_time(pid: u32) -> Result<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid}"))?;
    let ticks = ticks(&text).with_context(|| format!("{text:?} is no process's stat"))?;
    let a_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK)?.context("no clock tick")?;
    Ok(Duration::from_millis(ticks * 1000 / u64::try_from(a_second)?))
}

fn ticks(stat: &str) -> Option<u64> {
    // The name, in brackets, may hold spaces and brackets.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut times = rest.split_whitespace().skip(11);
    Some(times.next()?.parse::<u64>().ok()? + times.next()?.parse::<u64>().ok()?)
}

fn is_ready() -> bool {
    use std::io::{Read as _, Write as _};
    let ask = || -> std::io::Result<String> {
        let mut stream = std::net::TcpStream::connect(LISTEN)?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: operator\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

fn mebibytes(text: &str) -> Result<f64> {
    let kibibytes: u32 = text.trim_end_matches("kB").trim().parse().with_context(|| format!("{text:?} is no size"))?;
    Ok(f64::from(kibibytes) / 1024.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn sizes_are_read_as_the_kernel_writes_them() {
        assert!((mebibytes("  2048 kB").unwrap() - 2.0).abs() < f64::EPSILON);
        assert!(mebibytes("much").is_err());
    }

    #[test]
    fn processor_time_is_found_behind_an_odd_name() {
        let line = "42 (a) b (c) S 1 42 42 0 -1 4194560 1 2 3 4 50 6 7 8 20 0 1 0 9876 1 1";
        assert_eq!(ticks(line), Some(56));
        assert_eq!(ticks("42 (x) S"), None);
    }
}
