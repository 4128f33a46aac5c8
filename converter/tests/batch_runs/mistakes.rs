//! What the user has to change: exit code 42 and a last line that says what.

use std::fs;

use crate::tree::{Run, Tree, last_line};

fn mistake(run: &Run, stage: &str, more: &[&str]) -> (String, String) {
    let output = run.output(stage, more);
    assert_eq!(output.status.code(), Some(42), "{}", String::from_utf8_lossy(&output.stderr));
    let line = last_line(&output);
    assert_eq!(line["stage"], stage);
    let word = |key: &str| line["error"][key].as_str().unwrap().to_owned();
    (word("reason"), word("message"))
}

#[test]
fn the_source_is_missing_or_no_folder() {
    let tree = Tree::new();
    let file = tree.wav("a.wav", 1, 300);
    for source in [tree.path("none"), file] {
        let run = Run { source: source.clone(), ..tree.run("d", "r") };
        for (stage, more) in [("plan", &[][..]), ("work", &["--shard", "0"])] {
            let (reason, message) = mistake(&run, stage, more);
            assert_eq!(reason, "SourceNotFound");
            assert!(message.contains(source.to_str().unwrap()), "{message}");
        }
    }
}

#[test]
fn the_destination_cannot_be_made() {
    let tree = Tree::new();
    fs::write(tree.path("file"), b"").unwrap();
    for (destination, records) in [("file", "r"), ("file/below", "r"), ("d", "file/r")] {
        let (reason, message) = mistake(&tree.run(destination, records), "plan", &[]);
        assert_eq!(reason, "DestinationNotWritable");
        assert!(message.contains(tree.path("file").to_str().unwrap()), "{message}");
    }
}

#[test]
fn a_glob_is_wrong() {
    let tree = Tree::new();
    for more in [&["--include", "a["][..], &["--exclude", "{a"], &["--include", "/data/*.wav"]] {
        let (reason, message) = mistake(&tree.run("d", "r"), "plan", more);
        assert_eq!(reason, "InvalidGlob");
        assert!(message.contains(more[1]), "{message}");
    }
    assert!(!tree.path("d").exists(), "nothing is made for a wrong order");
}

#[test]
fn there_is_no_plan_or_no_such_shard() {
    let tree = Tree::new();
    let run = tree.run("d", "r");
    for (stage, more) in [("work", &["--shard", "0"][..]), ("report", &[])] {
        let (reason, message) = mistake(&run, stage, more);
        assert_eq!(reason, "PlanNotFound");
        assert!(message.contains("converter batch plan"), "{message}");
    }
    run.stage("plan", &["--shards", "2"]);
    let (reason, message) = mistake(&run, "work", &["--shard", "2"]);
    assert_eq!(reason, "PlanNotFound");
    assert!(message.contains("2 shards"), "{message}");
}

#[test]
fn the_shard_may_come_from_the_job() {
    let tree = Tree::new();
    tree.wav("a.wav", 1, 300);
    let run = tree.run("d", "r");
    run.stage("plan", &["--shards", "2"]);
    let output = run.command("work", &[]).env("JOB_COMPLETION_INDEX", "1").output().unwrap();
    assert_eq!(last_line(&output)["shard"], 1);
    // Neither flag nor index: the command line itself is wrong, which clap tells.
    assert_eq!(run.output("work", &[]).status.code(), Some(2));
}

#[test]
fn records_where_something_else_lies() {
    let tree = Tree::new();
    tree.wav("a.wav", 1, 300);
    fs::create_dir_all(tree.path("archive/results")).unwrap();
    let music = tree.path("archive/results/old.flac");
    fs::write(&music, b"music").unwrap();
    let (reason, message) = mistake(&tree.run("destination", "archive"), "plan", &[]);
    assert_eq!(reason, "DestinationNotWritable");
    assert!(message.contains(music.to_str().unwrap()) && message.contains("choose another"), "{message}");
    assert_eq!(fs::read(&music).unwrap(), b"music");
}

#[test]
fn records_that_a_worker_writes_to() {
    let tree = Tree::new();
    tree.wav("a.wav", 1, 300);
    let run = tree.run("destination", "records");
    run.whole(1, &[]);
    let worker = fs::File::open(run.results(0)).unwrap();
    worker.lock().unwrap();
    let (reason, message) = mistake(&run, "plan", &["--exclude", "b.wav"]);
    assert_eq!(reason, "DestinationNotWritable");
    assert!(message.contains("a worker writes"), "{message}");
    assert_eq!(run.records(0).len(), 1);
    drop(worker);
    run.stage("plan", &["--exclude", "b.wav"]);
}

#[test]
fn a_damaged_plan_is_told_and_takes_no_memory() {
    let tree = Tree::new();
    tree.wav("a.wav", 1, 300);
    let run = tree.run("destination", "records");
    run.stage("plan", &[]);
    let path = run.records.join("plan/plan.json");
    let text = fs::read_to_string(&path).unwrap();
    let damaged = text.replacen("\"shard_files\": [\n    1\n", &format!("\"shard_files\": [\n    {}\n", u64::MAX), 1);
    assert_ne!(damaged, text);
    fs::write(&path, damaged).unwrap();
    let (reason, message) = mistake(&run, "work", &["--shard", "0"]);
    assert_eq!(reason, "PlanNotFound");
    assert!(message.contains("damaged"), "{message}");
}
