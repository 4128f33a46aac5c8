//! Sources that change, disks that are full, and too many files that fail.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::resume::wait_for;
use crate::tree::{MTIME, Tree, counts, files, last_line, set_mtime};

fn reasons(records: &[Value]) -> Vec<&str> {
    records.iter().map(|record| record["reason"].as_str().unwrap_or("")).collect()
}

#[test]
fn a_source_that_has_moved_since_the_plan_waits_until_it_rests() {
    let tree = Tree::new();
    tree.wav("a.wav", 1, 500);
    let run = tree.run("destination", "records");
    run.stage("plan", &[]);
    let work = || counts(&run.stage("work", &["--shard", "0"]));
    for seconds in [1, 2] {
        set_mtime(&tree.source("a.wav"), MTIME + Duration::from_secs(seconds));
        assert_eq!(work(), [0, 0, 1], "somebody writes it");
    }
    assert_eq!(reasons(&run.records(0)), ["source_changed"; 2]);
    assert!(files(&run.destination).is_empty());
    assert_eq!(work(), [1, 0, 0], "it has stayed as it was");
    assert_eq!(run.stage("report", &[])["files"], json!({"total": 1, "converted": 1, "skipped": 0, "failed": 0}));
}

#[test]
fn a_source_that_grows_while_it_is_read_is_not_converted() {
    let tree = Tree::new();
    tree.silence("a.wav", 6000);
    let run = tree.run("destination", "records");
    run.stage("plan", &[]);
    let worker = run.spawn(&["--shard", "0"]);
    wait_for("the partial file", || run.destination.join("a.flac.part").exists());
    OpenOptions::new().append(true).open(tree.source("a.wav")).unwrap().write_all(&[0; 4096]).unwrap();
    let output = worker.wait_with_output().unwrap();
    assert_eq!(counts(&last_line(&output)), [0, 0, 1]);
    assert_eq!(reasons(&run.records(0)), ["source_changed"]);
    assert!(files(&run.destination).is_empty(), "nothing of it stays");
}

#[test]
fn too_many_failed_files_end_the_run_in_all_shards() {
    let tree = Tree::new();
    for number in 0..8 {
        tree.put(format!("{number}.wav"), b"no sound");
    }
    let run = tree.run("destination", "records");
    run.stage("plan", &["--shards", "2"]);
    let work = |shard: &str, most: &str| {
        let output = run.output("work", &["--shard", shard, "--max-failed-files", most]);
        let line = last_line(&output);
        (output.status.code(), line["error"]["reason"].as_str().unwrap_or("").to_owned())
    };
    let done = (Some(0), String::new());
    let ended = (Some(42), "TooManyFailedFiles".to_owned());
    assert_eq!(work("0", "4"), done, "not more than four");
    assert_eq!(work("0", "4"), done, "a file that failed before is not counted again");
    assert_eq!(fs::metadata(run.records.join("failed.count")).unwrap().len(), 4);
    assert_eq!(work("1", "4"), ended);
    assert_eq!(work("0", "4"), ended, "no shard begins again");
    assert_eq!(work("1", "8"), done);
    assert_eq!(run.stage("report", &[])["files"]["failed"], 8);
}

