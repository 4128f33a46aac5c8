//! Streams that `flac` and `flac-codec` encoded.

use std::io::Cursor;
use std::process::Command;

use flac_codec::encode::{FlacSampleWriter, Options};

use super::{decoded, sounds};
use crate::support::signed_pcm;

/// What `flac` makes of signed little-endian PCM.
fn by_flac(pcm: &[u8], channels: usize, bits: u32, arguments: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("raw");
    std::fs::write(&input, pcm).unwrap();
    let output = Command::new("flac")
        .args(["--silent", "--stdout", "--force-raw-format", "--endian=little", "--sign=signed", "--lax"])
        .arg("--sample-rate=48000")
        .args([format!("--channels={channels}"), format!("--bps={bits}")])
        .args(arguments)
        .arg(&input)
        .output()
        .expect("these tests need the reference encoder: apt-get install flac");
    assert!(output.status.success(), "flac {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn by_flac_codec(samples: &[i32], channels: usize, bits: u32, options: Options) -> Vec<u8> {
    let mut flac = Cursor::new(Vec::new());
    let channels = u8::try_from(channels).unwrap();
    let mut writer = FlacSampleWriter::new(&mut flac, options, 48_000, bits, channels, None).unwrap();
    writer.write(samples).unwrap();
    writer.finalize().unwrap();
    flac.into_inner()
}

#[track_caller]
fn assert_decodes(flac: &[u8], samples: &[i32], channels: usize, bits: u32, what: &str) {
    let (info, found) =
        decoded(flac).unwrap_or_else(|error| panic!("{what}, {channels} channels, {bits} bits: {error}"));
    assert!(found == samples, "{what}, {channels} channels, {bits} bits: the samples differ");
    assert_eq!((usize::from(info.channels), u32::from(info.bits_per_sample)), (channels, bits));
}

#[test]
fn every_level_of_flac_is_decoded_in_every_depth() {
    for bits in [8, 16, 24, 32] {
        for (sound, samples) in sounds(6_000, 2, bits) {
            let pcm = signed_pcm(&samples, bits);
            for level in ["-0", "-1", "-2", "-3", "-4", "-5", "-6", "-7", "-8"] {
                let flac = by_flac(&pcm, 2, bits, &[level]);
                assert_decodes(&flac, &samples, 2, bits, &format!("{sound}, {level}"));
            }
        }
    }
}

#[test]
fn every_number_of_channels_is_decoded() {
    for channels in 1..=8 {
        for (sound, samples) in sounds(5_000, channels, 16) {
            let flac = by_flac(&signed_pcm(&samples, 16), channels, 16, &["-5"]);
            assert_decodes(&flac, &samples, channels, 16, sound);
        }
    }
}

#[test]
fn every_search_and_block_size_of_flac_is_decoded() {
    for arguments in [
        ["-b16", "-l0", "-r0"].as_slice(),
        &["-b17", "-l8", "-m"],
        &["-b192", "-l32", "-p"],
        &["-b577", "-l12", "-r8", "-e"],
        &["-b4095", "-l32", "-q15"],
        &["-b4096", "-l32", "-q5", "-r15"],
        &["-b65535", "-l15", "-r4"],
        &["-b32768", "-l13", "-r15"],
    ] {
        for bits in [16, 24] {
            for (sound, samples) in sounds(70_000, 2, bits).into_iter().rev().take(4) {
                let flac = by_flac(&signed_pcm(&samples, bits), 2, bits, arguments);
                assert_decodes(&flac, &samples, 2, bits, &format!("{sound}, {arguments:?}"));
            }
        }
    }
}

#[test]
fn every_depth_of_flac_codec_is_decoded() {
    for bits in 4..=32 {
        for channels in [1, 2, 3] {
            for (sound, samples) in sounds(3_000, channels, bits) {
                for options in [Options::fast(), Options::best()] {
                    let flac = by_flac_codec(&samples, channels, bits, options.block_size(1_000).unwrap());
                    assert_decodes(&flac, &samples, channels, bits, sound);
                }
            }
        }
    }
}

#[test]
fn lengths_around_the_block_size_are_decoded() {
    for length in [1, 2, 15, 16, 17, 575, 576, 577, 1151, 1152, 1153] {
        for (sound, samples) in sounds(length, 2, 16) {
            let flac = by_flac(&signed_pcm(&samples, 16), 2, 16, &["-b576"]);
            assert_decodes(&flac, &samples, 2, 16, &format!("{sound}, {length} samples"));
        }
    }
}

#[test]
fn a_stream_without_totals_is_decoded_to_its_end() {
    let (_, samples) = sounds(9_000, 2, 16).pop().unwrap();
    let mut flac = by_flac(&signed_pcm(&samples, 16), 2, 16, &[]);
    // Frame sizes, number of samples and MD5 as a pipe leaves them.
    flac[12..18].fill(0);
    flac[21] &= 0xF0;
    flac[22..42].fill(0);
    let (info, found) = decoded(&flac).unwrap();
    assert_eq!((info.total_samples, info.md5, info.max_frame_size), (None, None, None));
    assert!(found == samples);
    // Not even the block sizes are needed.
    flac[8..12].fill(0);
    assert!(decoded(&flac).unwrap().1 == samples);
}
