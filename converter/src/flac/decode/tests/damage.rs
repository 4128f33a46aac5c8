//! Damaged streams: no panic, and never other samples without an error.

use std::io::{self, Read};

use super::built::{frame, head, subframe};
use super::{decoded, sounds};
use crate::flac::decode::{DecodeError, Decoder};
use crate::flac::{Engine, Fit, HeadParts, Level, Shape, StreamEncoder, StreamInfo, StreamOptions, Verify, build_head};
use crate::support::{Random, signed_pcm};

/// A head with nothing but STREAMINFO.
fn written_head(info: StreamInfo) -> Vec<u8> {
    build_head(&HeadParts::of(info), Fit::Padding(0)).bytes
}

/// A small stream with many kinds of subframes, and its samples. Without MD5 and totals if `blind`.
fn small(blind: bool) -> (Vec<u8>, Vec<i32>) {
    let shape = Shape { channels: 2, sample_rate: 44_100, bits_per_sample: 16, block_size: 192 };
    let options = StreamOptions {
        level: Level::SMALLEST,
        engine: Engine::default(),
        threads: 1.try_into().unwrap(),
        spare: None,
        verify: Verify::Yes,
    };
    let mut stream = StreamEncoder::new(shape, &options).unwrap();
    let mut frames = Vec::new();
    let mut take = |frame: &[u8]| {
        frames.extend_from_slice(frame);
        Ok(())
    };
    let samples: Vec<i32> = sounds(96, 2, 16).into_iter().flat_map(|(_, samples)| samples).collect();
    stream.push(&signed_pcm(&samples, 16), &mut take).unwrap();
    let info = stream.finish(&mut take).unwrap().info;
    let info = if blind { crate::flac::StreamInfo::of_unknown_length(shape) } else { info };
    ([written_head(info), frames].concat(), samples)
}

#[test]
fn every_truncation_is_told() {
    let (stream, samples) = small(false);
    assert!(decoded(&stream).unwrap().1 == samples);
    for end in 0..stream.len() {
        assert!(decoded(&stream[..end]).is_err(), "cut at {end}");
    }
    // Without totals a stream cut between two frames is whole: nobody can tell. It has no wrong samples.
    let (stream, samples) = small(true);
    let mut whole = 0;
    for end in 0..stream.len() {
        if let Ok((_, found)) = decoded(&stream[..end]) {
            assert!(samples.starts_with(&found));
            whole += 1;
        }
    }
    assert_eq!(whole, samples.len() / 2 / 192);
}

#[test]
fn every_flipped_bit_of_a_frame_is_told() {
    for blind in [false, true] {
        let (stream, _) = small(blind);
        let head = written_head(StreamInfo::of_unknown_length(SHAPE)).len();
        for at in head..stream.len() {
            for bit in 0..8 {
                let mut damaged = stream.clone();
                damaged[at] ^= 1 << bit;
                assert!(decoded(&damaged).is_err(), "byte {at}, bit {bit}");
            }
        }
    }
}

const SHAPE: Shape = Shape { channels: 2, sample_rate: 44_100, bits_per_sample: 16, block_size: 192 };

