//! Every sample size, channel count and block edge, decoded in this process.

use converter::convert::Warning;
use converter::flac::decode;
use flac_codec::decode::{FlacSampleReader, Metadata as _};

use crate::support::{Wav, music, noise, wav_pcm};
use crate::tools::{convert, hound_wav};

/// Samples per channel around every edge that the format or the encoder has.
const LENGTHS: [usize; 18] = [0, 1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 4095, 4096, 4097, 8191, 8192, 12_289];

fn decoded_samples(flac: &[u8]) -> Vec<i32> {
    let mut samples = Vec::new();
    FlacSampleReader::new(flac).unwrap().read_to_end(&mut samples).unwrap();
    samples
}

fn assert_round_trip(wav: &[u8], samples: &[i32], channels: usize, bits: u32, level: u8) {
    let case = format!("{channels} channels, {bits} bits, {} samples, level {level}", samples.len() / channels);
    let (flac, summary) = convert(wav, level).unwrap();
    assert_eq!(decoded_samples(&flac), samples, "{case}");
    assert_eq!(summary.samples, (samples.len() / channels) as u64, "{case}");
    assert_eq!((summary.bytes_in, summary.bytes_out), (wav.len() as u64, flac.len() as u64), "{case}");
    // hound puts the first speakers of the standard's list into its masks, whatever FLAC takes for granted.
    let masks = |warning: &Warning| matches!(warning, Warning::MaskOutsideSubset { .. });
    assert!(summary.warnings.iter().all(masks), "{case}: {:?}", summary.warnings);
    let decoded = decode(flac.as_slice()).unwrap();
    assert_eq!((decoded.md5, decoded.told_md5), (summary.md5, Some(summary.md5)), "{case}");
    assert_eq!(decoded.samples, summary.samples, "{case}");
    assert_eq!(decoded.told_samples, (summary.samples > 0).then_some(summary.samples), "{case}");
}

#[test]
fn every_size_channel_count_and_block_edge() {
    for bits in [8_u16, 16, 24] {
        for channels in 1..=8_u16 {
            for (turn, length) in LENGTHS.into_iter().enumerate() {
                let (count, seed) = (usize::from(channels), 1 + length as u64);
                let samples = if turn % 3 == 2 {
                    noise(length, count, bits.into(), seed)
                } else {
                    music(length, count, bits.into(), seed)
                };
                let wav = hound_wav(&samples, channels, bits, 44_100);
                assert_round_trip(&wav, &samples, count, bits.into(), (turn % 9) as u8);
            }
        }
    }
}

#[test]
fn extremes_of_every_size() {
    for bits in [8_u32, 16, 24] {
        let (low, high) = (-(1_i32 << (bits - 1)), (1_i32 << (bits - 1)) - 1);
        let flips: Vec<i32> = (0..9000).map(|at| if at % 2 == 0 { low } else { high }).collect();
        let slow_flips: Vec<i32> = (0..9000).map(|at| if at / 700 % 2 == 0 { low } else { high }).collect();
        for samples in [vec![0; 9000], vec![low; 9000], vec![high; 9000], flips, slow_flips] {
            for channels in [1, 2] {
                let wav = Wav::pcm(channels, 48_000, bits as u16, &wav_pcm(&samples, bits));
                for level in [0, 5, 8] {
                    assert_round_trip(&wav, &samples, channels.into(), bits, level);
                }
            }
        }
    }
}

#[test]
fn silence_is_almost_nothing() {
    let (flac, summary) = convert(&Wav::pcm(2, 44_100, 16, &vec![0; 4 * 441_000]), 5).unwrap();
    assert_eq!(summary.samples, 441_000);
    let frames = flac.len() - summary.head.len();
    assert!(frames < 2_000, "{frames} bytes");
}

#[test]
fn no_level_is_larger_than_the_one_before() {
    // Estimates are near, but not exact: where a level has nothing to gain, it may lose a few bytes.
    let smaller = |one: &usize, next: &usize| next * 2000 <= one * 2001;
    let sizes = |samples: &[i32], channels: usize, bits: u32| -> Vec<usize> {
        let wav = Wav::pcm(channels as u16, 44_100, bits as u16, &wav_pcm(samples, bits));
        (0..=8).map(|level| convert(&wav, level).unwrap().0.len()).collect()
    };
    for (channels, bits) in [(1, 16), (2, 16), (2, 24), (6, 16), (2, 8)] {
        let music = sizes(&music(5 * 44_100, channels, bits, 9), channels, bits);
        assert!(music.is_sorted_by(smaller), "{channels} channels, {bits} bits: {music:?}");
        assert!(music[8] < music[0], "{music:?}");
        // Brown noise: low orders fit it best, so a level that only knew a higher one would be larger.
        let mut level = vec![0; channels];
        let mut brown = noise(3 * 44_100, channels, bits - 4, 5);
        for frame in brown.chunks_exact_mut(channels) {
            for (sample, level) in frame.iter_mut().zip(&mut level) {
                *level += *sample - *level / 16;
                *sample = *level / 2;
            }
        }
        let brown = sizes(&brown, channels, bits);
        assert!(brown.is_sorted_by(smaller), "{channels} channels, {bits} bits: {brown:?}");
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let samples = music(30_000, 2, 16, 4);
    let wav = hound_wav(&samples, 2, 16, 44_100);
    assert_eq!(convert(&wav, 5).unwrap(), convert(&wav, 5).unwrap());
}

#[test]
fn speakers_that_flac_does_not_take_for_granted_are_kept_in_a_tag() {
    let pcm = wav_pcm(&music(5000, 4, 16, 5), 16);
    for (mask, tagged) in [(0x33, false), (0x603, true), (0x107, true), (0, true)] {
        let wav = Wav::new().extensible(4, 44_100, 16, mask).chunk(b"data", &pcm).build();
        let (flac, summary) = convert(&wav, 5).unwrap();
        assert_eq!(summary.format.channel_mask, Some(mask));
        assert_eq!(summary.subset, !tagged, "{mask:#x}");
        let reader = FlacSampleReader::new(flac.as_slice()).unwrap();
        assert_eq!(u32::from(reader.channel_mask()), mask);
    }
}
