//! The stream encoder: samples of any shape, with any block size, level and number of threads, decode to themselves.

#![no_main]

use std::num::NonZeroUsize;

use arbitrary::Arbitrary;
use converter::flac::{Level, Shape, StreamEncoder, StreamInfo, StreamOptions, Verify};
use converter_fuzz::choices::ENGINES;
use converter_fuzz::cuts::Cuts;
use converter_fuzz::judge::{both, head};
use converter_fuzz::panics::let_engines_panic;
use converter_fuzz::sound::{Sounds, signed_pcm};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Case {
    channels: u8,
    bits: u8,
    sample_rate: u32,
    block_size: u16,
    small_blocks: bool,
    level: u8,
    engine: u8,
    threads: u8,
    cuts: Cuts,
    sounds: Sounds,
}

fn encode(shape: Shape, case: &Case, threads: u8, pcm: &[u8]) -> (StreamInfo, Vec<u8>) {
    let options = StreamOptions {
        level: Level::new(case.level % 9).expect("0 to 8"),
        engine: ENGINES[usize::from(case.engine % 3)],
        threads: NonZeroUsize::new(threads.into()).expect("not 0"),
        spare: None,
        verify: Verify::Yes,
    };
    let mut stream = StreamEncoder::new(shape, &options).expect("every shape is encoded");
    let mut frames = Vec::new();
    let mut take = |frame: &[u8]| {
        frames.extend_from_slice(frame);
        Ok(())
    };
    case.cuts.feed(pcm, |piece| stream.push(piece, &mut take)).expect("all audio has its frames");
    let figures = stream.finish(&mut take).expect("all audio has its frames");
    assert_eq!(figures.leftover, 0);
    (figures.info, frames)
}

fuzz_target!(init: let_engines_panic(), |case: Case| {
    let largest = if case.small_blocks { 600 } else { u16::MAX };
    let shape = Shape {
        channels: case.channels % 8 + 1,
        sample_rate: case.sample_rate % (1 << 20) + 1,
        bits_per_sample: case.bits % 29 + 4,
        block_size: case.block_size.clamp(16, largest),
    };
    let shape = Shape { sample_rate: shape.sample_rate.min((1 << 20) - 1), ..shape };
    let samples = case.sounds.samples(shape.channels, shape.bits_per_sample, 20_000 / usize::from(shape.channels));
    let pcm = signed_pcm(&samples, shape.bits_per_sample);
    let (info, frames) = encode(shape, &case, 1, &pcm);
    let flac = [head(info), frames].concat();
    let audio = both(&flac);
    assert!(audio.pcm == pcm, "other samples came out");
    // Verbatim, a header and footer each frame, and a byte each subframe are the worst.
    let frames = samples.len() / usize::from(shape.channels) / usize::from(shape.block_size) + 1;
    let worst = pcm.len() + frames * (18 + 2 * usize::from(shape.channels)) + 1_000;
    assert!(flac.len() <= worst, "{} bytes for {}", flac.len(), pcm.len());
    let threads = case.threads % 4 + 1;
    if threads > 1 {
        let (other_info, other_frames) = encode(shape, &case, threads, &pcm);
        assert!(other_info == info && flac.ends_with(&other_frames), "{threads} threads give other bytes");
    }
});
