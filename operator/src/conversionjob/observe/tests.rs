use serde_json::{Value, json};

use super::*;
use crate::conversionjob::build::{LOST, SUSPENDED};
use crate::conversionjob::claims::ENFORCE_LABEL;
use crate::conversionjob::deadline::Deadline;
use crate::conversionjob::fixtures::{FakeCluster, failure, job, list, runs, settings, validated};
use crate::conversionjob::stage::{Running, VolumesState};

pub(super) const SPEC: &str = "source: {volume: {persistentVolumeClaim: {claimName: tape}}}";
const JOBS: &str = "GET /apis/batch/v1/namespaces/attic/jobs?";
const PODS: &str = "GET /api/v1/namespaces/attic/pods?";
const LOG: &str = "GET /api/v1/namespaces/attic/pods/ender/log?";
const CLAIM: &str = "GET /api/v1/namespaces/attic/persistentvolumeclaims/tape";

const PLANNED: &str = r#"{"stage":"plan","files":3,"bytes":7,"shard_files":[2,1]}"#;
const REPORTED: &str = r#"{"stage":"report","files":{"total":3,"converted":3,"skipped":0,"failed":0},"bytes":{"input":10,"output":5},"failures":[],"report":"/source/r"}"#;

/// A stage's Job of the run, with its status and annotations in YAML.
pub(super) fn stage(component: &str, status: &str, annotations: &Value) -> Value {
    let status: Value = serde_yaml::from_str(status).unwrap();
    json!({
        "metadata": {
            "name": format!("night-{component}"), "namespace": "attic", "uid": format!("{component}-uid"),
            "creationTimestamp": "2026-11-22T10:00:00Z", "annotations": annotations,
            "labels": {"app.kubernetes.io/component": component},
            "ownerReferences": [{"apiVersion": "flacship.dev/v1alpha1", "kind": "ConversionJob", "name": "night.shift-7", "uid": "0c1d-uid", "controller": true}],
        },
        "spec": {"completions": 2, "backoffLimitPerIndex": 3, "template": {}},
        "status": status,
    })
}

fn plain(component: &str, status: &str) -> Value {
    stage(component, status, &json!({}))
}

pub(super) fn pod(exit_code: i32) -> Value {
    json!({"metadata": {"name": "ender"}, "status": {"phase": "Failed", "containerStatuses": [
        {"name": "converter", "image": "c", "imageID": "", "ready": false, "restartCount": 0,
         "state": {"terminated": {"exitCode": exit_code, "reason": "Error", "finishedAt": "2026-11-22T10:00:09Z"}}}]}})
}

const COMPLETE: &str = "{conditions: [{type: Complete, status: 'True'}], completionTime: '2026-11-22T10:01:00Z'}";
const REFUSED: &str = "{conditions: [{type: Failed, status: 'True', reason: PodFailurePolicy, message: exit code 42}]}";
const EXHAUSTED: &str =
    "{conditions: [{type: Failed, status: 'True', reason: BackoffLimitExceeded, message: no more tries}]}";

pub(super) fn cluster(jobs: &[Value], pods: &[Value]) -> FakeCluster {
    FakeCluster::default()
        .json(CLAIM, &json!({"metadata": {"name": "tape"}, "status": {"phase": "Bound"}}))
        .json(JOBS, &list(jobs))
        .json(PODS, &list(pods))
}

async fn see(cluster: &FakeCluster) -> Result<Sight, CallError> {
    see_with(cluster, &runs(), SPEC, "{}").await
}

/// A look at a job whose status is this, by an operator that knows this much of its runs.
pub(super) async fn see_with(cluster: &FakeCluster, runs: &Runs, spec: &str, status: &str) -> Result<Sight, CallError> {
    let mut resource = job(spec);
    resource.status = Some(serde_yaml::from_str(status).unwrap());
    observe(&cluster.context(), runs, &resource, &validated(spec)).await
}

async fn newest(cluster: &FakeCluster) -> Newest {
    see(cluster).await.unwrap().observed.newest
}

fn reason(newest: &Newest) -> Option<JobReason> {
    match newest {
        Newest::Plan(StageJob::Failed(failure))
        | Newest::Report { job: StageJob::Failed(failure), .. }
        | Newest::Convert { job: ConvertJob::Ended(Some(failure)), .. } => Some(failure.reason),
        _ => None,
    }
}

