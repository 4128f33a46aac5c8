//! Objects of our kinds that cannot be read: stored before a rule of the schema, or written past it.
//!
//! One of which the status alone cannot be read, as another version of the operator wrote it, loses what cannot be read of
//! that, and is then worked on like any other. Else it gets conditions that say what is wrong with it; everything of it
//! that runs is left as it is.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::error_boundary::InvalidObject;
use kube::{Api, ResourceExt, discovery::ApiResource};
use serde_json::{Map, Value, json};

use crate::conditions;
use crate::context::Context;
use crate::driver::Kind;
use crate::errors::{CallError, call};
use crate::labels::STATUS_MANAGER;
use crate::metrics::Verb;

/// Takes out of the status of an object what cannot be read, if its spec can: its event then wakes it. If not, says so in
/// its conditions and in the log.
pub async fn heal<K: Kind>(ctx: &Context, object: &InvalidObject) -> Result<(), CallError> {
    let name = object.metadata.name.clone().unwrap_or_default();
    let namespace = object.metadata.namespace.clone().unwrap_or_default();
    let api: Api<DynamicObject> = Api::namespaced_with(ctx.client.clone(), &namespace, &ApiResource::erase::<K>(&()));
    let Some(live) = call(format!("get {} {name}", K::NAME), api.get_opt(&name)).await? else { return Ok(()) };
    // What is being deleted is the garbage collector's.
    if live.metadata.deletion_timestamp.is_some() {
        return Ok(());
    }
    match readable_status::<K>(&live) {
        Ok(status) => {
            tracing::warn!(error = object.error, "The resource's status cannot be read, and is made anew");
            let patch = json!({"metadata": {"uid": live.metadata.uid}, "status": status});
            let params = PatchParams { field_manager: Some(STATUS_MANAGER.to_owned()), ..PatchParams::default() };
            let patch = Patch::Merge(&patch);
            call(format!("mend the status of {} {name}", K::NAME), api.patch_status(&name, &params, &patch)).await?;
            ctx.metrics.wrote(K::NAME, Verb::Status);
            Ok(())
        }
        Err(error) => {
            tracing::warn!(%error, "The resource cannot be read");
            report::<K>(ctx, object, &live, &error).await
        }
    }
}

/// The change, as a merge patch, that leaves those fields of the status which can be read: a run's clock is not lost for a
/// word beside it.
fn readable_status<K: Kind>(live: &DynamicObject) -> serde_json::Result<Value> {
    let mut bare = live.clone();
    let status = bare.data.as_object_mut().and_then(|data| data.remove("status"));
    let object = serde_json::to_value(&bare)?;
    K::deserialize(&object)?;
    let Some(Value::Object(status)) = status else { return Ok(Value::Null) };
    let mut kept = Map::new();
    let mut gone = Map::new();
    for (field, value) in status {
        let mut tried = object.clone();
        kept.insert(field.clone(), value);
        if let Some(tried) = tried.as_object_mut() {
            tried.insert("status".to_owned(), Value::Object(kept.clone()));
        }
        if K::deserialize(&tried).is_err() {
            kept.remove(&field);
            gone.insert(field, Value::Null);
        }
    }
    Ok(Value::Object(gone))
}

/// Says in the conditions of `live` why it cannot be read.
async fn report<K: Kind>(
    ctx: &Context,
    object: &InvalidObject,
    live: &DynamicObject,
    error: &serde_json::Error,
) -> Result<(), CallError> {
    let name = live.name_any();
    let namespace = live.namespace().unwrap_or_default();
    let api: Api<DynamicObject> = Api::namespaced_with(ctx.client.clone(), &namespace, &ApiResource::erase::<K>(&()));
    let previous: Vec<Condition> = live
        .data
        .pointer("/status/conditions")
        .and_then(|conditions| serde_json::from_value(conditions.clone()).ok())
        .unwrap_or_default();
    let wanted = K::unreadable(format!("the spec cannot be read: {error}"));
    let merged = conditions::merge(&previous, wanted, object.metadata.generation, &conditions::now());
    if merged.iter().all(|condition| previous.contains(condition)) {
        return Ok(());
    }
    let patch = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::NAME,
        "metadata": {"name": name, "uid": object.metadata.uid},
        "status": {"observedGeneration": object.metadata.generation, "conditions": merged},
    });
    // The manager is another than that of a readable object's status, which would else lose its other fields.
    let params = PatchParams::apply(&format!("{STATUS_MANAGER}-unreadable")).force();
    call(format!("apply the status of {} {name}", K::NAME), api.patch_status(&name, &params, &Patch::Apply(&patch)))
        .await?;
    ctx.metrics.wrote(K::NAME, Verb::Status);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversionjob::fixtures::FakeCluster;
    use crds::conversionjob::ConversionJob;
    use kube::core::DeserializeGuard;

    const PATH: &str = "/apis/flacship.dev/v1alpha1/namespaces/attic/conversionjobs/night";

    fn stored(spec: &Value, status: &Value) -> Value {
        json!({"apiVersion": "flacship.dev/v1alpha1", "kind": "ConversionJob", "spec": spec, "status": status,
            "metadata": {"name": "night", "namespace": "attic", "uid": "u-1", "generation": 2}})
    }

    fn spec() -> Value {
        json!({"source": {"volume": {"persistentVolumeClaim": {"claimName": "tapes"}}}})
    }

    /// What is made of its status, and the paths of the writes.
    async fn healed(stored: &Value) -> (Option<Value>, Vec<String>) {
        let guard: DeserializeGuard<ConversionJob> = serde_json::from_value(stored.clone()).unwrap();
        let cluster =
            FakeCluster::default().json(&format!("GET {PATH}"), stored).json(&format!("PATCH {PATH}"), stored);
        heal::<ConversionJob>(&cluster.context(), &guard.0.unwrap_err()).await.unwrap();
        let live: DynamicObject = serde_json::from_value(stored.clone()).unwrap();
        let patch = readable_status::<ConversionJob>(&live).ok();
        (patch, cluster.asked().into_iter().filter(|asked| !asked.starts_with("GET")).collect())
    }

    #[tokio::test]
    async fn a_status_of_another_version_loses_what_cannot_be_read_of_it() {
        for (status, patch) in [
            (
                json!({"stage": "Rewind", "startTime": "2026-01-01T00:00:00Z", "suspendedSeconds": 7, "files": "many"}),
                json!({"stage": null, "files": null}),
            ),
            (json!({"stage": "Rewind"}), json!({"stage": null})),
            (json!("done"), Value::Null),
        ] {
            let (made, written) = healed(&stored(&spec(), &status)).await;
            assert_eq!(made, Some(patch), "{status}");
            assert!(matches!(&written[..], [one] if one.contains("fieldManager=flacship-status")), "{written:?}");
        }
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_spec_is_said_in_the_conditions() {
        let (patch, written) = healed(&stored(&json!({"source": 3}), &json!({"stage": "Rewind"}))).await;
        assert_eq!(patch, None);
        assert!(
            matches!(&written[..], [one] if one.contains("fieldManager=flacship-status-unreadable")),
            "{written:?}"
        );
        let mut going = stored(&json!({"source": 3}), &Value::Null);
        going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(healed(&going).await.1, Vec::<String>::new());
    }
}
