//! Judges of FLAC: two decoders that must agree, two readers of metadata.

use std::io::Read;
use std::panic::catch_unwind;

use converter::flac::decode::{DecodeError, Decoder};
use converter::flac::{Fit, HeadParts, StreamInfo, build_head};
use flac_codec::byteorder::LittleEndian;
use flac_codec::decode::FlacByteReader;
use flac_codec::metadata::Metadata as _;

/// What a stream decodes to.
#[derive(Debug, PartialEq)]
pub struct Audio {
    pub channels: u8,
    pub sample_rate: u32,
    pub bits_per_sample: u8,
    /// Interleaved, signed, little-endian.
    pub pcm: Vec<u8>,
}

/// A head with nothing but STREAMINFO and what every head has.
pub fn head(info: StreamInfo) -> Vec<u8> {
    build_head(&HeadParts::of(info), Fit::Padding(0)).bytes
}

/// What our decoder makes of a stream, a little more than `limit` bytes of samples at most.
pub fn ours(flac: &[u8], limit: usize) -> Result<Audio, DecodeError> {
    let mut decoder = Decoder::new(flac, 1 << 16)?;
    let mut pcm = Vec::new();
    while let Some(block) = decoder.next_block()? {
        block.append_pcm(&mut pcm);
        if pcm.len() > limit {
            break;
        }
    }
    let info = decoder.info();
    Ok(Audio { channels: info.channels, sample_rate: info.sample_rate, bits_per_sample: info.bits_per_sample, pcm })
}

/// What flac-codec makes of a stream that our decoder takes. Of the metadata it gets STREAMINFO only: it wants a cue
/// sheet's first track at sample 0, which no RFC does.
#[track_caller]
pub fn by_flac_codec(flac: &[u8], ours: &Audio) -> Result<Vec<u8>, String> {
    let mut bare = flac[..42].to_vec();
    bare[4] |= 0x80;
    bare.extend(&flac[end_of_metadata(flac)..]);
    let mut reader = FlacByteReader::<_, LittleEndian>::new(bare.as_slice()).map_err(|error| error.to_string())?;
    let mut pcm = Vec::new();
    reader.read_to_end(&mut pcm).map_err(|error| error.to_string())?;
    assert_eq!(reader.channel_count(), ours.channels);
    assert_eq!(reader.sample_rate(), ours.sample_rate);
    assert_eq!(reader.bits_per_sample(), u32::from(ours.bits_per_sample));
    Ok(pcm)
}

/// What both decoders make of a stream that we wrote: the same.
#[track_caller]
pub fn both(flac: &[u8]) -> Audio {
    let ours = ours(flac, usize::MAX).expect("our decoder refuses what we wrote");
    match catch_unwind(|| by_flac_codec(flac, &ours)) {
        Ok(pcm) => assert!(pcm.expect("flac-codec refuses what we wrote") == ours.pcm, "the decoders differ"),
        // Its sum of a prediction and a residual has 32 bits. Where a prediction needs more, which RFC 9639 allows, the
        // sum is right, but a build that checks sums panics.
        Err(_) => assert!(ours.bits_per_sample > 24, "flac-codec panics on what we wrote"),
    }
    ours
}

const CUE_SHEET: u8 = 5;

fn end_of_metadata(flac: &[u8]) -> usize {
    let mut decoder = Decoder::new(flac, 0).expect("our decoder refuses our head");
    let mut end = 42;
    while let Some(block) = decoder.next_metadata().expect("our decoder refuses our head") {
        end += 4 + block.length as usize;
    }
    end
}

/// The types and lengths of a head's blocks behind STREAMINFO, if it is sound to its last byte.
#[track_caller]
pub fn blocks(head: &[u8]) -> Vec<(u8, u32)> {
    assert_eq!(end_of_metadata(head), head.len(), "the head ends with its last block");
    let mut decoder = Decoder::new(head, u32::MAX).expect("our decoder refuses our head");
    let mut blocks = Vec::new();
    while let Some(block) = decoder.next_metadata().expect("our decoder refuses our head") {
        blocks.push((block.kind, block.length));
    }
    if blocks.iter().all(|(kind, _)| *kind != CUE_SHEET) {
        flac_codec::metadata::BlockList::read(head).expect("flac-codec refuses our head");
    }
    blocks
}
