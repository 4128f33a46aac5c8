//! Looks at a server process from outside: its descriptors, memory and threads, its log, what it counts.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::time::sleep;

use crate::{case::Kind, play::get, process::Server};

/// Longest that something which must come may take: only a server that has lost it reaches it.
const NEVER: Duration = Duration::from_mins(1);

/// A server process and where to look.
pub struct Probe {
    server: Server,
    admin: SocketAddr,
    folder: TempDir,
    /// Descriptors that were open at its start.
    pub at_rest: usize,
}

impl Probe {
    /// Starts a server with a spool folder of its own and a log that is kept. `files` are written beside them, and their
    /// flags name them.
    pub fn start(flags: &[&str], files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        fs::create_dir(at("spool")).unwrap();
        let mut all: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        all.extend([String::from("--spool-dir"), at("spool")]);
        for (flag, content) in files {
            let path = at(flag.trim_start_matches('-'));
            fs::write(&path, content).unwrap();
            all.extend([(*flag).to_owned(), path]);
        }
        let log = fs::File::create(at("log")).unwrap();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let server = Server::start_on("127.0.0.1:0", &all, Stdio::from(log));
        let log = fs::read_to_string(at("log")).unwrap();
        let admin = log.split("admin=").nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap();
        let admin = admin.parse().unwrap();
        let mut probe = Self { server, admin, folder, at_rest: 0 };
        probe.at_rest = probe.descriptors().len();
        probe
    }

    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    fn process(&self, what: &str) -> PathBuf {
        Path::new("/proc").join(self.server.child.id().to_string()).join(what)
    }

    /// What the process's open descriptors are.
    pub fn descriptors(&self) -> Vec<String> {
        let entries = fs::read_dir(self.process("fd")).unwrap();
        // One may be closed between the list and the look.
        let links = entries.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
        links.map(|link| link.to_string_lossy().into_owned()).collect()
    }

    /// A number of `/proc/…/status`: KiB, or a count.
    fn status(&self, name: &str) -> u64 {
        let status = fs::read_to_string(self.process("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_start_matches(':').split_whitespace().next().unwrap().parse().unwrap()
    }

    /// Resident memory in KiB.
    pub fn resident(&self) -> u64 {
        self.status("VmRSS")
    }

    pub fn threads(&self) -> u64 {
        self.status("Threads")
    }

    /// Files in the spool's folder.
    pub fn spooled(&self) -> usize {
        fs::read_dir(self.folder.path().join("spool")).unwrap().count()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// A line of `/metrics`.
    async fn counted(&self, line: &str) -> u64 {
        let text = get(self.admin, "/metrics").await.unwrap();
        let value = text.lines().find_map(|found| found.strip_prefix(line)).unwrap_or("0");
        value.trim().parse().unwrap()
    }

    /// How many conversions of a kind ended so.
    pub async fn conversions(&self, kind: Kind, outcome: &str) -> u64 {
        let kind = kind.name();
        self.counted(&format!("flacship_converter_conversions_total{{kind=\"{kind}\",outcome=\"{outcome}\"}}")).await
    }

    /// Waits until exactly so many have.
    pub async fn until_conversions(&self, kind: Kind, outcome: &str, count: u64) -> Result<(), String> {
        let limit = Instant::now() + NEVER;
        loop {
            let now = self.conversions(kind, outcome).await;
            if now == count {
                return Ok(());
            }
            if now > count || Instant::now() > limit {
                return Err(format!("{now} conversions are {outcome}, not {count}"));
            }
            sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until nothing is under way, nothing is held, and as many descriptors are open as at the start.
    pub async fn until_quiet(&self) {
        let limit = Instant::now() + NEVER;
        loop {
            // The question for it is a connection, too.
            let busy = self.busy().await;
            let open = self.descriptors();
            if busy == 0 && open.len() == self.at_rest {
                return;
            }
            let rest = self.at_rest;
            assert!(Instant::now() < limit, "{busy} things are under way; {rest} descriptors became {open:#?}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// What is under way or held.
    async fn busy(&self) -> u64 {
        let mut busy = 0;
        for line in [
            "active_conversions{kind=\"upload\"}",
            "active_conversions{kind=\"stream\"}",
            "queued_conversions",
            "spool_used_bytes",
        ] {
            busy += self.counted(&format!("flacship_converter_{line}")).await;
        }
        busy
    }
}
