use super::observe::{RunFacts, Sight};
use super::settings::SettingsState;
use super::stage::{
    Control, Ending, Grip, How, NewJob, Newest, Observed, Placement, StageName, Trouble, Usable, VolumesState,
};
use super::*;
use crate::conversionjob::deadline::Deadline;
use crate::conversionjob::fixtures::{ALLOWED, job, runs, settings, validated};

const SPEC: &str = "source: {volume: {persistentVolumeClaim: {claimName: tape}}}";

fn stepped(step: Step, run: RunFacts) -> Outcome {
    let observed = Observed {
        volumes: VolumesState::Ready(Usable::default()),
        settings: SettingsState::Known(Box::new(settings(&validated(SPEC)))),
        newest: Newest::None,
        suspend: false,
        forbidden: None,
        deadline: Deadline::None,
        begun: false,
        now: now().0,
    };
    Outcome::Stepped { sight: Sight { observed, run }, step }
}

#[test]
fn a_run_is_looked_at_again_as_often_as_its_step_needs() {
    const ASK: Duration = Duration::from_secs(3);
    let failure = Failure { reason: JobReason::StageFailed, message: String::new() };
    let trouble = Some(Trouble { reason: JobReason::Waiting, message: String::new() });
    let how =
        How { settings: settings(&validated(SPEC)), placement: Placement::Anywhere, deadline_seconds: None, lost: 0 };
    let hold = Control { grip: Grip::Hold, deadline_seconds: None };
    let follow = |stage| Step::Follow(stage, None);
    for (step, pods_ready, hold, expected) in [
        (Step::AwaitVolumes, 0, Hold::None, NextLook::After(WAIT)),
        (Step::AwaitSettings(failure.clone()), 0, Hold::None, NextLook::After(WAIT)),
        (Step::AwaitResume(None), 0, Hold::None, NextLook::Rested),
        (Step::AwaitResume(Some(StageName::Convert)), 2, Hold::Ours, NextLook::Rested),
        (Step::Adjust(StageName::Convert, hold), 2, Hold::None, NextLook::After(WAIT)),
        (Step::Create(NewJob::Plan, Box::new(how.clone())), 0, Hold::None, NextLook::After(START)),
        (Step::Rerun(NewJob::Plan, Box::new(how)), 0, Hold::None, NextLook::After(START)),
        (Step::AwaitDeletion(StageName::Report), 0, Hold::None, NextLook::After(WAIT)),
        (follow(StageName::Convert), 0, Hold::None, NextLook::After(START)),
        (follow(StageName::Convert), 3, Hold::None, NextLook::After(ASK)),
        (follow(StageName::Plan), 1, Hold::None, NextLook::Rested),
        (follow(StageName::Report), 1, Hold::None, NextLook::Rested),
        (Step::Follow(StageName::Convert, trouble.clone()), 0, Hold::Foreign, NextLook::Rested),
        (follow(StageName::Convert), 3, Hold::Undone(Some(now().0)), NextLook::After(WAIT)),
        (Step::Follow(StageName::Convert, trouble.clone()), 0, Hold::None, NextLook::After(START)),
        (Step::Follow(StageName::Convert, trouble), 2, Hold::None, NextLook::After(START)),
        (Step::Finish(Ending::Failed { failure, report: None }), 0, Hold::None, NextLook::Never),
        (Step::Finish(Ending::Complete(result::ReportResult::default())), 0, Hold::None, NextLook::Never),
    ] {
        let run = RunFacts { pods_ready, hold, ..RunFacts::default() };
        let outcome = stepped(step.clone(), run);
        assert_eq!(plan_next_look(&outcome, ASK), expected, "{step:?} with {pods_ready} ready");
    }
    let invalid = validate(&job("source: {volume: {}}"), ALLOWED).unwrap_err();
    assert_eq!(plan_next_look(&Outcome::Invalid(invalid), ASK), NextLook::Never);
    assert_eq!(NextLook::After(WAIT).no_later_than(ASK), ASK);
    assert_eq!(NextLook::After(ASK).no_later_than(WAIT), ASK);
    assert_eq!(NextLook::Rested.no_later_than(ASK), ASK);
}

