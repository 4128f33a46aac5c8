use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::*;
use crate::conditions::find;
use crate::conversionjob::fixtures::job;
use crate::conversionjob::result::PlanResult;
use crate::conversionjob::stage::{NewJob, Newest, Observed, Trouble};
use crate::conversionjob::validate::validate;
use crds::conversionjob::{FileFailure, ShardCounts};

const SPEC: &str = "source: {volume: {persistentVolumeClaim: {claimName: tape}}}";

fn at(second: i64) -> Time {
    Time(jiff::Timestamp::from_second(second).unwrap())
}

fn sight(run: RunFacts) -> Sight {
    Sight {
        observed: Observed { volumes: VolumesState::Ready("claim tape is bound".to_owned()), newest: Newest::None },
        run,
    }
}

fn stepped(step: Step, run: RunFacts) -> Outcome {
    Outcome::Stepped { sight: sight(run), step }
}

fn planned(files_done: u64) -> RunFacts {
    RunFacts {
        started: Some(at(5)),
        plan: Some(PlanResult { files: 40, bytes: 1000, shard_files: vec![30, 10] }),
        shards: Some(ShardCounts { total: 2, active: 1, completed: 1, failed: 0 }),
        files_done: Some(files_done),
        ..RunFacts::default()
    }
}

fn report(failed: i64) -> ReportResult {
    ReportResult {
        files: FileCounts { total: 40, converted: 38 - failed, skipped: 2, failed },
        bytes: ByteCounts { input: 1000, output: 577 },
        failures: vec![FileFailure {
            path: "a.wav".to_owned(),
            reason: "not_wav".to_owned(),
            message: "text".to_owned(),
        }],
        report: "/source/.flacship/u/report.json".to_owned(),
    }
}

fn failure() -> Failure {
    Failure { reason: JobReason::SourceNotFound, message: "make the folder".to_owned() }
}

fn shown<'a>(status: &'a ConversionJobStatus, type_: &str) -> (&'a str, &'a str) {
    let condition: &Condition = find(&status.conditions, type_).unwrap();
    assert_eq!(condition.observed_generation, Some(1));
    (condition.status.as_str(), condition.reason.as_str())
}

#[test]
fn each_step_has_its_stage_and_conditions() {
    let trouble = Trouble { reason: JobReason::PodsNotCreated, message: "no pod".to_owned() };
    let ending = |report| Step::Finish(Ending::Failed { failure: failure(), report });
    let plan = PlanResult { files: 1, bytes: 1, shard_files: vec![1] };
    for (step, stage, complete, failed) in [
        (Step::AwaitVolumes, Stage::Pending, ("False", "Waiting"), ("False", "Waiting")),
        (Step::Create(NewJob::Plan), Stage::Plan, ("False", "Running"), ("False", "Running")),
        (Step::Create(NewJob::Convert(plan)), Stage::Convert, ("False", "Running"), ("False", "Running")),
        (
            Step::Create(NewJob::Report { convert_failure: None }),
            Stage::Report,
            ("False", "Running"),
            ("False", "Running"),
        ),
        // A conversion that failed is not told as failed before its report is there.
        (
            Step::Create(NewJob::Report { convert_failure: Some(failure()) }),
            Stage::Report,
            ("False", "Running"),
            ("False", "Running"),
        ),
        (Step::Rerun(StageName::Plan), Stage::Plan, ("False", "Running"), ("False", "Running")),
        (Step::AwaitDeletion(StageName::Report), Stage::Report, ("False", "Running"), ("False", "Running")),
        (Step::Follow(StageName::Convert, None), Stage::Convert, ("False", "Running"), ("False", "Running")),
        (
            Step::Follow(StageName::Convert, Some(trouble)),
            Stage::Convert,
            ("False", "PodsNotCreated"),
            ("False", "PodsNotCreated"),
        ),
        (
            Step::Finish(Ending::Complete(report(0))),
            Stage::Done,
            ("True", "AllFilesConverted"),
            ("False", "AllFilesConverted"),
        ),
        (
            Step::Finish(Ending::Complete(report(2))),
            Stage::Done,
            ("True", "SomeFilesFailed"),
            ("False", "SomeFilesFailed"),
        ),
        (ending(None), Stage::Done, ("False", "SourceNotFound"), ("True", "SourceNotFound")),
        (ending(Some(report(2))), Stage::Done, ("False", "SourceNotFound"), ("True", "SourceNotFound")),
    ] {
        let status = compute(&job(SPEC), &stepped(step.clone(), planned(30)), &at(9));
        assert_eq!(status.stage, Some(stage), "{step:?}");
        assert_eq!(shown(&status, "Complete"), complete, "{step:?}");
        assert_eq!(shown(&status, "Failed"), failed, "{step:?}");
        assert_eq!(shown(&status, "Accepted"), ("True", "SpecAccepted"));
        assert_eq!(shown(&status, "VolumesReady"), ("True", "VolumesFound"));
        assert_eq!(status.observed_generation, Some(1));
        assert_eq!(status.completion_time.is_some(), stage == Stage::Done, "{step:?}");
        assert_eq!(status.start_time, Some(at(5)));
    }
}

