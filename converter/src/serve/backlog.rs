//! What has been made of an answer and not been read yet, while both go on. A client that sends everything before it reads
//! must not wait for itself, so making never waits for reading: what is unread stays in memory, and beyond a bound in a
//! temporary file, all of it counted in the pool of [`super::spool`].

use std::{
    any::Any,
    collections::VecDeque,
    fs::File,
    io,
    os::unix::fs::FileExt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use tokio::sync::{Notify, oneshot};

use super::{
    problem::Failure,
    spool::{Pool, SpoolError, full_or_file},
};
use crate::convert::Output;

/// Bytes a read of the file fetches at once.
const READ_SIZE: u64 = 256 * 1024;

/// An answer in the making. Its writer ends it in any case; its reader may leave before.
pub(super) struct Backlog {
    pool: Arc<Pool>,
    state: Mutex<State>,
    /// Something has changed for the reader.
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// The oldest bytes.
    memory: VecDeque<Bytes>,
    in_memory: u64,
    /// Those after them.
    file: Option<Arc<File>>,
    read: u64,
    written: u64,
    /// Told once whether there will be an answer.
    begin: Option<oneshot::Sender<Result<(), Failure>>>,
    end: Option<End>,
    reader_left: bool,
    failure: Option<SpoolError>,
    /// Lives until nobody needs the backlog any more.
    hold: Option<Box<dyn Any + Send>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    Broken,
}

/// What there is for the reader.
enum Next {
    Ready(Bytes),
    /// From this place of the file.
    Read(Arc<File>, u64, usize),
    Wait,
    End,
}

/// The side that fills the backlog.
pub(super) struct Writer(Arc<Backlog>);

/// The side that empties it.
pub(super) struct Reader(Arc<Backlog>);

impl Backlog {
    /// An empty backlog. The receiver learns whether the answer begins or why it never will.
    pub(super) fn new(pool: &Arc<Pool>) -> (Arc<Self>, Writer, Reader, oneshot::Receiver<Result<(), Failure>>) {
        let (teller, told) = oneshot::channel();
        let state = State { begin: Some(teller), ..State::default() };
        let backlog = Arc::new(Self { pool: Arc::clone(pool), state: Mutex::new(state), changed: Notify::new() });
        (Arc::clone(&backlog), Writer(Arc::clone(&backlog)), Reader(backlog), told)
    }

    /// Ends the answer. After a failure the reader sees it broken off, or if it has not begun gets the failure instead;
    /// so whether it had begun comes back. `hold` lives until the answer has been read or dropped.
    pub(super) fn end(&self, result: Result<(), Failure>, hold: impl Send + 'static) -> Begun {
        let mut state = self.lock();
        state.hold = Some(Box::new(hold));
        state.end = Some(if result.is_ok() { End::Whole } else { End::Broken });
        let begun = match state.begin.take() {
            Some(begin) => {
                let _ = begin.send(result);
                Begun::No
            }
            None => Begun::Yes,
        };
        drop(state);
        self.changed.notify_one();
        begun
    }

    /// Why the writer was refused, if it was.
    pub(super) fn take_failure(&self) -> Option<Failure> {
        let mut state = self.lock();
        if state.reader_left { Some(Failure::ClientGone) } else { state.failure.take().map(Failure::from) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, bytes: &[u8]) -> Result<(), SpoolError> {
        let mut state = self.lock();
        if state.reader_left {
            return Err(SpoolError::File(io::ErrorKind::BrokenPipe.into()));
        }
        let count = bytes.len() as u64;
        if state.read == state.written && state.in_memory + count <= self.pool.memory() {
            self.pool.reserve(count)?;
            state.in_memory += count;
            state.memory.push_back(Bytes::copy_from_slice(bytes));
        } else {
            let file = match &state.file {
                Some(file) => Arc::clone(file),
                None => Arc::clone(state.file.insert(Arc::new(self.pool.file()?))),
            };
            self.pool.reserve(count)?;
            let at = state.written;
            state.written += count;
            file.write_all_at(bytes, at).map_err(full_or_file)?;
        }
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    fn next(&self) -> io::Result<Next> {
        let mut state = self.lock();
        if state.end == Some(End::Broken) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        if let Some(bytes) = state.memory.pop_front() {
            let count = bytes.len() as u64;
            state.in_memory -= count;
            self.pool.free(count);
            return Ok(Next::Ready(bytes));
        }
        let left = state.written - state.read;
        match (&state.file, state.end) {
            (Some(file), _) if left > 0 => {
                let count = usize::try_from(left.min(READ_SIZE)).unwrap_or_default();
                Ok(Next::Read(Arc::clone(file), state.read, count))
            }
            (_, Some(_)) => Ok(Next::End),
            (_, None) => Ok(Next::Wait),
        }
    }

    /// Reads from the file; empties it when nothing is left in it.
    fn fetch(&self, file: &File, at: u64, count: usize) -> io::Result<Bytes> {
        let mut bytes = vec![0; count];
        file.read_exact_at(&mut bytes, at)?;
        let mut state = self.lock();
        state.read += count as u64;
        if state.read == state.written {
            file.set_len(0)?;
            self.pool.free(state.written);
            (state.read, state.written) = (0, 0);
        }
        Ok(bytes.into())
    }
}

/// Whether an answer had begun when it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begun {
    /// Its head has gone out.
    Yes,
    /// Another one can be given.
    No,
}

impl Drop for Backlog {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.pool.free(state.in_memory + state.written);
    }
}

impl Output for Writer {
    fn head(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.frame(bytes)?;
        if let Some(begin) = self.0.lock().begin.take() {
            let _ = begin.send(Ok(()));
        }
        Ok(())
    }

    fn frame(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.append(bytes).map_err(|error| {
            let passed_on = io::Error::other(error.to_string());
            self.0.lock().failure.get_or_insert(error);
            passed_on
        })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.lock().reader_left = true;
    }
}

impl Reader {
    /// The answer's body: an error where it is broken off.
    pub(super) fn into_body(self) -> Body {
        Body::from_stream(stream::try_unfold(self, async |reader| {
            loop {
                let next = match reader.0.next() {
                    Ok(next) => next,
                    Err(broken) => {
                        // HTTP throws away what it has not sent when a body fails, be it the answer's head, and sends only
                        // when the body makes it wait: without this, a quick failure looks like no answer at all.
                        tokio::task::yield_now().await;
                        return Err(broken);
                    }
                };
                match next {
                    Next::Ready(bytes) => return Ok::<_, io::Error>(Some((bytes, reader))),
                    Next::Read(file, at, count) => {
                        let backlog = Arc::clone(&reader.0);
                        let job = tokio::task::spawn_blocking(move || backlog.fetch(&file, at, count));
                        return Ok(Some((job.await.map_err(io::Error::other)??, reader)));
                    }
                    Next::Wait => reader.0.changed.notified().await,
                    Next::End => return Ok(None),
                }
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn pool(limit: u64, memory: u64) -> Arc<Pool> {
        Arc::new(Pool::new(limit, memory, std::env::temp_dir()).unwrap())
    }

    /// Sets its flag when it is dropped.
    struct Flag(Arc<AtomicBool>);

    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn all_comes_out_in_order_however_reading_and_making_take_turns() {
        for memory in [0, 10, 1_000, 1 << 20] {
            let pool = pool(1 << 30, memory);
            let (backlog, mut writer, reader, begun) = Backlog::new(&pool);
            let mut body = reader.into_body().into_data_stream();
            writer.head(b"fLaC").unwrap();
            begun.await.unwrap().unwrap();
            let (mut made, mut read) = (b"fLaC".to_vec(), Vec::new());
            for round in 0..60_usize {
                for piece in 0..round % 7 {
                    let bytes = vec![u8::try_from(round).unwrap(); piece * 31 + 1];
                    writer.frame(&bytes).unwrap();
                    made.extend(bytes);
                }
                for _ in 0..round % 5 {
                    if read.len() < made.len() {
                        read.extend(body.next().await.unwrap().unwrap());
                    }
                }
                assert_eq!(pool.used() == 0, read.len() == made.len(), "{memory}: {round}");
            }
            assert_eq!(backlog.end(Ok(()), ()), Begun::Yes);
            while let Some(piece) = body.next().await {
                read.extend(piece.unwrap());
            }
            assert!(read == made, "{memory}");
            assert_eq!(pool.used(), 0);
        }
    }

    #[tokio::test]
    async fn a_reader_waits_for_what_is_made_later() {
        let pool = pool(100, 100);
        let (backlog, mut writer, reader, _begun) = Backlog::new(&pool);
        let read = tokio::spawn(axum::body::to_bytes(reader.into_body(), 100));
        tokio::task::yield_now().await;
        writer.head(b"one").unwrap();
        tokio::task::yield_now().await;
        writer.frame(b"two").unwrap();
        backlog.end(Ok(()), ());
        assert_eq!(read.await.unwrap().unwrap(), "onetwo");
    }

    #[tokio::test]
    async fn a_failure_breaks_off_what_has_begun_and_replaces_what_has_not() {
        let pool = pool(100, 100);
        let (backlog, mut writer, reader, _begun) = Backlog::new(&pool);
        writer.head(b"head").unwrap();
        assert_eq!(backlog.end(Err(Failure::NoEnd), ()), Begun::Yes);
        let mut body = reader.into_body().into_data_stream();
        assert!(futures::poll!(body.next()).is_pending(), "time for HTTP to send the answer's head");
        assert!(body.next().await.unwrap().is_err());
        let (backlog, _writer, _reader, begun) = Backlog::new(&pool);
        assert_eq!(backlog.end(Err(Failure::NoEnd), ()), Begun::No);
        assert!(matches!(begun.await, Ok(Err(Failure::NoEnd))));
    }

    #[tokio::test]
    async fn what_is_held_lives_until_the_reader_is_gone_and_everything_is_given_back() {
        let pool = pool(100, 3);
        let dropped = Arc::new(AtomicBool::new(false));
        let (backlog, mut writer, reader, _begun) = Backlog::new(&pool);
        writer.head(b"head").unwrap();
        backlog.end(Ok(()), Flag(Arc::clone(&dropped)));
        drop((backlog, writer));
        assert_eq!((pool.used(), dropped.load(Ordering::Relaxed)), (4, false));
        drop(reader);
        assert_eq!((pool.used(), dropped.load(Ordering::Relaxed)), (0, true));
    }

    #[test]
    fn a_full_pool_and_a_reader_that_left_stop_the_writer() {
        let pool = pool(10, 5);
        let (backlog, mut writer, reader, _begun) = Backlog::new(&pool);
        assert!(writer.head(&[0; 11]).is_err());
        assert!(matches!(backlog.take_failure(), Some(Failure::SpoolFull)));
        drop(reader);
        assert!(writer.frame(b"x").is_err());
        assert!(matches!(backlog.take_failure(), Some(Failure::ClientGone)));
    }
}
