//! Field ownership (`metadata.managedFields`): how a hand edit that cannot stand beside ours is made to go.
//!
//! Server-side apply removes only what its own manager has set. Where somebody's edit is in the way (a Service port
//! that he renumbered keeps the name `http`, which our port needs), the apiserver refuses the merged object as invalid.
//! Then we claim the spec: the ownership of what others set in it becomes ours, so that the next apply removes what we
//! do not ask for. Go's client-go does the same to move from client-side to server-side apply (`csaupgrade`).
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
    fn without_others_there_is_nothing_to_claim() {
        assert_eq!(claim_spec(&[], "v1"), None);
    }
}
