//! A worker that dies at any step, and what the next one makes of it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;

use super::group::Step;
use super::*;
use crate::batch::plan;
use crate::batch::records::{Outcome, SourceFate};
use crate::restore::restore;
use crate::support::{Wav, music, wav_pcm};

thread_local! {
    static DIES_AT: Cell<Option<(usize, Step)>> = const { Cell::new(None) };
}

/// Where the next worker of this test dies.
pub fn dies_at() -> Option<(usize, Step)> {
    DIES_AT.take()
}

/// What a fault of ours looks like to the worker.
pub fn may_panic(source: &Path) {
    assert!(!source.ends_with("breaks.wav"), "on purpose");
}

#[derive(Debug, Parser)]
enum Command {
    Plan(plan::Args),
    Work(Box<Args>),
}

/// A folder tree with a run over it.
struct Tree(tempfile::TempDir);

impl Tree {
    const FILES: [&'static str; 4] = ["a.wav", "b/c.wav", "b/d/e.wav", "f.wav"];

    /// Four good files and a bad one.
    fn new() -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        for (seed, name) in (1..).zip(Self::FILES) {
            let path = tree.path("source").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, Self::wav(seed)).unwrap();
        }
        fs::write(tree.path("source/bad.wav"), b"no sound").unwrap();
        tree
    }

    fn wav(seed: u64) -> Vec<u8> {
        let pcm = wav_pcm(&music(5000, 2, 16, seed), 16);
        Wav::new().fmt(2, 44_100, 16).chunk(b"data", &pcm).chunk(b"mine", b"kept").build()
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, stage: &str, more: &[&str]) -> Command {
        let text = |name| self.path(name).into_os_string().into_string().unwrap();
        let (source, destination, records) = (text("source"), text("destination"), text("records"));
        let words = ["converter", stage, "--source", &source, "--destination", &destination, "--records", &records];
        Command::parse_from(words.into_iter().chain(more.iter().copied()))
    }

    fn plan(&self) {
        let Command::Plan(args) = self.command("plan", &[]) else { panic!("no plan") };
        plan::run(&args, &Console::silent()).unwrap();
    }

    fn work(&self, more: &[&str]) -> Result<WorkSummary, Error> {
        let words = [&["--shard", "0", "--metadata", "foreign"], more].concat();
        let Command::Work(args) = self.command("work", &words) else { panic!("no work") };
        run_until(&args, &Console::silent(), &Interrupt::default())
    }

    fn records(&self) -> Vec<Done> {
        let mut records = Vec::new();
        journal::read(&self.path("records/results/shard-00000.jsonl"), |done| records.push(done)).unwrap();
        records
    }

    /// Of each file, how often it was recorded as converted, and its last record.
    fn last_records(&self) -> BTreeMap<String, (usize, Done)> {
        let mut last = BTreeMap::new();
        for done in self.records() {
            // A second line that tells of the source is no second conversion.
            let converts = usize::from(done.outcome == Outcome::Converted && done.source.is_none());
            let entry = last.entry(done.path.text()).or_insert((0, done.clone()));
            *entry = (entry.0 + converts, done);
        }
        last
    }

    /// Every FLAC is there under its name, is restored to its source, and nothing else is there.
    fn assert_whole(&self) {
        for (seed, name) in (1..).zip(Self::FILES) {
            let flac = self.path("destination").join(name).with_extension("flac");
            let mut restored = Vec::new();
            restore(fs::File::open(flac).unwrap(), &mut restored).unwrap();
            assert!(restored == Self::wav(seed), "{name}");
        }
        let made = walkdir::WalkDir::new(self.path("destination")).into_iter().map(Result::unwrap);
        let made = made.filter(|entry| entry.file_type().is_file()).count();
        assert_eq!(made, Self::FILES.len());
    }

    /// Nothing lies under a final name that is not whole.
    fn assert_no_half_file(&self) {
        for entry in walkdir::WalkDir::new(self.path("destination")).into_iter().map(Result::unwrap) {
            if entry.path().extension().is_some_and(|ending| ending == "flac") {
                restore(fs::File::open(entry.path()).unwrap(), &mut std::io::sink()).unwrap();
            }
        }
    }
}

const STEPS: [Step; 7] =
    [Step::Noted, Step::Synced, Step::Named(1), Step::Named(3), Step::Named(5), Step::NamesSynced, Step::Recorded];

