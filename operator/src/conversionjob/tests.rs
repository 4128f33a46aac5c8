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

mod whole_looks {
    use serde_json::json;

    use super::*;
    use crate::conversionjob::fixtures::{FakeCluster, failure, list};

    const CLAIM: &str = "GET /api/v1/namespaces/attic/persistentvolumeclaims/tape";
    const JOBS: &str = "GET /apis/batch/v1/namespaces/attic/jobs?";
    const MAKE: &str = "PATCH /apis/batch/v1/namespaces/attic/jobs/";
    const STATUS: &str = "PATCH /apis/flacship.dev/v1alpha1/namespaces/attic/conversionjobs/night.shift-7/status";
    const EVENT: &str = "POST /apis/events.k8s.io/v1/namespaces/attic/events";

    fn ready() -> FakeCluster {
        FakeCluster::default()
            .json(CLAIM, &json!({"metadata": {"name": "tape"}, "status": {"phase": "Bound"}}))
            .json(JOBS, &list(&[]))
            .json(STATUS, &serde_json::to_value(job(SPEC)).unwrap())
    }

    fn writes(world: &FakeCluster) -> Vec<&'static str> {
        let asked = world.asked();
        let kinds = [(MAKE, "job"), (STATUS, "status"), (EVENT, "event")];
        asked
            .iter()
            .filter_map(|asked| kinds.iter().find(|(begins, _)| asked.starts_with(begins)))
            .map(|kind| kind.1)
            .collect()
    }

    #[tokio::test]
    async fn a_run_that_has_ended_makes_no_call() {
        let mut ended = job(SPEC);
        ended.status = Some(serde_yaml::from_str("conditions: [{type: Complete, status: 'True', reason: R, message: m, lastTransitionTime: 2026-11-22T00:00:00Z}]").unwrap());
        let world = FakeCluster::default();
        assert_eq!(reconcile(Arc::new(ended), world.context()).await.unwrap(), Action::await_change());
        assert!(world.asked().is_empty());
    }

    #[tokio::test]
    async fn a_new_run_makes_its_plan_and_writes_one_status() {
        let world =
            ready().json(MAKE, &json!({"metadata": {"name": "p", "creationTimestamp": "2026-11-22T10:00:00Z"}}));
        let ctx = world.context();
        let resource = Arc::new(job(SPEC));
        assert_eq!(reconcile(resource.clone(), ctx.clone()).await.unwrap(), Action::requeue(START));
        assert_eq!(writes(&world), ["job", "status"]);
    }

    #[tokio::test]
    async fn a_missing_claim_is_told_with_an_event_and_nothing_is_made() {
        let world = ready().answer(CLAIM, 404, failure(404));
        assert_eq!(reconcile(Arc::new(job(SPEC)), world.context()).await.unwrap(), Action::requeue(WAIT));
        assert_eq!(writes(&world), ["status", "event"]);
    }

    #[tokio::test]
    async fn a_status_that_stands_is_not_written_again() {
        let world = ready().answer(CLAIM, 404, failure(404));
        let ctx = world.context();
        let mut resource = job(SPEC);
        let outcome = look(&ctx, &resource).await.unwrap();
        resource.status = Some(status::compute(&resource, &outcome, &now()));
        let before = writes(&world).len();
        reconcile(Arc::new(resource), ctx).await.unwrap();
        assert_eq!(writes(&world).len(), before);
    }

    #[tokio::test]
    async fn a_refused_job_becomes_a_condition_and_not_an_error() {
        for (answer, reason) in [(403, "ChildRefused"), (422, "ChildRefused")] {
            let world = ready().answer(MAKE, answer, failure(answer));
            let outcome = look(&world.context(), &job(SPEC)).await.unwrap();
            let Outcome::Refused { failure, .. } = &outcome else { panic!("{answer} is no refusal") };
            assert_eq!(failure.reason.as_str(), reason);
            assert!(failure.message.contains("the words"));
        }
        let foreign = json!({"metadata": {"name": "x", "uid": "other"}, "spec": {"template": {}}});
        let world = ready().json("GET /apis/batch/v1/namespaces/attic/jobs/", &foreign);
        let outcome = look(&world.context(), &job(SPEC)).await.unwrap();
        assert!(matches!(outcome, Outcome::Refused { failure: Failure { reason: JobReason::NameTaken, .. }, .. }));
        assert!(writes(&world).is_empty(), "it is never taken over");
    }

    #[tokio::test]
    async fn an_apiserver_that_does_not_answer_well_is_an_error_to_try_again() {
        for (request, step) in
            [(CLAIM, "observing"), (JOBS, "observing"), (MAKE, "applying"), (STATUS, "writing the status")]
        {
            let made = json!({"metadata": {"name": "p"}});
            let world = ready().json(MAKE, &made).answer(request, 500, failure(500));
            let error = reconcile(Arc::new(job(SPEC)), world.context()).await.unwrap_err();
            assert!(error.to_string().starts_with(step), "{error}");
            assert_eq!(error.category(), "apiserver");
        }
    }
}
