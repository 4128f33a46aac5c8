//! Third step: the cluster gets the children; what the spec no longer asks for goes.

use std::time::Instant;

use crds::AudioConverter;
use crds::conditions::ConverterReason;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{Secret, Service};
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource, ResourceExt};
use serde_json::json;

use super::build::{Children, hpa, stream_key};
use super::changes::Changes;
use super::validate::ValidatedConverter;
use crate::apply::{self, ApplyError, Change, Child, Deletion, Expect};
use crate::context::Context;
use crate::driver::Kind;
use crate::errors::{CallError, call};
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
    /// What was done to the children.
    pub changes: Changes,
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
/// step. What was done is told either way.
pub async fn apply(
    ctx: &Context,
    converter: &AudioConverter,
    valid: &ValidatedConverter,
    children: Children,
) -> Result<AppliedChildren, ApplyError> {
    let mut applied = AppliedChildren::default();
    // Boxed: it holds every child by value.
    let outcome = Box::pin(apply_all(ctx, converter, valid, children, &mut applied)).await;
    for note in applied.changes.notes() {
        tracing::info!("{}", note.message);
        ctx.events.publish(&converter.object_ref(&()), note).await;
    }
    outcome.map(|()| applied)
}

async fn apply_all(
    ctx: &Context,
    converter: &AudioConverter,
    valid: &ValidatedConverter,
    children: Children,
    applied: &mut AppliedChildren,
) -> Result<(), ApplyError> {
    // Destructured without `..`, so that a new child does not compile until it is applied here.
    let Children { service_account, deployment, service, hpa } = children;
    // In the order of need: the Deployment's pods run as the ServiceAccount and mount the key, the autoscaler reads the
    // pods.
    one(ctx, converter, service_account, applied).await?;
    key(ctx, converter, valid, applied).await?;
    applied.deployment = one(ctx, converter, deployment, applied).await?;
    applied.service = one(ctx, converter, service, applied).await?;
    match hpa {
        Some(hpa) => applied.hpa = one(ctx, converter, hpa, applied).await?,
        None => gone::<HorizontalPodAutoscaler>(ctx, converter, &hpa::name(valid), applied).await?,
    }
    Ok(())
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
    let patch = Patch::Merge(&patch);
    let scale = call(format!("scale AudioConverter {name}"), api.patch_scale(&name, &params, &patch)).await?;
    ctx.own_writes.wrote(&scale.metadata, Instant::now());
    ctx.metrics.wrote(AudioConverter::NAME, Verb::Scale);
    Ok(())
}

async fn one<K: Child>(
    ctx: &Context,
    converter: &AudioConverter,
    child: K,
    applied: &mut AppliedChildren,
) -> Result<Option<K>, ApplyError> {
    match apply::apply_child(ctx, converter, child).await {
        Ok(outcome) => {
            applied.changes.note(&outcome.object, outcome.change);
            Ok(Some(outcome.object))
        }
        Err(error) => match refusal(&error) {
            Some(refusal) => {
                applied.refusals.push(refusal);
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
    applied: &mut AppliedChildren,
) -> Result<(), ApplyError> {
    let make = || {
        let mut key = [0; stream_key::KEY_BYTES];
        getrandom::fill(&mut key).map_err(|error| ApplyError::Internal(format!("no random numbers: {error}")))?;
        Ok(stream_key::build(valid, key))
    };
    // Without a status, the converter has not been here before.
    let expect = if converter.status.is_none() { Expect::Absent } else { Expect::Present };
    match apply::make_child::<Secret>(ctx, converter, &stream_key::name(valid), expect, make).await {
        Ok(Some(secret)) => applied.changes.note(&secret, Change::Created),
        Ok(None) => {}
        Err(error) => match refusal(&error) {
            Some(refusal) => applied.refusals.push(refusal),
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

async fn gone<K: Child>(
    ctx: &Context,
    converter: &AudioConverter,
    name: &str,
    applied: &mut AppliedChildren,
) -> Result<(), ApplyError> {
    if apply::delete_child::<K>(ctx, converter, name).await? == Deletion::Deleted {
        applied.changes.note_deleted::<K>(converter.namespace(), name);
    }
    Ok(())
}
