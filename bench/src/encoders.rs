//! The programs that are measured, and how each is asked to encode one file.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

/// A program, and with how many threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoder {
    Converter {
        threads: usize,
    },
    /// One thread: Debian's 1.4 has no more.
    Flac,
    /// Its encoder has one thread.
    Ffmpeg,
}

impl Encoder {
    pub fn name(self) -> String {
        match self {
            Self::Converter { threads: 1 } => "converter, 1 thread".to_owned(),
            Self::Converter { threads } => format!("converter, {threads} threads"),
            Self::Flac => "flac".to_owned(),
            Self::Ffmpeg => "ffmpeg".to_owned(),
        }
    }

    /// The program, and its arguments for one file.
    pub fn command(self, converter: &Path, level: u8, input: &Path, output: &Path) -> (PathBuf, Vec<OsString>) {
        let (input, output) = (input.as_os_str(), output.as_os_str());
        match self {
            Self::Converter { threads } => {
                let words = [
                    "convert".into(),
                    "--force".into(),
                    "--level".into(),
                    level.to_string().into(),
                    "--threads".into(),
                    threads.to_string().into(),
                    "-o".into(),
                    output.into(),
                    input.into(),
                ];
                (converter.to_owned(), words.into())
            }
            Self::Flac => {
                let level = format!("-{level}").into();
                (
                    "flac".into(),
                    ["--silent".into(), "--force".into(), level, "-o".into(), output.into(), input.into()].into(),
                )
            }
            Self::Ffmpeg => {
                let mut words: Vec<OsString> = ["-v", "error", "-nostdin", "-y", "-i"].map(OsString::from).into();
                words.push(input.into());
                words.extend(["-c:a", "flac", "-threads", "1", "-compression_level"].map(OsString::from));
                words.extend([level.to_string().into(), output.into()]);
                ("ffmpeg".into(), words)
            }
        }
    }
}

/// The options of `converter convert` that the bench needs.
const FLAGS: [&str; 4] = ["--threads", "--level", "--output", "--force"];

/// Fails with the options that this converter does not have.
pub fn check_flags(converter: &Path) -> anyhow::Result<()> {
    let help = Command::new(converter).args(["convert", "--help"]).output();
    let help = help.with_context(|| format!("cannot run {}", converter.display()))?;
    let missing = missing_flags(&String::from_utf8_lossy(&help.stdout));
    if !missing.is_empty() {
        bail!("{} has no {}: it is too old for this bench", converter.display(), missing.join(", "));
    }
    Ok(())
}

fn missing_flags(help: &str) -> Vec<&'static str> {
    let words: Vec<&str> = help.split([' ', '\n', ',', '=', '[', '<']).collect();
    FLAGS.into_iter().filter(|flag| !words.contains(flag)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_options_are_told() {
        assert!(
            missing_flags("  -o, --output <OUT>\n --level <N>\n  --threads=<N>\n  -f, --force  Replace\n").is_empty()
        );
        assert_eq!(missing_flags("--output <OUT> --level-of-water --force\n"), ["--threads", "--level"]);
    }

    #[test]
    fn each_program_is_told_level_input_and_output() {
        for encoder in [Encoder::Converter { threads: 3 }, Encoder::Flac, Encoder::Ffmpeg] {
            let (_, words) = encoder.command(Path::new("/x/converter"), 7, Path::new("in.wav"), Path::new("out.flac"));
            let words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
            assert!(words.contains(&"in.wav".to_owned()) && words.contains(&"out.flac".to_owned()), "{words:?}");
            assert!(words.iter().any(|word| word.trim_start_matches('-') == "7"), "{words:?}");
            assert_eq!(words.contains(&"3".to_owned()), encoder == Encoder::Converter { threads: 3 }, "{words:?}");
        }
    }
}
