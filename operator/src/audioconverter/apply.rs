//! Third step: the cluster gets the children; what the spec no longer asks for goes.

use crds::AudioConverter;
use crds::conditions::ConverterReason;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ObjectReference, Secret, Service};
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource, ResourceExt};
use serde_json::json;

use super::build::{Children, hpa, stream_key};
use super::validate::ValidatedConverter;
use crate::apply::{self, ApplyError, Change, Child, Deletion};
use crate::context::Context;
use crate::driver::Kind;
use crate::errors::{CallError, call};
use crate::events::Note;
use crate::labels::SCALE_MANAGER;
use crate::metrics::Verb;

/// The children as they stand after the apply; `None` for one that is not wanted or was refused.
#[derive(Clone, Debug, Default)]
pub struct AppliedChildren {
    /// The pods.
    pub deployment: Option<Deployment>,
    /// The address of the pods.
    pub service: Option<Service>,
    /// The autoscaler.
    pub hpa: Option<HorizontalPodAutoscaler>,
    /// Children that are not as they should be until somebody changes something.
    pub refusals: Vec<Refusal>,
}

/// A child that could not be made or changed, and that trying again does not help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// For scripts.
    pub reason: ConverterReason,
    /// For people.
    pub message: String,
}

/// Applies all children. A refused one does not keep the others from being applied; an error that may pass ends the
/// step.
pub async fn apply(
    ctx: &Context,
    converter: &AudioConverter,
    valid: &ValidatedConverter,
    children: Children,
) -> Result<AppliedChildren, ApplyError> {
    // Destructured without `..`, so that a new child does not compile until it is applied here.
    let Children { service_account, deployment, service, hpa } = children;
    let mut applied = AppliedChildren::default();
    // In the order of need: the Deployment's pods run as the ServiceAccount and mount the key, the autoscaler reads the
    // pods.
    one(ctx, converter, service_account, &mut applied.refusals).await?;
    key(ctx, converter, valid, &mut applied.refusals).await?;
    applied.deployment = one(ctx, converter, deployment, &mut applied.refusals).await?;
    applied.service = one(ctx, converter, service, &mut applied.refusals).await?;
    match hpa {
        Some(hpa) => applied.hpa = one(ctx, converter, hpa, &mut applied.refusals).await?,
        None => gone::<HorizontalPodAutoscaler>(ctx, converter, &hpa::name(valid)).await?,
    }
    Ok(applied)
}

/// Writes `count` into `spec.replicas` through the scale subresource, unless the resource has changed since it was read.
pub async fn fill_replicas(ctx: &Context, converter: &AudioConverter, count: i32) -> Result<(), CallError> {
    let name = converter.name_any();
    let api: Api<AudioConverter> = Api::namespaced(ctx.client.clone(), &converter.namespace().unwrap_or_default());
    let params = PatchParams { field_manager: Some(SCALE_MANAGER.to_owned()), ..PatchParams::default() };
    // The version makes a count win that somebody sets at this very moment.
    let patch = json!({
        "metadata": {"resourceVersion": converter.resource_version()},
        "spec": {"replicas": count},
    });
    call(format!("scale AudioConverter {name}"), api.patch_scale(&name, &params, &Patch::Merge(&patch))).await?;
    ctx.metrics.wrote(AudioConverter::NAME, Verb::Scale);
    Ok(())
}

async fn one<K: Child>(
    ctx: &Context,
    converter: &AudioConverter,
    child: K,
    refusals: &mut Vec<Refusal>,
) -> Result<Option<K>, ApplyError> {
    match apply::apply_child(ctx, converter, child).await {
        Ok(applied) => {
            tell(ctx, converter, &applied.object, applied.change).await;
            Ok(Some(applied.object))
        }
        Err(error) => match refusal(&error) {
            Some(refusal) => {
                refusals.push(refusal);
                Ok(None)
            }
            None => Err(error),
        },
    }
}

/// Makes the Secret of the streams' key, unless it is there.
async fn key(
    ctx: &Context,
    converter: &AudioConverter,
    valid: &ValidatedConverter,
    refusals: &mut Vec<Refusal>,
) -> Result<(), ApplyError> {
    let make = || {
        let mut key = [0; stream_key::KEY_BYTES];
        getrandom::fill(&mut key).map_err(|error| ApplyError::Internal(format!("no random numbers: {error}")))?;
        Ok(stream_key::build(valid, key))
    };
    match apply::make_child::<Secret>(ctx, converter, &stream_key::name(valid), make).await {
        Ok(Some(secret)) => tell(ctx, converter, &secret, Change::Created).await,
        Ok(None) => {}
        Err(error) => match refusal(&error) {
            Some(refusal) => refusals.push(refusal),
            None => return Err(error),
        },
    }
    Ok(())
}

fn refusal(error: &ApplyError) -> Option<Refusal> {
    let reason = match error {
        ApplyError::NameTaken { .. } => ConverterReason::NameTaken,
        ApplyError::Refused { .. } => ConverterReason::ChildRefused,
        ApplyError::Call(_) | ApplyError::Internal(_) => return None,
    };
    Some(Refusal { reason, message: error.to_string() })
}

async fn gone<K: Child>(ctx: &Context, converter: &AudioConverter, name: &str) -> Result<(), ApplyError> {
    if apply::delete_child::<K>(ctx, converter, name).await? == Deletion::Deleted {
        let note = Note::normal("Deleted", "Apply", format!("Deleted {} {name}", K::kind(&())));
        let reference = ObjectReference {
            api_version: Some(K::api_version(&()).into_owned()),
            kind: Some(K::kind(&()).into_owned()),
            name: Some(name.to_owned()),
            namespace: converter.namespace(),
            ..ObjectReference::default()
        };
        ctx.events.publish(&converter.object_ref(&()), note.about(reference)).await;
    }
    Ok(())
}

async fn tell<K: Child>(ctx: &Context, converter: &AudioConverter, child: &K, change: Change) {
    let done = match change {
        Change::Created => "Created",
        Change::Updated => "Updated",
        Change::Unchanged | Change::Terminating => return,
    };
    let message = format!("{done} {} {}", K::kind(&()), child.name_any());
    tracing::info!("{message}");
    // The version differs from one change to the next and would keep repeated Events from being counted as one.
    let reference = ObjectReference { resource_version: None, ..child.object_ref(&()) };
    ctx.events.publish(&converter.object_ref(&()), Note::normal(done, "Apply", message).about(reference)).await;
}
