//! `converter restore`: the same file or none.

use std::path::Path;
use std::process::Command;

use converter::meta::Metadata;
use converter::restore::{RestoreError, restore};
use converter::wav::{Length, Rules};
use proptest::prelude::*;

use super::{Converted, convert, must, run};
use crate::support::{Place, Wav, Wave64, extensible_body, music, pack, wav_pcm};

fn foreign(wav: &[u8]) -> Converted {
    convert(wav, Rules::default(), Metadata::Foreign).unwrap()
}

fn failure(flac: &[u8]) -> RestoreError {
    restore(flac, &mut Vec::new()).unwrap_err()
}

/// A file that needs our own form: its `fmt ` chunk is longer than usual.
fn wav() -> Vec<u8> {
    let fmt = extensible_body(2, 44_100, 32, 24, 3, 1);
    let sound = pack(&music(5000, 2, 24, 9), 24, 4, Place::High);
    Wav::new().chunk(b"fmt ", &fmt).chunk(b"data", &sound).chunk(b"mine", b"abc").build()
}

#[test]
fn what_was_not_stored_cannot_be_restored() {
    let tags = convert(&wav(), Rules::default(), Metadata::Tags).unwrap();
    let error = failure(&tags.flac);
    assert_eq!(error.code(), "no_foreign_metadata");
    assert!(error.to_string().starts_with("no foreign metadata: it was not made with"), "{error}");
    assert_eq!(failure(b"RIFF").code(), "not_flac");
    assert_eq!(failure(b"").code(), "not_flac");
}

#[test]
fn a_damaged_file_is_not_restored() {
    let flac = foreign(&wav()).flac;
    for length in [5, 30, 60, 200, 400, flac.len() / 2, flac.len() - 1] {
        assert_eq!(failure(&flac[..length]).code(), "damaged_flac", "{length}");
    }
    let stored = flac.windows(4).position(|bytes| bytes == b"mine").unwrap();
    for (at, code) in [(stored, "restored_file_differs"), (flac.len() - 900, "damaged_flac")] {
        let mut changed = flac.clone();
        changed[at] ^= 1;
        assert_eq!(failure(&changed).code(), code, "{at}");
    }
    let version = flac.windows(4).position(|bytes| bytes == b"FSWV").unwrap() + 4;
    let mut later = flac;
    later[version] = 2;
    assert_eq!(failure(&later).code(), "later_version");
}

#[test]
fn more_than_a_block_holds_is_stored_in_several() {
    let junk: Vec<u8> = (0..40_000_000_u32).map(|number| (number % 251) as u8).collect();
    let wav = Wav::new().chunk(b"JUNK", &junk).fmt(1, 8_000, 16).chunk(b"data", &[1; 100]).build();
    let converted = foreign(&wav);
    assert_eq!(converted.collected.foreign.unwrap().applications.len(), 4);
    let mut again = Vec::new();
    restore(&converted.flac[..], &mut again).unwrap();
    assert!(again == wav);
}

fn converter(args: &[&str], folder: &Path) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_converter")).args(args).current_dir(folder).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn the_command_gives_a_name_only_to_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("a.flac"), foreign(&wav()).flac).unwrap();
    let (code, told) = converter(&["restore", "a.flac"], folder.path());
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("the same as the file that was converted"), "{told}");
    assert!(std::fs::read(path("a.wav")).unwrap() == wav());

    let (code, told) = converter(&["restore", "a.flac"], folder.path());
    assert!(code == Some(1) && told.contains("already there"), "{told}");
    assert_eq!(converter(&["restore", "a.flac", "--force"], folder.path()).0, Some(0));

    let mut changed = std::fs::read(path("a.flac")).unwrap();
    let stored = changed.windows(4).position(|bytes| bytes == b"mine").unwrap();
    changed[stored] ^= 1;
    std::fs::write(path("b.flac"), changed).unwrap();
    let (code, told) = converter(&["restore", "b.flac", "-o", "c.wav"], folder.path());
    assert!(code == Some(1) && told.contains("not the file that was converted"), "{told}");
    let mut names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["a.flac", "a.wav", "b.flac"]);
}

