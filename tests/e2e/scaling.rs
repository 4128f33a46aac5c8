//! How many pods run: what `kubectl scale` says, what the autoscaler says under load, and no detour over 1 between them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::object::{condition, condition_is, is_observed, version};
use crate::harness::recorder::Recorder;
use crate::harness::wait::{self, STEP};
use crate::harness::{Namespace, converter};
use e2e::audio::{Audio, Shape};

fn small_pods() -> Value {
    json!({ "resources": { "requests": { "cpu": "50m", "memory": "32Mi" } } })
}

#[test]
fn kubectl_scale_is_followed() {
    let namespace = Namespace::restricted("scale");
    converter::ready(&namespace, "chorus", &json!({ "podTemplate": small_pods() }));
    assert_eq!(namespace.get("acv/chorus")["spec"]["replicas"], 1, "the count is filled in");
    for wanted in [3, 0, 2] {
        namespace.kubectl(&format!("scale acv/chorus --replicas={wanted}"));
        let now = namespace.until(&format!("runs {wanted}"), "acv/chorus", STEP, |now| {
            let counts = (now["status"]["replicas"].as_i64()?, now["status"]["readyReplicas"].as_i64()?);
            (is_observed(now) && counts == (wanted, wanted)).then(|| now.clone())
        });
        assert_eq!(condition(&now, "Ready").unwrap().status, "True");
        assert_eq!(namespace.get("deployment/chorus")["spec"]["replicas"], wanted);
    }
    let scale: Value = serde_json::from_str(&namespace.kubectl("get acv/chorus --subresource=scale -o json")).unwrap();
    assert_eq!(scale["spec"]["replicas"], 2);
    assert_eq!(scale["status"]["replicas"], 2);
    let selector = scale["status"]["selector"].as_str().unwrap();
    let selected = namespace.kubectl(&format!("get pods -l {selector} -o name --field-selector=status.phase=Running"));
    assert!(selected.lines().count() >= 2, "the selector finds the pods: {selected}");
}

/// How much load there is at most: clients, and requests of each.
const CLIENTS: usize = 4;
const REQUESTS: usize = 2000;
const PATIENCE: Duration = Duration::from_mins(3);

