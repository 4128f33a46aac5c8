//! Metadata: whatever chunks say, the collector finds the same however they are cut, within its bound; every head that
//! is built of it is sound and as long as it must be; and a FLAC file with any stored metadata is restored to the very
//! file that it was made of, or to none.

#![no_main]

use std::num::NonZeroUsize;

use arbitrary::{Arbitrary, Unstructured};
use converter::convert::{HeadPlace, Metadata, MetadataOptions, Options, Output, convert_reader};
use converter::flac::{Application, Fit, HeadParts, SMALLEST_HEAD, SeekTable, Shape, StreamInfo, build_head};
use converter::meta::{Collected, Collector, MetaError};
use converter::restore::{Proof, restore};
use converter::wav::{Parser, Rules, WavError};
use converter_fuzz::cuts::Cuts;
use converter_fuzz::judge::blocks;
use converter_fuzz::panics::let_engines_panic;
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Case {
    foreign: bool,
    limit: Option<u16>,
    cuts: Cuts,
    before: Vec<Chunk>,
    after: Vec<Chunk>,
    audio: u8,
    fit: FitChoice,
    seek_points: u16,
    applications: Vec<([u8; 4], Vec<u8>)>,
    damage: Vec<(u16, u8)>,
}

#[derive(Arbitrary, Debug)]
enum FitChoice {
    Padding(u16),
    Exactly(u16),
    /// As long as it gets, so much less.
    Less(u8),
}

/// Chunks that tell something.
#[derive(Arbitrary, Debug)]
enum Chunk {
    Info(Vec<(Name, Vec<u8>)>),
    Bext { fields: Vec<u8>, history: Vec<u8> },
    Id3 { version: u8, flags: u8, upper: bool, frames: Vec<Frame>, junk: Vec<u8> },
    Cue { claimed: Option<u32>, points: Vec<(u32, u32)> },
    Adtl(Vec<(bool, u32, Vec<u8>)>),
    Any { name: Name, body: Vec<u8> },
}

/// An ID3v2 frame.
#[derive(Arbitrary, Debug)]
struct Frame {
    name: u8,
    flags: u16,
    encoding: u8,
    text: String,
    raw: Option<Vec<u8>>,
    claimed: Option<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Name([u8; 4]);

impl<'a> Arbitrary<'a> for Name {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let known =
            [*b"INAM", *b"IART", *b"ICMT", *b"ICRD", *b"IPRD", *b"ITRK", *b"LIST", *b"id3 ", *b"bext", *b"cue "];
        Ok(Self(if u.ratio(4, 5)? { *u.choose(&known)? } else { u.arbitrary()? }))
    }
}

impl Chunk {
    fn push(&self, file: &mut Vec<u8>) {
        match self {
            Self::Info(fields) => {
                let mut body = b"INFO".to_vec();
                for (name, text) in fields {
                    push(&mut body, name.0, text);
                }
                push(file, *b"LIST", &body);
            }
            Self::Bext { fields, history } => {
                let mut body = fields.clone();
                body.resize(602, 0);
                body.extend(history);
                push(file, *b"bext", &body);
            }
            Self::Id3 { version, flags, upper, frames, junk } => {
                let version = version % 3 + 2;
                let mut frames: Vec<u8> = frames.iter().flat_map(|frame| frame.bytes(version)).collect();
                frames.extend(junk);
                let mut body = b"ID3".to_vec();
                body.extend([version, 0, *flags]);
                body.extend(safe(frames.len() as u32));
                body.extend(frames);
                push(file, if *upper { *b"ID3 " } else { *b"id3 " }, &body);
            }
            Self::Cue { claimed, points } => {
                let mut body = claimed.unwrap_or(points.len() as u32).to_le_bytes().to_vec();
                for (id, sample) in points {
                    body.extend(id.to_le_bytes());
                    body.extend(sample.to_le_bytes());
                    body.extend(*b"data\0\0\0\0\0\0\0\0");
                    body.extend(sample.to_le_bytes());
                }
                push(file, *b"cue ", &body);
            }
            Self::Adtl(labels) => {
                let mut body = b"adtl".to_vec();
                for (label, id, text) in labels {
                    let text = [id.to_le_bytes().as_slice(), text].concat();
                    push(&mut body, if *label { *b"labl" } else { *b"note" }, &text);
                }
                push(file, *b"LIST", &body);
            }
            Self::Any { name, body } => push(file, name.0, body),
        }
    }
}

