//! How each side is run: all that it takes from a folder of WAV files to a folder of FLAC files that is on the disk.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Instant;
use std::{fs, io};

use super::files::Set;
use crate::process::measure;
use crate::usage::Usage;

/// Who converts.
#[derive(Debug, Clone, Copy)]
pub enum Side<'a> {
    /// All three stages, at the default level, verifying.
    Converter(&'a Path),
    /// As many processes as there are cores.
    Flac { files_a_process: usize },
}

/// The folder of the records.
const RECORDS: &str = ".flacship";

/// Removes all that a run has made, and waits until the disk is at rest.
pub fn clear(set: &Set) -> anyhow::Result<()> {
    let removed = |result: io::Result<()>| match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    removed(fs::remove_dir_all(set.folder.join(RECORDS)))?;
    for sound in &set.sounds {
        removed(fs::remove_file(set.folder.join(&sound.path).with_extension("flac")))?;
    }
    nix::unistd::sync();
    Ok(())
}

impl Side<'_> {
    pub fn name(self) -> &'static str {
        match self {
            Self::Converter(_) => "converter batch",
            Self::Flac { .. } => "xargs flac",
        }
    }

    /// Runs it in a folder of WAV files; each FLAC then lies beside its WAV. The time ends when all is on the disk.
    pub fn run(self, folder: &Path) -> anyhow::Result<Usage> {
        let start = Instant::now();
        let mut usage = Usage::default();
        for (program, arguments) in self.commands(folder) {
            usage = usage.then(measure(&program, &arguments)?);
        }
        nix::unistd::sync();
        Ok(Usage { wall: start.elapsed(), ..usage })
    }

    fn commands(self, folder: &Path) -> Vec<(PathBuf, Vec<OsString>)> {
        match self {
            Self::Converter(program) => {
                let stage = |words: &[&str]| {
                    let mut arguments: Vec<OsString> = vec!["batch".into()];
                    arguments.extend(words.iter().map(OsString::from));
                    let records = folder.join(RECORDS).join("bench");
                    for (flag, path) in [("--source", folder), ("--destination", folder), ("--records", &records)] {
                        arguments.extend([OsString::from(flag), path.into()]);
                    }
                    (program.to_path_buf(), arguments)
                };
                vec![stage(&["plan", "--shards", "1"]), stage(&["work", "--shard", "0"]), stage(&["report"])]
            }
            Self::Flac { files_a_process } => {
                let command = format!(
                    "find \"$1\" -name '*.wav' -print0 | xargs -0 -n {files_a_process} -P \"$(nproc)\" \
                     flac -5 -V --totally-silent"
                );
                let arguments = ["-c", &command, "sh"].into_iter().map(OsString::from);
                vec![("sh".into(), arguments.chain([folder.into()]).collect())]
            }
        }
    }
}
