//! The memory for WebSocket messages of clients of older services, who send a whole WAV in one.
//!
//! Such a message is held until its last byte has come, so it is counted on the way in: as much as any stream's message may
//! hold is free, what goes beyond is taken from one budget for all connections while it comes. So neither a claimed
//! length nor many connections make the server hold more than its flags say.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::{OwnedSemaphorePermit, Semaphore},
};

/// What is taken from the budget at a time, in KiB.
const STEP: u32 = 256;
/// Room for what the protocol puts around a message, and for what is read ahead of the next.
const AROUND: u64 = 64 * 1024;

/// Memory held for a message, until it is dropped.
pub(super) type Held = Option<OwnedSemaphorePermit>;

/// What one connection's messages may take.
#[derive(Debug)]
pub(super) struct Allowance {
    /// Bytes a message that need no permit.
    free: u64,
    /// One permit a KiB.
    budget: Arc<Semaphore>,
    held: Held,
    /// Bytes since the last message.
    seen: u64,
}

impl Allowance {
    pub(super) fn new(free: u64, budget: &Arc<Semaphore>) -> Self {
        Self { free: free.saturating_add(AROUND), budget: Arc::clone(budget), held: None, seen: 0 }
    }

    /// Makes sure that what has come so far is paid for.
    fn pay(&mut self) -> io::Result<()> {
        let paid = self.held.as_ref().map_or(0, |held| held.num_permits() as u64 * 1024);
        if self.seen <= self.free.saturating_add(paid) {
            return Ok(());
        }
        let more = Arc::clone(&self.budget).try_acquire_many_owned(STEP);
        let more = more.map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        match &mut self.held {
            Some(held) => held.merge(more),
            None => self.held = Some(more),
        }
        Ok(())
    }

    /// A message has come whole: what it takes now goes with it.
    fn message(&mut self) -> Held {
        self.seen = 0;
        self.held.take()
    }
}

/// A connection whose messages are counted.
#[derive(Debug)]
pub(super) struct Metered<S> {
    inner: S,
    allowance: Allowance,
}

impl<S> Metered<S> {
    pub(super) fn new(inner: S, allowance: Allowance) -> Self {
        Self { inner, allowance }
    }

    /// A message has come whole: what it takes now goes with it.
    pub(super) fn message(&mut self) -> Held {
        self.allowance.message()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.allowance.pay()?;
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        self.allowance.seen += (buf.filled().len() - before) as u64;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    fn metered(count: usize, budget: &Arc<Semaphore>) -> Metered<impl AsyncRead + Unpin> {
        Metered::new(io::Cursor::new(vec![0; count]), Allowance::new(0, budget))
    }

    #[tokio::test]
    async fn what_is_beyond_the_free_part_is_paid_for_until_it_is_dropped() {
        let budget = Arc::new(Semaphore::new(1024));
        let mut read = Vec::new();
        let mut connection = metered(600 * 1024, &budget);
        connection.read_to_end(&mut read).await.unwrap();
        let held = connection.message();
        assert_eq!(budget.available_permits(), 1024 - 768);
        drop(held);
        assert_eq!(budget.available_permits(), 1024);
        let mut small = metered(60 * 1024, &budget);
        small.read_to_end(&mut read).await.unwrap();
        assert!(small.message().is_none());
    }

    #[tokio::test]
    async fn where_the_budget_ends_so_does_the_message() {
        let budget = Arc::new(Semaphore::new(512));
        let mut connection = metered(1024 * 1024, &budget);
        // In pieces of the size that the WebSocket reads: a piece is paid for once it is there.
        let mut read = 0;
        let error = loop {
            match connection.read(&mut [0; 16 * 1024]).await {
                Ok(count) => read += count,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
        assert_eq!(read, (64 + 512 + 16) * 1024);
        drop(connection);
        assert_eq!(budget.available_permits(), 512);
    }
}
