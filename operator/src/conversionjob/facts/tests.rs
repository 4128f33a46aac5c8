use super::*;
use crate::conversionjob::fixtures::cluster_job;

fn pod(yaml: &str) -> Pod {
    serde_yaml::from_str(yaml).unwrap()
}

fn ended_pod(name: &str, exit_code: i32, reason: &str, at: u32) -> Pod {
    pod(&format!(
        "{{metadata: {{name: {name}}}, status: {{phase: Failed, containerStatuses: [
          {{name: sidecar, image: s, imageID: '', ready: false, restartCount: 0, state: {{terminated: {{exitCode: 9}}}}}},
          {{name: converter, image: c, imageID: '', ready: false, restartCount: 0, state: {{terminated: {{exitCode: {exit_code}, reason: {reason}, finishedAt: '2026-11-22T10:00:{at:02}Z'}}}}}}]}}}}"
    ))
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

const NOON: &str = "2026-11-22T12:00:00Z";

#[test]
fn a_job_ends_with_its_condition_and_not_before() {
    let with = |conditions: &str| end(&cluster_job(&format!("{{status: {{conditions: [{conditions}]}}}}")));
    assert_eq!(end(&cluster_job("{}")), None);
    assert_eq!(with("{type: SuccessCriteriaMet, status: 'True'}"), None);
    assert_eq!(with("{type: FailureTarget, status: 'True', reason: PodFailurePolicy}"), None);
    assert_eq!(with("{type: Failed, status: 'False'}"), None);
    assert_eq!(with("{type: Suspended, status: 'True'}"), None);
    assert_eq!(
        with("{type: SuccessCriteriaMet, status: 'True'}, {type: Complete, status: 'True'}"),
        Some(JobEnd::Complete)
    );
    assert_eq!(
        with(
            "{type: FailureTarget, status: 'True'}, {type: Failed, status: 'True', reason: BackoffLimitExceeded, message: no more}"
        ),
        Some(JobEnd::Failed { reason: "BackoffLimitExceeded".to_owned(), message: "no more".to_owned() })
    );
}

#[test]
fn the_end_has_a_time_either_way() {
    let complete = cluster_job(
        "{status: {completionTime: '2026-11-22T11:00:00Z', conditions: [{type: Complete, status: 'True', lastTransitionTime: '2026-11-22T11:00:05Z'}]}}",
    );
    assert_eq!(end_time(&complete).unwrap().0, at("2026-11-22T11:00:00Z"));
    let failed = cluster_job(
        "{status: {conditions: [{type: Failed, status: 'True', lastTransitionTime: '2026-11-22T11:00:05Z'}]}}",
    );
    assert_eq!(end_time(&failed).unwrap().0, at("2026-11-22T11:00:05Z"));
    assert_eq!(end_time(&cluster_job("{}")), None);
}

#[test]
fn a_job_belongs_to_the_uid_that_controls_it() {
    let owned =
        |reference: &str| belongs_to(&cluster_job(&format!("{{metadata: {{ownerReferences: [{reference}]}}}}")), "u-1");
    assert!(owned("{apiVersion: v, kind: K, name: n, uid: u-1, controller: true}"));
    assert!(!owned("{apiVersion: v, kind: K, name: n, uid: u-1}"));
    assert!(!owned("{apiVersion: v, kind: K, name: n, uid: u-0, controller: true}"));
    assert!(!belongs_to(&cluster_job("{}"), "u-1"));
}

#[test]
fn shards_are_counted_from_the_index_lists() {
    let job = cluster_job(
        "{spec: {completions: 6, backoffLimitPerIndex: 2, template: {}}, status: {active: 2, failed: 4, completedIndexes: '0,2-3', failedIndexes: '5'}}",
    );
    let counts = ShardCounts { total: 6, active: 2, completed: 3, failed: 1, broken_off: Some(4) };
    assert_eq!(shard_counts(&job), counts);
    assert_eq!((failed_indexes(&job), tries(&job), broken_off(&job)), ("5", 3, 4));
    assert_eq!(completed(&job), [0, 2, 3].into());
    assert_eq!(shard_counts(&cluster_job("{}")), ShardCounts::default());
    assert!(completed(&cluster_job("{}")).is_empty());
}

