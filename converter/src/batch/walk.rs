//! Finds the files of a run. The rules, which docs/batch.md has as a table:
//!
//! - Hidden files and folders (a name that starts with a dot, `.flacship` among them), the records folder, `lost+found`
//!   at the root, and folders that an exclude glob names are never entered.
//! - A link to a folder is not followed: what it leads to is found under its own name if it is below the root. A
//!   warning names it. So there is no loop.
//! - A link to a file counts as that file if it leads to a place below the root. One that leads out is refused
//!   (`symlink_outside_source`), as is one that leads nowhere (`broken_symlink`) or in a circle (`symlink_loop`).
//! - A pipe, socket or device of a wanted name is refused (`not_a_file`); a folder that cannot be read is refused as a
//!   whole, so that nothing is left out silently.
//!
//! Refused files are part of the plan and end as failed in the report. Which names go together is in `names`. One
//! folder is open at a time and the others wait in a [`Queue`], so that no tree, wide or deep, takes memory.

use std::ffi::OsStr;
use std::fs::{self, DirEntry, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;

use super::error::{ConfigReason, Error};
use super::globs::Globs;
use super::path::RecordPath;
use super::records::{Failure, Planned, Stamp};
use super::spool::{Limits, Queue};

/// Where to look, and what is left out.
#[derive(Clone, Copy, Debug)]
pub struct Search<'a> {
    /// The source folder, without links in it.
    pub root: &'a Path,
    /// The records folder, without links in it; left out if it lies below the root.
    pub records: &'a Path,
    /// Which files are wanted.
    pub globs: &'a Globs,
}

/// Finds the files in no order, and hands each to `found`. Folders that wait are kept in a file in `spool`.
pub fn walk(
    search: Search<'_>,
    spool: &Path,
    limits: Limits,
    found: &mut dyn FnMut(Planned) -> Result<(), Error>,
) -> Result<(), Error> {
    let waiting = || Error::io("keeping folders for later in", spool);
    let mut folders = Queue::new(spool, limits).map_err(waiting())?;
    let mut folder = Vec::new();
    loop {
        let below = Path::new(OsStr::from_bytes(&folder));
        let entries = match fs::read_dir(search.root.join(below)) {
            Ok(entries) => Some(entries),
            Err(error) => {
                refuse_folder(search.root, below, &error, found)?;
                None
            }
        };
        for entry in entries.into_iter().flatten() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    refuse_folder(search.root, below, &error, found)?;
                    break;
                }
            };
            match search.look(below, &entry) {
                Look::File(file) => found(file)?,
                Look::Folder => {
                    folders.push(below.join(entry.file_name()).as_os_str().as_bytes()).map_err(waiting())?;
                }
                Look::Nothing => {}
            }
        }
        if !folders.pop(&mut folder).map_err(waiting())? {
            return Ok(());
        }
    }
}

/// What an entry of a folder is.
enum Look {
    File(Planned),
    Folder,
    Nothing,
}

impl Search<'_> {
    fn look(&self, folder: &Path, entry: &DirEntry) -> Look {
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(b".") {
            return Look::Nothing;
        }
        let below = folder.join(&name);
        let path = self.root.join(&below);
        let metadata = match entry.file_type() {
            Ok(kind) if kind.is_dir() => {
                let lost_and_found = folder.as_os_str().is_empty() && name == "lost+found";
                let left_out = lost_and_found || path == self.records || self.globs.prunes(&below);
                return if left_out { Look::Nothing } else { Look::Folder };
            }
            Ok(kind) if kind.is_symlink() => {
                if fs::metadata(&path).is_ok_and(|target| target.is_dir()) {
                    tracing::warn!(link = %below.display(), "a link to a folder is not followed");
                    return Look::Nothing;
                }
                if !self.globs.takes(&below) {
                    return Look::Nothing;
                }
                source_metadata(&path, self.root)
            }
            _ if !self.globs.takes(&below) => return Look::Nothing,
            // No link is on the way to it, so one look is enough.
            Ok(_) => entry.metadata().map_err(|error| unreadable(&error)).and_then(regular),
            Err(error) => Err(unreadable(&error)),
        };
        let Ok(path) = RecordPath::new(&below) else { return Look::Nothing };
        match metadata {
            Ok(metadata) => Look::File(Planned { path, stamp: Stamp::of(&metadata), refused: None }),
            // Gone since its name was read: as if it had never been there.
            Err(failure) if failure.reason == MISSING => Look::Nothing,
            Err(failure) => Look::File(refused(path, failure)),
        }
    }
}

/// The reason of a source that is not there.
pub const MISSING: &str = "source_missing";

/// The metadata of a source file, or why it cannot be one. `root` has no links in it. The plan and the worker ask the
/// same question, since a file can become a link in between.
pub fn source_metadata(path: &Path, root: &Path) -> Result<Metadata, Failure> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound if path.is_symlink() => {
            Failure::new("broken_symlink", "the link leads to no file: repair or remove it")
        }
        _ => unreadable(&error),
    };
    let real = fs::canonicalize(path).map_err(failed)?;
    if !real.starts_with(root) {
        return Err(Failure::new(
            "symlink_outside_source",
            "the link leads out of the source folder: put the file itself there, or choose a source folder that holds both",
        ));
    }
    fs::metadata(&real).map_err(failed).and_then(regular)
}

