//! Children that somebody deletes or edits come back as they were; what is not ours stays as somebody made it.

use serde_json::{Value, json};

use crate::harness::object::{condition, condition_is, is_observed, uid, wanted};
use crate::harness::wait::STEP;
use crate::harness::{Namespace, converter};

const CHILDREN: [&str; 4] = ["deployment/choir", "service/choir", "serviceaccount/choir", "hpa/choir"];

fn choir(namespace: &Namespace) {
    let spec = json!({
        "service": { "type": "NodePort", "port": 8000 },
        "autoscaling": { "minReplicas": 1, "maxReplicas": 2, "cpu": { "averageUtilization": 90 } },
        "podTemplate": { "resources": { "requests": { "cpu": "100m" } } },
    });
    converter::ready(namespace, "choir", &spec);
    for child in CHILDREN {
        namespace.until("exists", child, STEP, |_| Some(()));
    }
}

#[test]
fn a_deleted_child_comes_back() {
    let namespace = Namespace::restricted("deleted-child");
    choir(&namespace);
    for child in CHILDREN {
        let before = namespace.get(child);
        namespace.kubectl(&format!("delete {child}"));
        let after =
            namespace.until("is made again", child, STEP, |now| (uid(now) != uid(&before)).then(|| now.clone()));
        assert_eq!(wanted(&after), wanted(&before), "{child}");
    }
    namespace.wait_for("acv/choir", "condition=Ready", STEP);
}

#[test]
fn a_child_edited_by_hand_is_as_it_was() {
    let namespace = Namespace::restricted("edited-child");
    choir(&namespace);
    // What is ours to say about each child, and what somebody else says that does not concern us.
    for child in CHILDREN {
        namespace.kubectl(&format!("label {child} team=tapes"));
        namespace.kubectl(&format!("annotate {child} example.com/reviewed=yes"));
    }
    namespace.kubectl("set env deployment/choir EXTRA=stays");
    let container = "/spec/template/spec/containers/0";
    let edits: [(&str, &str, Value); 11] = [
        ("deployment/choir", "merge", json!({ "spec": { "replicas": 4 } })),
        (
            "deployment/choir",
            "json",
            json!([{ "op": "replace", "path": format!("{container}/image"), "value": "no/such:image" }]),
        ),
        (
            "deployment/choir",
            "json",
            json!([{ "op": "replace", "path": format!("{container}/args"), "value": ["convert"] }]),
        ),
        ("deployment/choir", "json", json!([{ "op": "remove", "path": format!("{container}/readinessProbe") }])),
        (
            "deployment/choir",
            "strategic",
            json!({ "spec": { "template": { "spec": { "containers": [
            { "name": "converter", "env": [{ "name": "FLACSHIP_LEVEL", "value": "0" }] } ] } } } }),
        ),
        ("service/choir", "json", json!([{ "op": "replace", "path": "/spec/ports/0/port", "value": 8001 }])),
        ("service/choir", "json", json!([{ "op": "replace", "path": "/spec/ports/0/targetPort", "value": 9090 }])),
        ("service/choir", "merge", json!({ "spec": { "selector": { "app.kubernetes.io/instance": "other" } } })),
        ("service/choir", "merge", json!({ "metadata": { "labels": { "app.kubernetes.io/managed-by": null } } })),
        ("serviceaccount/choir", "merge", json!({ "automountServiceAccountToken": true })),
        ("hpa/choir", "merge", json!({ "spec": { "maxReplicas": 7 } })),
    ];
    for (child, type_, edit) in edits {
        let before = namespace.get(child);
        namespace.patch_as(type_, child, &edit);
        let after =
            namespace.until("is as it was", child, STEP, |now| (wanted(now) == wanted(&before)).then(|| now.clone()));
        assert_eq!(uid(&after), uid(&before), "{child} was not made anew");
    }
    for child in CHILDREN {
        let now = namespace.get(child);
        assert_eq!(now["metadata"]["labels"]["team"], "tapes", "{child}");
        assert_eq!(now["metadata"]["annotations"]["example.com/reviewed"], "yes", "{child}");
    }
    let env = namespace.get("deployment/choir")["spec"]["template"]["spec"]["containers"][0]["env"].clone();
    assert!(env.as_array().unwrap().iter().any(|entry| entry["name"] == "EXTRA"), "{env}");
    namespace.kubectl("rollout status deployment/choir --timeout=120s");
}

