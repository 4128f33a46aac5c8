//! What a chunk's header leads to: a chunk that passes, the format, the audio.

use super::super::chunk::{ChunkHeader, Held, Role, Size, printed};
use super::super::format::{FMT_KEPT, parse_fmt};
use super::super::sniff::Container;
use super::super::start::declared;
use super::{Body, Data, Parser, Piece, Reading, State, WavError, clamp, contradiction, first};

impl Parser {
    /// A chunk's header is complete, or something that is none.
    pub(super) fn enter_chunk<E: From<WavError>>(
        &mut self,
        header: ChunkHeader,
        sink: &mut dyn FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let held = self.held;
        let (name, size) = (header.name, self.true_size(header));
        let mut body = Body {
            name,
            known: true,
            left: size.claimed(),
            padding: self.container.padding(size.claimed()),
            reading: Reading::Nothing,
        };
        if self.container == Container::Rf64 && self.ds64.is_none() {
            if name != *b"ds64" {
                return Err(no_ds64(name).into());
            }
            self.ds64 = Some(Box::default());
            body.reading = Reading::Ds64;
        }
        match header.role {
            Role::NoChunk => return self.not_a_chunk(sink),
            Role::Data => return self.enter_data(size, held, sink),
            Role::Fmt => body.reading = Reading::Fmt,
            Role::Other { known } => body.known = known,
        }
        self.held = Held::EMPTY;
        sink(Piece::Chunk { name, header: held.bytes(), size: body.left })?;
        self.go_on(body)?;
        Ok(())
    }

    /// The size of a chunk's body, where it may stand in the file's `ds64` (EBU Tech 3306: only if the 32-bit field
    /// says so with 0xFFFFFFFF). Writers that never came back to a 32-bit 0 but did write a `ds64` meant the latter.
    fn true_size(&self, header: ChunkHeader) -> Size {
        let Some(ds64) = &self.ds64 else {
            return header.size;
        };
        match (header.role, header.size, ds64.data_size()) {
            (Role::Data, Size::Open(_), u64::MAX) => Size::Open(u64::MAX),
            (Role::Data, Size::Bytes(0), u64::MAX) => header.size,
            (Role::Data, Size::Open(_) | Size::Bytes(0), size) => Size::Bytes(size),
            (_, Size::Open(_), _) => ds64.size_of(header.name).map_or(header.size, Size::Bytes),
            (_, size, _) => size,
        }
    }

    /// Passes the next bytes of a chunk on and reads in them what must be known.
    pub(super) fn pass_body<E: From<WavError>>(
        &mut self,
        body: Body,
        bytes: &[u8],
        sink: &mut dyn FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<usize, E> {
        let part = first(bytes, clamp(body.left, bytes));
        match (body.reading, &mut self.ds64) {
            (Reading::Fmt, _) => {
                self.held.fill(part, FMT_KEPT);
            }
            (Reading::Ds64, Some(ds64)) => ds64.take(part),
            _ => {}
        }
        sink(Piece::Body(part))?;
        self.go_on(Body { left: body.left.saturating_sub(part.len() as u64), ..body })?;
        Ok(part.len())
    }

    /// Goes on with a chunk's body, or ends it if nothing of it is left.
    fn go_on(&mut self, body: Body) -> Result<(), WavError> {
        if body.left > 0 {
            self.state = State::Body(body);
            return Ok(());
        }
        match (body.reading, &self.ds64) {
            (Reading::Fmt, _) => self.take_fmt()?,
            (Reading::Ds64, Some(ds64)) => ds64.check()?,
            _ => {}
        }
        self.next_chunk(body.padding);
        Ok(())
    }

    /// All of a `fmt ` chunk that matters is held.
    fn take_fmt(&mut self) -> Result<(), WavError> {
        let format = parse_fmt(self.held.bytes(), self.rules);
        match &self.format {
            None => self.format = Some(format?),
            Some(first) if format.as_ref() == Ok(first) => {}
            Some(_) => {
                return Err(contradiction(
                    "the file has two fmt chunks that differ: it contradicts itself, write it again",
                ));
            }
        }
        Ok(())
    }

    fn enter_data<E: From<WavError>>(
        &mut self,
        size: Size,
        header: Held,
        sink: &mut dyn FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.data.is_some() {
            return Err(contradiction(
                "the file has two data chunks: one of them would be lost, write the file again with one",
            )
            .into());
        }
        let Some(fmt) = self.format else {
            return Err(contradiction(
                "the data chunk comes before any fmt chunk: nothing says what its bytes mean, write the file again \
                 with fmt first",
            )
            .into());
        };
        self.held = Held::EMPTY;
        let at = self.chunk_at.saturating_add(header.len() as u64);
        self.go_into_audio(Data { size, at, passed: 0 });
        sink(Piece::Chunk { name: *b"data", header: header.bytes(), size: size.claimed() })?;
        sink(Piece::Format(declared(fmt, size)))
    }
}

fn no_ds64(name: [u8; 4]) -> WavError {
    WavError::Contradiction {
        what: format!(
            "an RF64 or BW64 file begins with a ds64 chunk, which holds its sizes, but this one with {}: the header is \
             damaged, write the file again",
            printed(name)
        ),
    }
}
