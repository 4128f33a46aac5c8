//! Long-running processes that outlive the command that starts them, and are found again after any kill.
//!
//! A process is started by way of [`launch`], a hidden subcommand of our own binary: it makes itself a session,
//! writes down its pid and start time, and only then becomes the real program (`exec` keeps both). So there is no
//! moment at which the program runs and is not written down. A record counts only while boot, pid and start time
//! all agree; a pid that was given to somebody else meanwhile is never touched.

use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::layout::Layout;
use super::lock::Lock;
use super::progress::wait_for;
use super::{files, netns};

/// A program to run, and with what.
#[derive(Clone, Debug)]
pub struct Service {
    /// Name of its record and log.
    pub name: &'static str,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Contents of the files it reads at start: a change of them is a reason to start it anew.
    pub reads: Vec<String>,
    /// Whether it runs inside the cluster's network namespace.
    pub network: Network,
}

/// The side of the wall on which a process starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// The cluster's namespace.
    Cluster,
    /// The machine's own.
    Host,
}

/// What is written down about a started process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// As in [`Service`].
    pub name: String,
    /// Process, session and process group at once.
    pub pid: i32,
    /// Start time in clock ticks since boot: field 22 of `/proc/<pid>/stat`.
    pub start: u64,
    /// Pids and ticks begin anew with each boot.
    pub boot: String,
    /// Hash of arguments and files read.
    pub fingerprint: String,
}

/// What [`ensure`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It ran already, with the same arguments.
    Kept,
    /// It was started.
    Started,
}

/// Starts `service` unless it runs as wanted.
pub fn ensure(layout: &Layout, lock: &Lock, service: &Service) -> Result<Outcome> {
    let fingerprint = service.fingerprint();
    if let Some(record) = read(layout, service.name)? {
        if record.alive() && record.fingerprint == fingerprint {
            return Ok(Outcome::Kept);
        }
        stop(&record, Duration::from_secs(5))?;
        files::remove(&record_path(layout, service.name))?;
    }
    let mut child = spawn(layout, lock, service, &fingerprint)?;
    let path = record_path(layout, service.name);
    wait_for(&format!("start of {}", service.name), Duration::from_secs(10), Duration::from_millis(2), || match child
        .try_wait()?
    {
        Some(status) => bail!("{} ended with {status}:\n{}", service.name, files::tail(&layout.log(service.name), 20)),
        None => Ok(path.exists()),
    })?;
    Ok(Outcome::Started)
}

fn spawn(layout: &Layout, lock: &Lock, service: &Service, fingerprint: &str) -> Result<Child> {
    let log_path = layout.log(service.name);
    files::folder(&layout.state("logs"))?;
    let log = OpenOptions::new().create(true).append(true).open(&log_path)?;
    // This binary, even if a build has replaced its file meanwhile.
    let mut command = Command::new("/proc/self/exe");
    command.arg("launch").arg("--record").arg(record_path(layout, service.name));
    command.args(["--process", service.name, "--fingerprint", fingerprint]);
    if service.network == Network::Cluster {
        command.arg("--netns").arg(&layout.netns);
    }
    command.arg("--").args(&service.argv);
    // Nothing of the caller's proxies and locale reaches the cluster.
    command.env_clear().env("PATH", search_path(layout)).env("HOME", layout.state("home"));
    command.env("TMPDIR", layout.state("tmp"));
    command.stdin(lock.as_stdin()?).stdout(log.try_clone()?).stderr(log);
    command.spawn().with_context(|| format!("start {}", service.name))
}

/// Folders of the cluster's programs and of Debian's, `sbin` included: a plain user's PATH lacks it.
pub fn search_path(layout: &Layout) -> String {
    format!("{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", layout.bin_dir.display())
}

/// The child's half of [`ensure`]; returns only if it fails.
///
/// # Errors
/// If the record cannot be written, the namespace not entered or the program not run.
pub fn launch(record: &Path, name: &str, fingerprint: &str, namespace: Option<&Path>, argv: &[String]) -> Result<()> {
    nix::unistd::setsid().context("make a session")?;
    let own = Record::of_self(name, fingerprint)?;
    files::write(record, &serde_json::to_string(&own)?)?;
    if let Some(namespace) = namespace {
        netns::enter(namespace)?;
    }
    let (program, arguments) = argv.split_first().context("no program given")?;
    // Standard input was the lock: letting go of it says that the record is there.
    let error = Command::new(program).args(arguments).stdin(Stdio::null()).exec();
    Err(error).with_context(|| format!("run {program}"))
}

/// Every record of the cluster, by name.
pub fn records(layout: &Layout) -> Result<Vec<Record>> {
    let folder = layout.state("processes");
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).into_iter().flatten() {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            found.extend(read_file(&path)?);
        }
    }
    found.sort_by(|a: &Record, b| a.name.cmp(&b.name));
    Ok(found)
}

