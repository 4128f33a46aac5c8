//! Names at the destination: which files would have the same FLAC, and which FLACs could not have their name at all.
//!
//! Of files that would have the same FLAC (`a.WAV` and `a.wav`; with [`Layout::Flat`] also `1/a.wav` and `2/a.wav`; on a
//! destination that minds no case also `A.wav` and `a.wav`) the first in the byte order of paths is taken; the others
//! are refused as `name_collision`. A FLAC whose name, with `.part` at the end while it is written, is longer than the
//! destination takes is refused as `name_too_long`.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::statvfs::statvfs;

use super::error::Error;
use super::layout::Layout;
use super::path::RecordPath;
use super::records::{Failure, Planned};

/// What a FLAC has at the end of its name while it is written.
const PARTIAL: &str = ".part";
/// Linux's PATH_MAX without the zero at the end.
const LONGEST_PATH: usize = 4095;
/// The longest name where the volume does not say.
const LONGEST_NAME: usize = 255;

/// Whether names that differ only in case are different names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// They are, as on most Linux file systems.
    Minded,
    /// They are not, as on FAT and many SMB shares.
    Ignored,
}

/// What names are like at the destination.
#[derive(Clone, Debug)]
pub struct Names {
    layout: Layout,
    case: Case,
    /// Bytes of the longest name.
    longest: usize,
    /// Bytes of the destination folder's own path.
    root: usize,
}

impl Names {
    /// Asks a destination folder, in which a file is made for a moment.
    pub fn at(destination: &Path, layout: Layout) -> Result<Self, Error> {
        let case = case_at(destination).map_err(Error::making(destination))?;
        if case == Case::Ignored {
            tracing::info!("names at the destination that differ only in case are the same");
        }
        let told = statvfs(destination).map_or(0, |volume| volume.name_max());
        let longest = usize::try_from(told).ok().filter(|longest| *longest > 0).unwrap_or(LONGEST_NAME);
        Ok(Self { layout, case, longest, root: destination.as_os_str().len() })
    }

    /// What files are sorted by: of those with the same FLAC the first by path is the first.
    pub fn key(&self, path: &RecordPath) -> Vec<u8> {
        let mut key = self.identity(path);
        // No name has a zero in it, so nothing comes between a FLAC's files.
        key.push(0);
        key.extend(path.as_bytes());
        key
    }

    /// What is the same for two files if their FLACs are.
    fn identity(&self, path: &RecordPath) -> Vec<u8> {
        let flac = path.flac(self.layout);
        match (self.case, str::from_utf8(flac.as_bytes())) {
            (Case::Minded, _) => flac.as_bytes().to_vec(),
            (Case::Ignored, Ok(name)) => name.to_lowercase().into_bytes(),
            (Case::Ignored, Err(_)) => flac.as_bytes().to_ascii_lowercase(),
        }
    }

    /// Refuses a file whose FLAC could not have its name.
    pub fn check(&self, file: &mut Planned) {
        if file.refused.is_some() {
            return;
        }
        let flac = file.path.flac(self.layout);
        let parts = flac.as_path().components().map(|part| part.as_os_str().len());
        let last = flac.as_path().file_name().map_or(0, |name| name.len() + PARTIAL.len());
        let longest = parts.max().unwrap_or(0).max(last);
        let whole = self.root + 1 + flac.as_bytes().len() + PARTIAL.len();
        let why = if longest > self.longest {
            format!("has {longest} bytes where the destination takes {}", self.longest)
        } else if whole > LONGEST_PATH {
            format!("has with its folders {whole} bytes where this system takes {LONGEST_PATH}")
        } else {
            return;
        };
        let message = format!("the name of its FLAC, with {PARTIAL} while it is written, {why}: give it a shorter one");
        file.refused = Some(Failure::new("name_too_long", message));
    }
}

