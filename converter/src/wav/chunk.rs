//! Chunk headers: the few bytes that are collected before they mean something, and what a chunk's name can be.

use super::sniff::Container;

/// Bytes of a chunk's header in RIFF and RF64: name and size.
const RIFF_CHUNK_HEADER: usize = 8;
/// Bytes of a chunk's header in Wave64: GUID and size.
const WAVE64_CHUNK_HEADER: usize = 24;
/// The most bytes that are ever held back: an ID3v1 tag, of which only the end of the input tells that it is one.
const HELD: usize = 128;
/// Chunks that writers are known to put after the audio. One of these that is cut off is a damaged tag; an unknown
/// name there may be audio behind a wrong length.
const KNOWN_CHUNKS: [[u8; 4]; 23] = [
    *b"fmt ", *b"LIST", *b"fact", *b"cue ", *b"plst", *b"smpl", *b"inst", *b"acid", *b"PEAK", *b"bext", *b"iXML",
    *b"axml", *b"chna", *b"umid", *b"levl", *b"cart", *b"_PMX", *b"id3 ", *b"ID3 ", *b"JUNK", *b"PAD ", *b"FLLR",
    *b"DISP",
];
/// What follows the name in the GUIDs of Wave64's own chunks, but for `list`.
const WAVE64_GUID: [u8; 12] = [0xF3, 0xAC, 0xD3, 0x11, 0x8C, 0xD1, 0x00, 0xC0, 0x4F, 0x8E, 0xDB, 0x8A];
/// The same for `list`.
const WAVE64_LIST_GUID: [u8; 12] = [0x2F, 0x91, 0xCF, 0x11, 0xA5, 0xD6, 0x28, 0xDB, 0x04, 0xC1, 0x00, 0x00];
/// Wave64's chunks of markers and of summaries, whose GUIDs hold no name.
const WAVE64_NAMELESS: [[u8; 16]; 2] = [
    [0x56, 0x62, 0xF7, 0xAB, 0x2D, 0x39, 0xD2, 0x11, 0x86, 0xC7, 0x00, 0xC0, 0x4F, 0x8E, 0xDB, 0x8A],
    [0xBC, 0x94, 0x5F, 0x92, 0x5A, 0x52, 0xD2, 0x11, 0x86, 0xDC, 0x00, 0xC0, 0x4F, 0x8E, 0xDB, 0x8A],
];

/// More than any file has: bytes that would be a chunk of unknown kind and such a size are no chunk.
const WAVE64_PLAUSIBLE: u64 = 1 << 48;

/// A chunk's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChunkHeader {
    /// The name; for Wave64 the first four bytes of the GUID.
    pub name: [u8; 4],
    /// Bytes of the body that the header claims.
    pub size: Size,
    pub role: Role,
}

/// What a header says about the size of its chunk's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// That many bytes.
    Bytes(u64),
    /// The value that stands for "unknown", and what it is as a number.
    Open(u64),
}

/// What a chunk is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Fmt,
    Data,
    /// Any other; `known` if writers are known to use it.
    Other {
        known: bool,
    },
    /// These bytes are no chunk's header.
    NoChunk,
}

impl Size {
    pub(crate) fn claimed(self) -> u64 {
        match self {
            Self::Bytes(bytes) | Self::Open(bytes) => bytes,
        }
    }
}

impl Container {
    /// Bytes of a chunk's header.
    pub(super) fn chunk_header(self) -> usize {
        match self {
            Self::Riff | Self::Rf64 => RIFF_CHUNK_HEADER,
            Self::Wave64 => WAVE64_CHUNK_HEADER,
        }
    }

    /// Reads a chunk's header, once all its bytes are held.
    pub(super) fn read_chunk(self, bytes: &[u8]) -> Option<ChunkHeader> {
        match self {
            Self::Riff | Self::Rf64 => riff_chunk(bytes),
            Self::Wave64 => wave64_chunk(bytes),
        }
    }