/// The record of one process.
pub fn read(layout: &Layout, name: &str) -> Result<Option<Record>> {
    read_file(&record_path(layout, name))
}

fn read_file(path: &Path) -> Result<Option<Record>> {
    match fs::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text).map(Some).with_context(|| format!("parse {}", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
    }
}

fn record_path(layout: &Layout, name: &str) -> PathBuf {
    layout.state(&format!("processes/{name}.json"))
}

/// Fails, with the end of its log, if a process that should run does not.
pub fn must_run(layout: &Layout, name: &str) -> Result<()> {
    if read(layout, name)?.is_some_and(|record| record.alive()) {
        return Ok(());
    }
    let log = layout.log(name);
    bail!("{name} has ended; the last lines of {}:\n{}", log.display(), files::tail(&log, 20))
}

/// Kills all at once, each with its process group, and waits until they are gone.
pub fn kill_all(records: &[Record]) -> Result<()> {
    for record in records {
        record.signal(Signal::SIGKILL);
    }
    wait_for("end of killed processes", Duration::from_secs(10), Duration::from_millis(5), || {
        Ok(!records.iter().any(Record::alive))
    })
}

/// Asks one to end, and kills it if it has not within `patience`.
pub fn stop(record: &Record, patience: Duration) -> Result<()> {
    record.signal(Signal::SIGTERM);
    if wait_for("end", patience, Duration::from_millis(10), || Ok(!record.alive())).is_ok() {
        return Ok(());
    }
    kill_all(std::slice::from_ref(record))
}

impl Service {
    fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for part in self.argv.iter().chain(&self.reads) {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        crate::oci::hex(&hash.finalize())
    }
}

impl Record {
    fn of_self(name: &str, fingerprint: &str) -> Result<Self> {
        let pid = nix::unistd::getpid().as_raw();
        let stat = Stat::read(pid).context("read /proc/self/stat")?;
        Ok(Self {
            name: name.to_owned(),
            pid,
            start: stat.start,
            boot: boot_id()?,
            fingerprint: fingerprint.to_owned(),
        })
    }

    /// Whether this very process still runs. A zombie does not: PID 1 may be slow to reap.
    pub fn alive(&self) -> bool {
        boot_id().is_ok_and(|boot| boot == self.boot)
            && Stat::read(self.pid).is_some_and(|stat| stat.start == self.start && !matches!(stat.state, 'Z' | 'X'))
    }

    /// Sends a signal to it and its process group, if it runs.
    pub fn signal(&self, signal: Signal) {
        if self.alive() {
            let pid = Pid::from_raw(self.pid);
            // The group is its own: it made itself a session.
            let _ = killpg(pid, signal);
            let _ = kill(pid, signal);
        }
    }
}

/// The kernel's name for this boot.
pub fn boot_id() -> Result<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").context("read the boot id")?;
    Ok(text.trim().to_owned())
}

#[derive(Debug, PartialEq, Eq)]
struct Stat {
    state: char,
    start: u64,
}

impl Stat {
    fn read(pid: i32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// proc(5): `pid (name) state …`, start time in field 22; the name may hold spaces and brackets.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(") ")?;
        let mut fields = rest.split_whitespace();
        let state = fields.next()?.chars().next()?;
        let start = fields.nth(18)?.parse().ok()?;
        Some(Self { state, start })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn stat_fields_are_found_behind_an_odd_name() {
        let line = "42 (a) b (c) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 9876 1 1";
        assert_eq!(Stat::parse(line), Some(Stat { state: 'S', start: 9876 }));
        assert_eq!(Stat::parse("42 (x) S"), None);
    }

    #[test]
    fn a_record_is_alive_only_if_everything_agrees() {
        let own = Record::of_self("test", "f").unwrap();
        assert!(own.alive());
        assert!(!Record { start: own.start + 1, ..own.clone() }.alive());
        assert!(!Record { boot: "another".into(), ..own.clone() }.alive());
        assert!(!Record { pid: i32::MAX, ..own }.alive());
    }

    #[test]
    fn a_zombie_is_not_alive() {
        let mut child = Command::new("true").stdout(Stdio::null()).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let start = Stat::read(pid).unwrap().start;
        let record = Record { name: "z".into(), pid, start, boot: boot_id().unwrap(), fingerprint: String::new() };
        wait_for("exit", Duration::from_secs(5), Duration::from_millis(1), || Ok(!record.alive())).unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn arguments_cannot_run_into_each_other() {
        let service = |argv: &[&str]| Service {
            name: "x",
            argv: argv.iter().map(|&text| text.to_owned()).collect(),
            reads: vec![],
            network: Network::Host,
        };
        assert_ne!(service(&["a", "bc"]).fingerprint(), service(&["ab", "c"]).fingerprint());
        assert_eq!(service(&["a"]).fingerprint(), service(&["a"]).fingerprint());
    }
}
