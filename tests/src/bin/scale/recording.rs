//! What the operator wrote for each converter, as the audit log of a first run kept it.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use http::Method;
use serde_json::Value;

use crate::audit::{Event, Log};
use crate::plane::converter_name;

/// One write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    pub method: Method,
    pub uri: String,
    /// Content type of the body.
    pub content: &'static str,
    pub body: String,
    /// The uid that the converter had, which the body names.
    pub old_uid: String,
    /// The version that the write asks the converter to have.
    pub old_version: Option<String>,
}

/// All writes, by converter and in their order.
pub struct Recording {
    writes: HashMap<String, Vec<Write>>,
}

impl fmt::Display for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let writes: usize = self.writes.values().map(Vec::len).sum();
        write!(f, "recorded {writes} writes for {} AudioConverters", self.writes.len())
    }
}

impl Recording {
    /// Reads what was written for `count` converters.
    pub fn read(log: &Path, count: usize) -> Result<Self> {
        let mut events = Log::read(log)?.into_events();
        events.retain(|event| event.is_operators() && event.is_write() && event.succeeded());
        events.sort_by_key(|event| event.request_received_timestamp);
        let mut writes: HashMap<String, Vec<Write>> = HashMap::new();
        for event in events {
            // A Lease belongs to no converter.
            if let Some(converter) = converter_of(&event) {
                writes.entry(converter).or_default().push(write(event)?);
            }
        }
        for list in writes.values_mut() {
            let uid = list.iter().map(|write| write.old_uid.clone()).find(|uid| !uid.is_empty());
            let uid = uid.context("no write names the converter's uid")?;
            for write in list {
                write.old_uid.clone_from(&uid);
            }
        }
        let missing = (0..count).map(converter_name).find(|name| !writes.contains_key(name));
        ensure!(missing.is_none(), "nothing was written for {missing:?}");
        Ok(Self { writes })
    }

    /// The writes for the converter `name`.
    pub fn of(&self, name: &str) -> &[Write] {
        self.writes.get(name).map_or(&[], Vec::as_slice)
    }
}

/// The converter that a write is for.
fn converter_of(event: &Event) -> Option<String> {
    let body = &event.request_object;
    if event.resource().starts_with("audioconverters") {
        return Some(event.name().to_owned());
    }
    let owner = &body["metadata"]["ownerReferences"][0];
    let regarding = &body["regarding"];
    let named = if owner["kind"] == "AudioConverter" { owner } else { regarding };
    (named["kind"] == "AudioConverter").then(|| named["name"].as_str().map(str::to_owned))?
}

fn write(event: Event) -> Result<Write> {
    let (method, content) = match event.verb.as_str() {
        "create" => (Method::POST, "application/json"),
        "update" => (Method::PUT, "application/json"),
        // The audit log has no header; a server-side apply of the operator's always has `force`.
        "patch" if event.uri.contains("force=") => (Method::PATCH, "application/apply-patch+yaml"),
        "patch" => (Method::PATCH, "application/merge-patch+json"),
        _ => (Method::DELETE, "application/json"),
    };
    let is_scale = event.resource() == "audioconverters/scale";
    let body = event.request_object;
    let uid = [&body["metadata"]["ownerReferences"][0]["uid"], &body["regarding"]["uid"]]
        .into_iter()
        .find_map(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let asked = body["metadata"]["resourceVersion"].as_str();
    let version = asked.filter(|_| is_scale).map(str::to_owned);
    ensure!(!body.is_null(), "the audit log has no body of {} {}", event.verb, event.uri);
    Ok(Write { method, uri: event.uri, content, body: body.to_string(), old_uid: uid, old_version: version })
}

impl Write {
    /// The body, for a converter with another uid and version.
    pub fn body_for(&self, uid: &str, version: &str) -> String {
        let body = self.body.replace(&self.old_uid, uid);
        match &self.old_version {
            Some(old) => {
                body.replace(&format!("\"resourceVersion\":\"{old}\""), &format!("\"resourceVersion\":\"{version}\""))
            }
            None => body,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn event(verb: &str, uri: &str, reference: &Value, body: &Value) -> Event {
        serde_json::from_value(json!({
            "verb": verb, "requestURI": uri, "objectRef": reference, "requestObject": body,
            "requestReceivedTimestamp": "2026-01-01T00:00:01.000000Z", "stageTimestamp": "2026-01-01T00:00:01.000000Z",
        }))
        .unwrap()
    }

    #[test]
    fn each_write_finds_its_converter() {
        let child = json!({"metadata": {"ownerReferences": [{"kind": "AudioConverter", "name": "a", "uid": "u-1"}]}});
        let note = json!({"regarding": {"kind": "AudioConverter", "name": "b", "uid": "u-2"}});
        for (event, name) in [
            (event("patch", "/x", &json!({"resource": "deployments", "name": "x"}), &child), Some("a")),
            (event("create", "/x", &json!({"resource": "events"}), &note), Some("b")),
            (
                event(
                    "patch",
                    "/x",
                    &json!({"resource": "audioconverters", "subresource": "status", "name": "c"}),
                    &json!({}),
                ),
                Some("c"),
            ),
            (event("patch", "/x", &json!({"resource": "leases", "name": "x"}), &json!({})), None),
        ] {
            assert_eq!(converter_of(&event).as_deref(), name);
        }
    }

    #[test]
    fn a_body_is_fitted_to_another_converter() {
        let body = json!({"metadata": {"resourceVersion": "7"}, "spec": {"replicas": 1}});
        let scale = write(event(
            "patch",
            "/a/scale?fieldManager=x",
            &json!({"resource": "audioconverters", "subresource": "scale"}),
            &body,
        ))
        .unwrap();
        assert_eq!((scale.method.clone(), scale.content), (Method::PATCH, "application/merge-patch+json"));
        let scale = Write { old_uid: "u-1".to_owned(), ..scale };
        assert!(scale.body_for("u-9", "70").contains("\"resourceVersion\":\"70\""));
        let body = json!({"metadata": {"resourceVersion": "0", "ownerReferences": [{"uid": "u-1"}]}});
        let child = write(event("patch", "/a?force=true", &json!({}), &body)).unwrap();
        assert_eq!(child.content, "application/apply-patch+yaml");
        let fitted = child.body_for("u-9", "70");
        assert!(fitted.contains("\"u-9\"") && fitted.contains("\"resourceVersion\":\"0\""), "{fitted}");
    }
}
