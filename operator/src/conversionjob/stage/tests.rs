use crds::shared::{Encoding, ImageSource};

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn settings() -> Settings {
    let image = ImageSource { image: Some("reg/c:1".to_owned()), ..ImageSource::default() };
    Settings { image, encoding: Encoding::default() }
}

fn how() -> How {
    How { settings: settings(), placement: Placement::OneNode, deadline_seconds: None, lost: 0 }
}

fn create(new: NewJob) -> Step {
    Step::Create(new, Box::new(how()))
}

/// To be made anew where as many were lost with this one.
fn again(new: NewJob, lost: u32) -> Step {
    Step::Rerun(new, Box::new(How { lost, ..how() }))
}

/// A run that nothing holds and nothing hurries.
fn observed(newest: Newest) -> Observed {
    let usable = Usable { words: "the claim tape".to_owned(), placement: Placement::OneNode };
    Observed {
        volumes: VolumesState::Ready(usable),
        settings: SettingsState::Known(Box::new(settings())),
        begun: newest != Newest::None,
        newest,
        suspend: false,
        forbidden: None,
        deadline: Deadline::None,
        now: at(1000),
    }
}

fn running(trouble: Option<Trouble>) -> Running {
    Running { trouble, started: Some(at(900)), ..Running::default() }
}

fn failure(reason: JobReason) -> Failure {
    Failure { reason, message: format!("{reason} it is") }
}

fn trouble() -> Trouble {
    Trouble { reason: JobReason::PodsNotCreated, message: "no pod".to_owned() }
}

fn plan(shard_files: &[u64]) -> PlanResult {
    PlanResult { files: shard_files.iter().sum(), bytes: 1, shard_files: shard_files.to_vec() }
}

fn report() -> ReportResult {
    ReportResult { report: "/source/.flacship/u/report.json".to_owned(), ..ReportResult::default() }
}

fn convert(job: ConvertJob) -> Newest {
    Newest::Convert { job, plan: Some(plan(&[1])) }
}

fn reporting(job: StageJob<ReportResult>, convert_failure: Option<Failure>) -> Newest {
    Newest::Report { job, convert_failure }
}

fn finish_failed(failure: Failure, report: Option<ReportResult>) -> Step {
    Step::Finish(Ending::Failed { failure, report })
}

/// Every state of the newest Job, the step with volumes that are ready, and whether that step waits for volumes.
fn table() -> Vec<(Newest, Step)> {
    use JobReason::{DestinationNotWritable, SourceNotFound, StageFailed};
    use StageName::{Convert, Plan, Report};
    let new_report = |convert_failure| create(NewJob::Report { convert_failure });
    vec![
        (Newest::None, create(NewJob::Plan)),
        // Plan
        (Newest::Plan(StageJob::Leaving), Step::AwaitDeletion(Plan)),
        (Newest::Plan(StageJob::Running(running(None))), Step::Follow(Plan, None)),
        (Newest::Plan(StageJob::Running(running(Some(trouble())))), Step::Follow(Plan, Some(trouble()))),
        (Newest::Plan(StageJob::Lost { before: 0 }), again(NewJob::Plan, 1)),
        (Newest::Plan(StageJob::Lost { before: 2 }), again(NewJob::Plan, 3)),
        (Newest::Plan(StageJob::Failed(failure(SourceNotFound))), finish_failed(failure(SourceNotFound), None)),
        (Newest::Plan(StageJob::Failed(failure(StageFailed))), finish_failed(failure(StageFailed), None)),
        (Newest::Plan(StageJob::Succeeded(plan(&[2, 1]))), create(NewJob::Convert(plan(&[2, 1])))),
        (Newest::Plan(StageJob::Succeeded(plan(&[1, 0, 0]))), create(NewJob::Convert(plan(&[1, 0, 0])))),
        (Newest::Plan(StageJob::Succeeded(plan(&[0, 0]))), new_report(None)),
        (Newest::Plan(StageJob::Succeeded(plan(&[]))), new_report(None)),
        // Convert
        (convert(ConvertJob::Leaving), Step::AwaitDeletion(Convert)),
        (convert(ConvertJob::Running(running(None))), Step::Follow(Convert, None)),
        (convert(ConvertJob::Running(running(Some(trouble())))), Step::Follow(Convert, Some(trouble()))),
        (convert(ConvertJob::Ended(None)), new_report(None)),
        (convert(ConvertJob::Ended(Some(failure(StageFailed)))), new_report(Some(failure(StageFailed)))),
        (
            convert(ConvertJob::Ended(Some(failure(DestinationNotWritable)))),
            new_report(Some(failure(DestinationNotWritable))),
        ),
        (Newest::Convert { job: ConvertJob::Ended(None), plan: None }, new_report(None)),
        // Report
        (reporting(StageJob::Leaving, None), Step::AwaitDeletion(Report)),
        (reporting(StageJob::Running(running(None)), None), Step::Follow(Report, None)),
        (reporting(StageJob::Running(running(Some(trouble()))), None), Step::Follow(Report, Some(trouble()))),
        (reporting(StageJob::Running(running(None)), Some(failure(StageFailed))), Step::Follow(Report, None)),
        (reporting(StageJob::Lost { before: 0 }, None), again(NewJob::Report { convert_failure: None }, 1)),
        (
            reporting(StageJob::Lost { before: 1 }, Some(failure(StageFailed))),
            again(NewJob::Report { convert_failure: Some(failure(StageFailed)) }, 2),
        ),
        (reporting(StageJob::Succeeded(report()), None), Step::Finish(Ending::Complete(report()))),
        (
            reporting(StageJob::Succeeded(report()), Some(failure(StageFailed))),
            finish_failed(failure(StageFailed), Some(report())),
        ),
        (reporting(StageJob::Failed(failure(StageFailed)), None), finish_failed(failure(StageFailed), None)),
        (
            reporting(StageJob::Failed(failure(StageFailed)), Some(failure(DestinationNotWritable))),
            finish_failed(failure(DestinationNotWritable), None),
        ),
    ]
}

