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
use std::num::NonZeroUsize;

pub use error::{ConvertError, ErrorClass};
pub use options::{Input, Justify, Options, PcmFormat, Sign};
pub use summary::{Progress, Summary, Warning};

pub use crate::flac::{Level, LevelError};
pub use crate::wav::{Format, Length};

use crate::flac::{BLOCK_SIZE, Shape, StreamEncoder, StreamInfo, StreamOptions, Verify, head, mask_to_tell};
use crate::wav::{Parser, Piece, Rules, Unpacker, WavError};

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
    stream: Option<Stream>,
    bytes_out: u64,
}

/// The audio on its way, once its format is known.
struct Stream {
    format: Format,
    unpacker: Unpacker,
    encoder: StreamEncoder,
    /// Samples on their way from the unpacker to the encoder.
    samples: Vec<u8>,
}

impl Conversion {
    /// Starts a conversion.
    pub fn new(options: &Options) -> Self {
        Self {
            source: match options.input {
                Input::Auto | Input::Wav => {
                    Source::Wav(Box::new(Parser::new(Rules { length: options.length, ..Rules::default() })))
                }
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
        self.sink.stream.as_ref().map(|stream| &stream.format)
    }

    /// How far the conversion has come.
    pub fn progress(&self) -> Progress {
        Progress {
            bytes_in: self.bytes_in,
            bytes_out: self.sink.bytes_out,
            samples: self.sink.stream.as_ref().map_or(0, |stream| stream.encoder.samples()),
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
        let Stream { format, encoder, unpacker, .. } = stream.ok_or(ConvertError::Finished)?;
        warnings.extend(unpacker.warnings().into_iter().map(Warning::from));
        let told_mask = mask_to_tell(format.channels, format.channel_mask);
        let figures = encoder.finish(&mut |frame| {
            bytes_out += frame.len() as u64;
            out.frame(frame)
        })?;
        let leftover = unpacker.leftover().len() as u64;
        if leftover > 0 {
            warnings.push(Warning::PartialSample { bytes: leftover });
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
            _ => Ok(()),
        }
    }

    /// Starts the stream, unless it has begun.
    fn begin(&mut self, format: Format, out: &mut dyn Output) -> Result<(), ConvertError> {
        if self.stream.is_some() {
            return Ok(());
        }
        // Until the engines take every size.
        if !matches!(format.bits_per_sample, 8 | 16 | 24) {
            let what = format!("samples of {} bits", format.bits_per_sample);
            return Err(WavError::UnsupportedBits { what }.into());
        }
        let shape = Shape {
            channels: format.channels,
            sample_rate: format.sample_rate,
            bits_per_sample: format.bits_per_sample,
            block_size: BLOCK_SIZE,
        };
        let mask = mask_to_tell(format.channels, format.channel_mask);
        let head = head(&StreamInfo::of_unknown_length(shape), mask);
        let options = StreamOptions { level: self.level, threads: NonZeroUsize::MIN, verify: Verify::No };
        let encoder = StreamEncoder::new(shape, &options)?;
        self.stream = Some(Stream { format, unpacker: Unpacker::new(&format), encoder, samples: Vec::new() });
        self.bytes_out += head.len() as u64;
        out.head(&head).map_err(ConvertError::Output)
    }

    fn audio(&mut self, pcm: &[u8], out: &mut dyn Output) -> Result<(), ConvertError> {
        let stream = self.stream.as_mut().ok_or(ConvertError::Finished)?;
        let bytes_out = &mut self.bytes_out;
        stream.samples.clear();
        stream.unpacker.unpack(pcm, &mut stream.samples)?;
        stream.encoder.push(&stream.samples, &mut |frame| {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::{Wav, music, wav_pcm};

    fn options(length: Length) -> Options {
        Options { length, ..Options::default() }
    }

    #[test]
    fn a_conversion_can_move_between_threads() {
        fn assert_send<T: Send>() {}
        assert_send::<Conversion>();
        assert_send::<ConvertError>();
    }

    #[test]
    fn every_split_gives_the_same_bytes() {
        let pcm = wav_pcm(&music(10_000, 2, 16, 1), 16);
        let file =
            Wav::new().fmt(2, 44_100, 16).chunk(b"LIST", b"odd").chunk(b"data", &pcm).chunk(b"id3 ", b"x").build();
        let mut whole = Vec::new();
        let summary = convert_reader(file.as_slice(), &mut whole, &Options::default(), &mut |_| {}).unwrap();
        assert_eq!(whole.len() as u64, summary.bytes_out);
        for size in [1, 2, 3, 7, 1000, 4096, 16_384, 40_000] {
            let mut conversion = Conversion::new(&Options::default());
            let mut out = Vec::new();
            for piece in file.chunks(size) {
                conversion.push(piece, &mut out).unwrap();
                conversion.push(&[], &mut out).unwrap();
            }
            assert_eq!(conversion.finish(&mut out).unwrap(), summary, "pieces of {size}");
            assert_eq!(out, whole, "pieces of {size}");
        }
    }

    #[test]
    fn format_and_frames_come_as_soon_as_they_can() {
        let mut conversion = Conversion::new(&Options::default());
        let mut out = Vec::new();
        let header = Wav::new().fmt(1, 48_000, 16).head(b"data", u32::MAX).build();
        conversion.push(&header[..header.len() - 1], &mut out).unwrap();
        assert_eq!((conversion.format(), out.len()), (None, 0));
        conversion.push(&header[header.len() - 1..], &mut out).unwrap();
        assert_eq!(conversion.format().unwrap().sample_rate, 48_000);
        let head = out.len();
        assert!(out.starts_with(b"fLaC"));
        conversion.push(&[1; 8191], &mut out).unwrap();
        assert_eq!(out.len(), head, "a block is not full");
        conversion.push(&[1; 1], &mut out).unwrap();
        assert!(out.len() > head, "the frame comes with the block's last byte");
        let progress = conversion.progress();
        assert_eq!(progress, Progress { bytes_in: 44 + 8192, bytes_out: out.len() as u64, samples: 4096 });
    }

    #[test]
    fn the_head_of_a_pipe_tells_nothing_that_is_only_claimed() {
        let file = Wav::pcm(2, 44_100, 16, &[0; 4000]);
        let mut out = Vec::new();
        let summary = convert_reader(file.as_slice(), &mut out, &Options::default(), &mut |_| {}).unwrap();
        assert_eq!(summary.samples, 1000);
        let told = &out[crate::flac::STREAM_INFO_AT];
        assert_eq!(told[4..10], [0; 6], "frame sizes");
        assert_eq!(told[14..], [0; 20], "total samples and MD5");
        assert_eq!(told[..4], summary.streaminfo[..4], "block sizes");
    }

    #[test]
    fn after_an_error_the_conversion_is_over() {
        let mut conversion = Conversion::new(&Options::default());
        let mut out = Vec::new();
        assert_eq!(conversion.push(b"no wav at all", &mut out).unwrap_err().code(), "not_wav");
        assert!(matches!(conversion.push(b"RIFF", &mut out), Err(ConvertError::Finished)));
        assert!(matches!(conversion.finish(&mut out), Err(ConvertError::Finished)));
        assert!(out.is_empty());
    }

    #[test]
    fn raw_pcm_is_what_the_same_wav_is() {
        for bits in [8_u16, 16, 24] {
            let pcm = wav_pcm(&music(5000, 2, bits.into(), 2), bits.into());
            let mut from_wav = Vec::new();
            let wav = Wav::pcm(2, 44_100, bits, &pcm);
            convert_reader(wav.as_slice(), &mut from_wav, &Options::default(), &mut |_| {}).unwrap();
            let mut raw = Vec::new();
            let input = Input::Pcm(PcmFormat::new(44_100, 2, bits).unwrap());
            let options = Options { input, ..Options::default() };
            let summary = convert_reader(pcm.as_slice(), &mut raw, &options, &mut |_| {}).unwrap();
            assert_eq!(raw, from_wav);
            assert_eq!(summary.samples, 5000);
            let empty = convert_reader([].as_slice(), &mut raw, &options, &mut |_| {}).unwrap_err();
            assert_eq!(empty.code(), "empty_input");
        }
        assert_eq!(PcmFormat::new(44_100, 9, 16).unwrap_err().code(), "unsupported_channels");
        assert_eq!(PcmFormat::new(0, 1, 16).unwrap_err().code(), "unsupported_rate");
        assert_eq!(PcmFormat::new(44_100, 1, 33).unwrap_err().code(), "unsupported_bits");
    }

    #[test]
    fn warnings_and_subset() {
        let codes = |file: &[u8], length| {
            let summary = convert_reader(file, &mut Vec::new(), &options(length), &mut |_| {}).unwrap();
            (summary.warnings.iter().map(Warning::code).collect::<Vec<_>>(), summary.subset)
        };
        let plain = Wav::pcm(1, 44_100, 16, &[0; 100]);
        assert_eq!(codes(&plain, Length::Auto), (vec![], true));
        let odd = Wav::pcm(1, 44_100, 16, &[0; 101]);
        assert_eq!(codes(&odd, Length::Auto), (vec!["partial_sample"], true));
        let fast = Wav::pcm(1, 700_000, 16, &[0; 100]);
        assert_eq!(codes(&fast, Length::Auto), (vec!["rate_outside_subset"], false));
        let tens = Wav::pcm(1, 384_000, 16, &[0; 100]);
        assert_eq!(codes(&tens, Length::Auto), (vec![], true));
        let mask = Wav::new().extensible(4, 44_100, 16, 0x107).chunk(b"data", &[0; 80]).build();
        assert_eq!(codes(&mask, Length::Auto), (vec!["mask_outside_subset"], false));
        let longer = Wav::new().fmt(1, 44_100, 16).head(b"data", 50).raw(&[0; 100]).build();
        assert_eq!(codes(&longer, Length::Header), (vec!["ignored_bytes"], true));
        assert_eq!(codes(&longer, Length::Eof), (vec![], true));
    }

    #[test]
    fn failing_readers_and_outputs_are_told_apart() {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("cable pulled"))
            }
        }
        impl Output for Failing {
            fn head(&mut self, _: &[u8]) -> io::Result<()> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn frame(&mut self, _: &[u8]) -> io::Result<()> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
        }
        let error = convert_reader(Failing, &mut Vec::new(), &Options::default(), &mut |_| {}).unwrap_err();
        assert_eq!((error.code(), error.class()), ("input", ErrorClass::Input));
        assert!(error.to_string().contains("cable pulled"));
        let file = Wav::pcm(1, 44_100, 16, &[0; 100]);
        let error = convert_reader(file.as_slice(), &mut Failing, &Options::default(), &mut |_| {}).unwrap_err();
        assert_eq!((error.code(), error.class()), ("output", ErrorClass::Output));
    }

    #[test]
    fn classes_follow_codes() {
        for (file, code, class) in [
            (vec![], "empty_input", ErrorClass::Malformed),
            (b"RIFF".to_vec(), "truncated_header", ErrorClass::Malformed),
            (b"hello, world!".to_vec(), "not_wav", ErrorClass::NotWav),
            (b"RIFX\0\0\0\0WAVE".to_vec(), "unsupported_encoding", ErrorClass::Unsupported),
            (Wav::pcm(9, 44_100, 16, &[]), "unsupported_channels", ErrorClass::Unsupported),
            (Wav::pcm(1, 0, 16, &[]), "unsupported_rate", ErrorClass::Unsupported),
            (Wav::pcm(1, 44_100, 32, &[]), "unsupported_bits", ErrorClass::Unsupported),
            (Wav::new().head(b"data", 0).build(), "contradicting_header", ErrorClass::Contradiction),
        ] {
            let error = convert_reader(file.as_slice(), &mut Vec::new(), &Options::default(), &mut |_| {}).unwrap_err();
            assert_eq!((error.code(), error.class()), (code, class), "{error}");
        }
    }
}
