//! What others do to a run: somebody holds its Job, evicts a pod, a worker hangs, another run works on the same files.

use std::fs::File;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::archive::{self, Archive, Size, files_below};
use crate::harness::job::{self, Worker, completed, failed, manifest, slow_pods, workers};
use crate::harness::object::condition_is;
use crate::harness::pod_process::{Frozen, kill_converter};
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

/// Waits until the run is under way. It is not over before what this gives is dropped.
fn until_some_are_converted(volume: &Volume) -> File {
    let held = archive::hold_last(volume, "flac");
    wait::until("some files are converted", STEP, || {
        let recorded = archive::records(volume).len();
        if recorded > 0 { Ok(()) } else { Err("no records") }
    });
    held
}

#[test]
fn a_job_that_somebody_holds_rests_for_longer_than_the_run_may_take() {
    let (namespace, volume, archive) = tapes("held");
    namespace.apply(&manifest("tour", &spec(&volume, &json!({ "activeDeadlineSeconds": DEADLINE.as_secs() }))));
    let unfinished = until_some_are_converted(&volume);
    // As Kueue does it, or a person.
    namespace.patch("job/tour-convert", &json!({ "spec": { "suspend": true } }));
    drop(unfinished);
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
    let unfinished = until_some_are_converted(&volume);
    for Worker { name: pod, .. } in workers(&namespace, 2) {
        let eviction = json!({
            "apiVersion": "policy/v1", "kind": "Eviction",
            "metadata": { "name": pod, "namespace": namespace.name() },
        });
        let path = format!("/api/v1/namespaces/{}/pods/{pod}/eviction", namespace.name());
        kubectl::run(&format!("create --raw {path} -f -"), Some(&eviction.to_string())).unwrap();
    }
    drop(unfinished);
    let job = completed(&namespace, "tour");
    assert_eq!(job["status"]["files"]["converted"], SIZE.files);
    assert_eq!(job["status"]["shards"]["failed"], 0);
    archive.is_converted_once_at(&volume.root().join("flac"), &volume);
}

#[test]
fn a_worker_that_breaks_off_without_a_retry_left_fails_the_run() {
    let (namespace, volume, archive) = tapes("exhausted");
    namespace.apply(&manifest("tour", &spec(&volume, &json!({ "shards": 2, "retries": { "perShard": 0 } }))));
    let unfinished = until_some_are_converted(&volume);
    wait::until("a worker is killed", STEP, || {
        let workers = workers(&namespace, 1);
        if kill_converter(&workers[0].uid) { Ok(()) } else { Err(format!("{workers:?}")) }
    });
    namespace
        .until("gives its shard up", "job/tour-convert", STEP, |now| now["status"]["failedIndexes"].as_str().map(drop));
    drop(unfinished);
    let job = failed(&namespace, "tour", "StageFailed");
    let shards = &job["status"]["shards"];
    assert_eq!([&shards["completed"], &shards["failed"]], [1, 1], "the other shard goes on: {shards}");
    let report = job::report(&volume, &job);
    let count = |field: &str| report["files"][field].as_u64().unwrap();
    let (left, all) = (count("failed"), SIZE.files as u64);
    assert!(left > 0 && [count("total"), count("converted") + left, count("skipped")] == [all, all, 0], "{report:#}");
    assert_eq!(report["reasons"], json!({ "not_processed": left }));
    assert_eq!(job["status"]["files"], report["files"]);
    let failures = report["failures"].as_array().unwrap();
    assert_eq!(failures.len() as u64, left);
    for failure in failures {
        let flac = volume.root().join("flac").join(failure["path"].as_str().unwrap()).with_extension("flac");
        assert!(!flac.exists(), "{} was converted", flac.display());
    }
    let described = namespace.kubectl("describe cvj tour");
    for word in ["ShardFailed", "Given up after 1 ", "StageFailed"] {
        assert!(described.contains(word), "{word} in {described}");
    }
    archive.is_untouched();
}

