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

const FILE: &str = "before.json";
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

/// Whether the machine has been booted since the cluster was last started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boot {
    /// It has: nothing of the cluster runs, whatever its files say.
    New,
    /// It has not, or this is the first start.
    Same,
}

/// Writes it down, unless an earlier `up` did: by now the machine may be changed.
pub fn save(layout: &Layout) -> Result<Boot> {
    let boot = boot_id()?;
    let own = read(&path(layout))?;
    if own.as_ref().is_some_and(|before| before.boot == boot) {
        return Ok(Boot::Same);
    }
    // What another cluster found is what was before both.
    if let Some(before) = others(layout, &boot).pop() {
        files::write(&path(layout), &serde_json::to_string_pretty(&before)?)?;
        return Ok(if own.is_some() { Boot::New } else { Boot::Same });
    }
    // A boot has reset the kernel's parameters; the folders stayed.
    let (folders, outcome) = match own {
        Some(before) => (before.folders, Boot::New),
        None => (FOLDERS.iter().map(PathBuf::from).filter(|folder| folder.exists()).collect(), Boot::Same),
    };
    let sysctls = SYSCTLS
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), fs::read_to_string(sysctl_path(name)).ok()?)))
        .collect();
    let before = Before { boot, sysctls, folders };
    files::write(&path(layout), &serde_json::to_string_pretty(&before)?)?;
    Ok(outcome)
}

/// What the other clusters of this boot found.
fn others(layout: &Layout, boot: &str) -> Vec<Before> {
    let siblings = layout.state_dir.parent().and_then(|base| fs::read_dir(base).ok());
    siblings
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|folder| *folder != layout.state_dir)
        .filter_map(|folder| read(&folder.join(FILE)).ok().flatten())
        .filter(|before| before.boot == boot)
        .collect()
}

/// Puts the kernel's parameters back and removes the fixed folders that were not there, once they are empty.
pub fn restore(layout: &Layout) -> Result<()> {
    let Some(before) = read(&path(layout))? else { return Ok(()) };
    remove_strays(layout);
    let boot = boot_id()?;
    if !others(layout, &boot).is_empty() {
        // The last one to go puts the machine back.
        return Ok(());
    }
    if before.boot == boot {
        for (name, value) in &before.sysctls {
            let path = sysctl_path(name);
            if fs::read_to_string(&path).ok().as_ref() != Some(value) {
                fs::write(&path, value).with_context(|| format!("restore {}", path.display()))?;
            }
        }
    }
    remove_device_plugins(&before);
    for folder in FOLDERS.iter().rev().map(Path::new) {
        if !before.folders.iter().any(|there| there == folder) {
            // Not empty: somebody else has begun to use it.
            let _ = fs::remove_dir(folder);
        }
    }
    Ok(())
}

/// Files that the cluster's own programs left in the fixed folders.
fn remove_strays(layout: &Layout) {
    // libcni keeps what it did for each sandbox, with the path of its namespace, which lies in our folder.
    let ours = format!("{}/", layout.state_dir.display());
    each_file(Path::new("/var/lib/cni/results"), |file| {
        fs::read_to_string(file).is_ok_and(|text| text.contains(&ours))
    });
    each_file(Path::new("/var/log/containers"), |file| {
        fs::read_link(file).is_ok_and(|target| target.starts_with(&layout.state_dir))
    });
}

/// The kubelet's socket and checkpoint, which all kubelets of a machine share.
fn remove_device_plugins(before: &Before) {
    let folder = Path::new("/var/lib/kubelet/device-plugins");
    if !before.folders.iter().any(|there| there == folder) {
        each_file(folder, |file| {
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

fn read(file: &Path) -> Result<Option<Before>> {
    match fs::read_to_string(file) {
        Ok(text) => serde_json::from_str(&text).map(Some).with_context(|| format!("parse {}", file.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("read {}", file.display())),
    }
}

fn path(layout: &Layout) -> PathBuf {
    layout.state(FILE)
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