impl Frame {
    fn bytes(&self, version: u8) -> Vec<u8> {
        let names =
            [*b"TIT2", *b"TPE1", *b"COMM", *b"APIC", *b"TXXX", *b"TDRC", *b"TRCK", *b"USLT", *b"WXXX", *b"PRIV"];
        let short = [*b"TT2", *b"TP1", *b"COM", *b"PIC", *b"TXX", *b"TYE", *b"TRK", *b"ULT"];
        let mut body = vec![self.encoding];
        match self.encoding {
            1 | 2 => body.extend(self.text.encode_utf16().flat_map(u16::to_le_bytes)),
            _ => body.extend(self.text.bytes()),
        }
        if let Some(raw) = &self.raw {
            body.clone_from(raw);
        }
        let size = self.claimed.unwrap_or(body.len() as u32);
        let mut bytes = Vec::new();
        if version == 2 {
            bytes.extend(short[usize::from(self.name) % short.len()]);
            bytes.extend(&size.to_be_bytes()[1..]);
        } else {
            bytes.extend(names[usize::from(self.name) % names.len()]);
            bytes.extend(if version == 4 { safe(size) } else { size.to_be_bytes() });
            bytes.extend(self.flags.to_be_bytes());
        }
        bytes.extend(body);
        bytes
    }
}

/// A number in 4 times 7 bits.
fn safe(number: u32) -> [u8; 4] {
    [21, 14, 7, 0].map(|shift| (number >> shift) as u8 & 0x7F)
}

fn push(file: &mut Vec<u8>, name: [u8; 4], body: &[u8]) {
    file.extend(name);
    file.extend((body.len() as u32).to_le_bytes());
    file.extend(body);
    file.extend(std::iter::repeat_n(0, body.len() % 2));
}

impl Case {
    fn wav(&self) -> Vec<u8> {
        let mut file = b"RIFF\0\0\0\0WAVE".to_vec();
        self.before.iter().take(6).for_each(|chunk| chunk.push(&mut file));
        push(&mut file, *b"fmt ", &[1, 0, 1, 0, 0x40, 0x1F, 0, 0, 0x40, 0x1F, 0, 0, 1, 0, 8, 0]);
        push(&mut file, *b"data", &vec![0x81; usize::from(self.audio)]);
        self.after.iter().take(6).for_each(|chunk| chunk.push(&mut file));
        let length = file.len() as u32 - 8;
        file[4..8].copy_from_slice(&length.to_le_bytes());
        file
    }

    fn mode(&self) -> Metadata {
        if self.foreign { Metadata::Foreign } else { Metadata::Tags }
    }

    fn limit(&self) -> u64 {
        self.limit.map_or(1 << 20, u64::from)
    }
}

#[derive(Debug, PartialEq)]
enum Refused {
    Wav(WavError),
    Metadata(MetaError),
}

impl From<WavError> for Refused {
    fn from(error: WavError) -> Self {
        Self::Wav(error)
    }
}

fn collect(case: &Case, wav: &[u8], cuts: Option<&Cuts>) -> Result<Collected, Refused> {
    let mut parser = Parser::new(Rules::default());
    let mut collector = Collector::new(case.mode(), case.limit());
    let mut take = |piece: converter::wav::Piece<'_>| collector.take(&piece).map_err(Refused::Metadata);
    match cuts {
        Some(cuts) => cuts.feed(wav, |piece| parser.push(piece, &mut take))?,
        None => parser.push(wav, &mut take)?,
    }
    parser.finish(&mut take)?;
    collector.so_far();
    collector.finish().map_err(Refused::Metadata)
}

