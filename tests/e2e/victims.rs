//! Which pods go when the count falls, whoever lowered it: never one with streams while an idle one is there, and none
//! while a pod does not say what it has.

use std::collections::{BTreeSet, VecDeque};

use serde_json::json;
use tokio::task::block_in_place;

use crate::harness::live::{Live, Take};
use crate::harness::object::{condition_is, is_observed};
use crate::harness::pod_process::Frozen;
use crate::harness::pods::{Pod, load, small_pods, staying, streams, until_ready, until_streams};
use crate::harness::wait::{self, STEP};
use crate::harness::{Namespace, converter};

/// Waits until so many pods are left, and gives their names.
fn until_left(namespace: &Namespace, count: usize) -> BTreeSet<String> {
    block_in_place(|| {
        wait::until(&format!("{count} pods stay"), STEP, || {
            let stay: BTreeSet<String> = staying(namespace).into_iter().map(|pod| pod.name).collect();
            if stay.len() == count { Ok(stay) } else { Err(format!("{stay:?}")) }
        })
    })
}

fn names<'a>(pods: impl IntoIterator<Item = &'a Pod>) -> BTreeSet<String> {
    pods.into_iter().map(|pod| pod.name.clone()).collect()
}

/// How often the operator itself scales out and in again.
const ROUNDS: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn the_idle_pod_goes_ten_times_of_ten() {
    let namespace = Namespace::restricted("idle");
    let (folder, take) = (tempfile::tempdir().unwrap(), Take::new(301));
    let spec = json!({
        "drainSeconds": 5,
        "limits": { "maxStreams": 2 },
        "autoscaling": {
            "minReplicas": 2, "maxReplicas": 3,
            "streams": { "targetPerReplica": 1 },
            "scaleDown": { "stabilizationSeconds": 1 },
        },
        "podTemplate": small_pods(),
    });
    namespace.apply(&converter::manifest("trio", &spec));
    until_ready(&namespace, "trio", 2);
    let start = async |pod: &Pod, name: &str| {
        let before = streams(pod).await;
        let live = Live::start(&pod.url(), &take, folder.path().join(name), &["--retries", "0"]);
        until_streams(std::slice::from_ref(pod), before + 1).await;
        live
    };
    // A stream on each pod, the oldest pod first.
    let mut stage = VecDeque::new();
    for (number, pod) in staying(&namespace).into_iter().enumerate() {
        let live = start(&pod, &format!("{number}.flac")).await;
        stage.push_back((pod, live));
    }
    for round in 0..ROUNDS {
        // One stream more asks for a third pod, and goes once that has a stream of its own.
        let guest = start(&stage[1].0, &format!("guest-{round}.flac")).await;
        until_ready(&namespace, "trio", 3);
        let known = names(stage.iter().map(|(pod, _)| pod));
        let new = staying(&namespace).into_iter().find(|pod| !known.contains(&pod.name)).expect("a third pod");
        let live = start(&new, &format!("{round}-new.flac")).await;
        stage.push_back((new, live));
        assert_eq!(guest.end().await, 0);

        // The oldest is idle now: a ReplicaSet left to itself would take a younger one.
        let (idle, live) = stage.pop_front().expect("three pods");
        assert_eq!(live.end().await, 0);
        let others = names(stage.iter().map(|(pod, _)| pod));
        assert_eq!(until_left(&namespace, 2), others, "round {round}: {} was idle", idle.name);
        let now = namespace.get("acv/trio");
        assert_eq!(now["spec"]["replicas"], 2);
        let reason = now["status"]["lastScaleReason"].as_str().unwrap();
        assert!(reason.starts_with("scaled from 3 to 2: for 1 s, 2 pods were enough"), "{reason}");
        // They are under way still: a stream that lost its pod would have failed, as none connects again.
        for (pod, _) in &stage {
            assert_eq!(streams(pod).await, 1, "round {round}: {}", pod.name);
        }
    }
    for (_, live) in stage {
        assert_eq!(live.end().await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_says_how_many_go_and_the_idle_one_goes() {
    let namespace = Namespace::restricted("asked");
    let (folder, take) = (tempfile::tempdir().unwrap(), Take::new(306));
    let spec = json!({ "replicas": 3, "drainSeconds": 5, "podTemplate": small_pods() });
    namespace.apply(&converter::manifest("trio", &spec));
    for round in 0..2 {
        until_ready(&namespace, "trio", 3);
        // The oldest is idle: a ReplicaSet left to itself would take a younger one.
        let [idle, others @ ..] = &staying(&namespace)[..] else { panic!("no pods") };
        let mut live = Vec::new();
        for (number, pod) in others.iter().enumerate() {
            let flac = folder.path().join(format!("{round}-{number}.flac"));
            live.push(Live::start(&pod.url(), &take, flac, &["--retries", "0"]));
        }
        for pod in others {
            until_streams(std::slice::from_ref(pod), 1).await;
        }
        namespace.kubectl("scale acv/trio --replicas=2");
        assert_eq!(until_left(&namespace, 2), names(others), "round {round}: {} was idle", idle.name);
        for pod in others {
            assert_eq!(load(pod).await["reserved"], false, "who stays takes streams");
        }
        until_streams(others, 2).await;
        for live in live {
            assert_eq!(live.end().await, 0);
        }
        namespace.kubectl("scale acv/trio --replicas=3");
    }
    let events = namespace.kubectl("get events --field-selector reason=PodsChosen -o custom-columns=M:.message");
    assert!(events.contains("(idle) goes"), "{events}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_autoscaler_says_how_many_go_and_the_idle_one_goes() {
    let namespace = Namespace::restricted("fewer");
    let (folder, take) = (tempfile::tempdir().unwrap(), Take::new(311));
    let autoscaling = |max: i32| json!({ "minReplicas": max, "maxReplicas": max, "cpu": { "averageUtilization": 90 } });
    let spec = json!({ "drainSeconds": 5, "autoscaling": autoscaling(3), "podTemplate": small_pods() });
    namespace.apply(&converter::manifest("band", &spec));
    until_ready(&namespace, "band", 3);
    let [idle, others @ ..] = &staying(&namespace)[..] else { panic!("no pods") };
    let live: Vec<Live> = others
        .iter()
        .enumerate()
        .map(|(number, pod)| {
            Live::start(&pod.url(), &take, folder.path().join(format!("{number}.flac")), &["--retries", "0"])
        })
        .collect();
    until_streams(others, 2).await;

    // The count is the autoscaler's own doing: it keeps within its bounds even where it knows no load yet.
    namespace.patch("acv/band", &json!({ "spec": { "autoscaling": autoscaling(2) } }));
    assert_eq!(until_left(&namespace, 2), names(others), "{} was idle", idle.name);
    let scale = namespace.get("acv/band")["spec"]["replicas"].clone();
    assert_eq!(scale, 2, "the autoscaler has written the count");
    let scaled = namespace.kubectl("get events --field-selector reason=SuccessfulRescale -o custom-columns=M:.message");
    assert!(scaled.contains("New size: 2"), "{scaled}");
    until_streams(others, 2).await;
    for live in live {
        assert_eq!(live.end().await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_pod_goes_while_one_does_not_say_what_it_has() {
    let namespace = Namespace::restricted("silence");
    let (folder, take) = (tempfile::tempdir().unwrap(), Take::new(312));
    let spec = json!({
        "drainSeconds": 5,
        "autoscaling": {
            "minReplicas": 1, "maxReplicas": 2,
            "streams": { "targetPerReplica": 1 },
            "scaleDown": { "stabilizationSeconds": 5 },
        },
        "podTemplate": small_pods(),
    });
    converter::ready(&namespace, "pair", &spec);
    until_ready(&namespace, "pair", 1);
    let first = staying(&namespace).remove(0);
    let start = |pod: &Pod, name: &str| Live::start(&pod.url(), &take, folder.path().join(name), &["--retries", "0"]);
    let live = [start(&first, "1.flac"), start(&first, "2.flac")];
    until_ready(&namespace, "pair", 2);

    // The streams end, and one pod would be enough; but the other pod hangs.
    let second = staying(&namespace).pop().unwrap();
    assert_ne!(first.name, second.name);
    let frozen = Frozen::begin(&second.uid);
    for live in live {
        assert_eq!(live.end().await, 0);
    }
    let said = block_in_place(|| {
        namespace.until("says that a pod is silent", "acv/pair", STEP, |now| {
            condition_is(now, "ScalingActive", "False", "LoadUnknown")
                .filter(|_| is_observed(now) && now["status"]["activeStreams"] == 0)
        })
    });
    assert!(said.message.contains(&second.name), "{}", said.message);
    assert_eq!(staying(&namespace).len(), 2);
    // It goes on, or the kubelet has killed it and starts it anew: it says that it has no streams, and one of the two goes.
    drop(frozen);
    until_ready(&namespace, "pair", 1);
    let now = namespace.get("acv/pair");
    assert!(condition_is(&now, "ScalingActive", "True", "StreamsFollowed").is_some(), "{}", wait::brief(&now));
    let reason = now["status"]["lastScaleReason"].as_str().unwrap();
    assert!(reason.starts_with("scaled from 2 to 1: for 5 s, 1 pod was enough"), "{reason}");
    let events = namespace.kubectl("get events --field-selector reason=ScaledIn -o custom-columns=M:.message");
    assert_eq!(events.lines().filter(|line| line.starts_with("Scaled from")).count(), 1, "{events}");
}
