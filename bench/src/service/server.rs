//! A server as a process on its own core, and what it takes.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::sys::time::TimeValLike as _;
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::{Pid, SysconfVar, sysconf};

use super::cores::Cores;

/// A server, killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

/// What a server has taken so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Taken {
    /// User and system time, its ended children's with it.
    pub cpu: Duration,
    /// Memory that is resident, its children's with it, in bytes.
    pub memory: u64,
}

impl Taken {
    /// CPU time since then.
    pub fn since(self, earlier: Self) -> Duration {
        self.cpu.saturating_sub(earlier.cpu)
    }
}

impl Server {
    /// The converter, with these flags beside those for its ports.
    pub fn converter(program: &Path, cores: Cores, spool: &Path, flags: &[&str]) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--spool-dir"]);
        command.arg(spool).args(flags).env("RUST_LOG", "error");
        Self::start(command, cores)
    }

    /// A server of this bench's own (see [`super::peer`]).
    pub fn peer(cores: Cores, kind: &str, folder: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe().context("cannot tell where this program is")?);
        command.args(["peer", kind, "--folder"]).arg(folder);
        Self::start(command, cores)
    }

    /// Starts a server that prints its address at the end of its first line, as a URL or alone.
    fn start(mut command: Command, cores: Cores) -> anyhow::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = cores.on_server(|| command.spawn().with_context(|| format!("cannot start {command:?}")))?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        let word = line.trim().trim_end_matches('/').rsplit([' ', '/']).next().unwrap_or_default();
        if let Ok(address) = word.parse() {
            return Ok(Self { child, address });
        }
        child.kill()?;
        child.wait()?;
        bail!("a server did not start: {command:?}")
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    pub fn taken(&self) -> anyhow::Result<Taken> {
        let clock = clock_getcpuclockid(self.pid()).context("a server has ended")?;
        let own = clock_gettime(clock).context("cannot read a server's clock")?;
        let mut cpu = Duration::from_nanos(own.num_nanoseconds().try_into()?);
        // Of children only ticks are told (proc(5)): of those that have ended in the server's fields 16 and 17, of
        // those that run in fields 14 and 15 of their own.
        let mut memory = status(self.child.id(), "VmRSS:");
        let mut ticks = ticks(self.child.id(), 16);
        for child in children(self.child.id()) {
            memory += status(child, "VmRSS:");
            ticks += self::ticks(child, 14);
        }
        let second = sysconf(SysconfVar::CLK_TCK)?.context("there are no ticks")?;
        cpu += Duration::from_secs(1) * ticks / u32::try_from(second)?;
        Ok(Taken { cpu, memory })
    }

    /// The most memory that was resident at once, in bytes, without its children's.
    pub fn peak(&self) -> u64 {
        status(self.child.id(), "VmHWM:")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect()
}

/// Two fields of a process's `stat`, counted from 1, together; 0 if the process has just ended.
fn ticks(pid: u32, field: usize) -> u32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The second field is a name in brackets, which may hold anything.
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    fields.split(' ').skip(field - 3).take(2).filter_map(|field| field.parse::<u32>().ok()).sum()
}

/// One of the sizes in a process's `status`, in bytes; 0 if the process has just ended.
fn status(pid: u32, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    let kib = value.and_then(|value| value.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
