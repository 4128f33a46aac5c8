//! Where the parser's pieces go: everything to the metadata's collector, the audio to the encoder as soon as its format
//! is known.

use super::checkpoint::{self, Checkpoint, Kept, LONGEST_HEAD, Origin, SEEK_POINTS};
use super::error::ConvertError;
use super::options::{HeadPlace, Options, Subset};
use super::scan::Scan;
use super::summary::{Summary, Warning};
use super::{Output, head, subset};
use crate::flac::{EncodeError, LeftOut, Shape, StreamEncoder, StreamInfo, StreamOptions};
use crate::meta::{Collected, Collector, Metadata};
use crate::wav::{Format, Kind, Piece, Unpacker};

pub(super) struct Sink {
    options: Options,
    scan: Option<Scan>,
    collector: Option<Collector>,
    stream: Option<Stream>,
    bytes_out: u64,
}

/// The audio on its way, once its format is known.
struct Stream {
    format: Format,
    unpacker: Unpacker,
    encoder: StreamEncoder,
    /// Bytes of the head that went out, and how many they are. Only one that is final is kept.
    head_sent: Vec<u8>,
    head_bytes: usize,
    /// The metadata that it told, where it is final.
    told: Collected,
    /// What of the beginning goes with a checkpoint, where there are any.
    kept: Option<Kept>,
    /// What did not go with the checkpoint from which the stream goes on.
    lost: Vec<LeftOut>,
}

impl Sink {
    /// A sink for a WAV file, or without a collector for headerless audio.
    pub fn new(options: &Options, collector: Option<Collector>, scan: Option<Scan>) -> Self {
        Self { options: options.clone(), scan, collector, stream: None, bytes_out: 0 }
    }

    /// A sink that goes on from a checkpoint.
    pub fn resume(checkpoint: &Checkpoint) -> Result<Self, EncodeError> {
        let Checkpoint { options, origin, head_bytes, stream, tally, kept } = checkpoint;
        let format = checkpoint.format();
        let collector = match origin {
            Origin::Wav(_) => Some(Collector::resume(&kept.said, &format, options.metadata.limit)),
            Origin::Pcm(_) => None,
        };
        let unpacker = Unpacker::new(&format).in_blocks(options.block_size).after(stream.samples, *tally);
        let stream = Stream {
            format,
            unpacker,
            encoder: StreamEncoder::resume(checkpoint.shape(), &stream_options(options), stream)?,
            head_sent: Vec::new(),
            head_bytes: *head_bytes,
            told: Collected::default(),
            lost: kept.left_out.clone(),
            kept: Some(kept.clone()),
        };
        let mut sink = Self::new(options, collector, None);
        sink.bytes_out = checkpoint.bytes_out();
        sink.stream = Some(stream);
        Ok(sink)
    }

    /// Where the stream stands.
    pub fn checkpoint(&self, origin: Origin) -> Option<Checkpoint> {
        let Stream { unpacker, encoder, head_bytes, kept, .. } = self.stream.as_ref()?;
        let kept = kept.as_ref().filter(|_| *head_bytes <= LONGEST_HEAD)?.clone();
        let stream = encoder.place(SEEK_POINTS)?;
        let thinned = stream.seek_table.points().len() < encoder.seek_points();
        let kept = if thinned { kept.without(&[LeftOut::SeekTable]) } else { kept };
        let options = checkpoint::options_of(&self.options, &origin, &kept);
        Some(Checkpoint { options, origin, head_bytes: *head_bytes, stream, tally: unpacker.tally(), kept })
    }

    pub fn format(&self) -> Option<&Format> {
        self.stream.as_ref().map(|stream| &stream.format)
    }

    /// Samples per channel in the frames handed out, and bytes handed out.
    pub fn progress(&self) -> (u64, u64) {
        (self.stream.as_ref().map_or(0, |stream| stream.encoder.samples()), self.bytes_out)
    }

    pub fn take(&mut self, piece: Piece<'_>, out: &mut dyn Output) -> Result<(), ConvertError> {
        if let Some(collector) = &mut self.collector {
            collector.take(&piece)?;
        }
        match piece {
            Piece::Format(format) => self.begin(format, out),
            Piece::Audio(pcm) => self.audio(pcm, out),
            _ => Ok(()),
        }
    }

