//! The state of a namespace's objects as two runs of the same steps have to agree in it: without names of the run,
//! uids, versions, times, and what the server or another controller fills in.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value, json};

/// The group of the resources whose status is the operator's to write.
const OUR_GROUP: &str = "flacship.dev/";
/// Fields of a status that are about when and how fast.
const TIMES: [&str; 7] = [
    "lastTransitionTime",
    "lastScaleTime",
    "startTime",
    "completionTime",
    "estimatedCompletionTime",
    "throughput",
    "bytesPerSecond",
];
/// Annotations that others write, and the one that tells of a fault: how many results of a stage were lost.
const OTHER_ANNOTATIONS: [&str; 3] =
    ["deployment.kubernetes.io/revision", "kubectl.kubernetes.io/last-applied-configuration", "flacship.dev/lost"];
/// Annotation with a hash of what was applied, the owner's uid included: that it is there has to be the same.
const HASH: &str = "flacship.dev/applied-hash";
/// Fields of a Service that the server gives out.
const GIVEN_OUT: [&str; 3] = ["clusterIP", "clusterIPs", "healthCheckNodePort"];
/// Condition that follows another controller's, at that one's pace: that it is there has to be the same.
const FOLLOWING: &str = "ScalingActive";

/// Objects by kind and name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State(BTreeMap<String, Value>);

impl State {
    /// The state of these objects, of the namespace of this name.
    pub fn of(namespace: &str, objects: &[Value]) -> Self {
        let mut names = vec![(namespace.to_owned(), "NAMESPACE".to_owned())];
        for object in objects {
            if let Some(uid) = object["metadata"]["uid"].as_str() {
                names.push((uid.to_owned(), format!("UID({})", key(object))));
            }
        }
        Self(objects.iter().map(|object| (key(object), normal(object, &names))).collect())
    }

    /// The objects, as `Deployment/choir`.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Where `self`, the state that there is, differs from the one that is wanted: a line a place.
    pub fn differences(&self, wanted: &Self) -> Vec<String> {
        let mut found = Vec::new();
        let names: std::collections::BTreeSet<&String> = self.0.keys().chain(wanted.0.keys()).collect();
        for name in names {
            match (self.0.get(name), wanted.0.get(name)) {
                (Some(is), Some(wanted)) => compare(name, is, wanted, &mut found),
                (Some(_), None) => found.push(format!("{name} should not be there")),
                (None, _) => found.push(format!("{name} is missing")),
            }
        }
        found
    }
}

impl fmt::Display for State {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.values().try_for_each(|object| writeln!(out, "{object:#}"))
    }
}

fn key(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    format!("{}/{}", text(&object["kind"]), text(&object["metadata"]["name"]))
}

fn normal(object: &Value, names: &[(String, String)]) -> Value {
    let mut object = object.clone();
    let metadata = object["metadata"].take();
    let ours = object["apiVersion"].as_str().is_some_and(|version| version.starts_with(OUR_GROUP));
    if ours {
        status(&mut object["status"], &metadata["generation"]);
    } else if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    match object["kind"].as_str() {
        Some("Service") => service(&mut object["spec"]),
        Some("Secret") => lengths(&mut object["data"]),
        _ => {}
    }
    let mut annotations = metadata["annotations"].as_object().cloned().unwrap_or_default();
    annotations.retain(|name, _| !OTHER_ANNOTATIONS.contains(&name.as_str()));
    if let Some(hash) = annotations.get_mut(HASH) {
        *hash = Value::Null;
    }
    object["metadata"] = json!({
        "labels": metadata["labels"],
        "annotations": annotations,
        "ownerReferences": metadata["ownerReferences"],
        "finalizers": metadata["finalizers"],
        "terminating": metadata["deletionTimestamp"].is_string(),
    });
    rename(&mut object, names);
    object
}

/// A status of ours: whether it is of the present spec, and neither times nor what follows others.
fn status(status: &mut Value, generation: &Value) {
    match status {
        Value::Object(fields) => {
            fields.retain(|name, _| !TIMES.contains(&name.as_str()));
            for (name, value) in fields.iter_mut() {
                if name == "observedGeneration" {
                    *value = json!(if value == generation { "present" } else { "old" });
                }
            }
            if fields.get("type").is_some_and(|type_| type_ == FOLLOWING) {
                *fields = Map::from_iter([("type".to_owned(), json!(FOLLOWING))]);
            }
            fields.values_mut().for_each(|value| self::status(value, generation));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| self::status(item, generation)),
        _ => {}
    }
}

