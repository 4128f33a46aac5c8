//! Whether `flac`'s own form of foreign metadata gives the same file.
//!
//! `flac -d --keep-foreign-metadata` writes the file's header, `ds64`, `fmt ` and the data chunk's header anew, from
//! STREAMINFO and the channel mask tag, and copies all other blocks (read in flac 1.4.2, `decode.c:write_iff_headers`;
//! 1.5.0 keeps the kind of `fmt ` that was stored, so that it restores all that 1.4.2 does, and more). Here the same is
//! written, and compared with what the file had.

use std::ops::Range;

use crate::flac::Application;
use crate::wav::{Encoding, Endian, Format, Kind, Packing};

/// The most chunks that become blocks of their own; each costs memory beside its bytes.
const MAX_CHUNKS: usize = 65_536;
/// RIFF files of this size and above, `flac` does not write.
const RIFF_LIMIT: u64 = 0xFFFF_FFF4;
/// The first eight bytes of the GUIDs of Wave64, without the four that are a name.
const WAVE64_CHUNK: [u8; 12] = [0xF3, 0xAC, 0xD3, 0x11, 0x8C, 0xD1, 0x00, 0xC0, 0x4F, 0x8E, 0xDB, 0x8A];
const WAVE64_RIFF: [u8; 16] = *b"riff\x2E\x91\xCF\x11\xA5\xD6\x28\xDB\x04\xC1\x00\x00";
/// `SubFormat` of PCM.
const PCM_GUID: [u8; 16] = [1, 0, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];

/// What is known of the file beside its bytes.
pub(super) struct Facts<'a> {
    pub format: &'a Format,
    pub packing: Packing,
    /// Bytes of audio, all of them in whole samples.
    pub audio: u64,
}

/// How the file is stored in `flac`'s form.
pub(super) struct FlacForm {
    pub wave64: bool,
    /// Where in the bytes that are no audio the blocks are.
    pub blocks: Vec<Range<usize>>,
    /// The speakers that a tag must tell.
    pub channel_mask: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Container {
    Riff,
    Rf64,
    Wave64,
}

impl Container {
    /// Bytes of the file's own header.
    fn header(self) -> usize {
        if self == Self::Wave64 { 40 } else { 12 }
    }

    /// Bytes of a chunk's header.
    fn chunk_header(self) -> usize {
        if self == Self::Wave64 { 24 } else { 8 }
    }

