//! A ConversionJob over a claim whose files belong to somebody else: every good file converted and verified, every bad
//! one named, and a second run that has nothing left to do.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::Namespace;
use crate::harness::archive::{files_below, identity};
use crate::harness::object::{columns, condition, condition_is};
use crate::harness::volume::{Volume, own};
use e2e::audio::{Audio, Shape};

/// The archive's user and group, neither of which is the worker's.
const OWNER: Option<(u32, u32)> = Some((4711, 4712));
const JOB: Duration = Duration::from_mins(3);

/// Folders with spaces, other scripts and depth.
const FOLDERS: [&str; 5] =
    ["1998", "1998/Live at the Hall", "1998/Live at the Hall/Side B", "Ünïcode/日本", "a/b/c/d/e"];

fn job(name: &str, volume: &Volume) -> Value {
    json!({
        "apiVersion": "flacship.dev/v1alpha1", "kind": "ConversionJob", "metadata": { "name": name },
        "spec": {
            "source": { "volume": volume.source(), "path": "tapes" },
            "parallelism": 2,
            "shards": 5,
            "encoding": { "metadata": "Foreign", "blockSize": 1152 },
            "podTemplate": { "securityContext": { "supplementalGroups": [4712] } },
        },
    })
}

/// Fills the volume: 38 good files and two broken ones, and some that are no business of the job.
fn archive(volume: &Volume) -> BTreeMap<String, Audio> {
    let tapes = volume.folder("tapes", 0o770, OWNER);
    let put = |path: &str, bytes: &[u8]| {
        let path = tapes.join(path);
        fs::write(&path, bytes).unwrap();
        own(&path, 0o640, OWNER);
    };
    let shapes = [Shape::CD, Shape::VOICE, Shape::STUDIO, Shape { channels: 6, rate: 48_000, bits: 16 }];
    let mut sounds = BTreeMap::new();
    for n in 0..38_u16 {
        let folder = FOLDERS[usize::from(n) % FOLDERS.len()];
        volume.folder(&format!("tapes/{folder}"), 0o770, OWNER);
        let ending = ["wav", "WAV", "wave"][usize::from(n) % 3];
        let path = format!("{folder}/take {n:02}.{ending}");
        let audio = Audio::music(shapes[usize::from(n) % shapes.len()], 0.5 + f64::from(n % 5) * 0.5, u64::from(n));
        put(&path, &audio.wav().unwrap());
        sounds.insert(path, audio);
    }
    put("1998/letter.wav", b"Dear archive, this is a letter that somebody named like a recording.");
    put("a/b/cut off.wav", &Audio::sine(Shape::CD, 0.1, 440.0).wav().unwrap()[..20]);
    put("1998/notes.txt", b"not to be touched");
    put("1998/.hidden.wav", &Audio::sine(Shape::CD, 0.1, 440.0).wav().unwrap());
    sounds
}

#[test]
fn an_archive_of_another_user_is_converted_once() {
    let namespace = Namespace::restricted("archive");
    let volume = Volume::with_claim(&namespace, "archive");
    volume.folder("", 0o770, OWNER);
    let sounds = archive(&volume);
    let tapes = volume.root().join("tapes");
    let sources: BTreeMap<PathBuf, _> =
        files_below(&tapes).into_iter().map(|path| (path.clone(), identity(&path))).collect();
    assert_eq!(sources.len(), 42);

    namespace.apply(&job("first", &volume));
    namespace.wait_for("cvj/first", "condition=Complete", JOB);
    let first = namespace.get("cvj/first");
    let status = &first["status"];
    println!("{status:#}");
    assert_eq!(status["files"], json!({ "total": 40, "converted": 38, "skipped": 0, "failed": 2 }));
    assert_eq!(status["stage"], "Done");
    assert_eq!(status["shards"], json!({ "total": 5, "active": 0, "completed": 5, "failed": 0 }));
    assert!(condition_is(&first, "Complete", "True", "SomeFilesFailed").is_some());
    assert_eq!(condition(&first, "VolumesReady").unwrap().status, "True");
    assert_eq!(condition(&first, "Accepted").unwrap().status, "True");

    let failures: BTreeMap<&str, (&str, &str)> = status["failures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|failure| {
            let text = |field: &str| failure[field].as_str().unwrap();
            (text("path"), (text("reason"), text("message")))
        })
        .collect();
    assert_eq!(failures.len(), 2);
    assert_eq!(failures["1998/letter.wav"].0, "not_wav");
    assert_eq!(failures["a/b/cut off.wav"].0, "truncated_header");
    assert!(failures.values().all(|(_, message)| message.len() > 10), "{failures:?}");

    for (path, before) in &sources {
        assert_eq!(identity(path), *before, "{} was touched", path.display());
    }
    // Every good file is there, is its source's audio, and is as old as its source.
    let mut output = 0;
    for (path, audio) in &sounds {
        let flac = tapes.join(path).with_extension("flac");
        audio.check_flac_file(&flac).unwrap_or_else(|error| panic!("{path}: {error}"));
        let (source, flac) = (fs::metadata(tapes.join(path)).unwrap(), fs::metadata(&flac).unwrap());
        assert_eq!((flac.mtime(), flac.mtime_nsec()), (source.mtime(), source.mtime_nsec()), "{path}");
        output += flac.len();
    }
    // With everything kept, the identical recording can be made again by other people's tools.
    let (path, _) = sounds.iter().find(|(_, audio)| audio.shape() == Shape::CD).unwrap();
    let restored = volume.root().join("restored.wav");
    let flac = Command::new("flac")
        .args(["--decode", "--silent", "--keep-foreign-metadata", "-o"])
        .args([&restored, &tapes.join(path).with_extension("flac")])
        .status();
    assert!(flac.unwrap().success());
    assert!(fs::read(&restored).unwrap() == fs::read(tapes.join(path)).unwrap(), "{path} is restored");
    assert_eq!(status["bytes"]["output"], output);
    let now = files_below(&tapes);
    assert_eq!(now.len(), 42 + 38, "nothing but the FLAC files came: {now:?}");

    let report = volume.root().join(status["report"].as_str().unwrap().trim_start_matches('/'));
    let report: Value = serde_json::from_slice(&fs::read(&report).unwrap_or_else(|error| {
        panic!("status.report is a path on the destination volume, but {}: {error}", report.display())
    }))
    .unwrap();
    assert_eq!(report["files"]["failed"], 2);

    let table = namespace.kubectl("get cvj first");
    assert_eq!(columns(&table), ["NAME", "STAGE", "PROGRESS", "FAILED", "RATIO", "AGE"]);
    let row: Vec<&str> = table.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[..4], ["first", "Done", "40/40", "2"]);
    assert!(row[4].parse::<f64>().is_ok_and(|ratio| ratio > 0.05 && ratio < 1.0), "{table}");
    let described = namespace.kubectl("describe cvj first");
    assert!(described.contains("letter.wav") && described.contains("\nEvents:"), "{described}");

    // The same once more: nothing is converted, nothing is written anew.
    let flacs: BTreeMap<PathBuf, _> = sounds
        .keys()
        .map(|path| tapes.join(path).with_extension("flac"))
        .map(|path| (path.clone(), identity(&path)))
        .collect();
    namespace.apply(&job("second", &volume));
    namespace.wait_for("cvj/second", "condition=Complete", JOB);
    let second = namespace.get("cvj/second");
    assert_eq!(second["status"]["files"], json!({ "total": 40, "converted": 0, "skipped": 38, "failed": 2 }));
    for (path, before) in &flacs {
        assert_eq!(identity(path), *before, "{} was written again", path.display());
    }
}
