//! The process of a pod under a test's hands: one that stands still, as a pod is that hangs, or that is killed.

use std::fs;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The converter of a pod, stopped by SIGSTOP; dropping this lets it go on.
pub struct Frozen(Pid);

impl Frozen {
    /// Stops it. The pod is named by its uid.
    pub fn begin(uid: &str) -> Self {
        let found = converters(uid);
        let [pid] = found[..] else { panic!("the processes of pod {uid}: {found:?}") };
        kill(pid, Signal::SIGSTOP).expect("stop the converter");
        Self(pid)
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
    converters(uid).into_iter().any(|pid| match kill(pid, Signal::SIGKILL) {
        Ok(()) => true,
        Err(Errno::ESRCH) => false,
        Err(error) => panic!("kill the converter of pod {uid}: {error}"),
    })
}

/// The converters of a pod: its processes have its uid in their cgroup.
fn converters(uid: &str) -> Vec<Pid> {
    // systemd's spelling has underscores.
    let names = [uid.to_owned(), uid.replace('-', "_")];
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("list the processes").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let read = |file: &str| fs::read_to_string(entry.path().join(file)).unwrap_or_default();
        if read("comm").trim() == "converter" && names.iter().any(|name| read("cgroup").contains(name.as_str())) {
            found.push(Pid::from_raw(pid));
        }
    }
    found
}
