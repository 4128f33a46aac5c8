//! What every metadata block has: a header of its type and length (RFC 9639 §8.1).

/// The stream marker (RFC 9639 §6).
pub const MARKER: [u8; 4] = *b"fLaC";
/// The most bytes that a block's body can have: its length is told in 24 bits.
pub const LARGEST_BODY: usize = (1 << 24) - 1;
/// Bytes of a block's header.
pub(super) const HEADER: usize = 4;
/// The bit of a block's header that marks the last one.
const LAST_BLOCK: u8 = 0x80;

/// The types of metadata blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockType {
    /// The stream's shape, counts and MD5; always first.
    StreamInfo,
    /// Bytes that mean nothing.
    Padding,
    /// Bytes of another program.
    Application,
    /// Where some frames begin.
    SeekTable,
    /// The tags.
    VorbisComment,
    /// Tracks or cue points.
    CueSheet,
    /// A picture.
    Picture,
    /// A type that RFC 9639 leaves open.
    Other(u8),
}

impl BlockType {
    /// The type's number.
    pub fn number(self) -> u8 {
        match self {
            Self::StreamInfo => 0,
            Self::Padding => 1,
            Self::Application => 2,
            Self::SeekTable => 3,
            Self::VorbisComment => 4,
            Self::CueSheet => 5,
            Self::Picture => 6,
            Self::Other(number) => number,
        }
    }

    /// The type of a number.
    pub fn of(number: u8) -> Self {
        match number {
            0 => Self::StreamInfo,
            1 => Self::Padding,
            2 => Self::Application,
            3 => Self::SeekTable,
            4 => Self::VorbisComment,
            5 => Self::CueSheet,
            6 => Self::Picture,
            other => Self::Other(other),
        }
    }
}

/// A block's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockHeader {
    /// The block's type.
    pub kind: BlockType,
    /// Whether frames follow, and no other block.
    pub last: bool,
    /// Bytes of its body.
    pub length: u32,
}

impl BlockHeader {
    /// Reads the four bytes of a header.
    pub fn read(bytes: [u8; 4]) -> Self {
        let [kind, size2, size1, size0] = bytes;
        Self {
            kind: BlockType::of(kind & !LAST_BLOCK),
            last: kind & LAST_BLOCK != 0,
            length: u32::from_be_bytes([0, size2, size1, size0]),
        }
    }

    /// The four bytes of the header.
    pub fn to_bytes(self) -> [u8; 4] {
        let [_, size2, size1, size0] = self.length.to_be_bytes();
        [self.kind.number() | if self.last { LAST_BLOCK } else { 0 }, size2, size1, size0]
    }
}

/// A length as the formats here write it. Whoever writes more than four billion bytes of metadata has been refused
/// long before.
pub(super) fn length32(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_written() {
        for kind in 0..=126 {
            for (last, length) in [(false, 0), (true, 34), (false, 0x0012_3456), (true, 0x00FF_FFFF)] {
                let header = BlockHeader { kind: BlockType::of(kind), last, length };
                assert_eq!(BlockHeader::read(header.to_bytes()), header);
            }
        }
        assert_eq!(
            BlockHeader { kind: BlockType::VorbisComment, last: true, length: 0x0001_0203 }.to_bytes(),
            [0x84, 1, 2, 3]
        );
    }
}
