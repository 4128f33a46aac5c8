//! The FLAC side (RFC 9639): metadata blocks, frames, and the verifier.
//!
//! [`StreamEncoder`] cuts PCM into blocks and keeps STREAMINFO; a [`FrameEncoder`] makes one frame of one block, and
//! is the only place that knows a particular encoder; [`level`] says what each compression level asks of it;
//! [`verify`](mod@verify) decodes what was written.

mod encoder;
mod engine;
mod level;
mod metadata;
mod shape;
mod stream;
mod verify;

pub use encoder::{Block, EncodeError, FrameEncoder};
pub use engine::FlacencEncoder;
pub use level::{BLOCK_SIZE, Level, LevelError};
pub use metadata::{
    Application, BlockHeader, BlockType, CueSheet, FieldNameError, Fit, Head, HeadParts, LARGEST_BODY, LeftOut, MARKER,
    MAX_CUE_TRACKS, Picture, PictureError, SMALLEST_HEAD, STREAM_INFO_AT, SeekPoint, SeekTable, StreamInfo, build_head,
    check_field_name, head, mask_tag, mask_to_tell, points_for,
};
pub use shape::Shape;
pub use stream::{Figures, StreamEncoder, StreamError};
pub use verify::{Decoded, VerifyError, decode};