#[test]
fn a_flipped_bit_of_the_head_never_gives_other_samples() {
    let (stream, samples) = small(false);
    for at in 0..60 {
        for bit in 0..8 {
            let mut damaged = stream.clone();
            damaged[at] ^= 1 << bit;
            let found = decoded(&damaged);
            assert!(found.is_err() || found.is_ok_and(|(_, found)| found == samples), "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn missing_doubled_and_swapped_frames_are_told_even_without_totals() {
    let constant = |number: u8| frame(false, number, 20, 0, &[subframe(0, 0).put(8, number.into())]);
    let stream = |numbers: &[u8]| {
        let frames = numbers.iter().map(|number| constant(*number));
        [head(20, 20, 1, 8)].into_iter().chain(frames).collect::<Vec<_>>().concat()
    };
    assert!(decoded(&stream(&[0, 1, 2])).is_ok());
    for wrong in [[0, 2, 3], [1, 2, 3], [0, 0, 1], [0, 2, 1]] {
        assert!(matches!(decoded(&stream(&wrong)), Err(DecodeError::OutOfOrder { .. })), "{wrong:?}");
    }
}

/// Puts right the checksums of the frame that begins at `start`, so that what is wrong reaches the decoder's inside.
fn reseal(stream: &mut [u8], start: usize, end: usize) {
    use super::super::crc::crc16;
    let checksum = crc16(&stream[start..end - 2]);
    stream[end - 2..end].copy_from_slice(&checksum.to_be_bytes());
}

#[test]
fn damage_behind_sound_checksums_never_panics() {
    let (stream, _) = small(true);
    let mut random = Random::new(3);
    let start = written_head(StreamInfo::of_unknown_length(SHAPE)).len();
    let mut decoder = Decoder::new(stream.as_slice(), 0).unwrap();
    let mut places = Vec::new();
    let mut at = start;
    while let Some(block) = decoder.next_block().unwrap() {
        places.push((at, at + block.frame_bytes));
        at += block.frame_bytes;
    }
    let mut accepted = 0;
    for _ in 0..20_000 {
        let mut damaged = stream.clone();
        let (start, end) = places[random.bits() as usize % places.len()];
        for _ in 0..=random.bits() % 4 {
            // Behind the header.
            let at = start + 7 + random.bits() as usize % (end - start - 9);
            damaged[at] = random.bits().to_le_bytes()[0];
        }
        reseal(&mut damaged, start, end);
        // Another number of bits for the same samples moves the checksum away from its place.
        accepted += u32::from(decoded(&damaged).is_ok());
    }
    assert!(accepted > 100, "{accepted}");
}

#[test]
fn random_bytes_are_no_stream() {
    let mut random = Random::new(4);
    for _ in 0..3_000 {
        let mut bytes = [head(16, 4096, 2, 16), vec![0xFF, 0xF8, 0x69, 0xA8, 0, 200]].concat();
        let crc = super::super::crc::crc8(&bytes[42..]);
        bytes.push(crc);
        bytes.extend((0..random.bits() % 600).map(|_| random.bits().to_le_bytes()[0]));
        assert!(decoded(&bytes).is_err());
    }
}

/// A reader that yields a little at a time, and fails now and then.
struct Slow<'a>(&'a [u8], Random);

impl Read for Slow<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.1.bits().is_multiple_of(4) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let count = (self.1.bits() as usize % 7 + 1).min(bytes.len());
        self.0.read(&mut bytes[..count])
    }
}

#[test]
fn readers_may_yield_as_little_as_they_like_and_their_errors_come_out() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }
    let (stream, samples) = small(false);
    let mut decoder = Decoder::new(Slow(&stream, Random::new(1)), 0).unwrap();
    let mut found = 0;
    while let Some(block) = decoder.next_block().unwrap() {
        found += usize::from(block.block_size);
    }
    assert_eq!(found, samples.len() / 2);
    let mut decoder = Decoder::new(stream[..1_000].chain(Broken), 0).unwrap();
    let error = loop {
        if let Err(error) = decoder.next_block() {
            break error;
        }
    };
    assert!(matches!(error, DecodeError::Input(error) if error.kind() == io::ErrorKind::BrokenPipe));
    assert!(decoder.next_block().unwrap().is_none(), "after an error it is over");
}

#[test]
fn claims_size_no_buffer() {
    // The largest block, told by a header; then nothing. And a metadata block of 16 MiB that does not come.
    let mut stream = head(65_535, 65_535, 8, 32);
    stream[4] = 0;
    stream.extend([0x82, 0xFF, 0xFF, 0xFF, 1, 2, 3]);
    let mut decoder = Decoder::new(stream.as_slice(), u32::MAX).unwrap();
    assert!(matches!(decoder.next_metadata(), Err(DecodeError::MetadataCut)));
    assert!(decoder.next_metadata().unwrap().is_none());
    assert!(decoder.buffered() < 100_000);
}
