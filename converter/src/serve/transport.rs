//! What HTTP runs on: a socket as it is, or TLS over one. The socket's manners ([`super::socket`]) hold beneath both.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use super::socket::Socket;

/// A connection, plain or encrypted.
#[derive(Debug)]
pub(super) enum Transport {
    Plain(Socket),
    /// In a box, so that plain connections are no larger for it.
    Tls(Box<Secure>),
}

/// An encrypted connection, which says so when it ends.
#[derive(Debug)]
pub(super) struct Secure(pub TlsStream<Socket>);

impl Drop for Secure {
    /// Says `close_notify` (RFC 8446 §6.1), unless that was said or the peer is not there any more. It may follow an answer
    /// that was broken off: HTTP's own lengths tell that.
    fn drop(&mut self) {
        let (socket, session) = self.0.get_mut();
        session.send_close_notify();
        let mut last = Vec::new();
        // Into memory, which takes everything at once.
        while session.wants_write() && matches!(session.write_tls(&mut last), Ok(1..)) {}
        socket.close(last);
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            Self::Tls(secure) => Pin::new(&mut secure.0).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(cx, bytes),
            Self::Tls(secure) => Pin::new(&mut secure.0).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, bytes),
            Self::Tls(secure) => Pin::new(&mut secure.0).poll_write_vectored(cx, bytes),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Self::Tls(secure) => Pin::new(&mut secure.0).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tls(secure) => Pin::new(&mut secure.0).poll_shutdown(cx),
        }
    }
}
