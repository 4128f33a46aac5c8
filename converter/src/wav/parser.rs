//! The chunk walker: a state machine that is fed with bytes, split anywhere, and passes every one of them on, named
//! for what it is. It holds at most 128 bytes, whatever lengths the input claims.
//!
//! It decides where the audio ends (DESIGN §4); what a `fmt ` chunk means is [`super::format`]'s business. `chunks` has
//! what a chunk's header leads to, `ends` what the end of the input means in each state.

mod chunks;
mod ends;

use super::chunk::{ChunkHeader, Held, Role, Size};
use super::ds64::Ds64;
use super::format::Format;
use super::sniff::{Container, RIFF_HEADER, WAVE64_HEADER, check_wave64, sniff};
use super::start::{AudioStart, audio_bytes};
use super::{Length, Rules, WavError, WavWarning};

/// Bytes of an ID3v1 tag, the last ones of a file.
const ID3V1: usize = 128;

/// What the parser found. Every byte of the input is in exactly one piece, in the input's order, so that whoever puts
/// the bytes of all pieces together has the input again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// The bytes of the container's own header (RIFF, RF64, BW64: 12 bytes; Wave64: 40). Comes once and first.
    Header(&'a [u8]),
    /// A chunk begins.
    Chunk {
        /// Its name; for Wave64 the first four bytes of its GUID.
        name: [u8; 4],
        /// The bytes of its header (8; Wave64: 24).
        header: &'a [u8],
        /// Bytes of its body that its header or the file's `ds64` claims, padding not counted. A claim, not a fact.
        size: u64,
    },
    /// The next bytes of the latest chunk's body, unless it is the data chunk.
    Body(&'a [u8]),
    /// The audio's format. Has no bytes; comes once, after the data chunk's [`Piece::Chunk`] and before any audio.
    Format(Format),
    /// The next bytes of the data chunk's body, not aligned to anything.
    Audio(&'a [u8]),
    /// Bytes after a chunk's body that fill it up to its alignment.
    Padding(&'a [u8]),
    /// Bytes that are no chunk, after the last one.
    Junk(&'a [u8]),
}

/// What a caller that can seek may pass over, because all of it is audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    /// The next bytes, so many of them as the input has; never 0.
    Bytes(u64),
    /// The rest of the input.
    ToEnd,
}

/// An incremental parser of RIFF, RF64, BW64 and Wave64.
#[derive(Debug)]
pub struct Parser {
    rules: Rules,
    container: Container,
    state: State,
    held: Held,
    ds64: Option<Box<Ds64>>,
    format: Option<Format>,
    data: Option<Data>,
    /// Bytes taken in earlier steps.
    offset: u64,
    /// Where the latest chunk begins.
    chunk_at: u64,
    /// Where bytes begin that look like an ID3v1 tag, but are not the input's last ones.
    no_tag_at: Option<u64>,
    warnings: Vec<WavWarning>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Collecting the first bytes, which tell the container.
    Start,
    /// Collecting the rest of a Wave64 header.
    Wave64,
    /// Collecting a chunk's header; `unpadded` if the byte that should fill up the chunk before it was not zero.
    ChunkHeader { unpadded: bool },
    /// Collecting what may be an ID3v1 tag.
    Tag,
    /// Passing a chunk on.
    Body(Body),
    /// After a chunk's body: so many zero bytes, if the writer kept the rule.
    Padding { left: u8 },
    /// After a data chunk that claims no audio: a chunk's header, or audio of unknown length.
    EmptyData,
    /// Passing audio on; `None` goes to the end of the input.
    Audio { left: Option<u64>, padding: u8 },
    /// Passing on everything up to the end as junk, since the caller said that the header is right.
    Junk { bytes: u64 },
}

/// A chunk on its way.
#[derive(Debug, Clone, Copy)]
struct Body {
    name: [u8; 4],
    /// Whether writers are known to use such a chunk.
    known: bool,
    left: u64,
    padding: u8,
    reading: Reading,
}

/// What is read out of a chunk that passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    Nothing,
    Fmt,
    Ds64,
}

/// What is known of the data chunk.
#[derive(Debug, Clone, Copy)]
struct Data {
    /// What the file declares.
    size: Size,
    /// Where its body begins.
    at: u64,
    /// Bytes of audio passed on or passed over.
    passed: u64,
}

impl Parser {
    /// A parser at the start of an input.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            container: Container::Riff,
            state: State::Start,
            held: Held::EMPTY,
            ds64: None,
            format: None,
            data: None,
            offset: 0,
            chunk_at: 0,
            no_tag_at: None,
            warnings: Vec::new(),
        }
    }

    /// A parser that goes on within the audio, after so many bytes of it: no more than there are by
    /// [`AudioStart::bytes`].
    pub fn resume(start: &AudioStart, passed: u64) -> Self {
        let mut parser = Self::new(start.rules);
        parser.container = start.container;
        parser.format = Some(start.fmt);
        parser.ds64 = start.sizes.as_ref().map(|sizes| Box::new(Ds64::of(sizes)));
        parser.offset = start.at.saturating_add(passed);
        parser.chunk_at = start.at;
        parser.go_into_audio(Data { size: start.size, at: start.at, passed });
        parser
    }

    /// What it takes to go on within the audio, once that has begun.
    pub fn audio_start(&self) -> Option<AudioStart> {
        let (data, fmt) = (self.data?, self.format?);
        Some(AudioStart {
            rules: self.rules,
            container: self.container,
            fmt,
            size: data.size,
            at: data.at,
            sizes: self.ds64.as_ref().map(|ds64| ds64.sizes()),
        })
    }

    /// Takes the next bytes of the input and passes on what they hold. The first error ends the parse; calling again
    /// after it gives no meaningful result.
    pub fn push<E: From<WavError>>(
        &mut self,
        mut bytes: &[u8],
        sink: &mut dyn FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        while !bytes.is_empty() {
            let used = self.step(bytes, sink)?;
            self.offset = self.offset.saturating_add(used as u64);
            bytes = bytes.get(used..).unwrap_or_default();
        }
        Ok(())
    }

    /// What of the bytes that come next is audio and nothing else, so that a caller that can seek and only wants to
    /// know what the file holds need not read it.
    pub fn skippable(&self) -> Option<Skip> {
        match self.state {
            State::Audio { left: Some(left), .. } => Some(Skip::Bytes(left)),
            State::Audio { left: None, .. } => Some(Skip::ToEnd),
            _ => None,
        }
    }

    /// So many bytes of the input were passed over, none of them beyond what [`skippable`](Self::skippable) told nor
    /// beyond the input's end. The parser goes on as if it had been given them.
    pub fn skip(&mut self, bytes: u64) {
        if let State::Audio { left, padding } = self.state {
            let used = left.map_or(bytes, |left| left.min(bytes));
            self.offset = self.offset.saturating_add(used);
            self.passed(used);
            self.audio(left.map(|left| left.saturating_sub(used)), padding);
        }
    }

    /// Bytes of audio passed on or passed over so far.
    pub fn audio_bytes(&self) -> u64 {
        self.data.map_or(0, |data| data.passed)
    }

    /// One move of the machine; returns how many bytes it used. It may use none, but then changes its state.
    fn step<E: From<WavError>>(
        &mut self,
        bytes: &[u8],
        sink: &mut dyn FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<usize, E> {
        match self.state {
            State::Start => {
                let used = self.held.fill(bytes, RIFF_HEADER);
                if self.held.len() == RIFF_HEADER {
                    self.container = sniff(self.held.bytes())?;
                    match self.container {
                        Container::Wave64 => self.state = State::Wave64,
                        Container::Riff | Container::Rf64 => self.end_header(sink)?,
                    }
                }
                Ok(used)
            }
            State::Wave64 => {
                let used = self.held.fill(bytes, WAVE64_HEADER);
                if self.held.len() == WAVE64_HEADER {
                    check_wave64(self.held.bytes())?;
                    self.end_header(sink)?;
                }
                Ok(used)
            }
            State::ChunkHeader { unpadded } => {
                let (used, header) = self.collect_header(bytes);
                if let Some(header) = header {
                    self.take_header(header, unpadded, sink)?;
                }
                Ok(used)
            }
            State::Tag => {
                let used = self.held.fill(bytes, ID3V1);
                if used == 0 {
                    self.tag_is_none(sink)?;
                }
                Ok(used)
            }
            State::Body(body) => self.pass_body(body, bytes, sink),
            State::Padding { left } => {
                let used = bytes.iter().take(left.into()).take_while(|byte| **byte == 0).count();
                if used > 0 {
                    sink(Piece::Padding(first(bytes, used)))?;
                }
                let left = left.saturating_sub(u8::try_from(used).unwrap_or(left));
                if left == 0 || used < bytes.len() {
                    self.held = Held::EMPTY;
                    self.state = State::ChunkHeader { unpadded: left > 0 };
                } else {
                    self.state = State::Padding { left };
                }
                Ok(used)
            }
            State::EmptyData => {
                let (used, header) = self.collect_header(bytes);
                match header {
                    Some(header) if self.container.trusts(header) => self.take_header(header, false, sink)?,
                    Some(_) => {
                        self.audio(None, 0);
                        self.held_is_audio(sink)?;
                    }
                    None => {}
                }
                Ok(used)
            }
            State::Audio { left, padding } => {
                let used = left.map_or(bytes.len(), |left| clamp(left, bytes));
                self.passed(used as u64);
                self.audio(left.map(|left| left.saturating_sub(used as u64)), padding);
                sink(Piece::Audio(first(bytes, used)))?;
                Ok(used)
            }
            State::Junk { bytes: before } => {
                self.state = State::Junk { bytes: before.saturating_add(bytes.len() as u64) };
                sink(Piece::Junk(bytes))?;
                Ok(bytes.len())
            }
        }
    }

    /// The container's header is complete.
    fn end_header<E>(&mut self, sink: &mut dyn FnMut(Piece<'_>) -> Result<(), E>) -> Result<(), E> {
        let held = self.held;
        self.next_chunk(0);
        sink(Piece::Header(held.bytes()))
    }

    /// Takes bytes of a chunk's header; returns how many, and the header once it is complete.
    fn collect_header(&mut self, bytes: &[u8]) -> (usize, Option<ChunkHeader>) {
        let used = self.held.fill(bytes, self.container.chunk_header());
        let header = self.container.read_chunk(self.held.bytes());
        if header.is_some() {
            self.chunk_at = self.offset.saturating_add(used as u64).saturating_sub(self.held.len() as u64);
        }
        (used, header)
    }

    /// What should be a chunk's header is complete.
    fn take_header<E: From<WavError>>(
        &mut self,
        header: ChunkHeader,
        unpadded: bool,
        sink: &mut dyn FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let at_tag = self.held.bytes().starts_with(b"TAG") && self.no_tag_at != Some(self.chunk_at);
        if at_tag && self.data.is_some() {
            self.state = State::Tag;
            return Ok(());
        }
        if unpadded && header.role == Role::NoChunk && self.container != Container::Wave64 {
            // Some writers pad with whatever was in memory: the chunk may begin one byte later.
            self.state = State::ChunkHeader { unpadded: false };
            return self.held.shift().map_or(Ok(()), |byte| sink(Piece::Padding(&[byte])));
        }
        self.enter_chunk(header, sink)
    }

    /// Begins with what is left of the audio.
    fn go_into_audio(&mut self, data: Data) {
        let Data { size, passed, .. } = data;
        self.data = Some(data);
        match audio_bytes(self.rules.length, size) {
            Some(bytes) => self.audio(Some(bytes.saturating_sub(passed)), self.container.padding(bytes)),
            None if self.rules.length == Length::Eof => self.audio(None, 0),
            None if size == Size::Bytes(0) && passed == 0 => self.state = State::EmptyData,
            None => {
                self.warnings.push(WavWarning::UnknownLength);
                self.audio(None, 0);
            }
        }
    }

    fn audio(&mut self, left: Option<u64>, padding: u8) {
        if left == Some(0) {
            self.next_chunk(padding);
        } else {
            self.state = State::Audio { left, padding };
        }
    }

    fn passed(&mut self, bytes: u64) {
        if let Some(data) = &mut self.data {
            data.passed = data.passed.saturating_add(bytes);
        }
    }

    fn next_chunk(&mut self, padding: u8) {
        self.held = Held::EMPTY;
        self.state =
            if padding > 0 { State::Padding { left: padding } } else { State::ChunkHeader { unpadded: false } };
    }
}

fn contradiction(what: impl Into<String>) -> WavError {
    WavError::Contradiction { what: what.into() }
}

/// How many of `bytes` fit into `left`.
fn clamp(left: u64, bytes: &[u8]) -> usize {
    usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()))
}

fn first(bytes: &[u8], count: usize) -> &[u8] {
    bytes.get(..count).unwrap_or(bytes)
}

#[cfg(test)]
mod tests;