#[test]
fn whatever_step_a_worker_dies_at_nothing_is_lost_and_nothing_converted_twice() {
    for overwrite in ["IfNewer", "Never", "Always"] {
        for step in STEPS {
            let tree = Tree::new();
            tree.plan();
            DIES_AT.set(Some((0, step)));
            tree.work(&["--overwrite", overwrite]).unwrap_err();
            tree.assert_no_half_file();
            let before = tree.records();
            assert_eq!(before.len(), if step == Step::Recorded { 5 } else { 0 }, "{step:?}: records come last");

            let summary = tree.work(&["--overwrite", overwrite]).unwrap();
            let counts = summary.files.counts;
            assert_eq!(counts, Counts { converted: 4, skipped: 0, failed: 1 }, "{overwrite} {step:?}");
            tree.assert_whole();
            for (path, (converted, _)) in tree.last_records() {
                assert_eq!(converted, usize::from(path != "bad.wav"), "{overwrite} {step:?}: {path}");
            }
            assert_eq!(fs::read(tree.path("records/results/shard-00000.pending")).unwrap(), b"");
        }
    }
}

#[test]
fn whatever_step_a_worker_dies_at_every_source_goes_in_the_end_and_none_before_its_record() {
    for policy in [&["--source-policy", "DeleteAfterVerify"][..], &["--source-policy", "MoveTo", "--move-to"]] {
        // In the first group are the files, in the second are their sources.
        for (group, step) in (0..2).flat_map(|group| STEPS.map(|step| (group, step))) {
            let tree = Tree::new();
            tree.plan();
            let moved = tree.path("moved").into_os_string().into_string().unwrap();
            let mut words = policy.to_vec();
            if policy.last() == Some(&"--move-to") {
                words.push(&moved);
            }
            DIES_AT.set(Some((group, step)));
            let died = tree.work(&words).is_err();
            // The second group may have fewer files than that.
            assert!(died || matches!(step, Step::Named(_)), "{group} {step:?}");
            let recorded: Vec<String> = tree.records().iter().map(|done| done.path.text()).collect();
            for name in Tree::FILES {
                let is_there = tree.path("source").join(name).exists();
                assert!(
                    is_there || recorded.iter().any(|path| path == name),
                    "{group} {step:?}: {name} went too early"
                );
            }

            let summary = tree.work(&words).unwrap();
            assert_eq!(summary.files.counts, Counts { converted: 4, skipped: 0, failed: 1 }, "{group} {step:?}");
            tree.assert_whole();
            let fate = if words.len() == 2 { SourceFate::Deleted } else { SourceFate::Moved };
            for (seed, name) in (1..).zip(Tree::FILES) {
                assert!(!tree.path("source").join(name).exists(), "{group} {step:?}: {name} stays for ever");
                let (converted, last) = &tree.last_records()[name];
                assert_eq!((*converted, last.source), (1, Some(fate)), "{group} {step:?}: {name}");
                if fate == SourceFate::Moved {
                    assert_eq!(fs::read(tree.path("moved").join(name)).unwrap(), Tree::wav(seed));
                }
            }
            assert!(tree.path("source/bad.wav").exists(), "a source without a FLAC stays");
        }
    }
}

#[test]
fn a_file_that_breaks_the_converter_costs_no_other() {
    let tree = Tree::new();
    fs::write(tree.path("source/breaks.wav"), Tree::wav(9)).unwrap();
    tree.plan();
    let summary = tree.work(&[]).unwrap();
    assert_eq!(summary.files.counts, Counts { converted: 4, skipped: 0, failed: 2 });
    let (_, record) = &tree.last_records()["breaks.wav"];
    assert_eq!(record.reason.as_deref(), Some("internal"));
    assert!(record.message.as_deref().unwrap().contains("report it"), "{record:?}");
    tree.assert_whole();
}

#[test]
fn a_source_that_was_left_with_two_names_has_one_in_the_end() {
    let tree = Tree::new();
    tree.plan();
    tree.work(&[]).unwrap();
    fs::create_dir(tree.path("moved")).unwrap();
    fs::hard_link(tree.path("source/a.wav"), tree.path("moved/a.wav")).unwrap();
    let moved = tree.path("moved").into_os_string().into_string().unwrap();
    tree.work(&["--source-policy", "MoveTo", "--move-to", &moved]).unwrap();
    assert!(!tree.path("source/a.wav").exists() && tree.path("moved/a.wav").exists());
    assert_eq!(tree.last_records()["a.wav"].1.source, Some(SourceFate::Moved));
}

#[test]
fn a_flac_that_somebody_else_made_is_not_adopted() {
    let tree = Tree::new();
    tree.plan();
    DIES_AT.set(Some((0, Step::Synced)));
    tree.work(&[]).unwrap_err();
    // Another job makes the same FLAC, with the same time, just then.
    let part = tree.path("destination/a.flac.part");
    let flac = tree.path("destination/a.flac");
    fs::copy(&part, &flac).unwrap();
    let mtime = fs::metadata(tree.path("source/a.wav")).unwrap().modified().unwrap();
    fs::File::options().write(true).open(&flac).unwrap().set_modified(mtime).unwrap();
    let summary = tree.work(&[]).unwrap();
    assert_eq!(summary.files.counts, Counts { converted: 3, skipped: 1, failed: 1 });
    assert_eq!(tree.last_records()["a.wav"].1.reason.as_deref(), Some("up_to_date"));
    tree.assert_whole();
}