#[tokio::test(flavor = "multi_thread")]
async fn the_autoscaler_follows_real_load() {
    let namespace = Namespace::restricted("autoscaling");
    let mut template = small_pods();
    // So that the load leaves the machine to the rest of the cluster.
    template["resources"]["limits"] = json!({ "cpu": "300m", "memory": "256Mi" });
    let autoscaling = json!({ "minReplicas": 1, "maxReplicas": 3, "cpu": { "averageUtilization": 60 } });
    let url =
        converter::reachable(&namespace, "crowd", json!({ "autoscaling": autoscaling, "podTemplate": template })).await;

    // At rest it reads a real metric and wants one pod.
    namespace.until("reads an idle pod", "hpa/crowd", PATIENCE, |now| {
        let idle = now["status"]["currentMetrics"][0]["resource"]["current"]["averageUtilization"].as_i64()? < 60;
        (idle && now["status"]["currentReplicas"] == 1 && now["status"]["desiredReplicas"] == 1).then_some(())
    });
    namespace.until("says that the autoscaler works", "acv/crowd", STEP, |now| {
        condition_is(now, "ScalingActive", "True", "AutoscalerActive")
    });
    assert_eq!(namespace.get("acv/crowd")["spec"]["replicas"], 1);
    let target = namespace.get("hpa/crowd")["spec"]["scaleTargetRef"].clone();
    assert_eq!((&target["kind"], &target["name"]), (&json!("AudioConverter"), &json!("crowd")));

    let enough = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let wav = bytes::Bytes::from(Audio::music(Shape::CD, 10.0, 3).wav().unwrap());
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (url, wav, enough, answered) =
                (format!("{url}/convert"), wav.clone(), enough.clone(), answered.clone());
            tokio::spawn(async move {
                let client = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
                let start = Instant::now();
                for _ in 0..REQUESTS {
                    if enough.load(Ordering::Relaxed) || start.elapsed() > PATIENCE {
                        break;
                    }
                    let answer = client.post(&url).body(wav.clone()).send().await.expect("an answer under load");
                    assert!(answer.status().is_success(), "{}", answer.status());
                    answer.bytes().await.expect("a whole answer under load");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let scaled = tokio::task::block_in_place(|| {
        namespace.until("has more pods", "acv/crowd", PATIENCE, |now| {
            (now["spec"]["replicas"].as_i64()? >= 2 && now["status"]["readyReplicas"].as_i64()? >= 2)
                .then(|| now.clone())
        })
    });
    enough.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    println!("{} conversions; {}", answered.load(Ordering::Relaxed), wait::brief(&scaled));
    assert!(answered.load(Ordering::Relaxed) > 0);
    assert!(namespace.get("deployment/crowd")["spec"]["replicas"].as_i64().unwrap() >= 2);
    namespace.kubectl("get hpa,acv,pods");
}

/// Who writes the wanted count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    People,
    Autoscaler,
    Streams,
}

/// Waits until the operator has followed the present spec, the Deployment runs what it wants, and whoever writes the
/// count by it has looked.
fn settled(namespace: &Namespace, by: By) -> i64 {
    namespace.until("is settled", "acv/duo", STEP, |now| {
        let wanted = now["spec"]["replicas"].as_i64()?;
        let runs = now["status"]["readyReplicas"].as_i64()?;
        let follows = match by {
            By::People => condition(now, "ScalingActive").is_none(),
            By::Autoscaler => condition(now, "ScalingActive").is_some_and(|it| it.reason != "StreamsFollowed"),
            By::Streams => condition_is(now, "ScalingActive", "True", "StreamsFollowed").is_some(),
        };
        let hpa = namespace.find("hpa/duo").is_some();
        (is_observed(now) && wanted == runs && follows && hpa == (by == By::Autoscaler)).then_some(wanted)
    })
}

/// The counts that an object was given, as a watch tells them; none where the spec leaves it out.
fn counts(changes: &[Value]) -> Vec<Option<i64>> {
    changes.iter().map(|change| change["spec"]["replicas"].as_i64()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn switching_between_fixed_and_automatic_never_passes_through_one() {
    let namespace = Namespace::restricted("switching");
    let manifest = |extra: Value| {
        let mut spec = json!({ "podTemplate": small_pods() });
        spec.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        converter::manifest("duo", &spec)
    };

    namespace.apply(&manifest(json!({ "replicas": 3 })));
    assert_eq!(settled(&namespace, By::People), 3);
    let client = kube::Client::try_default().await.unwrap();
    let mut deployments = Recorder::start(&client, namespace.name(), "apps/v1/Deployment").await;
    let mut converters = Recorder::start(&client, namespace.name(), "flacship.dev/v1alpha1/AudioConverter").await;

    // Each hands its count over to the next, which may take pods away, and in this time has no reason to.
    let patient = |how: &str, target: Value| {
        let mut autoscaling =
            json!({ "minReplicas": 2, "maxReplicas": 4, "scaleDown": { "stabilizationSeconds": 3600 } });
        autoscaling[how] = target;
        manifest(json!({ "autoscaling": autoscaling }))
    };
    let streams = patient("streams", json!({ "targetPerReplica": 10 }));
    namespace.apply(&streams);
    assert_eq!(settled(&namespace, By::Streams), 3);
    namespace.apply(&patient("cpu", json!({ "averageUtilization": 90 })));
    assert_eq!(settled(&namespace, By::Autoscaler), 3);
    namespace.until("has looked at the pods", "hpa/duo", PATIENCE, |now| {
        (now["status"]["currentMetrics"].is_array() && now["status"]["desiredReplicas"] == 3).then_some(())
    });
    namespace.apply(&streams);
    assert_eq!(settled(&namespace, By::Streams), 3);
    namespace.apply(&manifest(json!({})));
    assert_eq!(settled(&namespace, By::People), 3, "taking autoscaling away keeps the count");
    namespace.kubectl("annotate deployment/duo example.com/handed-over=yes");
    namespace.kubectl("annotate acv/duo example.com/handed-over=yes");
    let given = counts(&deployments.up_to(&version(&namespace.get("deployment/duo"))).await);
    assert!(given.iter().all(|count| *count == Some(3)), "the Deployment's: {given:?}");
    let wanted = counts(&converters.up_to(&version(&namespace.get("acv/duo"))).await);
    println!("spec.replicas over {} changes: {wanted:?}", wanted.len());
    // A manifest that leaves the count out takes it out of the spec, until the operator fills in what runs.
    assert!(wanted.iter().flatten().all(|count| *count == 3), "the AudioConverter's: {wanted:?}");

    // On, with the count left out, as the manifest of an autoscaled converter has it; off; on; and a fixed count again.
    let autoscaling = json!({ "minReplicas": 2, "maxReplicas": 4, "cpu": { "averageUtilization": 90 } });
    namespace.apply(&manifest(json!({ "autoscaling": autoscaling.clone() })));
    assert!(settled(&namespace, By::Autoscaler) >= 2);
    // The autoscaler has written a count of its own before it is taken away again.
    namespace
        .until("is scaled in, being idle", "acv/duo", PATIENCE, |now| (now["spec"]["replicas"] == 2).then_some(()));
    namespace.apply(&manifest(json!({})));
    let kept = settled(&namespace, By::People);
    assert_eq!(kept, 2, "taking autoscaling away keeps the count");
    namespace.patch("acv/duo", &json!({ "spec": { "autoscaling": autoscaling } }));
    assert!(settled(&namespace, By::Autoscaler) >= 2);
    namespace.patch_as("json", "acv/duo", &json!([{ "op": "remove", "path": "/spec/autoscaling" }]));
    assert!(settled(&namespace, By::People) >= 2);
    namespace.apply(&manifest(json!({ "replicas": 4 })));
    assert_eq!(settled(&namespace, By::People), 4);

    namespace.kubectl("annotate deployment/duo example.com/switching=over");
    let seen = counts(&deployments.up_to(&version(&namespace.get("deployment/duo"))).await);
    println!("spec.replicas over {} changes: {seen:?}", seen.len());
    assert!(seen.iter().all(|count| count.is_some_and(|count| (2..=4).contains(&count))), "{seen:?}");
    assert_eq!(seen.last(), Some(&Some(4)));
}
