//! The whole catalogue of WAV files through the parser and the unpacker, and through a whole conversion.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use converter::convert::{Options, Verify};
use converter::flac::decode;
use converter::wav::{Format, Parser, Piece, Unpacker, WavError};
use flac_codec::decode::FlacSampleReader;

use crate::support::{Fixture, Sound, distinct_files, fixtures, signed_pcm};
use crate::tools::{convert_with, reference_decode};

/// The most bytes of one fixture: they are sent and stored by the thousand.
const MOST_BYTES: usize = 64 * 1024;

/// What the parser and the unpacker make of a file in pieces: format, samples, warnings' codes.
fn read(fixture: &Fixture, piece: usize) -> Result<(Format, Vec<u8>, Vec<&'static str>), WavError> {
    let mut reading = Reading::default();
    let mut parser = Parser::new(fixture.rules);
    for bytes in fixture.bytes.chunks(piece.max(1)) {
        parser.push(bytes, &mut |piece| reading.take(piece))?;
    }
    let mut warnings = parser.finish(&mut |piece| reading.take(piece))?;
    assert!(reading.bytes == fixture.bytes, "{}: every byte is in one piece", fixture.name);
    let (format, unpacker) = reading.audio.unwrap();
    warnings.extend(unpacker.warnings());
    let mut codes: Vec<_> = warnings.iter().map(converter::wav::WavWarning::code).collect();
    if !unpacker.leftover().is_empty() {
        codes.push("partial_sample");
    }
    Ok((format, reading.samples, codes))
}

#[derive(Default)]
struct Reading {
    bytes: Vec<u8>,
    audio: Option<(Format, Unpacker)>,
    samples: Vec<u8>,
}

impl Reading {
    fn take(&mut self, piece: Piece<'_>) -> Result<(), WavError> {
        match piece {
            Piece::Header(bytes)
            | Piece::Chunk { header: bytes, .. }
            | Piece::Body(bytes)
            | Piece::Padding(bytes)
            | Piece::Junk(bytes) => self.bytes.extend(bytes),
            Piece::Format(format) => self.audio = Some((format, Unpacker::new(&format))),
            Piece::Audio(bytes) => {
                self.bytes.extend(bytes);
                self.audio.as_mut().unwrap().1.unpack(bytes, &mut self.samples)?;
            }
        }
        Ok(())
    }
}

fn assert_sound(name: &str, sound: &Sound, format: &Format, warnings: &[&str]) {
    let shape = (format.channels, format.sample_rate, format.bits_per_sample, format.channel_mask);
    assert_eq!(shape, (sound.channels, sound.sample_rate, sound.bits, sound.mask), "{name}");
    assert_eq!(warnings, sound.warnings, "{name}");
}

#[test]
fn the_catalogue_has_more_than_a_hundred_and_fifty_small_distinct_files() {
    let fixtures = fixtures();
    assert!(distinct_files(&fixtures) >= 150, "{} files", distinct_files(&fixtures));
    let (mut names, mut cases) = (BTreeSet::new(), BTreeMap::new());
    for fixture in &fixtures {
        assert!(names.insert(&fixture.name), "two are named {}", fixture.name);
        let same = cases.insert((&fixture.bytes, format!("{:?}", fixture.rules)), &fixture.name);
        assert_eq!(same, None, "{} is the same", fixture.name);
    }
    for Fixture { name, bytes, .. } in &fixtures {
        assert!(bytes.len() <= MOST_BYTES, "{name} has {} bytes", bytes.len());
    }
}

#[test]
fn every_fixture_is_read_as_expected_in_every_split() {
    for fixture in fixtures() {
        for piece in [fixture.bytes.len(), 1, 7, 1000] {
            let name = format!("{} in pieces of {piece}", fixture.name);
            match (read(&fixture, piece), &fixture.expected) {
                (Ok((format, samples, warnings)), Ok(sound)) => {
                    assert_sound(&name, sound, &format, &warnings);
                    assert!(samples == signed_pcm(&sound.samples, sound.bits.into()), "{name}: other samples");
                }
                (Err(error), Err(code)) => assert_eq!(error.code(), *code, "{name}: {error}"),
                (Ok((.., warnings)), Err(code)) => panic!("{name}: taken with {warnings:?}, expected {code}"),
                (Err(error), Ok(_)) => panic!("{name}: {error}"),
            }
        }
    }
}