#[test]
fn who_suspended_a_job_is_told_by_our_mark() {
    let mark =
        format!("{{metadata: {{annotations: {{{SUSPENDED}: 'true'}}}}, spec: {{suspend: SUSPEND, template: {{}}}}}}");
    let noted = mark.replace("'true'", &format!("'{NOON}'"));
    for (job, expected) in [
        ("{}".to_owned(), Hold::None),
        ("{spec: {suspend: false, template: {}}}".to_owned(), Hold::None),
        ("{spec: {suspend: true, template: {}}}".to_owned(), Hold::Foreign),
        (mark.replace("SUSPEND,", "true,"), Hold::Ours),
        // Somebody else let it go on, and may hold it again.
        (mark.replace("SUSPEND,", "false,"), Hold::Undone(None)),
        (noted.replace("SUSPEND,", "false,"), Hold::Undone(Some(at(NOON)))),
        (noted.replace("SUSPEND,", "true,"), Hold::Foreign),
        (mark.replace("'true'", "soon").replace("SUSPEND,", "false,"), Hold::Undone(Some(Timestamp::UNIX_EPOCH))),
    ] {
        assert_eq!(hold(&cluster_job(&job)), expected, "{job}");
    }
}

#[test]
fn a_pod_names_its_shard_and_has_a_last_word() {
    let named = pod(&format!("{{metadata: {{labels: {{{INDEX_LABEL}: '12'}}}}}}"));
    assert_eq!(shard_of(&named), Some(12));
    assert_eq!(shard_of(&pod("{metadata: {}}")), None);
    assert_eq!(last_word(&named), None);
    let ended = pod(
        "{status: {containerStatuses: [{name: converter, image: c, imageID: '', ready: false, restartCount: 0, state: {terminated: {exitCode: 0, message: done}}}]}}",
    );
    assert_eq!(last_word(&ended), Some("done"));
}

#[test]
fn the_last_pod_with_an_exit_code_is_found() {
    let pods = [
        ended_pod("first", 42, "Error", 1),
        ended_pod("last", 42, "Error", 30),
        ended_pod("other", 1, "Error", 50),
        pod("{metadata: {name: runs}, status: {phase: Running}}"),
        pod("{metadata: {name: bare}}"),
    ];
    assert_eq!(ended_with(&pods, 42).unwrap().name_any(), "last");
    assert_eq!(ended_with(&pods, 1).unwrap().name_any(), "other");
    assert!(ended_with(&pods, 9).is_none(), "a sidecar's exit code is none of the converter's");
    assert!(ended_with(&[], 42).is_none());
}

#[test]
fn the_last_failure_is_told_in_words() {
    let pods = [ended_pod("a", 1, "Error", 1), ended_pod("b", 137, "OOMKilled", 2), ended_pod("c", 0, "Completed", 3)];
    assert_eq!(last_failure(&pods[..1]).unwrap(), "exit code 1");
    assert_eq!(last_failure(&pods).unwrap(), "OOMKilled, exit code 137: raise podTemplate.resources.limits.memory");
    assert_eq!(last_failure(&[ended_pod("d", 128, "StartError", 1)]).unwrap(), "StartError, exit code 128");
    assert_eq!(last_failure(&pods[2..]), None);
    // Told to stop, as by a drain: no failure of its own.
    assert_eq!(last_failure(&[ended_pod("e", 143, "Error", 1)]), None);
    assert_eq!(last_failure(&[]), None);
}

#[test]
fn pods_are_worth_a_look_once_none_has_been_ready_for_a_while() {
    let slow = |yaml: &str| is_slow(&cluster_job(yaml), at(NOON));
    assert!(slow("{status: {startTime: '2026-11-22T11:59:40Z'}}"));
    assert!(slow("{metadata: {creationTimestamp: '2026-11-22T11:59:40Z'}}"));
    assert!(slow("{status: {startTime: '2026-11-22T11:59:40Z', active: 2, ready: 0}}"));
    assert!(!slow("{status: {startTime: '2026-11-22T11:59:50Z'}}"));
    assert!(!slow("{status: {startTime: '2026-11-22T11:00:00Z', ready: 1}}"));
    assert!(!slow("{spec: {suspend: true, template: {}}, status: {startTime: '2026-11-22T11:00:00Z'}}"));
    assert!(!slow("{}"));
}

