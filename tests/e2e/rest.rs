//! While nothing changes, nothing is written; and of what happens again there is one Event that counts.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::object::{condition, is_observed, version};
use crate::harness::recorder::Recorder;
use crate::harness::volume::Volume;
use crate::harness::wait::{self, STEP};
use crate::harness::{Namespace, converter, kubectl, operator};
use e2e::audio::{Audio, Shape};

/// How long nothing may be written. Any length will do: a write that repeats itself every few seconds shows.
const REST: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_while_nothing_changes() {
    let namespace = Namespace::restricted("rest");
    let volume = Volume::with_claim(&namespace, "tapes");
    volume.folder("", 0o777, None);
    let wav = Audio::music(Shape::VOICE, 1.0, 1).wav().unwrap();
    std::fs::write(volume.root().join("a.wav"), wav).unwrap();
    namespace.apply(&json!({
        "apiVersion": "flacship.dev/v1alpha1", "kind": "ConversionJob", "metadata": { "name": "done" },
        "spec": { "source": { "volume": volume.source() } },
    }));
    converter::ready(&namespace, "calm", &json!({ "replicas": 1 }));
    // Its HPA's status follows the metrics, so what watches it has reason enough to write.
    let autoscaling = json!({ "minReplicas": 1, "maxReplicas": 3, "cpu": { "averageUtilization": 80 } });
    let template = json!({ "resources": { "requests": { "cpu": "500m" } } });
    converter::ready(&namespace, "scaled", &json!({ "autoscaling": autoscaling, "podTemplate": template }));
    // Its pods are asked every few seconds.
    let autoscaling = json!({ "minReplicas": 1, "maxReplicas": 3, "streams": { "freeSlots": 5 } });
    converter::ready(&namespace, "followed", &json!({ "autoscaling": autoscaling }));
    namespace.wait_for("cvj/done", "condition=Complete", STEP);
    for (name, active) in [("calm", None), ("scaled", Some("True")), ("followed", Some("True"))] {
        namespace.until("has come to rest", &format!("acv/{name}"), STEP, |now| {
            let progressing = condition(now, "Progressing")?.status;
            let scaling = condition(now, "ScalingActive").map(|condition| condition.status);
            (is_observed(now) && progressing == "False" && scaling.as_deref() == active).then_some(())
        });
    }

    let client = kube::Client::try_default().await.unwrap();
    let mut events = Recorder::start(&client, namespace.name(), "events.k8s.io/v1/Event").await;
    let mut records = Vec::new();
    for (kind, plural) in [
        ("flacship.dev/v1alpha1/AudioConverter", "acv"),
        ("flacship.dev/v1alpha1/ConversionJob", "cvj"),
        ("apps/v1/Deployment", "deployments"),
        ("/v1/Service", "services"),
        ("/v1/ServiceAccount", "serviceaccounts"),
        ("batch/v1/Job", "jobs"),
        ("apps/v1/ReplicaSet", "replicasets"),
        ("/v1/Pod", "pods"),
    ] {
        let objects = names(&namespace, plural);
        assert!(!objects.is_empty(), "{plural}");
        records.push((objects, Recorder::start(&client, namespace.name(), kind).await));
    }
    let applied = hpa_applied_at(&namespace);
    tokio::time::sleep(REST).await;

    // A change of our own marks the end: it has to be the first that the watch tells.
    let event = names(&namespace, "events.events.k8s.io").pop().expect("something has happened");
    namespace.kubectl(&format!("label {event} rest=over"));
    let told = events.up_to(&version(&namespace.get(&event))).await;
    let (_, told) = told.split_last().expect("our own");
    let ours: Vec<&Value> = told.iter().filter(|event| event["reportingController"] == operator::NAME).collect();
    assert!(ours.is_empty(), "the operator had something to tell: {ours:#?}");
    for (objects, record) in &mut records {
        for object in objects {
            // A label, because an annotation would be the Deployment controller's cause to write.
            namespace.kubectl(&format!("label {object} rest=over"));
            let changes = record.up_to(&version(&namespace.get(object))).await;
            assert_eq!(changes.len(), 1, "something was written before {object} was labelled: {changes:#?}");
        }
    }
    // The HPA's status is kept by its controller; what the operator applied is as old as before.
    assert_eq!(hpa_applied_at(&namespace), applied);
}

/// The objects of a kind, each as `kind/name`.
fn names(namespace: &Namespace, plural: &str) -> Vec<String> {
    let name = |object: &Value| format!("{plural}/{}", object["metadata"]["name"].as_str().unwrap_or_default());
    namespace.list(plural).iter().map(name).collect()
}

#[test]
fn what_happens_again_is_counted_in_one_event() {
    let namespace = Namespace::restricted("again");
    converter::ready(&namespace, "echo", &json!({ "replicas": 0 }));
    for level in [1, 2, 3] {
        namespace.patch("acv/echo", &json!({ "spec": { "encoding": { "compressionLevel": level } } }));
        let events = |events: &[Value]| {
            let updates = events.iter().filter(|event| {
                let (reason, about) = (&event["reason"], &event["regarding"]["name"]);
                event["reportingController"] == operator::NAME && reason == "Updated" && about == "echo"
            });
            updates.map(|event| event["series"]["count"].as_i64().unwrap_or(1)).collect::<Vec<i64>>()
        };
        wait::until(&format!("{level} updates are told in one Event"), STEP, || {
            let counts = events(&namespace.list("events.events.k8s.io"));
            if counts == [level] { Ok(()) } else { Err(format!("{counts:?}")) }
        });
    }
    let described = namespace.kubectl("describe acv echo");
    assert!(described.contains("(x3 over "), "{described}");
}

fn hpa_applied_at(namespace: &Namespace) -> String {
    let words = ["-n", namespace.name(), "get", "hpa/scaled", "-o", "json", "--show-managed-fields"];
    let hpa: Value = serde_json::from_str(&kubectl::run_quietly(&words, None).unwrap()).unwrap();
    let managers = hpa["metadata"]["managedFields"].as_array().unwrap();
    let ours = managers.iter().find(|entry| entry["manager"] == "flacship").expect("the operator applied it");
    ours["time"].as_str().unwrap().to_owned()
}
