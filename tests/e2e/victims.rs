//! Which pods go when the count falls, whoever lowered it: never one with streams while an idle one is there, and none
//! while a pod does not say what it has.

use serde_json::json;
use tokio::task::block_in_place;

use crate::harness::live::{Live, Take};
use crate::harness::object::{condition_is, is_observed};
use crate::harness::pod_process::Frozen;
use crate::harness::pods::{Pod, load, names, small_pods, staying, until_left, until_ready, until_streams};
use crate::harness::wait::{self, STEP};
use crate::harness::{Namespace, converter};

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
