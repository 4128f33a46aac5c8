//! A window on a reader's bytes, from which frames are cut whose length nobody knows beforehand.

use std::io::{self, Read};

/// Bytes read and not used yet.
#[derive(Debug)]
pub(super) struct Window<R> {
    reader: R,
    bytes: Vec<u8>,
    used: usize,
    ended: bool,
}

/// Bytes read at once at least.
const PIECE: usize = 32 * 1024;

impl<R: Read> Window<R> {
    pub fn new(reader: R) -> Self {
        Self { reader, bytes: Vec::new(), used: 0, ended: false }
    }

    /// The bytes at hand.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(self.used..).unwrap_or_default()
    }

    /// Bytes of memory.
    #[cfg(test)]
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Whether the reader has no more.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Passes bytes at hand.
    pub fn use_up(&mut self, count: usize) {
        self.used = (self.used + count).min(self.bytes.len());
    }

    /// The bytes used up last. They stay until the next call of [`fill`](Self::fill).
    pub fn last_used(&self, count: usize) -> &[u8] {
        self.bytes.get(self.used.saturating_sub(count)..self.used).unwrap_or_default()
    }

    /// Has `wanted` bytes at hand, or all that are left. Memory follows the bytes that really came.
    pub fn fill(&mut self, wanted: usize) -> io::Result<()> {
        if self.ended || self.bytes().len() >= wanted {
            return Ok(());
        }
        self.bytes.drain(..self.used);
        self.used = 0;
        while !self.ended && self.bytes.len() < wanted {
            // Beyond a piece the buffer doubles: a claim makes it no larger than twice what came.
            let start = self.bytes.len();
            self.bytes.resize(start + (wanted - start).clamp(PIECE, PIECE.max(start)), 0);
            let count = read_some(&mut self.reader, self.bytes.get_mut(start..).unwrap_or_default());
            self.bytes.truncate(start + *count.as_ref().unwrap_or(&0));
            self.ended = count? == 0;
        }
        Ok(())
    }

    /// Passes `count` bytes, at hand or not; tells whether there were as many.
    pub fn skip(&mut self, count: u64) -> io::Result<bool> {
        let at_hand = self.bytes().len().min(usize::try_from(count).unwrap_or(usize::MAX));
        self.use_up(at_hand);
        let left = count - at_hand as u64;
        Ok(io::copy(&mut self.reader.by_ref().take(left), &mut io::sink())? == left)
    }
}

fn read_some(reader: &mut impl Read, bytes: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // A reader that tells more than it could have is not trusted.
            result => return result.map(|count| count.min(bytes.len())),
        }
    }
}
