//! Sources that go once their FLAC is safe, and those that stay all the same.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::tree::{MTIME, Run, Tree, assert_decodes, counts, files, last_line, set_mtime};

const DELETE: [&str; 4] = ["--metadata", "foreign", "--source-policy", "DeleteAfterVerify"];

/// The last record of each file, by its number.
fn last(run: &Run) -> Vec<Value> {
    let mut last = Vec::new();
    for record in run.records(0) {
        let n = usize::try_from(record["n"].as_u64().unwrap()).unwrap();
        last.resize(last.len().max(n + 1), Value::Null);
        last[n] = record;
    }
    last
}

/// Outcome, fate of the source, and why it stays, of the last record of each file.
fn fates(run: &Run) -> Vec<(String, String, String)> {
    let word = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let kept = |record: &Value| {
        let warnings = record["warnings"].as_array().cloned().unwrap_or_default();
        let kept = warnings.iter().find(|warning| warning["code"] == "source_kept");
        kept.map(|warning| word(&warning["message"])).unwrap_or_default()
    };
    last(run).iter().map(|record| (word(&record["outcome"]), word(&record["source"]), kept(record))).collect()
}

fn move_to(tree: &Tree, name: &str) -> [String; 4] {
    let folder = tree.path(name).into_os_string().into_string().unwrap();
    ["--source-policy".into(), "MoveTo".into(), "--move-to".into(), folder]
}

