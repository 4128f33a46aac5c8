//! Field ownership (`metadata.managedFields`): how a hand edit that cannot stand beside ours is made to go.
//!
//! Server-side apply removes only what its own manager has set. Where somebody's edit is in the way (a Service port
//! that he renumbered keeps the name `http`, which our port needs), the apiserver refuses the merged object as invalid.
//! Then we claim the spec: the ownership of what others set in it becomes ours, so that the next apply removes what we
//! do not ask for. Go's client-go does the same to move from client-side to server-side apply (`csaupgrade`).
//!
//! What is wanted may be invalid in itself. Then a claim would only take what is others': so what would come of it is tried
//! before, see [`after_claim`].
//!
//! Pure functions; format: <https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management>.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry};
use serde_json::{Map, Value};

use crate::labels::MANAGER;

const SPEC: &str = "f:spec";

/// The entries in which everything below `spec` that anybody set is our manager's, or `None` if nobody else set
/// anything there. Entries of subresources (status, scale) stay as they are.
pub fn claim_spec(entries: &[ManagedFieldsEntry], api_version: &str) -> Option<Vec<ManagedFieldsEntry>> {
    let mut claimed = Map::new();
    let mut kept = Vec::new();
    for entry in entries {
        let mut entry = entry.clone();
        if entry.subresource.is_none() && !is_ours(&entry) {
            let fields = entry.fields_v1.as_mut().and_then(|fields| fields.0.as_object_mut());
            if let Some(Value::Object(spec)) = fields.and_then(|fields| fields.remove(SPEC)) {
                union(&mut claimed, spec);
            }
        }
        let empty = entry.fields_v1.as_ref().is_none_or(|fields| fields.0.as_object().is_none_or(Map::is_empty));
        if !empty {
            kept.push(entry);
        }
    }
    if claimed.is_empty() {
        return None;
    }
    let fields = Map::from_iter([(SPEC.to_owned(), Value::Object(claimed))]);
    match kept.iter_mut().find(|entry| is_ours(entry)) {
        Some(ours) => {
            let own = ours.fields_v1.get_or_insert_with(|| FieldsV1(Value::Object(Map::new())));
            if let Some(own) = own.0.as_object_mut() {
                union(own, fields);
            }
        }
        None => kept.push(ManagedFieldsEntry {
            api_version: Some(api_version.to_owned()),
            fields_type: Some("FieldsV1".to_owned()),
            fields_v1: Some(FieldsV1(Value::Object(fields))),
            manager: Some(MANAGER.to_owned()),
            operation: Some("Apply".to_owned()),
            ..ManagedFieldsEntry::default()
        }),
    }
    Some(kept)
}

/// What a claim, and an apply of `wanted` after it, would change in the spec of `live`, as a merge patch (RFC 7396) of the
/// spec: what anybody has set goes unless it is wanted, what nobody has set (defaults, addresses that were allotted) stays.
/// Lists become as wanted as a whole.
pub fn after_claim(entries: &[ManagedFieldsEntry], live: &Value, wanted: &Value) -> Value {
    let mut set = Map::new();
    for entry in entries.iter().filter(|entry| entry.subresource.is_none()) {
        let fields = entry.fields_v1.as_ref().and_then(|fields| fields.0.get(SPEC)?.as_object());
        union(&mut set, fields.cloned().unwrap_or_default());
    }
    let spec = |object: &Value| object.get("spec").and_then(Value::as_object).cloned().unwrap_or_default();
    Value::Object(change(&spec(live), &spec(wanted), Some(&set)))
}

fn change(from: &Map<String, Value>, to: &Map<String, Value>, set: Option<&Map<String, Value>>) -> Map<String, Value> {
    let set_below = |field: &str| set.and_then(|set| set.get(&format!("f:{field}")));
    let gone = from.keys().filter(|field| !to.contains_key(*field) && set_below(field).is_some());
    let gone = gone.map(|field| (field.clone(), Value::Null));
    let others = to.iter().filter(|(field, value)| from.get(*field) != Some(*value)).map(|(field, value)| {
        let value = match (from.get(field), value) {
            (Some(Value::Object(from)), Value::Object(to)) => {
                Value::Object(change(from, to, set_below(field).and_then(Value::as_object)))
            }
            _ => value.clone(),
        };
        (field.clone(), value)
    });
    gone.chain(others).collect()
}

/// Whether `manager`, and nobody else, has set the field at `path` (`["f:spec", "f:replicas"]`), by whatever subresource.
pub fn is_sole_owner(entries: &[ManagedFieldsEntry], path: &[&str], manager: &str) -> bool {
    let owns = |entry: &&ManagedFieldsEntry| {
        let fields = entry.fields_v1.as_ref().map(|fields| &fields.0);
        path.iter().try_fold(fields, |fields, field| fields?.get(*field).map(Some)).flatten().is_some()
    };
    let mut owners = entries.iter().filter(owns).peekable();
    owners.peek().is_some() && owners.all(|entry| entry.manager.as_deref() == Some(manager))
}

