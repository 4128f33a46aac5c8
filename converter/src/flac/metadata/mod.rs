//! Metadata blocks (RFC 9639 §8): what stands between the marker and the first frame.
//!
//! One module a block type, each from plain values to the block's body; [`build_head`] puts the blocks together and
//! makes them fit a given room. What the values are is the business of [`crate::meta`] and of the conversion.

mod application;
mod block;
mod comment;
mod cuesheet;
mod head;
mod image;
mod picture;
mod seektable;
mod streaminfo;

pub use application::Application;
pub use block::{BlockHeader, BlockType, LARGEST_BODY, MARKER};
pub use comment::{FieldNameError, check_field_name};
pub use cuesheet::{CueSheet, MAX_CUE_TRACKS};
pub use head::{Fit, Head, HeadParts, LeftOut, SMALLEST_HEAD, build_head};
pub use picture::{Picture, PictureError};
pub use seektable::{SeekPoint, SeekTable, points_for, seek_table_bytes};
pub(crate) use streaminfo::MAX_SAMPLES;
pub use streaminfo::{STREAM_INFO_AT, StreamInfo, mask_tag, mask_to_tell};
