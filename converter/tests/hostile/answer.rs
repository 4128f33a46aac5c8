//! Reads what a server sent: HTTP answers, and the frames of a WebSocket. By hand, as nothing here may be more forgiving
//! than the strictest client.

use flac_codec::decode::FlacSampleReader;
use serde_json::Value;

/// How the body of an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Whole,
    BrokenOff,
}

/// Why there is no answer yet.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    #[error("the connection ended before the answer did")]
    Partly,
    #[error("this is no answer: {0}")]
    Wrong(String),
}

/// One answer.
pub struct Answer {
    pub status: u16,
    head: String,
    body: Vec<u8>,
    pub ending: Ending,
    /// Where the next one begins.
    pub end: usize,
    /// Whether the server said that it closes the connection.
    pub closes: bool,
}

impl Answer {
    /// The answer that begins there.
    pub fn read(came: &[u8], from: usize) -> Result<Self, Unread> {
        let bytes = came.get(from..).unwrap_or_default();
        let end = find(bytes, b"\r\n\r\n").ok_or(Unread::Partly)? + 4;
        let head = std::str::from_utf8(&bytes[..end]).map_err(|error| Unread::Wrong(error.to_string()))?.to_owned();
        let wrong = |what: &str| Unread::Wrong(format!("{what} in {head:?}"));
        let line = head.strip_prefix("HTTP/1.1 ").or_else(|| head.strip_prefix("HTTP/1.0 "));
        let status = line.and_then(|rest| rest.get(..3)).and_then(|text| text.parse().ok());
        let status: u16 = status.ok_or_else(|| wrong("no status"))?;
        let mut answer = Self {
            status,
            body: Vec::new(),
            ending: Ending::Whole,
            end: from + end,
            closes: false,
            head: head.clone(),
        };
        answer.closes = answer.header("connection") == Some("close");
        if status < 200 {
            // The answer itself is still to come.
            return if status == 101 { Ok(answer) } else { Self::read(came, answer.end) };
        }
        let rest = &bytes[end..];
        if answer.header("transfer-encoding") == Some("chunked") {
            let (body, length, whole) = chunks(rest).ok_or_else(|| wrong("bad chunks"))?;
            answer.body = body;
            answer.end += length;
            answer.ending = if whole { Ending::Whole } else { Ending::BrokenOff };
            return Ok(answer);
        }
        let length = answer.header("content-length").map(str::parse::<usize>);
        let length = length.ok_or_else(|| wrong("no length"))?.map_err(|_| wrong("bad length"))?;
        let body = rest.get(..length).ok_or(Unread::Partly)?;
        answer.body = body.to_vec();
        answer.end += length;
        Ok(answer)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().filter_map(|line| line.split_once(": ")).find(|(found, _)| *found == name).map(|(_, v)| v)
    }

    fn has_status(&self, status: u16) -> Result<(), String> {
        let found = self.status;
        if found == status { Ok(()) } else { Err(format!("status {found} instead of {status}")) }
    }

    /// Whether all members of the problem agree with the head.
    pub fn is_problem(&self, status: u16, code: &str) -> Result<(), String> {
        self.has_status(status)?;
        let body: Value = serde_json::from_slice(&self.body).map_err(|error| format!("no JSON: {error}"))?;
        let told = |what: &str| format!("{what}: {body}");
        if self.header("content-type") != Some("application/problem+json") {
            return Err(told("content-type"));
        }
        if body["code"] != code {
            return Err(told("code"));
        }
        let id = body["request_id"].as_str().unwrap_or_default();
        if id.is_empty() || self.header("x-request-id") != Some(id) {
            return Err(told("request_id"));
        }
        let words = body["detail"].as_str().unwrap_or_default();
        if words.is_empty() || body["error"] != words || words.len() > 2_000 {
            return Err(told("detail"));
        }
        let kind = format!("urn:flacship:problem:{code}");
        if body["status"] != status || body["type"] != kind || body["title"].as_str().is_none_or(str::is_empty) {
            return Err(told("members"));
        }
        if matches!(status, 429 | 503) && self.header("retry-after").is_none() {
            return Err(told("no Retry-After"));
        }
        Ok(())
    }

