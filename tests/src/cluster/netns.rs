//! The network namespace: bridges for the node and the pods, no way out.
//!
//! There is no default route and no link to the host, so nothing can leave. It is bound to a file of ours, and not
//! made with `ip netns`, because that would leave a mount on `/run/netns` and hide the cgroups on entry.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};

use super::layout::Layout;
use super::{NODE_IP, POD_GATEWAY, SERVICE_CIDR, mounts};

/// The pods' bridge; the CNI configuration names it too.
pub const POD_BRIDGE: &str = "cni0";

/// Makes the namespace unless it is there; true if it was made.
pub fn ensure(layout: &Layout) -> Result<bool> {
    if exists(layout)? {
        return Ok(false);
    }
    super::files::folder(&layout.run_dir)?;
    File::create(&layout.netns).with_context(|| format!("create {}", layout.netns.display()))?;
    // The mount is the last step: a namespace that is bound is a finished one.
    in_thread(|| {
        unshare(CloneFlags::CLONE_NEWNET).context("make a network namespace: are you root?")?;
        configure()?;
        mount(Some("/proc/thread-self/ns/net"), &layout.netns, None::<&str>, MsFlags::MS_BIND, None::<&str>)
            .with_context(|| format!("bind the namespace to {}", layout.netns.display()))
    })?;
    Ok(true)
}

/// Whether the namespace is there.
pub fn exists(layout: &Layout) -> Result<bool> {
    Ok(mounts::below(&mounts::read()?, &layout.netns).next().is_some())
}

/// Moves the calling thread, and so what it starts, into the namespace bound to `path`.
///
/// # Errors
/// If it does not exist or may not be entered.
pub fn enter(path: &Path) -> Result<()> {
    let file = File::open(path).with_context(|| format!("no namespace at {}: run `cluster up`", path.display()))?;
    setns(file, CloneFlags::CLONE_NEWNET).with_context(|| format!("enter the namespace at {}", path.display()))
}

/// Runs `work` inside the namespace, on a thread of its own.
pub fn inside<T: Send>(layout: &Layout, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    in_thread(|| {
        enter(&layout.netns)?;
        work()
    })
}

fn in_thread<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| match scope.spawn(work).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

fn configure() -> Result<()> {
    // `/proc/sys/net` shows the namespace of the thread that opens it.
    for setting in ["ipv4/ip_forward", "bridge/bridge-nf-call-iptables"] {
        let path = format!("/proc/sys/net/{setting}");
        fs::write(&path, "1")
            .with_context(|| format!("set {path}: does the kernel have bridges (`modprobe br_netfilter`)?"))?;
    }
    ip_batch(&links())
}

/// Input for `ip -batch`. There is no `dummy` link type in every kernel, so the node's address sits on a bridge too.
fn links() -> String {
    format!(
        "link set lo up\n\
         link add node0 type bridge\n\
         address add {NODE_IP}/32 dev node0\n\
         link set node0 up\n\
         link add {POD_BRIDGE} type bridge\n\
         address add {POD_GATEWAY} dev {POD_BRIDGE}\n\
         link set {POD_BRIDGE} up\n\
         route add {SERVICE_CIDR} dev {POD_BRIDGE}\n"
    )
}

fn ip_batch(lines: &str) -> Result<()> {
    let mut child = Command::new("ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .context("run `ip` (Debian package iproute2)")?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(lines.as_bytes())?;
    }
    ensure!(child.wait()?.success(), "`ip -batch` failed on:\n{lines}");
    Ok(())
}
