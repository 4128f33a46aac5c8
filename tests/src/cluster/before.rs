//! What the machine looked like before the cluster: written down first, so that `down` can put it back.
//!
//! Kubelet, CNI and containerd write to some fixed places outside any folder that they are told, and the kubelet
//! sets kernel parameters. Nothing else of the machine changes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::files;
use super::layout::Layout;
use super::process::boot_id;

/// The kubelet sets these (`setupKernelTunables`).
const SYSCTLS: [&str; 6] = [
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
];

/// Fixed folders, parents first.
const FOLDERS: [&str; 9] = [
    "/var/lib/kubelet",
    "/var/lib/kubelet/device-plugins",
    "/var/lib/cni",
    "/var/lib/cni/results",
    "/var/log/containers",
    "/run/containerd",
    "/run/containerd/s",
    "/run/containerd/runc",
    // Of the mount(8) that the kubelet calls.
    "/run/mount",
];

/// The machine before the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    boot: String,
    sysctls: BTreeMap<String, String>,
    /// Those of the fixed folders that were there.
    folders: Vec<PathBuf>,
}

/// Writes it down, unless an earlier `up` of the same cluster did: by now the machine may be changed.
pub fn save(layout: &Layout) -> Result<()> {
    let boot = boot_id()?;
    let folders = match read(layout)? {
        Some(before) if before.boot == boot => return Ok(()),
        // A boot has reset the kernel's parameters; the folders stayed.
        Some(before) => before.folders,
        None => FOLDERS.iter().map(PathBuf::from).filter(|folder| folder.exists()).collect(),
    };
    let sysctls = SYSCTLS
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), fs::read_to_string(sysctl_path(name)).ok()?)))
        .collect();
    let before = Before { boot, sysctls, folders };
    files::write(&path(layout), &serde_json::to_string_pretty(&before)?)
}

/// Puts the kernel's parameters back and removes the fixed folders that were not there, once they are empty.
pub fn restore(layout: &Layout) -> Result<()> {
    let Some(before) = read(layout)? else { return Ok(()) };
    if before.boot == boot_id()? {
        for (name, value) in &before.sysctls {
            let path = sysctl_path(name);
            if fs::read_to_string(&path).ok().as_ref() != Some(value) {
                fs::write(&path, value).with_context(|| format!("restore {}", path.display()))?;
            }
        }
    }
    remove_strays(layout, &before);
    for folder in FOLDERS.iter().rev().map(Path::new) {
        if !before.folders.iter().any(|there| there == folder) {
            // Not empty: somebody else has begun to use it.
            let _ = fs::remove_dir(folder);
        }
    }
    Ok(())
}

/// Files that the cluster's own programs left in the fixed folders.
fn remove_strays(layout: &Layout, before: &Before) {
    // libcni keeps what it did for each sandbox, with the path of its namespace, which lies in our folder.
    let ours = format!("{}/", layout.state_dir.display());
    each_file(Path::new("/var/lib/cni/results"), |file| {
        fs::read_to_string(file).is_ok_and(|text| text.contains(&ours))
    });
    each_file(Path::new("/var/log/containers"), |file| {
        fs::read_link(file).is_ok_and(|target| target.starts_with(&layout.state_dir))
    });
    let plugins = Path::new("/var/lib/kubelet/device-plugins");
    if !before.folders.iter().any(|there| there == plugins) {
        each_file(plugins, |file| {
            let name = file.file_name().unwrap_or_default();
            name == "kubelet.sock" || name == "kubelet_internal_checkpoint" || name == "DEPRECATION"
        });
    }
}

fn each_file(folder: &Path, remove: impl Fn(&Path) -> bool) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if remove(&path) {
            let _ = fs::remove_file(path);
        }
    }
}

fn read(layout: &Layout) -> Result<Option<Before>> {
    match fs::read_to_string(path(layout)) {
        Ok(text) => serde_json::from_str(&text).map(Some).context("parse before.json"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context("read before.json"),
    }
}

fn path(layout: &Layout) -> PathBuf {
    layout.state("before.json")
}

fn sysctl_path(name: &str) -> PathBuf {
    Path::new("/proc/sys").join(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_matching_files_go() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("a", "in /x/cluster-one/netns/1"), ("b", "in /x/cluster-one-more/netns/1")] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        each_file(folder.path(), |file| fs::read_to_string(file).is_ok_and(|text| text.contains("/x/cluster-one/")));
        assert!(!folder.path().join("a").exists() && folder.path().join("b").exists());
    }

    #[test]
    fn parents_are_listed_before_what_is_in_them() {
        for (index, folder) in FOLDERS.iter().enumerate() {
            assert!(!FOLDERS[..index].iter().any(|earlier| earlier.starts_with(&format!("{folder}/"))), "{folder}");
        }
    }
}
