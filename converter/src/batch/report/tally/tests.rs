//! The report's sums: over whole records, and over any prefix of any record file.

use std::collections::HashMap;
use std::fs;

use proptest::prelude::*;

use super::super::super::records::{Notice, Stamp};
use super::*;

/// A spool that holds next to nothing in memory.
const LIMITS: Limits = Limits { chunk: 100, fan_in: 2, buffer: 64 };

fn path(name: &str) -> RecordPath {
    RecordPath::new(Path::new(name)).unwrap()
}

/// File `n` of a shard; every third folder apart, every seventh refused.
fn planned(shard: usize, n: u64) -> Planned {
    let path = path(&format!("{}/{shard}-{n:03}.wav", n % 3));
    let refused = (n % 7 == 6).then(|| Failure::new("broken_symlink", "m"));
    Planned { path, stamp: Stamp { size: 100 + n, mtime_ns: 0 }, refused }
}

fn done(shard: usize, n: u64, outcome: Outcome, output_bytes: u64) -> Done {
    let Planned { path, stamp, .. } = planned(shard, n);
    match outcome {
        Outcome::Failed => Done::failed(n, path, stamp, Failure::new("not_wav", "m")),
        _ => Done { output_bytes, seconds: 0.5, ..Done::blank(n, path, stamp, outcome) },
    }
}

fn lines<T: Serialize>(records: &[T]) -> Vec<u8> {
    let line = |record| serde_json::to_string(record).unwrap() + "\n";
    records.iter().map(line).collect::<String>().into_bytes()
}

struct Run(tempfile::TempDir, Store);

impl Run {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        fs::create_dir(store.plan_folder()).unwrap();
        fs::create_dir(store.results_folder()).unwrap();
        Self(folder, store)
    }

    fn tally(&self, files: &[u64]) -> (Totals, Vec<Failed>) {
        let mut tally = Tally::new(self.0.path(), LIMITS).unwrap();
        for (shard, files) in files.iter().enumerate() {
            tally.add_shard(&self.1, shard, *files).unwrap();
        }
        let (totals, mut left) = tally.finish().unwrap();
        let mut failures = Vec::new();
        while let Some(failed) = left.next().unwrap() {
            failures.push(failed);
        }
        (totals, failures)
    }
}

#[test]
fn the_last_record_of_a_file_counts() {
    let run = Run::new();
    fs::write(run.1.planned(0), lines(&(0..7).map(|n| planned(0, n)).collect::<Vec<_>>())).unwrap();
    let warned = Done {
        warnings: vec![Notice { code: "clipped_samples".into(), message: "m".into() }],
        source: Some(SourceFate::Moved),
        seconds: 2.0,
        ..done(0, 1, Outcome::Converted, 50)
    };
    let records = [
        done(0, 0, Outcome::Failed, 0),
        done(0, 1, Outcome::Converted, 50),
        done(0, 3, Outcome::Converted, 3),
        done(0, 2, Outcome::Failed, 0),
        Done { reason: Some("exists".into()), ..done(0, 4, Outcome::Skipped, 9) },
        done(0, 0, Outcome::Converted, 40),
        warned,
        // Of no file of the plan.
        done(0, 7, Outcome::Converted, 1000),
        Done { n: u64::MAX, ..done(0, 7, Outcome::Converted, 1000) },
    ];
    fs::write(run.1.results(0), lines(&records)).unwrap();
    let (totals, failures) = run.tally(&[7]);
    assert_eq!(totals.counts, Counts { converted: 3, skipped: 1, failed: 3 });
    assert_eq!((totals.bytes.input, totals.bytes.output), (100 + 101 + 103, 40 + 50 + 3));
    assert_eq!(totals.sources, Sources { deleted: 0, moved: 1 });
    assert_eq!(totals.reasons, [("broken_symlink", 1), ("not_processed", 1), ("not_wav", 1)].map(own).into());
    assert_eq!(totals.skipped, [("exists", 1)].map(own).into());
    assert_eq!(totals.warnings, [("clipped_samples", 1)].map(own).into());
    assert!((totals.seconds - 3.5).abs() < 1e-9, "{}", totals.seconds);
    let names = |slow: &Slow| slow.path.text();
    assert_eq!(totals.slowest.iter().map(names).collect::<Vec<_>>(), ["1/0-001.wav", "0/0-000.wav", "0/0-003.wav"]);
    assert_eq!(totals.folders.total, 2);
    let folders: Vec<_> =
        totals.folders.most_saved.iter().map(|one| (one.folder.as_str(), one.files, one.saved())).collect();
    assert_eq!(folders, [("0", 2, 160), ("1", 1, 51)]);
    // Those that nobody came to last.
    let failures: Vec<_> = failures.iter().map(|one| (one.path.text(), one.failure.reason.as_str())).collect();
    let wanted = [("0/0-006.wav", "broken_symlink"), ("2/0-002.wav", "not_wav"), ("2/0-005.wav", "not_processed")];
    assert_eq!(failures, wanted.map(|(path, reason)| (path.to_owned(), reason)));
}

