//! Our APPLICATION blocks, written and read. [`super`] has their layout.

use super::super::text::Fields;
use super::ID;
use crate::flac::Application;
use crate::wav::{Encoding, Endian, Kind, Packing, Spare};

/// The version of the layout.
const VERSION: u8 = 1;
/// Version and part.
const PREFIX: usize = 2;

/// Where the bytes are that are no audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Own,
    Riff,
    Wave64,
}

/// What a block of ours holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    Identity(Identity),
    Before(&'a [u8]),
    After(&'a [u8]),
    /// Of a later version of this program.
    Unknown,
}

/// The file that is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub place: Place,
    /// How its bytes hold FLAC's samples; the bits of a sample are not stored, STREAMINFO has them.
    pub packing: Packing,
    /// Bytes of the whole file.
    pub length: u64,
    /// Bytes of the audio: whole samples of every channel.
    pub audio: u64,
    /// Bytes before the audio.
    pub before: u64,
    /// Bytes after it.
    pub after: u64,
    /// SHA-256 of the whole file, if it is known.
    pub digest: Option<[u8; 32]>,
}

impl Identity {
    pub fn to_block(self) -> Application {
        let Encoding { container_bytes, kind, endian } = self.packing.encoding;
        let mut data = vec![VERSION, 0];
        data.push(match self.place {
            Place::Own => 0,
            Place::Riff => 1,
            Place::Wave64 => 2,
        });
        data.push(self.digest.is_some().into());
        data.push(container_bytes);
        data.push(match kind {
            // floating point never gets here
            Kind::Signed | Kind::Float => 0,
            Kind::Unsigned => 1,
            Kind::SignedLow => 2,
            Kind::UnsignedLow => 3,
        });
        data.push((endian == Endian::Big).into());
        data.push((self.packing.spare == Spare::Zero).into());
        for number in [self.length, self.audio, self.before, self.after] {
            data.extend(number.to_le_bytes());
        }
        data.extend(self.digest.unwrap_or_default());
        Application { id: ID, data }
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let [place, known, container_bytes @ 1..=8, kind, endian, spare] = fields.array()? else {
            return None;
        };
        let mut number = || fields.array().map(u64::from_le_bytes);
        let (length, audio, before, after) = (number()?, number()?, number()?, number()?);
        let digest = fields.array()?;
        Some(Self {
            place: match place {
                0 => Place::Own,
                1 => Place::Riff,
                2 => Place::Wave64,
                _ => return None,
            },
            packing: Packing {
                encoding: Encoding {
                    container_bytes,
                    kind: match kind {
                        0 => Kind::Signed,
                        1 => Kind::Unsigned,
                        2 => Kind::SignedLow,
                        3 => Kind::UnsignedLow,
                        _ => return None,
                    },
                    endian: if endian == 0 { Endian::Little } else { Endian::Big },
                },
                spare: if spare == 0 { Spare::Sign } else { Spare::Zero },
            },
            length,
            audio,
            before,
            after,
            digest: (known == 1).then_some(digest),
        })
    }
}

impl<'a> Part<'a> {
    /// Reads the data of a block of ours; none if it makes no sense.
    pub fn read(data: &'a [u8]) -> Option<Self> {
        match data.split_first_chunk()? {
            ([VERSION, 0], bytes) => Identity::read(bytes).map(Part::Identity),
            ([VERSION, 1], bytes) => Some(Part::Before(bytes)),
            ([VERSION, 2], bytes) => Some(Part::After(bytes)),
            _ => Some(Part::Unknown),
        }
    }
}

/// The bytes before and after the audio as blocks.
pub(super) fn to_blocks(before: &[u8], after: [&[u8]; 2], blocks: &mut Vec<Application>) {
    for (part, bytes) in [(1, before), (2, after[0]), (2, after[1])] {
        for bytes in bytes.chunks(Application::MAX_DATA - PREFIX) {
            let mut data = Vec::with_capacity(bytes.len() + PREFIX);
            data.extend([VERSION, part]);
            data.extend(bytes);
            blocks.push(Application { id: ID, data });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn identities_are_read_as_written() {
        for (place, kind, endian, spare, digest) in [
            (Place::Own, Kind::Signed, Endian::Little, Spare::Sign, None),
            (Place::Riff, Kind::Unsigned, Endian::Big, Spare::Zero, Some([7; 32])),
            (Place::Wave64, Kind::SignedLow, Endian::Little, Spare::Zero, Some([0; 32])),
            (Place::Own, Kind::UnsignedLow, Endian::Big, Spare::Sign, Some([1; 32])),
        ] {
            let encoding = Encoding { container_bytes: 4, kind, endian };
            let packing = Packing { encoding, spare };
            let identity = Identity { place, packing, length: 1 << 40, audio: 1 << 39, before: 44, after: 3, digest };
            let block = identity.to_block();
            assert_eq!((block.id, block.data.len()), (ID, 72));
            assert_eq!(Part::read(&block.data), Some(Part::Identity(identity)));
            assert_eq!(Part::read(&block.data[..71]), None);
        }
        assert_eq!(Part::read(&[2, 0, 1]), Some(Part::Unknown));
        assert_eq!(Part::read(&[1]), None);
    }

    #[test]
    fn long_parts_become_several_blocks() {
        let mut blocks = Vec::new();
        let before = vec![5; Application::MAX_DATA];
        to_blocks(&before, [b"a", b"b"], &mut blocks);
        assert_eq!(blocks.iter().map(|block| block.data.len()).collect::<Vec<_>>(), [Application::MAX_DATA, 4, 3, 3]);
        assert_eq!(Part::read(&blocks[1].data), Some(Part::Before(&[5, 5])));
        assert_eq!(Part::read(&blocks[3].data), Some(Part::After(b"b")));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(data in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Part::read(&data);
            let _ = Part::read(&[&[1, 0], &data[..]].concat());
        }
    }
}
