//! Record files: JSON lines that are only ever appended to.
//!
//! Any prefix of a record file is a valid state, since a worker can die at any byte. A last line without its newline
//! is torn: readers ignore it and a writer cuts it off before it appends. A whole line that is no record (another
//! version's, or a damaged volume) is passed over with a warning; its file then counts as not done. So is a line that is
//! longer than any record, of which no more than that is held in memory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read as _, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::atomic::sync_folder;
use super::lock;

/// Reads the records of a file in order; a file that is not there has none.
pub fn read<T: DeserializeOwned>(path: &Path, mut take: impl FnMut(T)) -> io::Result<()> {
    match File::open(path) {
        Ok(file) => read_lines(BufReader::new(file), path, |record, _| take(record)).map(drop),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Reads the record that begins there.
pub fn record<T: DeserializeOwned>(path: &Path, at: u64) -> io::Result<T> {
    let mut reader = BufReader::new(File::open(path)?);
    reader.seek(SeekFrom::Start(at))?;
    let mut line = Vec::new();
    read_line(&mut reader, &mut line)?;
    Ok(serde_json::from_slice(&line)?)
}

/// Hands on every whole line that parses, and where it begins; returns how many bytes whole lines take.
fn read_lines<T: DeserializeOwned>(
    mut reader: impl BufRead,
    path: &Path,
    mut take: impl FnMut(T, u64),
) -> io::Result<u64> {
    let mut whole = 0;
    let mut line = Vec::new();
    loop {
        let read = read_line(&mut reader, &mut line)?;
        if !read.is_whole {
            return Ok(whole);
        }
        match serde_json::from_slice(&line) {
            Ok(record) => take(record, whole),
            Err(error) => {
                tracing::warn!(file = %path.display(), offset = whole, %error, "a line is no record, passed over");
            }
        }
        whole += read.bytes;
    }
}

/// Bytes that no line of a plan or of records has: the longest is made of a few paths and a sentence.
const LONGEST: usize = 1 << 20;

/// What was read of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineRead {
    /// How many bytes it was, its newline included; none at the end of the file.
    pub bytes: u64,
    /// Whether it has its newline.
    pub is_whole: bool,
}

/// Reads the next line into `line`. Of one that is longer than any record only so much is held, which does not parse.
pub fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<LineRead> {
    line.clear();
    let mut bytes = 0;
    let mut rest = Vec::new();
    loop {
        let part = if bytes == 0 { &mut *line } else { &mut rest };
        part.clear();
        let read = reader.by_ref().take(LONGEST as u64).read_until(b'\n', part)?;
        bytes += read as u64;
        let is_whole = part.last() == Some(&b'\n');
        if is_whole || read < LONGEST {
            return Ok(LineRead { bytes, is_whole });
        }
    }
}

/// Room that is set aside ahead of what is written: on a full disk the records that say so must still find some.
const ROOM: u64 = 256 * 1024;
/// Room for a sentence that a record may yet get.
const SENTENCE: u64 = 512;

/// A record file open for appending, by one process at a time.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    length: u64,
    /// Bytes set aside behind that.
    room: u64,
}

