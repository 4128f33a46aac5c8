//! Whether every FLAC decodes to its source. flac is the judge of both sides: it decodes each file and compares it with the
//! MD5 that the file tells; and that must be the MD5 of the source's samples.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::process::Command;

use anyhow::{Context as _, ensure};

use super::files::Set;

/// Where STREAMINFO has the MD5 in a file that begins with it (RFC 9639 §8.2).
const MD5_AT: u64 = 26;

/// Checks all files of a set; returns the bytes of their FLACs.
pub fn all(set: &Set) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for sound in &set.sounds {
        let flac = set.folder.join(&sound.path).with_extension("flac");
        let mut file = File::open(&flac).with_context(|| format!("there is no {}", flac.display()))?;
        let mut marker = [0; 4];
        file.read_exact(&mut marker)?;
        let mut md5 = [0; 16];
        file.read_exact_at(&mut md5, MD5_AT)?;
        ensure!(marker == *b"fLaC" && md5 == sound.md5, "{} tells another MD5 than its source has", flac.display());
        bytes += file.metadata()?.len();
    }
    let decode = "find \"$1\" -name '*.flac' -print0 | xargs -0 -n 100 -P \"$(nproc)\" flac --test --totally-silent";
    let status = Command::new("sh").args(["-c", decode, "sh"]).arg(&set.folder).status().context("cannot run sh")?;
    ensure!(status.success(), "a file in {} does not decode to what it tells", set.folder.display());
    Ok(bytes)
}
