use crds::conversionjob::{FileCounts, ShardCounts};
use kube::runtime::events::EventType;

use super::*;
use crate::conversionjob::result::{Failure, PlanResult};

fn status(stage: Stage, conditions: &[(&str, &str, &str)]) -> ConversionJobStatus {
    let conditions: Vec<Condition> = conditions
        .iter()
        .map(|(type_, status, reason)| {
            serde_yaml::from_str(&format!(
                "{{type: {type_}, status: '{status}', reason: {reason}, message: the words, lastTransitionTime: 2026-11-22T00:00:00Z}}"
            ))
            .unwrap()
        })
        .collect();
    ConversionJobStatus { stage: Some(stage), conditions, ..ConversionJobStatus::default() }
}

fn planned(mut status: ConversionJobStatus, files: i64, shards: i32) -> ConversionJobStatus {
    status.files = Some(FileCounts { total: files, ..FileCounts::default() });
    status.shards = (shards > 0).then(|| ShardCounts { total: shards, ..ShardCounts::default() });
    status
}

fn reasons(old: Option<&ConversionJobStatus>, new: &ConversionJobStatus) -> Vec<String> {
    notes(old, new, None).into_iter().map(|note| note.reason).collect()
}

fn planned_run() -> RunFacts {
    let plan = PlanResult { files: 40, bytes: 1_230_000_000, shard_files: vec![20, 20] };
    RunFacts { plan: Some(plan), ..RunFacts::default() }
}

const BEGUN: &[(&str, &str, &str)] = &[
    ("Accepted", "True", "SpecAccepted"),
    ("VolumesReady", "True", "VolumesFound"),
    ("Complete", "False", "Running"),
    ("Failed", "False", "Running"),
];

#[test]
fn a_run_that_goes_well_tells_its_three_steps() {
    let plan = status(Stage::Plan, BEGUN);
    assert!(reasons(None, &plan).is_empty());
    let convert = planned(status(Stage::Convert, BEGUN), 40, 2);
    assert_eq!(reasons(Some(&plan), &convert), ["Planned", "Converting"]);
    let told = notes(Some(&plan), &convert, Some(&planned_run()));
    assert_eq!(told[0].message, "40 files, 1.23 GB, in 2 shards");
    let report = planned(status(Stage::Report, BEGUN), 40, 2);
    assert!(reasons(Some(&convert), &report).is_empty());
    let done = planned(
        status(Stage::Done, &[("Complete", "True", "SomeFilesFailed"), ("Failed", "False", "SomeFilesFailed")]),
        40,
        2,
    );
    assert_eq!(reasons(Some(&report), &done), ["Completed"]);
    assert!(reasons(Some(&done), &done).is_empty());
}

#[test]
fn an_empty_source_is_planned_and_nothing_is_converted() {
    let plan = status(Stage::Plan, BEGUN);
    let report = planned(status(Stage::Report, BEGUN), 0, 0);
    let told = notes(Some(&plan), &report, None);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].message, "No file in the source is to be converted");
}

#[test]
fn what_goes_wrong_is_a_warning() {
    let plan = status(Stage::Plan, BEGUN);
    for (what, stage, condition, reason) in [
        ("no claim", Stage::Pending, ("VolumesReady", "False", "ClaimNotFound"), "VolumesNotReady"),
        ("taken", Stage::Pending, ("Accepted", "False", "NameTaken"), "NameTaken"),
        ("invalid", Stage::Done, ("Accepted", "False", "InvalidSpec"), "InvalidSpec"),
        ("no pods", Stage::Plan, ("Complete", "False", "PodsNotCreated"), "PodsNotCreated"),
        ("no image", Stage::Plan, ("Complete", "False", "Waiting"), "PodsNotRunning"),
        ("failed", Stage::Done, ("Failed", "True", "StageFailed"), "Failed"),
        ("other claim", Stage::Pending, ("VolumesReady", "False", "ClaimLost"), "VolumesNotReady"),
    ] {
        for old in [None, Some(&plan)] {
            let told = notes(old, &status(stage, &[condition]), None);
            assert_eq!(told.len(), 1, "{what}");
            assert_eq!(told[0].reason, reason, "{what}");
            assert_eq!(told[0].severity, EventType::Warning, "{what}");
            assert!(told[0].message.ends_with("the words"), "{what}");
        }
    }
}