fn text(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

#[test]
fn sources_are_deleted_once_they_can_be_restored_and_skipped_ones_too() {
    let tree = Tree::new();
    let names = ["a.wav", "b/c.wav", "b/d.WAV"];
    for (seed, name) in (1..).zip(names) {
        tree.wav(name, seed, 3000);
    }
    tree.put("bad.wav", b"no sound");
    let bytes = names.map(|name| fs::read(tree.source(name)).unwrap());
    // An earlier run has converted one of them.
    let earlier = tree.run("destination", "earlier");
    earlier.stage("plan", &["--include", "b/c.wav"]);
    earlier.stage("work", &["--shard", "0", "--metadata", "foreign"]);

    let run = tree.run("destination", "records");
    let report = run.whole(1, &DELETE);
    assert_eq!(report["files"], json!({"total": 4, "converted": 2, "skipped": 1, "failed": 1}));
    assert_eq!(files(&run.source), [Path::new("bad.wav")], "what was not converted stays");
    let gone = |outcome: &str| (outcome.to_owned(), "deleted".to_owned(), String::new());
    let bad = ("failed".to_owned(), String::new(), String::new());
    assert_eq!(fates(&run), [gone("converted"), gone("skipped"), gone("converted"), bad]);
    for (name, bytes) in names.iter().zip(bytes) {
        let flac = fs::File::open(run.destination.join(name).with_extension("flac")).unwrap();
        let mut restored = Vec::new();
        converter::restore::restore(flac, &mut restored).unwrap();
        assert!(restored == bytes, "{name}");
    }
    // Nothing is left to do, and a source that is gone is no failure.
    let before = run.records(0).len();
    assert_eq!(counts(&run.stage("work", &[&["--shard", "0"], &DELETE[..]].concat())), [2, 1, 1]);
    assert_eq!(run.records(0).len(), before + 1, "but the bad file was tried again");
}

#[test]
fn sources_are_moved_with_their_folders_and_over_no_file() {
    let tree = Tree::new();
    for (seed, name) in (1..).zip(["a.wav", "b/c.wav", "b/d/e.wav"]) {
        tree.wav(name, seed, 3000);
    }
    let bytes = fs::read(tree.source("b/d/e.wav")).unwrap();
    fs::create_dir_all(tree.path("done/b")).unwrap();
    fs::write(tree.path("done/b/c.wav"), b"another's").unwrap();
    let run = tree.run("destination", "records");
    let words = move_to(&tree, "done");
    run.whole(1, &text(&words));
    assert_eq!(fs::read(tree.path("done/b/d/e.wav")).unwrap(), bytes);
    assert_eq!(fs::metadata(tree.path("done/b/d/e.wav")).unwrap().modified().unwrap(), std::time::UNIX_EPOCH + MTIME);
    assert_eq!(fs::read(tree.path("done/b/c.wav")).unwrap(), b"another's");
    assert_eq!(files(&run.source), [Path::new("b/c.wav")]);
    let fates = fates(&run);
    assert_eq!((fates[0].1.as_str(), fates[1].1.as_str(), fates[2].1.as_str()), ("moved", "", "moved"));
    assert!(fates[1].0 == "converted" && fates[1].2.contains("is not replaced"), "{fates:?}");
    // Once there is room, the next try moves it; nothing is converted anew.
    fs::remove_file(tree.path("done/b/c.wav")).unwrap();
    assert_eq!(counts(&run.stage("work", &[&["--shard", "0"], &text(&words)[..]].concat())), [3, 0, 0]);
    assert_eq!(files(&tree.path("done")).len(), 3);
    assert_eq!(self::fates(&run)[1], ("converted".into(), "moved".into(), String::new()));
}

#[test]
fn a_source_whose_flac_is_not_its_own_stays() {
    let tree = Tree::new();
    tree.wav("other.wav", 4, 3000);
    let other = tree.run("other", "r0");
    other.whole(1, &["--metadata", "foreign"]);
    for name in ["another's.wav", "tags only.wav", "link.wav", "good.wav"] {
        fs::remove_file(tree.source("other.wav")).ok();
        tree.wav(name, 1, 3000);
    }
    fs::remove_file(tree.source("link.wav")).unwrap();
    symlink("good.wav", tree.source("link.wav")).unwrap();
    let run = tree.run("destination", "records");
    fs::create_dir(&run.destination).unwrap();
    fs::copy(tree.path("other/other.flac"), run.destination.join("another's.flac")).unwrap();
    let tags = tree.run("destination", "r1");
    tags.stage("plan", &["--include", "tags*"]);
    tags.stage("work", &["--shard", "0"]);

    run.whole(1, &[&DELETE[..], &["--overwrite", "Never"]].concat());
    let fates = fates(&run);
    let wanted = [
        ("skipped", "", "another file"),
        ("converted", "deleted", ""),
        ("converted", "", "link"),
        ("skipped", "", "cannot be restored"),
    ];
    for ((outcome, fate, why), found) in wanted.into_iter().zip(&fates) {
        assert!(found.0 == outcome && found.1 == fate && found.2.contains(why), "{why}: {found:?}");
    }
    let stay = ["another's.wav", "tags only.wav"].map(Path::new);
    assert_eq!(files(&run.source), stay);
    // The same news is told once.
    let before = run.records(0).len();
    run.stage("work", &[&["--shard", "0", "--overwrite", "Never"], &DELETE[..]].concat());
    assert!(run.records(0).len() <= before + 1, "{:?}", run.records(0));
}

#[test]
fn a_source_that_has_changed_since_stays_until_it_is_converted() {
    let tree = Tree::new();
    let source = tree.wav("a.wav", 1, 3000);
    let run = tree.run("destination", "records");
    run.whole(1, &["--metadata", "foreign"]);
    tree.wav("a.wav", 2, 3000);
    set_mtime(&source, MTIME.checked_sub(Duration::from_secs(5)).unwrap());
    // Nobody may convert it again, so it may not go.
    let work = [&["--shard", "0", "--overwrite", "Never"], &DELETE[..]].concat();
    assert_eq!(counts(&run.stage("work", &work)), [1, 0, 0]);
    assert!(source.exists() && fates(&run)[0].2.contains("has changed"), "{:?}", fates(&run));
    let bytes = fs::read(&source).unwrap();
    assert_eq!(counts(&run.stage("work", &[&["--shard", "0"], &DELETE[..]].concat())), [1, 0, 0]);
    assert!(!source.exists());
    let mut restored = Vec::new();
    converter::restore::restore(fs::File::open(run.destination.join("a.flac")).unwrap(), &mut restored).unwrap();
    assert!(restored == bytes);
}

#[test]
fn a_source_without_its_flac_is_missed() {
    let tree = Tree::new();
    let source = tree.wav("a.wav", 1, 3000);
    let run = tree.run("destination", "records");
    run.whole(1, &["--metadata", "foreign"]);
    fs::remove_file(&source).unwrap();
    fs::remove_file(run.destination.join("a.flac")).unwrap();
    assert_eq!(counts(&run.stage("work", &[&["--shard", "0"], &DELETE[..]].concat())), [0, 0, 1]);
    assert_eq!(last(&run)[0]["reason"], "source_missing");
}

#[test]
fn a_flac_that_may_be_all_that_is_left_is_not_replaced() {
    let tree = Tree::new();
    tree.wav("take.wav", 1, 3000);
    let run = tree.run("destination", "r0");
    run.whole(1, &DELETE);
    let flac = run.destination.join("take.flac");
    let first = fs::read(&flac).unwrap();
    // A recorder uses the name again, within the same run and before the next.
    let again = tree.wav("take.wav", 2, 3000);
    set_mtime(&again, MTIME + Duration::from_mins(1));
    let before = run.records(0).len();
    assert_eq!(counts(&run.stage("work", &[&["--shard", "0"], &DELETE[..]].concat())), [1, 0, 0]);
    assert_eq!(run.records(0).len(), before, "the record of the first stands");
    let next = tree.run("destination", "r1");
    assert_eq!(next.whole(1, &DELETE)["files"]["failed"], 1);
    assert_eq!(last(&next)[0]["reason"], "only_copy");
    assert!(fs::read(&flac).unwrap() == first && again.exists(), "neither is lost");
    // Whoever says so has it replaced, and where sources stay the new one is the newer one of the same.
    let bytes = fs::read(&again).unwrap();
    let always = tree.run("destination", "r2");
    assert_eq!(always.whole(1, &[&DELETE[..], &["--overwrite", "Always"]].concat())["files"]["converted"], 1);
    let mut restored = Vec::new();
    converter::restore::restore(fs::File::open(&flac).unwrap(), &mut restored).unwrap();
    assert!(restored == bytes && !again.exists());
}

#[test]
fn what_becomes_of_a_source_later_takes_no_conversion_back() {
    let tree = Tree::new();
    let source = tree.wav("a.wav", 1, 3000);
    tree.wav("b.wav", 2, 3000);
    let run = tree.run("destination", "records");
    run.whole(1, &[]);
    fs::remove_file(&source).unwrap();
    assert_eq!(counts(&run.stage("work", &["--shard", "0"])), [2, 0, 0]);
    assert_eq!(run.records(0).len(), 2);
}

#[test]
fn a_source_whose_whole_folder_is_away_is_not_told_to_be_deleted() {
    let tree = Tree::new();
    tree.wav("day/a.wav", 1, 3000);
    let run = tree.run("destination", "records");
    run.whole(1, &["--metadata", "foreign"]);
    fs::rename(tree.source("day"), tree.path("unmounted")).unwrap();
    let work = [&["--shard", "0"], &DELETE[..]].concat();
    assert_eq!(counts(&run.stage("work", &work)), [0, 0, 1]);
    fs::rename(tree.path("unmounted"), tree.source("day")).unwrap();
    run.stage("work", &work);
    assert_eq!(last(&run)[0]["source"], "deleted");
    assert_eq!(files(&run.source).len(), 0);
}

#[test]
fn beside_their_flacs_sources_go_too() {
    let tree = Tree::new();
    tree.wav("b/a.wav", 1, 3000);
    let run = tree.run("source", "source/.flacship/u");
    assert_eq!(run.whole(1, &DELETE)["files"]["converted"], 1);
    assert_eq!(files(&run.source), [Path::new("b/a.flac")]);
}

#[test]
fn with_tags_alone_the_samples_decide_what_may_be_moved() {
    let tree = Tree::new();
    let source = tree.wav("a.wav", 1, 3000);
    tree.run("destination", "r0").whole(1, &[]);
    let run = tree.run("destination", "records");
    let words = move_to(&tree, "done");
    run.whole(1, &text(&words));
    assert_eq!(fates(&run)[0].1, "moved");
    assert!(!source.exists());
    assert_decodes(&run.destination.join("a.flac"), &tree.path("done/a.wav"));
}

#[test]
fn what_cannot_be_asked_for_is_refused() {
    let tree = Tree::new();
    tree.wav("a.wav", 1, 300);
    let run = tree.run("destination", "records");
    run.stage("plan", &["--exclude", "old/"]);
    let refused = |words: &[&str]| {
        let output = run.output("work", &[&["--shard", "0"], words].concat());
        assert_eq!(output.status.code(), Some(42), "{}", String::from_utf8_lossy(&output.stderr));
        last_line(&output)["error"]["reason"].as_str().unwrap().to_owned()
    };
    assert_eq!(refused(&["--source-policy", "DeleteAfterVerify"]), "DeleteNeedsForeign");
    assert_eq!(refused(&["--source-policy", "MoveTo"]), "MoveToNotUsable");
    fs::write(tree.path("file"), b"").unwrap();
    for folder in ["file", "file/below", "source", "source/done", "/proc"] {
        assert_eq!(refused(&text(&move_to(&tree, folder))), "MoveToNotUsable", "{folder}");
    }
    assert!(tree.source("a.wav").exists());
    // What no plan looks into may be within the source.
    for (number, folder) in ["source/.done", "source/old/done"].into_iter().enumerate() {
        tree.wav("a.wav", 1, 300);
        let run = tree.run("destination", &format!("records {number}"));
        run.stage("plan", &["--exclude", "old/"]);
        run.stage("work", &[&["--shard", "0"], &text(&move_to(&tree, folder))[..]].concat());
        assert!(tree.path(folder).join("a.wav").exists(), "{folder}");
    }
}
