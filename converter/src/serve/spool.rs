//! Where FLACs wait until they are complete, those of one request together: in memory first, then in one temporary file without a name, so that nothing
//! stays behind whatever happens to the process. One pool bounds what all requests hold together.
//!
//! The functions that write may block on the disk; they run in the encoder's jobs, never on the async threads.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, BufWriter, Seek, SeekFrom, Write},
    ops::Range,
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use sha2::{Digest, Sha256};

use crate::convert::Output;

/// Bytes a read of the finished file fetches at once, each by a job of its own.
const READ_SIZE: u64 = 512 * 1024;
/// Bytes that are digested at once: few enough to stay near the CPU.
const DIGESTED: usize = 64 * 1024;
/// Most bytes of memory that one piece of an answer takes.
const MEMORY_PIECE: usize = 64 * 1024;

/// What all spools share: the bound, and how much of it is taken.
#[derive(Debug)]
pub(super) struct Pool {
    limit: u64,
    used: AtomicU64,
    memory: u64,
    folder: PathBuf,
}

impl Pool {
    /// A pool of `limit` bytes in all; each spool keeps up to `memory` bytes before it opens a file in `folder`. Fails if no
    /// file can be made there, so that a wrong folder shows at the start and not at the first large upload.
    pub(super) fn new(limit: u64, memory: u64, folder: PathBuf) -> io::Result<Self> {
        tempfile::tempfile_in(&folder)?;
        Ok(Self { limit, used: AtomicU64::new(0), memory, folder })
    }

    /// Bytes held by all spools.
    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// A temporary file without a name.
    pub(super) fn file(&self) -> io::Result<File> {
        tempfile::tempfile_in(&self.folder)
    }

    /// How much of one answer stays in memory.
    pub(super) fn memory(&self) -> u64 {
        self.memory
    }

    /// Gives back what was reserved.
    pub(super) fn free(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Counts bytes that are held from now on.
    pub(super) fn reserve(&self, bytes: u64) -> Result<(), SpoolError> {
        self.used
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(bytes).filter(|sum| *sum <= self.limit)
            })
            .map(drop)
            .map_err(|_| SpoolError::Full)
    }
}

/// Why a spool took no more.
#[derive(Debug, thiserror::Error)]
pub(super) enum SpoolError {
    /// The pool's bound or the disk is reached.
    #[error("the server's space for results is full")]
    Full,
    /// The temporary file failed.
    #[error("the temporary file failed: {0}")]
    File(#[from] io::Error),
}

/// The results of one request in the making, one behind the other.
#[derive(Debug)]
pub(super) struct Spool {
    pool: Arc<Pool>,
    /// Everything until the file is there; empty afterwards.
    memory: Vec<u8>,
    file: Option<BufWriter<File>>,
    len: u64,
    /// Where the result at hand began.
    began: u64,
    /// Checksum of the result at hand.
    crc32: crc32fast::Hasher,
    /// The first error; `Output` can only pass on an `io::Error`, and the answer depends on which it was.
    failure: Option<SpoolError>,
}

/// A whole FLAC in a spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    /// Its head and what follows that; in the spool they stand the other way around.
    pieces: [Range<u64>; 2],
    /// CRC-32 of all of it.
    pub crc32: u32,
}

impl Stored {
    /// Bytes in all.
    pub(super) fn len(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.end - piece.start).sum()
    }

    /// What an answer sends of the spool, in this order.
    pub(super) fn parts(&self) -> impl Iterator<Item = Part> + use<> {
        self.pieces.clone().into_iter().map(Part::Spooled)
    }
}

impl Spool {
    pub(super) fn new(pool: &Arc<Pool>) -> Self {
        Self {
            pool: Arc::clone(pool),
            memory: Vec::new(),
            file: None,
            len: 0,
            began: 0,
            crc32: crc32fast::Hasher::new(),
            failure: None,
        }
    }

    /// Takes the reason why an append failed.
    pub(super) fn take_failure(&mut self) -> Option<SpoolError> {
        self.failure.take()
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), SpoolError> {
        let count = bytes.len() as u64;
        self.pool.reserve(count)?;
        self.len += count;
        if self.file.is_none() && self.len > self.pool.memory {
            let mut file = BufWriter::with_capacity(64 * 1024, self.pool.file()?);
            write(&mut file, &std::mem::take(&mut self.memory))?;
            self.file = Some(file);
        }
        if let Some(file) = &mut self.file {
            return write(file, bytes);
        }
        self.memory.extend_from_slice(bytes);
        Ok(())
    }

    /// Ends the result at hand: `head` stands before everything that was appended. What is appended next is another.
    pub(super) fn end_result(&mut self, head: &[u8]) -> Result<Stored, SpoolError> {
        let frames = self.began..self.len;
        self.append(head)?;
        let mut crc32 = crc32fast::Hasher::new();
        crc32.update(head);
        crc32.combine(&std::mem::take(&mut self.crc32));
        let stored = Stored { pieces: [frames.end..self.len, frames], crc32: crc32.finalize() };
        self.began = self.len;
        Ok(stored)
    }

