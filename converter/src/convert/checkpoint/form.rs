//! A checkpoint's bytes, of which each one has a range: whoever holds a key may have made them, so they are believed in
//! nothing that could do harm.
//!
//! First the version; then the fields as they are written here, in this order. What follows from other fields is not
//! written: the frames' number from the samples, the digested bytes from the samples too, and how many of them are
//! pending.

use super::field::{Reader, Writer};
use super::{
    CHECKPOINT_BYTES, Checkpoint, CheckpointError, Kept, LARGEST_LIMIT, LONGEST_HEAD, Origin, PARTS, SEEK_POINTS,
    options_of,
};
use crate::convert::options::{Options, Subset};
use crate::flac::{
    Digested, Engine, Level, MAX_SAMPLES, SMALLEST_HEAD, SeekPoint, SeekTable, Shape, StreamPlace, Verify,
};
use crate::meta::{Label, MetaWarning, Said};
use crate::wav::{
    AudioStart, Container, Encoding, Endian, Float, Format, Kind, Length, MAX_ROWS, PcmFormat, Rules, Size, Sizes,
    Tally, ValidBits, check_format,
};

/// The version of this form. Another one is refused.
pub(super) const VERSION: u8 = 1;

/// The most bytes of an input before its audio.
const LONGEST_START: u64 = 1 << 62;
/// How often a seek table's spacing can be doubled: beyond it, no stream would have a second point.
const MAX_DOUBLINGS: u8 = 36;
/// FLAC tells frame sizes in 24 bits (RFC 9639 §8.2).
const LARGEST_FRAME: u32 = (1 << 24) - 1;

// One table a choice: its place is its number.
const ENGINES: [Engine; 3] = [Engine::Native, Engine::Portable, Engine::Flacenc];
const VERIFY: [Verify; 2] = [Verify::No, Verify::Yes];
const SUBSETS: [Subset; 2] = [Subset::Prefer, Subset::Strict];
const LENGTHS: [Length; 3] = [Length::Auto, Length::Header, Length::Eof];
const VALID_BITS: [ValidBits; 3] = [ValidBits::Declared, ValidBits::Container, ValidBits::Low];
const FLOATS: [Float; 3] = [Float::Refuse, Float::To16, Float::To24];
const KINDS: [Kind; 5] = [Kind::Signed, Kind::Unsigned, Kind::SignedLow, Kind::UnsignedLow, Kind::Float];
const ENDIANS: [Endian; 2] = [Endian::Little, Endian::Big];
const CONTAINERS: [Container; 3] = [Container::Riff, Container::Rf64, Container::Wave64];

/// Which origin it is.
const PCM: u8 = 0;
const WAV: u8 = 1;

pub(super) fn write(checkpoint: &Checkpoint) -> Vec<u8> {
    let Checkpoint { options, origin, head_bytes, stream, tally, kept } = checkpoint;
    let mut writer = Writer::default();
    writer.byte(VERSION);
    writer.options(options);
    match origin {
        Origin::Pcm(pcm) => {
            writer.byte(PCM);
            writer.format(&Format::from(*pcm));
        }
        Origin::Wav(start) => {
            writer.byte(WAV);
            writer.start(start);
        }
    }
    writer.count(*head_bytes);
    writer.stream(stream, checkpoint.shape());
    writer.number(tally.clipped);
    writer.byte(tally.unused_bits);
    writer.kept(kept);
    writer.bytes
}

pub(super) fn read(bytes: &[u8]) -> Result<Checkpoint, CheckpointError> {
    match bytes {
        [VERSION, fields @ ..] if bytes.len() <= CHECKPOINT_BYTES => {
            let mut reader = Reader::new(fields);
            reader.checkpoint().filter(|_| reader.is_empty()).ok_or(CheckpointError::Malformed)
        }
        [found, ..] if *found != VERSION => Err(CheckpointError::Version { found: *found }),
        _ => Err(CheckpointError::Malformed),
    }
}

