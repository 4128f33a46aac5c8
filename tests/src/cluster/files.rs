//! Small file helpers: whole-or-nothing writes, and templates.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context, Result};

/// Creates a folder and its parents.
pub fn folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("create folder {}", path.display()))
}

/// Writes `text` so that a reader, or a later run after a kill, sees the old file or the new one whole.
pub fn write(path: &Path, text: &str) -> Result<()> {
    write_mode(path, text, 0o644)
}

/// The same for keys: only the owner may read.
pub fn write_secret(path: &Path, text: &str) -> Result<()> {
    write_mode(path, text, 0o600)
}

fn write_mode(path: &Path, text: &str, mode: u32) -> Result<()> {
    if let Some(parent) = path.parent() {
        folder(parent)?;
    }
    let partial = path.with_extension("partial");
    fs::write(&partial, text).with_context(|| format!("write {}", partial.display()))?;
    fs::set_permissions(&partial, Permissions::from_mode(mode))?;
    fs::rename(&partial, path).with_context(|| format!("rename to {}", path.display()))
}

/// Removes a file; one that is not there is fine.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Replaces each `@KEY@` in `template`.
pub fn fill(template: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(template.to_owned(), |text, (key, value)| text.replace(&format!("@{key}@"), value))
}

/// The last lines of a log, for error messages.
pub fn tail(path: &Path, lines: usize) -> String {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn secrets_are_the_owners() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a/key");
        write_secret(&file, "x").unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        remove(&file).unwrap();
        remove(&file).unwrap();
    }

    #[test]
    fn templates_and_tails() {
        assert_eq!(fill("a @B@ @B@ @C@", &[("B", "x"), ("C", "@D@")]), "a x x @D@");
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        write(&log, "one\ntwo\nthree\n").unwrap();
        assert_eq!(tail(&log, 2), "two\nthree");
        assert_eq!(tail(&folder.path().join("none"), 2), "");
    }
}