#[test]
fn while_a_worker_hangs_the_rest_is_told() {
    let (namespace, volume, archive) = tapes("hangs");
    namespace.apply(&manifest("tour", &spec(&volume, &json!({ "retries": { "perShard": 6 } }))));
    let unfinished = until_some_are_converted(&volume);
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
    drop((frozen, unfinished));
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

#[test]
fn two_runs_that_delete_the_same_files_convert_each_once() {
    let (namespace, volume, archive) = tapes("both-delete");
    let policy = json!({ "sourcePolicy": { "type": "DeleteAfterVerify" }, "encoding": { "metadata": "Foreign" } });
    for name in ["one", "two"] {
        namespace.apply(&manifest(name, &spec(&volume, &policy)));
    }
    let jobs = ["one", "two"].map(|name| completed(&namespace, name));
    let sum = |field: &str| jobs.iter().map(|job| job["status"]["files"][field].as_u64().unwrap()).sum::<u64>();
    let told = jobs.each_ref().map(|job| job::report(&volume, job));
    let all = SIZE.files as u64;
    // The second may be planned when some are gone already.
    assert_eq!([sum("converted"), sum("skipped"), sum("failed")], [all, sum("total") - all, 0], "{told:#?}");
    // To each of them it is gone, whoever was faster.
    for report in &told {
        let sources = json!({ "deleted": report["files"]["total"], "moved": 0 });
        assert_eq!(report["sources"], sources, "{}, {}", report["warnings"], report["skipped"]);
    }
    assert_eq!(files_below(archive.root()).len(), 0);
    archive.is_converted_once_at(&volume.root().join("flac"), &volume);
}

/// What takes most of the node for a while.
mod alone {
    use super::*;
    use crate::harness::{converter, operator};

    const SIZE: Size = Size { folders: 2, files: 12, seconds: 0.5 };

    /// A class of pods that others make room for; dropping it deletes it.
    struct Urgent(String);

    impl Urgent {
        fn new(namespace: &Namespace) -> Self {
            let name = format!("{}-urgent", namespace.name());
            let class = json!({
                "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": { "name": name },
                "value": 1_000_000,
            });
            kubectl::run("create -f -", Some(&class.to_string())).unwrap();
            Self(name)
        }
    }

    impl Drop for Urgent {
        fn drop(&mut self) {
            kubectl::run(&format!("delete priorityclass {}", self.0), None);
        }
    }

    fn get(line: &str) -> Value {
        let words: Vec<&str> = line.split_whitespace().collect();
        serde_json::from_str(&kubectl::run_quietly(&words, None).unwrap()).unwrap()
    }

    /// Thousandths of a core.
    fn millis(quantity: &Value) -> u64 {
        let Some(text) = quantity.as_str() else { return 0 };
        match text.strip_suffix('m') {
            Some(millis) => millis.parse().unwrap(),
            None => text.parse::<u64>().unwrap() * 1000,
        }
    }

    /// What no pod has asked for.
    fn free_millis() -> u64 {
        let node = get(&format!("get node {} -o json", converter::node().name));
        let pods = get("get pods -A --field-selector status.phase!=Succeeded,status.phase!=Failed -o json");
        let pods = pods["items"].as_array().unwrap().iter();
        let containers = pods.flat_map(|pod| pod["spec"]["containers"].as_array().unwrap());
        let asked: u64 = containers.map(|container| millis(&container["resources"]["requests"]["cpu"])).sum();
        millis(&node["status"]["allocatable"]["cpu"]) - asked
    }

    #[test]
    fn a_preempted_worker_costs_no_retry() {
        let namespace = Namespace::restricted("preempted");
        let urgent = Urgent::new(&namespace);
        let volume = Volume::with_claim(&namespace, "tapes");
        let archive = Archive::record(&volume, "tapes", SIZE);
        let large = json!({ "requests": { "cpu": format!("{}m", free_millis() * 3 / 4) } });
        let all_but_one = json!({
            "parallelism": 1, "shards": 1, "retries": { "perShard": 0 }, "podTemplate": { "resources": large },
        });
        namespace.apply(&manifest("tour", &spec(&volume, &all_but_one)));
        let unfinished = until_some_are_converted(&volume);
        let [worker] = &workers(&namespace, 1)[..] else { panic!("one pod") };
        // It has nothing to do: that it is there is enough.
        namespace.apply(&json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "urgent" },
            "spec": {
                "priorityClassName": urgent.0, "restartPolicy": "Never", "automountServiceAccountToken": false,
                "securityContext": {
                    "runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": { "type": "RuntimeDefault" },
                },
                "containers": [{
                    "name": "urgent", "image": operator::converter_image(), "args": ["--version"], "resources": large,
                    "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
                }],
            },
        }));
        namespace.until("has come and gone", "pod/urgent", STEP, |now| {
            (now["status"]["phase"] == "Succeeded").then_some(())
        });
        let events =
            namespace.kubectl("get events --field-selector reason=Preempted -o custom-columns=O:.involvedObject.name");
        assert!(events.contains(&worker.name), "{events}");
        drop(unfinished);
        let job = completed(&namespace, "tour");
        assert_eq!(job["status"]["files"]["converted"], SIZE.files);
        assert_eq!(job["status"]["shards"], json!({ "total": 1, "active": 0, "completed": 1, "failed": 0 }));
        archive.is_converted_once_at(&volume.root().join("flac"), &volume);
    }
}
