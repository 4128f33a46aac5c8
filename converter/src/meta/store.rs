//! The bytes that are kept of an input, and which chunk they are of.

use std::ops::Range;

/// What one chunk costs beside its bytes: a file of many empty chunks shall not cost more than it may.
const COST: u64 = 64;

/// A chunk whose bytes are kept, all or some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chunk {
    pub name: [u8; 4],
    /// Bytes of its body that its header claims.
    pub claimed: u64,
    /// Where its kept bytes begin.
    start: usize,
    /// Kept bytes of header, body and padding.
    header: usize,
    body: usize,
    padding: usize,
}

impl Chunk {
    pub fn header(&self) -> Range<usize> {
        self.start..self.start + self.header
    }

    pub fn body(&self) -> Range<usize> {
        self.header().end..self.header().end + self.body
    }

    pub fn padding(&self) -> Range<usize> {
        self.body().end..self.body().end + self.padding
    }

    pub fn whole(&self) -> Range<usize> {
        self.start..self.padding().end
    }
}

/// Which part of the latest chunk some bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Header,
    Body,
    Padding,
    /// None: they stand outside chunks.
    Outside,
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

    /// Begins a chunk.
    pub fn chunk(&mut self, name: [u8; 4], claimed: u64) -> Result<(), Full> {
        if self.cost().saturating_add(COST) > self.limit {
            return Err(Full);
        }
        self.chunks.push(Chunk { name, claimed, start: self.bytes.len(), header: 0, body: 0, padding: 0 });
        Ok(())
    }

    /// Keeps the next bytes.
    pub fn keep(&mut self, part: Part, bytes: &[u8]) -> Result<(), Full> {
        if self.cost().saturating_add(bytes.len() as u64) > self.limit {
            return Err(Full);
        }
        self.bytes.extend_from_slice(bytes);
        if let Some(chunk) = self.chunks.last_mut() {
            match part {
                Part::Header => chunk.header += bytes.len(),
                Part::Body => chunk.body += bytes.len(),
                Part::Padding => chunk.padding += bytes.len(),
                Part::Outside => {}
            }
        }
        Ok(())
    }

    /// Forgets the latest chunk.
    pub fn forget(&mut self) {
        if let Some(chunk) = self.chunks.pop() {
            self.bytes.truncate(chunk.start);
        }
    }

    fn cost(&self) -> u64 {
        self.bytes.len() as u64 + self.chunks.len() as u64 * COST
    }
}