fn regular(metadata: Metadata) -> Result<Metadata, Failure> {
    if metadata.is_file() {
        Ok(metadata)
    } else {
        Err(Failure::new("not_a_file", "it is not a regular file: exclude it"))
    }
}

/// What it means that a file cannot be looked at.
fn unreadable(error: &io::Error) -> Failure {
    match (error.kind(), error.raw_os_error().map(Errno::from_raw)) {
        (io::ErrorKind::NotFound, _) => Failure::new(MISSING, "the file is not there any more"),
        (io::ErrorKind::PermissionDenied, _) => Failure::new(
            "permission_denied",
            "the file may not be looked at: let the user or group of this run read it",
        ),
        (_, Some(Errno::ELOOP)) => Failure::new("symlink_loop", "the link leads in a circle: repair or remove it"),
        (_, Some(Errno::ENAMETOOLONG)) => Failure::new(
            "name_too_long",
            "its whole path is longer than this system can open: choose a source folder nearer to it",
        ),
        _ => Failure::new("source_unreadable", format!("the file cannot be looked at: {error}")),
    }
}

/// What it means that a folder cannot be read, or not to its end. For the root, the run ends.
fn refuse_folder(
    root: &Path,
    folder: &Path,
    error: &io::Error,
    found: &mut dyn FnMut(Planned) -> Result<(), Error>,
) -> Result<(), Error> {
    let Ok(path) = RecordPath::new(folder) else {
        return Err(match error.kind() {
            io::ErrorKind::PermissionDenied => {
                Error::config(ConfigReason::SourceNotReadable, format!("the source folder may not be read: {error}"))
            }
            kind => Error::io("reading", root)(io::Error::new(kind, error.to_string())),
        });
    };
    let failure = unreadable(error);
    if failure.reason == MISSING {
        return Ok(());
    }
    let message =
        format!("the folder cannot be read, nothing in it is converted; let this run read it or exclude it: {error}");
    found(refused(path, Failure { message, ..failure }))
}

fn refused(path: RecordPath, failure: Failure) -> Planned {
    Planned { path, stamp: Stamp { size: 0, mtime_ns: 0 }, refused: Some(failure) }
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
            let (root, records) = (self.root(), self.root().join("records"));
            let search = Search { root: &root, records: &records, globs: &globs };
            let mut files = Vec::new();
            // A buffer of one byte: every folder goes through the file.
            let limits = Limits { buffer: 1, ..Limits::default() };
            walk(search, self.0.path(), limits, &mut |file| {
                files.push((file.path.text(), file.refused.map(|failure| failure.reason)));
                Ok(())
            })
            .unwrap();
            files.sort();
            files
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
            ("6-self.wav", Some("symlink_loop")),
            ("7-sly.wav", Some("symlink_outside_source")),
            ("real/a.wav", None),
        ];
        assert_eq!(tree.walk(), wanted.map(|(name, why)| (name.to_owned(), why.map(str::to_owned))));
    }

    #[test]
    fn folders_beyond_the_longest_path_are_refused() {
        let tree = Tree::new();
        tree.file("top.wav");
        let (near, far) = ("d/".repeat(1500), "e/".repeat(1500));
        tree.file(format!("{near}near.wav"));
        let elsewhere = tree.0.path().join("elsewhere");
        fs::create_dir_all(elsewhere.join(&far)).unwrap();
        // Each half can be named; together they cannot.
        fs::rename(&elsewhere, tree.root().join(&near).join("e")).unwrap();
        let walked = tree.walk();
        assert_eq!(walked.len(), 3);
        let reason = |name: &str| &walked.iter().find(|(path, _)| path.ends_with(name)).unwrap().1;
        assert_eq!((reason("top.wav"), reason("near.wav")), (&None, &None));
        assert_eq!(reason("/e"), &Some("name_too_long".to_owned()));
    }

    #[test]
    fn a_socket_and_a_pipe_are_no_files() {
        let tree = Tree::new();
        let _socket = std::os::unix::net::UnixListener::bind(tree.root().join("s.wav")).unwrap();
        nix::unistd::mkfifo(&tree.root().join("p.wav"), nix::sys::stat::Mode::S_IRUSR).unwrap();
        let reason = Some("not_a_file".to_owned());
        assert_eq!(tree.walk(), [("p.wav".to_owned(), reason.clone()), ("s.wav".to_owned(), reason)]);
    }

    #[test]
    fn wide_and_deep() {
        let tree = Tree::new();
        let mut wanted = Vec::new();
        for number in 0..300 {
            wanted.push(format!("wide/{number:03}/a.wav"));
        }
        wanted.push(format!("{}b.wav", "d/".repeat(500)));
        wanted.sort();
        for name in &wanted {
            tree.file(name);
        }
        assert_eq!(tree.walk(), taken(&wanted.iter().map(String::as_str).collect::<Vec<_>>()));
    }

    #[test]
    fn names_that_are_not_utf8_are_files_like_any() {
        let tree = Tree::new();
        tree.file(OsStr::from_bytes(b"caf\xe9.wav"));
        assert_eq!(tree.walk(), taken(&["caf\u{fffd}.wav"]));
    }
}
