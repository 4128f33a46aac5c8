//! The cost of a pod: what a ReplicaSet looks at when several ready pods could go.

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::pods::PodView;
use crate::context::Context;
use crate::errors::{CONFLICT, CallError, NOT_FOUND, call};
use crate::labels::{MANAGER, POD_DELETION_COST};
use crate::metrics::Verb;

/// Gives `pod` this cost, or takes the one away that it has. A pod that is gone is no error.
pub async fn set_cost(ctx: &Context, namespace: &str, pod: &PodView, cost: Option<i32>) -> Result<(), CallError> {
    let api: Api<Pod> = Api::namespaced(ctx.client.clone(), namespace);
    let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    let patch = json!({
        // The uid keeps the mark from another pod of the same name.
        "metadata": {"uid": pod.uid, "annotations": {POD_DELETION_COST: cost.map(|cost| cost.to_string())}},
    });
    match call(format!("mark Pod {}", pod.name), api.patch_metadata(&pod.name, &params, &Patch::Merge(&patch))).await {
        Ok(_) => {
            ctx.metrics.wrote("Pod", Verb::Apply);
            Ok(())
        }
        Err(error) if matches!(error.code(), Some(NOT_FOUND | CONFLICT)) => Ok(()),
        Err(error) => Err(error),
    }
}
