//! Foreign metadata: all of a WAV file that is no audio, stored in a FLAC file's APPLICATION blocks so that the very
//! same WAV file can be built again.
//!
//! # Two forms
//!
//! `flac --keep-foreign-metadata` has a form of its own: blocks named `riff` (RIFF and RF64) or `w64 `, one for the
//! file's header, one for each chunk with its header and padding, and of the data chunk the header. When `flac` decodes
//! it, it does not use the stored file header, `ds64`, `fmt ` and data header: it writes its own. So its round trip gives
//! the same file only if the file had exactly what `flac` writes; [`flac_form`] foresees that, and only then is that
//! form used. Everything else is stored in blocks of ours, which `flac` ignores, so that it never builds a wrong file:
//! with them, and only with them, `converter restore` builds the file.
//!
//! # Our blocks
//!
//! APPLICATION blocks with the name [`ID`]. Numbers are little-endian. Each begins with the version, 1, and its part:
//!
//! | part | content |
//! |---|---|
//! | 0 | the identity, in both forms, once and first: 72 bytes, see below |
//! | 1 | the next bytes before the audio (only in our form) |
//! | 2 | the next bytes after the audio (only in our form) |
//!
//! Parts 1 and 2 are split over several blocks if they are longer than one can hold. The identity:
//!
//! | offset | bytes | meaning |
//! |---|---|---|
//! | 0 | 2 | version 1, part 0 |
//! | 2 | 1 | where the other bytes are: 0 in parts 1 and 2; 1 in `riff` blocks; 2 in `w64 ` blocks |
//! | 3 | 1 | 1: the digest is known; 0: it is not |
//! | 4 | 1 | bytes of a sample of one channel in the file (1 to 8) |
//! | 5 | 1 | how they hold FLAC's sample: 0 signed, in the highest bits; 1 with half the range added, in the highest bits; 2 signed, in the lowest bits; 3 with half the range added, in the lowest bits |
//! | 6 | 1 | 0: the lowest byte comes first; 1: the highest |
//! | 7 | 1 | what is above a sample in the lowest bits: 0 its sign; 1 zeros |
//! | 8 | 8 | bytes of the whole file |
//! | 16 | 8 | bytes of the audio: whole samples of every channel |
//! | 24 | 8 | bytes before the audio |
//! | 32 | 8 | bytes after it; a cut-off last sample is among them |
//! | 40 | 32 | SHA-256 of the whole file; zeros if it is not known |

mod flac_form;
mod identity;
mod recorder;

pub(crate) use identity::{Identity, Part, Place};
pub(super) use recorder::Recorder;

use crate::flac::Application;

/// The name of our APPLICATION blocks.
pub const ID: [u8; 4] = *b"FSWV";
/// The name of `flac`'s blocks for RIFF and RF64 files.
pub const RIFF_ID: [u8; 4] = *b"riff";
/// The name of `flac`'s blocks for Wave64 files.
pub const WAVE64_ID: [u8; 4] = *b"w64 ";

/// What it takes to build the same file again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    /// The blocks, in their order.
    pub applications: Vec<Application>,
    /// Whether `flac -d --keep-foreign-metadata` builds the same file too.
    pub by_flac: bool,
    /// The speakers that must be told by a tag ([`crate::flac::mask_tag`]) for that, even where FLAC takes them for
    /// granted.
    pub channel_mask: Option<u32>,
}