    /// What a chunk's or the audio's length is rounded up to.
    fn alignment(self) -> u64 {
        if self == Self::Wave64 { 8 } else { 2 }
    }
}

/// A chunk as `flac` walks over it: the data chunk without its audio.
struct Chunk {
    name: [u8; 4],
    range: Range<usize>,
}

/// The file in `flac`'s form, if `flac` builds the same file from it. `bytes` are all that are no audio, which stands
/// at `split`.
pub(super) fn by_flac(bytes: &[u8], split: usize, facts: &Facts<'_>) -> Option<FlacForm> {
    let container = match bytes.first_chunk()? {
        b"RIFF" => Container::Riff,
        b"RF64" => Container::Rf64,
        b"riff" => Container::Wave64,
        _ => return None,
    };
    if !samples_as_flac_writes(facts) || facts.audio == 0 {
        return None;
    }
    let padding = facts.audio.checked_next_multiple_of(container.alignment())? - facts.audio;
    let after = split.checked_add(usize::try_from(padding).ok()?)?;
    let mut chunks = walk(container, bytes.get(..split)?, container.header())?;
    let data_at = chunks.len().checked_sub(1)?;
    chunks.extend(walk(container, bytes, after)?);
    let only = |name: [u8; 4]| {
        let mut found = chunks.iter().enumerate().filter(|(_, chunk)| chunk.name == name).map(|(at, _)| at);
        found.next().filter(|_| found.next().is_none())
    };
    let fmt_at = only(*b"fmt ")?;
    if only(*b"data") != Some(data_at) || fmt_at > data_at {
        return None;
    }
    let get = |range: &Range<usize>| bytes.get(range.clone()).unwrap_or_default();
    let chunk = |at: usize| chunks.get(at).map_or(&[][..], |chunk| get(&chunk.range));
    let first_copied = usize::from(container == Container::Rf64);
    let copied = |at: usize| at >= first_copied && at != fmt_at && at != data_at;
    let copied_bytes: usize =
        chunks.iter().enumerate().filter(|(at, _)| copied(*at)).map(|(_, chunk)| chunk.range.len()).sum();
    let body = chunk(fmt_at).get(container.chunk_header()..).unwrap_or_default();
    let speakers = Speakers::of(facts.format, body)?;
    let written = Written { container, facts, speakers, copied_bytes: copied_bytes as u64 };
    let header = 0..container.header();
    let same = get(&header) == written.header()?
        && (container != Container::Rf64 || chunk(0) == written.ds64())
        && chunk(fmt_at) == written.fmt()
        && chunk(data_at) == written.data()?
        && bytes.get(split..after)?.iter().all(|byte| *byte == 0);
    let blocks: Vec<_> = std::iter::once(header).chain(chunks.into_iter().map(|chunk| chunk.range)).collect();
    let fits = blocks.iter().all(|range| range.len() <= Application::MAX_DATA);
    let wave64 = container == Container::Wave64;
    (same && fits).then_some(FlacForm { wave64, blocks, channel_mask: written.speakers.to_tell })
}

/// The chunks from `at` to the end of `bytes`, the data chunk's header being the end of it; none if they do not end
/// there. `flac` reads no other files.
fn walk(container: Container, bytes: &[u8], mut at: usize) -> Option<Vec<Chunk>> {
    let mut chunks = Vec::new();
    while at < bytes.len() {
        let header = bytes.get(at..)?.get(..container.chunk_header())?;
        let name = *header.first_chunk()?;
        let size = match container {
            // counts the header too
            Container::Wave64 => u64::from_le_bytes(*header.last_chunk()?),
            _ => u64::from(u32::from_le_bytes(*header.last_chunk()?)).checked_add(8)?,
        };
        let size = usize::try_from(size.checked_next_multiple_of(container.alignment())?).ok()?;
        let whole = if name == *b"data" { header.len() } else { size.max(header.len()) };
        let end = at.checked_add(whole)?;
        if end > bytes.len() || chunks.len() == MAX_CHUNKS {
            return None;
        }
        chunks.push(Chunk { name, range: at..end });
        at = end;
    }
    (at == bytes.len()).then_some(chunks)
}

/// Whether `flac` writes samples as the file had them: in as few bytes as hold them, in the highest bits, unsigned up
/// to 8 bits.
fn samples_as_flac_writes(facts: &Facts<'_>) -> bool {
    let Encoding { container_bytes, kind, endian } = facts.packing.encoding;
    let bits = facts.format.bits_per_sample;
    let signed = match kind {
        Kind::Signed => true,
        Kind::Unsigned => false,
        // with no bits to spare, the lowest are the highest
        Kind::SignedLow if bits == container_bytes.saturating_mul(8) => true,
        Kind::UnsignedLow if bits == container_bytes.saturating_mul(8) => false,
        _ => return false,
    };
    container_bytes == bits.div_ceil(8) && signed == (bits > 8) && endian == Endian::Little
}

/// The speakers as `flac` takes them for decoding.
struct Speakers {
    mask: u32,
    to_tell: Option<u32>,
}

impl Speakers {
    /// What a `fmt ` chunk's body says; none if no tag can say so.
    fn of(format: &Format, body: &[u8]) -> Option<Self> {
        let usual = match format.channels {
            1 => 0x4,
            2 => 0x3,
            3 => 0x7,
            4 => 0x33,
            5 => 0x607,
            6 => 0x60F,
            7 => 0x70F,
            _ => 0x63F,
        };
        let mask = match body.get(20..24).and_then(<[u8]>::first_chunk) {
            // 0 in the tag would be taken for the usual mask
            Some(mask) => Some(u32::from_le_bytes(*mask)).filter(|mask| *mask != 0)?,
            None => usual,
        };
        Some(Self { mask, to_tell: (mask != usual).then_some(mask) })
    }
}

/// What `flac` writes.
struct Written<'a> {
    container: Container,
    facts: &'a Facts<'a>,
    speakers: Speakers,
    /// Bytes of the chunks that it copies.
    copied_bytes: u64,
}

