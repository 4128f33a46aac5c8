//! Memory does not grow with the length of the audio. A process of its own, since it watches the whole process.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::io;

use converter::convert::{Conversion, Level, Options, Output};
use support::{Wav, music, noise, wav_pcm};

/// Counts what it is given and keeps nothing.
#[derive(Default)]
struct Counter {
    bytes: u64,
    frames: u64,
}

impl Output for Counter {
    fn head(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    fn frame(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes += bytes.len() as u64;
        self.frames += 1;
        Ok(())
    }
}

/// The process's peak resident memory in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

#[test]
fn half_a_gigabyte_needs_no_more_than_a_megabyte() {
    const PIECES: u64 = 256;
    let mut piece = wav_pcm(&music(400_000, 2, 16, 1), 16);
    piece.extend(wav_pcm(&noise(20_000, 2, 16, 1), 16));
    piece.resize(2 << 20, 0);
    let options = Options { level: Level::FASTEST, ..Options::default() };
    let mut conversion = Conversion::new(&options);
    let mut out = Counter::default();
    // The header claims as much as it can.
    conversion.push(&Wav::new().fmt(2, 44_100, 16).head(b"data", u32::MAX - 7).build(), &mut out).unwrap();
    for _ in 0..4 {
        conversion.push(&piece, &mut out).unwrap();
    }
    let before = peak_kib();
    for _ in 4..PIECES {
        conversion.push(&piece, &mut out).unwrap();
    }
    let grown = peak_kib() - before;
    let summary = conversion.finish(&mut out).unwrap();
    assert!(grown < 1024, "memory grew by {grown} KiB");
    assert_eq!(summary.samples * 4, PIECES * (2 << 20));
    assert_eq!(out.frames, summary.samples.div_ceil(4096));
    assert_eq!(out.bytes, summary.bytes_out);
}
