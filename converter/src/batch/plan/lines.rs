//! Writes the shards of a plan, one after the other, from lines in the order of shard and number: one file is open at a
//! time, however many there are.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use super::super::error::Error;
use super::super::store::Store;

/// What a file's line is sorted by: its shard, then its number in the shard.
pub fn key(shard: usize, number: u64) -> [u8; 16] {
    let mut key = [0; 16];
    let (first, second) = key.split_at_mut(8);
    first.copy_from_slice(&(shard as u64).to_be_bytes());
    second.copy_from_slice(&number.to_be_bytes());
    key
}

/// The shard of a key.
fn shard(key: &[u8]) -> usize {
    let shard = key.first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
    usize::try_from(shard).unwrap_or(usize::MAX)
}

/// The files of the shards.
pub struct ShardFiles<'a> {
    store: &'a Store,
    shards: usize,
    /// How many files have been begun.
    begun: usize,
    open: Option<(PathBuf, BufWriter<File>)>,
}

impl<'a> ShardFiles<'a> {
    /// So many files to be written, those without a line too.
    pub fn new(store: &'a Store, shards: usize) -> Self {
        Self { store, shards, begun: 0, open: None }
    }

    /// Adds a line to the file of its shard. Keys come in order.
    pub fn write(&mut self, key: &[u8], line: &[u8]) -> Result<(), Error> {
        while self.begun <= shard(key) {
            self.next()?;
        }
        match &mut self.open {
            Some((path, file)) => file.write_all(line).map_err(Error::making(path)),
            None => Ok(()),
        }
    }

    /// Makes the files that are left. When this returns all are on the disk; their names are when the folder is synced.
    pub fn finish(mut self) -> Result<(), Error> {
        while self.begun < self.shards {
            self.next()?;
        }
        self.end()
    }

    /// Ends the file at hand and begins the next.
    fn next(&mut self) -> Result<(), Error> {
        self.end()?;
        let path = self.store.planned(self.begun);
        let file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(Error::making(&path))?;
        self.open = Some((path, BufWriter::with_capacity(1 << 16, file)));
        self.begun += 1;
        Ok(())
    }

    fn end(&mut self) -> Result<(), Error> {
        let Some((path, mut file)) = self.open.take() else { return Ok(()) };
        file.flush().and_then(|()| file.get_ref().sync_data()).map_err(Error::making(&path))
    }
}