impl Checkpoint {
    /// The shape of the stream's audio.
    pub(in crate::convert) fn shape(&self) -> Shape {
        shape(&self.format(), self.options.block_size)
    }
}

fn shape(format: &Format, block_size: u16) -> Shape {
    let Format { channels, sample_rate, bits_per_sample, .. } = *format;
    Shape { channels, sample_rate, bits_per_sample, block_size }
}

impl Writer {
    /// One of the choices of a table.
    fn choice<T: Copy + PartialEq>(&mut self, choice: T, table: &[T]) {
        let number = table.iter().position(|other| *other == choice);
        self.byte(number.and_then(|number| u8::try_from(number).ok()).unwrap_or(u8::MAX));
    }

    fn options(&mut self, options: &Options) {
        self.byte(options.level.get());
        self.choice(options.engine, &ENGINES);
        self.number(options.block_size);
        self.choice(options.verify, &VERIFY);
        self.choice(options.subset, &SUBSETS);
        self.choice(options.rules.length, &LENGTHS);
        self.choice(options.rules.valid_bits, &VALID_BITS);
        self.choice(options.rules.float, &FLOATS);
        self.number(options.metadata.limit);
    }

    fn format(&mut self, format: &Format) {
        self.byte(format.channels);
        self.number(format.sample_rate);
        self.byte(format.bits_per_sample);
        self.byte(format.encoding.container_bytes);
        self.choice(format.encoding.kind, &KINDS);
        self.choice(format.encoding.endian, &ENDIANS);
    }

    fn start(&mut self, start: &AudioStart) {
        self.format(&start.fmt);
        self.byte(start.fmt.channel_mask.is_some().into());
        if let Some(mask) = start.fmt.channel_mask {
            self.number(mask);
        }
        self.choice(start.container, &CONTAINERS);
        self.byte(matches!(start.size, Size::Open(_)).into());
        self.number(start.size.claimed());
        self.number(start.at);
        if let Some(sizes) = &start.sizes {
            self.number(sizes.data);
            self.count(sizes.table.len());
            for (name, size) in &sizes.table {
                self.bytes.extend(name);
                self.number(*size);
            }
        }
    }

    fn stream(&mut self, stream: &StreamPlace, shape: Shape) {
        let block = u64::from(shape.block_size.max(1));
        self.number(stream.samples / block);
        self.number(stream.bytes);
        self.number(stream.min_frame_size);
        self.number(stream.max_frame_size);
        for word in stream.md5.words {
            self.bytes.extend(word.to_le_bytes());
        }
        self.bytes.extend(stream.md5.pending.iter().take(pending(stream.md5.bytes)));
        self.byte(u8::try_from(stream.seek_table.doublings(shape.sample_rate)).unwrap_or(u8::MAX));
        let points = stream.seek_table.points();
        self.count(points.len());
        let mut before = (0, 0);
        for point in points {
            self.number((point.sample / block).saturating_sub(before.0));
            self.number(point.offset.saturating_sub(before.1));
            before = (point.sample / block, point.offset);
        }
    }

    fn kept(&mut self, kept: &Kept) {
        let bit = |(number, part)| u8::from(kept.left_out.contains(part)) << number;
        self.byte(PARTS.iter().enumerate().map(bit).sum());
        self.tags(&kept.user_tags);
        for tags in &kept.said.tags {
            self.tags(tags);
        }
        self.count(kept.said.points.len());
        for (number, sample) in &kept.said.points {
            self.number(*number);
            self.number(*sample);
        }
        self.count(kept.said.labels.len());
        for label in &kept.said.labels {
            self.number(label.id);
            self.text(&label.text);
        }
        self.count(kept.said.warnings.len());
        for warning in &kept.said.warnings {
            match warning {
                MetaWarning::TooLarge { chunk, limit } => {
                    self.text(chunk);
                    self.byte(0);
                    self.number(*limit);
                }
                MetaWarning::Unreadable { chunk, what } => {
                    self.text(chunk);
                    self.byte(1);
                    self.text(what);
                }
                // Known at the end only.
                MetaWarning::CuePoints { .. } => {}
            }
        }
    }