/// Runs a script in a mount namespace of its own, where `$D` has only so much room.
fn with_little_room(tree: &Tree, script: &str, run: &crate::tree::Run) -> Vec<String> {
    let script = format!(
        "set -e; mount -t tmpfs -o size=3m none \"$D\"; run() {{ \"$@\" 2>/dev/null && echo 0 || echo $?; }}; {script}"
    );
    let work = run.command("work", &["--shard", "0"]);
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"])
        .arg(work.get_program())
        .args(work.get_args())
        .env("D", tree.path("destination"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn a_full_disk_is_told_and_not_burnt_through() {
    let tree = Tree::new();
    for number in 0..60 {
        tree.wav(format!("{number:02}.wav"), 1, 80_000);
    }
    for records in ["records", "destination/.flacship/u"] {
        fs::create_dir_all(tree.path("destination")).unwrap();
        let run = tree.run("destination", records);
        // The plan lies where the worker is to find it.
        let plan = tree.run("elsewhere", "plan");
        plan.stage("plan", &[]);
        let copy = format!("mkdir -p '{0}'; cp -r '{1}/.' '{0}'; ", run.records.display(), plan.records.display());
        let script = format!(
            "{copy} run \"$@\"; cat '{0}'; echo full; mount -o remount,size=64m \"$D\"; run \"$@\"; cat '{0}'; \
             find \"$D\" -name '*.part'",
            run.results(0).display()
        );
        let lines = with_little_room(&tree, &script, &run);
        let full = lines.iter().position(|line| line == "full").unwrap();
        let outcomes = |lines: &[String]| {
            let records = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let word = |record: &Value| format!("{} {}", record["outcome"], record["reason"]).replace('"', "");
            let mut words: Vec<String> =
                records.filter(|record| record["n"].is_u64()).map(|record| word(&record)).collect();
            words.sort();
            words
        };
        let count = |words: &[String], what: &str| words.iter().filter(|word| *word == what).count();
        let (before, after) = lines.split_at(full);
        assert!(before.iter().any(|line| line == "1"), "worth another try: {before:?}");
        let first = outcomes(before);
        let (converted, without) = (count(&first, "converted null"), count(&first, "failed disk_full"));
        assert!(converted > 0 && (10..40).contains(&without), "{first:?}");
        assert_eq!(converted + without, first.len(), "{first:?}");
        // With room the next try does the rest.
        assert!(after.iter().any(|line| line == "0"), "{after:?}");
        assert_eq!(count(&outcomes(after), "converted null"), 60);
        assert!(!after.iter().any(|line| line.contains(".part")), "{after:?}");
        fs::remove_dir_all(plan.records).unwrap();
    }
}

#[test]
fn however_little_room_there_is_no_file_has_its_name_without_a_record() {
    let tree = Tree::new();
    for number in 0..6 {
        tree.wav(format!("{number}.wav"), 1, 300);
    }
    let run = tree.run("destination", "destination/.flacship/u");
    fs::create_dir_all(&run.destination).unwrap();
    let plan = tree.run("elsewhere", "plan");
    plan.stage("plan", &[]);
    // Each FLAC takes three, the records and what is noted ahead of them one or two each.
    for pages in 0..24 {
        let script = format!(
            "mkdir -p '{0}'; cp -r '{1}/.' '{0}'; \
             free=$(stat -f -c %a \"$D\"); head -c $((4096 * (free - {pages}))) /dev/zero > \"$D/ballast\"; \
             run \"$@\"; ls \"$D\"; rm \"$D/ballast\"; run \"$@\"; echo records; cat '{2}'",
            run.records.display(),
            plan.records.display(),
            run.results(0).display()
        );
        let lines = with_little_room(&tree, &script, &run);
        let (before, records) = lines.split_at(lines.iter().position(|line| line == "records").unwrap());
        let records: Vec<Value> = records[1..].iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let of = |outcome: &str| records.iter().filter(|record| record["outcome"] == outcome).count();
        assert_eq!((of("converted"), of("skipped")), (6, 0), "{pages} pages: {before:?}, {records:?}");
    }
}

#[test]
fn a_pipe_in_a_partial_files_place_is_not_waited_for() {
    let tree = Tree::new();
    tree.wav("a.wav", 1, 2000);
    tree.run("destination", "r0").whole(1, &[]);
    let run = tree.run("destination", "records");
    let pipe = run.destination.join("a.flac.part");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert_eq!(run.whole(1, &[])["files"]["skipped"], 1);
    assert!(pipe.exists());
}

#[test]
fn reports_at_the_same_time_do_not_disturb_each_other() {
    let tree = Tree::new();
    for number in 0..50 {
        tree.wav(format!("{number}.wav"), number, 300);
    }
    let run = tree.run("destination", "records");
    run.whole(1, &[]);
    let reports: Vec<_> = (0..8)
        .map(|_| {
            run.command("report", &[]).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null()).spawn()
        })
        .collect();
    for report in reports {
        let output = report.unwrap().wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(counts(&crate::tree::last_line(&output)), [50, 0, 0]);
    }
}
