//! Plan, work and report over good and bad files.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::tree::{MTIME, Run, Tree, assert_decodes, counts, files, lines, set_mtime};

/// 40 files in nested folders, two of them broken; the names of the good ones.
fn forty(tree: &Tree) -> Vec<PathBuf> {
    let mut good = Vec::new();
    for number in 0..38 {
        let folder = ["", "a", "a/b c", "a/b c/d", "é"][number as usize % 5];
        let extension = ["wav", "WAV", "wave"][number as usize % 3];
        let name = Path::new(folder).join(format!("take {number}.{extension}"));
        tree.wav(&name, number, 500 + number * 400);
        good.push(name);
    }
    tree.put("a/no sound.wav", b"This is a shopping list, not a recording.");
    let whole = fs::read(tree.source(&good[0])).unwrap();
    tree.put("a/cut.wav", &whole[..30]);
    good
}

/// Every good file has a FLAC that decodes to it and has its time, and nothing else is there.
fn assert_archive(run: &Run, good: &[PathBuf], also: &[PathBuf]) {
    for name in good {
        let (source, flac) = (run.source.join(name), run.destination.join(name).with_extension("flac"));
        assert_decodes(&flac, &source);
        assert_eq!(
            fs::metadata(&flac).unwrap().modified().unwrap(),
            fs::metadata(&source).unwrap().modified().unwrap()
        );
    }
    let wanted: BTreeSet<_> = good.iter().map(|name| name.with_extension("flac")).chain(also.iter().cloned()).collect();
    assert_eq!(files(&run.destination).into_iter().collect::<BTreeSet<_>>(), wanted);
}

fn failures(report: &Value) -> Vec<(&str, &str)> {
    let failures = report["failures"].as_array().unwrap();
    failures.iter().map(|one| (one["path"].as_str().unwrap(), one["reason"].as_str().unwrap())).collect()
}

#[test]
fn forty_files_two_broken_four_shards() {
    let tree = Tree::new();
    let good = forty(&tree);
    let run = tree.run("destination", "destination/.flacship/one");

    let plan = run.stage("plan", &["--shards", "4"]);
    let bytes: u64 = files(&run.source).iter().map(|name| fs::metadata(run.source.join(name)).unwrap().len()).sum();
    assert_eq!(plan["files"], 40);
    assert_eq!(plan["bytes"], bytes);
    let shard_files: Vec<u64> = serde_json::from_value(plan["shard_files"].clone()).unwrap();
    assert_eq!(shard_files.iter().sum::<u64>(), 40);
    let mut planned = BTreeSet::new();
    for (shard, files) in shard_files.iter().enumerate() {
        let lines = lines(&run.records.join(format!("plan/shard-{shard:05}.jsonl")));
        assert_eq!(lines.len() as u64, *files);
        planned.extend(lines.iter().map(|line| line["path"].as_str().unwrap().to_owned()));
        let mtime = u64::try_from(MTIME.as_nanos()).unwrap();
        assert!(lines.iter().all(|line| line["mtime_ns"] == mtime && line["size"].as_u64().unwrap() > 0));
    }
    assert_eq!(planned.len(), 40, "every file in exactly one shard");

    let mut sum = [0; 3];
    for (shard, files) in shard_files.iter().enumerate() {
        let work = run.stage("work", &["--shard", &shard.to_string()]);
        assert_eq!(work["stage"], "work");
        assert_eq!(work["shard"], shard);
        let done = counts(&work);
        assert_eq!(done.iter().sum::<u64>(), *files);
        for (sum, done) in sum.iter_mut().zip(done) {
            *sum += done;
        }
    }
    assert_eq!(sum, [38, 0, 2]);

    let report = run.stage("report", &[]);
    assert_eq!(report["files"], json!({"total": 40, "converted": 38, "skipped": 0, "failed": 2}));
    assert_eq!(failures(&report), [("a/cut.wav", "truncated_header"), ("a/no sound.wav", "not_wav")]);
    assert!(report["failures"].as_array().unwrap().iter().all(|one| !one["message"].as_str().unwrap().is_empty()));
    let input: u64 = good.iter().map(|name| fs::metadata(run.source.join(name)).unwrap().len()).sum();
    let output: u64 =
        files(&run.destination).iter().map(|name| fs::metadata(run.destination.join(name)).unwrap().len()).sum();
    assert_eq!(report["bytes"], json!({"input": input, "output": output}));
    assert_eq!(report["report"], run.records.join("report.json").to_str().unwrap());
    let whole = run.report();
    assert_eq!(whole["files"], report["files"]);
    assert_eq!(whole["reasons"], json!({"not_wav": 1, "truncated_header": 1}));
    assert_eq!(failures(&whole), failures(&report));

    assert_archive(&run, &good, &[]);
    for record in (0..4).flat_map(|shard| run.records(shard)).filter(|record| record["outcome"] == "converted") {
        let flac = run.destination.join(record["path"].as_str().unwrap()).with_extension("flac");
        assert_eq!(record["output_bytes"], fs::metadata(&flac).unwrap().len());
        let head = fs::read(&flac).unwrap();
        let md5 = format!("{:032x}", u128::from_be_bytes(head[26..42].try_into().unwrap()));
        assert_eq!(record["md5"], md5, "the record has STREAMINFO's MD5");
        assert!(record["samples"].as_u64().unwrap() >= 500);
    }

    // A second run of everything has nothing to do and touches nothing.
    let inodes = |run: &Run| -> Vec<u64> {
        files(&run.destination).iter().map(|name| fs::metadata(run.destination.join(name)).unwrap().ino()).collect()
    };
    let before = inodes(&run);
    let again = tree.run("destination", "destination/.flacship/two");
    let report = again.whole(3, &[]);
    assert_eq!(report["files"], json!({"total": 40, "converted": 0, "skipped": 38, "failed": 2}));
    assert_eq!(report["bytes"], json!({"input": 0, "output": 0}));
    assert_eq!(inodes(&run), before);
}