    fn tags(&mut self, tags: &[(String, String)]) {
        self.count(tags.len());
        for (name, value) in tags {
            self.text(name);
            self.text(value);
        }
    }
}

impl Reader<'_> {
    fn choice<T: Copy>(&mut self, table: &[T]) -> Option<T> {
        table.get(usize::from(self.byte()?)).copied()
    }

    fn checkpoint(&mut self) -> Option<Checkpoint> {
        let options = self.options()?;
        let origin = match self.byte()? {
            PCM => Origin::Pcm(PcmFormat::of(&self.format(options.rules.float)?)?),
            WAV => Origin::Wav(self.start(options.rules)?),
            _ => return None,
        };
        let head_bytes = self.narrow().filter(|bytes| (SMALLEST_HEAD..=LONGEST_HEAD).contains(bytes))?;
        let format = match &origin {
            Origin::Wav(start) => start.fmt,
            Origin::Pcm(pcm) => Format::from(*pcm),
        };
        let stream = self.stream(shape(&format, options.block_size))?;
        let clipped = self.number().filter(|clipped| *clipped <= stream.samples * u64::from(format.channels))?;
        let tally = Tally { clipped, unused_bits: self.byte_below(65)? };
        let kept = self.kept()?;
        let options = options_of(&options, &origin, &kept);
        let checkpoint = Checkpoint { options, origin, head_bytes, stream, tally, kept };
        if let Origin::Wav(start) = &checkpoint.origin
            && start.bytes().is_some_and(|bytes| checkpoint.audio_bytes() > bytes)
        {
            return None;
        }
        Some(checkpoint)
    }

    fn options(&mut self) -> Option<Options> {
        let mut options = Options { level: Level::new(self.byte()?).ok()?, ..Options::default() };
        options.engine = self.choice(&ENGINES)?;
        options.block_size = self.narrow().filter(|size| *size >= 16)?;
        options.verify = self.choice(&VERIFY)?;
        options.subset = self.choice(&SUBSETS)?;
        options.rules.length = self.choice(&LENGTHS)?;
        options.rules.valid_bits = self.choice(&VALID_BITS)?;
        options.rules.float = self.choice(&FLOATS)?;
        options.metadata.limit = self.number().filter(|limit| *limit <= LARGEST_LIMIT)?;
        Some(options)
    }

    fn format(&mut self, float: Float) -> Option<Format> {
        let channels = self.byte()?;
        let sample_rate = self.narrow()?;
        let bits = self.byte()?;
        let (channels, bits_per_sample) = check_format(sample_rate, channels.into(), bits.into()).ok()?;
        let container_bytes = self.byte().filter(|bytes| (bits.div_ceil(8)..=8).contains(bytes))?;
        let encoding = Encoding { container_bytes, kind: self.choice(&KINDS)?, endian: self.choice(&ENDIANS)? };
        let fits = match (encoding.kind, float) {
            (Kind::Float, Float::Refuse) => false,
            (Kind::Float, Float::To16) => bits == 16 && matches!(container_bytes, 4 | 8),
            (Kind::Float, Float::To24) => bits == 24 && matches!(container_bytes, 4 | 8),
            _ => true,
        };
        let format =
            Format { channels, sample_rate, bits_per_sample, channel_mask: None, declared_samples: None, encoding };
        fits.then_some(format)
    }

    fn start(&mut self, rules: Rules) -> Option<AudioStart> {
        let mut fmt = self.format(rules.float)?;
        if self.flag()? {
            let mask = self.narrow().filter(|mask: &u32| mask.count_ones() <= fmt.channels.into())?;
            fmt.channel_mask = Some(mask);
        }
        let container = self.choice(&CONTAINERS)?;
        let open = self.flag()?;
        let claimed = self.number()?;
        let at = self.number().filter(|at| *at <= LONGEST_START)?;
        let sizes = if container == Container::Rf64 {
            let data = self.number()?;
            let table = self.many(|reader| Some((reader.array()?, reader.number()?)))?;
            Some(Sizes { data, table }).filter(|sizes| sizes.table.len() <= MAX_ROWS)
        } else {
            None
        };
        if sizes.is_none() && container == Container::Rf64 {
            return None;
        }
        let size = if open { Size::Open(claimed) } else { Size::Bytes(claimed) };
        Some(AudioStart { rules, container, fmt, size, at, sizes })
    }

    fn stream(&mut self, shape: Shape) -> Option<StreamPlace> {
        let block = u64::from(shape.block_size);
        let frames = self.number()?;
        let samples = frames.checked_mul(block).filter(|samples| *samples <= MAX_SAMPLES)?;
        let bytes = self.number()?;
        let (smallest, largest): (u32, u32) = (self.narrow()?, self.narrow()?);
        if smallest > largest || largest > LARGEST_FRAME {
            return None;
        }
        // Neither product nor sum overflows: 2^32 frames of 2^24 bytes.
        if !(frames * u64::from(smallest)..=frames * u64::from(largest)).contains(&bytes) || frames > bytes {
            return None;
        }
        if frames == 0 && largest > 0 {
            return None;
        }
        let mut words = [0; 4];
        for word in &mut words {
            *word = u32::from_le_bytes(self.array()?);
        }
        let digested = samples * shape.bytes_per_step() as u64;
        let mut kept = [0; 64];
        let pending = self.take(pending(digested))?;
        for (kept, byte) in kept.iter_mut().zip(pending) {
            *kept = *byte;
        }
        let md5 = Digested { words, bytes: digested, pending: kept };
        let seek_table = self.seek_table(shape, frames, bytes)?;
        Some(StreamPlace { samples, bytes, min_frame_size: smallest, max_frame_size: largest, md5, seek_table })
    }

    fn seek_table(&mut self, shape: Shape, frames: u64, bytes: u64) -> Option<SeekTable> {
        let doublings = self.byte_below(MAX_DOUBLINGS + 1)?;
        let mut next_frame = 0;
        let mut before = (0_u64, 0_u64);
        let points = self.many(|reader| {
            let frame = before.0.checked_add(reader.number()?)?;
            let offset = before.1.checked_add(reader.number()?)?;
            before = (frame, offset);
            let fits = (next_frame..frames).contains(&frame) && (frame..bytes).contains(&offset);
            next_frame = frame.saturating_add(1);
            let sample = frame.checked_mul(shape.block_size.into())?;
            fits.then_some(SeekPoint { sample, offset, samples: shape.block_size })
        })?;
        let samples = frames * u64::from(shape.block_size);
        (points.len() <= SEEK_POINTS).then(|| SeekTable::resume(shape.sample_rate, doublings.into(), points, samples))
    }

    fn kept(&mut self) -> Option<Kept> {
        let bits = self.byte_below(1 << PARTS.len())?;
        let left_out = PARTS.into_iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1).map(|(_, part)| part);
        let left_out = left_out.collect();
        let user_tags = self.tags()?;
        let said = Said {
            tags: [self.tags()?, self.tags()?, self.tags()?],
            points: self.many(|reader| Some((reader.narrow()?, reader.narrow::<u32>()?.into())))?,
            labels: self.many(|reader| Some(Label { id: reader.narrow()?, text: reader.text()?.to_owned() }))?,
            warnings: self.many(|reader| {
                let chunk = reader.text()?.to_owned();
                Some(if reader.flag()? {
                    MetaWarning::Unreadable { chunk, what: reader.text()?.to_owned().into() }
                } else {
                    MetaWarning::TooLarge { chunk, limit: reader.number()? }
                })
            })?,
        };
        Some(Kept { said, user_tags, left_out })
    }

    fn tags(&mut self) -> Option<Vec<(String, String)>> {
        self.many(|reader| Some((reader.text()?.to_owned(), reader.text()?.to_owned())))
    }
}

/// Of so many digested bytes, those that fill no block of MD5.
fn pending(bytes: u64) -> usize {
    usize::try_from(bytes % 64).unwrap_or(0)
}