fn own((word, count): (&str, u64)) -> (String, u64) {
    (word.to_owned(), count)
}

#[test]
fn words_without_end_are_counted_together() {
    let mut words = BTreeMap::new();
    for number in 0..1000 {
        count(&mut words, &number.to_string());
    }
    assert_eq!(words.len(), WORDS + 1);
    assert_eq!(words[OTHER], 1000 - WORDS as u64);
    assert_eq!(words.values().sum::<u64>(), 1000);
}

#[test]
fn a_plan_that_is_not_there_still_adds_up() {
    let run = Run::new();
    let (totals, failures) = run.tally(&[2, 0, 1]);
    assert_eq!(totals.counts, Counts { converted: 0, skipped: 0, failed: 3 });
    assert_eq!(failures[0].path.text(), "line 1 of shard-00000.jsonl");
    assert!(failures.iter().all(|one| one.failure.reason == PLAN_DAMAGED));
}

/// A shard's files, the records of its results as (file, outcome, bytes), and where both files are cut.
type Shard = (u64, Vec<(u64, u8, u64)>, usize, usize);

fn shard() -> impl Strategy<Value = Shard> {
    (0u64..12).prop_flat_map(|files| {
        let record = (0..files + 2, 0u8..3, 0u64..90);
        (Just(files), prop::collection::vec(record, 0..30), 0usize..4000, 0usize..1200)
    })
}

proptest! {
    #[test]
    fn any_prefix_of_any_record_file_adds_up(shards in prop::collection::vec(shard(), 1..4)) {
        let run = Run::new();
        let mut wanted = Counts::default();
        let mut bytes = 0;
        for (shard, (files, records, cut_results, cut_plan)) in shards.iter().enumerate() {
            let records: Vec<_> = records.iter().map(|(n, outcome, bytes)| {
                let outcome = [Outcome::Converted, Outcome::Skipped, Outcome::Failed][*outcome as usize];
                done(shard, *n, outcome, *bytes)
            }).collect();
            let mut results = lines(&records);
            results.truncate(*cut_results);
            let kept = results.split(|byte| *byte == b'\n').count() - 1;
            fs::write(run.1.results(shard), &results).unwrap();
            let mut plan = lines(&(0..*files).map(|n| planned(shard, n)).collect::<Vec<_>>());
            plan.truncate(*cut_plan);
            fs::write(run.1.planned(shard), &plan).unwrap();

            let last: HashMap<_, _> =
                records[..kept].iter().filter(|done| done.n < *files).map(|done| (done.n, done)).collect();
            for n in 0..*files {
                wanted.add(last.get(&n).map_or(Outcome::Failed, |done| done.outcome));
            }
            bytes += last.values().filter(|done| done.outcome == Outcome::Converted).map(|done| done.output_bytes).sum::<u64>();
        }
        let files: Vec<_> = shards.iter().map(|(files, ..)| *files).collect();
        let (totals, failures) = run.tally(&files);
        prop_assert_eq!(totals.counts, wanted);
        prop_assert_eq!(totals.counts.converted + totals.counts.skipped + totals.counts.failed, files.iter().sum::<u64>());
        prop_assert_eq!(totals.bytes.output, bytes);
        prop_assert_eq!(failures.len() as u64, wanted.failed);
        prop_assert_eq!(totals.reasons.values().sum::<u64>(), wanted.failed);
        prop_assert_eq!(totals.folders.most_saved.iter().map(|one| one.files).sum::<u64>(), wanted.converted);
        let mut names: Vec<_> = failures.iter().map(|one| (one.shard, one.path.text())).collect();
        names.sort();
        names.dedup();
        prop_assert_eq!(names.len(), failures.len(), "no file is listed twice");
    }
}
