//! Memory of the pipeline follows the number of threads, not the audio. A process of its own, since it watches the
//! whole process.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::num::NonZeroUsize;

use converter::flac::{Engine, Level, Shape, StreamEncoder, StreamOptions, Verify};
use support::{music, signed_pcm};

/// The process's peak resident memory in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

#[test]
fn sixteen_threads_with_eight_channels_need_a_mebibyte_and_a_half_each_at_most() {
    const THREADS: u64 = 16;
    let shape = Shape { channels: 8, sample_rate: 48_000, bits_per_sample: 24, block_size: 4096 };
    let pcm = signed_pcm(&music(60_000, 8, 24, 1), 24);
    let before = peak_kib();
    let options = StreamOptions {
        level: Level::SMALLEST,
        engine: Engine::default(),
        threads: NonZeroUsize::new(16).unwrap(),
        spare: None,
        verify: Verify::Yes,
    };
    let mut stream = StreamEncoder::new(shape, &options).unwrap();
    for _ in 0..8 {
        stream.push(&pcm, &mut |_| Ok(())).unwrap();
    }
    let figures = stream.finish(&mut |_| Ok(())).unwrap();
    let grown = peak_kib() - before;
    assert_eq!(figures.info.total_samples, 8 * 60_000);
    // And 8 MiB for all together. About 20 MiB are used.
    assert!(grown < (THREADS * 3 / 2 + 8) * 1024, "memory grew by {grown} KiB");
}
