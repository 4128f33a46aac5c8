//! Debian packages: downloaded and unpacked into the bench's folder, never installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

/// The folder with a package's files; what is there already is used again.
pub fn unpacked(folder: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let package = folder.join(name);
    if package.is_dir() {
        return Ok(package);
    }
    eprintln!("sounds: download Debian's package {name}");
    let part = folder.join(format!("{name}.part"));
    let _ = fs::remove_dir_all(&part);
    let debs = part.join("debs");
    fs::create_dir_all(&debs)?;
    let download = || run(Command::new("apt-get").args(["--quiet=2", "download", name]).current_dir(&debs));
    if download().is_err() {
        run(Command::new("apt-get").args(["--quiet=2", "update"])).context("the list of packages may be too old")?;
        download().with_context(|| format!("some sounds are in Debian's package {name}"))?;
    }
    let deb = fs::read_dir(&debs)?.next().with_context(|| format!("no package in {}", debs.display()))??.path();
    // Under another name until it is whole.
    let files = part.join("files");
    run(Command::new("dpkg-deb").arg("--extract").arg(&deb).arg(&files))?;
    fs::rename(&files, &package)?;
    fs::remove_dir_all(&part)?;
    Ok(package)
}

/// Runs a program; fails with what it said.
pub fn run(command: &mut Command) -> anyhow::Result<()> {
    let name = command.get_program().display().to_string();
    let output = command.output().with_context(|| format!("cannot run {name}"))?;
    if !output.status.success() {
        bail!("{name} failed: {}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(())
}
