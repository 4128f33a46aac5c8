//! Record files: JSON lines that are only ever appended to.
//!
//! Any prefix of a record file is a valid state, since a worker can die at any byte. A last line without its newline
//! is torn: readers ignore it and a writer cuts it off before it appends. A whole line that is no record (another
//! version's, or a damaged volume) is passed over with a warning; its file then counts as not done.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::atomic::sync_folder;

/// Reads the records of a file in order; a file that is not there has none.
pub fn read<T: DeserializeOwned>(path: &Path, take: impl FnMut(T)) -> io::Result<()> {
    match File::open(path) {
        Ok(file) => read_lines(BufReader::new(file), path, take).map(drop),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Hands on every whole line that parses; returns how many bytes whole lines take.
fn read_lines<T: DeserializeOwned>(mut reader: impl BufRead, path: &Path, mut take: impl FnMut(T)) -> io::Result<u64> {
    let mut whole = 0;
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            return Ok(whole);
        }
        match serde_json::from_slice(&line) {
            Ok(record) => take(record),
            Err(error) => {
                tracing::warn!(file = %path.display(), offset = whole, %error, "a line is no record, passed over");
            }
        }
        whole += read as u64;
    }
}

/// A record file open for appending, by one process at a time.
pub struct Journal {
    file: File,
    path: PathBuf,
}

impl Journal {
    /// Opens the file, makes it if it is not there, hands on the records that it has, and cuts off a torn last line.
    ///
    /// While another process has it open this waits: Kubernetes may for a moment run two pods of one index. A file
    /// system without locks is used without.
    pub fn open<T: DeserializeOwned>(path: &Path, take: impl FnMut(T)) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                tracing::warn!(file = %path.display(), "another worker has this shard, waiting until it ends");
                file.lock()?;
            }
            Err(TryLockError::Error(error)) => {
                tracing::warn!(file = %path.display(), %error, "this file system has no locks; going on without");
            }
        }
        let length = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(0))?;
        let whole = read_lines(BufReader::new(&file), path, take)?;
        if whole < length {
            tracing::warn!(file = %path.display(), bytes = length - whole, "cutting off a torn last line");
            file.set_len(whole)?;
            file.sync_all()?;
        }
        if let Some(folder) = path.parent() {
            sync_folder(folder)?;
        }
        Ok(Self { file, path: path.to_owned() })
    }

    /// Appends one record; it is on the disk when this returns.
    pub fn append(&mut self, record: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.file.sync_data()
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use std::fs;

    fn open(path: &Path) -> (Journal, Vec<Value>) {
        let mut seen = Vec::new();
        let journal = Journal::open(path, |record| seen.push(record)).unwrap();
        (journal, seen)
    }

    #[test]
    fn every_prefix_is_a_valid_state() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.jsonl");
        let records = [json!({"a": 1}), json!({"b": "ä\n"}), json!({"c": [1, 2]})];
        let (mut journal, seen) = open(&path);
        assert!(seen.is_empty());
        for record in &records {
            journal.append(record).unwrap();
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
            for record in &records[kept..] {
                journal.append(record).unwrap();
            }
            assert_eq!(fs::read(&path).unwrap(), whole, "resumed at {length}");
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
        first.append(&json!(1)).unwrap();
        first.append(&json!(2)).unwrap();
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
            journal.append(&json!({"z": 9})).unwrap();
            drop(journal);
            let (_, seen) = open(&path);
            prop_assert_eq!(seen.last(), Some(&json!({"z": 9})));
        }
    }
}