/// Makes a file and looks whether it answers to its name in other letters.
fn case_at(folder: &Path) -> io::Result<Case> {
    let probe = tempfile::Builder::new().prefix(".flacship-PROBE-").tempfile_in(folder)?;
    let name = probe.path().file_name().unwrap_or_default().as_bytes().to_ascii_lowercase();
    let other = folder.join(std::ffi::OsStr::from_bytes(&name)).symlink_metadata();
    let same = other.is_ok_and(|other| probe.as_file().metadata().is_ok_and(|probe| probe.ino() == other.ino()));
    Ok(if same { Case::Ignored } else { Case::Minded })
}

/// Refuses all but the first of the files that would have the same FLAC. Files come in the order of [`Names::key`].
#[derive(Debug)]
pub struct Collisions<'a> {
    names: &'a Names,
    /// The identity of the last file that was taken, and its path.
    taken: Option<(Vec<u8>, RecordPath)>,
}

impl<'a> Collisions<'a> {
    /// No file yet.
    pub fn new(names: &'a Names) -> Self {
        Self { names, taken: None }
    }

    /// Takes or refuses the next file. One that is refused already takes no name.
    pub fn judge(&mut self, file: &mut Planned) {
        if file.refused.is_some() {
            return;
        }
        let identity = self.names.identity(&file.path);
        match &self.taken {
            Some((taken, first)) if *taken == identity => {
                file.refused = Some(Failure::new(
                    "name_collision",
                    format!("its FLAC would have the name of that of {}: rename one of the two", first.text()),
                ));
            }
            _ => self.taken = Some((identity, file.path.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::error::ConfigReason;
    use super::super::records::Stamp;
    use super::*;
    use std::ffi::OsStr;

    fn names(layout: Layout, case: Case) -> Names {
        Names { layout, case, longest: 255, root: 10 }
    }

    fn file(name: &[u8]) -> Planned {
        let path = RecordPath::new(Path::new(OsStr::from_bytes(name))).unwrap();
        Planned { path, stamp: Stamp { size: 1, mtime_ns: 0 }, refused: None }
    }

    /// Each file, in the order in which they come, and whose name it would have.
    fn judged(names: &Names, files: &[&[u8]]) -> Vec<(String, Option<String>)> {
        let mut files: Vec<_> = files.iter().map(|name| file(name)).collect();
        files.sort_by_cached_key(|file| names.key(&file.path));
        let mut collisions = Collisions::new(names);
        let winner = |failure: Failure| {
            assert_eq!(failure.reason, "name_collision");
            let (_, rest) = failure.message.split_once("that of ").unwrap();
            rest.split_once(": rename").unwrap().0.to_owned()
        };
        for file in &mut files {
            collisions.judge(file);
        }
        files.into_iter().map(|file| (file.path.text(), file.refused.map(winner))).collect()
    }

    #[test]
    fn the_first_of_one_flac_name_is_taken() {
        let files: [&[u8]; 7] = [b"b.wav", b"2/a.wav", b"a.wave", b"1/a.wav", b"a.wav", b"a.WAV", b"1/B.wav"];
        let told = |wanted: &[(&str, Option<&str>)]| -> Vec<(String, Option<String>)> {
            wanted.iter().map(|(name, of)| ((*name).to_owned(), of.map(str::to_owned))).collect()
        };
        assert_eq!(
            judged(&names(Layout::Mirror, Case::Minded), &files),
            told(&[
                ("1/B.wav", None),
                ("1/a.wav", None),
                ("2/a.wav", None),
                ("a.WAV", None),
                ("a.wav", Some("a.WAV")),
                ("a.wave", Some("a.WAV")),
                ("b.wav", None)
            ])
        );
        assert_eq!(
            judged(&names(Layout::Flat, Case::Minded), &files),
            told(&[
                ("1/B.wav", None),
                ("1/a.wav", None),
                ("2/a.wav", Some("1/a.wav")),
                ("a.WAV", Some("1/a.wav")),
                ("a.wav", Some("1/a.wav")),
                ("a.wave", Some("1/a.wav")),
                ("b.wav", None)
            ])
        );
        assert_eq!(
            judged(&names(Layout::Flat, Case::Ignored), &files),
            told(&[
                ("1/a.wav", None),
                ("2/a.wav", Some("1/a.wav")),
                ("a.WAV", Some("1/a.wav")),
                ("a.wav", Some("1/a.wav")),
                ("a.wave", Some("1/a.wav")),
                ("1/B.wav", None),
                ("b.wav", Some("1/B.wav"))
            ])
        );
    }

    #[test]
    fn folders_too_are_the_same_where_case_is_not_minded() {
        let names = names(Layout::Mirror, Case::Ignored);
        let collisions = |one: &[u8], other: &[u8]| judged(&names, &[one, other])[1].1.is_some();
        assert!(collisions(b"D/a.wav", b"d/A.wav"));
        assert!(collisions("É.wav".as_bytes(), "é.wav".as_bytes()));
        assert!(collisions(b"\xe9A.wav", b"\xe9a.wav"));
        assert!(!collisions(b"\xe9.wav", b"\xc9.wav"), "of bytes that are no UTF-8 nobody knows the case");
        assert!(!collisions(b"D/a.wav", b"e/a.wav"));
    }

    #[test]
    fn a_refused_file_takes_no_name() {
        let names = names(Layout::Mirror, Case::Minded);
        let mut collisions = Collisions::new(&names);
        let (mut first, mut second) = (file(b"a.WAV"), file(b"a.wav"));
        first.refused = Some(Failure::new("broken_symlink", ""));
        collisions.judge(&mut first);
        collisions.judge(&mut second);
        assert_eq!(second.refused, None);
    }

    #[test]
    fn names_have_room_for_part() {
        let reason = |names: &Names, name: &str| {
            let mut file = file(name.as_bytes());
            names.check(&mut file);
            file.refused.map(|failure| failure.reason)
        };
        let too_long = Some("name_too_long".to_owned());
        let (mirror, flat) = (names(Layout::Mirror, Case::Minded), names(Layout::Flat, Case::Minded));
        // ".flac.part" has ten bytes.
        assert_eq!(reason(&mirror, &format!("{}.wav", "n".repeat(245))), None);
        assert_eq!(reason(&mirror, &format!("{}.wav", "n".repeat(246))), too_long);
        assert_eq!(reason(&mirror, &format!("{}.wav", "é".repeat(123))), too_long, "bytes count, not letters");
        let narrow = Names { longest: 143, ..mirror.clone() };
        assert_eq!(reason(&narrow, &format!("{}/a.wav", "d".repeat(144))), too_long, "folders have names too");
        assert_eq!(reason(&Names { layout: Layout::Flat, ..narrow }, &format!("{}/a.wav", "d".repeat(144))), None);
        // 4095 bytes: 10 for the root and one for the slash, 2036 folders of two each, and "aa.flac.part".
        assert_eq!(reason(&mirror, &format!("{}.wav", "d/".repeat(2036) + "aa")), None);
        assert_eq!(reason(&mirror, &format!("{}.wav", "d/".repeat(2036) + "aaa")), too_long);
        assert_eq!(reason(&flat, &format!("{}.wav", "d/".repeat(2036) + "aaa")), None);
    }

    #[test]
    fn a_folder_is_asked_what_names_are_like() {
        let folder = tempfile::tempdir().unwrap();
        let missing = Names::at(&folder.path().join("none"), Layout::Mirror).unwrap_err();
        assert!(matches!(missing, Error::Config { reason: ConfigReason::DestinationNotWritable, .. }), "{missing}");
        let names = Names::at(folder.path(), Layout::Mirror).unwrap();
        assert!(names.longest >= 100);
        // A stand-in for a volume that minds no case is not to be had here; this one does.
        assert_eq!(names.case, Case::Minded);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the probe is gone");
    }
}
