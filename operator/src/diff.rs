//! Whether a live object still is what we want: a pure comparison of JSON, so that nothing is written at rest.
//!
//! The apiserver fills in defaults, respells quantities and drops empty values, and others add labels, sidecars and
//! the like. None of that is a difference. What we once set and no longer ask for cannot be seen in the live object;
//! the hash in the annotation [`labels::APPLIED_HASH`] tells of it.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use crate::{labels, names, quantity};

/// The lists that the API merges element by element, and the fields that tell their elements apart. Every other list
/// is replaced as a whole.
const KEYED_LISTS: &[(&str, &[&str])] = &[
    ("containers", &["name"]),
    ("initContainers", &["name"]),
    ("env", &["name"]),
    ("volumes", &["name"]),
    ("volumeMounts", &["mountPath"]),
    ("imagePullSecrets", &["name"]),
    ("ownerReferences", &["uid"]),
    ("topologySpreadConstraints", &["topologyKey", "whenUnsatisfiable"]),
];

/// `ports` of containers and Services are keyed as well, by the one of these that they have, and by protocol (TCP unless
/// said). Those of a NetworkPolicy are replaced as a whole; they lead nowhere.
const PORT_KEYS: [&str; 2] = ["containerPort", "port"];
const PORT_LEADS_TO: [&str; 2] = ["containerPort", "targetPort"];

/// Maps that the API replaces as a whole: a key that somebody adds changes what they mean. A `selector` is one where it
/// maps to plain texts, as in a Service.
const ATOMIC_MAPS: &[&str] = &["nodeSelector", "matchLabels", "selector"];

/// What the API replaces as a whole and fills no defaults into, where a field that somebody adds changes what it means:
/// label selectors, and whom a NetworkPolicy lets in.
const EXACT: &[&str] = &["selector", "podSelector", "namespaceSelector", "ingress"];

/// Maps that the apiserver leaves out when they are empty (it keeps other empty objects, such as `emptyDir: {}`).
const DROPPED_WHEN_EMPTY: &[&str] = &["labels", "annotations", "matchLabels", "nodeSelector", "limits", "requests"];

/// Switches that the apiserver leaves out when they are off, as off is what leaving out means.
const DROPPED_WHEN_FALSE: &[&str] = &["readOnly", "hostNetwork", "hostPID", "hostIPC"];

/// Whether `live` must be written to become what `desired` says.
pub fn needs_apply(desired: &Value, live: &Value) -> bool {
    !contains("", desired, live)
}

/// A hash of `desired`, for the annotation [`labels::APPLIED_HASH`].
pub fn hash(desired: &Value) -> String {
    names::short_hash(&desired.to_string(), 16)
}

/// Puts the hash of `desired` into its annotations.
pub fn stamp(desired: &mut Value) {
    let hash = hash(desired);
    let annotations = desired
        .as_object_mut()
        .and_then(|object| object.entry("metadata").or_insert_with(|| Value::Object(Map::new())).as_object_mut())
        .and_then(|meta| meta.entry("annotations").or_insert_with(|| Value::Object(Map::new())).as_object_mut());
    if let Some(annotations) = annotations {
        annotations.insert(labels::APPLIED_HASH.to_owned(), Value::String(hash));
    }
}

/// The hash that [`stamp`] put into `desired`, as a number.
pub fn stamped(desired: &Value) -> Option<u64> {
    u64::from_str_radix(desired.get("metadata")?.get("annotations")?.get(labels::APPLIED_HASH)?.as_str()?, 16).ok()
}

/// Whether `live`, under the field `key`, holds all that `want` says.
fn contains(key: &str, want: &Value, live: &Value) -> bool {
    holds(key, want, live) && (!EXACT.contains(&key) || holds(key, live, want))
}

fn holds(key: &str, want: &Value, live: &Value) -> bool {
    match (want, live) {
        (Value::Object(want), Value::Object(live)) if is_atomic(key, want) => want == live,
        (Value::Object(want), Value::Object(live)) => want.iter().all(|(field, value)| match live.get(field) {
            Some(found) => contains_in(key, field, value, found),
            None => dropped_by_the_apiserver(field, value),
        }),
        (Value::Array(want), Value::Array(live)) => contains_list(key, want, live),
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        _ => want == live,
    }
}

fn is_atomic(key: &str, map: &Map<String, Value>) -> bool {
    ATOMIC_MAPS.contains(&key) && map.values().all(Value::is_string)
}

/// As [`contains`]; below `limits` and `requests`, and for a `sizeLimit`, other spellings of a quantity are equal.
fn contains_in(parent: &str, field: &str, want: &Value, live: &Value) -> bool {
    if matches!(parent, "limits" | "requests") || matches!(field, "sizeLimit" | "divisor") {
        return match (want.as_str(), live.as_str()) {
            (Some(a), Some(b)) => a == b || quantity::compare(a, b) == Some(Ordering::Equal),
            _ => want == live,
        };
    }
    contains(field, want, live)
}

