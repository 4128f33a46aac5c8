//! The chunk walker: a state machine that is fed with bytes, split anywhere, and passes on the format and the audio.
//! It holds at most forty bytes, whatever lengths the input claims.
//!
//! It decides where the audio ends (DESIGN §4); what a `fmt ` chunk means is [`super::format`]'s business.

use super::chunk::{CHUNK_HEADER, Held, is_chunk_name, is_known_chunk, printed};
use super::format::{FMT_KEPT, Format, parse_fmt};
use super::sniff::{RIFF_HEADER, sniff};
use super::{WavError, WavWarning};

/// The data length that pipes write when they do not know it.
const LENGTH_OPEN: u32 = u32::MAX;

/// Where the audio ends when a file's header and its length disagree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Length {
    /// The declared length, if chunks or nothing follow; the end of the input, with a warning, if the length is
    /// unknown or past it; a refusal if bytes follow that are no chunks.
    #[default]
    Auto,
    /// The declared length, whatever follows.
    Header,
    /// The end of the input, whatever is declared.
    Eof,
}

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
        /// Bytes of its body that its header claims, padding not counted. A claim, not a fact.
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

/// An incremental RIFF WAVE parser.
#[derive(Debug)]
pub struct Parser {
    length: Length,
    state: State,
    held: Held,
    format: Option<(FmtChunk, Format)>,
    data: Option<Data>,
    /// Bytes taken in earlier steps.
    offset: u64,
    /// Where the latest chunk begins.
    chunk_at: u64,
    warnings: Vec<WavWarning>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Collecting the RIFF header.
    Riff,
    /// Collecting a chunk's header.
    ChunkHeader,
    /// Collecting the first bytes of a `fmt ` chunk; `rest` follow that mean nothing.
    Fmt { size: u32, wanted: usize },
    /// Passing over a chunk.
    Skip { name: [u8; 4], left: u64, odd: bool },
    /// After a chunk of odd length: one zero byte, if the writer kept the rule.
    Pad,
    /// After a data chunk that claims no audio: a chunk's header, or audio of unknown length.
    EmptyData,
    /// Passing audio on; `None` goes to the end of the input.
    Audio { left: Option<u64>, odd: bool },
    /// Passing over everything up to the end, since the caller said that the header is right.
    Ignore { bytes: u64 },
}

/// What is known of the data chunk.
#[derive(Debug, Clone, Copy)]
struct Data {
    /// Bytes of audio that its header declares.
    declared: u32,
    /// Bytes of audio passed on.
    passed: u64,
}

/// The start of a `fmt ` chunk, kept to tell a harmless second one from a contradiction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FmtChunk {
    size: u32,
    kept: Held,
}