    /// Throws the result at hand away.
    pub(super) fn drop_result(&mut self) -> Result<(), SpoolError> {
        if let Some(file) = &mut self.file {
            file.seek(SeekFrom::Start(self.began))?;
            file.get_ref().set_len(self.began)?;
        }
        self.memory.truncate(usize::try_from(self.began).unwrap_or(usize::MAX));
        self.pool.free(self.len - self.began);
        self.len = self.began;
        self.crc32 = crc32fast::Hasher::new();
        Ok(())
    }

    /// Ends writing. What is sent are `parts`.
    pub(super) fn complete(mut self, parts: impl IntoIterator<Item = Part>) -> Result<Complete, SpoolError> {
        let file = match self.file.take() {
            Some(mut writer) => {
                write(&mut writer, &[])?;
                Some(Arc::new(writer.into_inner().map_err(|error| full_or_file(error.into_error()))?))
            }
            None => None,
        };
        let memory = Bytes::from(std::mem::take(&mut self.memory));
        Ok(Complete { parts: parts.into_iter().collect(), memory, file, _spool: self })
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.pool.free(self.len);
    }
}

impl Output for Spool {
    fn head(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.crc32.update(bytes);
        self.append(bytes).map_err(|error| {
            let passed_on = io::Error::other(error.to_string());
            self.failure.get_or_insert(error);
            passed_on
        })
    }

    fn frame(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.head(bytes)
    }
}

fn write(file: &mut BufWriter<File>, bytes: &[u8]) -> Result<(), SpoolError> {
    file.write_all(bytes).map_err(full_or_file)
}

/// A full disk is the same to a client as a full pool: come again later.
pub(super) fn full_or_file(error: io::Error) -> SpoolError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => SpoolError::Full,
        _ => SpoolError::File(error),
    }
}

/// A part of an answer.
#[derive(Debug, Clone)]
pub(super) enum Part {
    /// These bytes.
    Given(Bytes),
    /// These bytes of the spool.
    Spooled(Range<u64>),
}

impl Part {
    fn len(&self) -> u64 {
        match self {
            Self::Given(bytes) => bytes.len() as u64,
            Self::Spooled(range) => range.end - range.start,
        }
    }
}

/// A finished answer. Its place in the pool is free again once the body made of it is dropped.
#[derive(Debug)]
pub(super) struct Complete {
    parts: VecDeque<Part>,
    /// The spool's bytes, unless they are in the file.
    memory: Bytes,
    file: Option<Arc<File>>,
    _spool: Spool,
}

/// What comes next of an answer.
enum Next {
    Ready(Bytes),
    Read(Arc<File>, Range<u64>),
}

impl Next {
    /// May block on the disk if it is to be read.
    fn fetch(self) -> io::Result<Bytes> {
        match self {
            Self::Ready(bytes) => Ok(bytes),
            Self::Read(file, range) => {
                let mut bytes = vec![0; usize::try_from(range.end - range.start).unwrap_or_default()];
                file.read_exact_at(&mut bytes, range.start)?;
                Ok(Bytes::from(bytes))
            }
        }
    }
}

impl Complete {
    /// Bytes in all.
    pub(super) fn len(&self) -> u64 {
        self.parts.iter().map(Part::len).sum()
    }

    /// SHA-256 of all of it. The head is known last and is hashed first, so this reads everything again.
    pub(super) fn sha256(&self) -> io::Result<[u8; 32]> {
        let mut hasher = Sha256::new();
        let mut buffer = if self.file.is_some() { vec![0; DIGESTED] } else { Vec::new() };
        for part in &self.parts {
            let range = match part {
                Part::Given(bytes) => {
                    hasher.update(bytes);
                    continue;
                }
                Part::Spooled(range) => range,
            };
            let Some(file) = &self.file else {
                hasher.update(in_memory(&self.memory, range));
                continue;
            };
            let mut at = range.start;
            while at < range.end {
                let count = usize::try_from(range.end - at).unwrap_or(DIGESTED).min(DIGESTED);
                let piece = buffer.get_mut(..count).unwrap_or_default();
                file.read_exact_at(piece, at)?;
                hasher.update(piece);
                at += count as u64;
            }
        }
        Ok(hasher.finalize().into())
    }

    /// The answer's body. `hold` lives until the body has been sent or dropped.
    pub(super) fn into_body<T: Send + 'static>(self, hold: T) -> Body {
        Body::from_stream(stream::try_unfold((self, hold), async |(mut complete, hold)| {
            let Some(next) = next(&mut complete.parts, &complete.memory, complete.file.as_ref()) else {
                return Ok::<_, io::Error>(None);
            };
            let bytes = match next {
                Next::Ready(bytes) => bytes,
                read @ Next::Read(..) => {
                    tokio::task::spawn_blocking(move || read.fetch()).await.map_err(io::Error::other)??
                }
            };
            Ok(Some((bytes, (complete, hold))))
        }))
    }
}

