//! The one path from input bytes to FLAC: every way into the converter (files, pipes, uploads, streams, batch
//! workers) ends in [`Conversion`], which does no input or output of its own.
//!
//! [`Conversion`] is fed with bytes, split anywhere, and hands metadata and whole frames to an [`Output`].
//! [`convert_reader`] drives it from a [`Read`]. Files live in [`crate::file`], containers in [`crate::wav`], frames
//! and metadata in [`crate::flac`].

mod error;
mod options;
mod summary;

use std::io::{self, Read};

pub use error::{ConvertError, ErrorClass};
pub use options::{Input, Level, LevelError, Options, PcmFormat};
pub use summary::{Progress, Summary, Warning};

pub use crate::wav::{Format, Length};

/// Where a conversion's bytes go.
///
/// Both methods may block or fail; a failure ends the conversion with [`ConvertError::Output`].
pub trait Output {
    /// Takes the stream marker `fLaC` and all metadata blocks. Called exactly once, before any frame.
    ///
    /// In STREAMINFO the smallest and largest frame, the number of samples and the MD5 are 0 (unknown), since the
    /// head goes out before the audio is known. An output that can seek, or that holds everything back, writes
    /// [`Summary::streaminfo`] over bytes 8..42 in the end.
    fn head(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Takes exactly one whole FLAC frame.
    fn frame(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// An [`Output`] that appends everything to a byte vector.
impl Output for Vec<u8> {
    fn head(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.extend_from_slice(bytes);
        Ok(())
    }

    fn frame(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.extend_from_slice(bytes);
        Ok(())
    }
}

/// One input on its way to FLAC.
///
/// However the input is split over calls of [`push`](Self::push), the output bytes are the same. Memory is bounded
/// by one block of audio (4096 samples) whatever the input's length and whatever its header claims.
pub struct Conversion {
    format: Option<Format>,
    progress: Progress,
}

impl Conversion {
    /// Starts a conversion.
    pub fn new(_options: &Options) -> Self {
        Self {
            format: None,
            progress: Progress::default(),
        }
    }

    /// Takes the next bytes of the input, of any length, and hands every frame that they complete to `out`.
    ///
    /// After an error the conversion is over: further calls return [`ConvertError::Finished`].
    pub fn push(&mut self, bytes: &[u8], _out: &mut dyn Output) -> Result<(), ConvertError> {
        self.progress.bytes_in += bytes.len() as u64;
        Err(ConvertError::Finished)
    }

    /// The audio format, once the input's header has been read.
    pub fn format(&self) -> Option<&Format> {
        self.format.as_ref()
    }

    /// How far the conversion has come.
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// Ends the input: encodes the last, shorter block and checks that the input was whole.
    pub fn finish(self, _out: &mut dyn Output) -> Result<Summary, ConvertError> {
        Err(ConvertError::Finished)
    }
}

/// Converts everything that `reader` yields, calling `progress` after every piece read.
///
/// A failing reader ends in [`ConvertError::Input`].
pub fn convert_reader(
    mut reader: impl Read,
    out: &mut dyn Output,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Summary, ConvertError> {
    const PIECE: usize = 256 * 1024;
    let mut piece = vec![0; PIECE];
    let mut conversion = Conversion::new(options);
    loop {
        match reader.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => {
                conversion.push(piece.get(..count).unwrap_or_default(), out)?;
                progress(conversion.progress());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ConvertError::Input(error)),
        }
    }
    conversion.finish(out)
}
