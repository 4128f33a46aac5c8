//! Folders at the destination: the source's tree, made as files need it.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::records::Failure;

/// The source's folder tree at the destination.
#[derive(Debug)]
pub struct Folders {
    source: PathBuf,
    destination: PathBuf,
    /// The folder asked for last, which is mostly the one asked for next.
    last: Option<PathBuf>,
    /// Those with folders in them whose names may be lost still.
    unsynced: BTreeSet<PathBuf>,
    /// Those that were in `unsynced` lately.
    seen: BTreeSet<PathBuf>,
}

/// How many folders are remembered: one that is forgotten is synced once more.
const SEEN: usize = 4096;

impl Folders {
    /// Folders below two roots that have no links in them.
    pub fn new(source: PathBuf, destination: PathBuf) -> Self {
        Self { source, destination, last: None, unsynced: BTreeSet::new(), seen: BTreeSet::new() }
    }

    /// The root at the destination.
    pub fn destination(&self) -> &Path {
        &self.destination
    }

    /// The place at the destination of `file`, a path below the roots, whose folder is there when this returns.
    ///
    /// A new folder gets the mode of its source folder, without write permission for others and with everything for
    /// its owner, and keeps the group that the volume gives it; whether its name is on the disk is up to who asks for
    /// [`unsynced`](Self::unsynced). Where the destination has a link in the way, it must lead to a folder below the destination root.
    pub fn place(&mut self, file: &Path) -> Result<PathBuf, Failure> {
        let parent = file.parent().unwrap_or(Path::new(""));
        if self.last.as_deref() != Some(parent) {
            self.make(parent)?;
            self.last = Some(parent.to_owned());
        }
        Ok(self.destination.join(file))
    }

    /// The folders to sync for the names of all folders that were made or first met since this was last asked.
    pub fn unsynced(&mut self) -> BTreeSet<PathBuf> {
        std::mem::take(&mut self.unsynced)
    }

    /// A folder has a folder in it whose name may not be on the disk.
    fn see(&mut self, above: PathBuf) {
        if self.seen.len() >= SEEN {
            self.seen.clear();
        }
        if self.seen.insert(above.clone()) {
            self.unsynced.insert(above);
        }
    }

    fn make(&mut self, folder: &Path) -> Result<(), Failure> {
        let (mut from, mut to) = (self.source.clone(), self.destination.clone());
        for part in folder.components() {
            let above = to.clone();
            from.push(part);
            to.push(part);
            match fs::symlink_metadata(&to) {
                // Another worker, or one that died, may have made it and not synced its name.
                Ok(found) if found.is_dir() => self.see(above),
                Ok(found) if found.is_symlink() => self.check_link(&to)?,
                Ok(_) => {
                    return Err(Failure::new(
                        "target_not_a_folder",
                        format!("{} is in the way of a folder of that name: move it away", to.display()),
                    ));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    make_like(&from, &to).map_err(|error| io_failure(&error, &to))?;
                    self.unsynced.insert(above);
                }
                Err(error) => return Err(io_failure(&error, &to)),
            }
        }
        Ok(())
    }

    fn check_link(&self, link: &Path) -> Result<(), Failure> {
        match fs::canonicalize(link) {
            Ok(real) if real.starts_with(&self.destination) && real.is_dir() => Ok(()),
            _ => Err(Failure::new(
                "symlink_outside_destination",
                format!("{} is a link that leads to no folder below the destination: remove it", link.display()),
            )),
        }
    }
}

/// Makes `to` with the mode of `from`. Another worker may make it at the same moment.
fn make_like(from: &Path, to: &Path) -> io::Result<()> {
    // Before the mode is set nobody else needs the folder.
    match DirBuilder::new().mode(0o700).create(to) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(error),
    }
    let wanted = fs::metadata(from)?.permissions().mode() & 0o775 | 0o700;
    // The set-group-id bit, inherited from above, is what keeps the volume's group on what comes next.
    let inherited = fs::metadata(to)?.permissions().mode() & 0o7000;
    if let Err(error) = fs::set_permissions(to, Permissions::from_mode(inherited | wanted)) {
        tracing::debug!(folder = %to.display(), %error, "this file system keeps its own modes");
    }
    Ok(())
}

