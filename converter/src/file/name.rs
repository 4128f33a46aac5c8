//! How a file gets a name that nobody else may have, in one step.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use super::Existing;

/// Gives a finished partial file its name. With [`Existing::Refuse`] nothing that has the name is replaced, whoever
/// made it and however lately: that is [`io::ErrorKind::AlreadyExists`]. Only on a file system that knows neither a
/// rename without replacement nor hard links an instant remains between the look and the rename.
pub(super) fn publish(part: &Path, target: &Path, existing: Existing) -> io::Result<()> {
    if existing != Existing::Refuse {
        return fs::rename(part, target);
    }
    match rename_to_new(part, target) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => match target.symlink_metadata() {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::rename(part, target),
            Err(error) => Err(error),
        },
        done => done,
    }
}

/// Gives a file another name on the same file system, which nothing may have:
/// [`AlreadyExists`](io::ErrorKind::AlreadyExists). A file system that cannot promise that is
/// [`Unsupported`](io::ErrorKind::Unsupported).
///
/// Where renames cannot refuse to replace (NFS), the file gets the name as a second one first and then loses the first.
pub(crate) fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat2(AT_FDCWD, from, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE) {
        Err(Errno::EINVAL | Errno::ENOSYS | Errno::EOPNOTSUPP) => link_to_new(from, to),
        done => done.map_err(io::Error::from),
    }
}

fn link_to_new(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Err(error) if matches!(error.raw_os_error().map(Errno::from_raw), Some(Errno::EPERM | Errno::EOPNOTSUPP)) => {
            return Err(io::ErrorKind::Unsupported.into());
        }
        linked => linked?,
    }
    match fs::remove_file(from) {
        // It went all the same: an answer that was lost was asked for again.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => {
            // It keeps one name, as after any rename that failed; the second only goes if the first is there for sure.
            let place = |path| fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()));
            if place(from).is_ok_and(|from| place(to).is_ok_and(|to| from == to)) {
                _ = fs::remove_file(to);
            }
            Err(error)
        }
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Rename = fn(&Path, &Path) -> io::Result<()>;

    #[test]
    fn nothing_is_replaced_unless_it_may_be() {
        let refusing: Rename = |from, to| publish(from, to, Existing::Refuse);
        for (way, rename) in [("rename", refusing), ("link", link_to_new as Rename)] {
            let folder = tempfile::tempdir().unwrap();
            let path = |name: &str| folder.path().join(name);
            fs::write(path("part"), b"mine").unwrap();
            fs::write(path("taken"), b"another's").unwrap();
            std::os::unix::fs::symlink("nowhere", path("link")).unwrap();
            fs::create_dir(path("folder")).unwrap();
            for taken in ["taken", "link", "folder"] {
                let error = rename(&path("part"), &path(taken)).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{way} {taken}");
            }
            assert_eq!(fs::read(path("taken")).unwrap(), b"another's");
            rename(&path("part"), &path("free")).unwrap();
            assert_eq!(fs::read(path("free")).unwrap(), b"mine");
            assert!(!path("part").exists(), "{way}");
            let error = rename(&path("none"), &path("other")).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{way}");
        }
    }

    #[test]
    fn what_may_be_replaced_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (part, target) = (folder.path().join("part"), folder.path().join("target"));
        fs::write(&part, b"new").unwrap();
        fs::write(&target, b"old").unwrap();
        publish(&part, &target, Existing::Replace).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
    }
}
