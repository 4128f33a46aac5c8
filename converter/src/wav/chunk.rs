//! Chunk headers: the few bytes that are collected before they mean something, and what a chunk's name can be.

use super::format::FMT_KEPT;

/// Bytes of a chunk's header: name and length.
pub(super) const CHUNK_HEADER: usize = 8;
/// Chunks that writers are known to put after the audio. One of these that is cut off is a damaged tag; an unknown
/// name there may be audio behind a wrong length.
const KNOWN_CHUNKS: [[u8; 4]; 23] = [
    *b"fmt ", *b"LIST", *b"fact", *b"cue ", *b"plst", *b"smpl", *b"inst", *b"acid", *b"PEAK", *b"bext", *b"iXML",
    *b"axml", *b"chna", *b"umid", *b"levl", *b"cart", *b"_PMX", *b"id3 ", *b"ID3 ", *b"JUNK", *b"PAD ", *b"FLLR",
    *b"DISP",
];

/// A chunk's name has letters, digits and a little more; audio after a wrong length seldom looks like that.
pub(super) fn is_chunk_name(name: [u8; 4]) -> bool {
    name.iter().all(|byte| byte.is_ascii_alphanumeric() || b" _-.".contains(byte))
}

/// Whether writers are known to put such a chunk into WAV files.
pub(super) fn is_known_chunk(name: [u8; 4]) -> bool {
    KNOWN_CHUNKS.contains(&name)
}

/// A chunk's name for messages.
pub(super) fn printed(name: [u8; 4]) -> String {
    name.escape_ascii().to_string().trim_end().to_owned()
}

/// The few bytes that are collected before they mean something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    bytes: [u8; FMT_KEPT],
    len: usize,
}

impl Held {
    pub(super) const EMPTY: Self = Self { bytes: [0; FMT_KEPT], len: 0 };

    /// Takes from `bytes` until it holds `wanted`; returns how many it took.
    pub(super) fn fill(&mut self, bytes: &[u8], wanted: usize) -> usize {
        let used = wanted.min(FMT_KEPT).saturating_sub(self.len).min(bytes.len());
        for (slot, byte) in self.bytes.iter_mut().skip(self.len).zip(bytes.iter().take(used)) {
            *slot = *byte;
        }
        self.len += used;
        used
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

    /// A chunk's name and length, once eight bytes are held.
    pub(super) fn chunk_header(&self) -> Option<([u8; 4], u32)> {
        let (name, rest) = self.bytes().split_first_chunk::<4>()?;
        let size = rest.first_chunk::<4>()?;
        Some((*name, u32::from_le_bytes(*size)))
    }
}
