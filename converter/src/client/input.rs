//! Where the audio comes from: a file, which can be gone back in, or a pipe, of which the latest bytes are kept.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::thread;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::kept::Kept;

/// Bytes read from a pipe at once, at most.
const PIECE: usize = 64 * 1024;

/// Where the audio comes from.
#[derive(Debug)]
pub enum Input {
    /// A regular file.
    File {
        /// The file, opened to read.
        file: File,
    },
    /// Anything that can be read only once.
    Pipe(Pipe),
}

/// A pipe, read by a thread of its own.
#[derive(Debug)]
pub struct Pipe {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    kept: Kept,
    has_ended: bool,
}

/// What an input has from some place on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Available {
    /// Bytes.
    Bytes,
    /// Its end.
    End,
}

impl Input {
    /// A regular file.
    pub fn file(file: File) -> Self {
        Self::File { file }
    }

    /// A pipe, of which `keep` bytes are kept. It is read from now on, but no further ahead than two pieces.
    pub fn pipe(reader: impl Read + Send + 'static, keep: u64) -> io::Result<Self> {
        let (sender, pieces) = mpsc::channel(1);
        thread::Builder::new().name("input".into()).spawn(move || read_all(reader, &sender))?;
        // One piece more: the latest may not have been sent at all.
        let kept = Kept::new(keep.saturating_add(PIECE as u64));
        Ok(Self::Pipe(Pipe { pieces, kept, has_ended: false }))
    }

    /// Whether only a part of it can be had again.
    pub fn is_pipe(&self) -> bool {
        matches!(self, Self::Pipe(_))
    }

    /// Waits until it is known what comes at `place`, which must be one that it reaches back to. Can be dropped while it
    /// waits: nothing is lost.
    pub async fn available(&mut self, place: u64) -> io::Result<Available> {
        match self {
            Self::File { file } => {
                let mut byte = [0];
                Ok(if read_at(file, &mut byte, place)? == 0 { Available::End } else { Available::Bytes })
            }
            Self::Pipe(pipe) => {
                while pipe.kept.end() <= place && !pipe.has_ended {
                    match pipe.pieces.recv().await {
                        Some(piece) => pipe.kept.push(piece?),
                        None => pipe.has_ended = true,
                    }
                }
                Ok(if pipe.kept.end() > place { Available::Bytes } else { Available::End })
            }
        }
    }

    /// At most `most` bytes from `place` on, once they are available.
    pub fn take(&mut self, place: u64, most: usize) -> io::Result<Bytes> {
        match self {
            Self::File { file } => {
                let mut bytes = vec![0; most];
                let count = read_at(file, &mut bytes, place)?;
                bytes.truncate(count);
                Ok(bytes.into())
            }
            Self::Pipe(pipe) => {
                let bytes = pipe.kept.at(place, most);
                pipe.kept.shrink(place);
                Ok(bytes)
            }
        }
    }

    /// Whether it can be sent again from there on.
    pub fn reaches_back_to(&self, place: u64) -> bool {
        match self {
            Self::File { .. } => true,
            Self::Pipe(pipe) => pipe.kept.reaches_back_to(place),
        }
    }

    /// What is before that place is never asked for again.
    pub fn forget(&mut self, place: u64) {
        if let Self::Pipe(pipe) = self {
            pipe.kept.forget(place);
        }
    }
}

/// Reads until the buffer is full or the file ends.
fn read_at(file: &File, mut bytes: &mut [u8], mut place: u64) -> io::Result<usize> {
    let mut total = 0;
    while !bytes.is_empty() {
        match file.read_at(bytes, place) {
            Ok(0) => break,
            Ok(count) => {
                total += count;
                place += count as u64;
                bytes = bytes.get_mut(count..).unwrap_or_default();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(total)
}

/// Reads a pipe as long as somebody takes what it yields. What is there is handed on at once: live audio does not wait
/// for a full piece.
fn read_all(mut reader: impl Read, pieces: &mpsc::Sender<io::Result<Bytes>>) {
    let mut piece = vec![0; PIECE];
    loop {
        let read = match reader.read(&mut piece) {
            Ok(0) => return,
            Ok(count) => Ok(Bytes::copy_from_slice(piece.get(..count).unwrap_or_default())),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let failed = read.is_err();
        if pieces.blocking_send(read).is_err() || failed {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn inputs(bytes: &[u8]) -> [Input; 2] {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        [Input::file(file), Input::pipe(io::Cursor::new(bytes.to_vec()), 1 << 20).unwrap()]
    }

    /// Everything from `place` on.
    async fn rest(input: &mut Input, mut place: u64) -> Vec<u8> {
        let mut all = Vec::new();
        while input.available(place).await.unwrap() == Available::Bytes {
            let bytes = input.take(place, 1_000).unwrap();
            assert!((1..=1_000).contains(&bytes.len()));
            place += bytes.len() as u64;
            all.extend(bytes);
        }
        all
    }

    #[tokio::test]
    async fn both_kinds_can_be_gone_through_again() {
        let bytes: Vec<u8> = (0..200_000_u32).map(|at| (at % 251) as u8).collect();
        for mut input in inputs(&bytes) {
            assert!(rest(&mut input, 0).await == bytes);
            assert!(rest(&mut input, 70_000).await == bytes[70_000..]);
            input.forget(100_000);
            assert!(input.reaches_back_to(100_000));
            assert!(rest(&mut input, 100_000).await == bytes[100_000..]);
            assert_eq!(input.available(200_000).await.unwrap(), Available::End);
            assert_eq!(input.reaches_back_to(0), !input.is_pipe());
        }
    }

    #[tokio::test]
    async fn a_pipe_that_fails_says_so() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        let mut input = Input::pipe(Broken, 10).unwrap();
        assert_eq!(input.available(0).await.unwrap_err().to_string(), "broken");
    }
}
