//! What is on the disk before what, as the kernel is asked for it: `strace` sees what a crash would.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::tree::{Run, Tree, files};

/// The calls of a worker that have to do with names and durability, in the order in which they began.
fn calls(run: &Run, log: &Path, more: &[&str]) -> Vec<String> {
    let work = run.command("work", &[&["--shard", "0"], more].concat());
    let output = Command::new("strace")
        .args(["-f", "-y", "-s", "1000000", "-o"])
        .arg(log)
        .args(["-e", "trace=write,pwrite64,fsync,fdatasync,syncfs,rename,renameat,renameat2,unlink,unlinkat", "--"])
        .arg(work.get_program())
        .args(work.get_args())
        .output()
        .expect("strace is needed: apt-get install strace");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&fs::read(log).unwrap()).into_owned();
    let begun = |line: &&str| !line.contains(" resumed>");
    // Each line begins with the thread.
    text.lines().filter(begun).filter_map(|line| Some(line.split_once(' ')?.1.trim_start().to_owned())).collect()
}

/// The first call from `after` on that is one of these with that text in it.
fn first(calls: &[String], after: usize, names: &[&str], text: &str) -> Option<usize> {
    let is = |call: &String| names.iter().any(|name| call.starts_with(&format!("{name}("))) && call.contains(text);
    calls.iter().skip(after).position(is).map(|place| after + place)
}

fn in_order(count: u32, more: &[&str], goes: &[&str]) {
    let tree = Tree::new();
    for number in 0..count {
        tree.wav(format!("day {}/{number}.wav", number % 3), number, 700);
    }
    let run = tree.run("destination", "records");
    run.stage("plan", &[]);
    let calls = calls(&run, &tree.path("log"), more);
    let records = run.results(0);
    let records = records.to_str().unwrap();
    let made = files(&run.destination);
    assert_eq!(made.len(), count as usize);
    for name in made {
        let flac = run.destination.join(&name);
        let (part, folder) = (format!("{}.part", flac.display()), flac.parent().unwrap().display().to_string());
        let written = calls.iter().rposition(|call| call.contains("write") && call.contains(&format!("<{part}>")));
        let find = |what: &str, after: usize, names: &[&str], text: &str| {
            first(&calls, after, names, text).unwrap_or_else(|| panic!("{}: {what}", name.display()))
        };
        let synced = calls.iter().enumerate().skip(written.unwrap()).find(|(_, call)| {
            call.starts_with("syncfs(") || call.starts_with("fsync(") && call.contains(&format!("<{part}>"))
        });
        let (synced, _) = synced.unwrap_or_else(|| panic!("{}: it is never on the disk", name.display()));
        let named = find("it gets its name", 0, &["rename", "renameat", "renameat2"], &format!("{part}\""));
        assert!(synced < named, "{}: it is on the disk before it has its name", name.display());
        let folders = calls.iter().enumerate().skip(named).find(|(_, call)| {
            call.starts_with("syncfs(") || call.starts_with("fsync(") && call.contains(&format!("<{folder}>"))
        });
        let (folders, _) = folders.unwrap_or_else(|| panic!("{}: its name is never on the disk", name.display()));
        let source = name.with_extension("wav");
        let of_file = format!("\\\"path\\\":\\\"{}\\\"", source.display());
        let is_record = |call: &String| call.starts_with("write(") && call.contains(records) && call.contains(&of_file);
        let recorded = calls.iter().position(is_record).expect("it is recorded");
        assert!(folders < recorded, "{}: its name is on the disk before its record is written", name.display());
        let durable = find("its record is on the disk", recorded, &["fdatasync", "fsync"], records);
        if let Some(way) = goes.first() {
            let gone = find("its source goes", 0, goes, &format!("{}\"", run.source.join(&source).display()));
            assert!(durable < gone, "{}: its record is on the disk before {way} takes its source", name.display());
        }
    }
}

#[test]
fn few_files_are_on_the_disk_before_their_names_and_these_before_their_records() {
    in_order(5, &[], &[]);
}

#[test]
fn so_are_many() {
    in_order(40, &[], &[]);
}

#[test]
fn sources_are_deleted_after_their_records_are_on_the_disk() {
    in_order(20, &["--metadata", "foreign", "--source-policy", "DeleteAfterVerify"], &["unlink", "unlinkat"]);
}

#[test]
fn sources_are_moved_after_their_records_are_on_the_disk() {
    let moved = tempfile::tempdir().unwrap();
    // Below /tmp as the tree is, so on one file system.
    let words = ["--source-policy", "MoveTo", "--move-to", moved.path().to_str().unwrap()];
    in_order(20, &words, &["rename", "renameat", "renameat2"]);
}
