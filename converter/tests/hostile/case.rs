//! What a case is: its name, what it sends, and what must come of it.

use std::time::Duration;

use crate::support::Random;

/// The bearer token that the server lets in.
pub const TOKEN: &str = "let-me-in-please";
/// What every request here has, as a line of its head.
pub const AUTH: &str = "Authorization: Bearer let-me-in-please\r\n";

/// One bad request or stream.
pub struct Case {
    pub name: String,
    pub steps: Vec<Step>,
    pub expect: Expect,
}

/// What a client does.
#[derive(Clone)]
pub enum Step {
    /// Sends these bytes; the server may have ended the connection before.
    Send(Vec<u8>),
    /// Sends the same bytes so many times.
    Repeat(Vec<u8>, usize),
    /// Sends one byte after the other for as long as the server takes them, with a pause after each.
    Trickle(Vec<u8>, Duration),
    /// Reads until these bytes are among what has come.
    Await(&'static [u8]),
    /// Reads until so much has come.
    AwaitLength(usize),
    /// Waits without reading until the server has dropped the connection and all else is quiet, too.
    UntilDropped,
    /// Ends its side.
    Finish,
    /// Leaves with a reset.
    Reset,
}

/// What must come of a case.
pub enum Expect {
    /// One answer: a problem with this status and code.
    Problem(u16, &'static str),
    /// One answer: HTTP itself is broken, so that there is no request and the connection ends.
    Bare(u16),
    /// One answer: a whole FLAC of so many samples and this name.
    Flac(u64, String),
    /// One answer with this status, whose head and body hold this.
    Answer(u16, &'static str),
    /// Answers in this order, and nothing after them.
    Answers(Vec<Expect>),
    /// An answer that has begun and is broken off.
    BrokenOff,
    /// The same for a client that takes nothing of what comes until the server gives it up.
    GivenUp,
    /// The connection ends without a word.
    Silence,
    /// A stream that ends with this error and close code.
    Error(&'static str, u16),
    /// A stream that ends with `done` and so many samples.
    Done(u64),
    /// A stream that is closed with this code, without an error message.
    Close(u16),
    /// The client has left by itself: the server counts one more conversion of this kind with this outcome.
    Counted(Kind, &'static str),
}

/// What a client began before it left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Upload,
    Stream,
}

impl Kind {
    /// Its name in `/metrics`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Stream => "stream",
        }
    }
}

impl Case {
    pub fn new(name: impl Into<String>, steps: Vec<Step>, expect: Expect) -> Self {
        Self { name: name.into(), steps, expect }
    }

    /// One that sends only these bytes.
    pub fn bytes(name: impl Into<String>, bytes: impl Into<Vec<u8>>, expect: Expect) -> Self {
        Self::new(name, vec![Step::Send(bytes.into())], expect)
    }
}

/// A request with these lines of a head, and the body as it is.
pub fn request(line: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    [format!("{line} HTTP/1.1\r\nHost: test\r\n{AUTH}{headers}\r\n").as_bytes(), body].concat()
}

/// An upload with its length.
pub fn post(query: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let headers = format!("Content-Length: {}\r\n{headers}", body.len());
    request(&format!("POST /convert{query}"), &headers, body)
}

/// An upload in chunks of these bytes as they are, sizes included.
pub fn post_chunks(query: &str, chunks: &[u8]) -> Vec<u8> {
    request(&format!("POST /convert{query}"), "Transfer-Encoding: chunked\r\n", chunks)
}

/// The head of a WebSocket's handshake with these further lines.
pub fn handshake(path: &str, headers: &str) -> Vec<u8> {
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    request(&format!("GET {path}"), &format!("{upgrade}{headers}"), &[])
}

/// The handshake of a client that names our protocol.
pub fn named() -> Vec<u8> {
    handshake("/ws", "Sec-WebSocket-Protocol: flacship.v1\r\n")
}

/// A WebSocket frame as clients send it, masked: its first byte, its payload.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x11, 0x22, 0x33, 0x44];
    let mut frame = head(first, 0x80, payload.len() as u64);
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// The beginning of a frame that claims this length.
pub fn head(first: u8, masked: u8, length: u64) -> Vec<u8> {
    let mut head = vec![first];
    match length {
        0..=125 => head.push(masked | length as u8),
        126..=0xffff => {
            head.push(masked | 0x7e);
            head.extend((length as u16).to_be_bytes());
        }
        _ => {
            head.push(masked | 0x7f);
            head.extend(length.to_be_bytes());
        }
    }
    head
}

pub fn text(text: &str) -> Vec<u8> {
    frame(0x81, text.as_bytes())
}

/// Audio in messages of this size.
pub fn binary(bytes: &[u8], size: usize) -> Vec<u8> {
    bytes.chunks(size).flat_map(|piece| frame(0x82, piece)).collect()
}

/// What comes at the end of a stream.
pub fn end() -> Vec<u8> {
    text(r#"{"type":"end"}"#)
}

/// Random bytes, always the same.
pub fn random_bytes(count: usize, seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    (0..count).map(|_| random.bits() as u8).collect()
}
