//! Where everything of one cluster lies. Nothing here touches the disk.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use super::{NODE_IP, PAGE_NODE_PORT};

/// Environment variable with the folder that holds the state folders of all clusters.
pub const STATE_DIR_VARIABLE: &str = "FLACSHIP_STATE_DIR";
const DEFAULT_STATE_DIR: &str = "/var/lib/flacship";
/// kubelet makes sockets below its root, and a socket's path has at most 107 bytes.
const LONGEST_STATE_DIR: usize = 64;
const LONGEST_NAME: usize = 20;

/// Paths and addresses of one cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The cluster's name.
    pub name: String,
    /// Everything that `cluster down` removes whole.
    pub state_dir: PathBuf,
    /// Sockets and the namespace: a short path, because socket paths are limited.
    pub run_dir: PathBuf,
    /// Administrator's kubeconfig; works on the host and inside the namespace.
    pub kubeconfig: PathBuf,
    /// kubectl of the cluster's version. There once `cluster up` has run.
    pub kubectl: PathBuf,
    /// Folder with all of the cluster's programs (links), for `PATH`.
    pub bin_dir: PathBuf,
    /// The network namespace, for `nsenter --net=`.
    pub netns: PathBuf,
    /// The node's address, reachable inside the namespace only.
    pub node_ip: &'static str,
    /// NodePort that the host's loopback port of the page leads to.
    pub page_node_port: u16,
    /// A folder for `hostPath` and local volumes of tests; goes with `cluster down`.
    pub volumes_dir: PathBuf,
}

/// The layout of the cluster `name`, below `$FLACSHIP_STATE_DIR` or `/var/lib/flacship`.
///
/// # Errors
/// If the name or the resulting paths cannot be used.
pub fn layout(name: &str) -> Result<Layout> {
    let base = std::env::var_os(STATE_DIR_VARIABLE).map_or_else(|| PathBuf::from(DEFAULT_STATE_DIR), PathBuf::from);
    Layout::below(&base, name)
}

impl Layout {
    fn below(base: &Path, name: &str) -> Result<Self> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        ensure!(
            !name.is_empty() && name.len() <= LONGEST_NAME && name.bytes().all(plain),
            "cluster name `{name}`: use 1 to {LONGEST_NAME} of a-z, 0-9 and `-`"
        );
        ensure!(base.is_absolute(), "{STATE_DIR_VARIABLE}={}: give an absolute path", base.display());
        let state_dir = base.join(format!("cluster-{name}"));
        ensure!(
            state_dir.as_os_str().len() <= LONGEST_STATE_DIR,
            "{} is too long for the sockets below it: set {STATE_DIR_VARIABLE} to a shorter path",
            state_dir.display()
        );
        let run_dir = PathBuf::from(format!("/run/flacship-{name}"));
        Ok(Self {
            name: name.to_owned(),
            kubeconfig: state_dir.join("kubeconfig"),
            kubectl: state_dir.join("bin/kubectl"),
            bin_dir: state_dir.join("bin"),
            netns: run_dir.join("netns"),
            node_ip: NODE_IP,
            page_node_port: PAGE_NODE_PORT,
            volumes_dir: state_dir.join("volumes"),
            state_dir,
            run_dir,
        })
    }

    /// A path below the state folder.
    pub(super) fn state(&self, path: &str) -> PathBuf {
        self.state_dir.join(path)
    }

    /// The same as text, for flags and config files.
    pub(super) fn state_text(&self, path: &str) -> String {
        self.state(path).display().to_string()
    }

    /// Log of one of the cluster's processes.
    pub fn log(&self, process: &str) -> PathBuf {
        self.state(&format!("logs/{process}.log"))
    }

    /// Audit log of the API server, one JSON object a line; there if `cluster up` was given a policy.
    pub fn audit_log(&self) -> PathBuf {
        self.state("logs/audit.jsonl")
    }

    pub(super) fn containerd_socket(&self) -> String {
        self.run_dir.join("containerd.sock").display().to_string()
    }

    /// The cgroup, in every hierarchy, below which all pods live.
    pub(super) fn cgroup(&self) -> String {
        format!("flacship-{}", self.name)
    }

    /// Name of the CNI network: the prefix of the files that libcni keeps.
    pub(super) fn cni_network(&self) -> String {
        format!("flacship-{}", self.name)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn clusters_share_no_folder() {
        let one = Layout::below(Path::new("/x"), "one").unwrap();
        let two = Layout::below(Path::new("/x"), "two").unwrap();
        assert_eq!(one.kubeconfig, Path::new("/x/cluster-one/kubeconfig"));
        assert_ne!(one.state_dir, two.state_dir);
        assert_ne!(one.run_dir, two.run_dir);
        assert_ne!(one.cgroup(), two.cgroup());
    }

    #[test]
    fn names_that_would_leave_the_folder_are_refused() {
        for name in ["", "..", "a/b", "Ä", "UP", "a-name-that-is-far-too-long"] {
            assert!(Layout::below(Path::new("/x"), name).is_err(), "{name}");
        }
        assert!(Layout::below(Path::new("relative"), "a").is_err());
        assert!(Layout::below(Path::new(&format!("/{}", "x".repeat(60))), "a").is_err());
    }
}
