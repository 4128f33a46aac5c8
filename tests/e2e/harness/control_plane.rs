//! The local cluster's control plane under a test's hands: a process that is restarted, or that stands still for a while.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use nix::sys::signal::Signal;

use e2e::cluster::Layout;
use e2e::cluster::process::{self, Record};

/// The paths of the cluster that these tests run in.
fn layout() -> Layout {
    let folder = state_dir();
    let name = folder.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_prefix("cluster-"));
    e2e::cluster::layout(name.expect("the local cluster's folder has its name")).expect("the cluster has a layout")
}

fn state_dir() -> PathBuf {
    let kubeconfig = std::env::var_os("KUBECONFIG").expect("`make e2e` sets KUBECONFIG");
    Path::new(&kubeconfig).parent().expect("the kubeconfig lies in the cluster's folder").to_owned()
}

/// The apiserver's audit log.
pub fn audit_log() -> PathBuf {
    layout().audit_log()
}

/// When the status of an object was written, by the audit log.
pub fn status_writes(namespace: &str, plural: &str, name: &str) -> Vec<Timestamp> {
    let path = format!("/namespaces/{namespace}/{plural}/{name}/status?");
    let text = fs::read_to_string(audit_log()).expect("read the audit log");
    let events =
        super::json_lines(&text).filter(|event| event["requestURI"].as_str().is_some_and(|uri| uri.contains(&path)));
    let written = events.filter(|event| event["verb"] == "patch" && event["responseStatus"]["code"] == 200);
    let times = written.filter_map(|event| event["requestReceivedTimestamp"].as_str()?.parse().ok());
    times.collect()
}

/// Restarts a process of the control plane or the node and waits until it works.
pub fn restart(name: &str) {
    let layout = layout();
    let begin = Instant::now();
    let status = Command::new(env!("CARGO_BIN_EXE_cluster"))
        .args(["--name", &layout.name, "restart", name])
        .status()
        .expect("run the cluster program");
    assert!(status.success(), "{name} does not come back");
    println!("{name} restarted in {:.1} s", begin.elapsed().as_secs_f64());
}

/// A process that stands still until this is dropped.
pub struct Halted(Record);

impl Halted {
    /// Stops it where it is.
    pub fn begin(name: &str) -> Self {
        let record = running(name);
        record.signal(Signal::SIGSTOP);
        Self(record)
    }
}

impl Drop for Halted {
    fn drop(&mut self) {
        self.0.signal(Signal::SIGCONT);
    }
}

fn running(name: &str) -> Record {
    process::read(&layout(), name).expect("read the process's record").expect("the process runs")
}

/// A process that stands still again and again, until this is dropped.
pub struct Halting {
    record: Record,
    enough: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Halting {
    /// Lets it stand still for `halt` and run for `run`, in turns.
    pub fn begin(name: &str, halt: Duration, run: Duration) -> Self {
        let record = running(name);
        let enough = Arc::new(AtomicBool::new(false));
        let (told, process) = (Arc::clone(&enough), record.clone());
        let thread = std::thread::spawn(move || {
            while !told.load(Ordering::SeqCst) {
                process.signal(Signal::SIGSTOP);
                std::thread::sleep(halt);
                process.signal(Signal::SIGCONT);
                std::thread::sleep(run);
            }
        });
        Self { record, enough, thread: Some(thread) }
    }
}

impl Drop for Halting {
    fn drop(&mut self) {
        self.enough.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.record.signal(Signal::SIGCONT);
    }
}
