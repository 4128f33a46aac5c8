//! The same bytes on every CPU, with any number of threads, and whatever was encoded before.

use converter::flac::{Block, Engine, FrameEncoder, Level, Shape, frame_encoder};

use crate::case::Case;
use crate::sounds::{SOUNDS, Sound};
use crate::support::{music, noise, signed_pcm};

fn shape(channels: u8, bits_per_sample: u8, block_size: u16) -> Shape {
    Shape { channels, sample_rate: 44_100, bits_per_sample, block_size }
}

#[test]
fn every_level_gives_the_same_bytes_with_1_2_and_5_threads_with_and_without_vector_instructions() {
    for (bits, channels, block_size) in [(16, 2, 4096), (16, 1, 1152), (24, 2, 4096), (8, 6, 256), (32, 2, 700)] {
        let shape = shape(channels, bits, block_size);
        // Blocks that take long and blocks that take no time, so that threads overtake each other.
        let mut samples = Vec::new();
        for (seed, sound) in [Sound::Music, Sound::Silence, Sound::Speech, Sound::Noise].into_iter().enumerate() {
            samples.extend(sound.samples(20_000, channels.into(), bits.into(), seed as u64 + 1));
        }
        for level in 0..=8 {
            let case = Case::new("music, silence, speech, noise", shape, level, samples.clone());
            let one = case.encode(Engine::Native, 1).file;
            case.assert_decodes(&one);
            for (engine, threads) in
                [(Engine::Native, 2), (Engine::Native, 5), (Engine::Portable, 1), (Engine::Portable, 2)]
            {
                assert!(case.encode(engine, threads).file == one, "{engine}, {threads} threads: {}", case.name);
            }
        }
        let case = Case::new("with flacenc", shape, 3, samples);
        assert!(case.encode(Engine::Flacenc, 1).file == case.encode(Engine::Flacenc, 5).file, "{}", case.name);
    }
}

#[test]
fn every_level_gives_the_same_bytes_with_and_without_vector_instructions_for_every_sound() {
    for (bits, channels) in [(16, 2), (24, 2), (24, 1), (32, 2), (11, 3)] {
        let shape = shape(channels, bits, 4096);
        for sound in SOUNDS {
            let samples = sound.samples(4096 + 500, channels.into(), bits.into(), 6);
            for level in 0..=8 {
                let case = Case::new(sound, shape, level, samples.clone());
                let native = case.encode(Engine::Native, 1).file;
                assert!(native == case.encode(Engine::Portable, 1).file, "{}", case.name);
                case.assert_decodes(&native);
            }
        }
    }
}

fn frame(encoder: &mut dyn FrameEncoder, number: u64, pcm: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    encoder.encode(Block { number, pcm }, &mut frame).unwrap();
    frame
}

#[test]
fn frames_depend_on_nothing_but_their_block() {
    for engine in [Engine::Native, Engine::Portable, Engine::Flacenc] {
        for bits in [13, 16, 24, 32] {
            let shape = shape(2, bits, 4096);
            let bits = u32::from(bits);
            let first = signed_pcm(&music(4096, 2, bits, 1), bits);
            let second = signed_pcm(&noise(4096, 2, bits, 2), bits);
            let new = || frame_encoder(shape, Level::SMALLEST, engine).unwrap();
            let mut encoder = new();
            let before = frame(&mut *encoder, 7, &first);
            frame(&mut *encoder, 8, &second);
            frame(&mut *encoder, 9, &first[..shape.bytes_per_step() * 100]);
            frame(&mut *encoder, 10, &vec![0; first.len()]);
            assert_eq!(frame(&mut *encoder, 7, &first), before);
            assert_eq!(frame(&mut *new(), 7, &first), before);
            assert_ne!(frame(&mut *encoder, 8, &first), before, "the number is part of the frame");
        }
    }
}

#[test]
fn a_frame_is_appended_to_what_is_there() {
    let shape = shape(2, 16, 4096);
    let pcm = signed_pcm(&music(4096, 2, 16, 1), 16);
    for engine in [Engine::Native, Engine::Portable, Engine::Flacenc] {
        let mut encoder = frame_encoder(shape, Level::default(), engine).unwrap();
        let alone = frame(&mut *encoder, 0, &pcm);
        let mut behind = b"12345".to_vec();
        encoder.encode(Block { number: 0, pcm: &pcm }, &mut behind).unwrap();
        assert!(behind.strip_prefix(b"12345") == Some(&alone), "{engine}");
    }
}
