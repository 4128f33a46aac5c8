//! The plan at its edges: names, many shards, and a death at any moment.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::tree::{Run, Tree, assert_decodes, files, lines};

/// Reasons of refusal by path, of all shards.
fn refused(run: &Run, shards: usize) -> Vec<(String, String)> {
    let lines = (0..shards).flat_map(|shard| lines(&run.records.join(format!("plan/shard-{shard:05}.jsonl"))));
    let mut refused: Vec<_> = lines
        .filter_map(|line| {
            let word = |value: &Value| value.as_str().unwrap().to_owned();
            Some((word(&line["path"]), word(line.get("refused")?.get("reason")?)))
        })
        .collect();
    refused.sort();
    refused
}

#[test]
fn flat_puts_all_into_one_folder() {
    let tree = Tree::new();
    let first = tree.wav("1/a.wav", 1, 600);
    tree.wav("2/a.wav", 2, 700);
    let other = tree.wav("2/deep/b.wav", 3, 800);
    let run = tree.run("destination", "destination/.flacship/u");
    assert_eq!(run.stage("plan", &["--layout", "Flat"])["files"], 3);
    let work = run.stage("work", &["--shard", "0"]);
    assert_eq!(work["files"], json!({"total": 3, "converted": 2, "skipped": 0, "failed": 1}));
    let report = run.stage("report", &[]);
    assert_eq!(report["failures"][0]["path"], "2/a.wav");
    assert_eq!(report["failures"][0]["reason"], "name_collision");
    assert!(report["failures"][0]["message"].as_str().unwrap().contains("1/a.wav"), "it names the one that was taken");
    assert_eq!(files(&run.destination), ["a.flac", "b.flac"].map(Path::new));
    assert_decodes(&run.destination.join("a.flac"), &first);
    assert_decodes(&run.destination.join("b.flac"), &other);
    // The layout is part of the order.
    assert_eq!(run.stage("plan", &[])["files"], 3);
    assert_eq!(refused(&run, 1), []);
}

#[test]
fn names_too_long_for_part() {
    let tree = Tree::new();
    let name = |length: usize| format!("{}.wav", "n".repeat(length - 4));
    // With ".flac.part" in place of ".wav" a name is six bytes longer.
    for length in [249, 250, 255] {
        tree.wav(name(length), 1, 300);
    }
    let run = tree.run("destination", "destination/.flacship/u");
    let report = run.whole(1, &[]);
    assert_eq!(report["files"], json!({"total": 3, "converted": 1, "skipped": 0, "failed": 2}));
    let too_long = [250, 255].map(|length| (name(length), "name_too_long".to_owned()));
    assert_eq!(refused(&run, 1).into_iter().collect::<BTreeSet<_>>(), too_long.into());
}

#[test]
fn the_same_files_make_the_same_plan_however_they_came() {
    let shards = |tree: &Tree| {
        let run = tree.run("destination", "records");
        run.stage("plan", &["--shards", "3"]);
        [0, 1, 2].map(|shard| fs::read_to_string(run.records.join(format!("plan/shard-{shard:05}.jsonl"))).unwrap())
    };
    let (one, other) = (Tree::new(), Tree::new());
    let names: Vec<_> = (0..200).map(|number| format!("{}/{number}.wav", number % 7)).collect();
    for (at, name) in names.iter().enumerate() {
        one.put(name, &vec![0; at * at % 50]);
    }
    for (at, name) in names.iter().enumerate().rev() {
        other.put(name, &vec![0; at * at % 50]);
    }
    assert_eq!(shards(&one), shards(&other));
}

#[test]
fn a_thousand_shards_with_few_open_files() {
    let tree = Tree::new();
    for number in 0..1500 {
        tree.put(format!("{}/{number}.wav", number % 300), b"RIFF");
    }
    let run = tree.run("destination", "records");
    let plain = run.command("plan", &["--shards", "1000"]);
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 24; exec \"$0\" \"$@\""])
        .arg(plain.get_program())
        .args(plain.get_args())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let planned = |shard: usize| lines(&run.records.join(format!("plan/shard-{shard:05}.jsonl"))).len();
    let counts: Vec<usize> = (0..1000).map(planned).collect();
    assert_eq!(counts.iter().sum::<usize>(), 1500);
    assert!(counts.iter().all(|count| (1..=2).contains(count)), "{counts:?}");
}

/// However far it came: no plan, or a whole one.
fn assert_none_or_whole(run: &Run, files: usize, shards: usize) -> bool {
    let Ok(text) = fs::read(run.records.join("plan/plan.json")) else { return false };
    let plan: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(plan["files"], files);
    let mut names = BTreeSet::new();
    for shard in 0..shards {
        let lines = lines(&run.records.join(format!("plan/shard-{shard:05}.jsonl")));
        assert_eq!(plan["shard_files"][shard], lines.len());
        names.extend(lines.iter().map(|line| line["path"].as_str().unwrap().to_owned()));
    }
    assert_eq!(names.len(), files, "every file once");
    true
}

#[test]
fn killed_at_any_moment() {
    let tree = Tree::new();
    let count = 600;
    for number in 0..count {
        tree.put(format!("{}/{number}.wav", number % 40), b"RIFF");
    }
    let run = tree.run("destination", "records");
    // A moment later each time. Which moment it is in the plan is another on each machine; what is asked holds at all.
    for moment in (0..60).map(|step| Duration::from_micros(step * 500)) {
        let _ = fs::remove_file(run.records.join("plan/plan.json"));
        let mut child =
            run.command("plan", &["--shards", "5"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        thread::sleep(moment);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_none_or_whole(&run, count, 5);
    }
    fs::write(run.records.join("plan/.writing-left"), b"half").unwrap();
    let _ = fs::remove_file(run.records.join("plan/plan.json"));
    run.stage("plan", &["--shards", "5"]);
    assert!(assert_none_or_whole(&run, count, 5));
    let left: BTreeSet<_> =
        fs::read_dir(run.records.join("plan")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let shards = (0..5).map(|shard| format!("shard-{shard:05}.jsonl"));
    let wanted: BTreeSet<_> = shards.chain(["lock".into(), "plan.json".into()]).map(Into::into).collect();
    assert_eq!(left, wanted, "the killed leave nothing");
}

#[test]
fn records_whose_time_is_over_are_swept_by_the_next_plan() {
    let tree = Tree::new();
    tree.wav("a.wav", 1, 300);
    let runs = ["over", "kept", "later"].map(|name| tree.run("destination", &format!("destination/.flacship/{name}")));
    for run in &runs {
        run.stage("plan", &[]);
        run.stage("work", &["--shard", "0"]);
    }
    for (run, keep) in runs.iter().zip([&["--keep-for", "0"][..], &[], &["--keep-for", "86400"]]) {
        let summary = run.stage("report", keep);
        assert_eq!(summary.get("expires_at").is_some(), !keep.is_empty());
        assert_eq!(run.report().get("expires_at"), summary.get("expires_at"));
    }
    // Its own plan keeps it, however old.
    runs[0].stage("plan", &[]);
    assert!(runs[0].records.exists());
    let next = tree.run("destination", "destination/.flacship/next");
    next.stage("plan", &[]);
    let there: BTreeSet<_> =
        fs::read_dir(tree.path("destination/.flacship")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(there, ["kept", "later", "next"].map(Into::into).into());
    assert!(tree.path("destination/a.flac").exists());
}