#[test]
fn each_state_has_its_step() {
    for (newest, step) in table() {
        assert_eq!(plan_stage(&observed(newest.clone())), step, "{newest:?}");
    }
}

#[test]
fn only_a_new_job_waits_for_the_volumes_and_the_settings() {
    let volumes = VolumesState::NotReady(failure(JobReason::ClaimNotFound));
    let settings = SettingsState::NotReady(failure(JobReason::ConverterNotFound));
    for (newest, step) in table() {
        let awaits = matches!(step, Step::Create(..) | Step::Rerun(..));
        let without_volumes = Observed { volumes: volumes.clone(), ..observed(newest.clone()) };
        let expected = if awaits { Step::AwaitVolumes } else { step.clone() };
        assert_eq!(plan_stage(&without_volumes), expected, "{newest:?}");
        let without_settings = Observed { settings: settings.clone(), ..observed(newest.clone()) };
        let expected = if awaits { Step::AwaitSettings(failure(JobReason::ConverterNotFound)) } else { step.clone() };
        assert_eq!(plan_stage(&without_settings), expected, "{newest:?}");
    }
}

#[test]
fn a_run_that_is_held_makes_no_job_and_holds_the_one_that_runs() {
    for (newest, step) in table() {
        let held = Observed { suspend: true, ..observed(newest.clone()) };
        let expected = match step {
            Step::Create(..) | Step::Rerun(..) => Step::AwaitResume(None),
            Step::Follow(stage, _) => Step::Adjust(stage, Control { grip: Grip::Hold, deadline_seconds: None }),
            other => other,
        };
        assert_eq!(plan_stage(&held), expected, "{newest:?}");
    }
}

#[test]
fn a_run_that_is_not_allowed_any_more_is_held_and_not_ended() {
    let forbidden = failure(JobReason::NotAllowed);
    for (newest, step) in table() {
        for suspend in [false, true] {
            let held = Observed { suspend, forbidden: Some(forbidden.clone()), ..observed(newest.clone()) };
            let expected = match step.clone() {
                Step::Create(..) | Step::Rerun(..) => Step::AwaitSettings(forbidden.clone()),
                Step::Follow(stage, _) => Step::Adjust(stage, Control { grip: Grip::Hold, deadline_seconds: None }),
                other => other,
            };
            assert_eq!(plan_stage(&held), expected, "{newest:?}");
        }
    }
    for (hold, expected) in [
        (Hold::Ours, Step::AwaitResume(Some(StageName::Convert))),
        (Hold::Foreign, Step::AwaitResume(Some(StageName::Convert))),
    ] {
        let job = convert(ConvertJob::Running(Running { hold, ..running(None) }));
        assert_eq!(plan_stage(&Observed { forbidden: Some(forbidden.clone()), ..observed(job) }), expected, "{hold:?}");
    }
}

