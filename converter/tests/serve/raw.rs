//! HTTP written by hand, for what no well-behaved client does.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

/// Bytes both ways: TCP, or TLS over it.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}
pub type Line = Box<dyn Duplex>;

/// A connection.
pub struct Raw(pub Line);

impl Raw {
    pub async fn connect(address: SocketAddr) -> Self {
        Self(Box::new(TcpStream::connect(address).await.unwrap()))
    }

    /// Sends the head of a request; `headers` are lines with `\r\n`.
    pub async fn head(&mut self, request: &str, headers: &str) {
        self.send(format!("{request} HTTP/1.1\r\nHost: test\r\n{headers}\r\n").as_bytes()).await;
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// Sends a piece of a chunked body; an empty one ends it.
    pub async fn chunk(&mut self, bytes: &[u8]) {
        self.send(format!("{:x}\r\n", bytes.len()).as_bytes()).await;
        self.send(bytes).await;
        self.send(b"\r\n").await;
    }

    /// Everything up to the server's end of the connection.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        self.0.read_to_end(&mut all).await.unwrap();
        all
    }

    /// The head of an answer.
    pub async fn answer_head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.unwrap());
        }
        String::from_utf8(head).unwrap()
    }

    /// One chunk of an answer; empty at its end.
    pub async fn answer_chunk(&mut self) -> Vec<u8> {
        let mut size = Vec::new();
        while !size.ends_with(b"\r\n") {
            size.push(self.0.read_u8().await.unwrap());
        }
        let size = usize::from_str_radix(std::str::from_utf8(&size).unwrap().trim(), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        self.0.read_exact(&mut chunk).await.unwrap();
        chunk.truncate(size);
        chunk
    }

    /// A chunked answer up to its end.
    pub async fn chunked(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let chunk = self.answer_chunk().await;
            if chunk.is_empty() {
                return all;
            }
            all.extend(chunk);
        }
    }

    /// One answer with a Content-Length: its head and body.
    pub async fn answer(&mut self) -> (String, Vec<u8>) {
        let head = self.answer_head().await;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.unwrap();
        (head, body)
    }
}
