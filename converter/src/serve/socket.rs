//! A TCP connection with the two manners that every protocol above it needs: a peer that takes nothing for too long is
//! given up, and a connection that closes while the peer still sends lingers a little.
//!
//! Without the lingering, the kernel answers bytes that nobody read with a reset, and the reset throws away the error
//! message on its way to a client that sends everything before it reads.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep, timeout},
};
use tokio_util::task::TaskTracker;

/// How long what a peer still sends is read and thrown away.
const LINGER: Duration = Duration::from_secs(5);
/// How long a pause shows that it sends no more: an idle peer should not hold up the server's end.
const PAUSE: Duration = Duration::from_secs(1);

/// A deadline that runs only while something is waited for.
#[derive(Debug)]
pub(super) struct Stall {
    limit: Duration,
    timer: Pin<Box<Sleep>>,
    waiting: bool,
}

impl Stall {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, timer: Box::pin(sleep(limit)), waiting: false }
    }

    /// There was progress.
    pub(super) fn progress(&mut self) {
        self.waiting = false;
    }

    /// There is none yet: ready once that has been so for the whole limit.
    pub(super) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.waiting {
            self.waiting = true;
            self.timer.as_mut().reset(Instant::now() + self.limit);
        }
        self.timer.as_mut().poll(cx)
    }
}

/// An accepted connection.
#[derive(Debug)]
pub(super) struct Socket {
    /// Taken only by `drop`.
    stream: Option<TcpStream>,
    unread: Stall,
    /// Whether the peer can still send: it has neither closed its side nor broken the connection.
    peer_sends: bool,
    /// Whether the peer was given up for taking nothing, and has taken nothing since.
    stalled: bool,
    lingering: TaskTracker,
}

impl Socket {
    /// `patience`: how long the peer may take nothing of what waits for it. `lingering` counts the closes that still
    /// go on, so that the process does not end in the middle of one.
    pub(super) fn new(stream: TcpStream, patience: Duration, lingering: &TaskTracker) -> Self {
        // Frames of live streams are small and must not wait for the acknowledgement of earlier ones.
        let _ = stream.set_nodelay(true);
        Self {
            stream: Some(stream),
            unread: Stall::new(patience),
            peer_sends: true,
            stalled: false,
            lingering: lingering.clone(),
        }
    }

    fn poll_with<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(Err(io::ErrorKind::NotConnected.into())) };
        let polled = poll(Pin::new(stream), cx);
        match &polled {
            Poll::Ready(result) => {
                self.unread.progress();
                self.peer_sends &= result.is_ok();
            }
            Poll::Pending => {
                ready!(self.unread.poll_over(cx));
                // Whoever wants to say a last word has that much time again.
                self.unread.progress();
                self.stalled = true;
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        polled
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(Err(io::ErrorKind::NotConnected.into())) };
        let before = buf.filled().len();
        let result = ready!(Pin::new(stream).poll_read(cx, buf));
        if result.is_err() || (buf.filled().len() == before && buf.remaining() > 0) {
            self.peer_sends = false;
        }
        Poll::Ready(result)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(self.poll_with(cx, |stream, cx| stream.poll_write(cx, bytes)));
        self.stalled &= written.is_err();
        Poll::Ready(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(self.poll_with(cx, |stream, cx| stream.poll_write_vectored(cx, bytes)));
        self.stalled &= written.is_err();
        Poll::Ready(written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_with(cx, TcpStream::poll_flush)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_with(cx, TcpStream::poll_shutdown)
    }
}

impl Socket {
    /// Waits for the first byte that the peer sends, and leaves it there; none if the peer closes.
    pub(super) async fn first_byte(&self) -> Option<u8> {
        let mut first = [0];
        let read = self.stream.as_ref()?.peek(&mut first).await.ok()?;
        (read > 0).then_some(first[0])
    }

    /// Closes. The protocol above says its `last` word on the way, if the peer is still there.
    pub(super) fn close(&mut self, last: Vec<u8>) {
        if let (Some(stream), true, Ok(runtime)) =
            (self.stream.take(), self.peer_sends && !self.stalled, tokio::runtime::Handle::try_current())
        {
            runtime.spawn(self.lingering.track_future(linger(stream, last)));
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.close(Vec::new());
    }
}

/// Ends our side and throws away what the peer still sends, until it ends its side too or pauses.
async fn linger(mut stream: TcpStream, last: Vec<u8>) {
    let _ = timeout(LINGER, async {
        stream.write_all(&last).await?;
        stream.shutdown().await?;
        let mut waste = vec![0; 64 * 1024];
        while let Ok(Ok(1..)) = timeout(PAUSE, stream.read(&mut waste)).await {}
        Ok::<_, io::Error>(())
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    async fn pair(patience: Duration) -> (Socket, TcpStream, TaskTracker) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let lingering = TaskTracker::new();
        (Socket::new(server, patience, &lingering), client, lingering)
    }

    #[tokio::test]
    async fn an_answer_survives_a_close_with_unread_bytes() {
        let (mut socket, mut client, lingering) = pair(LINGER).await;
        client.write_all(&vec![7; 100_000]).await.unwrap();
        socket.write_all(b"too large").await.unwrap();
        drop(socket);
        // More than the socket buffers hold: only a server that still reads lets this end.
        client.write_all(&vec![7; 30_000_000]).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "too large");
        drop(client);
        lingering.close();
        lingering.wait().await;
    }

    #[tokio::test]
    async fn a_peer_that_never_reads_is_given_up() {
        let (mut socket, _client, _) = pair(Duration::from_millis(50)).await;
        let error = socket.write_all(&vec![0; 100_000_000]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
