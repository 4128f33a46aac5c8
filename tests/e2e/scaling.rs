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

/// Waits until the operator has followed the present spec and the Deployment runs what it wants.
fn settled(namespace: &Namespace, autoscaled: bool) -> i64 {
    namespace.until("is settled", "acv/duo", STEP, |now| {
        let wanted = now["spec"]["replicas"].as_i64()?;
        let runs = now["status"]["readyReplicas"].as_i64()?;
        let scaling = condition(now, "ScalingActive").is_some();
        let hpa = namespace.find("hpa/duo").is_some();
        (is_observed(now) && wanted == runs && scaling == autoscaled && hpa == autoscaled).then_some(wanted)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn switching_between_fixed_and_automatic_never_passes_through_one() {
    let namespace = Namespace::restricted("switching");
    let manifest = |extra: Value| {
        let mut spec = json!({ "podTemplate": small_pods() });
        spec.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        converter::manifest("duo", &spec)
    };
    let autoscaling = json!({ "minReplicas": 2, "maxReplicas": 4, "cpu": { "averageUtilization": 90 } });

    namespace.apply(&manifest(json!({ "replicas": 3 })));
    assert_eq!(settled(&namespace, false), 3);
    let client = kube::Client::try_default().await.unwrap();
    let mut record = Recorder::start(&client, namespace.name(), "apps/v1/Deployment").await;

    // On, with the count left out, as the manifest of an autoscaled converter has it; off; on; and a fixed count again.
    namespace.apply(&manifest(json!({ "autoscaling": autoscaling.clone() })));
    assert!(settled(&namespace, true) >= 2);
    // The autoscaler has written a count of its own before it is taken away again.
    namespace
        .until("is scaled in, being idle", "acv/duo", PATIENCE, |now| (now["spec"]["replicas"] == 2).then_some(()));
    namespace.apply(&manifest(json!({})));
    let kept = settled(&namespace, false);
    assert_eq!(kept, 2, "taking autoscaling away keeps the count");
    namespace.patch("acv/duo", &json!({ "spec": { "autoscaling": autoscaling } }));
    assert!(settled(&namespace, true) >= 2);
    namespace.patch_as("json", "acv/duo", &json!([{ "op": "remove", "path": "/spec/autoscaling" }]));
    assert!(settled(&namespace, false) >= 2);
    namespace.apply(&manifest(json!({ "replicas": 4 })));
    assert_eq!(settled(&namespace, false), 4);

    namespace.kubectl("annotate deployment/duo example.com/switching=over");
    let changes = record.up_to(&version(&namespace.get("deployment/duo"))).await;
    let seen: Vec<i64> = changes.iter().map(|change| change["spec"]["replicas"].as_i64().unwrap()).collect();
    println!("spec.replicas over {} changes: {seen:?}", seen.len());
    assert!(seen.iter().all(|count| (2..=4).contains(count)), "{seen:?}");
    assert_eq!(seen.last(), Some(&4));
}
