//! When a worker gives up: too many failed files in the whole run, or no room at the destination.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use super::super::records::{Done, Outcome};

/// So many files in a row that found no room: the volume is full, and a million more records of that help nobody.
const NO_ROOM: u32 = 10;

/// The failed files of a run, counted over all its shards: a file with a byte for each.
#[derive(Debug)]
pub struct FailedCount {
    file: File,
    most: Option<u64>,
}

impl FailedCount {
    /// Opens the count, of which there may be so many.
    pub fn open(path: &Path, most: Option<u64>) -> io::Result<Self> {
        Ok(Self { file: OpenOptions::new().append(true).create(true).open(path)?, most })
    }

    /// So many more. The bytes of several workers never fall on each other (`O_APPEND`, open(2)).
    pub fn add(&mut self, failed: usize) -> io::Result<()> {
        if failed == 0 { Ok(()) } else { self.file.write_all(&vec![b'.'; failed]) }
    }

    /// How many there are, if there are too many.
    pub fn too_many(&self) -> io::Result<Option<u64>> {
        let Some(most) = self.most else { return Ok(None) };
        let failed = self.file.metadata()?.len();
        Ok((failed > most).then_some(failed))
    }
}

/// How much room there seems to be at the destination.
#[derive(Debug, Default)]
pub struct Room {
    without: u32,
}

impl Room {
    /// What became of the next file; true once it is clear that there is no room.
    pub fn is_none_after(&mut self, done: &Done) -> bool {
        match (done.outcome, done.reason.as_deref()) {
            (Outcome::Failed, Some("disk_full")) => self.without += 1,
            (Outcome::Converted, _) => self.without = 0,
            // What is not written tells nothing.
            _ => {}
        }
        self.without >= NO_ROOM
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::path::RecordPath;
    use crate::batch::records::{Failure, Stamp};

    #[test]
    fn workers_count_together() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("failed.count");
        let mut one = FailedCount::open(&path, Some(3)).unwrap();
        let mut two = FailedCount::open(&path, None).unwrap();
        one.add(2).unwrap();
        two.add(0).unwrap();
        two.add(1).unwrap();
        assert_eq!((one.too_many().unwrap(), two.too_many().unwrap()), (None, None), "three are not too many");
        two.add(2).unwrap();
        assert_eq!((one.too_many().unwrap(), two.too_many().unwrap()), (Some(5), None));
        assert_eq!(FailedCount::open(&path, Some(0)).unwrap().too_many().unwrap(), Some(5), "as a later try finds it");
    }

    #[test]
    fn many_files_in_a_row_without_room() {
        let path = RecordPath::new(Path::new("a.wav")).unwrap();
        let stamp = Stamp { size: 1, mtime_ns: 1 };
        let failed = |reason| Done::failed(0, path.clone(), stamp, Failure::new(reason, "m"));
        let (full, bad) = (failed("disk_full"), failed("not_wav"));
        let written = Done::blank(0, path.clone(), stamp, Outcome::Converted);
        let mut room = Room::default();
        for done in [[&full, &bad], [&full, &written]].concat().into_iter().chain([&full; 9]) {
            assert!(!room.is_none_after(done));
        }
        assert!(!room.is_none_after(&bad));
        assert!(room.is_none_after(&full));
    }
}
