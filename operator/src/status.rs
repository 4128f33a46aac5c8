//! Writing the status of our own kinds: server-side apply under one field manager, and only when it changed.

use std::time::Instant;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::context::Context;
use crate::errors::{CallError, NOT_FOUND, call};
use crate::labels::STATUS_MANAGER;
use crate::metrics::Verb;

/// What became of a status.
#[derive(Clone, Debug, PartialEq)]
pub enum StatusWrite {
    /// It was another, or none, and is now as wanted; the object has this metadata since.
    Written(Box<ObjectMeta>),
    /// It was as wanted.
    Unchanged,
    /// The object is gone.
    Gone,
}

/// Makes the status of `object` be `new`, all of it; `old` is the one that `object` was read with.
pub async fn patch_status<K, S>(ctx: &Context, object: &K, old: Option<&S>, new: &S) -> Result<StatusWrite, CallError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + std::fmt::Debug,
    S: Serialize + PartialEq,
{
    patch_status_at(ctx, object, None, old, new).await
}

/// As [`patch_status`], and a conflict if the object has another than this resource version by then.
pub async fn patch_status_at<K, S>(
    ctx: &Context,
    object: &K,
    version: Option<&str>,
    old: Option<&S>,
    new: &S,
) -> Result<StatusWrite, CallError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + std::fmt::Debug,
    S: Serialize + PartialEq,
{
    if old == Some(new) {
        return Ok(StatusWrite::Unchanged);
    }
    let (kind, name) = (K::kind(&()), object.name_any());
    let api: Api<K> = Api::namespaced(ctx.client.clone(), &object.namespace().unwrap_or_default());
    let mut patch = json!({
        "apiVersion": K::api_version(&()),
        "kind": kind,
        // The uid keeps the status of an object that is gone from a new one of the same name.
        "metadata": {"name": name, "uid": object.uid()},
        "status": new,
    });
    if let Some(version) = version {
        patch["metadata"]["resourceVersion"] = json!(version);
    }
    let params = PatchParams::apply(STATUS_MANAGER).force();
    match call(format!("apply the status of {kind} {name}"), api.patch_status(&name, &params, &Patch::Apply(&patch)))
        .await
    {
        Ok(answer) => {
            ctx.own_writes.wrote(answer.meta(), Instant::now());
            ctx.metrics.wrote(&kind, Verb::Status);
            Ok(StatusWrite::Written(Box::new(answer.meta().clone())))
        }
        Err(error) if error.code() == Some(NOT_FOUND) => Ok(StatusWrite::Gone),
        Err(error) => Err(error),
    }
}
