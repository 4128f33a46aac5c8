//! The inputs that the command line names, and those that lie in the folders it names.
//!
//! In a folder only names that WAV files have are taken, and nothing hidden. A link to a folder is not followed; one to
//! a file counts as that file. All is found before anything is written, so that an output folder within the tree is
//! never an input.

use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::report::Failure;
use super::targets::There;
use crate::wav::{ENDINGS, is_wav_name};

/// An input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Standard input.
    Standard,
    /// A file.
    File {
        /// Where it is.
        path: PathBuf,
        /// Its place below an output folder, but for the ending: below the folder that it was found in.
        below: PathBuf,
    },
}

impl Source {
    /// An input by the name on the command line.
    pub fn named(path: &Path) -> Self {
        if path == Path::new("-") {
            return Self::Standard;
        }
        Self::File { path: path.to_path_buf(), below: path.file_name().map_or_else(|| path.into(), PathBuf::from) }
    }

    /// Where it is, as it may be typed.
    pub fn path(&self) -> &Path {
        match self {
            Self::Standard => Path::new("-"),
            Self::File { path, .. } => path,
        }
    }
}

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// The inputs, folders in the order of their names.
    pub sources: Vec<Source>,
    /// What was named or found and cannot be an input.
    pub failed: Vec<Failure>,
    /// What was left out on purpose but may be missed, in words.
    pub notes: Vec<String>,
    /// How many inputs the command line names.
    pub named: usize,
    /// How many of them are folders.
    pub folders: usize,
}

impl Found {
    /// Whether there may be more than one input, so that a summary is due, even if a folder happens to hold one.
    pub fn is_several(&self) -> bool {
        self.named > 1 || self.folders > 0
    }
}

/// What happens to folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folders {
    /// Naming one is a mistake.
    Refuse,
    /// All WAV files in them are inputs.
    Enter,
}

/// A folder was named without the flag for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is a folder: add --recursive to convert every WAV file in it", .0.display())]
pub struct UnexpectedFolder(PathBuf);

/// Finds the inputs behind the names on the command line.
pub fn find(inputs: &[PathBuf], folders: Folders) -> Result<Found, UnexpectedFolder> {
    let mut found = Found { named: inputs.len(), ..Found::default() };
    for path in inputs {
        let source = Source::named(path);
        if source == Source::Standard || There::look(path) != There::Folder {
            found.sources.push(source);
        } else if folders == Folders::Enter {
            found.folders += 1;
            enter(path, &mut found);
        } else {
            return Err(UnexpectedFolder(path.clone()));
        }
    }
    Ok(found)
}

fn enter(folder: &Path, found: &mut Found) {
    let before = (found.sources.len(), found.failed.len());
    let is_hidden = |entry: &DirEntry| entry.depth() > 0 && entry.file_name().as_encoded_bytes().starts_with(b".");
    for entry in WalkDir::new(folder).sort_by_file_name().into_iter().filter_entry(|entry| !is_hidden(entry)) {
        match entry {
            Ok(entry) => take(&entry, folder, found),
            Err(error) => {
                let path = error.path().unwrap_or(folder);
                let why = error.io_error().map_or_else(|| error.to_string(), ToString::to_string);
                let message = format!("the folder could not be read, so nothing in it is converted: {why}");
                found.failed.push(Failure::new(path, "source_unreadable", message));
            }
        }
    }
    if (found.sources.len(), found.failed.len()) == before {
        let message = format!("no WAV file is in this folder (names that end in .{})", ENDINGS.join(", ."));
        found.failed.push(Failure::new(folder, "empty_folder", message));
    }
}

fn take(entry: &DirEntry, folder: &Path, found: &mut Found) {
    let (path, kind) = (entry.path(), entry.file_type());
    let is_link = kind.is_symlink();
    if kind.is_dir() {
        return;
    }
    let there = if is_link { There::look(path) } else { There::File };
    if there == There::Folder {
        found.notes.push(format!("{}: a link to a folder is not followed", path.display()));
    } else if is_wav_name(path) {
        if there == There::Other || !(is_link || kind.is_file()) {
            let message = "it is no regular file: name it by itself if it is to be read".to_owned();
            found.failed.push(Failure::new(path, "not_a_file", message));
        } else {
            // A link that leads nowhere is an input too: to say so is the conversion's part.
            let below = path.strip_prefix(folder).unwrap_or(path).to_path_buf();
            found.sources.push(Source::File { path: path.to_path_buf(), below });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"x").unwrap();
        }
        root
    }

    fn below(found: &Found) -> Vec<&str> {
        let name = |source: &'_ Source| match source {
            Source::File { below, .. } => below.to_str().unwrap().to_owned(),
            Source::Standard => "-".to_owned(),
        };
        found.sources.iter().map(name).map(|name| &*name.leak()).collect()
    }

    #[test]
    fn takes_wav_names_in_order_and_nothing_hidden() {
        let wanted = ["a.wav", "b/c.WAVE", "b/d.Bwf", "b/e/f.rf64", "g.w64"];
        let left = ["a.flac", "wav", "x.wav.txt", ".h.wav", ".git/i.wav", "b/.j.wav", "k.flac.part", "l.mp3"];
        let root = tree(&[&wanted[..], &left[..]].concat());
        let found = find(&[root.path().to_path_buf()], Folders::Enter).unwrap();
        assert_eq!(below(&found), wanted);
        assert!(found.is_several() && found.failed.is_empty() && found.notes.is_empty());
    }

    #[test]
    fn a_folder_that_is_named_may_be_hidden_or_a_link() {
        let root = tree(&[".hidden/a.wav"]);
        symlink(".hidden", root.path().join("link")).unwrap();
        for name in [".hidden", "link", "link/"] {
            assert_eq!(below(&find(&[root.path().join(name)], Folders::Enter).unwrap()), ["a.wav"], "{name}");
        }
    }

    #[test]
    fn links_to_folders_are_not_followed_and_links_to_files_are() {
        let root = tree(&["d/a.wav", "elsewhere.txt"]);
        symlink(".", root.path().join("d/loop")).unwrap();
        symlink("../elsewhere.txt", root.path().join("d/b.wav")).unwrap();
        symlink("nowhere", root.path().join("d/c.wav")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(root.path().join("d/s.wav")).unwrap();
        symlink("s.wav", root.path().join("d/t.wav")).unwrap();
        let found = find(&[root.path().join("d")], Folders::Enter).unwrap();
        assert_eq!(below(&found), ["a.wav", "b.wav", "c.wav"]);
        assert_eq!(found.failed.iter().map(|failure| failure.code).collect::<Vec<_>>(), ["not_a_file"; 2]);
        assert!(found.notes[0].ends_with("loop: a link to a folder is not followed"), "{:?}", found.notes);
    }

    #[test]
    fn a_folder_without_wav_files_is_a_failure() {
        let root = tree(&["a/readme.txt", "b/x.wav"]);
        let found = find(&[root.path().join("a"), root.path().join("b")], Folders::Enter).unwrap();
        assert_eq!((below(&found), found.failed[0].code), (vec!["x.wav"], "empty_folder"));
        let refused = find(&[root.path().join("a")], Folders::Refuse).unwrap_err();
        assert!(refused.to_string().contains("--recursive"), "{refused}");
    }

    #[test]
    fn what_is_not_there_is_an_input_that_will_fail() {
        let found = find(&["-".into(), "missing.wav".into()], Folders::Enter).unwrap();
        assert_eq!(below(&found), ["-", "missing.wav"]);
        assert_eq!(found.folders, 0);
    }
}