#[tokio::test]
async fn a_run_without_jobs_has_not_begun() {
    let cluster = cluster(&[], &[]);
    let sight = see(&cluster).await.unwrap();
    assert_eq!(sight.observed.newest, Newest::None);
    assert_eq!(sight.run, RunFacts::default());
    assert!(!sight.observed.begun);
    assert_eq!(cluster.asked().len(), 2, "one claim and one list of Jobs: {:?}", cluster.asked());
}

#[tokio::test]
async fn jobs_of_others_are_none_of_the_run() {
    let mut earlier = plain("plan", COMPLETE);
    earlier["metadata"]["ownerReferences"][0]["uid"] = json!("an-earlier-uid");
    let mut stranger = plain("report", COMPLETE);
    stranger["metadata"]["ownerReferences"] = json!([]);
    assert_eq!(newest(&cluster(&[earlier, stranger], &[])).await, Newest::None);
}

#[tokio::test]
async fn a_complete_stage_tells_its_result_through_the_log() {
    let plan = PlanResult { files: 3, bytes: 7, shard_files: vec![2, 1] };
    let world = cluster(&[plain("plan", COMPLETE)], &[pod(0)]).answer(LOG, 200, format!("walking\n{PLANNED}\nbye"));
    assert_eq!(newest(&world).await, Newest::Plan(StageJob::Succeeded(plan)));
    assert!(
        world
            .asked()
            .iter()
            .any(|asked| asked.contains("labelSelector=batch.kubernetes.io%2Fcontroller-uid%3Dplan-uid"))
    );
    let log = world.asked().into_iter().find(|asked| asked.starts_with(LOG)).unwrap();
    assert!(log.contains("container=converter") && log.contains("tailLines=64"), "{log}");

    let mut bytes = vec![0xff, 0xfe, b'\n'];
    bytes.extend_from_slice(PLANNED.as_bytes());
    let world = cluster(&[plain("plan", COMPLETE)], &[pod(0)]).answer(LOG, 200, bytes);
    assert!(
        matches!(newest(&world).await, Newest::Plan(StageJob::Succeeded(_))),
        "text that is no UTF-8 is passed over"
    );
}

#[tokio::test]
async fn a_result_whose_pod_or_log_is_gone_is_lost() {
    for status in [COMPLETE, REFUSED] {
        assert_eq!(
            newest(&cluster(&[plain("plan", status)], &[])).await,
            Newest::Plan(StageJob::Lost { before: 0 }),
            "{status}"
        );
    }
    for (code, body) in [
        (404, failure(404)),
        (400, failure(400)),
        (200, b"unable to retrieve container logs for containerd://abc".to_vec()),
        (200, b"failed to try resolving symlinks in path \"/var/log/pods/x\": no such file".to_vec()),
    ] {
        let world = cluster(&[plain("plan", COMPLETE)], &[pod(0)]).answer(LOG, code, body.clone());
        assert_eq!(
            newest(&world).await,
            Newest::Plan(StageJob::Lost { before: 0 }),
            "{code} {}",
            String::from_utf8_lossy(&body)
        );
    }
}

#[tokio::test]
async fn a_result_that_is_lost_again_and_again_is_a_failure_that_names_the_log() {
    for component in ["plan", "report"] {
        for (noted, before) in [("1", Some(1)), ("2", Some(2)), ("many", Some(0)), ("3", None), ("99", None)] {
            let found = newest(&cluster(&[stage(component, COMPLETE, &json!({LOST: noted}))], &[])).await;
            let lost = match &found {
                Newest::Plan(StageJob::Lost { before }) | Newest::Report { job: StageJob::Lost { before }, .. } => {
                    Some(*before)
                }
                _ => None,
            };
            assert_eq!(lost, before, "{component}, {noted} before it");
            assert_eq!(reason(&found).is_some(), before.is_none(), "{found:?}");
            if let Newest::Plan(StageJob::Failed(failure)) = found {
                let words = "its pod or the pod's log was gone before its result was read";
                assert!(failure.message.contains(words), "{}", failure.message);
                assert!(failure.message.contains("kubectl logs -n attic job/night-plan"), "{}", failure.message);
            }
        }
    }
}