impl Journal {
    /// Opens the file, makes it if it is not there, hands on the records that it has and where each begins, and cuts off a
    /// torn last line.
    ///
    /// While another process has it open this waits: Kubernetes may for a moment run two pods of one index. A file
    /// system without locks is used without.
    pub fn open<T: DeserializeOwned>(path: &Path, take: impl FnMut(T, u64)) -> io::Result<Self> {
        let mut file = Self::locked(path)?;
        let length = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(0))?;
        let whole = read_lines(BufReader::new(&file), path, take)?;
        if whole < length {
            tracing::warn!(file = %path.display(), bytes = length - whole, "cutting off a torn last line");
            file.set_len(whole)?;
        }
        // Another worker may have died before it had its last records on the disk; sources go by what is read here.
        file.sync_all()?;
        if let Some(folder) = path.parent() {
            sync_folder(folder)?;
        }
        let mut journal = Self { file, path: path.to_owned(), length: whole, room: 0 };
        journal.set_room_aside();
        Ok(journal)
    }

    fn locked(path: &Path) -> io::Result<File> {
        loop {
            let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
            lock::wait_for(&file, path, "another worker has this shard")?;
            // A new plan may have taken the file away meanwhile.
            let held = file.metadata()?;
            let is_named = |named: fs::Metadata| (named.dev(), named.ino()) == (held.dev(), held.ino());
            if fs::metadata(path).is_ok_and(is_named) {
                return Ok(file);
            }
        }
    }

    /// Appends records; they are on the disk when this returns, in their order. Tells where each begins.
    pub fn append(&mut self, records: &[impl Serialize]) -> io::Result<Vec<u64>> {
        let mut lines = Vec::new();
        let mut places = Vec::with_capacity(records.len());
        for record in records {
            places.push(self.length + lines.len() as u64);
            serde_json::to_writer(&mut lines, record)?;
            lines.push(b'\n');
        }
        if !lines.is_empty() {
            self.file.write_all(&lines)?;
            self.file.sync_data()?;
            self.length += lines.len() as u64;
            self.room = self.room.saturating_sub(lines.len() as u64);
            self.set_room_aside();
        }
        Ok(places)
    }

    /// Sees to it that these records will find room, even if each turns into a failure. An error: the volume is full.
    pub fn make_room(&mut self, records: &[impl Serialize]) -> io::Result<()> {
        let mut bytes = 0;
        for record in records {
            bytes += serde_json::to_vec(record)?.len() as u64 + SENTENCE;
        }
        match self.set_aside(bytes) {
            Err(full @ (Errno::ENOSPC | Errno::EDQUOT)) => Err(full.into()),
            // A file system that cannot do it goes without.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn set_room_aside(&mut self) {
        if let Err(error) = self.set_aside(ROOM) {
            tracing::debug!(file = %self.path.display(), %error, "no room is set aside for records");
        }
    }

    fn set_aside(&mut self, bytes: u64) -> Result<(), Errno> {
        // XFS wants as much free room again, even for what is set aside already (xfs_alloc_file_space).
        if bytes > self.room {
            let [end, count] = [self.length, bytes].map(|number| i64::try_from(number).unwrap_or(i64::MAX));
            fallocate(&self.file, FallocateFlags::FALLOC_FL_KEEP_SIZE, end, count)?;
            self.room = bytes;
        }
        Ok(())
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Journal {
    /// Gives back the room that was not needed.
    fn drop(&mut self) {
        // A file system without locks may have had another writer.
        let _ = self.file.metadata().and_then(|metadata| self.file.set_len(metadata.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn open(path: &Path) -> (Journal, Vec<Value>) {
        let mut seen = Vec::new();
        let journal = Journal::open(path, |record, _| seen.push(record)).unwrap();
        (journal, seen)
    }

    #[test]
    fn every_prefix_is_a_valid_state() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.jsonl");
        let records = [json!({"a": 1}), json!({"b": "ä\n"}), json!({"c": [1, 2]})];
        let (mut journal, seen) = open(&path);
        assert!(seen.is_empty());
        let mut places = journal.append(&records[..1]).unwrap();
        places.extend(journal.append(&records[1..]).unwrap());
        journal.append(&[] as &[Value]).unwrap();
        for (record, place) in records.iter().zip(places) {
            assert_eq!(super::record::<Value>(&path, place).unwrap(), *record);
        }
        drop(journal);
        let whole = fs::read(&path).unwrap();
        for length in 0..=whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let kept = whole[..length].split(|byte| *byte == b'\n').count() - 1;

            let mut seen: Vec<Value> = Vec::new();
            read(&path, |record| seen.push(record)).unwrap();
            assert_eq!(seen, records[..kept], "read at {length}");
            assert_eq!(fs::read(&path).unwrap(), &whole[..length], "a reader changes nothing");

            let (mut journal, seen) = open(&path);
            assert_eq!(seen, records[..kept], "opened at {length}");
            journal.append(&records[kept..]).unwrap();
            drop(journal);
            assert_eq!(fs::read(&path).unwrap(), whole, "resumed at {length}");
        }
    }

    #[test]
    fn a_line_longer_than_any_record_is_passed_over_in_bounded_memory() {
        let record = json!({"a": 1}).to_string();
        for filling in [LONGEST - 1, LONGEST, 3 * LONGEST + 1] {
            // Its end alone would be a record.
            let garbage = format!("{}{record}", "x".repeat(filling));
            let read = |text: &str| {
                let mut seen: Vec<(Value, u64)> = Vec::new();
                let whole = read_lines(text.as_bytes(), Path::new("r"), |record, at| seen.push((record, at))).unwrap();
                (seen, usize::try_from(whole).unwrap())
            };
            let whole = format!("{garbage}\n{record}\n");
            let second = (json!({"a": 1}), garbage.len() as u64 + 1);
            assert_eq!(read(&whole), (vec![second], whole.len()));
            assert_eq!(read(&garbage), (vec![], 0), "without an end it is torn");
            let mut line = Vec::new();
            read_line(&mut garbage.as_bytes(), &mut line).unwrap();
            assert_eq!(line.len(), garbage.len().min(LONGEST));
        }
    }

    #[test]
    fn a_missing_file_has_no_records() {
        let folder = tempfile::tempdir().unwrap();
        read(&folder.path().join("none"), |_: Value| panic!("a record of nothing")).unwrap();
    }

    #[test]
    fn one_writer_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.jsonl");
        let (mut first, _) = open(&path);
        let second = {
            let path = path.clone();
            std::thread::spawn(move || open(&path).1)
        };
        // Whether the second waits already or comes later, it must see what the first wrote before it closed.
        first.append(&[json!(1)]).unwrap();
        first.append(&[json!(2)]).unwrap();
        drop(first);
        assert_eq!(second.join().unwrap().last(), Some(&json!(2)));
    }

    proptest! {
        #[test]
        fn garbage_is_passed_over(garbage in prop::collection::vec(any::<u8>(), 0..200)) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("r.jsonl");
            let mut bytes = b"{\"a\":1}\n".to_vec();
            bytes.extend(&garbage);
            fs::write(&path, &bytes).unwrap();
            let (mut journal, seen) = open(&path);
            prop_assert_eq!(seen.first(), Some(&json!({"a": 1})));
            journal.append(&[json!({"z": 9})]).unwrap();
            drop(journal);
            let (_, seen) = open(&path);
            prop_assert_eq!(seen.last(), Some(&json!({"z": 9})));
        }
    }
}
