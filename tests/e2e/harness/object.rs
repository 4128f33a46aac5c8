//! Reads objects as kubectl prints them: conditions, owners, and specs without what the server fills in.

use serde_json::Value;

/// A condition of an object's status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// True, False or Unknown.
    pub status: String,
    /// The word for scripts.
    pub reason: String,
    /// The sentence for people.
    pub message: String,
}

/// The condition of this type.
pub fn condition(object: &Value, type_: &str) -> Option<Condition> {
    let found = object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == type_)?;
    let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
    Some(Condition { status: text("status"), reason: text("reason"), message: text("message") })
}

/// The condition of this type, if it has this status and reason.
pub fn condition_is(object: &Value, type_: &str, status: &str, reason: &str) -> Option<Condition> {
    condition(object, type_).filter(|condition| condition.status == status && condition.reason == reason)
}

/// The object's uid.
pub fn uid(object: &Value) -> String {
    object["metadata"]["uid"].as_str().expect("objects of the server have a uid").to_owned()
}

/// The object's `metadata.resourceVersion`.
pub fn version(object: &Value) -> String {
    object["metadata"]["resourceVersion"].as_str().expect("objects of the server have a version").to_owned()
}

/// Whether the status is of the present spec.
pub fn is_observed(object: &Value) -> bool {
    object["status"]["observedGeneration"] == object["metadata"]["generation"]
}

/// The object without its metadata of this instance, its status, and what a new object gets anew from the server.
pub fn wanted(object: &Value) -> Value {
    let mut object = object.clone();
    let labels = object["metadata"]["labels"].take();
    let owners: Vec<Value> = owner_uids(&object).into_iter().map(Value::from).collect();
    if let Some(map) = object.as_object_mut() {
        map.remove("status");
        map.insert("metadata".into(), serde_json::json!({ "labels": labels, "owners": owners }));
    }
    if object["kind"] == "Service"
        && let Some(spec) = object["spec"].as_object_mut()
    {
        spec.remove("clusterIP");
        spec.remove("clusterIPs");
        for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
            port.as_object_mut().map(|port| port.remove("nodePort"));
        }
    }
    object
}

/// The uids of an object's owners.
pub fn owner_uids(object: &Value) -> Vec<String> {
    let owners = object["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
    owners.iter().filter_map(|owner| owner["uid"].as_str().map(str::to_owned)).collect()
}

/// The first line of a `kubectl get` table as its column names.
pub fn columns(table: &str) -> Vec<&str> {
    table.lines().next().unwrap_or_default().split_whitespace().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn conditions_are_found_by_type() {
        let object = json!({ "status": { "conditions": [
            { "type": "Ready", "status": "False", "reason": "NoReplicasReady", "message": "wait" },
        ] } });
        assert_eq!(condition(&object, "Ready").unwrap().reason, "NoReplicasReady");
        assert_eq!(condition(&object, "Degraded"), None);
        assert!(condition_is(&object, "Ready", "False", "NoReplicasReady").is_some());
        assert!(condition_is(&object, "Ready", "True", "NoReplicasReady").is_none());
        assert_eq!(condition(&json!({}), "Ready"), None);
    }

    #[test]
    fn what_the_server_fills_in_is_left_out() {
        let one = json!({ "kind": "Service",
            "metadata": { "name": "a", "uid": "1", "labels": { "x": "y" }, "ownerReferences": [{ "uid": "o" }] },
            "spec": { "clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1"], "ports": [{ "port": 80, "nodePort": 31000 }] },
            "status": {} });
        let mut other = one.clone();
        other["metadata"]["uid"] = json!("2");
        other["spec"]["clusterIP"] = json!("10.96.0.2");
        other["spec"]["ports"][0]["nodePort"] = json!(31001);
        assert_eq!(wanted(&one), wanted(&other));
        other["spec"]["ports"][0]["port"] = json!(81);
        assert_ne!(wanted(&one), wanted(&other));
    }

    #[test]
    fn columns_are_the_words_of_the_first_line() {
        assert_eq!(columns("NAME   READY\nx   True\n"), ["NAME", "READY"]);
        assert!(columns("").is_empty());
    }
}
