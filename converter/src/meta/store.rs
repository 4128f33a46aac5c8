//! The bytes that are kept of an input, and which chunk they are of.

use std::ops::Range;

/// What one chunk costs beside its bytes: a file of many empty chunks shall not cost more than it may.
const COST: u64 = 64;

/// A chunk whose body is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chunk {
    pub name: [u8; 4],
    /// Where its body is.
    pub body: Range<usize>,
}

/// What some bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The latest chunk's body.
    Body,
    /// Anything else.
    Other,
}

/// There is no room for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

/// Bytes that are kept, up to a limit.
#[derive(Debug)]
pub(super) struct Store {
    limit: u64,
    bytes: Vec<u8>,
    chunks: Vec<Chunk>,
}

impl Store {
    pub fn new(limit: u64) -> Self {
        Self { limit, bytes: Vec::new(), chunks: Vec::new() }
    }

    pub fn limit(&self) -> u64 {
        self.limit
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// The kept bytes of a range.
    pub fn get(&self, range: Range<usize>) -> &[u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    /// Begins a chunk, whose body comes next.
    pub fn chunk(&mut self, name: [u8; 4]) -> Result<(), Full> {
        if self.cost().saturating_add(COST) > self.limit {
            return Err(Full);
        }
        self.chunks.push(Chunk { name, body: self.bytes.len()..self.bytes.len() });
        Ok(())
    }

    /// Keeps the next bytes.
    pub fn keep(&mut self, part: Part, bytes: &[u8]) -> Result<(), Full> {
        if self.cost().saturating_add(bytes.len() as u64) > self.limit {
            return Err(Full);
        }
        self.bytes.extend_from_slice(bytes);
        if let Some(chunk) = self.chunks.last_mut().filter(|_| part == Part::Body) {
            chunk.body.end = self.bytes.len();
        }
        Ok(())
    }

    /// Forgets the latest chunk's body.
    pub fn forget(&mut self) {
        if let Some(chunk) = self.chunks.pop() {
            self.bytes.truncate(chunk.body.start);
        }
    }

    fn cost(&self) -> u64 {
        self.bytes.len() as u64 + self.chunks.len() as u64 * COST
    }
}