fn is_ours(entry: &ManagedFieldsEntry) -> bool {
    entry.manager.as_deref() == Some(MANAGER) && entry.operation.as_deref() == Some("Apply")
}

/// Puts every field of `more` into `set`, at every depth.
fn union(set: &mut Map<String, Value>, more: Map<String, Value>) {
    for (field, below) in more {
        match (set.get_mut(&field), below) {
            (Some(Value::Object(own)), Value::Object(below)) => union(own, below),
            (Some(_), _) => {}
            (None, below) => {
                set.insert(field, below);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entries(entries: Value) -> Vec<ManagedFieldsEntry> {
        serde_json::from_value(entries).unwrap()
    }

    #[test]
    fn what_others_set_in_the_spec_becomes_ours() {
        let before = entries(json!([
            {"manager": "flacship", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
             "fieldsV1": {"f:spec": {"f:ports": {"k:80": {".": {}, "f:name": {}}}}, "f:metadata": {"f:labels": {}}}},
            {"manager": "kubectl-edit", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1",
             "fieldsV1": {"f:spec": {"f:ports": {"k:81": {".": {}}, "k:80": {"f:port": {}}}}, "f:metadata": {"f:annotations": {}}}},
            {"manager": "injector", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
             "fieldsV1": {"f:spec": {"f:type": {}}}},
            {"manager": "cloud", "operation": "Update", "subresource": "status", "apiVersion": "v1", "fieldsType": "FieldsV1",
             "fieldsV1": {"f:status": {"f:loadBalancer": {}}}},
        ]));
        let after = serde_json::to_value(claim_spec(&before, "v1").unwrap()).unwrap();
        let managers: Vec<&str> =
            after.as_array().unwrap().iter().filter_map(|entry| entry["manager"].as_str()).collect();
        assert_eq!(managers, ["flacship", "kubectl-edit", "cloud"]);
        assert_eq!(
            after[0]["fieldsV1"],
            json!({"f:spec": {"f:ports": {"k:80": {".": {}, "f:name": {}, "f:port": {}}, "k:81": {".": {}}}, "f:type": {}},
                   "f:metadata": {"f:labels": {}}})
        );
        assert_eq!(after[1]["fieldsV1"], json!({"f:metadata": {"f:annotations": {}}}));
        assert_eq!(claim_spec(&entries(after), "v1"), None);
    }

    #[test]
    fn an_entry_of_ours_that_is_gone_is_made() {
        let before = entries(json!([
            {"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:spec": {"f:type": {}}}},
        ]));
        let after = claim_spec(&before, "apps/v1").unwrap();
        assert_eq!(after.len(), 1);
        assert!(is_ours(&after[0]));
        assert_eq!(after[0].api_version.as_deref(), Some("apps/v1"));
    }

    #[test]
    fn what_a_claim_would_change_is_what_somebody_set_and_nothing_that_was_allotted() {
        let set = entries(json!([
            {"manager": "flacship", "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {},
                "f:template": {"f:metadata": {"f:labels": {"f:a": {}, "f:old": {}}}}}}},
            {"manager": "kubectl-rollout", "operation": "Update", "fieldsV1": {"f:spec": {"f:paused": {},
                "f:template": {"f:metadata": {"f:annotations": {"f:restartedAt": {}}}}}}},
            {"manager": "cloud", "operation": "Update", "subresource": "status", "fieldsV1": {"f:spec": {"f:address": {}}}},
        ]));
        let live = json!({"spec": {"replicas": 1, "paused": true, "address": "10.0.0.1", "policy": "default",
            "template": {"metadata": {"labels": {"a": "1", "old": "1", "allotted": "1"}, "annotations": {"restartedAt": "now"}},
                "list": [{"name": "x", "default": 1}]}}});
        let wanted = json!({"spec": {"replicas": 1,
            "template": {"metadata": {"labels": {"a": "2"}, "annotations": {"b": "1"}}, "list": [{"name": "x"}]}}});
        assert_eq!(
            after_claim(&set, &live, &wanted),
            json!({"paused": null, "template": {
                "metadata": {"labels": {"a": "2", "old": null}, "annotations": {"b": "1", "restartedAt": null}},
                "list": [{"name": "x"}]}})
        );
        assert_eq!(after_claim(&set, &wanted, &wanted), json!({}));
    }

    #[test]
    fn whose_a_field_is() {
        let scaled = |manager: &str| json!({"manager": manager, "operation": "Update", "subresource": "scale", "fieldsV1": {"f:spec": {"f:replicas": {}}}});
        let other = json!({"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:spec": {"f:paused": {}}}});
        for (what, set, ours) in [
            ("nobody", json!([other]), false),
            ("we", json!([other, scaled("flacship-scale")]), true),
            ("a person", json!([other, scaled("kubectl")]), false),
            ("a person as well", json!([scaled("flacship-scale"), scaled("kubectl")]), false),
        ] {
            assert_eq!(is_sole_owner(&entries(set), &["f:spec", "f:replicas"], "flacship-scale"), ours, "{what}");
        }
    }

    #[test]
    fn without_others_there_is_nothing_to_claim() {
        assert_eq!(claim_spec(&[], "v1"), None);
    }
}