fn dropped_by_the_apiserver(field: &str, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty() && DROPPED_WHEN_EMPTY.contains(&field),
        Value::Bool(on) => !on && DROPPED_WHEN_FALSE.contains(&field),
        Value::Number(_) => false,
    }
}

fn contains_list(key: &str, want: &[Value], live: &[Value]) -> bool {
    let leads = |port: &Value| PORT_LEADS_TO.iter().any(|field| port.get(field).is_some());
    let same_element: fn(&str, &Value, &Value) -> bool = if key == "ports" && want.iter().all(leads) {
        |_, a, b| same_port(a, b)
    } else if KEYED_LISTS.iter().any(|(list, _)| *list == key) {
        same_key
    } else {
        return want.len() == live.len() && want.iter().zip(live).all(|(a, b)| contains("", a, b));
    };
    want.iter().all(|item| live.iter().any(|found| same_element(key, item, found) && contains("", item, found)))
}

fn same_key(list: &str, a: &Value, b: &Value) -> bool {
    KEYED_LISTS
        .iter()
        .find(|(name, _)| *name == list)
        .is_some_and(|(_, keys)| keys.iter().all(|key| a.get(key) == b.get(key)))
}

fn same_port(a: &Value, b: &Value) -> bool {
    let protocol = |port: &Value| port.get("protocol").and_then(Value::as_str).unwrap_or("TCP").to_owned();
    protocol(a) == protocol(b) && PORT_KEYS.iter().all(|key| a.get(key) == b.get(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Rows of (what, desired, live, must it be written).
    fn check(rows: &[(&str, Value, Value, bool)]) {
        for (what, desired, live, write) in rows {
            assert_eq!(needs_apply(desired, live), *write, "{what}");
        }
    }

    #[test]
    fn what_the_apiserver_and_others_add_is_no_difference() {
        check(&[
            ("equal", json!({"a": 1}), json!({"a": 1}), false),
            (
                "defaults",
                json!({"spec": {"replicas": 2}}),
                json!({"spec": {"replicas": 2, "minReadySeconds": 0}, "status": {}}),
                false,
            ),
            (
                "foreign label",
                json!({"metadata": {"labels": {"a": "1"}}}),
                json!({"metadata": {"labels": {"a": "1", "b": "2"}}}),
                false,
            ),
            ("cpu respelled", json!({"requests": {"cpu": "1000m"}}), json!({"requests": {"cpu": "1"}}), false),
            ("memory respelled", json!({"limits": {"memory": "1024Mi"}}), json!({"limits": {"memory": "1Gi"}}), false),
            (
                "size respelled",
                json!({"emptyDir": {"sizeLimit": "1024Ki"}}),
                json!({"emptyDir": {"sizeLimit": "1Mi"}}),
                false,
            ),
            (
                "empty value dropped",
                json!({"env": [{"name": "A", "value": ""}]}),
                json!({"env": [{"name": "A"}]}),
                false,
            ),
            ("empty list dropped", json!({"tolerations": []}), json!({}), false),
            ("empty map dropped", json!({"matchLabels": {}}), json!({}), false),
            (
                "switch off dropped",
                json!({"volumeMounts": [{"mountPath": "/a", "readOnly": false}]}),
                json!({"volumeMounts": [{"mountPath": "/a"}]}),
                false,
            ),
            ("float and integer", json!({"a": 1}), json!({"a": 1.0}), false),
        ]);
    }

    #[test]
    fn lists_are_merged_by_their_keys() {
        let desired =
            json!({"containers": [{"name": "main", "image": "a", "ports": [{"containerPort": 80, "name": "http"}]}]});
        let sidecar = json!({"containers": [
            {"name": "proxy", "image": "p"},
            {"name": "main", "image": "a", "imagePullPolicy": "Always", "ports": [
                {"containerPort": 15000, "protocol": "TCP"}, {"containerPort": 80, "name": "http", "protocol": "TCP"}]},
        ]});
        check(&[
            ("injected sidecar", desired.clone(), sidecar, false),
            (
                "image edited",
                desired.clone(),
                json!({"containers": [{"name": "main", "image": "b", "ports": [{"containerPort": 80, "name": "http"}]}]}),
                true,
            ),
            ("container renamed", desired.clone(), json!({"containers": [{"name": "other", "image": "a"}]}), true),
            (
                "port edited",
                desired,
                json!({"containers": [{"name": "main", "image": "a", "ports": [{"containerPort": 81, "name": "http"}]}]}),
                true,
            ),
            (
                "same port, other protocol",
                json!({"ports": [{"port": 80, "targetPort": 80}]}),
                json!({"ports": [{"port": 80, "targetPort": 80, "protocol": "UDP"}]}),
                true,
            ),
            (
                "port added to a Service",
                json!({"ports": [{"port": 80, "targetPort": 80}]}),
                json!({"ports": [{"port": 90, "targetPort": 90}, {"port": 80, "targetPort": 80}]}),
                false,
            ),
            (
                "port added to a NetworkPolicy",
                json!({"ports": [{"port": 80, "protocol": "TCP"}]}),
                json!({"ports": [{"port": 80, "protocol": "TCP"}, {"port": 90, "protocol": "TCP"}]}),
                true,
            ),
            (
                "env edited",
                json!({"env": [{"name": "A", "value": "1"}]}),
                json!({"env": [{"name": "A", "value": "1.0"}]}),
                true,
            ),
            ("atomic list longer", json!({"args": ["serve"]}), json!({"args": ["serve", "--x"]}), true),
            ("atomic list reordered", json!({"args": ["a", "b"]}), json!({"args": ["b", "a"]}), true),
            (
                "atomic list of objects, defaulted",
                json!({"metrics": [{"type": "Resource"}]}),
                json!({"metrics": [{"type": "Resource", "x": 1}]}),
                false,
            ),
            (
                "spread constraint",
                json!({"topologySpreadConstraints": [{"topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "maxSkew": 1}]}),
                json!({"topologySpreadConstraints": [{"topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "maxSkew": 1}]}),
                true,
            ),
        ]);
    }

    #[test]
    fn what_somebody_changed_or_removed_is_a_difference() {
        check(&[
            ("value", json!({"replicas": 2}), json!({"replicas": 3}), true),
            ("zero", json!({"replicas": 0}), json!({"replicas": 3}), true),
            ("removed", json!({"spec": {"a": "x"}}), json!({"spec": {}}), true),
            ("security switch removed", json!({"allowPrivilegeEscalation": false}), json!({}), true),
            ("token switch removed", json!({"automountServiceAccountToken": false}), json!({}), true),
            (
                "volume of another kind",
                json!({"volumes": [{"name": "spool", "emptyDir": {}}]}),
                json!({"volumes": [{"name": "spool", "hostPath": {"path": "/"}}]}),
                true,
            ),
            ("label removed", json!({"labels": {"a": "1"}}), json!({}), true),
            ("quantity", json!({"limits": {"memory": "1Gi"}}), json!({"limits": {"memory": "1G"}}), true),
            ("selector widened", json!({"selector": {"a": "1"}}), json!({"selector": {"a": "1", "b": "2"}}), true),
            (
                "node selector widened",
                json!({"nodeSelector": {"a": "1"}}),
                json!({"nodeSelector": {"a": "1", "b": "2"}}),
                true,
            ),
            (
                "label selector narrowed",
                json!({"podSelector": {"matchLabels": {"a": "1"}}}),
                json!({"podSelector": {"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": "Exists"}]}}),
                true,
            ),
            (
                "label selector as it was",
                json!({"podSelector": {"matchLabels": {}}}),
                json!({"podSelector": {}}),
                false,
            ),
            (
                "peer added to a rule for everybody",
                json!({"ingress": [{"ports": [{"port": 80}]}]}),
                json!({"ingress": [{"ports": [{"port": 80}], "from": [{"podSelector": {}}]}]}),
                true,
            ),
            (
                "rule for everybody as it was",
                json!({"ingress": [{"ports": [{"port": 80}], "from": []}]}),
                json!({"ingress": [{"ports": [{"port": 80}]}]}),
                false,
            ),
            ("another type", json!({"port": 80}), json!({"port": "80"}), true),
            (
                "owner gone",
                json!({"ownerReferences": [{"uid": "1"}]}),
                json!({"ownerReferences": [{"uid": "2"}]}),
                true,
            ),
        ]);
    }

    #[test]
    fn a_field_that_is_no_longer_asked_for_changes_the_hash() {
        let mut before = json!({"metadata": {"name": "x"}, "spec": {"a": 1, "b": 2}});
        let mut after = json!({"metadata": {"name": "x"}, "spec": {"a": 1}});
        stamp(&mut before);
        stamp(&mut after);
        assert!(needs_apply(&after, &before));
        assert!(!needs_apply(&before.clone(), &before));
        let mut bare = json!({});
        stamp(&mut bare);
        assert!(bare["metadata"]["annotations"][labels::APPLIED_HASH].is_string());
        assert!(stamped(&after).is_some() && stamped(&after) != stamped(&before));
        assert_eq!(stamped(&json!({})), None);
    }
}
