//! Finds the files of a run. The rules:
//!
//! - Hidden files and folders (a name that starts with a dot, `.flacship` among them), the records folder, `lost+found`
//!   at the root, and folders that an exclude glob names are never entered.
//! - A link to a folder is not followed: what it leads to is found under its own name if it is below the root. A
//!   warning names it.
//! - A link to a file counts as that file if it leads to a place below the root. One that leads out is refused
//!   (`symlink_outside_source`), as is one that leads nowhere (`broken_symlink`).
//! - A pipe, socket or device of a wanted name is refused (`not_a_file`); a folder that cannot be read is refused as a
//!   whole, so that nothing is left out silently.
//! - Of files that would have the same FLAC (`a.WAV` and `a.wav`) the first in byte order is taken; the others are
//!   refused (`name_collision`).
//!
//! Refused files are part of the plan and end as failed in the report. Paths and sizes of all files are held in
//! memory, a few hundred bytes a file; contents are not looked at.

use std::fs::{self, Metadata};
use std::io;
use std::path::Path;

use walkdir::{DirEntry, WalkDir};

use super::error::{ConfigReason, Error};
use super::globs::Globs;
use super::layout::Layout;
use super::path::RecordPath;
use super::records::{Failure, Planned, Stamp};

/// Finds the files below `root` (without links in it), in the order of their FLAC's name. `records` is left out if it
/// lies below the root; `tick` is called for each file found.
pub fn walk(
    root: &Path,
    records: &Path,
    globs: &Globs,
    layout: Layout,
    tick: &mut dyn FnMut(),
) -> Result<Vec<Planned>, Error> {
    let mut files = Vec::new();
    let entries = WalkDir::new(root).into_iter().filter_entry(|entry| enters(entry, root, records, globs));
    for entry in entries {
        let found = match entry {
            Ok(entry) => look(&entry, root, globs),
            Err(error) => unreadable(&error, root)?,
        };
        if let Some(file) = found {
            files.push(file);
            tick();
        }
    }
    refuse_collisions(&mut files, layout);
    Ok(files)
}

/// Whether an entry is looked at, and a folder entered.
fn enters(entry: &DirEntry, root: &Path, records: &Path, globs: &Globs) -> bool {
    if entry.depth() == 0 {
        return true;
    }
    let name = entry.file_name();
    if name.as_encoded_bytes().starts_with(b".") {
        return false;
    }
    let prunes = || entry.path().strip_prefix(root).is_ok_and(|path| globs.prunes(path));
    let lost_and_found = entry.depth() == 1 && name == "lost+found";
    !(entry.file_type().is_dir() && (lost_and_found || entry.path() == records || prunes()))
}

/// What an entry adds to the plan.
fn look(entry: &DirEntry, root: &Path, globs: &Globs) -> Option<Planned> {
    let kind = entry.file_type();
    let below = entry.path().strip_prefix(root).ok()?;
    if kind.is_dir() {
        return None;
    }
    if kind.is_symlink() && fs::metadata(entry.path()).is_ok_and(|target| target.is_dir()) {
        tracing::warn!(link = %below.display(), "a link to a folder is not followed");
        return None;
    }
    if !globs.takes(below) {
        return None;
    }
    let path = RecordPath::new(below).ok()?;
    match source_metadata(entry.path(), root) {
        Ok(metadata) => Some(Planned { path, stamp: Stamp::of(&metadata), refused: None }),
        // Gone since its name was read: as if it had never been there.
        Err(failure) if failure.reason == MISSING => None,
        Err(failure) => Some(refused(path, failure)),
    }
}

/// The reason of a source that is not there.
pub const MISSING: &str = "source_missing";

/// The metadata of a source file, or why it cannot be one. `root` has no links in it. The plan and the worker ask the
/// same question, since a file can become a link in between.
pub fn source_metadata(path: &Path, root: &Path) -> Result<Metadata, Failure> {
    let unreadable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound if path.is_symlink() => {
            Failure::new("broken_symlink", "the link leads to no file: repair or remove it")
        }
        io::ErrorKind::NotFound => Failure::new(MISSING, "the file is not there any more"),
        io::ErrorKind::PermissionDenied => Failure::new(
            "permission_denied",
            "the file may not be looked at: let the user or group of this run read it",
        ),
        _ => Failure::new("source_unreadable", format!("the file cannot be looked at: {error}")),
    };
    let real = fs::canonicalize(path).map_err(unreadable)?;
    if !real.starts_with(root) {
        return Err(Failure::new(
            "symlink_outside_source",
            "the link leads out of the source folder: put the file itself there, or choose a source folder that holds both",
        ));
    }
    let metadata = fs::metadata(&real).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(Failure::new("not_a_file", "it is not a regular file: exclude it"));
    }
    Ok(metadata)
}

/// What a failed look into a folder adds to the plan.
fn unreadable(error: &walkdir::Error, root: &Path) -> Result<Option<Planned>, Error> {
    let kind = error.io_error().map_or(io::ErrorKind::Other, io::Error::kind);
    let path = error.path().and_then(|path| path.strip_prefix(root).ok()).map(RecordPath::new);
    let Some(Ok(path)) = path else {
        return Err(match kind {
            io::ErrorKind::PermissionDenied => {
                Error::config(ConfigReason::SourceNotReadable, format!("the source folder may not be read: {error}"))
            }
            _ => Error::io("reading", root)(io::Error::new(kind, error.to_string())),
        });
    };
    let reason = match kind {
        io::ErrorKind::NotFound => return Ok(None),
        io::ErrorKind::PermissionDenied => "permission_denied",
        _ => "source_unreadable",
    };
    let message =
        format!("the folder cannot be read, nothing in it is converted; let this run read it or exclude it: {error}");
    Ok(Some(refused(path, Failure::new(reason, message))))
}

