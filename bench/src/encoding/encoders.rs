//! The programs that are measured, and how each is asked to encode some files.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

/// A program, and how it is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoder {
    Converter {
        engine: Engine,
        threads: usize,
        verify: bool,
    },
    /// `libflac-peer`: what `flac` 1.5.0 does with one thread. All ratios are to it.
    Libflac {
        verify: bool,
    },
    /// One thread: Debian's 1.4 has no more.
    Flac,
    /// Its encoder has one thread.
    Ffmpeg,
}

/// Of the converter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Our own, with what the CPU has.
    Native,
    /// Our own, plain.
    Portable,
    Flacenc,
}

pub const NATIVE: Encoder = native(1);
pub const VERIFIED: Encoder = Encoder::Converter { engine: Engine::Native, threads: 1, verify: true };
pub const PORTABLE: Encoder = Encoder::Converter { engine: Engine::Portable, threads: 1, verify: false };
pub const FLACENC: Encoder = Encoder::Converter { engine: Engine::Flacenc, threads: 1, verify: false };
pub const LIBFLAC: Encoder = Encoder::Libflac { verify: false };
pub const LIBFLAC_VERIFIED: Encoder = Encoder::Libflac { verify: true };

pub const fn native(threads: usize) -> Encoder {
    Encoder::Converter { engine: Engine::Native, threads, verify: false }
}

impl Engine {
    /// As the converter's option has it.
    fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Portable => "portable",
            Self::Flacenc => "flacenc",
        }
    }
}

/// Where the programs are that are not Debian's.
#[derive(Debug, Clone)]
pub struct Programs {
    pub converter: PathBuf,
    pub libflac: PathBuf,
}

impl Encoder {
    pub fn name(self) -> String {
        let verify = |verify| if verify { ", verifying" } else { "" };
        match self {
            Self::Converter { engine, threads: 1, verify: check } => format!("{}{}", engine.name(), verify(check)),
            Self::Converter { engine, threads, verify: check } => {
                format!("{}, {threads} threads{}", engine.name(), verify(check))
            }
            Self::Libflac { verify: check } => format!("libFLAC 1.5.0{}", verify(check)),
            Self::Flac => "Debian's flac".to_owned(),
            Self::Ffmpeg => "ffmpeg".to_owned(),
        }
    }

    /// What this one is measured against.
    pub fn reference(self) -> Self {
        match self {
            Self::Converter { verify: true, .. } | LIBFLAC_VERIFIED => LIBFLAC_VERIFIED,
            _ => LIBFLAC,
        }
    }

    /// Whether this writes the very bytes that [`NATIVE`] does.
    pub fn writes_as_native(self) -> bool {
        matches!(self, Self::Converter { engine: Engine::Native | Engine::Portable, .. })
    }

    /// The program, and its arguments for these files, each of which becomes `NAME.flac` in the folder.
    ///
    /// All files are one command's, as a person would have it, so that what a program takes to start counts once.
    pub fn command(self, programs: &Programs, level: u8, inputs: &[&Path], folder: &Path) -> (PathBuf, Vec<OsString>) {
        let files = inputs.iter().map(|input| OsString::from(input.as_os_str()));
        let level = level.to_string();
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        match self {
            Self::Converter { engine, threads, verify } => {
                let threads = threads.to_string();
                let mut words =
                    words(&["convert", "--force", "--engine", engine.name(), "--level", &level, "--threads", &threads]);
                words.extend(verify.then(|| "--verify".into()));
                words.extend(["-o".into(), folder.into()]);
                words.extend(files);
                (programs.converter.clone(), words)
            }
            Self::Libflac { verify } => {
                let mut words = words(&[&level]);
                words.extend(verify.then(|| "-V".into()));
                words.push(folder.into());
                words.extend(files);
                (programs.libflac.clone(), words)
            }
            Self::Flac => {
                let mut words = words(&["--silent", "--force", &format!("-{level}")]);
                let mut prefix = OsString::from("--output-prefix=");
                prefix.push(folder);
                prefix.push("/");
                words.push(prefix);
                words.extend(files);
                ("flac".into(), words)
            }
            Self::Ffmpeg => {
                let mut words = words(&["-v", "error", "-nostdin", "-y"]);
                words.extend(files.flat_map(|file| ["-i".into(), file]));
                for (number, input) in inputs.iter().enumerate() {
                    let map =
                        ["-map", &number.to_string(), "-c:a", "flac", "-threads", "1", "-compression_level", &level]
                            .map(OsString::from);
                    words.extend(map);
                    words.push(output(folder, input).into());
                }
                ("ffmpeg".into(), words)
            }
        }
    }
}

/// Where each program writes what it makes of a file.
pub fn output(folder: &Path, input: &Path) -> PathBuf {
    folder.join(input.with_extension("flac").file_name().unwrap_or_default())
}

/// The options of `converter convert` that the bench needs.
const FLAGS: [&str; 6] = ["--threads", "--level", "--output", "--force", "--engine", "--verify"];

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
        let help = "  -o, --output <OUT>\n --level <N>\n  --threads=<N>\n  -f, --force  Replace\n";
        assert_eq!(missing_flags(&format!("{help} --engine <E>\n -V, --verify\n")), Vec::<&str>::new());
        assert_eq!(missing_flags(help), ["--engine", "--verify"]);
        assert_eq!(missing_flags("--level-of-water --force").len(), 5);
    }

    fn words(encoder: Encoder) -> Vec<String> {
        let programs = Programs { converter: "/x/converter".into(), libflac: "/x/peer".into() };
        let inputs = [Path::new("/in/one.wav"), Path::new("/in/two.wav")];
        let (_, words) = encoder.command(&programs, 7, &inputs, Path::new("/out"));
        words.iter().map(|word| word.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn each_program_is_told_level_inputs_and_folder() {
        for encoder in
            [native(3), PORTABLE, FLACENC, VERIFIED, LIBFLAC, LIBFLAC_VERIFIED, Encoder::Flac, Encoder::Ffmpeg]
        {
            let words = words(encoder);
            assert!(
                ["/in/one.wav", "/in/two.wav"].iter().all(|input| words.contains(&(*input).to_owned())),
                "{words:?}"
            );
            assert!(words.iter().any(|word| word.contains("/out")), "{words:?}");
            assert!(words.iter().any(|word| word.trim_start_matches('-') == "7"), "{words:?}");
            assert_eq!(words.contains(&"3".to_owned()), encoder == native(3), "{words:?}");
            let verifies = words.iter().any(|word| word == "--verify" || word == "-V");
            assert_eq!(verifies, encoder == VERIFIED || encoder == LIBFLAC_VERIFIED, "{words:?}");
        }
        assert!(words(FLACENC).contains(&"flacenc".to_owned()) && words(PORTABLE).contains(&"portable".to_owned()));
        assert!(words(Encoder::Ffmpeg).contains(&"/out/two.flac".to_owned()));
        assert_eq!(output(Path::new("/out"), Path::new("/in/a.b.wav")), Path::new("/out/a.b.flac"));
    }

    #[test]
    fn verification_is_measured_against_verification() {
        assert_eq!(VERIFIED.reference(), LIBFLAC_VERIFIED);
        for encoder in [NATIVE, native(2), PORTABLE, FLACENC, LIBFLAC, Encoder::Flac, Encoder::Ffmpeg] {
            assert_eq!(encoder.reference(), LIBFLAC);
        }
    }
}
