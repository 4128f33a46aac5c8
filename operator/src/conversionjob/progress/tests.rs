use proptest::prelude::*;

use super::*;

fn reading(shard: usize, files: [u64; 3], bytes: [u64; 4]) -> Reading {
    let [converted, skipped, failed] = files;
    let [total, done, input, output] = bytes;
    Reading {
        shard,
        files: FilesRead { converted, skipped, failed },
        bytes: BytesRead { total, done, input, output },
        last: false,
    }
}

fn last(mut reading: Reading) -> Reading {
    reading.last = true;
    reading
}

fn plan() -> PlanResult {
    PlanResult { files: 70, bytes: 7000, shard_files: vec![40, 20, 10] }
}

fn sum(readings: &[Reading], completed: &[usize]) -> Progress {
    let mut all = Readings::default();
    for reading in readings {
        all.take(reading.clone());
    }
    plan_progress(&plan(), &all, &completed.iter().copied().collect())
}

#[test]
fn a_workers_line_is_read_whatever_else_it_holds() {
    let line = r#"{"stage":"work","shard":3,"files":{"total":9,"converted":4,"skipped":1,"failed":1},"bytes":{"total":900,"done":650,"input":400,"output":230}}"#;
    let expected = reading(3, [4, 1, 1], [900, 650, 400, 230]);
    assert_eq!(serde_json::from_str::<Reading>(line).unwrap(), expected);
    assert_eq!(Reading::last_of(line, 3), Some(last(expected.clone())));
    assert_eq!(Reading::last_of(&format!("noise\n{line}\n\n"), 3), Some(last(expected)));
    for (message, shard) in [(line, 2), ("", 3), ("{", 3), (r#"{"stage":"work","error":{"reason":"X"}}"#, 3)] {
        assert_eq!(Reading::last_of(message, shard), None, "{message}");
    }
}

#[test]
fn shards_are_summed_up_and_what_nobody_tells_counts_when_it_is_done() {
    let live = reading(0, [5, 1, 1], [4000, 900, 700, 300]);
    let ended = last(reading(1, [18, 0, 2], [2000, 2000, 1800, 900]));
    for (what, readings, completed, files_done, [converted, skipped, failed], bytes_done, input, output) in [
        ("nothing", vec![], vec![], 0, [0; 3], 0, 0, 0),
        ("one works", vec![live.clone()], vec![], 7, [5, 1, 1], 900, 700, 300),
        ("one ended", vec![live.clone(), ended.clone()], vec![1], 27, [23, 1, 3], 2900, 2500, 1200),
        ("its end is not counted yet", vec![live.clone(), ended.clone()], vec![], 27, [23, 1, 3], 2900, 2500, 1200),
        ("nobody tells", vec![], vec![1, 2], 30, [0; 3], 3000, 0, 0),
        ("all done, one told", vec![ended.clone()], vec![0, 1, 2], 70, [18, 0, 2], 7000, 1800, 900),
        ("done while it still told less", vec![live.clone()], vec![0], 40, [5, 1, 1], 4000, 700, 300),
        ("no shard of the plan", vec![reading(9, [1, 0, 0], [1, 1, 1, 1])], vec![9], 0, [0; 3], 0, 0, 0),
        ("more files than the shard has", vec![reading(2, [11, 0, 0], [1, 1, 1, 1])], vec![], 0, [0; 3], 0, 0, 0),
        (
            "more bytes than there are",
            vec![reading(2, [1, 0, 0], [1, u64::MAX, 1, 1])],
            vec![],
            1,
            [1, 0, 0],
            7000,
            1,
            1,
        ),
    ] {
        let expected =
            Progress { files_done, files: FilesRead { converted, skipped, failed }, bytes_done, input, output };
        assert_eq!(sum(&readings, &completed), expected, "{what}");
    }
    let empty = plan_progress(&PlanResult::default(), &Readings::default(), &[0].into());
    assert_eq!(empty, Progress::default());
}

#[test]
fn a_new_try_that_knows_less_does_not_undo_what_was_known() {
    let first = reading(0, [5, 1, 1], [4000, 900, 700, 300]);
    for (what, later, counts) in [
        ("it has just begun", reading(0, [0, 0, 0], [0, 0, 0, 0]), false),
        ("it has read the records", reading(0, [5, 1, 1], [4000, 900, 700, 300]), true),
        ("a failed file was converted this time", reading(0, [6, 1, 0], [4000, 900, 800, 350]), true),
        ("as many files, fewer bytes", reading(0, [5, 1, 1], [4000, 800, 700, 300]), false),
        ("the last word is right even if it is less", last(reading(0, [5, 0, 0], [4000, 800, 700, 300])), true),
    ] {
        let mut readings = Readings::default();
        readings.take(first.clone());
        readings.take(later.clone());
        assert_eq!(readings.told[&0], if counts { later } else { first.clone() }, "{what}");
    }
    let mut readings = Readings::default();
    readings.take(last(first.clone()));
    readings.take(reading(0, [40, 0, 0], [4000, 4000, 4000, 2000]));
    assert_eq!(readings.told[&0], last(first));
    assert_eq!(readings.to_read(&[0, 1, 2].into()), [1, 2]);
    readings.is_mute(2);
    assert_eq!(readings.to_read(&[0, 1, 2].into()), [1]);
}

#[test]
fn a_status_that_has_come_further_stays() {
    let progress = Progress {
        files_done: 30,
        files: FilesRead { converted: 20, skipped: 8, failed: 2 },
        bytes_done: 3000,
        input: 2000,
        output: 1154,
    };
    let with = |text: &str, counts: [i64; 3], bytes: [i64; 2]| ConversionJobStatus {
        progress: Some(text.to_owned()),
        files: Some(FileCounts { total: 0, converted: counts[0], skipped: counts[1], failed: counts[2] }),
        bytes: Some(ByteCounts { input: bytes[0], output: bytes[1] }),
        ..ConversionJobStatus::default()
    };
    let (counts, bytes) = ([20, 8, 2], [2000, 1154]);
    for (mut status, expected) in [
        (ConversionJobStatus::default(), ("30/70", counts, bytes)),
        (with("29/70", [0; 3], [0; 2]), ("30/70", counts, bytes)),
        (with("30/70", counts, bytes), ("30/70", counts, bytes)),
        (with("many", [0; 3], [0; 2]), ("30/70", counts, bytes)),
        // A file that had failed was converted by a later try.
        (with("30/70", [19, 8, 3], bytes), ("30/70", counts, bytes)),
        (with("31/70", [21, 8, 2], [2100, 1200]), ("31/70", [21, 8, 2], [2100, 1200])),
        // Of shards whose pods are gone it is known that they are done, and not what became of their files.
        (with("28/70", [26, 2, 0], [2001, 1154]), ("30/70", counts, [2001, 1154])),
        (with("28/70", [29, 2, 0], [2000, 1155]), ("30/70", [29, 2, 0], [2000, 1155])),
    ] {
        let before = format!("{status:?}");
        put(&progress, 70, &mut status);
        let (files, bytes) = (status.files.unwrap(), status.bytes.unwrap());
        assert_eq!(files.total, 70);
        let counts = [files.converted, files.skipped, files.failed];
        assert_eq!((status.progress.unwrap().as_str(), counts, [bytes.input, bytes.output]), expected, "{before}");
    }
    let mut status = ConversionJobStatus::default();
    put(&progress, 70, &mut status);
    assert_eq!(status.ratio.as_deref(), Some("0.58"));
}

#[test]
fn a_ratio_has_two_decimals() {
    let text = |input, output| ratio(&ByteCounts { input, output });
    for (input, output, expected) in [
        (0, 0, None),
        (0, 5, None),
        (-1, 5, None),
        (5, -1, None),
        (100, 0, Some("0.00")),
        (1000, 577, Some("0.58")),
        (1000, 575, Some("0.58")),
        (1000, 574, Some("0.57")),
        (1000, 1000, Some("1.00")),
        (10, 21, Some("2.10")),
        (i64::MAX, i64::MAX, Some("1.00")),
    ] {
        assert_eq!(text(input, output).as_deref(), expected, "{output}/{input}");
    }
}

fn any_reading() -> impl Strategy<Value = Reading> {
    let numbers = prop::array::uniform4(0_u64..3000);
    (0_usize..4, prop::array::uniform3(0_u64..25), numbers, any::<bool>())
        .prop_map(|(shard, files, bytes, is_last)| Reading { last: is_last, ..reading(shard, files, bytes) })
}

proptest! {
    /// Whatever workers say, and in whatever order, what is shown never goes backwards and never past the plan.
    #[test]
    fn what_is_shown_never_goes_backwards(
        told in prop::collection::vec((any_reading(), prop::option::of(0_usize..3)), 0..60),
        restarts in prop::collection::btree_set(0_usize..60, 0..5),
    ) {
        let (mut readings, mut completed) = (Readings::default(), BTreeSet::new());
        let mut status = ConversionJobStatus::default();
        let mut before = (0, 0, 0);
        for (step, (reading, done)) in told.into_iter().enumerate() {
            if restarts.contains(&step) {
                // The operator is another, and knows what the status says.
                readings = Readings::default();
            }
            readings.take(reading);
            completed.extend(done);
            put(&plan_progress(&plan(), &readings, &completed), plan().files, &mut status);
            let bytes = status.bytes.clone().unwrap_or_default();
            let now = (known_done(&status).unwrap(), bytes.input, bytes.output);
            prop_assert!(now.0 >= before.0 && now.1 >= before.1 && now.2 >= before.2, "{now:?} after {before:?}");
            prop_assert!(now.0 <= 70);
            let files = status.files.clone().unwrap();
            prop_assert!(files.converted + files.skipped + files.failed <= now.0);
            before = now;
        }
    }

    #[test]
    fn no_message_makes_it_panic(message in "(\\PC|\n){0,200}", shard in 0_usize..9) {
        let _ = Reading::last_of(&message, shard);
    }
}
