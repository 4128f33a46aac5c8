//! A worker that dies, is stopped, or finds half a record goes on where the records end.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::tree::{Run, Tree, assert_decodes, counts, files, set_mtime};

/// Long enough that no machine converts it between two looks at the folder: over three hours of silence.
pub const LONG: u32 = 12_000;

/// Waits until something is there; a generous limit only ends a test that would hang.
pub fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_mins(2);
    while !there() {
        assert!(Instant::now() < limit, "{what} did not come");
        thread::sleep(Duration::from_millis(2));
    }
}

pub fn signal(child: &Child, signal: &str) {
    let status = Command::new("kill").arg(signal).arg(child.id().to_string()).status().unwrap();
    assert!(status.success());
}

fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort();
    list
}

pub fn outcomes(records: &[Value]) -> Vec<(&str, &str)> {
    records.iter().map(|record| (record["path"].as_str().unwrap(), record["outcome"].as_str().unwrap())).collect()
}

/// Waits until so many files have records.
fn wait_for_records(run: &Run, count: usize) {
    let lines = || fs::read_to_string(run.results(0)).map_or(0, |text| text.matches('\n').count());
    wait_for("the records", || lines() == count);
}

/// Two short files before a long one and one after it.
fn with_a_long_file(tree: &Tree) -> Run {
    for (number, name) in (0..).zip(["1.wav", "2.wav", "4.wav"]) {
        tree.wav(name, number, 2000);
    }
    tree.silence("3.wav", LONG);
    let run = tree.run("destination", "destination/.flacship/u");
    run.stage("plan", &[]);
    run
}

/// Makes the long file short, so that the rest of the test is quick. The next try leaves it, since it has changed; the one
/// after that takes it.
fn shorten_and_try(tree: &Tree, run: &Run) {
    tree.wav("3.wav", 3, 2000);
    assert_eq!(counts(&run.stage("work", &["--shard", "0"])), [3, 0, 1]);
    assert_eq!(run.records(0).last().unwrap()["reason"], "source_changed");
}

#[test]
fn killed_in_the_middle() {
    let tree = Tree::new();
    let run = with_a_long_file(&tree);
    let mut worker = run.spawn(&["--shard", "0"]);
    let partial = run.destination.join("3.flac.part");
    wait_for("the partial file", || partial.exists());
    wait_for_records(&run, 3);
    worker.kill().unwrap();
    assert_eq!(worker.wait().unwrap().signal(), Some(9));

    let short = ["1.wav", "2.wav", "4.wav"].map(|name| (name, "converted"));
    assert_eq!(sorted(outcomes(&run.records(0))), short);
    assert!(!run.destination.join("3.flac").exists(), "no half file under a final name");
    let report = run.stage("report", &[]);
    assert_eq!(report["files"], json!({"total": 4, "converted": 3, "skipped": 0, "failed": 1}));
    assert_eq!(report["failures"][0]["reason"], "not_processed");

    shorten_and_try(&tree, &run);
    assert_eq!(counts(&run.stage("work", &["--shard", "0"])), [4, 0, 0]);
    let records = run.records(0);
    let converted = outcomes(&records).into_iter().filter(|(_, outcome)| *outcome == "converted").collect();
    let names = ["1.wav", "2.wav", "3.wav", "4.wav"].map(|name| (name, "converted"));
    assert_eq!(sorted(converted), names, "each file exactly once");
    assert_eq!(files(&run.destination), ["1.flac", "2.flac", "3.flac", "4.flac"].map(Path::new));
    for name in names.map(|(name, _)| Path::new(name)) {
        assert_decodes(&run.destination.join(name.with_extension("flac")), &run.source.join(name));
    }
    assert_eq!(run.stage("report", &[])["files"]["converted"], 4);
}

#[test]
fn told_to_stop_without_time_gives_the_file_up() {
    let tree = Tree::new();
    let run = with_a_long_file(&tree);
    let mut worker = run.spawn(&["--shard", "0", "--grace-seconds", "0"]);
    let partial = run.destination.join("3.flac.part");
    wait_for("the partial file", || partial.exists());
    wait_for_records(&run, 3);
    signal(&worker, "-TERM");
    assert_eq!(worker.wait().unwrap().code(), Some(143));
    assert_eq!(files(&run.destination), ["1.flac", "2.flac", "4.flac"].map(Path::new), "no partial file stays");
    assert_eq!(run.records(0).len(), 3);
    shorten_and_try(&tree, &run);
    assert_eq!(counts(&run.stage("work", &["--shard", "0"])), [4, 0, 0]);
}

#[test]
fn told_to_stop_finishes_the_file_at_hand() {
    let tree = Tree::new();
    tree.silence("1.wav", LONG / 20);
    tree.silence("2.wav", LONG);
    let run = tree.run("destination", "r");
    run.stage("plan", &[]);
    let mut worker = run.spawn(&["--shard", "0", "--grace-seconds", "600", "--files-at-once", "1"]);
    let partial = run.destination.join("1.flac.part");
    wait_for("the partial file", || partial.exists());
    signal(&worker, "-INT");
    assert_eq!(worker.wait().unwrap().code(), Some(130));
    assert_eq!(outcomes(&run.records(0)), [("1.wav", "converted")]);
    assert_eq!(files(&run.destination), [Path::new("1.flac")]);
}

