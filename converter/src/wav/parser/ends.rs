//! What the end of the input means, and bytes that are no chunk: the cases where the audio's end may be in doubt.

use super::super::chunk::{Held, printed};
use super::super::sniff::{check_wave64, sniff};
use super::{Data, ID3V1, Length, Parser, Piece, State, WavError, WavWarning, contradiction};

impl Parser {
    /// Ends the input: refuses one that ended too early, passes on what was still held back, and returns what the
    /// user should know.
    pub fn finish<E: From<WavError>>(
        mut self,
        sink: &mut dyn FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<Vec<WavWarning>, E> {
        while let State::Tag = self.state {
            if self.held.len() == ID3V1 {
                self.warnings.push(WavWarning::Id3v1);
                self.state = State::ChunkHeader { unpadded: false };
                self.held_is_junk(sink)?;
            } else {
                self.tag_is_none(sink)?;
            }
        }
        let Some(data) = self.data else {
            return Err(self.ended_before_audio().into());
        };
        match self.state {
            State::EmptyData if !self.held.is_empty() => self.held_is_audio(sink)?,
            State::Audio { left: Some(1..), .. } => self.audio_cut_off(data)?,
            State::ChunkHeader { .. } if !self.held.is_empty() => {
                self.warnings.push(WavWarning::TrailingBytes { bytes: self.held.len() as u64 });
                self.held_is_junk(sink)?;
            }
            State::Body(body) => self.chunk_cut_off(body.name, body.known)?,
            State::Junk { bytes } => self.warnings.push(WavWarning::IgnoredBytes { bytes }),
            _ => {}
        }
        Ok(self.warnings)
    }

    /// What was held back as a possible ID3v1 tag is not the end of the input: takes it as anything else.
    pub(super) fn tag_is_none<E: From<WavError>>(
        &mut self,
        sink: &mut dyn FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let held = self.held;
        self.held = Held::EMPTY;
        self.no_tag_at = Some(self.chunk_at);
        self.offset = self.chunk_at;
        self.state = State::ChunkHeader { unpadded: false };
        self.push(held.bytes(), sink)
    }

    /// What was held back after a data chunk that claims no audio is audio.
    pub(super) fn held_is_audio<E>(&mut self, sink: &mut dyn FnMut(Piece<'_>) -> Result<(), E>) -> Result<(), E> {
        let held = self.held;
        self.held = Held::EMPTY;
        self.warnings.push(WavWarning::UnknownLength);
        self.passed(held.len() as u64);
        sink(Piece::Audio(held.bytes()))
    }

    fn held_is_junk<E>(&mut self, sink: &mut dyn FnMut(Piece<'_>) -> Result<(), E>) -> Result<(), E> {
        let held = self.held;
        self.held = Held::EMPTY;
        sink(Piece::Junk(held.bytes()))
    }

    /// The held bytes are no chunk: refused, or passed on as junk if the caller said that the header is right.
    pub(super) fn not_a_chunk<E: From<WavError>>(
        &mut self,
        sink: &mut dyn FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.data.is_none() {
            return Err(contradiction(format!(
                "at byte {} there should be a chunk, but no chunk has such a name: the file is damaged before its \
                 audio, write it again",
                self.chunk_at
            ))
            .into());
        }
        if self.rules.length != Length::Header {
            return Err(self.audio_end_in_doubt().into());
        }
        self.state = State::Junk { bytes: self.held.len() as u64 };
        self.held_is_junk(sink)
    }

    fn audio_end_in_doubt(&self) -> WavError {
        let declared = self.data.map_or(0, |data| data.size.claimed());
        contradiction(format!(
            "after the {declared} bytes of audio that the header declares come bytes that are no WAV chunks: the length \
             may be wrong (it wraps at 4 GiB), or something was appended. Correct the file, or say where the audio ends \
             with `--length header` or `--length eof` (over HTTP `length=header` or `length=eof`)"
        ))
    }

    fn ended_before_audio(&self) -> WavError {
        let place = match self.state {
            State::Start => {
                return sniff(self.held.bytes()).err().unwrap_or(WavError::Empty);
            }
            State::Wave64 => {
                return check_wave64(self.held.bytes()).err().unwrap_or(WavError::Empty);
            }
            State::ChunkHeader { .. } if !self.held.is_empty() => "inside a chunk's header".to_owned(),
            State::Body(body) => format!("inside its {} chunk", printed(body.name)),
            _ => "after its last chunk, with no data chunk among them".to_owned(),
        };
        WavError::TruncatedHeader { place }
    }

    fn audio_cut_off(&mut self, data: Data) -> Result<(), WavError> {
        if data.passed == 0 {
            return Err(WavError::TruncatedHeader { place: "where its data chunk should begin".to_owned() });
        }
        self.warnings.push(WavWarning::Truncated { declared: data.size.claimed(), actual: data.passed });
        Ok(())
    }

    /// The input ended inside a chunk after the audio.
    fn chunk_cut_off(&mut self, name: [u8; 4], known: bool) -> Result<(), WavError> {
        if !known && self.rules.length != Length::Header {
            return Err(self.audio_end_in_doubt());
        }
        self.warnings.push(WavWarning::TruncatedChunk { name: printed(name) });
        Ok(())
    }
}
