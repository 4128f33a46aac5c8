//! One stream through every engine and back.

use std::num::NonZeroUsize;
use std::panic::catch_unwind;

use converter::flac::decode::Decoder;
use converter::flac::{Engine, Fit, HeadParts, Level, Shape, StreamEncoder, StreamOptions, Verify, build_head};
use flac_codec::decode::FlacSampleReader;

use crate::judges::Judges;
use crate::support::signed_pcm;

/// A frame's header, footer and subframe headers at their largest (RFC 9639 §9.1: 16 bytes; 2; one for each channel).
pub const OVERHEAD: usize = 16 + 2;
/// Pieces in which audio comes: it has to do with neither samples nor blocks.
const PIECE: usize = 40_009;

/// A stream.
pub struct Case {
    /// What it is.
    pub name: String,
    pub shape: Shape,
    pub level: Level,
    /// Interleaved.
    pub samples: Vec<i32>,
}

/// What became of it.
pub struct Encoded {
    /// The whole file.
    pub file: Vec<u8>,
    /// The bytes of each frame.
    pub sizes: Vec<usize>,
}

impl Case {
    pub fn new(sound: impl std::fmt::Debug, shape: Shape, level: usize, samples: Vec<i32>) -> Self {
        let level = Level::new(level as u8).unwrap();
        let count = samples.len() / usize::from(shape.channels);
        let name = format!("{sound:?}, {count} samples, {shape:?}, level {level}");
        Self { name, shape, level, samples }
    }

    /// Checks that all engines give the audio back, and ours the same bytes with and without vector instructions and
    /// with any number of threads. `turn` chooses what is not tried with every case.
    #[track_caller]
    pub fn check(self, turn: usize, judges: &mut Judges) {
        let native = self.encode(Engine::Native, 1);
        let threads = [1, 2, 5][turn % 3];
        let portable = self.encode(Engine::Portable, threads);
        assert!(native.file == portable.file, "portable, {threads} threads, gives other bytes: {}", self.name);
        self.assert_decodes(&native.file);
        if turn.is_multiple_of(4) {
            self.assert_decodes(&self.encode(Engine::Flacenc, 1).file);
        }
        judges.add(self, &native);
    }

    /// The FLAC file; no frame is larger than its samples with all headers.
    #[track_caller]
    pub fn encode(&self, engine: Engine, threads: usize) -> Encoded {
        let Self { name, shape, level, samples } = self;
        let threads = NonZeroUsize::new(threads).unwrap();
        let options = StreamOptions { level: *level, engine, threads, spare: None, verify: Verify::No };
        let mut stream = StreamEncoder::new(*shape, &options).unwrap();
        let (mut frames, mut sizes) = (Vec::new(), Vec::new());
        let mut take = |frame: &[u8]| {
            frames.extend_from_slice(frame);
            sizes.push(frame.len());
            Ok(())
        };
        for piece in signed_pcm(samples, shape.bits_per_sample.into()).chunks(PIECE) {
            stream.push(piece, &mut take).unwrap();
        }
        let info = stream.finish(&mut take).unwrap().info;
        for (block, size) in samples.chunks(usize::from(shape.block_size) * usize::from(shape.channels)).zip(&sizes) {
            let verbatim = (block.len() * usize::from(shape.bits_per_sample)).div_ceil(8);
            let most = verbatim + OVERHEAD + usize::from(shape.channels);
            assert!(*size <= most, "a frame of {size} bytes for {verbatim}, {engine}: {name}");
        }
        let file = [build_head(&HeadParts::of(info), Fit::Padding(0)).bytes, frames].concat();
        Encoded { file, sizes }
    }

    /// By both decoders that are libraries.
    #[track_caller]
    pub fn assert_decodes(&self, file: &[u8]) {
        let mut decoder = Decoder::new(file, 0).unwrap();
        let mut ours = Vec::new();
        while let Some(block) = decoder.next_block().unwrap_or_else(|error| panic!("{error}: {}", self.name)) {
            block.append_pcm(&mut ours);
        }
        let pcm = signed_pcm(&self.samples, self.shape.bits_per_sample.into());
        assert!(ours == pcm, "our decoder finds other samples: {}", self.name);
        let theirs = catch_unwind(|| {
            let mut samples = Vec::new();
            FlacSampleReader::new(file)?.read_to_end(&mut samples).map(|_| samples)
        });
        match theirs {
            Ok(Ok(theirs)) => assert!(theirs == self.samples, "flac-codec finds other samples: {}", self.name),
            Ok(Err(error)) => panic!("flac-codec: {error}: {}", self.name),
            // Its sum of a prediction and a residual has 32 bits. Where a prediction needs more, which RFC 9639 allows,
            // the sum is right, but a build that checks sums panics.
            Err(_) => assert!(self.shape.bits_per_sample > 24, "flac-codec panics: {}", self.name),
        }
    }
}