fn pending(status: &str) -> Pod {
    pod(&format!(
        "{{metadata: {{name: night-plan-x1, creationTimestamp: '2026-11-22T11:59:00Z'}}, status: {{phase: Pending, {status}}}}}"
    ))
}

fn waiting(reason: &str) -> Pod {
    pending(&format!(
        "containerStatuses: [{{name: converter, image: 'reg/c:1', imageID: '', ready: false, restartCount: 0, state: {{waiting: {{reason: {reason}, message: the words}}}}}}]"
    ))
}

#[test]
fn what_keeps_pods_from_running_is_told() {
    use JobReason::{PodsNotCreated, Running, Waiting};
    let running = pod("{metadata: {name: r}, status: {phase: Running}}");
    for (job, pods, expected) in [
        ("{}", vec![], Some((PodsNotCreated, "kubectl describe job night-convert -n attic"))),
        ("{}", vec![running.clone()], None),
        ("{}", vec![waiting("ErrImagePull")], Some((Waiting, "its image reg/c:1 cannot be pulled"))),
        ("{}", vec![waiting("ImagePullBackOff")], Some((Waiting, "its image reg/c:1 cannot be pulled"))),
        ("{}", vec![waiting("CreateContainerConfigError")], Some((Waiting, "CreateContainerConfigError: the words"))),
        ("{}", vec![waiting("ContainerCreating")], None),
        (
            "{}",
            vec![pending(
                "conditions: [{type: PodScheduled, status: 'False', reason: Unschedulable, message: 0/1 nodes}]",
            )],
            Some((Waiting, "has no node: 0/1 nodes")),
        ),
        ("{}", vec![pending("conditions: [{type: PodScheduled, status: 'True'}]")], None),
        (
            "{status: {failed: 2}}",
            vec![ended_pod("a", 1, "Error", 1)],
            Some((Running, "2 tries of Job night-convert have failed so far, the last with exit code 1")),
        ),
        ("{status: {succeeded: 1}}", vec![ended_pod("a", 0, "Completed", 1)], None),
        (
            "{}",
            vec![running, waiting("ErrImageNeverPull")],
            Some((Waiting, "kubectl describe pod night-plan-x1 -n attic")),
        ),
    ] {
        let found = trouble(&cluster_job(job), Some(&pods), at(NOON));
        match (found, expected) {
            (None, None) => {}
            (Some(found), Some((reason, words))) => {
                assert_eq!(found.reason, reason, "{pods:?}");
                assert!(found.message.contains(words), "{} has no {words}", found.message);
            }
            (found, expected) => panic!("{found:?} is not {expected:?}: {pods:?}"),
        }
    }
}

#[test]
fn a_pod_that_starts_for_long_is_told_after_its_patience() {
    let starting = [waiting("ContainerCreating")];
    assert_eq!(trouble(&cluster_job("{}"), Some(&starting), at("2026-11-22T12:00:29Z")), None);
    let told = trouble(&cluster_job("{}"), Some(&starting), at("2026-11-22T12:00:30Z")).unwrap();
    assert!(told.message.contains("has not started yet"), "{}", told.message);
}

#[test]
fn both_reasons_of_a_missing_image_make_one_text() {
    let text = |reason| trouble(&cluster_job("{}"), Some(&[waiting(reason)]), at(NOON));
    assert_eq!(text("ErrImagePull"), text("ImagePullBackOff"));
}

#[test]
fn a_suspended_job_is_told_without_a_look_at_its_pods() {
    let told = trouble(&cluster_job("{spec: {suspend: true, template: {}}}"), None, at(NOON)).unwrap();
    assert_eq!(told.reason, JobReason::Waiting);
    assert!(told.message.contains("is suspended"));
    assert_eq!(trouble(&cluster_job("{}"), None, at(NOON)), None);
}