    /// Whether this is the answer to what is no request.
    pub fn is_bare(&self, status: u16) -> Result<(), String> {
        self.has_status(status)?;
        if self.closes { Ok(()) } else { Err(String::from("the connection stays open")) }
    }

    /// Whether this is a whole FLAC of that name.
    pub fn is_flac(&self, samples: u64, name: &str) -> Result<(), String> {
        self.has_status(200)?;
        let disposition = self.header("content-disposition").unwrap_or_default();
        if !disposition.contains(&format!("filename=\"{name}\"")) {
            return Err(format!("named {disposition}"));
        }
        let mut decoded = Vec::new();
        let mut reader = FlacSampleReader::new(self.body.as_slice()).map_err(|error| error.to_string())?;
        reader.read_to_end(&mut decoded).map_err(|error| error.to_string())?;
        let told = self.header("flacship-samples").and_then(|text| text.parse().ok());
        let info =
            self.body.get(18..26).and_then(|bytes| bytes.first_chunk()).map_or(0, |eight| u64::from_be_bytes(*eight));
        let channels = ((info >> 41) & 7) + 1;
        if told != Some(samples) || decoded.len() as u64 != samples * channels {
            return Err(format!("{told:?} samples told, {} decoded of {channels} channels", decoded.len()));
        }
        Ok(())
    }

    /// Whether head or body hold this.
    pub fn holds(&self, status: u16, text: &str) -> Result<(), String> {
        self.has_status(status)?;
        let found = self.head.contains(text) || find(&self.body, text.as_bytes()).is_some();
        if found { Ok(()) } else { Err(format!("`{text}` is not in it")) }
    }
}

/// The pieces of a chunked body together, their length with all that is around them, and whether it has ended. `None`: they
/// are none.
fn chunks(bytes: &[u8]) -> Option<(Vec<u8>, usize, bool)> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let Some(line) = find(&bytes[at..], b"\r\n") else { return Some((body, at, false)) };
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[at..at + line]).ok()?, 16).ok()?;
        let start = at + line + 2;
        let Some(piece) = bytes.get(start..start + size + 2) else { return Some((body, at, false)) };
        if !piece.ends_with(b"\r\n") {
            return None;
        }
        at = start + size + 2;
        if size == 0 {
            return Some((body, at, true));
        }
        body.extend(&piece[..size]);
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// What came on a WebSocket, its handshake first.
#[derive(Default)]
pub struct Stream {
    pub said: Vec<Value>,
    /// Code of the server's close.
    pub closed: Option<u16>,
}

impl Stream {
    /// All whole frames so far.
    pub fn read(came: &[u8]) -> Result<Self, String> {
        let handshake = Answer::read(came, 0).map_err(|unread| unread.to_string())?;
        handshake.has_status(101)?;
        let mut stream = Self::default();
        let mut rest = &came[handshake.end..];
        let mut text = Vec::new();
        while let Some((first, payload, after)) = frame(rest)? {
            rest = after;
            match first & 0x0f {
                1 => text = payload.to_vec(),
                0 => text.extend(payload),
                // No code at all is 1005 (RFC 6455 §7.1.5).
                8 => stream.closed = Some(payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code))),
                _ => {}
            }
            if matches!(first, 0x80 | 0x81) && text.starts_with(b"{") {
                stream.said.push(serde_json::from_slice(&text).map_err(|error| format!("bad text: {error}"))?);
                text.clear();
            }
        }
        Ok(stream)
    }
}

/// The first byte of a frame, its payload, and what follows. `None`: it is not whole.
#[allow(clippy::type_complexity, reason = "named above")]
fn frame(bytes: &[u8]) -> Result<Option<(u8, &[u8], &[u8])>, String> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    if second & 0x80 != 0 || first & 0x70 != 0 {
        return Err(format!("a server's frame begins {first:#x} {second:#x}"));
    }
    let (length, rest) = match second {
        126 => match rest.split_first_chunk() {
            Some((two, rest)) => (usize::from(u16::from_be_bytes(*two)), rest),
            None => return Ok(None),
        },
        127 => match rest.split_first_chunk() {
            Some((eight, rest)) => (u64::from_be_bytes(*eight) as usize, rest),
            None => return Ok(None),
        },
        length => (usize::from(*length), rest),
    };
    Ok(rest.split_at_checked(length).map(|(payload, after)| (*first, payload, after)))
}