#[tokio::test]
async fn a_log_that_cannot_be_read_just_now_is_an_error_and_decides_nothing() {
    let world = cluster(&[plain("plan", COMPLETE)], &[pod(0)]).answer(LOG, 500, failure(500));
    assert_eq!(see(&world).await.unwrap_err().code(), Some(500));
}

#[tokio::test]
async fn a_log_without_a_result_is_lost_and_in_the_end_a_failure_that_names_the_image() {
    for log in ["", "hello", REPORTED] {
        let after = |lost: &str| {
            let job = stage("plan", COMPLETE, &json!({LOST: lost}));
            cluster(&[job], &[pod(0)]).answer(LOG, 200, log)
        };
        assert!(matches!(newest(&after("0")).await, Newest::Plan(StageJob::Lost { before: 0 })), "{log:?}");
        let world = after("3");
        let Newest::Plan(StageJob::Failed(failure)) = newest(&world).await else { panic!("{log:?} is a result") };
        assert_eq!(failure.reason, JobReason::StageFailed);
        assert!(
            failure.message.contains("spec.image") && failure.message.contains("kubectl logs -n attic job/night-plan")
        );
    }
}

#[tokio::test]
async fn a_configuration_error_keeps_its_reason_in_every_stage() {
    for (component, stage) in [("plan", "plan"), ("convert", "work"), ("report", "report")] {
        let line = format!(r#"{{"stage":"{stage}","error":{{"reason":"SourceNotReadable","message":"chmod it"}}}}"#);
        let world = cluster(&[plain(component, REFUSED)], &[pod(1), pod(42)]).answer(LOG, 200, line);
        assert_eq!(reason(&newest(&world).await), Some(JobReason::SourceNotReadable), "{component}");
    }
    let contradiction = cluster(&[plain("plan", REFUSED)], &[pod(42)]).answer(LOG, 200, PLANNED);
    assert_eq!(reason(&newest(&contradiction).await), Some(JobReason::StageFailed));
}

#[tokio::test]
async fn a_stage_that_failed_too_often_says_where_to_look() {
    let world = cluster(&[plain("report", EXHAUSTED)], &[pod(1)]);
    let Newest::Report { job: StageJob::Failed(failure), .. } = newest(&world).await else { panic!("not failed") };
    assert_eq!(
        failure.message,
        "the report stage failed: no more tries, the last try with exit code 1: kubectl logs -n attic job/night-report shows why; make a new ConversionJob once that is mended"
    );
    assert!(!world.asked().iter().any(|asked| asked.starts_with(LOG)), "its log is for people");
}

#[tokio::test]
async fn a_convert_job_has_ended_well_only_if_no_index_failed() {
    let failed = "conditions: [{type: Failed, status: 'True', reason: FailedIndexes, message: some failed}]";
    let complete = "conditions: [{type: Complete, status: 'True'}]";
    for (status, expected) in [
        (format!("{{{complete}, completedIndexes: '0,1'}}"), None),
        (
            format!("{{{complete}, completedIndexes: '0', failedIndexes: '1'}}"),
            Some("1 of 2 shards (1) failed 4 times each"),
        ),
        (
            format!("{{{failed}, completedIndexes: '0', failedIndexes: '1'}}"),
            Some("1 of 2 shards (1) failed 4 times each"),
        ),
        (EXHAUSTED.to_owned(), Some("the convert stage failed: no more tries")),
        (REFUSED.to_owned(), Some("the convert stage failed: exit code 42")),
    ] {
        let found = newest(&cluster(&[plain("convert", &status)], &[])).await;
        let Newest::Convert { job: ConvertJob::Ended(end), plan: None } = found else { panic!("{found:?}") };
        match (end, expected) {
            (None, None) => {}
            (Some(failure), Some(words)) => assert!(failure.message.starts_with(words), "{}", failure.message),
            (end, expected) => panic!("{status}: {end:?} is not {expected:?}"),
        }
    }
}

#[tokio::test]
async fn the_newest_stage_decides_and_the_older_are_not_read() {
    let plan = json!({PLAN: r#"{"files":3,"bytes":7,"shard_files":[2,1]}"#});
    let noted = json!({CONVERT_FAILURE_REASON: "StageFailed", CONVERT_FAILURE_MESSAGE: "shard 1"});
    let convert =
        stage("convert", "{active: 1, ready: 1, completedIndexes: '0', startTime: '2026-11-22T10:00:00Z'}", &plan);
    let world = cluster(&[plain("plan", COMPLETE), convert.clone()], &[]);
    let sight = see(&world).await.unwrap();
    let expected = PlanResult { files: 3, bytes: 7, shard_files: vec![2, 1] };
    let began = "2026-11-22T10:00:00Z".parse().unwrap();
    let running = Running { started: Some(began), ..Running::default() };
    let expected_newest = Newest::Convert { job: ConvertJob::Running(running), plan: Some(expected.clone()) };
    assert_eq!(sight.observed.newest, expected_newest);
    assert_eq!((sight.run.progress.unwrap().files_done, sight.run.plan), (2, Some(expected)));
    assert_eq!(sight.run.shards, Some(ShardCounts { total: 2, active: 1, completed: 1, failed: 0, broken_off: None }));
    assert_eq!((sight.run.pods_ready, sight.run.ended), (1, None));
    assert!(!world.asked().iter().any(|asked| asked.starts_with(LOG)), "{:?}", world.asked());

    let jobs = [stage("report", COMPLETE, &noted), convert, plain("plan", COMPLETE)];
    let world = cluster(&jobs, &[pod(0)]).answer(LOG, 200, REPORTED);
    let sight = see(&world).await.unwrap();
    let Newest::Report { job: StageJob::Succeeded(report), convert_failure } = sight.observed.newest else { panic!() };
    assert_eq!(report.files.converted, 3);
    assert_eq!(convert_failure, Some(Failure { reason: JobReason::StageFailed, message: "shard 1".to_owned() }));
    assert_eq!(sight.run.ended.unwrap().0.to_string(), "2026-11-22T10:01:00Z");
    assert!(sight.run.plan.is_some() && sight.run.shards.is_some());

    // Another stage is waited for since the plan has ended.
    let world = cluster(&[plain("plan", COMPLETE)], &[pod(0)]).answer(LOG, 200, PLANNED);
    assert_eq!(see(&world).await.unwrap().run.ended, None);
}

#[tokio::test]
async fn an_annotation_that_was_edited_costs_the_progress_only() {
    let convert = stage("convert", "{active: 1, ready: 1}", &json!({PLAN: "many"}));
    let sight = see(&cluster(&[convert], &[])).await.unwrap();
    assert_eq!(sight.observed.newest, Newest::Convert { job: ConvertJob::Running(Running::default()), plan: None });
    assert_eq!((sight.run.progress, sight.run.plan), (None, None));
}

#[tokio::test]
async fn a_job_on_its_way_out_is_waited_for() {
    for component in ["plan", "convert", "report"] {
        let mut job = plain(component, COMPLETE);
        job["metadata"]["deletionTimestamp"] = json!("2026-11-22T10:02:00Z");
        let found = newest(&cluster(&[job], &[])).await;
        let leaving = matches!(
            found,
            Newest::Plan(StageJob::Leaving)
                | Newest::Convert { job: ConvertJob::Leaving, .. }
                | Newest::Report { job: StageJob::Leaving, .. }
        );
        assert!(leaving, "{found:?}");
    }
}

#[tokio::test]
async fn a_job_that_has_no_pod_for_long_is_in_trouble() {
    let world = cluster(&[plain("plan", "{startTime: '2020-01-01T00:00:00Z'}")], &[]);
    let Newest::Plan(StageJob::Running(running)) = newest(&world).await else { panic!("it runs") };
    assert_eq!(running.trouble.unwrap().reason, JobReason::PodsNotCreated);
}

#[tokio::test]
async fn each_volume_is_looked_at_and_the_namespace_for_inline_ones_only() {
    let claims = "{source: {volume: {persistentVolumeClaim: {claimName: tape}}}, destination: {volume: {persistentVolumeClaim: {claimName: flac}}}}";
    let leaving = json!({"metadata": {"name": "flac", "deletionTimestamp": "2026-11-22T10:00:00Z"}, "status": {"phase": "Bound"}});
    let namespace = "GET /api/v1/namespaces/attic";
    let labelled = json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": {"name": "attic", "labels": {ENFORCE_LABEL: "baseline"}}});
    for (spec, world, expected, asks_namespace) in [
        (SPEC, cluster(&[], &[]), None, false),
        (SPEC, FakeCluster::default().json(JOBS, &list(&[])), Some(JobReason::ClaimNotFound), false),
        (
            SPEC,
            cluster(&[], &[]).json(CLAIM, &json!({"metadata": {}, "status": {"phase": "Lost"}})),
            Some(JobReason::ClaimLost),
            false,
        ),
        (SPEC, cluster(&[], &[]).json(CLAIM, &json!({"metadata": {}, "status": {"phase": "Pending"}})), None, false),
        (
            claims,
            cluster(&[], &[]).json("GET /api/v1/namespaces/attic/persistentvolumeclaims/flac", &leaving),
            Some(JobReason::ClaimNotFound),
            false,
        ),
        (
            "source: {volume: {hostPath: {path: /a}}}",
            FakeCluster::default().json(namespace, &labelled).json(JOBS, &list(&[])),
            Some(JobReason::PodSecurity),
            true,
        ),
        (
            "source: {volume: {nfs: {server: nas, path: /a}}}",
            FakeCluster::default().json(namespace, &labelled).json(JOBS, &list(&[])),
            None,
            true,
        ),
        ("source: {volume: {csi: {driver: d}}}", FakeCluster::default().json(JOBS, &list(&[])), None, false),
    ] {
        let sight = see_with(&world, &runs(), spec, "{}").await.unwrap();
        let reason = match sight.observed.volumes {
            VolumesState::Ready(_) => None,
            VolumesState::NotReady(failure) => Some(failure.reason),
        };
        assert_eq!(reason, expected, "{spec}");
        assert_eq!(world.asked().iter().any(|asked| asked == namespace), asks_namespace, "{spec}: {:?}", world.asked());
    }
}

#[tokio::test]
async fn a_stage_out_of_time_says_so_whoever_set_its_deadline() {
    const OVER: &str = "{conditions: [{type: Failed, status: 'True', reason: DeadlineExceeded, message: long}]}";
    for component in ["plan", "convert", "report"] {
        let world = cluster(&[plain(component, OVER)], &[]);
        assert_eq!(reason(&newest(&world).await), Some(JobReason::DeadlineExceeded), "{component}");
    }
}

#[tokio::test]
async fn too_many_failed_files_end_the_conversion_by_their_reason() {
    let line = r#"{"stage":"work","error":{"reason":"TooManyFailedFiles","message":"11 files failed"}}"#;
    let world = cluster(&[plain("convert", REFUSED)], &[pod(42)]).answer(LOG, 200, line);
    assert_eq!(reason(&newest(&world).await), Some(JobReason::TooManyFailedFiles));
}

#[tokio::test]
async fn who_holds_a_job_and_its_deadline_are_seen() {
    let mut convert = plain("convert", "{startTime: '2026-11-22T10:00:00Z'}");
    convert["spec"]["suspend"] = json!(true);
    convert["spec"]["activeDeadlineSeconds"] = json!(90);
    for (mark, hold) in [(json!({}), Hold::Foreign), (json!({SUSPENDED: "true"}), Hold::Ours)] {
        convert["metadata"]["annotations"] = mark;
        let sight = see(&cluster(&[convert.clone()], &[])).await.unwrap();
        let Newest::Convert { job: ConvertJob::Running(running), .. } = sight.observed.newest else { panic!() };
        assert_eq!((running.hold, running.deadline_seconds, sight.run.hold), (hold, Some(90), hold));
        assert_eq!(sight.run.newest_uid.as_deref(), Some("convert-uid"));
    }
}

#[tokio::test]
async fn the_clock_of_a_run_stands_in_its_status() {
    let spec = format!("{{{SPEC}, activeDeadlineSeconds: 3600}}");
    let (jobs, none) = (cluster(&[plain("plan", "{}")], &[]), cluster(&[], &[]));
    let suspended = "conditions: [{type: Suspended, status: 'True', reason: R, message: m, lastTransitionTime: '2020-01-01T00:00:00Z'}]";
    for (world, status, expected) in [
        // From its first Job on.
        (&jobs, "{}".to_owned(), Some("2026-11-22T11:00:00Z")),
        (&jobs, "{startTime: '2026-11-22T09:00:00Z'}".to_owned(), Some("2026-11-22T10:00:00Z")),
        (&jobs, "{startTime: '2026-11-22T09:00:00Z', suspendedSeconds: 60}".to_owned(), Some("2026-11-22T10:01:00Z")),
        (&none, "{startTime: '2026-11-22T09:00:00Z'}".to_owned(), Some("2026-11-22T10:00:00Z")),
        // It stands still.
        (&jobs, format!("{{startTime: '2019-12-31T23:30:00Z', {suspended}}}"), None),
    ] {
        let sight = see_with(world, &runs(), &spec, &status).await.unwrap();
        if let Some(end) = expected {
            assert_eq!(sight.observed.deadline, Deadline::At(end.parse().unwrap()), "{status}");
        } else {
            let left = sight.observed.deadline.seconds_from(sight.observed.now).unwrap();
            assert!((1799..=1801).contains(&left), "{left} s are left: {status}");
        }
        assert!(sight.observed.begun);
    }
}

const CONVERTER: &str = "GET /apis/flacship.dev/v1alpha1/namespaces/attic/audioconverters/lark";

#[tokio::test]
async fn settings_are_taken_once() {
    let spec = format!("{{{SPEC}, converterRef: {{name: lark}}}}");
    let lark = |level: i32| json!({"metadata": {"name": "lark", "namespace": "attic"}, "spec": {"encoding": {"compressionLevel": level}}});
    let known = |sight: Sight| match sight.observed.settings {
        SettingsState::Known(settings) => settings.encoding.compression_level,
        SettingsState::NotReady(failure) => panic!("{failure:?}"),
    };
    let look = async |world: &FakeCluster| see_with(world, &runs(), &spec, "{}").await;
    assert_eq!(known(look(&cluster(&[], &[]).json(CONVERTER, &lark(2))).await.unwrap()), 2);

    // What a Job of the run keeps stands, and the AudioConverter is not even looked at.
    let mut kept = settings(&validated(SPEC));
    kept.encoding.compression_level = 8;
    let kept = json!({SETTINGS: serde_json::to_string(&kept).unwrap()});
    let world = cluster(&[stage("plan", "{}", &kept)], &[]).json(CONVERTER, &lark(2));
    assert_eq!(known(look(&world).await.unwrap()), 8);
    assert!(!world.asked().iter().any(|asked| asked.starts_with(CONVERTER)));

    for (answer, expected) in [
        ((404, failure(404)), JobReason::ConverterNotFound),
        ((200, br#"{"metadata": {}, "spec": {"replicas": "many"}}"#.to_vec()), JobReason::ConverterUnsuitable),
    ] {
        let world = cluster(&[], &[]).answer(CONVERTER, answer.0, answer.1);
        let SettingsState::NotReady(failure) = look(&world).await.unwrap().observed.settings else { panic!("known") };
        assert_eq!(failure.reason, expected);
    }
    let world = cluster(&[], &[]).answer(CONVERTER, 500, failure(500));
    assert_eq!(look(&world).await.unwrap_err().code(), Some(500));
}

#[tokio::test]
async fn a_name_that_nothing_can_have_is_never_asked_for() {
    for name in ["my tapes", "tape?x", "a/b", "..", "%74ape", "Tape", ""] {
        let spec = format!(
            "{{source: {{volume: {{persistentVolumeClaim: {{claimName: tape}}}}}}, destination: {{volume: {{persistentVolumeClaim: {{claimName: '{name} '}}}}}}, converterRef: {{name: '{name}'}}}}"
        );
        let world = cluster(&[], &[]);
        let observed = see_with(&world, &runs(), &spec, "{}").await.unwrap().observed;
        let VolumesState::NotReady(claim) = observed.volumes else { panic!("{name:?} is a claim") };
        let SettingsState::NotReady(converter) = observed.settings else { panic!("{name:?} is a converter") };
        assert_eq!(
            (claim.reason, converter.reason),
            (JobReason::ClaimNotFound, JobReason::ConverterNotFound),
            "{name:?}"
        );
        assert!(claim.message.contains("no name") && converter.message.contains("no name"), "{}", claim.message);
        assert_eq!(world.asked().len(), 2, "the other claim and the Jobs: {:?}", world.asked());
    }
}