/// Heads of whatever was collected, and of other blocks.
fn check_head(case: &Case, collected: &Collected) {
    let shape = Shape { channels: 1, sample_rate: 8_000, bits_per_sample: 8, block_size: 4096 };
    let mut seek_table = SeekTable::new(1);
    for point in 0..u64::from(case.seek_points) {
        seek_table.note(point * 4096, point * 700, 4096);
    }
    let applications = case.applications.iter().map(|(id, data)| Application { id: *id, data: data.clone() });
    let parts = HeadParts {
        seek_table: (case.seek_points > 0).then_some(seek_table),
        comments: collected.tags.clone(),
        applications: collected
            .foreign
            .iter()
            .flat_map(|foreign| foreign.applications.clone())
            .chain(applications)
            .collect(),
        cue_sheet: collected.cue_sheet(1 << 30),
        pictures: collected.pictures.clone(),
        ..HeadParts::of(StreamInfo::of_unknown_length(shape))
    };
    let plain = build_head(&parts, Fit::Padding(0));
    let fit = match case.fit {
        FitChoice::Padding(bytes) => Fit::Padding(bytes.into()),
        FitChoice::Exactly(bytes) => Fit::Exactly(bytes.into()),
        FitChoice::Less(bytes) => Fit::Exactly(plain.bytes.len().saturating_sub(bytes.into())),
    };
    let head = build_head(&parts, fit);
    blocks(&head.bytes);
    match fit {
        Fit::Exactly(bytes) => {
            assert_eq!(head.bytes.len(), bytes.max(SMALLEST_HEAD));
            assert!(bytes < plain.bytes.len() || head.left_out == plain.left_out);
        }
        Fit::Padding(bytes) => {
            let padding = if bytes > 0 { 4 + bytes as usize } else { 0 };
            assert_eq!(head.bytes.len(), plain.bytes.len() + padding);
        }
    }
}

/// A stored file comes back whole from a sound FLAC file, and from a damaged one it does or does not; never another.
fn check_restore(case: &Case, wav: &[u8]) {
    struct Frames(Vec<u8>);
    impl Output for Frames {
        fn head(&mut self, _: &[u8]) -> std::io::Result<()> {
            Ok(())
        }
        fn frame(&mut self, bytes: &[u8]) -> std::io::Result<()> {
            self.0.extend_from_slice(bytes);
            Ok(())
        }
    }
    let options = Options {
        threads: NonZeroUsize::MIN,
        metadata: MetadataOptions {
            keep: Metadata::Foreign,
            padding: 0,
            limit: case.limit(),
            ..MetadataOptions::default()
        },
        head: HeadPlace::Held,
        ..Options::default()
    };
    let mut frames = Frames(Vec::new());
    let Ok(summary) = convert_reader(wav, &mut frames, &options, &mut |_| {}) else { return };
    let mut flac = summary.head;
    let head = flac.len();
    flac.extend(frames.0);
    let mut restored = Vec::new();
    let told = restore(flac.as_slice(), &mut restored).expect("what was kept whole comes back");
    assert!(restored == wav && told.proof == Proof::Digest);
    for (place, bits) in &case.damage {
        flac[usize::from(*place) % head] ^= bits;
    }
    restored.clear();
    if let Ok(told) = restore(flac.as_slice(), &mut restored) {
        assert_eq!(told.bytes, restored.len() as u64);
        assert!(restored == wav || told.proof == Proof::Lengths, "another file is restored");
    }
}

/// A FLAC file whose stored metadata was never any.
fn check_strange(case: &Case) {
    let shape = Shape { channels: 1, sample_rate: 8_000, bits_per_sample: 8, block_size: 4096 };
    let ids = [*b"FSWV", *b"riff", *b"w64 "];
    let applications = case.applications.iter().map(|(id, data)| {
        let id = ids[usize::from(id[0]) % 3];
        let mut data = data.clone();
        if id == *b"FSWV" {
            // Its version, so that it is looked at.
            data.insert(0, 1);
        }
        Application { id, data }
    });
    let parts =
        HeadParts { applications: applications.collect(), ..HeadParts::of(StreamInfo::of_unknown_length(shape)) };
    let head = build_head(&parts, Fit::Padding(0));
    _ = restore(head.bytes.as_slice(), &mut Vec::new());
}

fuzz_target!(init: let_engines_panic(), |case: Case| {
    let wav = case.wav();
    let whole = collect(&case, &wav, None);
    let cut = collect(&case, &wav, Some(&case.cuts));
    assert_eq!(whole, cut);
    if let Ok(collected) = whole {
        check_head(&case, &collected);
    }
    check_restore(&case, &wav);
    check_strange(&case);
});
