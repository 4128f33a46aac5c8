//! What others do to a run: somebody holds its Job, evicts a pod, a worker hangs, another run works on the same files.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::archive::{self, Archive, Size};
use crate::harness::job::{Worker, completed, manifest, slow_pods, workers};
use crate::harness::object::condition_is;
use crate::harness::pod_process::Frozen;
use crate::harness::volume::Volume;
use crate::harness::wait::{self, STEP};
use crate::harness::{Namespace, kubectl};

const SIZE: Size = Size { folders: 6, files: 200, seconds: 2.0 };
/// What a run may take, which is less than it is held for.
const DEADLINE: Duration = Duration::from_secs(90);

fn spec(volume: &Volume, more: &Value) -> Value {
    let mut spec = json!({
        "source": { "volume": volume.source(), "path": "tapes" },
        "destination": { "path": "flac" },
        "parallelism": 2,
        "shards": 4,
        "podTemplate": slow_pods(),
    });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    spec
}

/// A volume with an archive, of which nothing is converted yet.
fn tapes(subject: &str) -> (Namespace, Volume, Archive) {
    let namespace = Namespace::restricted(subject);
    let volume = Volume::with_claim(&namespace, "tapes");
    let archive = Archive::record(&volume, "tapes", SIZE);
    (namespace, volume, archive)
}

fn until_some_are_converted(volume: &Volume) {
    wait::until("some files are converted", STEP, || {
        let recorded = archive::records(volume).len();
        if recorded > 0 { Ok(()) } else { Err("no records".to_owned()) }
    });
    assert!(archive::records(volume).len() < SIZE.files, "it was over too early for this test: give it more files");
}

#[test]
fn a_job_that_somebody_holds_rests_for_longer_than_the_run_may_take() {
    let (namespace, volume, archive) = tapes("held");
    namespace.apply(&manifest("tour", &spec(&volume, &json!({ "activeDeadlineSeconds": DEADLINE.as_secs() }))));
    until_some_are_converted(&volume);
    // As Kueue does it, or a person.
    namespace.patch("job/tour-convert", &json!({ "spec": { "suspend": true } }));
    let held = Instant::now();
    let said = namespace.until("says who holds it", "cvj/tour", STEP, |now| {
        condition_is(now, "Suspended", "True", "JobSuspended").filter(|_| now["status"]["stage"] == "Suspended")
    });
    assert!(said.message.contains("spec.suspend"), "{}", said.message);
    thread::sleep((DEADLINE + Duration::from_secs(1)).saturating_sub(held.elapsed()));
    assert_eq!(namespace.get("job/tour-convert")["spec"]["suspend"], true, "the operator never lets it go by itself");

    namespace.patch("job/tour-convert", &json!({ "spec": { "suspend": false } }));
    let job = completed(&namespace, "tour");
    assert!(condition_is(&job, "Suspended", "False", "NotSuspended").is_some());
    let suspended = job["status"]["suspendedSeconds"].as_u64().unwrap();
    assert!(suspended >= DEADLINE.as_secs() - 2, "{suspended} seconds are said to be its rest");
    archive.is_converted_once_at(&volume.root().join("flac"), &volume);
}

#[test]
fn an_evicted_worker_costs_no_retry() {
    let (namespace, volume, archive) = tapes("evicted");
    namespace.apply(&manifest("tour", &spec(&volume, &json!({ "retries": { "perShard": 0 } }))));
    until_some_are_converted(&volume);
    for Worker { name: pod, .. } in workers(&namespace, 2) {
        let eviction = json!({
            "apiVersion": "policy/v1", "kind": "Eviction",
            "metadata": { "name": pod, "namespace": namespace.name() },
        });
        let path = format!("/api/v1/namespaces/{}/pods/{pod}/eviction", namespace.name());
        kubectl::run(&format!("create --raw {path} -f -"), Some(&eviction.to_string())).unwrap();
    }
    let job = completed(&namespace, "tour");
    assert_eq!(job["status"]["files"]["converted"], SIZE.files);
    assert_eq!(job["status"]["shards"]["failed"], 0);
    archive.is_converted_once_at(&volume.root().join("flac"), &volume);
}

#[test]
fn while_a_worker_hangs_the_rest_is_told() {
    let (namespace, volume, archive) = tapes("hangs");
    namespace.apply(&manifest("tour", &spec(&volume, &json!({ "retries": { "perShard": 6 } }))));
    until_some_are_converted(&volume);
    // What the kubelet tells is a little old: the first may be done, and the next may not have begun.
    let frozen = wait::until("a worker stands still", STEP, || {
        let workers = workers(&namespace, 1);
        workers.iter().find_map(|worker| Frozen::try_begin(&worker.uid)).ok_or_else(|| format!("{workers:?}"))
    });
    let before = namespace.get("cvj/tour")["status"]["files"]["converted"].as_u64().unwrap_or_default();
    let told = namespace.until("tells what others do", "cvj/tour", STEP, |now| {
        let status = &now["status"];
        let converted = status["files"]["converted"].as_u64()?;
        (status["shards"]["completed"].as_u64()? >= 2 && converted > before).then(|| status.clone())
    });
    let recorded = archive::records(&volume).len() as u64;
    assert!(told["files"]["converted"].as_u64().unwrap() <= recorded, "{told} of {recorded}");
    // It goes on, or the kubelet has killed it and another takes its shard.
    drop(frozen);
    completed(&namespace, "tour");
    archive.is_converted_once_at(&volume.root().join("flac"), &volume);
}

#[test]
fn two_runs_on_the_same_files_convert_each_once() {
    let (namespace, volume, archive) = tapes("both");
    for name in ["one", "two"] {
        namespace.apply(&manifest(name, &spec(&volume, &json!({}))));
    }
    let files = ["one", "two"].map(|name| completed(&namespace, name)["status"]["files"].clone());
    let sum = |field: &str| files.iter().map(|files| files[field].as_u64().unwrap()).sum::<u64>();
    let all = SIZE.files as u64;
    assert_eq!([sum("total"), sum("converted"), sum("skipped"), sum("failed")], [2 * all, all, all, 0], "{files:?}");
    archive.is_converted_once_at(&volume.root().join("flac"), &volume);
}
