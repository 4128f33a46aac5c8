//! Live streams and pods that come and go: the count follows the streams, and neither a rollout nor an eviction loses a
//! stream. The clients are `converter stream`, fed at the speed of a microphone.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kube::api::EvictParams;
use serde_json::json;
use tokio::task::block_in_place;

use crate::harness::live::{Live, Take};
use crate::harness::object::{condition, condition_is, version};
use crate::harness::pods::{Pod, load, pods, small_pods, staying, streams, until_ready, until_streams};
use crate::harness::recorder::Recorder;
use crate::harness::wait::{self, STEP};
use crate::harness::{Namespace, converter};

/// The pod with most room, as a balancer that counts would choose it.
async fn roomiest(namespace: &Namespace) -> Pod {
    let mut best = None;
    for pod in staying(namespace).into_iter().filter(|pod| pod.ready) {
        let said = load(&pod).await;
        let room = said["streams"]["max"].as_u64().unwrap() - said["streams"]["active"].as_u64().unwrap();
        if best.as_ref().is_none_or(|(most, _)| room > *most) {
            best = Some((room, pod));
        }
    }
    let (room, pod) = best.expect("a ready pod");
    assert!(room > 0, "a client would be refused");
    pod
}

/// Waits until the converter says that the annotation keeps pods from it, and takes the annotation away.
fn scale_out_is_paused(namespace: &Namespace, name: &str) {
    let object = format!("acv/{name}");
    let said = block_in_place(|| {
        namespace.until("says that it is paused", &object, STEP, |now| {
            condition_is(now, "ScalingActive", "False", "ScalingPaused")
        })
    });
    assert!(said.message.contains("flacship.dev/paused-scale-out"), "{}", said.message);
    assert_eq!(namespace.get(&object)["spec"]["replicas"], 1);
    assert_eq!(pods(namespace).len(), 1);
    namespace.kubectl(&format!("annotate {object} flacship.dev/paused-scale-out-"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_count_follows_the_streams() {
    let namespace = Namespace::restricted("slots");
    let (folder, take) = (tempfile::tempdir().unwrap(), Take::new(302));
    let spec = json!({
        "drainSeconds": 5,
        "limits": { "maxStreams": 4 },
        "autoscaling": {
            "minReplicas": 1, "maxReplicas": 4,
            "streams": { "freeSlots": 2 },
            "scaleDown": { "stabilizationSeconds": 10 },
        },
        "podTemplate": small_pods(),
    });
    converter::ready(&namespace, "stage", &spec);
    until_ready(&namespace, "stage", 1);

    // Two free slots are kept: the third stream asks for a second pod, the seventh for a third. No client tries twice, so
    // one that is refused fails the test.
    let mut live = BTreeMap::<String, Vec<Live>>::new();
    let mut begun = 0;
    // A person has switched scaling out off until the first pod is missing.
    namespace.kubectl("annotate acv/stage flacship.dev/paused-scale-out=true");
    for (until, count) in [(2, 1), (3, 2), (6, 2), (7, 3)] {
        while begun < until {
            let pod = roomiest(&namespace).await;
            let before = streams(&pod).await;
            let flac = folder.path().join(format!("{begun}.flac"));
            let stream = Live::start(&pod.url(), &take, flac, &["--retries", "0"]);
            live.entry(pod.name.clone()).or_default().push(stream);
            until_streams(std::slice::from_ref(&pod), before + 1).await;
            begun += 1;
        }
        if begun == 3 {
            scale_out_is_paused(&namespace, "stage");
        }
        until_ready(&namespace, "stage", count);
        block_in_place(|| {
            namespace.until("counts the streams", "acv/stage", STEP, |now| {
                let known = now["status"]["activeStreams"] == begun && now["status"]["capacity"] == 4 * count;
                (known && now["spec"]["replicas"] == count).then_some(())
            });
        });
    }
    let now = namespace.get("acv/stage");
    assert!(condition_is(&now, "ScalingActive", "True", "StreamsFollowed").is_some(), "{}", wait::brief(&now));
    let reason = now["status"]["lastScaleReason"].as_str().unwrap();
    assert_eq!(reason, "scaled from 2 to 3: 7 live streams and 2 free slots need 3 pods");

    // All end but one on one pod: that pod stays, whoever is older or younger. While a person has switched it off, none goes.
    namespace.kubectl("annotate acv/stage flacship.dev/paused-scale-in=true");
    let keeper = live.keys().next_back().unwrap().clone();
    let mut kept = None;
    for (pod, streams) in live {
        for stream in streams {
            if pod == keeper && kept.is_none() {
                kept = Some(stream);
            } else {
                assert_eq!(stream.end().await, 0);
            }
        }
    }
    block_in_place(|| {
        namespace.until("says that it is paused", "acv/stage", STEP, |now| {
            condition_is(now, "ScalingActive", "False", "ScalingPaused")
        });
    });
    assert_eq!(namespace.get("acv/stage")["spec"]["replicas"], 3);
    namespace.kubectl("annotate acv/stage flacship.dev/paused-scale-in-");
    until_ready(&namespace, "stage", 1);
    let stay: Vec<String> = staying(&namespace).into_iter().map(|pod| pod.name).collect();
    assert_eq!(stay, [keeper]);
    assert_eq!(kept.unwrap().end().await, 0);
    let now = namespace.get("acv/stage");
    let reason = now["status"]["lastScaleReason"].as_str().unwrap();
    assert!(reason.contains("for 10 s,") && reason.starts_with("scaled from "), "{reason}");
    assert!(now["status"]["lastScaleTime"].is_string());
    let events = namespace.kubectl("get events -o custom-columns=R:.reason,N:.message");
    for reason in ["ScaledOut", "ScaledIn", "PodsChosen"] {
        assert!(events.contains(reason), "{reason} in {events}");
    }
}

/// Room of a pod, and how many more streams there is to be room for: one pod is enough at rest.
const SLOTS: usize = 30;
/// Time between two clients: pods have to be there in less than those need to fill one, and the Service sends each to any
/// pod, full or not. That all but one go to the first in spite of a second is less likely than one in a million.
const BETWEEN_CLIENTS: Duration = Duration::from_millis(900);

#[tokio::test(flavor = "multi_thread")]
async fn clients_come_one_after_the_other_and_none_is_refused() {
    let namespace = Namespace::restricted("crowd");
    let (folder, take) = (tempfile::tempdir().unwrap(), Take::new(313));
    let spec = json!({
        "drainSeconds": 5,
        "limits": { "maxStreams": SLOTS },
        "autoscaling": { "minReplicas": 1, "maxReplicas": 4, "streams": { "freeSlots": SLOTS } },
        "podTemplate": small_pods(),
    });
    let url = converter::reachable(&namespace, "hall", spec).await;
    until_ready(&namespace, "hall", 1);

    // One more than the pod at rest has room for; nobody looks whether there is room, and no client tries twice.
    let mut clock = tokio::time::interval(BETWEEN_CLIENTS);
    let mut live = Vec::new();
    for number in 0..=SLOTS {
        clock.tick().await;
        live.push(Live::start(&url, &take, folder.path().join(format!("{number}.flac")), &["--retries", "0"]));
    }
    until_ready(&namespace, "hall", 3);
    until_streams(&staying(&namespace), SLOTS as u64 + 1).await;
    let reason = namespace.get("acv/hall")["status"]["lastScaleReason"].clone();
    assert_eq!(reason, format!("scaled from 2 to 3: {} live streams and {SLOTS} free slots need 3 pods", SLOTS + 1));
    for live in live {
        assert_eq!(live.end().await, 0);
    }
}

const STREAMS: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn twenty_streams_outlive_a_rollout_evictions_and_a_bad_image() {
    let namespace = Namespace::restricted("outlive");
    let (folder, takes) = (tempfile::tempdir().unwrap(), [303, 304, 305].map(Take::new));
    let flac = |number: usize| folder.path().join(format!("{number}.flac"));
    // Little time to finish: most streams are handed over.
    let spec = json!({
        "replicas": 2, "drainSeconds": 2, "disruptionBudget": { "maxUnavailable": 1 }, "podTemplate": small_pods(),
    });
    let url = converter::reachable(&namespace, "live", spec).await;
    until_ready(&namespace, "live", 2);
    let live: Vec<Live> = (0..STREAMS).map(|number| Live::start(&url, &takes[number % 3], flac(number), &[])).collect();
    until_streams(&staying(&namespace), STREAMS as u64).await;

    // A new setting, and all pods with it.
    let before = staying(&namespace);
    let client = kube::Client::try_default().await.unwrap();
    let mut record = Recorder::start(&client, namespace.name(), "apps/v1/Deployment").await;
    namespace
        .patch("acv/live", &json!({ "spec": { "podTemplate": { "annotations": { "example.com/take": "two" } } } }));
    let gone = |before: &[Pod]| {
        block_in_place(|| {
            wait::until("all pods are others", STEP, || {
                let now = pods(&namespace);
                let old = now.iter().filter(|pod| before.iter().any(|old| old.name == pod.name)).count();
                let ready = now.iter().filter(|pod| pod.ready && !pod.stopping).count();
                if old == 0 && ready == 2 { Ok(()) } else { Err(format!("{now:?}")) }
            });
        });
    };
    gone(&before);
    until_streams(&staying(&namespace), STREAMS as u64).await;
    namespace.kubectl("annotate deployment/live example.com/rollout=over");
    let changes = record.up_to(&version(&namespace.get("deployment/live"))).await;
    let available: Vec<Option<i64>> =
        changes.iter().map(|change| change["status"]["availableReplicas"].as_i64()).collect();
    println!("available over {} changes: {available:?}", available.len());
    assert!(available.iter().all(|count| *count >= Some(2)), "{available:?}");

    // Every pod evicted in turn, as a node drain does it: asked again for as long as the budget refuses.
    let before = staying(&namespace);
    let mut config = kube::Config::infer().await.unwrap();
    // It would ask again by itself.
    config.default_retry = false;
    let client = kube::Client::try_from(config).unwrap();
    let api = kube::Api::<k8s_openapi::api::core::v1::Pod>::namespaced(client, namespace.name());
    let refused = AtomicUsize::new(0);
    for pod in &before {
        wait::until_async(&format!("{} is evicted", pod.name), STEP, async || {
            match api.evict(&pod.name, &EvictParams::default()).await {
                Ok(_) => Ok(()),
                Err(kube::Error::Api(status)) if status.code == 429 => {
                    refused.fetch_add(1, Ordering::Relaxed);
                    Err(status.message.clone())
                }
                Err(error) => panic!("{error}"),
            }
        })
        .await;
    }
    gone(&before);
    assert!(refused.into_inner() > 0, "the second was refused while the first was away");
    until_streams(&staying(&namespace), STREAMS as u64).await;

    // An image that is not there: the old pods go on, and the converter says what is wrong.
    let before: Vec<String> = staying(&namespace).into_iter().map(|pod| pod.name).collect();
    let bad = json!({ "image": "flacship.dev/absent:none", "imagePullPolicy": "Never" });
    namespace.patch("acv/live", &json!({ "spec": bad }));
    let degraded = block_in_place(|| {
        namespace.until("says that the image is bad", "acv/live", STEP, |now| {
            condition_is(now, "Degraded", "True", "PodsNotStarting")
        })
    });
    assert!(degraded.message.contains("flacship.dev/absent:none"), "{}", degraded.message);
    let now = namespace.get("acv/live");
    assert_eq!(now["status"]["readyReplicas"], 2);
    assert_eq!(condition(&now, "Ready").unwrap().status, "True");
    let serving: Vec<String> = staying(&namespace).into_iter().filter(|pod| pod.ready).map(|pod| pod.name).collect();
    assert_eq!(serving, before);
    let new = Live::start(&url, &takes[0], flac(STREAMS), &["--retries", "0"]);
    assert_eq!(new.end().await, 0, "a new stream");

    let mut reconnects = 0;
    for live in live {
        reconnects += live.end().await;
    }
    println!("{STREAMS} streams, {reconnects} reconnects");
    assert!(reconnects >= STREAMS as u64, "every stream lost a pod");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_ends_during_a_rollout_ends_on_its_stopping_pod() {
    let namespace = Namespace::restricted("finish");
    let (folder, take) = (tempfile::tempdir().unwrap(), Take::new(314));
    // Longer than the test waits for anything.
    let drain = 3 * STEP.as_secs();
    let spec = json!({ "replicas": 1, "drainSeconds": drain, "podTemplate": small_pods() });
    let url = converter::reachable(&namespace, "finale", spec).await;
    until_ready(&namespace, "finale", 1);
    let live = Live::start(&url, &take, folder.path().join("last.flac"), &["--retries", "0"]);
    let old = staying(&namespace).remove(0);
    until_streams(std::slice::from_ref(&old), 1).await;

    let template = json!({ "annotations": { "example.com/take": "two" } });
    namespace.patch("acv/finale", &json!({ "spec": { "podTemplate": template } }));
    block_in_place(|| {
        wait::until("the pod stops, and another is ready", STEP, || {
            let now = pods(&namespace);
            let stops = now.iter().any(|pod| pod.name == old.name && pod.stopping);
            let ready = now.iter().any(|pod| pod.name != old.name && pod.ready);
            if stops && ready { Ok(()) } else { Err(format!("{now:?}")) }
        });
    });
    // Beyond the time in which it takes streams that come late.
    wait::until_async("the pod drains", STEP, async || {
        let said = reqwest::get(format!("{}/status", old.url())).await.map_err(|error| error.to_string())?;
        let said = said.text().await.map_err(|error| error.to_string())?;
        if said.contains("\"phase\":\"draining\"") { Ok(()) } else { Err(said) }
    })
    .await;
    assert_eq!(streams(&old).await, 1, "it has its stream still");
    block_in_place(|| {
        namespace.until("counts the one that drains apart", "acv/finale", STEP, |now| {
            let status = &now["status"];
            (status["readyReplicas"] == 1 && status["drainingReplicas"] == 1).then_some(())
        });
    });
    assert_eq!(live.end().await, 0);
    // Nothing is left to wait for.
    namespace.wait_for(&format!("pod/{}", old.name), "delete", STEP);
}
