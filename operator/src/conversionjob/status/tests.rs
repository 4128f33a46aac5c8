use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::*;
use crate::conditions::find;
use crate::conversionjob::deadline::Deadline;
use crate::conversionjob::fixtures::{ALLOWED, job, settings, validated};
use crate::conversionjob::pace::Rate;
use crate::conversionjob::progress::{FilesRead, Progress};
use crate::conversionjob::result::PlanResult;
use crate::conversionjob::settings::SettingsState;
use crate::conversionjob::stage::{How, NewJob, Newest, Observed, Placement, Trouble, Usable};
use crate::conversionjob::validate::validate;
use crds::conversionjob::{ByteCounts, FileFailure, ShardCounts};

const SPEC: &str = "source: {volume: {persistentVolumeClaim: {claimName: tape}}}";

fn at(second: i64) -> Time {
    Time(jiff::Timestamp::from_second(second).unwrap())
}

fn sight(run: RunFacts) -> Sight {
    let usable = Usable { words: "claim tape is bound".to_owned(), placement: Placement::Anywhere };
    let observed = Observed {
        volumes: VolumesState::Ready(usable),
        settings: SettingsState::Known(Box::new(settings(&validated(SPEC)))),
        newest: Newest::None,
        suspend: false,
        forbidden: None,
        deadline: Deadline::None,
        begun: true,
        now: at(9).0,
    };
    Sight { observed, run }
}

fn stepped(step: Step, run: RunFacts) -> Outcome {
    Outcome::Stepped { sight: sight(run), step }
}

fn planned(files_done: u64) -> RunFacts {
    RunFacts {
        started: Some(at(5)),
        plan: Some(PlanResult { files: 40, bytes: 1000, shard_files: vec![30, 10] }),
        shards: Some(ShardCounts { total: 2, active: 1, completed: 1, failed: 0, broken_off: None }),
        progress: Some(Progress {
            files_done,
            files: FilesRead { converted: files_done - 2, skipped: 1, failed: 1 },
            bytes_done: files_done * 25,
            input: files_done * 20,
            output: files_done * 10,
        }),
        ..RunFacts::default()
    }
}