/// The Job of each stage, in this state.
fn each_stage(running: &Running) -> [(StageName, Newest); 3] {
    [
        (StageName::Plan, Newest::Plan(StageJob::Running(running.clone()))),
        (StageName::Convert, convert(ConvertJob::Running(running.clone()))),
        (StageName::Report, reporting(StageJob::Running(running.clone()), None)),
    ]
}

#[test]
fn who_held_a_job_lets_it_go() {
    let go_on = Control { grip: Grip::LetGo, deadline_seconds: None };
    for (suspend, hold) in
        [(true, Hold::Ours), (true, Hold::Foreign), (false, Hold::Ours), (false, Hold::Foreign), (false, Hold::None)]
    {
        for (stage, newest) in each_stage(&Running { hold, ..running(Some(trouble())) }) {
            let expected = match (suspend, hold) {
                (true, _) => Step::AwaitResume(Some(stage)),
                (false, Hold::Ours) => Step::Adjust(stage, go_on),
                // Kueue's or a person's to let go.
                (false, _) => Step::Follow(stage, Some(trouble())),
            };
            assert_eq!(plan_stage(&Observed { suspend, ..observed(newest) }), expected, "{stage:?} {suspend} {hold:?}");
        }
    }
}

#[test]
fn a_hold_that_somebody_undid_is_theirs_from_then_on() {
    // It is second 1000.
    let noted = |second| Hold::Undone(Some(at(second)));
    for (suspend, hold, expected) in [
        (true, Hold::Undone(None), Some(Grip::NoteUndone(at(1000)))),
        // They would undo it at once.
        (true, noted(1000), None),
        (true, noted(991), None),
        (true, noted(990), Some(Grip::Hold)),
        (true, noted(0), Some(Grip::Hold)),
        (true, noted(1001), Some(Grip::Hold)),
        // Their next hold is not to be taken for ours.
        (false, Hold::Undone(None), Some(Grip::Forget)),
        (false, noted(1000), Some(Grip::Forget)),
        (false, noted(990), Some(Grip::Forget)),
    ] {
        for (stage, newest) in each_stage(&Running { hold, ..running(Some(trouble())) }) {
            let expected = match expected {
                Some(grip) => Step::Adjust(stage, Control { grip, deadline_seconds: None }),
                None => Step::Follow(stage, Some(trouble())),
            };
            assert_eq!(plan_stage(&Observed { suspend, ..observed(newest) }), expected, "{stage:?} {suspend} {hold:?}");
        }
    }
    // The deadline is seen to once the mark is gone.
    let marked = Running { hold: Hold::Undone(None), deadline_seconds: Some(60), ..running(None) };
    let deadline = Deadline::At(at(2000));
    let step = plan_stage(&Observed { deadline, ..observed(convert(ConvertJob::Running(marked))) });
    assert_eq!(step, Step::Adjust(StageName::Convert, Control { grip: Grip::Forget, deadline_seconds: Some(60) }));
}

