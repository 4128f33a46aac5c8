//! The process of a pod under a test's hands: one that stands still, as a pod is that hangs, or that is killed.

use std::fs;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The program of the pods that convert, as Linux names their processes.
const CONVERTER: &str = "converter";

/// The converter of a pod, stopped by SIGSTOP; dropping this lets it go on.
pub struct Frozen(Pid);

impl Frozen {
    /// Stops it. The pod is named by its uid.
    pub fn begin(uid: &str) -> Self {
        Self::try_begin(uid).unwrap_or_else(|| panic!("pod {uid} has no process"))
    }

    /// The same, if it runs.
    pub fn try_begin(uid: &str) -> Option<Self> {
        match processes(uid, CONVERTER)[..] {
            [] => None,
            [pid] => sent(pid, Signal::SIGSTOP).then_some(Self(pid)),
            ref many => panic!("the processes of pod {uid}: {many:?}"),
        }
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        // The kubelet may have killed it meanwhile.
        let _ = kill(self.0, Signal::SIGCONT);
    }
}

/// Kills the converter of a pod, named by its uid, by SIGKILL; says whether it still ran.
pub fn kill_converter(uid: &str) -> bool {
    processes(uid, CONVERTER).into_iter().any(|pid| sent(pid, Signal::SIGKILL))
}

/// The same of an operator.
pub fn kill_operator(uid: &str) -> bool {
    processes(uid, "operator").into_iter().any(|pid| sent(pid, Signal::SIGKILL))
}

/// Whether the process was there to get the signal.
fn sent(pid: Pid, signal: Signal) -> bool {
    match kill(pid, signal) {
        Ok(()) => true,
        Err(Errno::ESRCH) => false,
        Err(error) => panic!("send {signal} to {pid}: {error}"),
    }
}

/// The processes of a pod that run this program: they have the pod's uid in their cgroup.
fn processes(uid: &str, program: &str) -> Vec<Pid> {
    // systemd's spelling has underscores.
    let names = [uid.to_owned(), uid.replace('-', "_")];
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("list the processes").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let read = |file: &str| fs::read_to_string(entry.path().join(file)).unwrap_or_default();
        if read("comm").trim() == program && names.iter().any(|name| read("cgroup").contains(name.as_str())) {
            found.push(Pid::from_raw(pid));
        }
    }
    found
}
