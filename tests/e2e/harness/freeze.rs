//! A process that stands still: what a pod is that hangs.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The converter of a pod, stopped by SIGSTOP; dropping this lets it go on.
pub struct Frozen(Pid);

impl Frozen {
    /// Stops it. The pod is named by its uid, which its processes have in their cgroup.
    pub fn begin(uid: &str) -> Self {
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
