//! `--keep-foreign-metadata` over the whole catalogue: what was kept gives the identical WAV file, by us always, and by
//! `flac` wherever its own round trip does.

use std::fs;
use std::path::Path;
use std::process::Command;

use converter::convert::{Metadata, MetadataOptions, Options};
use converter::restore::restore;
use converter::wav::Rules;

use crate::support::{Fixture, fixtures};
use crate::tools::convert_with;

/// The FLAC file with everything in it, or the code of the refusal.
fn keep(fixture: &Fixture) -> Result<Vec<u8>, &'static str> {
    let metadata = MetadataOptions { keep: Metadata::Foreign, ..MetadataOptions::default() };
    let options = Options { rules: fixture.rules, metadata, ..Options::default() };
    convert_with(&fixture.bytes, &options).map(|(flac, _)| flac).map_err(|error| error.code())
}

#[test]
fn whatever_is_kept_is_restored_to_the_last_byte() {
    let mut restored = 0;
    for fixture in fixtures() {
        let name = &fixture.name;
        match (keep(&fixture), &fixture.expected) {
            (Ok(flac), Ok(_)) => {
                let mut wav = Vec::new();
                restore(flac.as_slice(), &mut wav).unwrap_or_else(|error| panic!("{name}: {error}"));
                assert!(wav == fixture.bytes, "{name}: another file");
                restored += 1;
            }
            // What cannot be kept says so.
            (Err(code), Ok(_)) => assert!(["foreign_float", "foreign_high_bits"].contains(&code), "{name}: {code}"),
            (Err(found), Err(code)) => assert_eq!(found, *code, "{name}"),
            (Ok(_), Err(code)) => panic!("{name}: taken, expected {code}"),
        }
    }
    assert!(restored >= 300, "only {restored} files");
}

/// `flac`'s exit code and the file that it wrote.
fn flac(args: &[&str], input: &Path, output: &Path) -> Option<Vec<u8>> {
    let status = Command::new("flac")
        .args(["--silent", "--force", "--keep-foreign-metadata"])
        .args(args)
        .arg(input)
        .arg("-o")
        .arg(output)
        .output()
        .expect("these tests need the reference encoder: apt-get install flac");
    let written = fs::read(output).ok();
    let _ = fs::remove_file(output);
    written.filter(|_| status.status.success())
}

#[test]
fn where_flac_restores_its_own_it_restores_ours() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (mut by_flac, mut by_us_alone) = (0, 0);
    for fixture in fixtures() {
        let name = &fixture.name;
        let Ok(ours) = keep(&fixture) else { continue };
        // flac has no such rules: it would take another file.
        if fixture.rules != Rules::default() {
            continue;
        }
        fs::write(path("in.wav"), &fixture.bytes).unwrap();
        fs::write(path("ours.flac"), ours).unwrap();
        let flac_does = flac(&[], &path("in.wav"), &path("theirs.flac"))
            .and_then(|theirs| {
                fs::write(path("theirs.flac"), theirs).unwrap();
                flac(&["--decode"], &path("theirs.flac"), &path("theirs.wav"))
            })
            .is_some_and(|back| back == fixture.bytes);
        if let Some(back) = flac(&["--decode"], &path("ours.flac"), &path("ours.wav")) {
            assert!(back == fixture.bytes, "{name}: flac makes another file of ours");
            by_flac += 1;
        } else {
            assert!(!flac_does, "{name}: flac restores its own, but not ours");
            by_us_alone += 1;
        }
    }
    assert!(by_flac >= 50 && by_us_alone >= 100, "{by_flac} by flac, {by_us_alone} by us alone");
}
