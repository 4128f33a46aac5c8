//! The whole catalogue of WAV files through the parser and the unpacker, and through a whole conversion.

use std::collections::{BTreeMap, BTreeSet};

use converter::convert::{Options, convert_reader};
use converter::wav::{Format, Parser, Piece, Rules, Unpacker, WavError};
use flac_codec::decode::FlacSampleReader;

use crate::support::{Fixture, Sound, distinct_files, fixtures, signed_pcm};

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

/// Whether today's conversion can be asked for this: it takes no rule but the length, and whole bytes up to 24 bits.
fn converts_today(fixture: &Fixture) -> bool {
    let rules = Rules { length: fixture.rules.length, ..Rules::default() };
    let size_fits = match &fixture.expected {
        Ok(sound) => matches!(sound.bits, 8 | 16 | 24),
        Err(code) => *code != "padding_not_zero",
    };
    fixture.rules == rules && size_fits
}

#[test]
fn every_fixture_is_converted_as_expected() {
    let fixtures: Vec<_> = fixtures().into_iter().filter(converts_today).collect();
    assert!(distinct_files(&fixtures) >= 150, "{} files", distinct_files(&fixtures));
    for Fixture { name, bytes, rules, expected } in fixtures {
        let options = Options { length: rules.length, ..Options::default() };
        let mut flac = Vec::new();
        match (convert_reader(bytes.as_slice(), &mut flac, &options, &mut |_| {}), expected) {
            (Ok(summary), Ok(sound)) => {
                let warnings: Vec<_> = summary.warnings.iter().map(converter::convert::Warning::code).collect();
                let about_input: Vec<_> =
                    warnings.into_iter().filter(|code| !code.ends_with("_outside_subset")).collect();
                assert_sound(&name, &sound, &summary.format, &about_input);
                let mut samples = Vec::new();
                FlacSampleReader::new(flac.as_slice()).unwrap().read_to_end(&mut samples).unwrap();
                assert!(samples == sound.samples, "{name}: other samples");
            }
            (Err(error), Err(code)) => assert_eq!(error.code(), code, "{name}: {error}"),
            (Ok(summary), Err(code)) => panic!("{name}: taken with {:?}, expected {code}", summary.warnings),
            (Err(error), Ok(_)) => panic!("{name}: {error}"),
        }
    }
}
