//! The decoder: any bytes, and sound streams with damage behind sound checksums, never make it panic, hang or hold more
//! memory than a block and a frame; and where another decoder finds samples too, they are the same.

#![no_main]

use std::num::NonZeroUsize;
use std::panic::catch_unwind;

use arbitrary::Arbitrary;
use converter::flac::decode::Decoder;
use converter::flac::{Engine, Level, Shape, StreamEncoder, StreamInfo, StreamOptions, Verify};
use converter_fuzz::judge::{by_flac_codec, head, ours};
use converter_fuzz::panics::let_engines_panic;
use converter_fuzz::sound::{Sounds, signed_pcm};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
enum Case<'a> {
    /// Any bytes.
    Bytes(&'a [u8]),
    /// Frames made of any bytes after sound headers: channels, bits, how they are coded, the subframes.
    Frames { channels: u8, bits: u8, stereo: bool, block_size: u16, bodies: Vec<&'a [u8]> },
    /// A sound stream with damage.
    Damaged {
        channels: u8,
        bits: u8,
        level: u8,
        sounds: Sounds,
        damage: Vec<(u16, u8)>,
        cut: Option<u16>,
        reseal: bool,
    },
}

/// The polynomials of RFC 9639 §9.1.8 and §9.3, bit by bit.
fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc, byte| (0..8).fold(crc ^ byte, |crc: u8, _| (crc << 1) ^ ((crc >> 7) * 7)))
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc: u16, _| (crc << 1) ^ ((crc >> 15) * 0x8005))
    })
}

fn frames(shape: Shape, stereo: bool, bodies: &[&[u8]]) -> Vec<u8> {
    let mut flac = head(StreamInfo::of_unknown_length(shape));
    for (number, body) in (0..).zip(bodies.iter().take(100)) {
        let assignment = if stereo && shape.channels == 2 { 8 + body.len() as u8 % 3 } else { shape.channels - 1 };
        let mut frame = vec![0xFF, 0xF8, 0x70, assignment << 4, number];
        frame.extend((shape.block_size - 1).to_be_bytes());
        frame.push(crc8(&frame));
        frame.extend(*body);
        frame.extend(crc16(&frame).to_be_bytes());
        flac.extend(frame);
    }
    flac
}

fn damaged(shape: Shape, level: u8, sounds: &Sounds, damage: &[(u16, u8)], cut: Option<u16>, reseal: bool) -> Vec<u8> {
    let samples = sounds.samples(shape.channels, shape.bits_per_sample, 3_000);
    let level = Level::new(level % 9).unwrap_or_default();
    let options =
        StreamOptions { level, engine: Engine::default(), threads: NonZeroUsize::MIN, spare: None, verify: Verify::No };
    let mut stream = StreamEncoder::new(shape, &options).expect("every shape is encoded");
    let mut flac = head(StreamInfo::of_unknown_length(shape));
    let mut ends = vec![flac.len()];
    let mut take = |frame: &[u8]| {
        flac.extend_from_slice(frame);
        ends.push(flac.len());
        Ok(())
    };
    stream.push(&signed_pcm(&samples, shape.bits_per_sample), &mut take).expect("every block is encoded");
    stream.finish(&mut take).expect("every block is encoded");
    for (place, byte) in damage {
        let place = usize::from(*place) % flac.len();
        flac[place] ^= byte;
    }
    if reseal {
        for pair in ends.windows(2) {
            let (checked, footer) = flac[pair[0]..pair[1]].split_at_mut(pair[1] - pair[0] - 2);
            footer.copy_from_slice(&crc16(checked).to_be_bytes());
        }
    }
    flac.truncate(cut.map_or(usize::MAX, usize::from));
    flac
}

fuzz_target!(init: let_engines_panic(), |case: Case<'_>| {
    let shape = |channels: u8, bits: u8, block_size: u16| Shape {
        channels: channels % 8 + 1,
        sample_rate: 44_100,
        bits_per_sample: bits % 29 + 4,
        block_size: block_size.clamp(16, 4_000),
    };
    let flac = match &case {
        Case::Bytes(bytes) => bytes.to_vec(),
        Case::Frames { channels, bits, stereo, block_size, bodies } => {
            frames(shape(*channels, *bits, *block_size), *stereo, bodies)
        }
        Case::Damaged { channels, bits, level, sounds, damage, cut, reseal } => {
            damaged(shape(*channels, *bits, 500), *level, sounds, damage, *cut, *reseal)
        }
    };
    // A frame of a few bytes may stand for 2 MiB of samples.
    let whole = ours(&flac, 64 << 20);
    // Where another decoder finds samples too, they are the same. It panics on some streams.
    if let Ok(ours) = &whole
        && flac.starts_with(b"fLaC")
        && ours.pcm.len() < 1 << 20
        && let Ok(Ok(pcm)) = catch_unwind(|| by_flac_codec(&flac, ours))
    {
        assert!(pcm == ours.pcm, "the decoders differ");
    }
    // The metadata is the same whether its bodies are asked for or not.
    if let Ok(mut decoder) = Decoder::new(flac.as_slice(), 10) {
        let mut length = 0_u64;
        while let Ok(Some(block)) = decoder.next_metadata() {
            assert!(block.body.is_none_or(|body| body.len() == block.length as usize));
            length += u64::from(block.length);
        }
        assert!(length <= flac.len() as u64 || whole.is_err());
    }
});
