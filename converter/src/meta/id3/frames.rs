//! The frames of an ID3v2 tag, and the text in them. Nothing here recurses or inflates.

use super::super::text::windows_1252;

/// The versions of ID3v2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V2,
    V3,
    V4,
}

impl Version {
    pub fn of(number: u8) -> Option<Self> {
        match number {
            2 => Some(Self::V2),
            3 => Some(Self::V3),
            4 => Some(Self::V4),
            _ => None,
        }
    }
}

/// How a frame's text is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Latin1,
    /// With a byte order mark.
    Utf16,
    Utf16Be,
    Utf8,
}

impl Encoding {
    /// A frame's encoding, which its first byte tells, and what follows.
    pub fn of(body: &[u8]) -> Option<(Self, &[u8])> {
        let (encoding, rest) = body.split_first()?;
        let encoding = match encoding {
            0 => Self::Latin1,
            1 => Self::Utf16,
            2 => Self::Utf16Be,
            3 => Self::Utf8,
            _ => return None,
        };
        Some((encoding, rest))
    }
}

/// A text up to its NUL, and what follows.
pub(super) fn split_text(encoding: Encoding, bytes: &[u8]) -> (String, &[u8]) {
    match encoding {
        Encoding::Latin1 | Encoding::Utf8 => {
            let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            let (text, rest) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
            let utf8 = std::str::from_utf8(text).ok().filter(|_| encoding == Encoding::Utf8 || !text.is_ascii());
            // Latin-1 that is valid UTF-8 beyond ASCII was meant as that.
            (utf8.map_or_else(|| windows_1252(text), str::to_owned), rest.get(1..).unwrap_or_default())
        }
        Encoding::Utf16 | Encoding::Utf16Be => {
            let (units, _) = bytes.as_chunks::<2>();
            let end = units.iter().position(|unit| *unit == [0, 0]).unwrap_or(units.len());
            let text = units.get(..end).unwrap_or_default();
            let rest = bytes.get(end * 2 + 2..).unwrap_or_default();
            (utf16(encoding, text), rest)
        }
    }
}

fn utf16(encoding: Encoding, units: &[[u8; 2]]) -> String {
    let (little, units) = match units.split_first() {
        Some(([0xFF, 0xFE], rest)) => (true, rest),
        Some(([0xFE, 0xFF], rest)) => (false, rest),
        // without a mark: as the encoding says, and writers that forget the mark are of little-endian machines
        _ => (encoding == Encoding::Utf16, units),
    };
    let units = units.iter().map(|unit| if little { u16::from_le_bytes(*unit) } else { u16::from_be_bytes(*unit) });
    char::decode_utf16(units).map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// A size in which each byte has seven bits.
pub(super) fn synchsafe(bytes: [u8; 4]) -> usize {
    bytes.iter().fold(0, |size, byte| size << 7 | usize::from(byte & 0x7F))
}

/// The bytes without the zeros that were put behind each 0xFF.
pub(super) fn resynchronised(bytes: &[u8]) -> Vec<u8> {
    let mut after_ff = false;
    let keep = |byte: &&u8| {
        let dropped = after_ff && **byte == 0;
        after_ff = **byte == 0xFF;
        !dropped
    };
    bytes.iter().filter(keep).copied().collect()
}

/// What follows the extended header. Its size counts itself in version 2.4, and not in 2.3.
pub(super) fn after_extended_header(version: Version, frames: &[u8]) -> &[u8] {
    let Some(size) = frames.first_chunk::<4>() else {
        return &[];
    };
    let size = match version {
        Version::V4 => synchsafe(*size),
        _ => usize::try_from(u32::from_be_bytes(*size)).unwrap_or(usize::MAX).saturating_add(4),
    };
    frames.get(size..).unwrap_or_default()
}

/// Who is told a frame's name, and its body or why that cannot be read.
type Take<'a> = dyn FnMut(&str, Result<&[u8], &'static str>) + 'a;

/// Passes on each frame's name and body, or why the body cannot be read.
pub(super) fn each(version: Version, mut frames: &[u8], take: &mut Take<'_>) {
    loop {
        let header = match version {
            Version::V2 => frames.split_first_chunk::<6>().map(|([a, b, c, size @ ..], rest)| {
                let [s2, s1, s0] = *size;
                (vec![*a, *b, *c], big_endian([0, s2, s1, s0]), 0, rest)
            }),
            _ => frames.split_first_chunk::<10>().map(|([a, b, c, d, s3, s2, s1, s0, _, flags], rest)| {
                let size = [*s3, *s2, *s1, *s0];
                (vec![*a, *b, *c, *d], size_of(version, size, rest), *flags, rest)
            }),
        };
        let Some((id, size, flags, rest)) = header else {
            return;
        };
        // padding, or bytes that are no frame: where the next one begins, nobody can tell
        let Some(id) = std::str::from_utf8(&id).ok().filter(|id| id.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        else {
            return;
        };
        let Some((body, after)) = rest.split_at_checked(size) else {
            return take(id, Err("it is cut off"));
        };
        frames = after;
        match plain_body(version, flags, body) {
            Ok(body) => take(id, Ok(&body)),
            Err(what) => take(id, Err(what)),
        }
    }
}

fn big_endian(size: [u8; 4]) -> usize {
    usize::try_from(u32::from_be_bytes(size)).unwrap_or(usize::MAX)
}

/// A frame's size. In version 2.4 it has seven bits a byte, but old iTunes wrote eight: that one is taken after which
/// another frame, padding or nothing comes.
fn size_of(version: Version, size: [u8; 4], rest: &[u8]) -> usize {
    let plain = big_endian(size);
    if version != Version::V4 {
        return plain;
    }
    let safe = synchsafe(size);
    let plausible = |size: usize| match rest.get(size..) {
        Some([]) => true,
        Some([first, ..]) => *first == 0 || first.is_ascii_uppercase(),
        None => false,
    };
    let eight_bits = size.iter().any(|byte| *byte > 0x7F) || (!plausible(safe) && plausible(plain));
    if eight_bits { plain } else { safe }
}

/// A frame's body without what its flags put before it or did to it.
fn plain_body(version: Version, flags: u8, body: &[u8]) -> Result<std::borrow::Cow<'_, [u8]>, &'static str> {
    let (compressed, encrypted, grouped, unsynchronised, length) = match version {
        Version::V2 => (0, 0, 0, 0, 0),
        Version::V3 => (0x80, 0x40, 0x20, 0, 0),
        Version::V4 => (0x08, 0x04, 0x40, 0x02, 0x01),
    };
    if flags & (compressed | encrypted) != 0 {
        return Err("compressed and encrypted frames are not read");
    }
    let before = usize::from(flags & grouped != 0) + if flags & length == 0 { 0 } else { 4 };
    let body = body.get(before..).unwrap_or_default();
    Ok(if flags & unsynchronised == 0 { body.into() } else { resynchronised(body).into() })
}