#[test]
fn beside_the_source() {
    let tree = Tree::new();
    let good = forty(&tree);
    let run = tree.run("source", "source/.flacship/one");
    let sources = files(&run.source);
    let before: Vec<_> = sources.iter().map(|name| fs::read(run.source.join(name)).unwrap()).collect();
    let report = run.whole(2, &[]);
    assert_eq!(report["files"], json!({"total": 40, "converted": 38, "skipped": 0, "failed": 2}));
    assert_archive(&run, &good, &sources);
    let after: Vec<_> = sources.iter().map(|name| fs::read(run.source.join(name)).unwrap()).collect();
    assert!(before == after, "sources are only read");
    let report = tree.run("source", "source/.flacship/two").whole(1, &["--overwrite", "Never"]);
    assert_eq!(report["files"], json!({"total": 40, "converted": 0, "skipped": 38, "failed": 2}));
}

#[test]
fn overwrite_rules() {
    let tree = Tree::new();
    let second = Duration::from_secs(1);
    for (number, name) in (0..).zip(["same.wav", "newer.wav", "older.wav"]) {
        tree.wav(name, number, 3000);
    }
    let outcomes = |records: &str, work: &[&str]| {
        let run = tree.run("destination", records);
        run.whole(1, work);
        let word = |record: &Value, key: &str| record[key].as_str().unwrap_or("").to_owned();
        run.records(0)
            .iter()
            .map(|record| format!("{} {} {}", word(record, "path"), word(record, "outcome"), word(record, "reason")))
            .map(|line| line.trim().to_owned())
            .collect::<Vec<_>>()
    };
    let all = ["newer.wav converted", "older.wav converted", "same.wav converted"];
    assert_eq!(outcomes("r0", &[]), all);

    set_mtime(&tree.source("newer.wav"), MTIME + second);
    set_mtime(&tree.source("older.wav"), MTIME.checked_sub(second).unwrap());
    let exist = ["newer.wav skipped exists", "older.wav skipped exists", "same.wav skipped exists"];
    assert_eq!(outcomes("r1", &["--overwrite", "Never"]), exist);
    let if_newer = ["newer.wav converted", "older.wav skipped up_to_date", "same.wav skipped up_to_date"];
    assert_eq!(outcomes("r2", &["--overwrite", "IfNewer"]), if_newer);
    assert_eq!(outcomes("r3", &["--overwrite", "Always"]), all);

    // Within a run its records decide: what they say was converted is not converted again, even by Always, until the
    // source is another, older or newer.
    let run = tree.run("destination", "r3");
    run.stage("work", &["--shard", "0", "--overwrite", "Always"]);
    assert_eq!(run.records(0).len(), 3);
    let source = tree.wav("same.wav", 7, 1000);
    set_mtime(&source, MTIME.checked_sub(9 * second).unwrap());
    let work = run.stage("work", &["--shard", "0", "--overwrite", "IfNewer"]);
    assert_eq!(counts(&work), [3, 0, 0]);
    assert_eq!(run.records(0).len(), 4);
    assert_decodes(&run.destination.join("same.flac"), &source);
    assert_eq!(run.stage("report", &[])["files"]["converted"], 3, "the last record of a path counts");
}

