//! Deleting a resource of ours takes everything with it that was made for it, and nothing else.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::harness::object::{owner_uids, uid};
use crate::harness::volume::Volume;
use crate::harness::wait::{self, STEP};
use crate::harness::{Namespace, converter, kubectl};
use e2e::audio::{Audio, Shape};

/// Every object of the namespace, of every kind that the apiserver lists, as its kind and name.
fn everything(namespace: &Namespace) -> Vec<Value> {
    let kinds = kubectl::run_quietly(&["api-resources", "--namespaced", "--verbs=list", "-o", "name"], None).unwrap();
    // Events are history, and metrics are readings of pods.
    let kinds: Vec<&str> =
        kinds.lines().filter(|kind| !kind.starts_with("events") && !kind.ends_with("metrics.k8s.io")).collect();
    assert!(kinds.len() > 20, "api-resources lists the kinds: {kinds:?}");
    namespace.list(&kinds.join(","))
}

fn describe(object: &Value) -> String {
    format!("{}/{}", object["kind"].as_str().unwrap_or("?"), object["metadata"]["name"].as_str().unwrap_or("?"))
}

/// What belongs to `owner`: by owner reference, over any number of steps, or by the label of its name.
fn belongings(objects: &[Value], owner: &str, name: &str) -> BTreeSet<String> {
    let mut owners = BTreeSet::from([owner.to_owned()]);
    loop {
        let more: BTreeSet<String> = objects
            .iter()
            .filter(|object| {
                let labelled = object["metadata"]["labels"]["app.kubernetes.io/instance"] == name;
                labelled || owner_uids(object).iter().any(|uid| owners.contains(uid))
            })
            .map(uid)
            .chain(owners.iter().cloned())
            .collect();
        if more.len() == owners.len() {
            return objects.iter().filter(|object| owners.contains(&uid(object))).map(describe).collect();
        }
        owners = more;
    }
}

#[test]
fn nothing_of_a_deleted_resource_is_left() {
    let namespace = Namespace::restricted("removal");
    let volume = Volume::with_claim(&namespace, "tapes");
    volume.folder("", 0o777, None);
    let audio = Audio::music(Shape::VOICE, 1.0, 1);
    fs::write(volume.root().join("a.wav"), audio.wav().unwrap()).unwrap();

    let before: BTreeSet<String> = everything(&namespace).iter().map(describe).collect();
    converter::ready(
        &namespace,
        "band",
        &json!({
            "autoscaling": { "minReplicas": 1, "maxReplicas": 2, "cpu": { "averageUtilization": 90 } },
            "podTemplate": { "resources": { "requests": { "cpu": "100m" } } },
        }),
    );
    namespace.apply(&json!({
        "apiVersion": "flacship.dev/v1alpha1", "kind": "ConversionJob", "metadata": { "name": "shelf" },
        "spec": { "source": { "volume": volume.source() } },
    }));
    namespace.wait_for("cvj/shelf", "condition=Complete", STEP);

    let objects = everything(&namespace);
    let band = belongings(&objects, &uid(&namespace.get("acv/band")), "band");
    let shelf = belongings(&objects, &uid(&namespace.get("cvj/shelf")), "shelf");
    println!("{band:#?}\n{shelf:#?}");
    for child in [
        "Deployment/band",
        "Service/band",
        "ServiceAccount/band",
        "Secret/band-stream-key",
        "HorizontalPodAutoscaler/band",
    ] {
        assert!(band.contains(child), "{child} is not the converter's");
    }
    for kind in ["ReplicaSet/", "Pod/", "EndpointSlice/"] {
        assert!(band.iter().any(|object| object.starts_with(kind)), "no {kind} is the converter's");
    }
    for child in ["Job/shelf-plan", "Job/shelf-convert", "Job/shelf-report"] {
        assert!(shelf.contains(child), "{child} is not the job's");
    }
    let made: BTreeSet<String> = objects.iter().map(describe).filter(|object| !before.contains(object)).collect();
    let known: BTreeSet<String> = band.union(&shelf).cloned().collect();
    assert_eq!(made, known, "what was made since is theirs, and found to be");

    namespace.kubectl("delete acv/band cvj/shelf");
    wait::until("everything of theirs is gone", STEP, || {
        let now: BTreeSet<String> = everything(&namespace).iter().map(describe).collect();
        let left: Vec<String> = now.intersection(&made).cloned().collect();
        if left.is_empty() { Ok(now) } else { Err(format!("{left:?}")) }
    });
    let now: BTreeSet<String> = everything(&namespace).iter().map(describe).collect();
    assert_eq!(now, before, "what was there before is there still, and no more");
    audio.check_flac_file(&volume.root().join("a.flac")).unwrap();
}
