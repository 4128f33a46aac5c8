//! Long files through the command: one of more than 4 GiB, and the memory that the whole process takes. A process of its
//! own: what is measured is the largest of its children, and a child counts with what its parent held when it began.

#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::cast_possible_truncation)]

mod support;

use std::fs::File;
use std::io::{BufReader, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard};

use converter::flac::decode::Decoder;
use md5::{Digest as _, Md5};
use nix::sys::resource::{UsageWho, getrusage};
use serde_json::Value;
use support::{Wav, extensible_body, music, wav_pcm};

/// The bar: 16 MiB, and 2 MiB for each of two threads.
const MOST_KIB: i64 = (16 + 2 * 2) << 10;

/// Two conversions at once would only take each other's cores.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Converts with two threads within the bar: what `--json` tells.
fn convert(source: &Path, args: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_converter"))
        .args(["convert", "--json", "--threads", "2"])
        .args(args)
        .arg(source)
        .output()
        .unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}");
    let peak = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss();
    println!("{}: {peak} KiB at most, {} s", source.display(), told["seconds"]);
    assert!(peak <= MOST_KIB, "{peak} KiB, the bar is {MOST_KIB} KiB");
    told
}

/// Where the long file is not silent, in samples per channel, and what is there.
struct Island {
    at: Range<u64>,
    sound: Vec<i32>,
}

impl Island {
    fn new(start: u64, seed: u64) -> Self {
        const SAMPLES: usize = 50_000;
        Self { at: start..start + SAMPLES as u64, sound: music(SAMPLES, 2, 16, seed) }
    }

    /// The sample of a channel, if the island has it.
    fn sample(&self, at: u64, channel: usize) -> Option<i32> {
        let index = at.checked_sub(self.at.start)? as usize * 2 + channel;
        self.sound.get(index).copied()
    }
}

/// A file of 4.5 GiB, nearly all of it a hole, with islands of music at its start, across byte 2^32, and at its end.
struct Long {
    header: Vec<u8>,
    samples: u64,
    islands: [Island; 3],
}

impl Long {
    fn new() -> Self {
        let bytes: u64 = 4608 << 20;
        let header = Wav::rf64(b"RF64", bytes, &[]).fmt(2, 44_100, 16).head(b"data", u32::MAX).build();
        let border = ((1 << 32) - header.len() as u64) / 4;
        let samples = bytes / 4;
        let islands = [(1_000, 1), (border - 20_000, 2), (samples - 50_000, 3)];
        Self { header, samples, islands: islands.map(|(start, seed)| Island::new(start, seed)) }
    }

    fn write(&self, path: &Path) {
        let mut file = File::create(path).unwrap();
        file.write_all(&self.header).unwrap();
        let start = self.header.len() as u64;
        for island in &self.islands {
            file.seek(SeekFrom::Start(start + island.at.start * 4)).unwrap();
            file.write_all(&wav_pcm(&island.sound, 16)).unwrap();
        }
        file.set_len(start + self.samples * 4).unwrap();
    }

    /// Fails unless a channel of a block is what was written.
    fn check(&self, first_sample: u64, channel: usize, samples: &[i32]) {
        let block = first_sample..first_sample + samples.len() as u64;
        let near = self.islands.iter().find(|island| island.at.start < block.end && block.start < island.at.end);
        let same = match near {
            None => samples.iter().all(|sample| *sample == 0),
            Some(island) => block.zip(samples).all(|(at, sample)| *sample == island.sample(at, channel).unwrap_or(0)),
        };
        assert!(same, "other samples in the block at {first_sample}, channel {channel}");
    }
}

#[test]
fn more_than_four_gibibytes_convert_to_the_last_sample() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let long = Long::new();
    long.write(&folder.path().join("long.rf64"));
    let told = convert(&folder.path().join("long.rf64"), &["-0"]);
    assert_eq!(told["samples"], long.samples);
    assert_eq!(told["bytes_in"], long.header.len() as u64 + long.samples * 4);
    assert_eq!(told["warnings"], serde_json::json!([]));

    let flac = File::open(folder.path().join("long.flac")).unwrap();
    let mut decoder = Decoder::new(BufReader::with_capacity(1 << 16, flac), 0).unwrap();
    assert_eq!(decoder.info().total_samples, Some(long.samples));
    let (mut at, mut md5, mut pcm) = (0, Md5::new(), Vec::new());
    while let Some(block) = decoder.next_block().unwrap() {
        assert_eq!(block.first_sample, at);
        (0..2).for_each(|channel| long.check(at, channel, block.channel(channel)));
        at += u64::from(block.block_size);
        pcm.clear();
        block.append_pcm(&mut pcm);
        md5.update(&pcm);
    }
    assert_eq!(at, long.samples);
    assert_eq!(decoder.info().md5, Some(md5.finalize().into()));
}

/// Writes a file of about 300 MB: the same second of music again and again.
fn write_music(path: &Path, channels: u16, bits: u16) -> u64 {
    const SAMPLES: usize = 44_100;
    let mut file = File::create(path).unwrap();
    let piece = wav_pcm(&music(SAMPLES, channels.into(), bits.into(), 5), bits.into());
    let pieces = 300_000_000 / piece.len();
    let fmt = extensible_body(channels, 44_100, bits, bits, 0, 1);
    let wav = Wav::new().chunk(b"fmt ", &fmt).head(b"data", (pieces * piece.len()) as u32).build();
    file.write_all(&wav).unwrap();
    (0..pieces).for_each(|_| file.write_all(&piece).unwrap());
    (pieces * SAMPLES) as u64
}

#[test]
fn ordinary_music_takes_no_more_memory_for_being_long() {
    for (channels, bits) in [(2, 16), (8, 24)] {
        let _alone = alone();
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join(format!("{channels} channels of {bits} bits.wav"));
        let samples = write_music(&source, channels, bits);
        assert_eq!(convert(&source, &["-5"])["samples"], samples);
    }
}
