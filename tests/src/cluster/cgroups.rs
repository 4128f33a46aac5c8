//! The cgroup of our own, in every hierarchy, below which the kubelet puts all pods.
//!
//! Everything in it is the cluster's by construction: so pods are found, ended and removed without asking anybody.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::layout::Layout;
use super::mounts::{self, Mount};
use super::progress::wait_for;

/// Creates the cgroup in every hierarchy.
pub fn ensure(layout: &Layout) -> Result<()> {
    for path in ours(layout)? {
        match fs::create_dir(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(error).with_context(|| format!("create cgroup {}", path.display()));
            }
            _ => {}
        }
        pass_controllers_on(&path);
    }
    Ok(())
}

/// Ends every process in our cgroups.
pub fn kill_all(layout: &Layout) -> Result<usize> {
    let mut pids = Vec::new();
    for path in ours(layout)? {
        walk(&path, &mut |group| {
            let listed = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
            pids.extend(listed.lines().filter_map(|line| line.parse::<i32>().ok()));
        });
    }
    pids.sort_unstable();
    pids.dedup();
    // Pid 0 is a process of another pid namespace: not one of ours, which are started below this one.
    pids.retain(|pid| *pid > 1);
    for pid in &pids {
        let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
    }
    Ok(pids.len())
}

/// Removes our cgroups; waits a little for the ended processes to leave them.
pub fn remove(layout: &Layout) -> Result<()> {
    for path in ours(layout)? {
        wait_for(
            &format!("removal of cgroup {}", path.display()),
            Duration::from_secs(15),
            Duration::from_millis(20),
            || {
                walk(&path, &mut |group| {
                    let _ = fs::remove_dir(group);
                });
                Ok(!path.exists())
            },
        )?;
    }
    Ok(())
}

fn ours(layout: &Layout) -> Result<Vec<PathBuf>> {
    Ok(hierarchies(&mounts::read()?).into_iter().map(|root| root.join(layout.cgroup())).collect())
}

fn hierarchies(mounts: &[Mount]) -> Vec<PathBuf> {
    let mut roots: Vec<PathBuf> = mounts
        .iter()
        .filter(|mount| matches!(mount.kind.as_str(), "cgroup" | "cgroup2"))
        .map(|mount| mount.point.clone())
        .filter(|point| point.starts_with("/sys/fs/cgroup"))
        .collect();
    roots.sort();
    roots.dedup();
    roots
}

/// Visits the children of a cgroup before itself.
fn walk(group: &Path, visit: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&entry.path(), visit);
        }
    }
    if group.exists() {
        visit(group);
    }
}

/// With cgroup v2 a child has the controllers that its parent passes on. Only our own group is told to.
fn pass_controllers_on(group: &Path) {
    let available = fs::read_to_string(group.join("cgroup.controllers")).unwrap_or_default();
    for controller in available.split_whitespace() {
        // One that cannot be passed on may not be needed; if it is, the kubelet says so.
        let _ = fs::write(group.join("cgroup.subtree_control"), format!("+{controller}"));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn mount(kind: &str, point: &str) -> Mount {
        Mount { point: point.into(), kind: kind.into(), options: String::new() }
    }

    #[test]
    fn only_cgroup_mounts_of_the_machine_count() {
        let mounts = [
            mount("tmpfs", "/sys/fs/cgroup"),
            mount("cgroup", "/sys/fs/cgroup/cpu"),
            mount("cgroup2", "/sys/fs/cgroup/unified"),
            mount("cgroup", "/srv/chroot/sys/fs/cgroup/cpu"),
            mount("cgroup", "/sys/fs/cgroup/cpu"),
        ];
        let found = hierarchies(&mounts);
        assert_eq!(found, [Path::new("/sys/fs/cgroup/cpu"), Path::new("/sys/fs/cgroup/unified")]);
    }

    #[test]
    fn children_come_first() {
        let folder = tempfile::tempdir().unwrap();
        let group = folder.path().join("group");
        fs::create_dir_all(group.join("a/b")).unwrap();
        let mut seen = Vec::new();
        walk(&group, &mut |path| seen.push(path.to_owned()));
        assert_eq!(seen, [group.join("a/b"), group.join("a"), group]);
    }
}