/// The catalogue says nothing of warnings about the output, a choice of the caller, or tags that make no sense.
fn is_about_input(code: &str) -> bool {
    !code.ends_with("_outside_subset") && !["quantised", "metadata_unreadable"].contains(&code)
}

#[test]
fn every_fixture_is_converted_as_expected() {
    for Fixture { name, bytes, rules, expected } in fixtures() {
        let options = Options { rules, verify: Verify::Yes, ..Options::default() };
        match (convert_with(&bytes, &options), expected) {
            (Ok((flac, summary)), Ok(sound)) => {
                let codes = summary.warnings.iter().map(converter::convert::Warning::code);
                let about_input: Vec<_> = codes.filter(|code| is_about_input(code)).collect();
                assert_sound(&name, &sound, &summary.format, &about_input);
                let decoded = decode(flac.as_slice()).unwrap();
                assert_eq!((decoded.md5, decoded.samples), (summary.md5, summary.samples), "{name}");
                // flac-codec wants cue sheets as CDs have them, so it gets no metadata.
                let bare = [b"fLaC\x80\0\0\x22".as_slice(), &summary.streaminfo, &flac[summary.head.len()..]].concat();
                let mut samples = Vec::new();
                FlacSampleReader::new(bare.as_slice()).unwrap().read_to_end(&mut samples).unwrap();
                assert!(samples == sound.samples, "{name}: other samples");
            }
            (Err(error), Err(code)) => assert_eq!(error.code(), code, "{name}: {error}"),
            (Ok((_, summary)), Err(code)) => panic!("{name}: taken with {:?}, expected {code}", summary.warnings),
            (Err(error), Ok(_)) => panic!("{name}: {error}"),
        }
    }
}

/// All that are taken, as FLAC files in a folder.
fn converted(folder: &Path) -> Vec<(String, Sound, PathBuf)> {
    let mut files = Vec::new();
    for (number, Fixture { name, bytes, rules, expected }) in fixtures().into_iter().enumerate() {
        let Ok(sound) = expected else { continue };
        let (flac, _) = convert_with(&bytes, &Options { rules, ..Options::default() }).unwrap();
        let path = folder.join(format!("{number}.flac"));
        fs::write(&path, flac).unwrap();
        files.push((name, sound, path));
    }
    files
}

#[test]
fn flac_decodes_every_fixture_to_its_samples() {
    let folder = tempfile::tempdir().unwrap();
    let mut compared = 0;
    for (name, sound, path) in converted(folder.path()) {
        if sound.samples.is_empty() {
            continue;
        }
        if sound.bits % 8 == 0 {
            assert!(reference_decode(&path) == signed_pcm(&sound.samples, sound.bits.into()), "{name}: other samples");
            compared += 1;
        } else {
            // flac writes no raw samples of odd sizes, but it computes their MD5 anew and compares it.
            let test = Command::new("flac").args(["--test", "--silent"]).arg(&path).output().unwrap();
            assert!(
                test.status.success() && test.stderr.is_empty(),
                "{name}: {}",
                String::from_utf8_lossy(&test.stderr)
            );
        }
    }
    assert!(compared >= 150, "only {compared} files");
}

#[test]
fn ffmpeg_decodes_every_fixture_to_its_samples() {
    let folder = tempfile::tempdir().unwrap();
    let mut compared = 0;
    for (name, sound, path) in converted(folder.path()) {
        // ffmpeg decodes 32 bits only since its version 6.
        if sound.samples.is_empty() || sound.bits > 24 {
            continue;
        }
        let output = Command::new("ffmpeg")
            .args(["-v", "error", "-i"])
            .arg(&path)
            .args(["-f", "s32le", "-c:a", "pcm_s32le", "-"])
            .output()
            .expect("these tests need ffmpeg: apt-get install ffmpeg");
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let shift = 32 - u32::from(sound.bits);
        let wanted: Vec<u8> = sound.samples.iter().flat_map(|sample| (sample << shift).to_le_bytes()).collect();
        assert!(output.stdout == wanted, "{name}: other samples");
        compared += 1;
    }
    assert!(compared >= 150, "only {compared} files");
}