fn create(new: NewJob) -> Step {
    let how =
        How { settings: settings(&validated(SPEC)), placement: Placement::Anywhere, deadline_seconds: None, lost: 0 };
    Step::Create(new, Box::new(how))
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
    let again = |new| match create(new) {
        Step::Create(new, how) => Step::Rerun(new, how),
        other => other,
    };
    for (step, stage, complete, failed) in [
        (Step::AwaitVolumes, Stage::Pending, ("False", "Waiting"), ("False", "Waiting")),
        (create(NewJob::Plan), Stage::Plan, ("False", "Running"), ("False", "Running")),
        (create(NewJob::Convert(plan)), Stage::Convert, ("False", "Running"), ("False", "Running")),
        (create(NewJob::Report { convert_failure: None }), Stage::Report, ("False", "Running"), ("False", "Running")),
        // A conversion that failed is not told as failed before its report is there.
        (
            create(NewJob::Report { convert_failure: Some(failure()) }),
            Stage::Report,
            ("False", "Running"),
            ("False", "Running"),
        ),
        (again(NewJob::Plan), Stage::Plan, ("False", "Running"), ("False", "Running")),
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
        (ending(None), Stage::Failed, ("False", "SourceNotFound"), ("True", "SourceNotFound")),
        (ending(Some(report(2))), Stage::Failed, ("False", "SourceNotFound"), ("True", "SourceNotFound")),
    ] {
        let status = compute(&job(SPEC), &stepped(step.clone(), planned(30)), &at(9));
        assert_eq!(status.stage, Some(stage), "{step:?}");
        assert_eq!(shown(&status, "Complete"), complete, "{step:?}");
        assert_eq!(shown(&status, "Failed"), failed, "{step:?}");
        assert_eq!(shown(&status, "Accepted"), ("True", "SpecAccepted"));
        assert_eq!(shown(&status, "VolumesReady"), ("True", "VolumesFound"));
        assert_eq!(status.observed_generation, Some(1));
        assert_eq!(status.completion_time.is_some(), matches!(stage, Stage::Done | Stage::Failed), "{step:?}");
        assert_eq!(shown(&status, "Suspended"), ("False", "NotSuspended"), "{step:?}");
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
    let invalid = validate(&job, ALLOWED).unwrap_err();
    let status = compute(&job, &Outcome::Invalid(invalid), &at(9));
    assert_eq!(shown(&status, "Accepted"), ("False", "InvalidSpec"));
    assert_eq!(shown(&status, "Failed"), ("True", "InvalidSpec"));
    assert_eq!(shown(&status, "Complete"), ("False", "InvalidSpec"));
    assert!(find(&status.conditions, "Failed").unwrap().message.contains("name exactly one"));
    assert_eq!((status.stage, status.completion_time), (Some(Stage::Failed), Some(at(9))));
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
fn progress_is_told_while_files_are_converted() {
    let run = RunFacts { rate: Some(Rate(125)), ..planned(30) };
    let status = compute(&job(SPEC), &stepped(Step::Follow(StageName::Convert, None), run), &at(9));
    assert_eq!(status.progress.as_deref(), Some("30/40"));
    assert_eq!(status.files, Some(FileCounts { total: 40, converted: 28, skipped: 1, failed: 1 }));
    let shards = ShardCounts { total: 2, active: 1, completed: 1, failed: 0, broken_off: None };
    assert_eq!(status.shards, Some(shards));
    assert_eq!(find(&status.conditions, "Complete").unwrap().message, "1 of 2 shards are done");
    assert_eq!(status.bytes, Some(ByteCounts { input: 600, output: 300 }));
    assert_eq!(status.ratio.as_deref(), Some("0.50"));
    assert_eq!((status.throughput.as_deref(), status.bytes_per_second), (Some("125 B/s"), Some(125)));
    // 250 of 1000 bytes are left.
    assert_eq!(status.estimated_completion_time, Some(at(11)));
}

#[test]
fn the_pace_is_told_while_it_is_known_and_goes_with_the_stage() {
    let with = |rate: Option<Rate>| RunFacts { rate, ..planned(30) };
    let mut job = job(SPEC);
    let follow = Step::Follow(StageName::Convert, None);
    let pace = |status: &ConversionJobStatus| (status.bytes_per_second, status.estimated_completion_time.clone());
    let first = compute(&job, &stepped(follow.clone(), with(None)), &at(9));
    assert_eq!(pace(&first), (None, None));
    job.status = Some(compute(&job, &stepped(follow.clone(), with(Some(Rate(125)))), &at(9)));
    // An operator that has just come does not know it yet.
    assert_eq!(pace(&compute(&job, &stepped(follow.clone(), with(None)), &at(20))), (Some(125), Some(at(11))));
    assert_eq!(pace(&compute(&job, &stepped(follow, with(Some(Rate(0)))), &at(20))), (Some(0), None));
    for step in [Step::Follow(StageName::Report, None), Step::AwaitResume(Some(StageName::Convert))] {
        assert_eq!(pace(&compute(&job, &stepped(step, with(Some(Rate(9)))), &at(20))), (None, None));
    }
}

#[test]
fn a_hold_is_told_by_its_condition_and_its_stage() {
    let trouble = Some(Trouble { reason: JobReason::Waiting, message: "Job x is suspended".to_owned() });
    let hold = Control { grip: Grip::Hold, deadline_seconds: None };
    let go_on = Control { grip: Grip::LetGo, deadline_seconds: None };
    let note = Control { grip: Grip::NoteUndone(at(9).0), deadline_seconds: None };
    let forget = Control { grip: Grip::Forget, deadline_seconds: None };
    let clockless = Control { grip: Grip::Leave, deadline_seconds: None };
    let (spec, other) = (Some(("True", "SuspendedBySpec")), Some(("True", "JobSuspended")));
    for (step, hold, pods, expected, words) in [
        (Step::AwaitResume(None), Hold::None, 0, spec, "set it to false, and the run goes on where it is"),
        (Step::AwaitResume(Some(StageName::Plan)), Hold::Ours, 0, spec, "set it to false"),
        (Step::AwaitResume(Some(StageName::Convert)), Hold::Ours, 3, spec, "3 pods are still stopping"),
        (Step::Adjust(StageName::Convert, hold), Hold::None, 2, spec, "2 pods are still stopping"),
        (
            Step::Follow(StageName::Convert, trouble.clone()),
            Hold::Foreign,
            0,
            other,
            "goes on once its spec.suspend is false",
        ),
        (Step::Adjust(StageName::Convert, clockless), Hold::Foreign, 0, other, "Somebody has suspended"),
        (Step::Adjust(StageName::Convert, go_on), Hold::Ours, 0, None, "not suspended"),
        (Step::Adjust(StageName::Convert, note), Hold::Undone(None), 2, None, "somebody has let the Job go"),
        (Step::Follow(StageName::Convert, None), Hold::Undone(Some(at(9).0)), 2, None, "somebody has let the Job go"),
        (Step::Adjust(StageName::Convert, hold), Hold::Undone(Some(at(9).0)), 2, spec, "2 pods are still stopping"),
        (Step::Adjust(StageName::Convert, forget), Hold::Undone(None), 2, None, "not suspended"),
        (Step::Follow(StageName::Convert, trouble), Hold::None, 0, None, "not suspended"),
    ] {
        let run = RunFacts { pods, hold, ..planned(30) };
        let status = compute(&job(SPEC), &stepped(step.clone(), run), &at(9));
        assert_eq!(shown(&status, "Suspended"), expected.unwrap_or(("False", "NotSuspended")), "{step:?}");
        let message = &find(&status.conditions, "Suspended").unwrap().message;
        assert!(message.contains(words), "{step:?}: {message}");
        assert_eq!(status.stage == Some(Stage::Suspended), expected.is_some(), "{step:?}");
        assert_eq!(shown(&status, "Accepted"), ("True", "SpecAccepted"));
        if expected.is_some() {
            assert_eq!(shown(&status, "Complete"), ("False", "Waiting"));
        }
    }
}

#[test]
fn a_run_that_is_not_allowed_any_more_is_told_as_not_accepted_and_has_not_failed() {
    let forbidden = Failure { reason: JobReason::NotAllowed, message: "--allow-host-path=true".to_owned() };
    let look = |step: Step, hold: Hold| {
        let mut sight = sight(RunFacts { pods: 1, hold, ..planned(30) });
        sight.observed.forbidden = Some(forbidden.clone());
        compute(&job(SPEC), &Outcome::Stepped { sight, step }, &at(9))
    };
    let hold = Step::Adjust(StageName::Convert, Control { grip: Grip::Hold, deadline_seconds: None });
    for (step, hold, stage, suspended) in [
        (hold, Hold::None, Stage::Suspended, ("True", "NotAllowed")),
        (Step::AwaitResume(Some(StageName::Convert)), Hold::Ours, Stage::Suspended, ("True", "NotAllowed")),
        (Step::AwaitSettings(forbidden.clone()), Hold::None, Stage::Pending, ("True", "NotAllowed")),
        (Step::AwaitDeletion(StageName::Convert), Hold::None, Stage::Convert, ("False", "NotSuspended")),
    ] {
        let status = look(step.clone(), hold);
        assert_eq!(shown(&status, "Accepted"), ("False", "NotAllowed"), "{step:?}");
        assert_eq!(shown(&status, "Failed").0, "False", "{step:?}");
        assert_eq!(shown(&status, "Suspended"), suspended, "{step:?}");
        assert_eq!((status.stage, status.completion_time), (Some(stage), None), "{step:?}");
    }
    // What has ended by then has ended.
    let status = look(Step::Finish(Ending::Complete(report(0))), Hold::None);
    assert_eq!(shown(&status, "Accepted"), ("True", "SpecAccepted"));
}

#[test]
fn the_time_that_a_run_was_held_is_added_up() {
    let mut job = job(SPEC);
    let mut look = |step: Step, second: i64| {
        let status = compute(&job, &stepped(step, planned(30)), &at(second));
        job.status = Some(status.clone());
        status.suspended_seconds
    };
    let (held, runs) = (Step::AwaitResume(Some(StageName::Convert)), Step::Follow(StageName::Convert, None));
    for (step, second, expected) in [
        (runs.clone(), 10, None),
        (held.clone(), 20, None),
        (held.clone(), 25, None),
        (runs.clone(), 50, Some(30)),
        (runs.clone(), 60, Some(30)),
        (held.clone(), 100, Some(30)),
        (runs, 107, Some(37)),
    ] {
        assert_eq!(look(step, second), expected, "at {second}");
    }
    // What was held before it began has no time of its own.
    let waits = RunFacts::default();
    let mut fresh = crate::conversionjob::fixtures::job(SPEC);
    fresh.status = Some(compute(&fresh, &stepped(Step::AwaitResume(None), waits.clone()), &at(5)));
    let begins = compute(&fresh, &stepped(create(NewJob::Plan), RunFacts { started: Some(at(50)), ..waits }), &at(51));
    assert_eq!((begins.start_time, begins.suspended_seconds), (Some(at(50)), None));
}

#[test]
fn an_audio_converter_that_is_missing_is_told_as_not_accepted() {
    let failure = Failure { reason: JobReason::ConverterNotFound, message: "create lark".to_owned() };
    let status = compute(&job(SPEC), &stepped(Step::AwaitSettings(failure), RunFacts::default()), &at(9));
    assert_eq!(shown(&status, "Accepted"), ("False", "ConverterNotFound"));
    assert_eq!(shown(&status, "Complete"), ("False", "Waiting"));
    assert_eq!(shown(&status, "Failed"), ("False", "Waiting"));
    assert_eq!(status.stage, Some(Stage::Pending));
}

#[test]
fn how_far_a_run_has_come_can_wait_and_nothing_else_can() {
    let follow = |files_done| {
        stepped(
            Step::Follow(StageName::Convert, None),
            RunFacts { rate: Some(Rate(files_done)), ..planned(files_done) },
        )
    };
    let mut job = job(SPEC);
    let begins = stepped(Step::Follow(StageName::Plan, None), RunFacts::default());
    let plans = compute(&job, &begins, &at(5));
    assert!(!is_progress_alone(None, &plans));
    job.status = Some(plans.clone());
    let old = compute(&job, &follow(20), &at(9));
    assert!(!is_progress_alone(Some(&plans), &old), "a stage has begun");
    job.status = Some(old.clone());
    let mut further = follow(30);
    if let Outcome::Stepped { sight, .. } = &mut further {
        sight.run.shards = Some(ShardCounts { total: 2, active: 0, completed: 2, failed: 0, broken_off: Some(1) });
    }
    let new = compute(&job, &further, &at(12));
    assert_ne!(new, old);
    assert!(is_progress_alone(Some(&old), &new), "{old:?}\n{new:?}");
    assert!(is_progress_alone(Some(&old), &old));
    for other in [
        compute(&job, &stepped(Step::Follow(StageName::Report, None), planned(30)), &at(12)),
        compute(&job, &stepped(Step::AwaitResume(Some(StageName::Convert)), planned(30)), &at(12)),
        compute(&job, &stepped(Step::Finish(Ending::Complete(report(0))), planned(30)), &at(12)),
        ConversionJobStatus { observed_generation: Some(2), ..new.clone() },
    ] {
        assert!(!is_progress_alone(Some(&old), &other), "{other:?}");
    }
}

#[test]
fn a_spec_that_changes_after_the_end_is_caught_up_with_once() {
    let mut job = job(SPEC);
    let ended = compute(&job, &stepped(Step::Finish(Ending::Complete(report(0))), planned(40)), &at(9));
    job.status = Some(ended.clone());
    assert_eq!(caught_up(&job), None);
    job.metadata.generation = Some(2);
    let caught = caught_up(&job).unwrap();
    assert_eq!(caught.observed_generation, Some(2));
    assert!(caught.conditions.iter().all(|condition| condition.observed_generation == Some(2)));
    assert_eq!(caught.completion_time, ended.completion_time);
    job.status = Some(caught);
    assert_eq!(caught_up(&job), None);
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
    // 1000 bytes from second 5 to second 70.
    assert_eq!((status.bytes_per_second, status.estimated_completion_time), (Some(15), None));
    let message = &find(&status.conditions, "Complete").unwrap().message;
    assert_eq!(
        message,
        "36 converted, 2 skipped, 2 failed of 40 files; 1.00 kB became 577 B; .flacship/u/report.json on the destination volume lists every failure"
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
