//! Paths for later, first in, first out.

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::Path;
use std::sync::Arc;

use super::{Extent, Limits, frame, unframe};

/// Paths, or other bytes, that are given back in the order in which they came.
#[derive(Debug)]
pub struct Queue {
    file: Arc<File>,
    /// What is not in the file yet.
    tail: Vec<u8>,
    head: BufReader<Extent>,
    limit: usize,
    /// How many are in the file and not given back.
    filed: u64,
    /// How many are in `tail`.
    held: u64,
}

impl Queue {
    /// An empty queue whose file is in `folder`.
    pub fn new(folder: &Path, limits: Limits) -> io::Result<Self> {
        let file = Arc::new(tempfile::tempfile_in(folder)?);
        let head = BufReader::with_capacity(limits.buffer, Extent { file: Arc::clone(&file), at: 0, end: u64::MAX });
        Ok(Self { file, tail: Vec::new(), head, limit: limits.buffer, filed: 0, held: 0 })
    }

    /// Adds one.
    pub fn push(&mut self, path: &[u8]) -> io::Result<()> {
        frame(path, &mut self.tail)?;
        self.held += 1;
        if self.tail.len() >= self.limit { self.file_tail() } else { Ok(()) }
    }

    /// Takes the oldest into `into`; `false` if there is none.
    pub fn pop(&mut self, into: &mut Vec<u8>) -> io::Result<bool> {
        if self.filed == 0 {
            if self.held == 0 {
                return Ok(false);
            }
            self.file_tail()?;
        }
        if !unframe(&mut self.head, into)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.filed -= 1;
        Ok(true)
    }

    fn file_tail(&mut self) -> io::Result<()> {
        (&*self.file).write_all(&self.tail)?;
        self.tail.clear();
        self.filed += self.held;
        self.held = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    proptest! {
        #[test]
        fn first_in_first_out(steps in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..40)), 0..300), buffer in 1usize..200) {
            let folder = tempfile::tempdir().unwrap();
            let mut queue = Queue::new(folder.path(), Limits { buffer, ..Limits::default() }).unwrap();
            let mut wanted = VecDeque::new();
            let mut got = Vec::new();
            for step in steps {
                if let Some(path) = step {
                    queue.push(&path).unwrap();
                    wanted.push_back(path);
                } else {
                    let there = queue.pop(&mut got).unwrap();
                    prop_assert_eq!(there.then(|| got.clone()), wanted.pop_front());
                }
            }
            while queue.pop(&mut got).unwrap() {
                prop_assert_eq!(Some(got.clone()), wanted.pop_front());
            }
            prop_assert!(wanted.is_empty());
            prop_assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the file has no name");
        }
    }
}
