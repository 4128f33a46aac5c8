//! Objects of our kinds that cannot be read: stored before a rule of the schema, or written past it.
//!
//! Such an object gets conditions that say what is wrong with it; everything of it that runs is left as it is.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::error_boundary::InvalidObject;
use kube::{Api, discovery::ApiResource};
use serde_json::json;

use crate::conditions;
use crate::context::Context;
use crate::driver::Kind;
use crate::errors::{CallError, call};
use crate::labels::STATUS_MANAGER;
use crate::metrics::Verb;

/// Says in the conditions of an object, and in the log, why it cannot be read.
pub async fn report<K: Kind>(ctx: &Context, object: &InvalidObject) -> Result<(), CallError> {
    let name = object.metadata.name.clone().unwrap_or_default();
    let namespace = object.metadata.namespace.clone().unwrap_or_default();
    tracing::warn!(error = object.error, "The resource cannot be read");
    let api: Api<DynamicObject> = Api::namespaced_with(ctx.client.clone(), &namespace, &ApiResource::erase::<K>(&()));
    let Some(live) = call(format!("get {} {name}", K::NAME), api.get_opt(&name)).await? else { return Ok(()) };
    let previous: Vec<Condition> = live
        .data
        .pointer("/status/conditions")
        .and_then(|conditions| serde_json::from_value(conditions.clone()).ok())
        .unwrap_or_default();
    let wanted = K::unreadable(format!("the spec cannot be read: {}", object.error));
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
