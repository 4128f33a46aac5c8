//! What is too much for memory: [`Sorter`] brings any number of records into order, [`Queue`] keeps paths for later.
//! Both hold as much as their [`Limits`] say and put the rest into one unnamed file each. Such a file is gone when the
//! process is, however it ends, so a killed stage leaves nothing behind.

mod queue;
mod sort;

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

pub use queue::Queue;
pub use sort::{Record, Sorted, Sorter};

/// How much is held in memory, whatever the input.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of records that are sorted at a time.
    pub chunk: usize,
    /// Sorted chunks that are merged at a time, each with a buffer of `buffer` bytes.
    pub fan_in: usize,
    /// Bytes of a buffer.
    pub buffer: usize,
}

impl Default for Limits {
    /// About 16 MiB while records come, 4 MiB while they go. A million paths are a dozen chunks.
    fn default() -> Self {
        Self { chunk: 12 << 20, fan_in: 64, buffer: 64 << 10 }
    }
}

/// A part of a file, read from its start to its end without a position that others share.
#[derive(Debug)]
struct Extent {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Read for Extent {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let wanted = into.len().min(left);
        let read = self.file.read_at(into.get_mut(..wanted).unwrap_or_default(), self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// Puts `part` into `into`, its length first.
fn frame(part: &[u8], into: &mut Vec<u8>) -> io::Result<()> {
    let length = u32::try_from(part.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    into.extend(length.to_le_bytes());
    into.extend(part);
    Ok(())
}

/// Reads what [`frame`] wrote; `false` at the end.
fn unframe(from: &mut impl io::BufRead, into: &mut Vec<u8>) -> io::Result<bool> {
    into.clear();
    if from.fill_buf()?.is_empty() {
        return Ok(false);
    }
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    into.resize(u32::from_le_bytes(length) as usize, 0);
    from.read_exact(into)?;
    Ok(true)
}