    /// Whether bytes that could be audio as well are a chunk's header. A Wave64 size alone is too weak a sign.
    pub(super) fn trusts(self, header: ChunkHeader) -> bool {
        match header.role {
            Role::Fmt | Role::Data | Role::Other { known: true } => true,
            Role::Other { known: false } => self != Self::Wave64,
            Role::NoChunk => false,
        }
    }

    /// Bytes that fill up a body of this size.
    pub(super) fn padding(self, size: u64) -> u8 {
        let padding = match self {
            Self::Riff | Self::Rf64 => size & 1,
            Self::Wave64 => size.wrapping_neg() & 7,
        };
        u8::try_from(padding).unwrap_or(0)
    }
}

fn riff_chunk(bytes: &[u8]) -> Option<ChunkHeader> {
    let (name, rest) = bytes.split_first_chunk::<4>()?;
    let size = u32::from_le_bytes(*rest.first_chunk()?);
    let role = match name {
        b"fmt " => Role::Fmt,
        b"data" => Role::Data,
        name if is_chunk_name(*name) => Role::Other { known: KNOWN_CHUNKS.contains(name) },
        _ => Role::NoChunk,
    };
    let size = if size == u32::MAX { Size::Open(size.into()) } else { Size::Bytes(size.into()) };
    Some(ChunkHeader { name: *name, size, role })
}

fn wave64_chunk(bytes: &[u8]) -> Option<ChunkHeader> {
    let (guid, rest) = bytes.split_first_chunk::<16>()?;
    let (name, id) = guid.split_first_chunk::<4>()?;
    let size = u64::from_le_bytes(*rest.first_chunk()?);
    let of_wave64 = *id == WAVE64_GUID || *id == WAVE64_LIST_GUID;
    let body = size.checked_sub(WAVE64_CHUNK_HEADER as u64);
    let role = match name {
        b"data" if of_wave64 => Role::Data,
        // A GUID can be anything, but no chunk is smaller than its own header.
        _ if body.is_none() => Role::NoChunk,
        b"fmt " if of_wave64 => Role::Fmt,
        _ if of_wave64 || WAVE64_NAMELESS.contains(guid) => Role::Other { known: true },
        _ if size < WAVE64_PLAUSIBLE => Role::Other { known: false },
        _ => Role::NoChunk,
    };
    // What writers leave when they cannot seek back; 0 (no size at all) is taken for a chunk without a body.
    let open = matches!(size, u64::MAX | 0x7FFF_FFFF_FFFF_FFFF);
    let body = body.unwrap_or(0);
    Some(ChunkHeader { name: *name, size: if open { Size::Open(body) } else { Size::Bytes(body) }, role })
}

/// A chunk's name has letters, digits and a little more; audio after a wrong length seldom looks like that.
fn is_chunk_name(name: [u8; 4]) -> bool {
    name.iter().all(|byte| byte.is_ascii_alphanumeric() || b" _-.".contains(byte))
}

/// A chunk's name for messages.
pub(super) fn printed(name: [u8; 4]) -> String {
    name.escape_ascii().to_string().trim_end().to_owned()
}

/// The few bytes that are collected before they mean something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    bytes: [u8; HELD],
    len: usize,
}

impl Held {
    pub(super) const EMPTY: Self = Self { bytes: [0; HELD], len: 0 };

    /// Takes from `bytes` until it holds `wanted`; returns how many it took.
    pub(super) fn fill(&mut self, bytes: &[u8], wanted: usize) -> usize {
        let used = wanted.min(HELD).saturating_sub(self.len).min(bytes.len());
        for (slot, byte) in self.bytes.iter_mut().skip(self.len).zip(bytes.iter().take(used)) {
            *slot = *byte;
        }
        self.len += used;
        used
    }

    /// Lets the first byte go, which it returns.
    pub(super) fn shift(&mut self) -> Option<u8> {
        let first = *self.bytes().first()?;
        self.bytes.copy_within(1.., 0);
        self.len -= 1;
        Some(first)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }
}
