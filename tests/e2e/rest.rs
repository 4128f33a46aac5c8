//! While nothing changes, nothing is written.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::object::{condition, is_observed, version};
use crate::harness::recorder::Recorder;
use crate::harness::volume::Volume;
use crate::harness::wait::STEP;
use crate::harness::{Namespace, converter, kubectl};
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
    let mut records = Vec::new();
    for (kind, objects) in [
        ("flacship.dev/v1alpha1/AudioConverter", ["acv/calm", "acv/scaled", "acv/followed"].as_slice()),
        ("flacship.dev/v1alpha1/ConversionJob", &["cvj/done"]),
        ("apps/v1/Deployment", &["deployment/calm", "deployment/scaled", "deployment/followed"]),
        ("/v1/Service", &["service/calm", "service/scaled"]),
        ("/v1/ServiceAccount", &["serviceaccount/calm", "serviceaccount/scaled"]),
        ("batch/v1/Job", &["job/done-plan", "job/done-convert", "job/done-report"]),
    ] {
        records.push((objects, Recorder::start(&client, namespace.name(), kind).await));
    }
    let applied = hpa_applied_at(&namespace);
    tokio::time::sleep(REST).await;

    // A change of our own marks the end: it has to be the first that the watch tells.
    for (objects, record) in &mut records {
        for object in *objects {
            // A label, because an annotation would be the Deployment controller's cause to write.
            namespace.kubectl(&format!("label {object} rest=over"));
            let changes = record.up_to(&version(&namespace.get(object))).await;
            assert_eq!(changes.len(), 1, "something was written before {object} was labelled: {changes:#?}");
        }
    }
    // The HPA's status is kept by its controller; what the operator applied is as old as before.
    assert_eq!(hpa_applied_at(&namespace), applied);
}

fn hpa_applied_at(namespace: &Namespace) -> String {
    let words = ["-n", namespace.name(), "get", "hpa/scaled", "-o", "json", "--show-managed-fields"];
    let hpa: Value = serde_json::from_str(&kubectl::run_quietly(&words, None).unwrap()).unwrap();
    let managers = hpa["metadata"]["managedFields"].as_array().unwrap();
    let ours = managers.iter().find(|entry| entry["manager"] == "flacship").expect("the operator applied it");
    ours["time"].as_str().unwrap().to_owned()
}
