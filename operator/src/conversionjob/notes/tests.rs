use crds::conversionjob::{FileCounts, ShardCounts};
use kube::runtime::events::EventType;

use super::*;

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
    notes(old, new).into_iter().map(|note| note.reason).collect()
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
    let told = notes(Some(&plan), &convert);
    assert_eq!(told[0].message, "40 files in 2 shards");
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
    let told = notes(Some(&plan), &report);
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
            let told = notes(old, &status(stage, &[condition]));
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
