//! Two thousand recordings in two hundred folders, some of them bad in ten ways.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::{Value, json};

use crate::harness::Namespace;
use crate::harness::archive::{self, Archive, Size, files_below};
use crate::harness::job::{self, Watched, completed, manifest};
use crate::harness::object::{columns, condition_is};
use crate::harness::volume::{Volume, own};
use crate::harness::wait::{self, STEP};
use e2e::audio::{Audio, Shape};

const SIZE: Size = Size { folders: 200, files: 1940, seconds: 0.5 };
/// Of each kind of bad file so many.
const EACH: usize = 6;

/// A WAV file of PCM with some bytes of its format chunk changed.
fn with_format(change: impl Fn(&mut [u8])) -> Vec<u8> {
    let mut wav = Audio::sine(Shape::VOICE, 0.1, 440.0).wav().unwrap();
    assert_eq!(&wav[12..16], b"fmt ");
    change(&mut wav[20..36]);
    wav
}

/// Puts a bad file at a path.
type Spoil = fn(&Path);

/// How files are bad, and the reason that the report gives.
const BAD: [(&str, &str, Spoil); 10] = [
    ("letter", "not_wav", |path| fs::write(path, b"Dear archive, this is a letter and no recording.").unwrap()),
    ("cut", "truncated_header", |path| fs::write(path, &with_format(|_| {})[..20]).unwrap()),
    ("empty", "empty_input", |path| fs::write(path, b"").unwrap()),
    ("adpcm", "unsupported_encoding", |path| fs::write(path, with_format(|format| format[0] = 2)).unwrap()),
    ("float", "unsupported_encoding", |path| {
        let float = with_format(|format| {
            format[0] = 3;
            format[8..12].copy_from_slice(&32_000_u32.to_le_bytes());
            format[12] = 4;
            format[14] = 32;
        });
        fs::write(path, float).unwrap();
    }),
    ("silent", "unsupported_channels", |path| fs::write(path, with_format(|format| format[2] = 0)).unwrap()),
    ("secret", "source_unreadable", |path| {
        fs::write(path, with_format(|_| {})).unwrap();
        own(path, 0o000, Some((4711, 4712)));
    }),
    ("lost", "broken_symlink", |path| symlink("nowhere.wav", path).unwrap()),
    // From its reel past its series and the tapes, to the volume's root.
    ("outside", "symlink_outside_source", |path| symlink("../../../outside.wav", path).unwrap()),
    ("pipe", "not_a_file", |path| mkfifo(path, Mode::from_bits_truncate(0o644)).unwrap()),
];

/// What a person sees who leaves `kubectl get cvj -w -o wide` running.
fn is_worth_watching(table: Watched) {
    let table = table.once("the table shows the end", |text| text.lines().any(|row| row.contains(" Done ")));
    assert_eq!(columns(&table)[..2], ["NAME", "STAGE"]);
    let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|row| row.split_whitespace().collect()).collect();
    let mut stages: Vec<&str> = rows.iter().filter_map(|row| row.get(1).copied()).collect();
    stages.retain(|word| ["Plan", "Convert", "Report", "Done"].contains(word));
    stages.dedup();
    assert_eq!(stages, ["Plan", "Convert", "Report", "Done"], "{table}");
    let done = rows.iter().filter_map(|row| row.get(2)?.strip_suffix("/2000")?.parse::<u32>().ok());
    let done: Vec<u32> = done.collect();
    assert!(done.is_sorted() && done.last() == Some(&2000), "{table}");
    assert!(done.iter().any(|done| (1..2000).contains(done)), "it shows how far it has come: {table}");
}

#[test]
fn every_good_file_is_converted_and_every_bad_one_named() {
    let namespace = Namespace::restricted("many");
    let volume = Volume::with_claim(&namespace, "archive");
    let good = Archive::record(&volume, "tapes", SIZE);
    let folders: Vec<String> = good.names().map(|name| name.rsplit_once('/').unwrap().0.to_owned()).collect();
    fs::write(volume.root().join("outside.wav"), with_format(|_| {})).unwrap();
    let mut bad = BTreeMap::new();
    for (kind, (word, reason, spoil)) in BAD.into_iter().enumerate() {
        for number in 0..EACH {
            let path = format!("{}/{word} {number}.wav", folders[(kind * EACH + number) * 31 % folders.len()]);
            spoil(&good.root().join(&path));
            bad.insert(path, reason);
        }
    }
    assert_eq!(good.len() + bad.len(), 2000);
    let before = files_below(good.root()).len();

    let spec = json!({
        "source": { "volume": volume.source(), "path": "tapes" },
        "destination": { "path": "flac" },
        "parallelism": 2,
        "shards": 8,
    });
    namespace.apply(&manifest("night", &spec));
    let table = Watched::begin(&namespace);
    let held = archive::hold_last(&volume, "flac");
    let labels = format!("namespace=\"{}\",name=\"night\"", namespace.name());
    wait::until("the operator counts it", STEP, || {
        let converting = job::metric("flacship_operator_jobs{phase=\"convert\"}");
        let planned = job::metric(&format!("flacship_operator_job_files_planned{{{labels}}}"));
        let counted = converting.is_some_and(|jobs| jobs >= 1.0) && planned == Some(2000.0);
        if counted { Ok(()) } else { Err(format!("{converting:?} convert, {planned:?} files")) }
    });
    namespace.until("tells how fast it goes and when it will be done", "cvj/night", STEP, |now| {
        let told = |field: &str| now["status"][field].is_string();
        (now["status"]["stage"] == "Convert" && told("throughput") && told("estimatedCompletionTime")).then_some(())
    });
    drop(held);
    let job = completed(&namespace, "night");
    is_worth_watching(table);
    job::is_written_once_a_second(&namespace, "night");
    let status = &job["status"];
    assert_eq!(status["files"], json!({ "total": 2000, "converted": 1940, "skipped": 0, "failed": 60 }));
    assert_eq!(status["shards"], json!({ "total": 8, "active": 0, "completed": 8, "failed": 0 }));
    assert!(condition_is(&job, "Complete", "True", "SomeFilesFailed").is_some());
    let sample = status["failures"].as_array().unwrap();
    assert_eq!(sample.len(), 20, "a bounded sample");

    let report = volume.root().join(status["report"].as_str().unwrap());
    let told: Value = serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
    let failures: BTreeMap<&str, &str> = told["failures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|failure| (failure["path"].as_str().unwrap(), failure["reason"].as_str().unwrap()))
        .collect();
    let wanted: BTreeMap<&str, &str> = bad.iter().map(|(path, reason)| (path.as_str(), *reason)).collect();
    assert_eq!(failures, wanted);
    let page = fs::read_to_string(report.with_extension("html")).unwrap();
    assert!(page.contains("letter 0.wav") && page.contains("1,940"), "the page is for people");

    good.is_converted_once_at(&volume.root().join("flac"), &volume);
    assert_eq!(files_below(good.root()).len(), before, "nothing came to the sources or went");

    let table = namespace.kubectl("get cvj night");
    assert_eq!(columns(&table), ["NAME", "STAGE", "PROGRESS", "FAILED", "RATIO", "AGE"]);
    let row: Vec<&str> = table.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[..4], ["night", "Done", "2000/2000", "60"]);
    let described = namespace.kubectl("describe cvj night");
    for reason in ["Planned", "Converting", "Completed"] {
        assert!(described.contains(reason), "no Event {reason}: {described}");
    }
}