#[test]
fn files_that_flac_itself_cannot_restore_are_restored() {
    let folder = tempfile::tempdir().unwrap();
    let sound = wav_pcm(&music(3000, 2, 24, 4), 24);
    let wav = Wav::new().fmt(2, 44_100, 24).chunk(b"data", &sound).chunk(b"LIST", b"INFO").build();
    std::fs::write(folder.path().join("in.wav"), &wav).unwrap();
    must("flac", &["--silent", "--keep-foreign-metadata", "in.wav"], folder.path());
    assert_eq!(converter(&["restore", "in.flac", "-o", "out.wav"], folder.path()).0, Some(0));
    assert!(std::fs::read(folder.path().join("out.wav")).unwrap() == wav);
    let theirs = run("flac", &["-d", "--keep-foreign-metadata", "in.flac", "-o", "theirs.wav"], folder.path());
    assert!(!theirs.status.success() || std::fs::read(folder.path().join("theirs.wav")).unwrap() != wav);
}

/// Bytes that stand between or after chunks.
fn some_chunk() -> impl Strategy<Value = Vec<u8>> {
    let name = prop::sample::select(vec![*b"LIST", *b"JUNK", *b"id3 ", *b"cue ", *b"abcd", *b"bext"]);
    (name, prop::collection::vec(any::<u8>(), 0..40), any::<bool>()).prop_map(|(name, body, padded)| {
        let mut chunk = [&name[..], &(body.len() as u32).to_le_bytes(), &body].concat();
        if padded && body.len() % 2 == 1 {
            chunk.push(0);
        }
        chunk
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_file_that_converts_comes_back(
        before in prop::collection::vec(some_chunk(), 0..4),
        after in prop::collection::vec(some_chunk(), 0..4),
        tail in prop::collection::vec(any::<u8>(), 0..20),
        channels in 1_u16..=8, bits in 4_u32..=24, wider in 0_usize..3,
        sound in 0_usize..300, cut in 0_usize..6,
        claimed in prop::option::of(prop::sample::select(vec![0, 1, 100, u32::MAX])),
        riff_size in prop::option::of(any::<u32>()),
        length in prop::sample::select(vec![Length::Auto, Length::Header, Length::Eof]),
        wave64: bool,
    ) {
        let bytes = bits.div_ceil(8) as usize + wider;
        let mut pcm = pack(&music(sound, channels.into(), bits, 7), bits, bytes, Place::High);
        if bits.div_ceil(8) == 1 && bytes > 1 {
            pcm = pack(&music(sound, channels.into(), bits, 7), bits, 1, Place::High);
        }
        let container = pcm.len().checked_div(sound * usize::from(channels)).unwrap_or(bytes) as u16;
        pcm.truncate(pcm.len().saturating_sub(cut));
        let fmt = extensible_body(channels, 44_100, container * 8, bits as u16, 0x63F, 1);
        let wav = if wave64 {
            let start = Wave64::new().raw(&[]).chunk(b"fmt ", &fmt);
            start.chunk(b"data", &pcm).chunk(b"bext", &before.concat()).raw(&tail).build()
        } else {
            let start = Wav::new().raw(&before.concat()).chunk(b"fmt ", &fmt);
            let data = start.head(b"data", claimed.unwrap_or(pcm.len() as u32)).raw(&pcm).raw(&after.concat()).raw(&tail);
            let mut wav = data.build();
            if let Some(size) = riff_size {
                wav[4..8].copy_from_slice(&size.to_le_bytes());
            }
            wav
        };
        let Ok(converted) = convert(&wav, Rules { length, ..Rules::default() }, Metadata::Foreign) else {
            return Ok(());
        };
        let mut again = Vec::new();
        let restored = restore(&converted.flac[..], &mut again);
        prop_assert!(restored.is_ok(), "{restored:?}");
        prop_assert!(again == wav);
    }
}