/// What an error at the destination means for a file.
pub fn io_failure(error: &io::Error, path: &Path) -> Failure {
    let reason = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => "permission_denied",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "disk_full",
        _ => "io",
    };
    Failure::new(reason, format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn roots() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        let (source, destination) = (root.join("s"), root.join("d"));
        fs::create_dir(&source).unwrap();
        fs::create_dir(&destination).unwrap();
        (folder, source, destination)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn modes_follow_the_source() {
        let (_folder, source, destination) = roots();
        fs::set_permissions(&destination, Permissions::from_mode(0o2770)).unwrap();
        for (name, of_source, wanted) in
            [("shared", 0o2775, 0o2775), ("private", 0o550, 0o2750), ("open", 0o777, 0o2775)]
        {
            fs::create_dir(source.join(name)).unwrap();
            fs::set_permissions(source.join(name), Permissions::from_mode(of_source)).unwrap();
            let mut folders = Folders::new(source.clone(), destination.clone());
            let place = folders.place(&Path::new(name).join("x.flac")).unwrap();
            assert_eq!(place, destination.join(name).join("x.flac"));
            assert_eq!(folders.unsynced(), [destination.clone()].into());
            folders.place(&Path::new(name).join("y.flac")).unwrap();
            assert_eq!(folders.unsynced(), BTreeSet::new(), "nothing new");
            assert_eq!(mode(&destination.join(name)), wanted, "{name}");
        }
    }

    #[test]
    fn reasons_of_errors() {
        for (kind, reason) in [
            (io::ErrorKind::PermissionDenied, "permission_denied"),
            (io::ErrorKind::ReadOnlyFilesystem, "permission_denied"),
            (io::ErrorKind::StorageFull, "disk_full"),
            (io::ErrorKind::QuotaExceeded, "disk_full"),
            (io::ErrorKind::InvalidFilename, "io"),
        ] {
            let failure = io_failure(&kind.into(), Path::new("/d/a.flac"));
            assert_eq!(failure.reason, reason);
            assert!(failure.message.starts_with("/d/a.flac: "), "{}", failure.message);
        }
    }

    #[test]
    fn what_is_there_stays_as_it_is() {
        let (_folder, source, destination) = roots();
        fs::create_dir_all(source.join("a/b")).unwrap();
        fs::create_dir(destination.join("a")).unwrap();
        fs::set_permissions(destination.join("a"), Permissions::from_mode(0o700)).unwrap();
        let mut folders = Folders::new(source, destination.clone());
        folders.place(Path::new("a/b/x.flac")).unwrap();
        assert_eq!(mode(&destination.join("a")), 0o700);
        assert!(destination.join("a/b").is_dir());
    }

    #[test]
    fn nothing_is_written_outside() {
        let (folder, source, destination) = roots();
        fs::create_dir_all(source.join("out/deep")).unwrap();
        fs::create_dir_all(source.join("in/deep")).unwrap();
        let outside = folder.path().join("outside");
        fs::create_dir(&outside).unwrap();
        symlink(&outside, destination.join("out")).unwrap();
        fs::create_dir(destination.join("real")).unwrap();
        symlink("real", destination.join("in")).unwrap();
        fs::write(destination.join("file"), b"").unwrap();

        let mut folders = Folders::new(source, destination.clone());
        let reason = |failed: Result<PathBuf, Failure>| failed.unwrap_err().reason;
        assert_eq!(reason(folders.place(Path::new("out/deep/x.flac"))), "symlink_outside_destination");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        assert_eq!(reason(folders.place(Path::new("file/x.flac"))), "target_not_a_folder");
        folders.place(Path::new("in/deep/x.flac")).unwrap();
        assert!(destination.join("real/deep").is_dir());
    }
}
