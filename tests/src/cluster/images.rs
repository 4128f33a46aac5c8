//! Container images in the cluster's containerd: its own two, and those that `cluster load` brings.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use super::binaries::Binaries;
use super::layout::Layout;
use super::{files, process};
use crate::oci::{self, Config, Entry, Image};

const PAUSE_SOURCE: &str = include_str!("../../cluster/pause.c");

/// Full names of the cluster's own images; the tag says what is in them, so a changed one is another one.
#[derive(Clone, Debug)]
pub struct Names {
    /// The sandbox of every pod.
    pub pause: String,
    /// The cluster's DNS server.
    pub coredns: String,
}

impl Names {
    /// The names that go with these programs.
    pub fn new(binaries: &Binaries) -> Self {
        let coredns = binaries.tool("coredns");
        let build = coredns.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        Self {
            pause: name("pause", &oci::hex(&Sha256::digest(PAUSE_SOURCE.as_bytes()))),
            coredns: name("coredns", &build),
        }
    }
}

fn name(image: &str, key: &str) -> String {
    format!("flacship.dev/cluster/{image}:{}", key.get(..12).unwrap_or(key))
}

/// Imports the pause image unless it is there. No pod starts without it.
pub fn ensure_pause(layout: &Layout, names: &Names) -> Result<()> {
    if present(layout, &names.pause)? {
        return Ok(());
    }
    let (source, program) = (layout.state("tmp/pause.c"), layout.state("tmp/pause"));
    files::write(&source, PAUSE_SOURCE)?;
    let status = Command::new("gcc")
        .args(["-static", "-O2", "-s", "-o"])
        .args([&program, &source])
        .status()
        .context("run gcc (Debian packages gcc and libc6-dev)")?;
    ensure!(status.success(), "gcc could not build the pause program; its messages are above");
    let config = Config { entrypoint: vec!["/pause".into()], user: "65535:65535".into(), ..Config::default() };
    import(layout, &names.pause, Entry::copy(&program, "/pause", 0o755)?, config)
}

/// Imports the CoreDNS image unless it is there.
pub fn ensure_coredns(layout: &Layout, binaries: &Binaries, names: &Names) -> Result<()> {
    if present(layout, &names.coredns)? {
        return Ok(());
    }
    let config = Config { entrypoint: vec!["/coredns".into()], user: "65532:65532".into(), ..Config::default() };
    import(layout, &names.coredns, Entry::copy(&binaries.tool("coredns"), "/coredns", 0o755)?, config)
}

fn import(layout: &Layout, name: &str, program: Entry, config: Config) -> Result<()> {
    let tag = name.replace(['/', ':'], "-");
    let file = layout.state(&format!("tmp/{tag}.tar"));
    let image = Image { name: name.to_owned(), entries: vec![program], config };
    oci::write(&image, &file)?;
    load(layout, std::slice::from_ref(&file))?;
    files::remove(&file)
}

/// Imports OCI archives; the annotation `io.containerd.image.name` in each names the image.
///
/// # Errors
/// If the cluster does not run or containerd refuses an archive.
pub fn load(layout: &Layout, archives: &[PathBuf]) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for archive in archives {
        ensure!(archive.is_file(), "no archive at {}", archive.display());
        let output = ctr(layout).args(["images", "import"]).arg(archive).output().context("run ctr")?;
        ensure!(
            output.status.success(),
            "import of {} failed: {}",
            archive.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
        lines.extend(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned));
    }
    Ok(lines)
}

fn present(layout: &Layout, name: &str) -> Result<bool> {
    Ok(list(layout)?.lines().any(|line| line == name))
}

fn list(layout: &Layout) -> Result<String> {
    let output = ctr(layout).args(["images", "ls", "-q"]).output().context("run ctr")?;
    ensure!(output.status.success(), "ctr: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether containerd answers.
pub fn ready(layout: &Layout) -> bool {
    Path::new(&layout.containerd_socket()).exists() && list(layout).is_ok()
}

/// `ctr` for the namespace of containerd's that Kubernetes uses.
fn ctr(layout: &Layout) -> Command {
    let mut command = Command::new("ctr");
    command.env("PATH", process::search_path(layout));
    command.args(["--address", &layout.containerd_socket(), "--namespace", "k8s.io"]);
    command
}
