//! Which files a run takes, by name: globs relative to the source root.
//!
//! `*` and `?` stay within a folder, `**` crosses folders, `[ab]` and `{a,b}` choose. The default takes the
//! names that `converter convert --recursive` takes, however they are written; globs of the user's mind upper and lower
//! case, as in a shell. Whatever the globs say, hidden names are never taken, nor are `.flac` and `.flac.part` files, which are what a run writes.

use std::path::Path;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::error::{ConfigReason, Error};
use crate::wav::ENDINGS;

/// Names that are never sources: a run's own output, finished or not.
const OUTPUT: [&str; 2] = ["**/*.flac", "**/*.flac.part"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Minded,
    Ignored,
}

/// The globs of a run.
#[derive(Debug)]
pub struct Globs {
    include: GlobSet,
    exclude: GlobSet,
    output: GlobSet,
}

impl Globs {
    /// Compiles the globs; no `include` means the default.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self, Error> {
        let include = if include.is_empty() { set(&defaults(), Case::Ignored) } else { set(include, Case::Minded) }?;
        Ok(Self { include, exclude: set(exclude, Case::Minded)?, output: set(&OUTPUT, Case::Ignored)? })
    }

    /// Whether a file is a source, by its path below the source root.
    pub fn takes(&self, path: &Path) -> bool {
        self.include.is_match(path) && !self.exclude.is_match(path) && !self.output.is_match(path)
    }

    /// Whether a folder is left out with all that is in it: an exclude glob names it.
    pub fn prunes(&self, folder: &Path) -> bool {
        self.exclude.is_match(folder)
    }
}

/// The globs when none are given.
fn defaults() -> [String; ENDINGS.len()] {
    ENDINGS.map(|ending| format!("**/*.{ending}"))
}

fn set<G: AsRef<str>>(globs: &[G], case: Case) -> Result<GlobSet, Error> {
    let invalid = |glob: &str, why: &str| {
        Error::config(ConfigReason::InvalidGlob, format!("the glob {glob:?} is not usable: {why}"))
    };
    let mut builder = GlobSetBuilder::new();
    for glob in globs.iter().map(AsRef::as_ref) {
        let trimmed = glob.trim_end_matches('/');
        if trimmed.is_empty() {
            return Err(invalid(glob, "it matches nothing; name files below the source folder, as in \"**/*.wav\""));
        }
        if trimmed.starts_with('/') || trimmed.split('/').any(|part| part == "." || part == "..") {
            return Err(invalid(
                glob,
                "globs are relative to the source folder; leave out a leading \"/\", \".\" and \"..\"",
            ));
        }
        let glob = GlobBuilder::new(trimmed)
            .literal_separator(true)
            .backslash_escape(true)
            .case_insensitive(case == Case::Ignored)
            .build()
            .map_err(|error| invalid(glob, &error.kind().to_string()))?;
        builder.add(glob);
    }
    builder.build().map_err(|error| invalid(error.glob().unwrap_or_default(), &error.kind().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn globs(include: &[&str], exclude: &[&str]) -> Result<Globs, Error> {
        let own = |globs: &[&str]| globs.iter().map(ToString::to_string).collect::<Vec<_>>();
        Globs::new(&own(include), &own(exclude))
    }

    #[test]
    fn table() {
        for (include, exclude, taken, left) in [
            (
                &[][..],
                &[][..],
                &["a.wav", "d/e/b.WAV", "c.Wave", "d.bwf", "d/e.RF64", "f.W64"][..],
                &["a.wav.txt", "a.mp3", "wav", "a.w64x", "a.flac", "a.flac.part"][..],
            ),
            (&["*.wav"], &[], &["a.wav"], &["d/a.wav", "a.WAV"]),
            (&["d/**"], &[], &["d/a.raw", "d/e/b"], &["a.raw", "d/a.flac", "d/e/b.FLAC.part"]),
            (
                &["**/take-?.{wav,bwf}"],
                &["old/**"],
                &["take-1.wav", "d/take-2.bwf"],
                &["take-10.wav", "old/take-1.wav"],
            ),
            (&["[ab]*/x.wav"], &[], &["a1/x.wav", "b/x.wav"], &["c/x.wav", "a/b/x.wav"]),
        ] {
            let globs = globs(include, exclude).unwrap();
            for path in taken {
                assert!(globs.takes(Path::new(path)), "{include:?} takes {path}");
            }
            for path in left {
                assert!(!globs.takes(Path::new(path)), "{include:?} leaves {path}");
            }
        }
    }

    #[test]
    fn a_folder_is_left_out_by_its_name() {
        let globs = globs(&[], &["raw/", "**/tmp"]).unwrap();
        assert!(globs.prunes(Path::new("raw")) && globs.prunes(Path::new("d/tmp")));
        assert!(!globs.prunes(Path::new("d/raw")) && !globs.prunes(Path::new("d")));
    }

    #[test]
    fn names_that_are_not_utf8_match() {
        use std::os::unix::ffi::OsStrExt;
        let name = std::ffi::OsStr::from_bytes(b"d/caf\xe9.wav");
        assert!(globs(&[], &[]).unwrap().takes(Path::new(name)));
        assert!(globs(&["d/*.wav"], &[]).unwrap().takes(Path::new(name)));
    }

    #[test]
    fn bad_globs_say_what_to_change() {
        for bad in ["a[", "{a,b", "", "/", "/abs/*.wav", "./a.wav", "a/../b.wav", "[z-a]"] {
            for error in [globs(&[bad], &[]).unwrap_err(), globs(&[], &[bad]).unwrap_err()] {
                let Error::Config { reason, message } = error else { panic!("{bad}: {error}") };
                assert_eq!(reason, ConfigReason::InvalidGlob);
                assert!(message.contains(&format!("{bad:?}")), "{message}");
            }
        }
    }
}