#[test]
fn volumes_that_are_not_ready_are_told_where_the_run_waits() {
    let mut sight = sight(RunFacts::default());
    sight.observed.volumes =
        VolumesState::NotReady(Failure { reason: JobReason::ClaimNotFound, message: "create tape".to_owned() });
    let status = compute(&job(SPEC), &Outcome::Stepped { sight, step: Step::AwaitVolumes }, &at(9));
    assert_eq!(shown(&status, "VolumesReady"), ("False", "ClaimNotFound"));
    assert_eq!(status.stage, Some(Stage::Pending));
    assert_eq!((status.start_time, status.progress, status.files), (None, None, None));
}

#[test]
fn a_contradiction_ends_the_run_before_it_begins() {
    let job = job("source: {volume: {}}");
    let invalid = validate(&job).unwrap_err();
    let status = compute(&job, &Outcome::Invalid(invalid), &at(9));
    assert_eq!(shown(&status, "Accepted"), ("False", "InvalidSpec"));
    assert_eq!(shown(&status, "Failed"), ("True", "InvalidSpec"));
    assert_eq!(shown(&status, "Complete"), ("False", "InvalidSpec"));
    assert!(find(&status.conditions, "Failed").unwrap().message.contains("name exactly one"));
    assert_eq!((status.stage, status.completion_time), (Some(Stage::Done), Some(at(9))));
}

#[test]
fn a_refused_child_is_told_as_not_accepted_and_the_run_waits() {
    let failure = Failure { reason: JobReason::NameTaken, message: "rename it".to_owned() };
    let status = compute(&job(SPEC), &Outcome::Refused { sight: sight(RunFacts::default()), failure }, &at(9));
    assert_eq!(shown(&status, "Accepted"), ("False", "NameTaken"));
    assert_eq!(shown(&status, "Complete"), ("False", "Waiting"));
    assert_eq!(shown(&status, "Failed"), ("False", "Waiting"));
    assert_eq!((status.stage, status.completion_time), (Some(Stage::Pending), None));
}

#[test]
fn progress_counts_the_files_of_the_shards_that_are_done() {
    let status = compute(&job(SPEC), &stepped(Step::Follow(StageName::Convert, None), planned(30)), &at(9));
    assert_eq!(status.progress.as_deref(), Some("30/40"));
    assert_eq!(status.files, Some(FileCounts { total: 40, ..FileCounts::default() }));
    assert_eq!(status.shards, Some(ShardCounts { total: 2, active: 1, completed: 1, failed: 0 }));
    assert_eq!(find(&status.conditions, "Complete").unwrap().message, "1 of 2 shards are done");
    assert_eq!(status.bytes, None);
}

#[test]
fn the_report_is_the_last_word() {
    let run = RunFacts { ended: Some(at(70)), ..planned(40) };
    let status = compute(&job(SPEC), &stepped(Step::Finish(Ending::Complete(report(2))), run), &at(99));
    assert_eq!(status.files, Some(FileCounts { total: 40, converted: 36, skipped: 2, failed: 2 }));
    assert_eq!(status.progress.as_deref(), Some("40/40"));
    assert_eq!(status.bytes, Some(ByteCounts { input: 1000, output: 577 }));
    assert_eq!(status.ratio.as_deref(), Some("0.58"));
    assert_eq!(status.failures.len(), 1);
    assert_eq!(status.report.as_deref(), Some(".flacship/u/report.json"));
    assert_eq!(status.completion_time, Some(at(70)));
    let message = &find(&status.conditions, "Complete").unwrap().message;
    assert_eq!(
        message,
        "36 converted, 2 skipped, 2 failed of 40 files; .flacship/u/report.json on the destination volume lists every failure"
    );
}

#[test]
fn the_same_look_makes_the_same_status_and_a_lost_sight_keeps_what_was_known() {
    let mut job = job(SPEC);
    let look = || stepped(Step::Follow(StageName::Convert, None), planned(30));
    let first = compute(&job, &look(), &at(9));
    job.status = Some(first.clone());
    assert_eq!(compute(&job, &look(), &at(500)), first);
    let blind = stepped(Step::Follow(StageName::Report, None), RunFacts::default());
    let later = compute(&job, &blind, &at(501));
    assert_eq!((later.progress, later.shards, later.start_time), (first.progress, first.shards, first.start_time));
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