#[test]
fn results_cut_at_any_byte() {
    let tree = Tree::new();
    for number in 0..3 {
        tree.wav(format!("{number}.wav"), number, 300);
    }
    tree.put("bad.wav", b"RIFF");
    let run = tree.run("destination", "r");
    run.whole(1, &[]);
    let whole = fs::read(run.results(0)).unwrap();
    // Every length near the ends of lines, where cuts differ, and some in between.
    let ends: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] == b'\n').collect();
    let near = |at: usize| ends.iter().any(|end| at.abs_diff(*end) <= 1);
    for length in (0..=whole.len()).filter(|at| *at == 0 || near(*at) || at % 89 == 0) {
        fs::write(run.results(0), &whole[..length]).unwrap();
        let kept = ends.iter().filter(|end| **end < length).count().min(3) as u64;
        let cut = run.stage("report", &[]);
        assert_eq!(cut["files"]["converted"], kept, "cut at {length}");
        assert_eq!(cut["files"]["total"], 4);

        assert_eq!(counts(&run.stage("work", &["--shard", "0"])), [kept, 3 - kept, 1], "resumed at {length}");
        let records = run.records(0);
        let converted = records.iter().filter(|record| record["outcome"] == "converted").count() as u64;
        assert_eq!(converted, kept, "nothing is converted twice: {length}");
        let report = run.stage("report", &[]);
        assert_eq!(report["files"], json!({"total": 4, "converted": kept, "skipped": 3 - kept, "failed": 1}));
        assert_eq!(report["failures"][0]["path"], "bad.wav");
    }
}

#[test]
fn what_changes_after_the_plan_is_a_record() {
    let tree = Tree::new();
    for number in 0..5 {
        tree.wav(format!("{number}.wav"), number, 300);
    }
    let run = tree.run("destination", "r");
    run.stage("plan", &[]);
    fs::remove_file(tree.source("0.wav")).unwrap();
    fs::create_dir_all(run.destination.join("1.flac")).unwrap();
    fs::remove_file(tree.source("2.wav")).unwrap();
    let outside = tree.path("outside.wav");
    fs::rename(tree.source("3.wav"), &outside).unwrap();
    std::os::unix::fs::symlink(&outside, tree.source("3.wav")).unwrap();
    fs::create_dir(tree.source("2.wav")).unwrap();
    let report = |run: &Run| -> Vec<String> {
        let report = run.stage("report", &[]);
        let failures = report["failures"].as_array().unwrap();
        failures.iter().map(|one| one["reason"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(counts(&run.stage("work", &["--shard", "0"])), [1, 0, 4]);
    assert_eq!(report(&run), ["source_missing", "target_not_a_file", "not_a_file", "symlink_outside_source"]);

    // Once repaired, the next try of the shard converts what failed.
    fs::remove_dir(run.destination.join("1.flac")).unwrap();
    tree.wav("0.wav", 9, 300);
    assert_eq!(counts(&run.stage("work", &["--shard", "0"])), [2, 0, 3]);
    assert_eq!(
        report(&run),
        ["source_changed", "not_a_file", "symlink_outside_source"],
        "it may be in the making still"
    );
    assert_eq!(counts(&run.stage("work", &["--shard", "0"])), [3, 0, 2]);
    assert_eq!(report(&run), ["not_a_file", "symlink_outside_source"]);
}

#[test]
fn a_lost_flac_is_made_again_and_a_lost_record_is_not_a_new_flac() {
    let tree = Tree::new();
    let source = tree.wav("a.wav", 1, 300);
    let run = tree.run("destination", "r");
    run.whole(1, &[]);
    fs::remove_file(run.destination.join("a.flac")).unwrap();
    assert_eq!(counts(&run.stage("work", &["--shard", "0"])), [1, 0, 0]);
    assert_decodes(&run.destination.join("a.flac"), &source);
    fs::remove_file(run.results(0)).unwrap();
    assert_eq!(counts(&run.stage("work", &["--shard", "0"])), [0, 1, 0]);
    set_mtime(&source, Duration::from_secs(1_700_000_000));
    assert_eq!(counts(&run.stage("work", &["--shard", "0"])), [1, 0, 0], "the source is another than the record's");
}

#[test]
fn plan_and_report_end_at_once_when_they_are_told_to() {
    let tree = Tree::new();
    tree.wav("a.wav", 1, 2000);
    let run = tree.run("destination", "records");
    run.whole(1, &[]);
    // They wait for it, so they are told in the middle of their work.
    let lock = fs::File::options().write(true).open(run.records.join("plan/lock")).unwrap();
    lock.lock().unwrap();
    for stage in ["plan", "report"] {
        let mut child = run.command(stage, &[]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.any(|line| line.contains("waiting until it ends")), "{stage}");
        signal(&child, "-TERM");
        lines.for_each(drop);
        // Of a process that does not take the signal, as the first of a container must, there would be no code.
        assert_eq!(child.wait().unwrap().code(), Some(143), "{stage}");
    }
}
