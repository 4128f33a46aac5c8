//! Objects of our kinds that cannot be read: stored before a rule of the schema, or written past it.
//!
//! One of which the status alone cannot be read, as another version of the operator wrote it, is worked on with what can be
//! read of it; its status is then written anew. Any other gets conditions that say what is wrong with it; everything of it
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

/// The object as far as it can be read, if its spec can. If not, says so in its conditions and in the log.
pub async fn read<K: Kind>(ctx: &Context, object: &InvalidObject) -> Result<Option<K>, CallError> {
    let name = object.metadata.name.clone().unwrap_or_default();
    let namespace = object.metadata.namespace.clone().unwrap_or_default();
    let api: Api<DynamicObject> = Api::namespaced_with(ctx.client.clone(), &namespace, &ApiResource::erase::<K>(&()));
    let Some(live) = call(format!("get {} {name}", K::NAME), api.get_opt(&name)).await? else { return Ok(None) };
    // What is being deleted is the garbage collector's.
    if live.metadata.deletion_timestamp.is_some() {
        return Ok(None);
    }
    match with_readable_status::<K>(&live) {
        Ok(readable) => {
            tracing::warn!(error = object.error, "The resource's status cannot be read, and is made anew");
            Ok(Some(readable))
        }
        Err(error) => {
            tracing::warn!(%error, "The resource cannot be read");
            report::<K>(ctx, object, &live, &error).await?;
            Ok(None)
        }
    }
}

/// The object with those fields of its status that can be read: a run's clock is not lost for a word beside it.
fn with_readable_status<K: Kind>(live: &DynamicObject) -> serde_json::Result<K> {
    let mut bare = live.clone();
    let status = bare.data.as_object_mut().and_then(|data| data.remove("status"));
    let mut object = serde_json::to_value(&bare)?;
    let mut kept = Map::new();
    let fields = status.as_ref().and_then(Value::as_object).into_iter().flatten();
    for (field, value) in fields {
        let tried = kept.iter().chain([(field, value)]).map(|(field, value)| (field.clone(), value.clone()));
        set_status(&mut object, tried.collect());
        if K::deserialize(&object).is_ok() {
            kept.insert(field.clone(), value.clone());
        }
    }
    set_status(&mut object, kept);
    serde_json::from_value(object)
}

fn set_status(object: &mut Value, status: Map<String, Value>) {
    if let Some(object) = object.as_object_mut() {
        object.insert("status".to_owned(), if status.is_empty() { Value::Null } else { Value::Object(status) });
    }
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

    /// What is read of it, and what was written meanwhile.
    async fn read_of(stored: &Value) -> (Option<ConversionJob>, Vec<String>) {
        let guard: DeserializeGuard<ConversionJob> = serde_json::from_value(stored.clone()).unwrap();
        let cluster =
            FakeCluster::default().json(&format!("GET {PATH}"), stored).json(&format!("PATCH {PATH}"), stored);
        let found = read(&cluster.context(), &guard.0.unwrap_err()).await.unwrap();
        (found, cluster.asked().into_iter().filter(|asked| !asked.starts_with("GET")).collect())
    }

    #[tokio::test]
    async fn a_status_of_another_version_is_no_reason_to_leave_a_run_alone() {
        let status =
            json!({"stage": "Rewind", "startTime": "2026-01-01T00:00:00Z", "suspendedSeconds": 7, "files": "many"});
        let (found, written) = read_of(&stored(&spec(), &status)).await;
        let status = found.unwrap().status.unwrap();
        assert_eq!((status.stage, status.suspended_seconds, status.start_time.is_some()), (None, Some(7), true));
        assert!(written.is_empty(), "{written:?}");
        for nothing in [json!({"stage": "Rewind"}), json!("done")] {
            let (found, _) = read_of(&stored(&spec(), &nothing)).await;
            assert_eq!(found.unwrap().status, None, "{nothing}");
        }
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_spec_is_said_in_the_conditions() {
        let (found, written) = read_of(&stored(&json!({"source": 3}), &json!({"stage": "Rewind"}))).await;
        assert!(found.is_none());
        assert!(matches!(&written[..], [one] if one.starts_with(&format!("PATCH {PATH}/status"))), "{written:?}");
        let mut going = stored(&json!({"source": 3}), &Value::Null);
        going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(read_of(&going).await.1, Vec::<String>::new());
    }
}
