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
pub use options::{Input, Options, PcmFormat};
pub use summary::{Progress, Summary, Warning};

pub use crate::flac::{Level, LevelError};
pub use crate::wav::{Format, Length};

use crate::flac::StreamEncoder;
use crate::wav::{Parser, Piece, WavError};

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

/// Where the audio goes: an encoder as soon as its format is known.
struct Sink {
    level: Level,
    stream: Option<(Format, StreamEncoder)>,
    bytes_out: u64,
}

impl Conversion {
    /// Starts a conversion.
    pub fn new(options: &Options) -> Self {
        Self {
            source: match options.input {
                Input::Auto | Input::Wav => Source::Wav(Box::new(Parser::new(options.length))),
                Input::Pcm(format) => Source::Pcm(format),
            },
            sink: Sink { level: options.level, stream: None, bytes_out: 0 },
            bytes_in: 0,
            failed: false,
        }
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
        self.sink.stream.as_ref().map(|(format, _)| format)
    }

    /// How far the conversion has come.
    pub fn progress(&self) -> Progress {
        Progress {
            bytes_in: self.bytes_in,
            bytes_out: self.sink.bytes_out,
            samples: self.sink.stream.as_ref().map_or(0, |(_, stream)| stream.samples()),
        }
    }

    /// Ends the input: encodes the last, shorter block and checks that the input was whole.
    pub fn finish(self, out: &mut dyn Output) -> Result<Summary, ConvertError> {
        if self.failed {
            return Err(ConvertError::Finished);
        }
        let mut sink = self.sink;
        let mut warnings: Vec<Warning> = Vec::new();
        match self.source {
            Source::Wav(parser) => {
                let found = parser.finish(&mut |piece| sink.take(piece, out))?;
                warnings.extend(found.into_iter().map(Warning::from));
            }
            Source::Pcm(_) if self.bytes_in == 0 => return Err(WavError::Empty.into()),
            Source::Pcm(_) => {}
        }
        let Sink { stream, mut bytes_out, .. } = sink;
        // The parser ends without an error only after the format.
        let (format, stream) = stream.ok_or(ConvertError::Finished)?;
        let told_mask = stream.told_mask();
        let figures = stream.finish(&mut |frame| {
            bytes_out += frame.len() as u64;
            out.frame(frame)
        })?;
        if figures.leftover > 0 {
            warnings.push(Warning::PartialSample { bytes: figures.leftover });
        }
        warnings.extend(told_mask.map(|mask| Warning::MaskOutsideSubset { mask }));
        if !rate_fits_frame_header(format.sample_rate) {
            warnings.push(Warning::RateOutsideSubset { sample_rate: format.sample_rate });
        }
        Ok(Summary {
            format,
            samples: figures.info.total_samples,
            bytes_in: self.bytes_in,
            bytes_out,
            md5: figures.info.md5,
            streaminfo: figures.info.to_bytes(),
            subset: !warnings.iter().any(Warning::leaves_subset),
            warnings,
        })
    }
}

impl Sink {
    fn take(&mut self, piece: Piece<'_>, out: &mut dyn Output) -> Result<(), ConvertError> {
        match piece {
            Piece::Format(format) => self.begin(format, out),
            Piece::Audio(pcm) => self.audio(pcm, out),
        }
    }

    /// Starts the stream, unless it has begun.
    fn begin(&mut self, format: Format, out: &mut dyn Output) -> Result<(), ConvertError> {
        if self.stream.is_some() {
            return Ok(());
        }
        let stream = StreamEncoder::new(&format, self.level)?;
        let head = stream.head();
        self.stream = Some((format, stream));
        self.bytes_out += head.len() as u64;
        out.head(&head).map_err(ConvertError::Output)
    }

    fn audio(&mut self, pcm: &[u8], out: &mut dyn Output) -> Result<(), ConvertError> {
        let (_, stream) = self.stream.as_mut().ok_or(ConvertError::Finished)?;
        let bytes_out = &mut self.bytes_out;
        stream.push(pcm, &mut |frame| {
            *bytes_out += frame.len() as u64;
            out.frame(frame)
        })?;
        Ok(())
    }
}

/// Whether a frame header can tell the rate (RFC 9639 §9.1.2): up to 65,535 Hz any, up to 655,350 Hz in tens.
fn rate_fits_frame_header(rate: u32) -> bool {
    rate <= 65_535 || (rate <= 655_350 && rate.is_multiple_of(10))
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
