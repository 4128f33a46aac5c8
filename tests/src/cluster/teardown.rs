//! `cluster down`: leaves the machine as it was, whatever state the cluster is in.
//!
//! The cluster's data goes with it, so nothing is asked to end politely. Only what is provably ours is touched:
//! recorded processes whose start time agrees, processes in our cgroup, shims of our containerd's socket, mounts
//! below our folders.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::layout::Layout;
use super::lock::Lock;
use super::progress::{Progress, wait_for};
use super::{before, cgroups, files, mounts, process};

/// In the state folder from the first step of `down` on.
const MARKER: &str = "going-down";

/// Removes the cluster; none is fine.
///
/// # Errors
/// If something of it could not be removed. A second `down` goes on from there.
pub fn down(layout: &Layout) -> Result<()> {
    let traces = [layout.state_dir.clone(), layout.run_dir.clone(), discarded(layout), Lock::path(layout)];
    if !traces.iter().any(|path| path.exists()) {
        println!("no cluster `{}`", layout.name);
        return Ok(());
    }
    let progress = Progress::new();
    let lock = Lock::take(layout)?;
    remove(layout, &progress)?;
    if let Some(base) = layout.state_dir.parent() {
        // Unless another cluster's state is in it too.
        let _ = fs::remove_dir(base);
    }
    lock.remove()?;
    progress.step(format!("cluster `{}` is gone", layout.name));
    Ok(())
}

/// For `up`: goes on with a `down` that was killed, because what it left half can only be removed.
pub fn finish(layout: &Layout, progress: &Progress) -> Result<()> {
    if layout.state(MARKER).exists() || discarded(layout).exists() {
        remove(layout, progress)?;
    }
    Ok(())
}

fn remove(layout: &Layout, progress: &Progress) -> Result<()> {
    if layout.state_dir.exists() {
        files::write(&layout.state(MARKER), "")?;
    }
    // The kubelet first: it would start again what is ended below.
    let (kubelet, others): (Vec<_>, Vec<_>) =
        process::records(layout)?.into_iter().partition(|record| record.name == "kubelet");
    process::kill_all(&kubelet)?;
    process::kill_all(&others)?;
    progress.step("components ended");
    end_containers(layout)?;
    progress.step("containers ended");
    for folder in [&layout.state_dir, &layout.run_dir] {
        mounts::unmount_below(folder)?;
    }
    cgroups::remove(layout)?;
    remove_shim_sockets(layout);
    before::restore(layout)?;
    progress.step("mounts, cgroups and kernel parameters as before");
    remove_folder(&layout.run_dir)?;
    discard(layout)
}

/// Where the state folder goes to be emptied, so that what bears its name is always whole.
fn discarded(layout: &Layout) -> PathBuf {
    layout.state_dir.with_extension("discarded")
}

fn discard(layout: &Layout) -> Result<()> {
    let discarded = discarded(layout);
    remove_folder(&discarded)?;
    if layout.state_dir.exists() {
        ensure_unmounted(&layout.state_dir)?;
        fs::rename(&layout.state_dir, &discarded).context("move the state folder away")?;
        remove_folder(&discarded)?;
    }
    Ok(())
}

/// Processes in the pods, then the shims that watch over them. A shim that ends may have just started another.
fn end_containers(layout: &Layout) -> Result<()> {
    wait_for("end of all containers", Duration::from_secs(20), Duration::from_millis(20), || {
        let inside = cgroups::kill_all(layout)?;
        let shims = shims(layout);
        for pid in &shims {
            let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
        }
        Ok(inside == 0 && shims.is_empty())
    })
}

/// Living shims of our containerd: its socket is among their arguments.
fn shims(layout: &Layout) -> Vec<i32> {
    let socket = layout.containerd_socket();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // A zombie's command line is empty.
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if is_shim(&line, &socket) {
            found.push(pid);
        }
    }
    found
}

/// `containerd-shim-runc-v2 -namespace k8s.io -id … -address SOCKET`, separated by zero bytes.
fn is_shim(command_line: &[u8], socket: &str) -> bool {
    let mut arguments = command_line.split(|byte| *byte == 0);
    let program = arguments.next().unwrap_or_default();
    let rest: Vec<&[u8]> = arguments.collect();
    program.ends_with(b"containerd-shim-runc-v2")
        && rest.windows(2).any(|pair| pair[0] == b"-address" && pair[1] == socket.as_bytes())
}

/// Shims listen in a folder that all containerds share; each writes its address into its bundle.
fn remove_shim_sockets(layout: &Layout) {
    let bundles = layout.state("containerd/state/io.containerd.runtime.v2.task/k8s.io");
    for bundle in fs::read_dir(bundles).into_iter().flatten().flatten() {
        let address = fs::read_to_string(bundle.path().join("address")).unwrap_or_default();
        if let Some(socket) = shim_socket(&address) {
            let _ = fs::remove_file(socket);
        }
    }
}

fn shim_socket(address: &str) -> Option<PathBuf> {
    let path = Path::new(address.trim().strip_prefix("unix://")?);
    (path.parent() == Some(Path::new("/run/containerd/s"))).then(|| path.to_owned())
}

/// What is mounted below a folder would be emptied with it.
fn ensure_unmounted(folder: &Path) -> Result<()> {
    let mounts = mounts::read()?;
    let left: Vec<String> = mounts::below(&mounts, folder).map(|mount| mount.point.display().to_string()).collect();
    ensure!(left.is_empty(), "still mounted, so not removed: {}", left.join(", "));
    Ok(())
}

fn remove_folder(folder: &Path) -> Result<()> {
    ensure_unmounted(folder)?;
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_shims_of_our_socket_are_ours() {
        let line = |program: &str, socket: &str| {
            format!("{program}\0-namespace\0k8s.io\0-id\0x\0-address\0{socket}\0").into_bytes()
        };
        let ours = "/run/flacship-a/containerd.sock";
        assert!(is_shim(&line("/usr/bin/containerd-shim-runc-v2", ours), ours));
        assert!(!is_shim(&line("/usr/bin/containerd-shim-runc-v2", "/run/containerd/containerd.sock"), ours));
        assert!(!is_shim(&line("/usr/bin/vim", ours), ours));
        assert!(!is_shim(b"", ours));
    }

    #[test]
    fn only_sockets_in_the_shared_folder_are_removed() {
        assert_eq!(shim_socket("unix:///run/containerd/s/abc\n"), Some("/run/containerd/s/abc".into()));
        assert_eq!(shim_socket("unix:///etc/passwd"), None);
        assert_eq!(shim_socket("unix:///run/containerd/s/../x"), None);
        assert_eq!(shim_socket(""), None);
    }
}