#[test]
fn volumes_that_come_are_told_only_after_they_were_missed() {
    let missing = status(Stage::Pending, &[("VolumesReady", "False", "ClaimNotFound")]);
    let there = status(Stage::Plan, &[("VolumesReady", "True", "VolumesFound")]);
    assert_eq!(reasons(Some(&missing), &there), ["VolumesReady"]);
    assert!(reasons(None, &there).is_empty());
    assert!(reasons(Some(&missing), &missing).is_empty());
}

#[test]
fn a_pending_run_tells_what_it_waits_for_once() {
    let pending = status(
        Stage::Pending,
        &[("VolumesReady", "False", "ClaimNotFound"), ("Complete", "False", "Waiting"), ("Failed", "False", "Waiting")],
    );
    assert_eq!(reasons(None, &pending), ["VolumesNotReady"]);
}

#[test]
fn a_hold_and_its_end_are_told_once() {
    let runs = planned(status(Stage::Convert, &[("Suspended", "False", "NotSuspended")]), 40, 2);
    let held = planned(status(Stage::Suspended, &[("Suspended", "True", "SuspendedBySpec")]), 40, 2);
    let ended = planned(status(Stage::Done, &[("Suspended", "False", "NotSuspended")]), 40, 2);
    assert!(reasons(None, &runs).iter().all(|reason| reason != "Resumed"));
    assert_eq!(reasons(Some(&runs), &held), ["Suspended"]);
    assert!(reasons(Some(&held), &held).is_empty());
    assert_eq!(reasons(Some(&held), &runs), ["Resumed"], "and no second Converting");
    assert!(reasons(Some(&held), &ended).is_empty());
}

#[test]
fn a_converter_that_comes_is_told_after_it_was_missed() {
    let missing = status(Stage::Pending, &[("Accepted", "False", "ConverterNotFound")]);
    let there = status(Stage::Plan, &[("Accepted", "True", "SpecAccepted")]);
    assert_eq!(reasons(None, &missing), ["ConverterNotFound"]);
    assert_eq!(reasons(Some(&missing), &there), ["Accepted"]);
    assert!(reasons(None, &there).is_empty());
}

#[test]
fn shards_that_break_off_and_shards_that_are_given_up_are_told() {
    let with = |broken_off, failed| {
        let mut status = planned(status(Stage::Convert, BEGUN), 40, 2);
        let shards = status.shards.as_mut().unwrap();
        (shards.broken_off, shards.failed) = (broken_off, failed);
        status
    };
    let run = RunFacts {
        broke_off: Some("shard 1 with OOMKilled, exit code 137".to_owned()),
        failed_shards: Some(("1".to_owned(), 4)),
        ..RunFacts::default()
    };
    let told = notes(Some(&with(None, 0)), &with(Some(2), 0), Some(&run));
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].reason.as_str(), told[0].severity), ("ShardBrokeOff", EventType::Warning));
    assert!(told[0].message.starts_with("2 pods have broken off so far, the last of shard 1 with OOMKilled"));
    let told = notes(Some(&with(Some(3), 0)), &with(Some(4), 1), Some(&run));
    let reasons: Vec<_> = told.iter().map(|note| note.reason.as_str()).collect();
    assert_eq!(reasons, ["ShardBrokeOff", "ShardFailed"]);
    assert_eq!(told[1].message, "Given up after 4 tries each: shards 1");
    assert!(notes(Some(&with(Some(4), 1)), &with(Some(4), 1), Some(&run)).is_empty());
    let over = ConversionJobStatus { stage: Some(Stage::Report), ..with(Some(5), 1) };
    assert!(notes(Some(&with(Some(4), 1)), &over, Some(&run)).is_empty(), "nothing goes on with another pod");
}

#[test]
fn why_a_conversion_ended_is_told_when_its_report_begins() {
    let convert = planned(status(Stage::Convert, BEGUN), 40, 2);
    let report = planned(status(Stage::Report, BEGUN), 40, 2);
    let failure = Failure { reason: JobReason::DeadlineExceeded, message: "It took long".to_owned() };
    let run = RunFacts { convert_failure: Some(failure), ..RunFacts::default() };
    let told = notes(Some(&convert), &report, Some(&run));
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].reason, "DeadlineExceeded");
    assert_eq!(told[0].message, "It took long; the report is made of what was done");
    assert!(notes(Some(&report), &report, Some(&run)).is_empty());
    assert!(notes(Some(&convert), &report, Some(&RunFacts::default())).is_empty());
}