#[test]
fn what_the_spec_no_longer_asks_for_goes() {
    let namespace = Namespace::restricted("spec-changes");
    choir(&namespace);
    namespace.patch(
        "acv/choir",
        &json!({ "spec": {
        "autoscaling": null,
        "encoding": { "compressionLevel": 8 },
        "service": { "type": "ClusterIP", "port": 8080, "annotations": { "example.com/pool": "a" } },
        "podTemplate": { "env": [{ "name": "RUST_LOG", "value": "debug" }], "labels": { "tier": "audio" } },
    } }),
    );
    namespace.wait_for("hpa/choir", "delete", STEP);
    let service = namespace.until("follows the spec", "service/choir", STEP, |now| {
        (now["spec"]["type"] == "ClusterIP" && now["spec"]["ports"][0]["port"] == 8080).then(|| now.clone())
    });
    assert_eq!(service["spec"]["ports"].as_array().unwrap().len(), 1);
    assert_eq!(service["spec"]["ports"][0]["nodePort"], Value::Null);
    assert_eq!(service["metadata"]["annotations"]["example.com/pool"], "a");
    let env = |now: &Value, name: &str| {
        let env = now["spec"]["template"]["spec"]["containers"][0]["env"].as_array().cloned().unwrap_or_default();
        env.iter().find(|entry| entry["name"] == name).map(|entry| entry["value"].clone())
    };
    namespace.until("follows the spec", "deployment/choir", STEP, |now| {
        (env(now, "FLACSHIP_LEVEL")? == "8" && env(now, "RUST_LOG")? == "debug").then_some(())
    });
    namespace.patch("acv/choir", &json!({ "spec": { "podTemplate": null, "service": { "annotations": null } } }));
    namespace.until("has lost what the spec lost", "deployment/choir", STEP, |now| {
        let labels = &now["spec"]["template"]["metadata"]["labels"];
        (env(now, "RUST_LOG").is_none() && labels["tier"] == Value::Null).then_some(())
    });
    namespace.until("has lost what the spec lost", "service/choir", STEP, |now| {
        (now["metadata"]["annotations"]["example.com/pool"] == Value::Null).then_some(())
    });
    let converter = namespace.until("says Ready of this spec", "acv/choir", STEP, |now| {
        (is_observed(now) && condition(now, "Progressing")?.status == "False").then(|| now.clone())
    });
    assert_eq!(condition(&converter, "Ready").unwrap().status, "True");
}

#[test]
fn a_name_that_somebody_else_has_is_left_alone() {
    let namespace = Namespace::restricted("name-taken");
    let foreign = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "studio", "labels": { "team": "web" } },
        "spec": { "selector": { "app": "website" }, "ports": [{ "port": 443 }] },
    });
    namespace.apply(&foreign);
    let before = namespace.get("service/studio");
    namespace.apply(&converter::manifest("studio", &json!({})));
    let degraded = namespace.until("says that the name is taken", "acv/studio", STEP, |now| {
        condition_is(now, "Degraded", "True", "NameTaken")
    });
    for word in ["Service", "studio"] {
        assert!(degraded.message.contains(word), "{}", degraded.message);
    }
    assert_eq!(condition(&namespace.get("acv/studio"), "Ready").unwrap().status, "False");
    assert_eq!(namespace.get("service/studio"), before, "the other's Service is untouched");

    namespace.kubectl("delete service studio");
    namespace.wait_for("acv/studio", "condition=Ready", STEP);
    let ours = namespace.get("service/studio");
    assert_eq!(ours["spec"]["ports"][0]["port"], 80);
    namespace.kubectl("delete acv studio");
    namespace.wait_for("service/studio", "delete", STEP);

    // A ServiceAccount may have rights: no pod of ours runs as somebody else's.
    namespace.kubectl("create serviceaccount admin");
    let before = namespace.get("serviceaccount/admin");
    namespace.apply(&converter::manifest("admin", &json!({})));
    namespace.until("says that the name is taken", "acv/admin", STEP, |now| {
        condition_is(now, "Degraded", "True", "NameTaken").filter(|told| told.message.contains("ServiceAccount"))
    });
    namespace.get("service/admin");
    assert_eq!(namespace.get("serviceaccount/admin"), before, "the other's ServiceAccount is untouched");
    assert_eq!(namespace.list("deployments").len(), 0);
    namespace.kubectl("delete serviceaccount admin");
    namespace.wait_for("acv/admin", "condition=Ready", STEP);
}
