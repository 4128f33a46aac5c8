//! Files that may be replaced while the server runs: secrets, and the certificate with its key.
//!
//! They are looked at when what they hold is needed, at most once a second, and read again if they are not the ones that
//! were read before. A cluster swaps mounted Secrets by renaming a folder, so it is the file behind the path that is
//! compared, not an open one. Files that have gone or cannot be understood change nothing but the log: what was read last
//! stays in force, so that a slip of the hand does not lock all clients out.

use std::{
    fmt,
    fs::{File, Metadata},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Largest file that is read: hundreds of secrets, or a long chain of certificates.
const MAX_FILE: u64 = 64 * 1024;

/// What files hold. `N` of them belong together: they are taken together or not at all.
pub(super) trait Content<const N: usize> {
    /// What is made of them; cheap to clone.
    type Value: Clone;
    type Error: fmt::Display;

    /// What this is, for the log.
    fn name(&self) -> &'static str;

    fn parse(&self, files: [io::Result<Vec<u8>>; N]) -> Result<Self::Value, Self::Error>;
}

/// Tells one version of a file from another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp([i128; 6]);

impl From<&Metadata> for Stamp {
    fn from(file: &Metadata) -> Self {
        // The time of the last change of any kind too: a copy may keep the time of the content.
        let changed = [file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()];
        let [a, b, c, d] = changed.map(i128::from);
        Self([file.dev().into(), file.ino().into(), a, b, c, i128::from(file.size()) << 32 | d])
    }
}

#[derive(Debug)]
struct Last<V, const N: usize> {
    looked: Instant,
    /// Of the files that were read or tried last.
    stamps: [Option<Stamp>; N],
    value: V,
}

/// Files and what was read from them last.
#[derive(Debug)]
pub(super) struct Reloaded<C: Content<N>, const N: usize> {
    paths: [PathBuf; N],
    content: C,
    look_every: Duration,
    last: Mutex<Last<C::Value, N>>,
}

impl<C: Content<N>, const N: usize> Reloaded<C, N> {
    /// Reads the files for the first time, when every fault is an error.
    pub(super) fn open(paths: [&Path; N], content: C) -> Result<Self, C::Error> {
        Self::open_looking(paths, content, LOOK_EVERY)
    }

    pub(super) fn open_looking(paths: [&Path; N], content: C, look_every: Duration) -> Result<Self, C::Error> {
        let paths = paths.map(Path::to_owned);
        let (stamps, files) = read(&paths);
        let value = content.parse(files)?;
        let last = Mutex::new(Last { looked: Instant::now(), stamps, value });
        Ok(Self { paths, content, look_every, last })
    }

    /// What the files hold now.
    pub(super) fn current(&self) -> C::Value {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.looked.elapsed() >= self.look_every {
            last.looked = Instant::now();
            let now = self.paths.each_ref().map(|path| std::fs::metadata(path).ok().as_ref().map(Stamp::from));
            if now != last.stamps {
                self.read_again(&mut last);
            }
        }
        last.value.clone()
    }

    fn read_again(&self, last: &mut Last<C::Value, N>) {
        let (what, files) = (self.content.name(), &self.paths);
        let (stamps, read) = read(&self.paths);
        last.stamps = stamps;
        match self.content.parse(read) {
            Ok(value) => {
                tracing::info!(?files, "the {what} changed: what was read now is in force");
                last.value = value;
            }
            Err(error) => {
                tracing::error!(?files, %error, "the {what} changed, but what was read before stays in force");
            }
        }
    }
}

/// Reads the files and says which ones those were, understood or not.
fn read<const N: usize>(paths: &[PathBuf; N]) -> ([Option<Stamp>; N], [io::Result<Vec<u8>>; N]) {
    let read = paths.each_ref().map(|path| match opened(path) {
        Ok((stamp, file)) => (Some(stamp), content(file)),
        Err(error) => (None, Err(error)),
    });
    let stamps = read.each_ref().map(|(stamp, _)| stamp.clone());
    (stamps, read.map(|(_, content)| content))
}

fn opened(path: &Path) -> io::Result<(Stamp, File)> {
    let file = File::open(path)?;
    // Taken before the content: a change in between is then seen next time.
    Ok((Stamp::from(&file.metadata()?), file))
}

fn content(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {MAX_FILE} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The two files' text joined, if both say the same.
    struct Same;

    impl Content<2> for Same {
        type Value = String;
        type Error = io::Error;

        fn name(&self) -> &'static str {
            "pair"
        }

        fn parse(&self, files: [io::Result<Vec<u8>>; 2]) -> io::Result<String> {
            let [one, other] = files;
            let (one, other) = (one?, other?);
            if one == other { Ok(String::from_utf8_lossy(&one).into()) } else { Err(io::ErrorKind::InvalidData.into()) }
        }
    }

    fn pair(folder: &Path) -> [PathBuf; 2] {
        let paths = [folder.join("one"), folder.join("other")];
        for path in &paths {
            std::fs::write(path, "first").unwrap();
        }
        paths
    }

    fn open(paths: &[PathBuf; 2], look_every: Duration) -> Reloaded<Same, 2> {
        Reloaded::open_looking(paths.each_ref().map(PathBuf::as_path), Same, look_every).unwrap()
    }

    #[test]
    fn files_that_belong_together_are_taken_together() {
        let folder = tempfile::tempdir().unwrap();
        let [one, other] = pair(folder.path());
        let files = open(&[one.clone(), other.clone()], Duration::ZERO);
        assert_eq!(files.current(), "first");
        std::fs::write(&one, "second").unwrap();
        assert_eq!(files.current(), "first");
        std::fs::write(&other, "second").unwrap();
        assert_eq!(files.current(), "second");
        std::fs::remove_file(&one).unwrap();
        assert_eq!(files.current(), "second");
        // As a cluster does it: another file under the same name.
        for path in [&one, &other] {
            std::fs::write(folder.path().join("next"), "third").unwrap();
            std::fs::rename(folder.path().join("next"), path).unwrap();
        }
        assert_eq!(files.current(), "third");
    }

    #[test]
    fn files_are_looked_at_only_so_often() {
        let folder = tempfile::tempdir().unwrap();
        let paths = pair(folder.path());
        let files = open(&paths, Duration::from_hours(1));
        for path in &paths {
            std::fs::write(path, "second").unwrap();
        }
        assert_eq!(files.current(), "first");
    }

    #[test]
    fn a_first_read_that_fails_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let [one, other] = pair(folder.path());
        std::fs::write(&one, vec![b'a'; 70_000]).unwrap();
        let error = Reloaded::open([&one, &other], Same).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        let error = Reloaded::open([&folder.path().join("none"), &other], Same).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