    /// Starts the stream, unless it has begun.
    pub fn begin(&mut self, format: Format, out: &mut dyn Output) -> Result<(), ConvertError> {
        if self.stream.is_some() {
            return Ok(());
        }
        let options = &self.options;
        if options.subset == Subset::Strict
            && let Some(reason) = subset::reasons(&format, options.block_size).into_iter().next()
        {
            return Err(ConvertError::OutsideSubset(reason));
        }
        let scan = self.scan.take();
        if options.metadata.keep == Metadata::Foreign && options.head == HeadPlace::Final && scan.is_none() {
            return Err(ConvertError::ForeignNeedsFile);
        }
        let shape = Shape {
            channels: format.channels,
            sample_rate: format.sample_rate,
            bits_per_sample: format.bits_per_sample,
            block_size: options.block_size,
        };
        let encoder = StreamEncoder::new(shape, &stream_options(options))?;
        let known = match &scan {
            Some(scan) => scan.collected.clone(),
            None => self.collector.as_ref().map(Collector::so_far).unwrap_or_default(),
        };
        let head_sent = if options.head == HeadPlace::Held {
            Vec::new()
        } else {
            head::first(options, &format, StreamInfo::of_unknown_length(shape), &known, scan.as_ref())
        };
        self.bytes_out += head_sent.len() as u64;
        if !head_sent.is_empty() {
            out.head(&head_sent).map_err(ConvertError::Output)?;
        }
        let head_bytes = head_sent.len();
        let (head_sent, told) =
            if options.head == HeadPlace::Final { (head_sent, known) } else { (Vec::new(), Collected::default()) };
        let kept = checkpoint::can_be_resumed(options).then(|| Kept::of(self.collector.as_ref(), &options.metadata));
        let unpacker = Unpacker::new(&format).in_blocks(options.block_size);
        let lost = Vec::new();
        self.stream = Some(Stream { format, unpacker, encoder, head_sent, head_bytes, told, kept, lost });
        Ok(())
    }

    pub fn audio(&mut self, pcm: &[u8], out: &mut dyn Output) -> Result<(), ConvertError> {
        let Some(Stream { unpacker, encoder, .. }) = &mut self.stream else { return Err(ConvertError::Finished) };
        let bytes_out = &mut self.bytes_out;
        let mut take = |frame: &[u8]| {
            *bytes_out += frame.len() as u64;
            out.frame(frame)
        };
        unpacker.pass(pcm, &mut |samples| encoder.push(samples, &mut take).map_err(ConvertError::from))
    }

    /// Encodes the last block and tells everything; `warnings` are those that the parser had.
    pub fn finish(
        self,
        bytes_in: u64,
        mut warnings: Vec<Warning>,
        out: &mut dyn Output,
    ) -> Result<Summary, ConvertError> {
        let Self { options, collector, stream, mut bytes_out, .. } = self;
        // The parser ends without an error only after the format.
        let stream = stream.ok_or(ConvertError::Finished)?;
        let Stream { format, unpacker, encoder, head_sent, head_bytes, told, lost, .. } = stream;
        let figures = encoder.finish(&mut |frame| {
            bytes_out += frame.len() as u64;
            out.frame(frame)
        })?;
        let clipped = unpacker.clipped();
        warnings.extend(unpacker.warnings().into_iter().map(Warning::from));
        let leftover = unpacker.leftover().len() as u64;
        if leftover > 0 {
            warnings.push(Warning::PartialSample { bytes: leftover });
        }
        if format.encoding.kind == Kind::Float {
            warnings.push(Warning::Quantised { bits_per_sample: format.bits_per_sample });
        }
        let outside = subset::reasons(&format, options.block_size);
        let subset = outside.is_empty();
        warnings.extend(outside);
        let collected = collector.map(Collector::finish).transpose()?.unwrap_or_default();
        warnings.extend(collected.warnings.iter().cloned().map(Warning::Metadata));
        let info = figures.info;
        let frames = bytes_out - head_bytes as u64;
        let (head, left_out) = if options.head == HeadPlace::Final {
            let untold = head::untold(&told, &collected, &figures.seek_table);
            (head_sent, untold)
        } else {
            let head = head::last(&options, &format, info, figures.seek_table, &collected, head_bytes);
            let mut left_out = head.left_out;
            left_out.extend(lost.into_iter().filter(|part| !left_out.contains(part)).collect::<Vec<_>>());
            let names = left_out.iter().map(|part| part.as_str()).collect();
            if !left_out.is_empty() {
                warnings.push(Warning::LeftOut(left_out));
            }
            (head.bytes, names)
        };
        Ok(Summary {
            format,
            samples: info.total_samples,
            bytes_in,
            bytes_out: frames + head.len() as u64,
            md5: info.md5,
            streaminfo: info.to_bytes(),
            head_sent: if options.head == HeadPlace::Held { head.len() } else { head_bytes },
            head,
            left_out,
            clipped,
            subset,
            warnings,
        })
    }
}

fn stream_options(options: &Options) -> StreamOptions {
    StreamOptions {
        level: options.level,
        engine: options.engine,
        threads: options.threads,
        spare: options.spare.clone(),
        verify: options.verify,
    }
}
