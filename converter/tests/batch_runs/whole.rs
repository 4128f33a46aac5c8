//! `batch run`: the three stages in one command.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::resume::{LONG, outcomes, signal, wait_for};
use crate::tree::{Tree, assert_decodes, files, last_line, lines};

fn command(tree: &Tree, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_converter"));
    command.args(["batch", "run"]).arg(tree.path("source")).arg(tree.path("destination")).args(more);
    command.env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

fn run(tree: &Tree, more: &[&str]) -> Output {
    let output = command(tree, more).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// The records folders, oldest first.
fn records(tree: &Tree) -> Vec<PathBuf> {
    let folder = tree.path("destination/.flacship");
    let mut records: Vec<_> = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    records.sort();
    records
}

#[test]
fn a_folder_in_one_command() {
    let tree = Tree::new();
    for (number, name) in (0..).zip(["a.wav", "d/b.WAV", "d/e/c.wave"]) {
        tree.wav(name, number, 2000);
    }
    tree.put("d/shopping list.wav", b"milk");
    tree.wav("drafts/x.wav", 9, 300);
    let choices = ["--exclude", "drafts/", "--level", "8", "--title", "Monday", "--keep-for", "60"];
    let output = run(&tree, &choices);
    let words = String::from_utf8(output.stdout).unwrap();
    let [records] = records(&tree).try_into().unwrap();
    let first = words.lines().next().unwrap();
    assert!(first.starts_with("4 files in ") && first.ends_with(": 3 converted, 0 skipped, 1 failed."), "{words}");
    assert!(words.contains("  d/shopping list.wav: ") && words.contains("(not_wav)"), "{words}");
    assert!(words.ends_with(&format!("Report: {}\n", records.join("report.html").display())), "{words}");
    assert_eq!(files(&tree.path("destination")), ["a.flac", "d/b.flac", "d/e/c.flac"].map(Path::new));
    for name in ["a.wav", "d/b.WAV", "d/e/c.wave"] {
        assert_decodes(&tree.path("destination").join(name).with_extension("flac"), &tree.source(name));
    }
    let page = fs::read_to_string(records.join("report.html")).unwrap();
    assert!(page.contains("<h1>Monday</h1>") && page.contains("d/shopping list.wav"));
    let report: Value = serde_json::from_slice(&fs::read(records.join("report.json")).unwrap()).unwrap();
    assert_eq!(report["title"], "Monday");
    assert!(report["expires_at"].is_string());

    // That run is finished: another one, for programs, with two shards and all in one folder.
    let line = last_line(&run(&tree, &["--json", "--shards", "2", "--layout", "Flat", "--exclude", "drafts/"]));
    assert_eq!(line["stage"], "run");
    assert_eq!(line["files"], json!({"total": 4, "converted": 2, "skipped": 1, "failed": 1}));
    assert_eq!(line["failures"][0]["reason"], "not_wav");
    assert_eq!(crate::whole::records(&tree).len(), 2);
    assert!(tree.path("destination/b.flac").exists());
}

#[test]
fn stopped_it_goes_on_where_it_was() {
    let tree = Tree::new();
    for (number, name) in (0..).zip(["1.wav", "2.wav", "4.wav"]) {
        tree.wav(name, number, 2000);
    }
    tree.silence("3.wav", LONG);
    let mut first = command(&tree, &["--grace-seconds", "0", "--files-at-once", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let partial = tree.path("destination/3.flac.part");
    wait_for("the partial file", || partial.exists());
    signal(&first, "-INT");
    assert_eq!(first.wait().unwrap().code(), Some(130));
    assert!(!partial.exists(), "no partial file stays");

    // The rest is quick, and what is not the file that was planned is not converted for it.
    tree.wav("3.wav", 3, 2000);
    let line = last_line(&run(&tree, &["--json"]));
    assert_eq!(line["files"], json!({"total": 4, "converted": 3, "skipped": 0, "failed": 1}));
    assert_eq!(line["failures"][0]["reason"], "source_changed");
    let [records] = records(&tree).try_into().unwrap();
    let mut results = lines(&records.join("results/shard-00000.jsonl"));
    results.sort_by_key(|line| line["n"].as_u64());
    let wanted = [("1.wav", "converted"), ("2.wav", "converted"), ("3.wav", "failed"), ("4.wav", "converted")];
    assert_eq!(outcomes(&results), wanted, "each file exactly once");

    // That run is finished. A new one has only the changed file to do.
    let line = last_line(&run(&tree, &["--json"]));
    assert_eq!(line["files"], json!({"total": 4, "converted": 1, "skipped": 3, "failed": 0}));
    assert_eq!(crate::whole::records(&tree).len(), 2);
}

#[test]
fn records_where_they_are_wanted() {
    let tree = Tree::new();
    tree.wav("a.wav", 1, 300);
    let wanted = tree.path("records");
    run(&tree, &["--records", wanted.to_str().unwrap()]);
    assert!(wanted.join("report.html").exists());
    assert!(records(&tree).is_empty());
}

#[test]
fn mistakes_make_nothing() {
    let tree = Tree::new();
    for (more, reason) in [(&["--include", "a["][..], "InvalidGlob"), (&[], "SourceNotFound")] {
        if more.is_empty() {
            fs::remove_dir(tree.path("source")).unwrap();
        }
        let output = command(&tree, &[more, &["--json"]].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(42));
        let line = last_line(&output);
        assert_eq!((&line["stage"], &line["error"]["reason"]), (&json!("run"), &json!(reason)));
        let output = command(&tree, more).output().unwrap();
        assert_eq!(output.status.code(), Some(42));
        assert!(output.stdout.is_empty(), "what is wrong is told on standard error");
        assert!(String::from_utf8_lossy(&output.stderr).contains(line["error"]["message"].as_str().unwrap()));
        assert!(!tree.path("destination").exists());
    }
}