impl Parser {
    /// A parser at the start of an input.
    pub fn new(length: Length) -> Self {
        Self {
            length,
            state: State::Riff,
            held: Held::EMPTY,
            format: None,
            data: None,
            offset: 0,
            chunk_at: 0,
            warnings: Vec::new(),
        }
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
            self.offset += used as u64;
            bytes = bytes.get(used..).unwrap_or_default();
        }
        Ok(())
    }

    /// Ends the input: refuses one that ended too early, passes on audio that was still held back, and returns what
    /// the user should know.
    pub fn finish<E: From<WavError>>(
        mut self,
        sink: &mut dyn FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<Vec<WavWarning>, E> {
        let Some(data) = self.data else {
            return Err(self.ended_before_audio().into());
        };
        match self.state {
            State::EmptyData if !self.held.is_empty() => {
                self.warnings.push(WavWarning::UnknownLength);
                sink(Piece::Audio(self.held.bytes()))?;
            }
            State::Audio { left: Some(1..), .. } => self.audio_cut_off(data)?,
            State::ChunkHeader if !self.held.is_empty() => {
                self.warnings.push(WavWarning::TrailingBytes { bytes: self.held.len() as u64 });
            }
            State::Fmt { .. } => self.chunk_cut_off(*b"fmt ")?,
            State::Skip { name, .. } => self.chunk_cut_off(name)?,
            State::Ignore { bytes } => self.warnings.push(WavWarning::IgnoredBytes { bytes }),
            State::Riff | State::ChunkHeader | State::Pad | State::EmptyData | State::Audio { .. } => {}
        }
        Ok(self.warnings)
    }

    /// One move of the machine; returns how many bytes it used. It may use none, but then changes its state.
    fn step<E: From<WavError>>(
        &mut self,
        bytes: &[u8],
        sink: &mut dyn FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<usize, E> {
        match self.state {
            State::Riff => {
                let used = self.held.fill(bytes, RIFF_HEADER);
                if self.held.len() == RIFF_HEADER {
                    sniff(self.held.bytes())?;
                    self.next_chunk(false);
                }
                Ok(used)
            }
            State::ChunkHeader => {
                let used = self.held.fill(bytes, CHUNK_HEADER);
                if let Some((name, size)) = self.held.chunk_header() {
                    self.chunk_at = (self.offset + used as u64).saturating_sub(CHUNK_HEADER as u64);
                    self.enter_chunk(name, size, sink)?;
                }
                Ok(used)
            }
            State::Fmt { size, wanted } => {
                let used = self.held.fill(bytes, wanted);
                if self.held.len() == wanted {
                    self.take_fmt(size)?;
                }
                Ok(used)
            }
            State::Skip { name, left, odd } => {
                let used = clamp(left, bytes);
                self.skip(name, left - used as u64, odd);
                Ok(used)
            }
            State::Pad => {
                self.next_chunk(false);
                Ok(usize::from(bytes.first() == Some(&0)))
            }
            State::EmptyData => {
                let used = self.held.fill(bytes, CHUNK_HEADER);
                if let Some((name, size)) = self.held.chunk_header() {
                    if is_chunk_name(name) {
                        self.enter_chunk(name, size, sink)?;
                    } else {
                        self.warnings.push(WavWarning::UnknownLength);
                        self.state = State::Audio { left: None, odd: false };
                        sink(Piece::Audio(self.held.bytes()))?;
                    }
                }
                Ok(used)
            }
            State::Audio { left, odd } => {
                let used = left.map_or(bytes.len(), |left| clamp(left, bytes));
                sink(Piece::Audio(bytes.get(..used).unwrap_or_default()))?;
                if let Some(data) = &mut self.data {
                    data.passed += used as u64;
                }
                self.audio(left.map(|left| left - used as u64), odd);
                Ok(used)
            }
            State::Ignore { bytes: before } => {
                self.state = State::Ignore { bytes: before + bytes.len() as u64 };
                Ok(bytes.len())
            }
        }
    }

    /// A chunk's header is complete.
    fn enter_chunk<E: From<WavError>>(
        &mut self,
        name: [u8; 4],
        size: u32,
        sink: &mut dyn FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        match &name {
            b"fmt " => self.enter_fmt(size)?,
            b"data" => self.enter_data(size, sink)?,
            _ if is_chunk_name(name) => self.skip(name, size.into(), size % 2 == 1),
            _ if self.data.is_none() => {
                return Err(contradiction(format!(
                    "at byte {} there should be a chunk, but no chunk has such a name: the file is damaged before its \
                     audio, write it again",
                    self.chunk_at
                ))
                .into());
            }
            _ => self.not_a_chunk()?,
        }
        Ok(())
    }

    fn enter_fmt(&mut self, size: u32) -> Result<(), WavError> {
        self.held = Held::EMPTY;
        let wanted = usize::try_from(size).map_or(FMT_KEPT, |size| size.min(FMT_KEPT));
        self.state = State::Fmt { size, wanted };
        if wanted == 0 { self.take_fmt(size) } else { Ok(()) }
    }

    /// All of a `fmt ` chunk that matters has been read.
    fn take_fmt(&mut self, size: u32) -> Result<(), WavError> {
        let chunk = FmtChunk { size, kept: self.held };
        match &self.format {
            None => self.format = Some((chunk, parse_fmt(chunk.kept.bytes())?)),
            Some((first, _)) if *first == chunk => {}
            Some(_) => {
                return Err(contradiction(
                    "the file has two fmt chunks that differ: it contradicts itself, write it again".to_owned(),
                ));
            }
        }
        self.skip(*b"fmt ", u64::from(size) - chunk.kept.len() as u64, size % 2 == 1);
        Ok(())
    }

    fn enter_data<E: From<WavError>>(
        &mut self,
        size: u32,
        sink: &mut dyn FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.data.is_some() {
            return Err(contradiction(
                "the file has two data chunks: one of them would be lost, write the file again with one".to_owned(),
            )
            .into());
        }
        let Some((_, mut format)) = self.format else {
            return Err(contradiction(
                "the data chunk comes before any fmt chunk: nothing says what its bytes mean, write the file again \
                 with fmt first"
                    .to_owned(),
            )
            .into());
        };
        if size != 0 && size != LENGTH_OPEN {
            format.declared_samples = u64::from(size).checked_div(format.block_align() as u64);
        }
        self.data = Some(Data { declared: size, passed: 0 });
        match (self.length, size) {
            (Length::Eof, _) => self.audio(None, false),
            (Length::Auto, LENGTH_OPEN) => {
                self.warnings.push(WavWarning::UnknownLength);
                self.audio(None, false);
            }
            (Length::Auto, 0) => {
                self.held = Held::EMPTY;
                self.state = State::EmptyData;
            }
            _ => self.audio(Some(size.into()), size % 2 == 1),
        }
        sink(Piece::Format(format))
    }

    fn skip(&mut self, name: [u8; 4], left: u64, odd: bool) {
        if left == 0 {
            self.next_chunk(odd);
        } else {
            self.state = State::Skip { name, left, odd };
        }
    }

    fn audio(&mut self, left: Option<u64>, odd: bool) {
        if left == Some(0) {
            self.next_chunk(odd);
        } else {
            self.state = State::Audio { left, odd };
        }
    }

    fn next_chunk(&mut self, odd: bool) {
        self.held = Held::EMPTY;
        self.state = if odd { State::Pad } else { State::ChunkHeader };
    }

    /// Bytes after the audio are no chunk: refused, or passed over if the caller said so.
    fn not_a_chunk(&mut self) -> Result<(), WavError> {
        if self.length != Length::Header {
            return Err(self.audio_end_in_doubt());
        }
        self.state = State::Ignore { bytes: self.held.len() as u64 };
        Ok(())
    }

    fn audio_end_in_doubt(&self) -> WavError {
        let declared = self.data.map_or(0, |data| data.declared);
        contradiction(format!(
            "after the {declared} bytes of audio that the header declares come bytes that are no WAV chunks: the length \
             may be wrong (it wraps at 4 GiB), or something was appended. Correct the file, or say where the audio ends \
             with `converter convert --length header` or `--length eof`"
        ))
    }

    fn ended_before_audio(&self) -> WavError {
        let place = match self.state {
            State::Riff => {
                return sniff(self.held.bytes()).err().unwrap_or(WavError::Empty);
            }
            State::ChunkHeader if !self.held.is_empty() => "inside a chunk's header".to_owned(),
            State::Fmt { .. } => "inside its fmt chunk".to_owned(),
            State::Skip { name, .. } => format!("inside its {} chunk", printed(name)),
            _ => "after its last chunk, with no data chunk among them".to_owned(),
        };
        WavError::TruncatedHeader { place }
    }

    fn audio_cut_off(&mut self, data: Data) -> Result<(), WavError> {
        if data.passed == 0 {
            return Err(WavError::TruncatedHeader { place: "where its data chunk should begin".to_owned() });
        }
        self.warnings.push(WavWarning::Truncated { declared: data.declared.into(), actual: data.passed });
        Ok(())
    }

    /// The input ended inside a chunk after the audio.
    fn chunk_cut_off(&mut self, name: [u8; 4]) -> Result<(), WavError> {
        if !is_known_chunk(name) && self.length != Length::Header {
            return Err(self.audio_end_in_doubt());
        }
        self.warnings.push(WavWarning::TruncatedChunk { name: printed(name) });
        Ok(())
    }
}

fn contradiction(what: String) -> WavError {
    WavError::Contradiction { what }
}

/// How many of `bytes` fit into `left`.
fn clamp(left: u64, bytes: &[u8]) -> usize {
    usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()))
}

#[cfg(test)]
mod tests;
