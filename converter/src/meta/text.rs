//! Text of unknown encoding, and fields one after the other.

/// What bytes 0x80 to 0x9F mean in Windows-1252 (as WHATWG's Encoding Standard has it).
const WINDOWS_1252: [char; 32] = [
    '\u{20AC}', '\u{81}', '\u{201A}', '\u{192}', '\u{201E}', '\u{2026}', '\u{2020}', '\u{2021}', '\u{2C6}', '\u{2030}',
    '\u{160}', '\u{2039}', '\u{152}', '\u{8D}', '\u{17D}', '\u{8F}', '\u{90}', '\u{2018}', '\u{2019}', '\u{201C}',
    '\u{201D}', '\u{2022}', '\u{2013}', '\u{2014}', '\u{2DC}', '\u{2122}', '\u{161}', '\u{203A}', '\u{153}', '\u{9D}',
    '\u{17E}', '\u{178}',
];

/// A text of RIFF, which never says its encoding: UTF-8 if it is valid as that, else Windows-1252. It ends at its first
/// NUL, behind which writers leave what happened to be there; white space at its end is cut.
pub(super) fn decode_text(bytes: &[u8]) -> String {
    let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    let text = std::str::from_utf8(bytes).map_or_else(|_| windows_1252(bytes), str::to_owned);
    text.trim_end().to_owned()
}

/// A text of Windows-1252, of which ISO 8859-1 is all but the control characters.
pub(super) fn windows_1252(bytes: &[u8]) -> String {
    let letter = |byte: &u8| match byte {
        0x80..=0x9F => WINDOWS_1252.get(usize::from(byte - 0x80)).copied().unwrap_or(char::REPLACEMENT_CHARACTER),
        other => char::from(*other),
    };
    bytes.iter().map(letter).collect()
}

/// Fields one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    /// The next bytes, as many as the array has.
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    /// The next bytes; fewer if there are not so many.
    pub fn up_to(&mut self, bytes: usize) -> &'a [u8] {
        let (field, rest) = self.0.split_at_checked(bytes).unwrap_or((self.0, &[]));
        self.0 = rest;
        field
    }

    /// The next four bytes as a little-endian number.
    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// The next chunk inside a chunk: its name, and its body as far as it is there. The zero byte after an odd length
    /// is missing in some files.
    pub fn sub_chunk(&mut self) -> Option<([u8; 4], &'a [u8])> {
        let name = self.array()?;
        let size = self.u32()?;
        let body = self.up_to(usize::try_from(size).unwrap_or(usize::MAX));
        if size % 2 == 1 && self.0.first() == Some(&0) {
            self.up_to(1);
        }
        Some((name, body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_utf8_or_else_windows_1252() {
        for (bytes, text) in [
            (&b"plain\0\0"[..], "plain"),
            (b"f\xC3\xBCr \0junk", "f\u{fc}r"),
            (b"f\xFCr", "f\u{fc}r"),
            (b"\x80 5 \x96 \x93a\x94\r\n", "\u{20ac} 5 \u{2013} \u{201c}a\u{201d}"),
            (b"", ""),
            (b"\0", ""),
        ] {
            assert_eq!(decode_text(bytes), text);
        }
    }

    #[test]
    fn chunks_inside_chunks_may_lack_their_pad_byte_and_their_end() {
        let mut fields = Fields(b"AAAA\x01\0\0\0x\0BBBB\x01\0\0\0yCCCC\xFF\xFF\xFF\xFFzz");
        assert_eq!(fields.sub_chunk(), Some((*b"AAAA", &b"x"[..])));
        assert_eq!(fields.sub_chunk(), Some((*b"BBBB", &b"y"[..])));
        assert_eq!(fields.sub_chunk(), Some((*b"CCCC", &b"zz"[..])));
        assert_eq!(fields.sub_chunk(), None);
    }
}