impl Written<'_> {
    fn is_extensible(&self) -> bool {
        let bits = self.facts.format.bits_per_sample;
        !matches!(self.speakers.mask, 0 | 0x4 | 0x3) || !matches!(bits, 8 | 16) || self.facts.format.channels > 2
    }

    fn fmt_size(&self) -> u64 {
        if self.is_extensible() { 40 } else { 16 }
    }

    /// The length that the file's header tells.
    fn riff_size(&self) -> u64 {
        let audio = self.facts.audio.next_multiple_of(self.container.alignment());
        let own = match self.container {
            Container::Riff => 4 + 8 + self.fmt_size() + 8,
            Container::Rf64 => 4 + 36 + 8 + self.fmt_size() + 8,
            Container::Wave64 => 40 + 24 + self.fmt_size() + 24,
        };
        own + self.copied_bytes + audio
    }

    fn header(&self) -> Option<Vec<u8>> {
        let size = self.riff_size();
        Some(match self.container {
            Container::Riff if size < RIFF_LIMIT => {
                [&b"RIFF"[..], &u32::try_from(size).ok()?.to_le_bytes(), b"WAVE"].concat()
            }
            Container::Riff => return None,
            Container::Rf64 => b"RF64\xFF\xFF\xFF\xFFWAVE".to_vec(),
            Container::Wave64 => [&WAVE64_RIFF[..], &size.to_le_bytes(), b"wave", &WAVE64_CHUNK].concat(),
        })
    }

    fn ds64(&self) -> Vec<u8> {
        let samples = self.facts.audio / (self.facts.format.block_align().max(1) as u64);
        let sizes = [self.riff_size(), self.facts.audio, samples].map(u64::to_le_bytes);
        [b"ds64\x1C\0\0\0", sizes.as_flattened(), &[0; 4]].concat()
    }

    fn chunk_header(&self, name: [u8; 4], size: u64) -> Option<Vec<u8>> {
        Some(match self.container {
            Container::Wave64 => [&name[..], &WAVE64_CHUNK, &(size + 24).to_le_bytes()].concat(),
            _ => [name, u32::try_from(size).ok()?.to_le_bytes()].concat(),
        })
    }

    fn fmt(&self) -> Vec<u8> {
        let format = self.facts.format;
        let (channels, bits) = (u16::from(format.channels), u16::from(format.bits_per_sample));
        let container = bits.div_ceil(8);
        let align = channels * container;
        let extensible = self.is_extensible();
        let mut chunk = self.chunk_header(*b"fmt ", self.fmt_size()).unwrap_or_default();
        chunk.extend(if extensible { 0xFFFE_u16 } else { 1 }.to_le_bytes());
        chunk.extend(channels.to_le_bytes());
        chunk.extend(format.sample_rate.to_le_bytes());
        chunk.extend(format.sample_rate.wrapping_mul(align.into()).to_le_bytes());
        chunk.extend(align.to_le_bytes());
        chunk.extend((container * 8).to_le_bytes());
        if extensible {
            chunk.extend(22_u16.to_le_bytes());
            chunk.extend(bits.to_le_bytes());
            chunk.extend(self.speakers.mask.to_le_bytes());
            chunk.extend(PCM_GUID);
        }
        chunk
    }

    fn data(&self) -> Option<Vec<u8>> {
        let size = if self.container == Container::Rf64 { u32::MAX.into() } else { self.facts.audio };
        self.chunk_header(*b"data", size)
    }
}