#[test]
fn odd_names_links_and_collisions() {
    let tree = Tree::new();
    tree.wav("a.WAV", 1, 600);
    tree.wav("a.wav", 2, 700);
    let latin1 = tree.wav(OsStr::from_bytes(b"caf\xe9/\xff \n.wav"), 3, 800);
    let long = tree.wav(format!("{}/{}.wav", "d".repeat(200), "n".repeat(200)), 4, 900);
    tree.wav(".hidden.wav", 5, 600);
    tree.wav("b.flac.part", 5, 600);
    let outside = tree.path("outside.wav");
    fs::copy(&long, &outside).unwrap();
    symlink(&outside, tree.source("way out.wav")).unwrap();
    symlink("a.WAV", tree.source("within.wav")).unwrap();
    symlink(tree.path(""), tree.source("loop")).unwrap();

    let run = tree.run("destination", "destination/.flacship/one");
    let report = run.whole(2, &[]);
    assert_eq!(report["files"], json!({"total": 6, "converted": 4, "skipped": 0, "failed": 2}));
    assert_eq!(failures(&report), [("a.wav", "name_collision"), ("way out.wav", "symlink_outside_source")]);
    assert_decodes(&run.destination.join("a.flac"), &tree.source("a.WAV"));
    assert_decodes(&run.destination.join("within.flac"), &tree.source("a.WAV"));
    assert_decodes(&run.destination.join(OsStr::from_bytes(b"caf\xe9/\xff \n.flac")), &latin1);
    assert_eq!(files(&run.destination).len(), 4);
    assert_eq!(tree.run("destination", "r2").whole(1, &[])["files"]["skipped"], 4, "the odd names are known again");
}

#[test]
fn globs_choose() {
    let tree = Tree::new();
    for (number, name) in (0..).zip(["a.wav", "b.wav", "d/a.wav", "d/e/a.wav", "d/e/f/old.wav", "d/x/a.wav"]) {
        tree.wav(name, number, 600);
    }
    let run = tree.run("destination", "r");
    let plan =
        run.stage("plan", &["--include", "d/**/*.wav", "--include", "b.*", "--exclude", "d/x", "--exclude", "**/old*"]);
    assert_eq!(plan["files"], 3);
    let names: Vec<_> = lines(&run.records.join("plan/shard-00000.jsonl"));
    let names: Vec<_> = names.iter().map(|line| line["path"].as_str().unwrap()).collect();
    assert_eq!(names, ["b.wav", "d/a.wav", "d/e/a.wav"]);
}

#[test]
fn nothing_to_do_is_done() {
    let tree = Tree::new();
    let run = tree.run("destination", "r");
    let plan = run.stage("plan", &["--shards", "3"]);
    assert_eq!(plan, json!({"stage": "plan", "files": 0, "bytes": 0, "shard_files": [0, 0, 0]}));
    assert_eq!(counts(&run.stage("work", &["--shard", "2"])), [0, 0, 0]);
    assert_eq!(run.stage("report", &[])["files"], json!({"total": 0, "converted": 0, "skipped": 0, "failed": 0}));
}

#[test]
fn a_plan_stands() {
    let tree = Tree::new();
    tree.wav("a.wav", 1, 600);
    let run = tree.run("destination", "r");
    let first = run.stage("plan", &["--shards", "2"]);
    let text = fs::read(run.records.join("plan/plan.json")).unwrap();
    tree.wav("b.wav", 2, 600);
    assert_eq!(run.stage("plan", &["--shards", "2"]), first, "the same order: the plan that is there");
    assert_eq!(fs::read(run.records.join("plan/plan.json")).unwrap(), text);
    fs::remove_file(run.records.join("plan/shard-00001.jsonl")).unwrap();
    assert_eq!(run.stage("plan", &["--shards", "2"])["files"], 2, "not whole: made again");
    assert_eq!(run.stage("plan", &["--shards", "1"])["shard_files"], json!([2]), "another order: made again");
}

#[test]
fn ten_thousand_long_failures_make_a_short_line() {
    let tree = Tree::new();
    let run = tree.run("destination", "r");
    for folder in 0..10 {
        let folder = format!("{folder}{}/{}", "\u{1}".repeat(200), "ä\"".repeat(60));
        for file in 0..1000 {
            tree.put(format!("{folder}/{file:04}{}.wav", "x".repeat(200)), b"");
        }
    }
    assert_eq!(run.stage("plan", &[])["files"], 10_000);
    // Without a worker every file is a failure.
    let report = run.stage("report", &[]);
    assert_eq!(report["files"]["failed"], 10_000);
    let failures = report["failures"].as_array().unwrap();
    assert_eq!(failures.len(), 20);
    for failure in failures {
        assert!(failure["path"].as_str().unwrap().len() <= 256);
        assert_eq!(failure["reason"], "not_processed");
    }
    assert!(failures[0]["path"].as_str().unwrap().ends_with("x.wav"), "the end of a path tells files apart");
    assert_eq!(run.report()["failures"].as_array().unwrap().len(), 10_000);
}
