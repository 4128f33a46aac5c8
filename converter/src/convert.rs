//! The one path from input bytes to FLAC: every way into the converter (files, pipes, uploads, streams, batch
//! workers) ends in [`Conversion`], which does no input or output of its own.
//!
//! [`Conversion`] is fed with bytes, split anywhere, and hands the head and whole frames to an [`Output`].
//! [`Checkpoint`] says where it stands, so that another process can go on with it.
//! [`convert_reader`] drives it from a [`Read`]. Files live in [`crate::file`], containers in [`crate::wav`], what they
//! say beside the audio in [`crate::meta`], frames and metadata blocks in [`crate::flac`].

mod checkpoint;
mod error;
mod head;
mod options;
mod scan;
mod sink;
mod subset;
mod summary;

use std::io::{self, Read};

pub use checkpoint::{CHECKPOINT_BYTES, Checkpoint, CheckpointError};
pub use error::{ConvertError, ErrorClass};
pub use options::{HeadPlace, Input, MetadataOptions, Options, Subset};
pub use scan::Scan;
pub use summary::{Progress, Summary, Warning, md5_text};

pub use crate::flac::{Engine, Level, LevelError, Picture, SpareCores, UnknownEngine, Verify};
pub use crate::meta::Metadata;
pub use crate::wav::{Float, Format, Length, PcmFormat, Rules, ValidBits};

use checkpoint::Origin;
use sink::Sink;

use crate::meta::Collector;
use crate::wav::{Parser, WavError};

/// Where a conversion's bytes go.
///
/// Both methods may block or fail; a failure ends the conversion with [`ConvertError::Output`].
pub trait Output {
    /// Takes the stream marker `fLaC` and all metadata blocks. Called once before any frame, unless the options say
    /// [`HeadPlace::Held`].
    ///
    /// In STREAMINFO the smallest and largest frame, the number of samples and the MD5 are 0 (unknown), since the
    /// head goes out before the audio is known. An output that can seek puts [`Summary::head`] in its place in the end.
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
/// by a few blocks of audio a thread and by the bound on metadata, whatever the input's length and whatever its header
/// claims.
pub struct Conversion {
    source: Source,
    sink: Sink,
    bytes_in: u64,
    failed: bool,
}

/// Where the audio comes from.
enum Source {
    Wav(Box<Parser>),
    /// The whole input is audio.
    Pcm(PcmFormat),
}

impl Conversion {
    /// Starts a conversion.
    pub fn new(options: &Options) -> Self {
        Self::after(None, options)
    }

    /// Starts a conversion of an input that has been looked through before.
    pub fn after(scan: Option<Scan>, options: &Options) -> Self {
        let (source, collector) = match options.input {
            Input::Auto | Input::Wav => {
                let collector = Collector::new(options.metadata.keep, options.metadata.limit);
                (Source::Wav(Box::new(Parser::new(options.rules))), Some(collector))
            }
            Input::Pcm(format) => (Source::Pcm(format), None),
        };
        Self { source, sink: Sink::new(options, collector, scan), bytes_in: 0, failed: false }
    }

    /// Goes on with a conversion from there: one that is fed with the input from [`Checkpoint::bytes_in`] on, and hands out
    /// neither the head nor any frame again. What it tells counts from the stream's start.
    pub fn resume(checkpoint: &Checkpoint) -> Self {
        let source = match &checkpoint.origin {
            Origin::Wav(start) => Source::Wav(Box::new(Parser::resume(start, checkpoint.audio_bytes()))),
            Origin::Pcm(format) => Source::Pcm(*format),
        };
        // An encoder of a shape that FLAC has can be made; else this is as a conversion that has failed.
        let (sink, failed) = match Sink::resume(checkpoint) {
            Ok(sink) => (sink, false),
            Err(_) => (Sink::new(&checkpoint.options, None, None), true),
        };
        Self { source, sink, bytes_in: checkpoint.bytes_in(), failed }
    }

    /// Where the conversion stands, so that another process can go on with it. To be taken between two calls of
    /// [`push`](Self::push).
    ///
    /// None before the audio's format is known, after an error, and where the conversion cannot be gone on with: the head
    /// is not [reserved](HeadPlace::Reserved), all of the input is kept, or several threads have frames under way.
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        let origin = match &self.source {
            _ if self.failed => return None,
            Source::Wav(parser) => Origin::Wav(parser.audio_start()?),
            Source::Pcm(format) => Origin::Pcm(*format),
        };
        self.sink.checkpoint(origin)
    }

    /// Takes the next bytes of the input, of any length, and hands every frame that they complete to `out`.
    ///
    /// After an error the conversion is over: further calls return [`ConvertError::Finished`].
    pub fn push(&mut self, bytes: &[u8], out: &mut dyn Output) -> Result<(), ConvertError> {
        if self.failed {
            return Err(ConvertError::Finished);
        }
        self.bytes_in += bytes.len() as u64;
        let sink = &mut self.sink;
        let result = match &mut self.source {
            Source::Wav(parser) => parser.push(bytes, &mut |piece| sink.take(piece, out)),
            Source::Pcm(format) => sink.begin(Format::from(*format), out).and_then(|()| sink.audio(bytes, out)),
        };
        self.failed = result.is_err();
        result
    }

    /// The audio format, once the input's header has been read.
    pub fn format(&self) -> Option<&Format> {
        self.sink.format()
    }

    /// How far the conversion has come.
    pub fn progress(&self) -> Progress {
        let (samples, bytes_out) = self.sink.progress();
        Progress { bytes_in: self.bytes_in, bytes_out, samples }
    }

    /// Ends the input: encodes the last, shorter block and checks that the input was whole.
    pub fn finish(self, out: &mut dyn Output) -> Result<Summary, ConvertError> {
        if self.failed {
            return Err(ConvertError::Finished);
        }
        let mut sink = self.sink;
        let warnings = match self.source {
            Source::Wav(parser) => parser.finish(&mut |piece| sink.take(piece, out))?,
            Source::Pcm(_) if self.bytes_in == 0 => return Err(WavError::Empty.into()),
            Source::Pcm(_) => Vec::new(),
        };
        sink.finish(self.bytes_in, warnings.into_iter().map(Warning::from).collect(), out)
    }

    /// Feeds the conversion with everything that `reader` yields and ends it, calling `progress` after every piece read.
    ///
    /// A failing reader ends in [`ConvertError::Input`].
    pub fn run(
        mut self,
        mut reader: impl Read,
        out: &mut dyn Output,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Summary, ConvertError> {
        const PIECE: usize = 64 * 1024;
        let mut piece = vec![0; PIECE];
        loop {
            match reader.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => {
                    self.push(piece.get(..count).unwrap_or_default(), out)?;
                    progress(self.progress());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ConvertError::Input(error)),
            }
        }
        drop(piece);
        self.finish(out)
    }
}

/// Converts everything that `reader` yields, calling `progress` after every piece read.
///
/// A failing reader ends in [`ConvertError::Input`].
pub fn convert_reader(
    reader: impl Read,
    out: &mut dyn Output,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Summary, ConvertError> {
    Conversion::new(options).run(reader, out, progress)
}

#[cfg(test)]
mod tests;
