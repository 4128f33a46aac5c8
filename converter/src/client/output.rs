//! Where the FLAC goes: a partial file, which is cut and patched, or standard output, which cannot be.
//!
//! What standard output was given cannot be taken back, so frames are held back from it until a checkpoint covers them.
//! After a lost connection only what is held is dropped, and what comes again is what was dropped.

use std::collections::VecDeque;
use std::io::{self, Write};

use bytes::Bytes;

use super::messages::Done;
use crate::file::PartFile;

/// Where the FLAC goes.
pub enum Output<W> {
    /// A file on its way to its name.
    File(PartFile),
    /// A pipe.
    Pipe(Pipe<W>),
}

/// An output that cannot be gone back in, and what is held back from it.
pub struct Pipe<W> {
    writer: W,
    held: VecDeque<Bytes>,
    /// Bytes written.
    written: u64,
}

impl<W: Write> Output<W> {
    /// An output that cannot be gone back in.
    pub fn pipe(writer: W) -> Self {
        Self::Pipe(Pipe { writer, held: VecDeque::new(), written: 0 })
    }

    /// Whether frames are held back.
    pub fn is_pipe(&self) -> bool {
        matches!(self, Self::Pipe(_))
    }

    /// Takes the head or a frame.
    pub fn take(&mut self, bytes: Bytes) -> io::Result<()> {
        match self {
            Self::File(file) => file.write_all(&bytes),
            Self::Pipe(pipe) => {
                pipe.held.push_back(bytes);
                Ok(())
            }
        }
    }

    /// All bytes up to here are safe.
    pub fn safe(&mut self, place: u64) -> io::Result<()> {
        match self {
            // A signal leaves what is there, if it is to be kept.
            Self::File(file) => file.flush(),
            Self::Pipe(pipe) => pipe.release(place),
        }
    }

    /// Nothing is to be held back any longer: no checkpoint is coming.
    pub fn release(&mut self) -> io::Result<()> {
        match self {
            Self::File(_) => Ok(()),
            Self::Pipe(pipe) => pipe.release(u64::MAX),
        }
    }

    /// Whether it can be cut there.
    pub fn can_be_cut_to(&self, place: u64) -> bool {
        match self {
            Self::File(_) => true,
            Self::Pipe(pipe) => pipe.written <= place,
        }
    }

    /// Takes away everything from that place on.
    pub fn cut_to(&mut self, place: u64) -> io::Result<()> {
        match self {
            Self::File(file) => file.cut(place),
            Self::Pipe(pipe) => {
                let mut end = pipe.written;
                pipe.held.retain(|bytes| {
                    end += bytes.len() as u64;
                    end <= place
                });
                Ok(())
            }
        }
    }

    /// Writes what is held, and over the head what only the end told, where that can be.
    pub fn complete(&mut self, done: &Done) -> io::Result<()> {
        match self {
            Self::File(file) => {
                if done.head.is_empty() {
                    file.rewrite(STREAMINFO_AT, &done.streaminfo)?;
                } else {
                    file.rewrite(0, &done.head)?;
                }
                file.sync()
            }
            Self::Pipe(pipe) => {
                pipe.release(u64::MAX)?;
                pipe.writer.flush()
            }
        }
    }
}

/// Where STREAMINFO's body is: after the marker and its block's header (RFC 9639 §8).
const STREAMINFO_AT: u64 = 8;

impl<W: Write> Pipe<W> {
    /// Writes what lies before `place`. Checkpoints lie between frames, as what is held does.
    fn release(&mut self, place: u64) -> io::Result<()> {
        while let Some(bytes) = self.held.front()
            && self.written.saturating_add(bytes.len() as u64) <= place
        {
            self.writer.write_all(bytes)?;
            self.written += bytes.len() as u64;
            self.held.pop_front();
        }
        self.writer.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled() -> Output<Vec<u8>> {
        let mut output = Output::pipe(Vec::new());
        for frame in ["head", "one", "three", "four"] {
            output.take(Bytes::from_static(frame.as_bytes())).unwrap();
        }
        output
    }

    fn written(output: &Output<Vec<u8>>) -> &str {
        let Output::Pipe(pipe) = output else { panic!() };
        str::from_utf8(&pipe.writer).unwrap()
    }

    #[test]
    fn a_pipe_gets_what_is_safe_and_no_more() {
        let mut output = filled();
        assert!(output.can_be_cut_to(0));
        output.safe(7).unwrap();
        assert_eq!(written(&output), "headone");
        assert!(output.can_be_cut_to(7) && !output.can_be_cut_to(6));
        output.cut_to(7).unwrap();
        output.take("again".into()).unwrap();
        output.safe(12).unwrap();
        assert_eq!(written(&output), "headoneagain");
    }

    #[test]
    fn a_cut_takes_only_what_lies_behind_it() {
        let mut output = filled();
        output.cut_to(12).unwrap();
        output.release().unwrap();
        assert_eq!(written(&output), "headonethree");
    }
}
