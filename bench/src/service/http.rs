//! As much of an HTTP/1.1 client as the bench needs: one request a connection, sent and read at the same time, at the
//! least cost to the core that it shares with nothing but itself.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;

use anyhow::{Context as _, bail, ensure};

/// An answer's head, and how many bytes followed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    head: String,
    pub bytes: u64,
}

impl Answer {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// Posts `length` bytes of `body`, and hands what comes back to `keep`.
pub fn post(
    address: SocketAddr,
    path: &str,
    length: u64,
    mut body: impl Read + Send,
    mut keep: impl Write,
) -> anyhow::Result<Answer> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    let mut sending = socket.try_clone()?;
    thread::scope(|scope| {
        let sent = scope.spawn(move || -> io::Result<()> {
            write!(sending, "POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: audio/wav\r\n")?;
            write!(sending, "Content-Length: {length}\r\nConnection: close\r\n\r\n")?;
            copy(&mut body, &mut sending).map(drop)
        });
        let answer = answer(&mut socket, &mut keep);
        let sent = sent.join().map_err(|_| anyhow::anyhow!("sending panicked"))?;
        let answer = answer?;
        sent.context("the body was not taken")?;
        Ok(answer)
    })
}

fn answer(socket: &mut TcpStream, keep: &mut impl Write) -> anyhow::Result<Answer> {
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    let end = loop {
        let count = socket.read(&mut buffer)?;
        ensure!(count > 0, "the connection ended before an answer");
        head.extend(&buffer[..count]);
        if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
    };
    let begun = head.split_off(end + 4);
    let mut answer = Answer { head: String::from_utf8_lossy(&head).into_owned(), bytes: 0 };
    if !answer.head.starts_with("HTTP/1.1 200 ") {
        let mut rest = begun;
        socket.read_to_end(&mut rest)?;
        bail!("{}: {}", answer.head.lines().next().unwrap_or_default(), String::from_utf8_lossy(&rest));
    }
    keep.write_all(&begun)?;
    answer.bytes = begun.len() as u64 + copy(socket, keep)?;
    if let Some(length) = answer.header("content-length") {
        ensure!(length.parse() == Ok(answer.bytes), "{} bytes of {length} came", answer.bytes);
    }
    Ok(answer)
}

/// In pieces that suit a socket.
fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<u64> {
    let mut buffer = vec![0; 256 * 1024];
    let mut copied = 0;
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(copied),
            count => {
                to.write_all(&buffer[..count])?;
                copied += count as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_found_however_they_are_written() {
        let answer = Answer { head: "HTTP/1.1 200 OK\r\nflacship-md5: ab\r\nX:  y \r\n".to_owned(), bytes: 0 };
        assert_eq!(answer.header("Flacship-MD5"), Some("ab"));
        assert_eq!((answer.header("x"), answer.header("z")), (Some("y"), None));
    }
}
