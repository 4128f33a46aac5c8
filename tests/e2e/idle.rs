//! As streams come and go, so do pods, and it is the pod without streams that goes: ten times of ten.

use std::collections::VecDeque;

use serde_json::json;

use crate::harness::live::{Live, Take};
use crate::harness::pods::{Pod, names, small_pods, staying, streams, until_left, until_ready, until_streams};
use crate::harness::{Namespace, converter};

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
        // The operator looks at what has changed, sooner than at its next turn.
        namespace.kubectl(&format!("annotate acv/trio example.com/round={round} --overwrite"));
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
