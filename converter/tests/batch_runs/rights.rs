//! Permissions: sources of another user, folders and files that may not be read or written.
//!
//! Root may do everything, so a test that root runs gives the binary another user; any other user is itself enough.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::tree::{Run, Tree, assert_decodes, last_line};

/// The user and group of the converter's image.
const CONVERTER: u32 = 65_532;
/// Somebody else.
const OTHER: u32 = 10_001;

/// A tree in which the converter's user may make a destination, and a copy of the binary that it may run.
struct Guarded {
    tree: Tree,
    binary: PathBuf,
    root: bool,
}

impl Guarded {
    fn new() -> Self {
        let tree = Tree::new();
        let root = fs::metadata(tree.path("")).unwrap().uid() == 0;
        let binary = tree.path("converter");
        // Not by this process: a program that another test starts just then would hold the copy open for writing, and
        // it could not be run.
        assert!(
            Command::new("cp")
                .args([env!("CARGO_BIN_EXE_converter").as_ref(), binary.as_os_str()])
                .status()
                .unwrap()
                .success()
        );
        mode(&tree.path(""), 0o755);
        mode(&binary, 0o755);
        let work = tree.path("work");
        fs::create_dir(&work).unwrap();
        if root {
            chown(&work, Some(CONVERTER), Some(CONVERTER)).unwrap();
        }
        Self { tree, binary, root }
    }

    fn run(&self) -> Run {
        self.tree.run("work/destination", "work/destination/.flacship/u")
    }

    fn output(&self, run: &Run, stage: &str, more: &[&str]) -> Output {
        let plain = run.command(stage, more);
        let mut command = Command::new(&self.binary);
        command.args(plain.get_args());
        if self.root {
            command.uid(CONVERTER).gid(CONVERTER);
        }
        command.output().unwrap()
    }

    fn stage(&self, run: &Run, stage: &str, more: &[&str]) -> Value {
        let output = self.output(run, stage, more);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        last_line(&output)
    }

    fn mistake(&self, run: &Run, stage: &str) -> Value {
        let output = self.output(run, stage, &[]);
        assert_eq!(output.status.code(), Some(42), "{}", String::from_utf8_lossy(&output.stderr));
        last_line(&output)["error"]["reason"].clone()
    }
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_may_not_be_read_is_a_record() {
    let guarded = Guarded::new();
    let tree = &guarded.tree;
    let good = tree.wav("good.wav", 1, 500);
    mode(&tree.wav("locked.wav", 2, 500), 0);
    tree.wav("locked/inside.wav", 3, 500);
    mode(&tree.source("locked"), 0);
    let run = guarded.run();
    assert_eq!(guarded.stage(&run, "plan", &[])["files"], 3);
    guarded.stage(&run, "work", &["--shard", "0"]);
    let report = guarded.stage(&run, "report", &[]);
    mode(&tree.source("locked"), 0o755);
    assert_eq!(report["files"], json!({"total": 3, "converted": 1, "skipped": 0, "failed": 2}));
    let failures = report["failures"].as_array().unwrap();
    assert_eq!((&failures[0]["path"], &failures[0]["reason"]), (&json!("locked"), &json!("permission_denied")));
    assert_eq!((&failures[1]["path"], &failures[1]["reason"]), (&json!("locked.wav"), &json!("source_unreadable")));
    assert_decodes(&run.destination.join("good.flac"), &good);
}

#[test]
fn a_folder_that_may_not_be_written_is_a_record() {
    let guarded = Guarded::new();
    guarded.tree.wav("a/1.wav", 1, 500);
    guarded.tree.wav("b/2.wav", 2, 500);
    let run = guarded.run();
    guarded.stage(&run, "plan", &[]);
    let closed = run.destination.join("a");
    fs::create_dir(&closed).unwrap();
    mode(&closed, 0o555);
    let work = guarded.stage(&run, "work", &["--shard", "0"]);
    assert_eq!(work["files"], json!({"total": 2, "converted": 1, "skipped": 0, "failed": 1}));
    let report = guarded.stage(&run, "report", &[]);
    assert_eq!(report["failures"][0]["path"], "a/1.wav");
    assert_eq!(report["failures"][0]["reason"], "permission_denied");
    assert_eq!(fs::read_dir(&closed).unwrap().count(), 0);
}

#[test]
fn a_root_that_may_not_be_used_is_a_mistake() {
    let guarded = Guarded::new();
    let run = guarded.run();
    mode(&run.source, 0);
    assert_eq!(guarded.mistake(&run, "plan"), "SourceNotReadable");
    mode(&run.source, 0o755);
    let closed = guarded.tree.path("closed");
    fs::create_dir(&closed).unwrap();
    mode(&closed, 0o555);
    assert_eq!(
        guarded.mistake(&Run { destination: closed.clone(), ..guarded.run() }, "plan"),
        "DestinationNotWritable"
    );
    assert_eq!(guarded.mistake(&Run { records: closed.join("r"), ..guarded.run() }, "plan"), "DestinationNotWritable");
}

/// Recordings of another user that the converter's group may read, and no more: nothing of theirs is changed.
#[test]
fn sources_of_another_user() {
    let guarded = Guarded::new();
    let tree = &guarded.tree;
    let source = tree.wav("d/a.wav", 1, 500);
    for (path, bits) in [(&source, 0o640), (&tree.source("d"), 0o750), (&tree.path("source"), 0o750)] {
        if guarded.root {
            chown(path, Some(OTHER), Some(CONVERTER)).unwrap();
        }
        mode(path, bits);
    }
    let before = fs::metadata(&source).unwrap();
    let run = guarded.run();
    guarded.stage(&run, "plan", &[]);
    guarded.stage(&run, "work", &["--shard", "0"]);
    assert_eq!(guarded.stage(&run, "report", &[])["files"]["converted"], 1);
    let after = fs::metadata(&source).unwrap();
    assert_eq!((after.uid(), after.mode(), after.ctime_nsec()), (before.uid(), before.mode(), before.ctime_nsec()));
    assert_decodes(&run.destination.join("d/a.flac"), &source);
    assert_eq!(fs::metadata(run.destination.join("d")).unwrap().mode() & 0o777, 0o750);
}

/// Whoever may not take a source away still has its FLAC.
#[test]
fn a_source_that_may_not_go_stays_with_a_warning() {
    let guarded = Guarded::new();
    let tree = &guarded.tree;
    tree.wav("closed/a.wav", 1, 500);
    tree.wav("sticky/b.wav", 2, 500);
    for (name, bits) in [("closed", 0o755), ("sticky", 0o1777)] {
        mode(&tree.source(name), bits);
        if !guarded.root {
            // It may do in its own folders what another user may not.
            mode(&tree.source(name), 0o555);
        }
    }
    let run = guarded.run();
    guarded.stage(&run, "plan", &[]);
    let policy = ["--shard", "0", "--metadata", "foreign", "--source-policy", "DeleteAfterVerify"];
    let work = guarded.stage(&run, "work", &policy);
    assert_eq!(work["files"], json!({"total": 2, "converted": 2, "skipped": 0, "failed": 0}));
    let records = run.records(0);
    for record in records.iter().rev().take(2) {
        let warning = &record["warnings"][0];
        assert_eq!(warning["code"], "source_kept", "{record}");
        assert!(warning["message"].as_str().unwrap().contains("may not be taken away"), "{record}");
    }
    assert!(tree.source("closed/a.wav").exists() && tree.source("sticky/b.wav").exists());
}
