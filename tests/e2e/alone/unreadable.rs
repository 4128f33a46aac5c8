//! Resources that were stored by a schema other than today's: one that the operator cannot read says so, one with fields
//! that it does not know is followed like any, and the others go on.

use serde_json::{Value, json};

use crate::harness::object::{condition, condition_is, is_observed};
use crate::harness::wait::{self, STEP};
use crate::harness::{Namespace, converter, job, kubectl};

/// The kinds' CustomResourceDefinitions admit anything, until this is dropped.
struct Lenient {
    before: Vec<Value>,
}

impl Lenient {
    fn begin() -> Self {
        let mut lenient = Self { before: Vec::new() };
        for kind in ["audioconverters", "conversionjobs"] {
            let name = format!("{kind}.flacship.dev");
            let text = kubectl::run_quietly(&["get", "crd", &name, "-o", "json"], None).unwrap();
            let mut crd: Value = serde_json::from_str(&text).expect("kubectl writes JSON");
            for field in ["resourceVersion", "uid", "creationTimestamp", "managedFields"] {
                crd["metadata"].as_object_mut().map(|metadata| metadata.remove(field));
            }
            let mut anything = vec![json!({ "op": "replace", "path": "/spec/versions/0/schema/openAPIV3Schema",
                "value": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } })];
            // A schema that knows no fields has none to select by.
            if crd["spec"]["versions"][0]["selectableFields"].is_array() {
                anything.push(json!({ "op": "remove", "path": "/spec/versions/0/selectableFields" }));
            }
            let anything = json!(anything);
            lenient.before.push(crd);
            kubectl::run_words(&["patch", "crd", &name, "--type=json", "-p", &anything.to_string()], None).unwrap();
        }
        lenient
    }
}

impl Drop for Lenient {
    fn drop(&mut self) {
        for crd in &self.before {
            kubectl::run("replace -f -", Some(&crd.to_string()));
        }
    }
}

/// Stores a converter with fields that the operator does not know, and waits until it is followed all the same.
fn fields_of_another_version_are_no_trouble(namespace: &Namespace) {
    let spec = json!({ "replicas": 0, "reverb": { "room": "hall" }, "service": { "port": 8000, "echo": 2 } });
    namespace.apply(&converter::manifest("newer", &spec));
    namespace.wait_for("acv/newer", "condition=Ready", STEP);
    let status = json!({ "status": { "mood": "calm", "conditions": [
        { "type": "Tuned", "status": "True", "reason": "ByEar", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z" },
    ] } });
    let words = ["patch", "acv/newer", "--subresource=status", "--type=merge", "-p", &status.to_string()];
    kubectl::run_words(&[&["-n", namespace.name()], &words[..]].concat(), None).unwrap();
    namespace.patch("acv/newer", &json!({ "spec": { "service": { "port": 8001 } } }));
    namespace.until("follows the spec", "service/newer", STEP, |now| {
        (now["spec"]["ports"][0]["port"] == 8001).then_some(())
    });
    let now = namespace.until("is well", "acv/newer", STEP, |now| {
        let ready = condition(now, "Ready")?.status == "True" && condition(now, "Degraded")?.status == "False";
        (is_observed(now) && ready).then(|| now.clone())
    });
    assert_eq!((&now["spec"]["reverb"]["room"], &now["status"]["mood"]), (&json!("hall"), &json!("calm")));
}

fn odd() -> Value {
    json!({ "replicas": 0, "service": { "port": "high" } })
}

#[test]
fn a_resource_that_cannot_be_read_says_so_and_stops_no_other() {
    let namespace = Namespace::restricted("unreadable");
    {
        let _lenient = Lenient::begin();
        // The apiserver takes up a schema a moment after it was told it.
        for manifest in [converter::manifest("odd", &odd()), job::manifest("odd", &json!({ "source": 7 }))] {
            wait::until("is stored", STEP, || {
                let said = kubectl::run_quietly(
                    &["-n", namespace.name(), "create", "--validate=false", "-f", "-"],
                    Some(&manifest.to_string()),
                );
                if said.ok { Ok(()) } else { Err(said.stderr) }
            });
        }
        let degraded = namespace.until("says that it cannot be read", "acv/odd", STEP, |now| {
            condition_is(now, "Degraded", "True", "InvalidSpec")
        });
        assert!(degraded.message.contains("cannot be read"), "{}", degraded.message);
        let refused = namespace.until("says that it cannot be read", "cvj/odd", STEP, |now| {
            condition_is(now, "Accepted", "False", "InvalidSpec")
        });
        assert!(refused.message.contains("cannot be read"), "{}", refused.message);
        fields_of_another_version_are_no_trouble(&namespace);
    }
    // Today's schema again: another one is served meanwhile, and the odd one once it is right.
    wait::until("the schema is back", STEP, || {
        let said = namespace.try_apply(&converter::manifest("even", &odd()));
        if said.ok { Err("anything is admitted".to_owned()) } else { Ok(()) }
    });
    converter::ready(&namespace, "even", &json!({ "replicas": 0 }));
    namespace.patch("acv/newer", &json!({ "spec": { "service": { "port": 8002 } } }));
    namespace.until("follows the spec", "service/newer", STEP, |now| {
        (now["spec"]["ports"][0]["port"] == 8002).then_some(())
    });
    assert!(condition_is(&namespace.get("acv/odd"), "Degraded", "True", "InvalidSpec").is_some(), "it is told still");
    namespace.patch("acv/odd", &json!({ "spec": { "service": { "port": 80 } } }));
    namespace.wait_for("acv/odd", "condition=Ready", STEP);
    let healed = namespace.get("acv/odd");
    assert_ne!(condition(&healed, "Degraded").map(|now| now.status).as_deref(), Some("True"));
}
