use crds::conditions::JobReason;

use super::observe::{RunFacts, Sight};
use super::stage::{Ending, NewJob, Newest, Observed, StageName, Trouble, VolumesState};
use super::*;
use crate::conversionjob::fixtures::job;

const SPEC: &str = "source: {volume: {persistentVolumeClaim: {claimName: tape}}}";

fn stepped(step: Step, pods_ready: i32) -> Outcome {
    let observed = Observed { volumes: VolumesState::Ready(String::new()), newest: Newest::None };
    Outcome::Stepped { sight: Sight { observed, run: RunFacts { pods_ready, ..RunFacts::default() } }, step }
}

#[test]
fn a_run_is_looked_at_again_as_often_as_its_step_needs() {
    let failure = Failure { reason: JobReason::StageFailed, message: String::new() };
    let trouble = Some(Trouble { reason: JobReason::Waiting, message: String::new() });
    for (step, pods_ready, expected) in [
        (Step::AwaitVolumes, 0, NextLook::After(WAIT)),
        (Step::Create(NewJob::Plan), 0, NextLook::After(START)),
        (Step::Rerun(StageName::Plan), 0, NextLook::After(WAIT)),
        (Step::AwaitDeletion(StageName::Report), 0, NextLook::After(WAIT)),
        (Step::Follow(StageName::Convert, None), 0, NextLook::After(START)),
        (Step::Follow(StageName::Convert, None), 3, NextLook::Rested),
        (Step::Follow(StageName::Convert, trouble.clone()), 0, NextLook::After(START)),
        (Step::Follow(StageName::Convert, trouble), 2, NextLook::After(START)),
        (Step::Finish(Ending::Failed { failure, report: None }), 0, NextLook::Never),
        (Step::Finish(Ending::Complete(result::ReportResult::default())), 0, NextLook::Never),
    ] {
        assert_eq!(plan_next_look(&stepped(step.clone(), pods_ready)), expected, "{step:?} with {pods_ready} ready");
    }
    let invalid = validate(&job("source: {volume: {}}")).unwrap_err();
    assert_eq!(plan_next_look(&Outcome::Invalid(invalid)), NextLook::Never);
}

#[test]
fn an_unreadable_job_is_not_accepted() {
    let wanted = ConversionJob::unreadable("spec.source is missing".to_owned());
    assert_eq!(wanted.len(), 1);
    assert_eq!((wanted[0].type_, wanted[0].status, wanted[0].reason), ("Accepted", Holds::False, "InvalidSpec"));
}

#[test]
fn a_run_has_ended_once_a_condition_says_so() {
    let with = |conditions: &str| {
        let mut job = job(SPEC);
        job.status = Some(serde_yaml::from_str(&format!("conditions: [{conditions}]")).unwrap());
        status::has_ended(&job)
    };
    let condition = |type_: &str, status: &str| {
        format!(
            "{{type: {type_}, status: '{status}', reason: R, message: m, lastTransitionTime: 2026-11-22T00:00:00Z}}"
        )
    };
    assert!(!status::has_ended(&job(SPEC)));
    assert!(!with(""));
    assert!(!with(&format!("{}, {}", condition("Complete", "False"), condition("Failed", "False"))));
    assert!(!with(&condition("VolumesReady", "True")));
    assert!(with(&condition("Complete", "True")));
    assert!(with(&format!("{}, {}", condition("Complete", "False"), condition("Failed", "True"))));
}
