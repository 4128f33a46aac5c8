//! Says what the machine lacks, with the Debian package that has it, before anything is changed.

use std::path::Path;

use anyhow::{Result, bail, ensure};

/// A file that must be there, and the Debian package it comes in.
const NEEDED: [(&str, &str); 13] = [
    ("containerd", "containerd"),
    ("containerd-shim-runc-v2", "containerd"),
    ("ctr", "containerd"),
    ("runc", "runc"),
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("iptables", "iptables"),
    ("conntrack", "conntrack"),
    ("mount", "mount"),
    ("gcc", "gcc"),
    ("/usr/lib/cni/bridge", "containernetworking-plugins"),
    ("/usr/lib/cni/host-local", "containernetworking-plugins"),
    ("/usr/lib/cni/portmap", "containernetworking-plugins"),
];
const FOLDERS: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Fails with one message that names every missing package.
pub fn check() -> Result<()> {
    ensure!(nix::unistd::geteuid().is_root(), "the cluster needs root: namespaces, mounts and cgroups are made");
    let missing = missing(|file| FOLDERS.iter().any(|folder| Path::new(folder).join(file).exists()));
    if missing.is_empty() {
        return Ok(());
    }
    bail!("Debian packages are missing: apt-get install --no-install-recommends {}", missing.join(" "))
}

fn missing(there: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let mut packages: Vec<&str> = NEEDED.iter().filter(|(file, _)| !there(file)).map(|(_, package)| *package).collect();
    packages.dedup();
    packages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_package_is_named_once() {
        assert_eq!(missing(|file| !matches!(file, "ctr" | "containerd" | "nft")), ["containerd", "nftables"]);
        assert!(missing(|_| true).is_empty());
    }
}