#[test]
fn a_jobs_deadline_is_what_is_left_of_the_runs() {
    // It is second 1000, the Job's clock began at 900, and the run's time is over at 1060.
    let deadline = Deadline::At(at(1060));
    for (has, started, hold, expected) in [
        (None, Some(900), Hold::None, Some(160)),
        (Some(160), Some(900), Hold::None, None),
        (Some(163), Some(900), Hold::None, None),
        (Some(60), Some(900), Hold::None, Some(160)),
        (Some(900), Some(900), Hold::None, Some(160)),
        // The Job controller has not begun to count.
        (Some(40), None, Hold::None, None),
        (None, None, Hold::None, Some(60)),
        // It is let go, and the Job controller may still count from its old begin.
        (None, Some(900), Hold::Ours, Some(160)),
        (None, None, Hold::Ours, Some(60)),
    ] {
        for (stage, newest) in
            each_stage(&Running { hold, deadline_seconds: has, started: started.map(at), trouble: None })
        {
            let grip = if hold == Hold::Ours { Grip::LetGo } else { Grip::Leave };
            let adjusted = |deadline_seconds| Step::Adjust(stage, Control { grip, deadline_seconds });
            let expected = match (stage, hold, expected) {
                (StageName::Report, Hold::Ours, _) => adjusted(None),
                (StageName::Report, ..) if has.is_some() => adjusted(None),
                (StageName::Report, ..) | (_, _, None) => Step::Follow(stage, None),
                (_, _, seconds) => adjusted(seconds),
            };
            let observed = Observed { deadline, ..observed(newest) };
            assert_eq!(plan_stage(&observed), expected, "{stage:?} {has:?} {started:?} {hold:?}");
        }
    }
    let has = Running { deadline_seconds: Some(160), ..running(None) };
    // Who holds a Job holds its clock.
    for (suspend, hold, expected) in
        [(true, Hold::None, Grip::Hold), (true, Hold::Foreign, Grip::Leave), (false, Hold::Foreign, Grip::Leave)]
    {
        let job = Running { hold, deadline_seconds: Some(160), ..running(None) };
        let observed = Observed { suspend, deadline, ..observed(convert(ConvertJob::Running(job))) };
        let none = Step::Adjust(StageName::Convert, Control { grip: expected, deadline_seconds: None });
        assert_eq!(plan_stage(&observed), none, "{suspend} {hold:?}");
    }
    let taken_away = plan_stage(&observed(convert(ConvertJob::Running(has))));
    let expected = Step::Adjust(StageName::Convert, Control { grip: Grip::Leave, deadline_seconds: None });
    assert_eq!(taken_away, expected);
}

#[test]
fn a_new_job_gets_what_is_left() {
    for newest in [Newest::None, Newest::Plan(StageJob::Succeeded(plan(&[1])))] {
        let Step::Create(_, how) = plan_stage(&Observed { deadline: Deadline::At(at(1060)), ..observed(newest) })
        else {
            panic!("nothing is made")
        };
        assert_eq!(how.deadline_seconds, Some(60));
    }
}

#[test]
fn when_the_time_is_over_only_the_report_is_still_made() {
    let over = |newest| Observed { deadline: Deadline::At(at(1000)), ..observed(newest) };
    for (newest, before) in table() {
        let step = plan_stage(&over(newest.clone()));
        let fits = match (&newest, before) {
            // A run that has not begun has all its time before it.
            (Newest::None, before) => matches!((&step, before), (Step::Create(NewJob::Plan, _), Step::Create(..))),
            (Newest::Plan(StageJob::Lost { .. }), _) => step == finish_failed(exceeded(), None),
            (Newest::Plan(StageJob::Succeeded(plan)), _) if plan.shards_with_files() > 0 => {
                matches!(&step, Step::Create(NewJob::Report { convert_failure: Some(failure) }, _) if *failure == exceeded())
            }
            // The Job controller ends what runs.
            (Newest::Plan(_) | Newest::Convert { .. }, Step::Follow(stage, _)) => {
                step == Step::Adjust(stage, Control { grip: Grip::Leave, deadline_seconds: Some(100) })
            }
            (_, Step::Create(new, _)) => matches!(&step, Step::Create(same, _) if *same == new),
            (_, Step::Rerun(new, _)) => matches!(&step, Step::Rerun(same, _) if *same == new),
            (_, before) => step == before,
        };
        assert!(fits, "{newest:?}: {step:?}");
    }
    let gone = Observed { begun: true, ..over(Newest::None) };
    assert_eq!(plan_stage(&gone), finish_failed(exceeded(), None), "the plan was to be made again");
}

#[test]
fn a_run_out_of_time_does_not_wait_for_its_volumes() {
    let too_many = failure(JobReason::TooManyFailedFiles);
    for (newest, expected) in [
        (Newest::Plan(StageJob::Succeeded(plan(&[1]))), exceeded()),
        (Newest::Plan(StageJob::Succeeded(plan(&[]))), exceeded()),
        (convert(ConvertJob::Ended(None)), exceeded()),
        (convert(ConvertJob::Ended(Some(exceeded()))), exceeded()),
        // What went wrong in the conversion is what the run failed for.
        (convert(ConvertJob::Ended(Some(too_many.clone()))), too_many),
    ] {
        let volumes = VolumesState::NotReady(failure(JobReason::ClaimLost));
        let observed = Observed { volumes, deadline: Deadline::At(at(1000)), ..observed(newest.clone()) };
        assert_eq!(plan_stage(&observed), finish_failed(expected, None), "{newest:?}");
    }
}
