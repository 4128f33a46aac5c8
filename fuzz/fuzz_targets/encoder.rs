//! The encoders of frames against each other: ours gives the same bytes with and without vector instructions, which
//! two decoders take for the samples that went in; no frame is larger than its samples, nor much larger than flacenc's.

#![no_main]

use std::num::NonZeroUsize;

use arbitrary::Arbitrary;
use converter::flac::{Block, Engine, Level, Shape, StreamEncoder, StreamOptions, Verify, frame_encoder};
use converter_fuzz::judge::{both, head};
use converter_fuzz::panics::let_engines_panic;
use converter_fuzz::sound::{Sounds, signed_pcm};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Case {
    channels: u8,
    bits: u8,
    usual_rate: bool,
    sample_rate: u32,
    block_size: BlockSize,
    level: u8,
    sounds: Sounds,
}

#[derive(Arbitrary, Debug)]
enum BlockSize {
    /// One that flacenc takes.
    Usual(u8),
    Small(u8),
    Any(u16),
}

impl BlockSize {
    fn get(&self) -> u16 {
        match self {
            Self::Usual(which) => [64, 128, 256, 512, 1024, 2048, 4096, 576, 1152, 2304, 4608][usize::from(which % 11)],
            Self::Small(size) => u16::from(*size).max(16),
            Self::Any(size) => (*size).max(16),
        }
    }
}

/// A whole file, and the size of each frame.
struct Encoded {
    file: Vec<u8>,
    sizes: Vec<usize>,
}

fn encode(shape: Shape, level: Level, engine: Engine, pcm: &[u8]) -> Encoded {
    let options = StreamOptions { level, engine, threads: NonZeroUsize::MIN, spare: None, verify: Verify::No };
    let mut stream = StreamEncoder::new(shape, &options).expect("every shape is encoded");
    let (mut frames, mut sizes) = (Vec::new(), Vec::new());
    let mut take = |frame: &[u8]| {
        frames.extend_from_slice(frame);
        sizes.push(frame.len());
        Ok(())
    };
    stream.push(pcm, &mut take).expect("all audio has its frames");
    let info = stream.finish(&mut take).expect("all audio has its frames").info;
    Encoded { file: [head(info), frames].concat(), sizes }
}

/// Whether flacenc itself codes blocks of this shape, and not ours in its place.
fn flacenc_takes(shape: Shape) -> bool {
    matches!(shape.bits_per_sample, 8 | 12 | 16)
        && matches!(shape.block_size, 64 | 128 | 256 | 512 | 1024 | 2048 | 4096 | 576 | 1152 | 2304 | 4608)
}

fuzz_target!(init: let_engines_panic(), |case: Case| {
    let shape = Shape {
        channels: case.channels % 8 + 1,
        sample_rate: if case.usual_rate { 44_100 } else { case.sample_rate % ((1 << 20) - 1) + 1 },
        bits_per_sample: case.bits % 29 + 4,
        block_size: case.block_size.get(),
    };
    let level = Level::new(case.level % 9).expect("0 to 8");
    let channels = usize::from(shape.channels);
    let samples = case.sounds.samples(shape.channels, shape.bits_per_sample, 12_000 / channels);
    let pcm = signed_pcm(&samples, shape.bits_per_sample);

    let native = encode(shape, level, Engine::Native, &pcm);
    let portable = encode(shape, level, Engine::Portable, &pcm);
    assert!(native.file == portable.file, "vector instructions change the bytes");
    assert!(both(&native.file).pcm == pcm, "other samples came out");

    // No frame depends on the blocks before: any thread may encode any block.
    if let Some((number, last)) = pcm.chunks(shape.bytes_per_block()).enumerate().last() {
        let mut frame = Vec::new();
        let mut encoder = frame_encoder(shape, level, Engine::Native).expect("every shape is encoded");
        encoder.encode(Block { number: number as u64, pcm: last }, &mut frame).expect("all audio has its frames");
        assert!(native.file.ends_with(&frame), "blocks before change the bytes");
    }
    for (block, size) in samples.chunks(usize::from(shape.block_size) * channels).zip(&native.sizes) {
        // RFC 9639 §9: a header of 16 bytes, a footer of 2, and a byte each subframe are the most.
        let verbatim = (block.len() * usize::from(shape.bits_per_sample)).div_ceil(8);
        assert!(*size <= verbatim + 16 + 2 + channels, "{size} bytes for {verbatim}");
    }
    if flacenc_takes(shape) {
        let flacenc = encode(shape, level, Engine::Flacenc, &pcm);
        assert!(both(&flacenc.file).pcm == pcm, "other samples came out of flacenc's frames");
        assert_eq!(native.sizes.len(), flacenc.sizes.len());
        for (ours, theirs) in native.sizes.iter().zip(&flacenc.sizes) {
            assert!(*ours <= theirs + theirs / 2 + 64, "{ours} bytes, where flacenc needs {theirs}");
        }
    }
});