fn refused(path: RecordPath, failure: Failure) -> Planned {
    Planned { path, stamp: Stamp { size: 0, mtime_ns: 0 }, refused: Some(failure) }
}

/// Sorts by FLAC name, and refuses all but the first of each.
fn refuse_collisions(files: &mut [Planned], layout: Layout) {
    files.sort_by_cached_key(|file| (file.path.flac(layout).as_bytes().to_vec(), file.path.as_bytes().to_vec()));
    let mut taken: Option<RecordPath> = None;
    for file in files.iter_mut().filter(|file| file.refused.is_none()) {
        match &taken {
            Some(first) if first.flac(layout) == file.path.flac(layout) => {
                file.refused = Some(Failure::new(
                    "name_collision",
                    format!("its FLAC would have the name of that of {}: rename one of the two", first.text()),
                ));
            }
            _ => taken = Some(file.path.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    struct Tree(tempfile::TempDir);

    impl Tree {
        fn new() -> Self {
            let tree = Self(tempfile::tempdir().unwrap());
            fs::create_dir(tree.root()).unwrap();
            tree
        }

        fn root(&self) -> PathBuf {
            fs::canonicalize(self.0.path()).unwrap().join("source")
        }

        fn file(&self, name: impl AsRef<OsStr>) -> PathBuf {
            let path = self.root().join(name.as_ref());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, b"four").unwrap();
            path
        }

        fn walk(&self) -> Vec<(String, Option<String>)> {
            let globs = Globs::new(&[], &["private/".into()]).unwrap();
            let files = walk(&self.root(), &self.root().join("records"), &globs, Layout::Mirror, &mut || ()).unwrap();
            files.into_iter().map(|file| (file.path.text(), file.refused.map(|failure| failure.reason))).collect()
        }
    }

    fn taken(names: &[&str]) -> Vec<(String, Option<String>)> {
        names.iter().map(|name| ((*name).to_owned(), None)).collect()
    }

    #[test]
    fn hidden_own_and_excluded_folders_are_not_entered() {
        let tree = Tree::new();
        for name in [
            "a.wav",
            "d/e/b.WAV",
            ".c.wav",
            ".flacship/u/d.wav",
            "d/.git/e.wav",
            "records/f.wav",
            "lost+found/g.wav",
            "d/lost+found/h.wav",
            "private/i.wav",
            "j.flac.part",
            "k.flac",
            "readme.txt",
        ] {
            tree.file(name);
        }
        assert_eq!(tree.walk(), taken(&["a.wav", "d/e/b.WAV", "d/lost+found/h.wav"]));
    }

    #[test]
    fn links_stay_below_the_root() {
        let tree = Tree::new();
        let inside = tree.file("real/a.wav");
        let outside = tree.0.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("secret.wav"), b"x").unwrap();
        let link = |to: &Path, name: &str| symlink(to, tree.root().join(name)).unwrap();
        link(&inside, "1-inside.wav");
        link(&outside.join("secret.wav"), "2-outside.wav");
        link(Path::new("nowhere"), "3-broken.wav");
        link(&outside, "4-folder");
        link(&tree.root(), "5-cycle");
        link(Path::new("6-self.wav"), "6-self.wav");
        link(Path::new("real/../../outside/secret.wav"), "7-sly.wav");
        let wanted = [
            ("1-inside.wav", None),
            ("2-outside.wav", Some("symlink_outside_source")),
            ("3-broken.wav", Some("broken_symlink")),
            ("6-self.wav", Some("source_unreadable")),
            ("7-sly.wav", Some("symlink_outside_source")),
            ("real/a.wav", None),
        ];
        assert_eq!(tree.walk(), wanted.map(|(name, why)| (name.to_owned(), why.map(str::to_owned))));
    }

    #[test]
    fn the_first_of_one_flac_name_is_taken() {
        let tree = Tree::new();
        for name in ["a.wav", "a.WAV", "a.wave", "b.wav", "d/a.wav", "a.b.wav"] {
            tree.file(name);
        }
        let collision = Some("name_collision".to_owned());
        let wanted = [
            ("a.b.wav", None),
            ("a.WAV", None),
            ("a.wav", collision.clone()),
            ("a.wave", collision),
            ("b.wav", None),
            ("d/a.wav", None),
        ];
        assert_eq!(tree.walk(), wanted.map(|(name, why)| (name.to_owned(), why)));
    }

    #[test]
    fn a_socket_is_no_file() {
        let tree = Tree::new();
        let _socket = std::os::unix::net::UnixListener::bind(tree.root().join("s.wav")).unwrap();
        assert_eq!(tree.walk(), [("s.wav".to_owned(), Some("not_a_file".to_owned()))]);
    }

    #[test]
    fn names_that_are_not_utf8_are_files_like_any() {
        let tree = Tree::new();
        tree.file(OsStr::from_bytes(b"caf\xe9.wav"));
        assert_eq!(tree.walk(), taken(&["caf\u{fffd}.wav"]));
    }
}
