//! Where a FLAC waits until it is complete: in memory first, then in one temporary file without a name, so that nothing
//! stays behind whatever happens to the process. One pool bounds what all requests hold together.
//!
//! The functions that write may block on the disk; they run in the encoder's jobs, never on the async threads.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
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

use crate::convert::Output;

/// Bytes a read of the finished file fetches at once.
const READ_SIZE: u64 = 256 * 1024;

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

    fn reserve(&self, bytes: u64) -> Result<(), SpoolError> {
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

/// One result in the making.
#[derive(Debug)]
pub(super) struct Spool {
    pool: Arc<Pool>,
    /// All of the result until the file is there; empty afterwards.
    memory: Vec<u8>,
    file: Option<BufWriter<File>>,
    len: u64,
    /// The first error; `Output` can only pass on an `io::Error`, and the answer depends on which it was.
    failure: Option<SpoolError>,
}

impl Spool {
    pub(super) fn new(pool: &Arc<Pool>) -> Self {
        Self { pool: Arc::clone(pool), memory: Vec::new(), file: None, len: 0, failure: None }
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
            let mut file = BufWriter::with_capacity(64 * 1024, tempfile::tempfile_in(&self.pool.folder)?);
            write(&mut file, &std::mem::take(&mut self.memory))?;
            self.file = Some(file);
        }
        if let Some(file) = &mut self.file {
            return write(file, bytes);
        }
        self.memory.extend_from_slice(bytes);
        Ok(())
    }

    /// Ends writing: `head` stands before everything that was appended.
    pub(super) fn complete(mut self, head: Vec<u8>) -> Result<Complete, SpoolError> {
        let count = head.len() as u64;
        self.pool.reserve(count)?;
        self.len += count;
        let file = match self.file.take() {
            Some(mut writer) => {
                write(&mut writer, &[])?;
                Some(Arc::new(writer.into_inner().map_err(|error| full_or_file(error.into_error()))?))
            }
            None => None,
        };
        Ok(Complete { head: Bytes::from(head), file, spool: self })
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.pool.used.fetch_sub(self.len, Ordering::Relaxed);
    }
}

impl Output for Spool {
    fn head(&mut self, bytes: &[u8]) -> io::Result<()> {
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
fn full_or_file(error: io::Error) -> SpoolError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => SpoolError::Full,
        _ => SpoolError::File(error),
    }
}

/// A finished result. Its place in the pool is free again once the body made of it is dropped.
#[derive(Debug)]
pub(super) struct Complete {
    head: Bytes,
    /// What follows the head, unless it is in the spool's memory.
    file: Option<Arc<File>>,
    spool: Spool,
}

impl Complete {
    /// Bytes in all.
    pub(super) fn len(&self) -> u64 {
        self.spool.len
    }

    /// The result as a response body. `hold` lives until the body has been sent or dropped.
    pub(super) fn into_body<T: Send + 'static>(mut self, hold: T) -> Body {
        let in_memory = [std::mem::take(&mut self.head), Bytes::from(std::mem::take(&mut self.spool.memory))];
        let sent = 0;
        let in_file = self.len() - in_memory.iter().map(|part| part.len() as u64).sum::<u64>();
        Body::from_stream(stream::try_unfold((in_memory, sent, self, hold), move |state| async move {
            let (mut in_memory, sent, complete, hold) = state;
            if let Some(part) = in_memory.iter_mut().find(|part| !part.is_empty()) {
                let piece = part.split_to(part.len().min(64 * 1024));
                return Ok(Some((piece, (in_memory, sent, complete, hold))));
            }
            let count = READ_SIZE.min(in_file - sent);
            let Some(reader) = complete.file.clone().filter(|_| count > 0) else {
                return Ok(None);
            };
            let piece = tokio::task::spawn_blocking(move || {
                let mut piece = vec![0; usize::try_from(count).unwrap_or_default()];
                reader.read_exact_at(&mut piece, sent).map(|()| Bytes::from(piece))
            })
            .await
            .map_err(io::Error::other)??;
            Ok::<_, io::Error>(Some((piece, (in_memory, sent + count, complete, hold))))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(limit: u64, memory: u64) -> Arc<Pool> {
        Arc::new(Pool::new(limit, memory, std::env::temp_dir()).unwrap())
    }

    async fn read(complete: Complete) -> Vec<u8> {
        axum::body::to_bytes(complete.into_body(()), usize::MAX).await.unwrap().to_vec()
    }

    #[tokio::test]
    async fn small_results_stay_in_memory_and_large_ones_go_to_a_file() {
        for (memory, in_file) in [(0, true), (699_999, true), (700_000, false)] {
            let pool = pool(1 << 20, memory);
            let mut spool = Spool::new(&pool);
            let bytes: Vec<u8> = (0..700_000_u32).map(|n| n.to_le_bytes()[0]).collect();
            for piece in bytes.chunks(1_001) {
                spool.frame(piece).unwrap();
            }
            assert_eq!(spool.file.is_some(), in_file, "{memory}");
            let head = vec![0xee; 34];
            let complete = spool.complete(head.clone()).unwrap();
            assert_eq!(complete.len(), 700_034);
            assert_eq!(pool.used(), 700_034);
            let wanted = [head, bytes].concat();
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
        assert!(matches!(spool.complete(vec![0; 41]), Err(SpoolError::Full)));
        assert_eq!(pool.used(), 0);
    }
}
