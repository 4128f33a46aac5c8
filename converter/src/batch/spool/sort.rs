//! An external merge sort: chunks of records are sorted in memory and written one after the other into one file, and
//! then merged as they are read. With very many chunks, groups of them are merged into longer ones first.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::{Extent, Limits, frame, unframe};

/// Takes records, each a key and a body, in any order.
#[derive(Debug)]
pub struct Sorter {
    limits: Limits,
    file: Arc<File>,
    end: u64,
    /// Where the sorted chunks lie in the file.
    runs: Vec<Range<u64>>,
    /// The framed keys and bodies of the chunk at hand.
    chunk: Vec<u8>,
    /// Where in `chunk` each record begins.
    starts: Vec<usize>,
}

impl Sorter {
    /// No records yet. The file, which has no name, is in `folder`.
    pub fn new(folder: &Path, limits: Limits) -> io::Result<Self> {
        let file = Arc::new(tempfile::tempfile_in(folder)?);
        Ok(Self { limits, file, end: 0, runs: Vec::new(), chunk: Vec::new(), starts: Vec::new() })
    }

    /// Adds a record. Keys are ordered by their bytes; of equal ones either may come first.
    pub fn push(&mut self, key: &[u8], body: &[u8]) -> io::Result<()> {
        let taken = self.chunk.len() + self.starts.len() * size_of::<usize>();
        if taken + key.len() + body.len() > self.limits.chunk && !self.starts.is_empty() {
            self.write_chunk()?;
        }
        self.starts.push(self.chunk.len());
        frame(key, &mut self.chunk)?;
        frame(body, &mut self.chunk)
    }

    /// All records in order.
    pub fn sorted(mut self) -> io::Result<Sorted> {
        if !self.starts.is_empty() {
            self.write_chunk()?;
        }
        self.chunk = Vec::new();
        self.starts = Vec::new();
        let fan_in = self.limits.fan_in.max(2);
        while self.runs.len() > fan_in {
            let group: Vec<_> = self.runs.drain(..fan_in).collect();
            let mut merged = Sorted::new(&self.file, &group, self.limits)?;
            let mut writer = BufWriter::with_capacity(self.limits.buffer, &*self.file);
            let (mut record, mut framed) = (Record::default(), Vec::new());
            let mut length = 0;
            while merged.next(&mut record)? {
                framed.clear();
                frame(&record.key, &mut framed)?;
                frame(&record.body, &mut framed)?;
                length += framed.len() as u64;
                writer.write_all(&framed)?;
            }
            writer.flush()?;
            drop(writer);
            self.add_run(length);
        }
        Sorted::new(&self.file, &self.runs, self.limits)
    }

    fn write_chunk(&mut self) -> io::Result<()> {
        let chunk = &self.chunk;
        let key = |start: usize| part(chunk, start).unwrap_or_default();
        self.starts.sort_unstable_by(|one, other| key(*one).cmp(key(*other)));
        let mut writer = BufWriter::with_capacity(self.limits.buffer, &*self.file);
        for start in &self.starts {
            let body = start + 4 + key(*start).len();
            let end = body + 4 + part(chunk, body).unwrap_or_default().len();
            writer.write_all(chunk.get(*start..end).unwrap_or_default())?;
        }
        writer.flush()?;
        drop(writer);
        let length = self.chunk.len() as u64;
        self.chunk.clear();
        self.starts.clear();
        self.add_run(length);
        Ok(())
    }

    fn add_run(&mut self, length: u64) {
        self.runs.push(self.end..self.end + length);
        self.end += length;
    }
}

/// The framed part that begins there.
fn part(chunk: &[u8], start: usize) -> Option<&[u8]> {
    let (length, rest) = chunk.get(start..)?.split_first_chunk::<4>()?;
    rest.get(..u32::from_le_bytes(*length) as usize)
}

/// Records in the order of their keys.
#[derive(Debug)]
pub struct Sorted(BinaryHeap<Reverse<Head>>);

impl Sorted {
    fn new(file: &Arc<File>, runs: &[Range<u64>], limits: Limits) -> io::Result<Self> {
        let mut heads = BinaryHeap::with_capacity(runs.len());
        for run in runs {
            let extent = Extent { file: Arc::clone(file), at: run.start, end: run.end };
            let rest = BufReader::with_capacity(limits.buffer, extent);
            let mut head = Head { record: Record::default(), rest };
            if head.advance()? {
                heads.push(Reverse(head));
            }
        }
        Ok(Self(heads))
    }

    /// Takes the next record into `record`; `false` if there is none.
    pub fn next(&mut self, record: &mut Record) -> io::Result<bool> {
        let Some(mut first) = self.0.peek_mut() else { return Ok(false) };
        std::mem::swap(&mut first.0.record, record);
        if !first.0.advance()? {
            PeekMut::pop(first);
        }
        Ok(true)
    }
}

/// A record.
#[derive(Debug, Default)]
pub struct Record {
    /// What it is sorted by.
    pub key: Vec<u8>,
    /// What it says.
    pub body: Vec<u8>,
}

/// The first record of a run, and the rest of the run.
#[derive(Debug)]
struct Head {
    record: Record,
    rest: BufReader<Extent>,
}

impl Head {
    /// The next record; `false` if there is none.
    fn advance(&mut self) -> io::Result<bool> {
        Ok(unframe(&mut self.rest, &mut self.record.key)? && unframe(&mut self.rest, &mut self.record.body)?)
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        self.record.key.cmp(&other.record.key)
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Pair = (Vec<u8>, Vec<u8>);

    fn sort(records: &[Pair], limits: Limits) -> Vec<Pair> {
        let folder = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::new(folder.path(), limits).unwrap();
        for (key, body) in records {
            sorter.push(key, body).unwrap();
        }
        let mut got = Vec::new();
        let (mut records, mut record) = (sorter.sorted().unwrap(), Record::default());
        while records.next(&mut record).unwrap() {
            got.push((record.key.clone(), record.body.clone()));
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the file has no name");
        got
    }

    #[test]
    fn nothing_is_in_order() {
        assert_eq!(sort(&[], Limits::default()), []);
    }

    proptest! {
        /// Chunks of a few records, and more of them than are merged at a time.
        #[test]
        fn as_a_sort_in_memory(
            records in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..20), prop::collection::vec(any::<u8>(), 0..20)), 0..400),
            chunk in 1usize..500,
            fan_in in 0usize..5,
            buffer in 1usize..100,
        ) {
            let mut got = sort(&records, Limits { chunk, fan_in, buffer });
            prop_assert!(got.is_sorted_by_key(|(key, _)| key.clone()));
            got.sort();
            let mut wanted = records;
            wanted.sort();
            prop_assert_eq!(got, wanted);
        }
    }
}