#[test]
fn the_figures_of_a_job_are_those_of_its_status() {
    let with = |status: &str| {
        let mut job = job(SPEC);
        job.status = Some(serde_yaml::from_str(status).unwrap());
        figures(&job)
    };
    assert_eq!(figures(&job(SPEC)), None);
    let planned = "files: {total: 40, failed: 2}, progress: 30/40";
    let underway = Some(Underway { planned: 40, done: 30, failed: 2 });
    for (stage, phase, expected) in [
        ("Convert", JobPhase::Convert, underway),
        ("Suspended", JobPhase::Suspended, underway),
        ("Report", JobPhase::Report, underway),
        ("Done", JobPhase::Complete, None),
        ("Failed", JobPhase::Failed, None),
    ] {
        let found = with(&format!("{{stage: {stage}, {planned}}}")).unwrap();
        assert_eq!((found.phase, found.underway), (phase, expected), "{stage}");
        assert_eq!((found.namespace.as_str(), found.name.as_str()), ("attic", "night.shift-7"));
    }
    assert_eq!(with("{stage: Plan}").unwrap().underway, None);
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
            .json("GET /api/v1/namespaces/attic/pods?", &list(&[]))
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

    const RESOURCE: &str = "DELETE /apis/flacship.dev/v1alpha1/namespaces/attic/conversionjobs/night.shift-7";

    /// A run that ended long ago, with this in its spec.
    fn ended(more: &str) -> ConversionJob {
        let mut ended = job(&format!("{{{SPEC}{more}}}"));
        let status = "{observedGeneration: 1, completionTime: 2026-11-22T00:00:00Z, conditions: [{type: Complete, status: 'True', reason: R, message: m, lastTransitionTime: 2026-11-22T00:00:00Z}]}";
        ended.status = Some(serde_yaml::from_str(status).unwrap());
        ended.metadata.resource_version = Some("7".to_owned());
        ended
    }

    async fn run(resource: ConversionJob, world: &FakeCluster) -> Result<Action, Error> {
        reconcile(Arc::new(resource), world.context(), rested()).await
    }

    /// Runs whose status was not written lately.
    fn rested() -> Arc<Runs> {
        let runs = runs();
        long_ago(&runs);
        Arc::new(runs)
    }

    /// The status was written two seconds ago.
    fn long_ago(runs: &Runs) {
        let before = Instant::now().checked_sub(Duration::from_secs(2)).expect("the machine has run for a while");
        runs.wrote("0c1d-uid", before);
    }

    #[tokio::test]
    async fn a_run_that_has_ended_makes_no_call() {
        for more in ["", ", ttlSecondsAfterFinished: {failed: 0}"] {
            let world = FakeCluster::default();
            assert_eq!(run(ended(more), &world).await.unwrap(), Action::await_change());
            assert!(world.asked().is_empty(), "{:?}", world.asked());
        }
    }

    #[tokio::test]
    async fn a_resource_goes_when_its_time_is_over_and_not_before() {
        let over = ", ttlSecondsAfterFinished: {succeeded: 0}";
        let deleted = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"});
        let world = FakeCluster::default().json(RESOURCE, &deleted);
        assert_eq!(run(ended(over), &world).await.unwrap(), Action::await_change());
        assert_eq!(world.asked().iter().filter(|asked| asked.starts_with(RESOURCE)).count(), 1);
        assert_eq!(writes(&world), ["event"], "and that is told");

        // Somebody has changed or deleted it: nothing is told, and the watch brings what comes next.
        for code in [404, 409] {
            let world = FakeCluster::default().answer(RESOURCE, code, failure(code));
            assert_eq!(run(ended(over), &world).await.unwrap(), Action::await_change());
            assert!(writes(&world).is_empty());
        }
        let world = FakeCluster::default().answer(RESOURCE, 500, failure(500));
        assert!(run(ended(over), &world).await.unwrap_err().to_string().starts_with("removing"));

        let world = FakeCluster::default();
        let later = run(ended(", ttlSecondsAfterFinished: {succeeded: 2000000000}"), &world).await.unwrap();
        assert_ne!(later, Action::await_change());
        assert!(world.asked().is_empty());
    }

    #[tokio::test]
    async fn a_spec_that_changes_after_the_end_is_told_as_seen() {
        let mut resource = ended("");
        resource.metadata.generation = Some(2);
        let world = FakeCluster::default().json(STATUS, &serde_json::to_value(&resource).unwrap());
        run(resource, &world).await.unwrap();
        assert_eq!(writes(&world), ["status"]);
    }

    #[tokio::test]
    async fn progress_alone_waits_for_its_time() {
        let plan = json!({build::PLAN: r#"{"files":40,"bytes":400,"shard_files":[20,20]}"#});
        let convert = |completed: &str| {
            json!({
                "metadata": {
                    "name": "c", "namespace": "attic", "uid": "c-uid", "creationTimestamp": "2026-11-22T10:00:00Z",
                    "annotations": plan, "labels": {"app.kubernetes.io/component": "convert"},
                    "ownerReferences": [{"apiVersion": "v", "kind": "K", "name": "n", "uid": "0c1d-uid", "controller": true}],
                },
                "spec": {"completions": 2, "template": {}},
                "status": {"active": 1, "ready": 1, "completedIndexes": completed, "startTime": "2026-11-22T10:00:00Z"},
            })
        };
        let args = runs::ProgressArgs { progress_interval: Duration::from_mins(10) };
        let runs = Arc::new(Runs::new(&args, Duration::from_secs(1)));
        let mut resource = job(SPEC);
        let world = ready().json(JOBS, &list(&[convert("")]));
        reconcile(Arc::new(resource.clone()), world.context(), Arc::clone(&runs)).await.unwrap();
        assert_eq!(writes(&world)[0], "status");
        long_ago(&runs);
        let outcome = look(&world.context(), &runs, &resource).await.unwrap();
        resource.status = Some(status::compute(&resource, &outcome, &now()));

        let world = ready().json(JOBS, &list(&[convert("0")]));
        let again = reconcile(Arc::new(resource.clone()), world.context(), Arc::clone(&runs)).await.unwrap();
        assert!(writes(&world).is_empty() && !world.asked().is_empty(), "{:?}", world.asked());
        assert_ne!(again, Action::await_change());

        // What is no progress need not wait.
        resource.spec.suspend = true;
        let world = world.json("PATCH /apis/batch/v1/namespaces/attic/jobs/", &json!({"metadata": {"name": "c"}}));
        reconcile(Arc::new(resource), world.context(), runs).await.unwrap();
        assert_eq!(writes(&world)[..2], ["job", "status"], "{:?}", world.asked());
    }

    #[tokio::test]
    async fn a_status_that_was_just_written_puts_off_all_of_a_look() {
        let world =
            ready().json(MAKE, &json!({"metadata": {"name": "p", "creationTimestamp": "2026-11-22T10:00:00Z"}}));
        let runs = Arc::new(runs());
        let mut resource = job(SPEC);
        reconcile(Arc::new(resource.clone()), world.context(), Arc::clone(&runs)).await.unwrap();
        assert_eq!(writes(&world), ["job", "status"], "the first waits for nothing");
        let outcome = look(&world.context(), &runs, &resource).await.unwrap();
        resource.status = Some(status::compute(&resource, &outcome, &now()));
        // What is to be done now would be told too.
        resource.spec.suspend = true;
        let mut late = ended("");
        late.metadata.generation = Some(2);
        for (what, resource) in [("a hold", resource), ("a spec that changed after the end", late)] {
            for runs in [Arc::clone(&runs), Arc::new(super::runs())] {
                let world = ready();
                let action = reconcile(Arc::new(resource.clone()), world.context(), runs).await.unwrap();
                assert!(world.asked().is_empty(), "{what}: {:?}", world.asked());
                assert_ne!(action, Action::await_change(), "{what}");
            }
            let world = ready();
            run(resource, &world).await.unwrap();
            assert!(writes(&world).contains(&"status"), "{what}: {:?}", world.asked());
        }
        // A write that failed may have been taken.
        let (runs, broken) =
            (Arc::new(super::runs()), ready().answer(CLAIM, 404, failure(404)).answer(STATUS, 500, failure(500)));
        reconcile(Arc::new(job(SPEC)), broken.context(), Arc::clone(&runs)).await.unwrap_err();
        assert!(runs.pause("0c1d-uid", None, Instant::now()).is_some());
    }

    #[tokio::test]
    async fn a_new_run_makes_its_plan_and_writes_one_status() {
        let world =
            ready().json(MAKE, &json!({"metadata": {"name": "p", "creationTimestamp": "2026-11-22T10:00:00Z"}}));
        let ctx = world.context();
        let resource = Arc::new(job(SPEC));
        assert_eq!(reconcile(resource.clone(), ctx.clone(), Arc::new(runs())).await.unwrap(), Action::requeue(START));
        assert_eq!(writes(&world), ["job", "status"]);
    }

    #[tokio::test]
    async fn a_missing_claim_is_told_with_an_event_and_nothing_is_made() {
        let world = ready().answer(CLAIM, 404, failure(404));
        assert_eq!(
            reconcile(Arc::new(job(SPEC)), world.context(), Arc::new(runs())).await.unwrap(),
            Action::requeue(WAIT)
        );
        assert_eq!(writes(&world), ["status", "event"]);
    }

    #[tokio::test]
    async fn a_status_that_stands_is_not_written_again() {
        let world = ready().answer(CLAIM, 404, failure(404));
        let ctx = world.context();
        let mut resource = job(SPEC);
        let outcome = look(&ctx, &runs(), &resource).await.unwrap();
        resource.status = Some(status::compute(&resource, &outcome, &now()));
        let before = writes(&world).len();
        reconcile(Arc::new(resource), ctx, rested()).await.unwrap();
        assert_eq!(writes(&world).len(), before);
    }

    #[tokio::test]
    async fn a_refused_job_becomes_a_condition_and_not_an_error() {
        for (answer, reason) in [(403, "ChildRefused"), (422, "ChildRefused")] {
            let world = ready().answer(MAKE, answer, failure(answer));
            let outcome = look(&world.context(), &runs(), &job(SPEC)).await.unwrap();
            let Outcome::Refused { failure, .. } = &outcome else { panic!("{answer} is no refusal") };
            assert_eq!(failure.reason.as_str(), reason);
            assert!(failure.message.contains("the words"));
        }
        let foreign = json!({"metadata": {"name": "x", "uid": "other"}, "spec": {"template": {}}});
        let world = ready().json("GET /apis/batch/v1/namespaces/attic/jobs/", &foreign);
        let outcome = look(&world.context(), &runs(), &job(SPEC)).await.unwrap();
        assert!(matches!(outcome, Outcome::Refused { failure: Failure { reason: JobReason::NameTaken, .. }, .. }));
        assert!(writes(&world).is_empty(), "it is never taken over");
    }

    #[tokio::test]
    async fn a_run_that_an_operator_may_not_go_on_with_is_held_and_one_that_has_not_begun_ends() {
        let resource = job(&format!("{{{SPEC}, podTemplate: {{serviceAccountName: own}}}}"));
        let outcome = look(&ready().strict_context(), &runs(), &resource).await.unwrap();
        assert!(matches!(&outcome, Outcome::Invalid(why) if why.reason() == JobReason::NotAllowed), "{outcome:?}");

        let plan = |suspend: bool, annotations: &serde_json::Value| {
            json!({
                "metadata": {
                    "name": "p", "namespace": "attic", "uid": "p-uid", "creationTimestamp": "2026-11-22T10:00:00Z",
                    "labels": {"app.kubernetes.io/component": "plan"}, "annotations": annotations,
                    "ownerReferences": [{"apiVersion": "v", "kind": "K", "name": "n", "uid": "0c1d-uid", "controller": true}],
                },
                "spec": {"suspend": suspend, "template": {}},
                "status": {"active": 1, "ready": 1, "startTime": "2026-11-22T10:00:00Z"},
            })
        };
        let world = |job| ready().json(JOBS, &list(&[job])).json(MAKE, &json!({"metadata": {"name": "p"}}));
        let running = world(plan(false, &json!({})));
        let outcome = look(&running.strict_context(), &runs(), &resource).await.unwrap();
        let Outcome::Stepped { step, .. } = &outcome else { panic!("{outcome:?}") };
        assert_eq!(step, &Step::Adjust(StageName::Plan, Control { grip: Grip::Hold, deadline_seconds: None }));
        assert_eq!(writes(&running), ["job"]);
        let status = status::compute(&resource, &outcome, &now());
        assert!(!is_true(&status.conditions, "Failed") && is_true(&status.conditions, "Suspended"));

        // An operator that allows it again lets it go on.
        let held = world(plan(true, &json!({build::SUSPENDED: build::HELD})));
        let outcome = look(&held.strict_context(), &runs(), &resource).await.unwrap();
        assert_eq!(plan_next_look(&outcome, START), NextLook::Rested);
        let outcome = look(&held.context(), &runs(), &resource).await.unwrap();
        let Outcome::Stepped { step, .. } = &outcome else { panic!("{outcome:?}") };
        assert_eq!(step, &Step::Adjust(StageName::Plan, Control { grip: Grip::LetGo, deadline_seconds: None }));
    }

    #[tokio::test]
    async fn a_stage_whose_result_is_lost_is_deleted_and_made_anew_in_one_look() {
        let lost = json!({
            "metadata": {
                "name": "p", "namespace": "attic", "uid": "p-uid", "creationTimestamp": "2026-11-22T10:00:00Z",
                "labels": {"app.kubernetes.io/component": "plan"},
                "ownerReferences": [{"apiVersion": "v", "kind": "K", "name": "n", "uid": "0c1d-uid", "controller": true}],
            },
            "spec": {"template": {}},
            "status": {"conditions": [{"type": "Complete", "status": "True"}]},
        });
        let one = "DELETE /apis/batch/v1/namespaces/attic/jobs/";
        let world = ready()
            .json(JOBS, &list(std::slice::from_ref(&lost)))
            .json("GET /apis/batch/v1/namespaces/attic/jobs/", &lost)
            .json(one, &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}))
            .json(MAKE, &json!({"metadata": {"name": "p"}}));
        let outcome = look(&world.context(), &runs(), &job(SPEC)).await.unwrap();
        assert!(matches!(&outcome, Outcome::Stepped { step: Step::Rerun(NewJob::Plan, how), .. } if how.lost == 1));
        let asked = world.asked();
        let deleted = asked.iter().position(|asked| asked.starts_with(one)).unwrap();
        let made = asked.iter().position(|asked| asked.starts_with(MAKE)).unwrap();
        assert!(deleted < made, "{asked:?}");
    }

    #[tokio::test]
    async fn an_apiserver_that_does_not_answer_well_is_an_error_to_try_again() {
        for (request, step) in
            [(CLAIM, "observing"), (JOBS, "observing"), (MAKE, "applying"), (STATUS, "writing the status")]
        {
            let made = json!({"metadata": {"name": "p"}});
            let world = ready().json(MAKE, &made).answer(request, 500, failure(500));
            let error = reconcile(Arc::new(job(SPEC)), world.context(), Arc::new(runs())).await.unwrap_err();
            assert!(error.to_string().starts_with(step), "{error}");
            assert_eq!(error.category(), "apiserver");
        }
    }
}