fn service(spec: &mut Value) {
    if let Some(spec) = spec.as_object_mut() {
        spec.retain(|name, _| !GIVEN_OUT.contains(&name.as_str()));
    }
    for port in spec["ports"].as_array_mut().into_iter().flatten() {
        port.as_object_mut().map(|port| port.remove("nodePort"));
    }
}

/// Random data has to be there, and as long.
fn lengths(data: &mut Value) {
    for value in data.as_object_mut().into_iter().flat_map(Map::values_mut) {
        *value = json!(value.as_str().map(str::len));
    }
}

/// Puts what a name stands for in its place, in all texts and keys.
fn rename(value: &mut Value, names: &[(String, String)]) {
    match value {
        Value::String(text) => {
            for (name, stands_for) in names {
                if text.contains(name.as_str()) {
                    *text = text.replace(name.as_str(), stands_for);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, names)),
        Value::Object(fields) => fields.values_mut().for_each(|field| rename(field, names)),
        _ => {}
    }
}

fn compare(place: &str, is: &Value, wanted: &Value, found: &mut Vec<String>) {
    match (is, wanted) {
        (Value::Object(a), Value::Object(b)) => {
            let fields: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for field in fields {
                let place = format!("{place}.{field}");
                compare(&place, a.get(field).unwrap_or(&Value::Null), b.get(field).unwrap_or(&Value::Null), found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (is, wanted)) in a.iter().zip(b).enumerate() {
                compare(&format!("{place}[{index}]"), is, wanted, found);
            }
        }
        _ if is != wanted => found.push(format!("{place} is {is} and should be {wanted}")),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn objects(namespace: &str, uid: &str, time: &str) -> Vec<Value> {
        vec![
            json!({
                "apiVersion": "flacship.dev/v1alpha1", "kind": "AudioConverter",
                "metadata": { "name": "choir", "namespace": namespace, "uid": uid, "generation": 3 },
                "spec": { "replicas": 0 },
                "status": { "observedGeneration": 3, "endpoint": format!("http://choir.{namespace}.svc"), "conditions": [
                    { "type": "Ready", "status": "True", "observedGeneration": 3, "lastTransitionTime": time },
                    { "type": "ScalingActive", "status": uid },
                ] },
            }),
            json!({
                "apiVersion": "v1", "kind": "Service",
                "metadata": { "name": "choir", "uid": format!("{uid}-2"), "annotations": { "a": "b", HASH: uid },
                    "ownerReferences": [{ "uid": uid }] },
                "spec": { "clusterIP": time, "ports": [{ "port": 80, "nodePort": 31000 }] },
                "status": { "loadBalancer": {} },
            }),
            json!({
                "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "choir-stream-key" },
                "data": { "key": format!("AAA{}", &time[..1]) },
            }),
        ]
    }

    fn state(namespace: &str, uid: &str, time: &str) -> State {
        State::of(namespace, &objects(namespace, uid, time))
    }

    #[test]
    fn what_differs_from_run_to_run_is_left_out() {
        let one = state("e2e-a", "1111-1111", "12:00");
        assert_eq!(one, state("e2e-b", "2222-2222", "99:99"));
        assert_eq!(
            one.names().collect::<Vec<_>>(),
            ["AudioConverter/choir", "Secret/choir-stream-key", "Service/choir"]
        );
        assert!(one.to_string().contains("http://choir.NAMESPACE.svc"), "{one}");
    }

    #[test]
    fn what_matters_is_compared() {
        let wanted = state("e2e", "1", "1");
        for (place, change) in [
            ("/0/status/observedGeneration", json!(2)),
            ("/0/status/conditions/0/status", json!("False")),
            ("/0/status/conditions/1/type", json!("Paused")),
            ("/1/spec/ports/0/port", json!(81)),
            ("/1/metadata/annotations/a", json!("c")),
            ("/1/metadata/ownerReferences", json!([])),
            ("/2/data/key", json!("AAAAA")),
        ] {
            let mut objects = json!(objects("e2e", "1", "1"));
            *objects.pointer_mut(place).unwrap() = change;
            let is = State::of("e2e", objects.as_array().map_or(&[], Vec::as_slice));
            assert!(!is.differences(&wanted).is_empty(), "{place}");
        }
        let fewer = State::of("e2e", &objects("e2e", "1", "1")[..2]);
        assert_eq!(fewer.differences(&wanted), ["Secret/choir-stream-key is missing"]);
        assert_eq!(wanted.differences(&fewer), ["Secret/choir-stream-key should not be there"]);
        assert_eq!(wanted.differences(&wanted), Vec::<String>::new());
    }
}