/// A part of a spool that has no file.
fn in_memory(memory: &Bytes, range: &Range<u64>) -> Bytes {
    let index = |at| usize::try_from(at).unwrap_or(usize::MAX).min(memory.len());
    memory.slice(index(range.start)..index(range.end))
}

/// Takes the next bytes off the front of `parts`: some, unless it is the end.
fn next(parts: &mut VecDeque<Part>, memory: &Bytes, file: Option<&Arc<File>>) -> Option<Next> {
    while parts.front().is_some_and(|part| part.len() == 0) {
        parts.pop_front();
    }
    match parts.front_mut()? {
        Part::Given(bytes) => Some(Next::Ready(bytes.split_to(bytes.len().min(MEMORY_PIECE)))),
        Part::Spooled(range) => {
            let piece = if file.is_some() { READ_SIZE } else { MEMORY_PIECE as u64 };
            let taken = range.start..range.end.min(range.start + piece);
            range.start = taken.end;
            if let Some(file) = file {
                return Some(Next::Read(Arc::clone(file), taken));
            }
            Some(Next::Ready(in_memory(memory, &taken)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(limit: u64, memory: u64) -> Arc<Pool> {
        Arc::new(Pool::new(limit, memory, std::env::temp_dir()).unwrap())
    }

    fn noise(count: u32) -> Vec<u8> {
        (0..count).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
    }

    async fn read(complete: Complete) -> Vec<u8> {
        axum::body::to_bytes(complete.into_body(()), usize::MAX).await.unwrap().to_vec()
    }

    #[tokio::test]
    async fn small_results_stay_in_memory_and_large_ones_go_to_a_file() {
        for (memory, in_file) in [(0, true), (699_999, true), (700_034, false)] {
            let pool = pool(1 << 20, memory);
            let mut spool = Spool::new(&pool);
            let bytes = noise(700_000);
            for piece in bytes.chunks(1_001) {
                spool.frame(piece).unwrap();
            }
            assert_eq!(spool.file.is_some(), in_file, "{memory}");
            let head = vec![0xee; 34];
            let stored = spool.end_result(&head).unwrap();
            let complete = spool.complete(stored.parts()).unwrap();
            assert_eq!((stored.len(), complete.len(), pool.used()), (700_034, 700_034, 700_034));
            let wanted = [head, bytes].concat();
            assert_eq!(stored.crc32, crc32fast::hash(&wanted));
            assert_eq!(complete.sha256().unwrap(), <[u8; 32]>::from(Sha256::digest(&wanted)));
            assert!(read(complete).await == wanted, "{memory}");
            assert_eq!(pool.used(), 0);
        }
    }

    #[tokio::test]
    async fn several_results_share_a_spool_and_a_bad_one_leaves_nothing() {
        for memory in [0, 30_000, 70_000, 150_000] {
            let pool = pool(1 << 20, memory);
            let mut spool = Spool::new(&pool);
            spool.frame(&noise(50_000)).unwrap();
            let first = spool.end_result(b"one").unwrap();
            spool.frame(&noise(60_000)).unwrap();
            spool.drop_result().unwrap();
            assert_eq!(pool.used(), 50_003);
            spool.frame(&noise(40_000)).unwrap();
            let second = spool.end_result(b"three").unwrap();
            let given = Part::Given(Bytes::from_static(b" and "));
            let complete = spool.complete(second.parts().chain([given]).chain(first.parts())).unwrap();
            let wanted = [b"three", &*noise(40_000), b" and ", b"one", &noise(50_000)].concat();
            assert_eq!(complete.len(), wanted.len() as u64);
            assert_eq!(second.crc32, crc32fast::hash(&wanted[..40_005]));
            assert_eq!(first.crc32, crc32fast::hash(&wanted[40_010..]));
            assert!(read(complete).await == wanted, "{memory}");
            assert_eq!(pool.used(), 0);
        }
    }

    #[test]
    fn the_bound_holds_for_all_together_and_frees_again() {
        let pool = pool(100, 1_000);
        let mut first = Spool::new(&pool);
        let mut second = Spool::new(&pool);
        first.frame(&[0; 60]).unwrap();
        assert!(second.frame(&[0; 41]).is_err());
        assert!(matches!(second.take_failure(), Some(SpoolError::Full)));
        second.frame(&[0; 40]).unwrap();
        drop(first);
        assert_eq!(pool.used(), 40);
        drop(second);
        assert_eq!(pool.used(), 0);
    }

    #[test]
    fn a_folder_that_is_not_there_fails_at_once() {
        assert!(Pool::new(1, 1, PathBuf::from("/does/not/exist")).is_err());
    }

    #[test]
    fn a_head_that_has_no_room_is_an_error() {
        let pool = pool(100, 100);
        let mut spool = Spool::new(&pool);
        spool.frame(&[0; 60]).unwrap();
        assert!(matches!(spool.end_result(&[0; 41]), Err(SpoolError::Full)));
        drop(spool);
        assert_eq!(pool.used(), 0);
    }
}
