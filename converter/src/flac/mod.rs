//! The FLAC side (RFC 9639): metadata blocks, frames, and the verifier.
//!
//! [`StreamEncoder`] cuts PCM into blocks and keeps STREAMINFO; its `pipeline` has several threads make the frames, in
//! order; a [`FrameEncoder`] makes one frame of one block: `engine` has the encoders behind it, and nothing else knows
//! which one runs; `frame` writes the headers for all of them; `level` says what each compression level asks of them;
//! [`metadata`](mod@metadata) has all that stands before the frames; [`decode`](mod@decode) reads FLAC, and
//! [`verify`](mod@verify) checks with it what was written.

mod bits;
pub mod decode;
mod encode;
mod encoder;
mod engine;
mod frame;
mod kernels;
mod level;
mod md5;
pub mod metadata;
mod pipeline;
mod shape;
mod spare;
mod stream;
mod verify;

pub use encoder::{Block, EncodeError, FrameEncoder};
pub use engine::{Engine, UnknownEngine, frame_encoder};
pub use frame::{tells_depth, tells_rate};
pub use level::{BLOCK_SIZE, Level, LevelError};
pub use metadata::{
    Application, BlockHeader, BlockType, CueSheet, FieldNameError, Fit, Head, HeadParts, LARGEST_BODY, LeftOut, MARKER,
    MAX_CUE_TRACKS, Picture, PictureError, SMALLEST_HEAD, STREAM_INFO_AT, SeekPoint, SeekTable, StreamInfo, build_head,
    check_field_name, mask_tag, mask_to_tell, points_for, seek_table_bytes,
};
pub use shape::Shape;
pub use spare::SpareCores;
pub use stream::{Figures, StreamEncoder, StreamError, StreamOptions};
pub use verify::{Decoded, Verify, decode};

pub(crate) use md5::Digested;
pub(crate) use metadata::MAX_SAMPLES;
pub(crate) use stream::StreamPlace;
