//! Third step: the cluster gets the children; what the spec no longer asks for goes.

use std::time::Instant;

use crds::AudioConverter;
use crds::conditions::{ConverterCondition, ConverterReason};
use futures::FutureExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{Secret, Service};
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource, ResourceExt};
use serde_json::json;

use super::build::http_route::{self, HttpRoute};
use super::build::{
    Children, deployment, disruption_budget, hpa, ingress, metrics_service, network_policy, service_monitor, stream_key,
};
use super::changes::Changes;
use super::observe::{self, api_not_found};
use super::scaling::Scaler;
use super::validate::ValidatedConverter;
use crate::apply::{self, Applied, ApplyError, Change, Child, Deletion, Expect};
use crate::conditions;
use crate::context::Context;
use crate::driver::{self, Kind};
use crate::errors::{CallError, Categorised, NOT_FOUND, call};
use crate::foreign::{Foreign, ForeignSpec};
use crate::labels::SCALE_MANAGER;
use crate::metrics::Verb;

/// The children as they stand; `None` for one that is not wanted or was refused.
#[derive(Clone, Debug, Default)]
pub struct AppliedChildren {
    /// The pods.
    pub deployment: Option<Deployment>,
    /// The address of the pods.
    pub service: Option<Service>,
    /// The autoscaler.
    pub hpa: Option<HorizontalPodAutoscaler>,
    /// A host name, through an ingress controller.
    pub ingress: Option<Ingress>,
    /// A host name, through a Gateway.
    pub http_route: Option<HttpRoute>,
    /// Children that are not as they should be until somebody changes something.
    pub refusals: Vec<Refusal>,
    /// What the cluster lacks of what the spec asks for; the rest works without it.
    pub lacks: Vec<Refusal>,
    /// What was done to the children.
    pub changes: Changes,
}

/// Something that is not as it should be, and that trying again does not help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// For scripts.
    pub reason: ConverterReason,
    /// For people.
    pub message: String,
}

/// Applies all children. A refused one does not keep the others from being applied; an error that may pass ends the
/// step, but for one that has not passed: see [`Applying::or_without`]. What was done is told either way.
pub async fn apply(
    ctx: &Context,
    converter: &AudioConverter,
    valid: &ValidatedConverter,
    children: Children,
    scaler: &Scaler,
) -> Result<AppliedChildren, ApplyError> {
    let mut to = Applying { ctx, converter, applied: AppliedChildren::default() };
    // Boxed: it holds every child by value.
    let outcome = Box::pin(to.all(valid, children, scaler)).await;
    let applied = to.applied;
    for note in applied.changes.notes() {
        tracing::info!("{}", note.message);
        ctx.events.publish(&converter.object_ref(&()), note).await;
    }
    outcome.map(|()| applied)
}

/// After so many failures in a row, an error over a child that the pods can do without holds up nothing any more.
const FAILURES: u32 = 3;

/// What to do where the cluster has no HTTPRoutes.
pub(super) const GATEWAY_API: &str =
    "install the Gateway API (gateway-api.sigs.k8s.io), or leave gateway out and use ingress or service";
/// What to do where the cluster has no ServiceMonitors.
pub(super) const PROMETHEUS: &str =
    "install the Prometheus operator (prometheus-operator.dev), or leave serviceMonitor out";

/// Whether children that the spec does not ask for may still be there: the spec has changed, or was not carried out so
/// far. Else they are gone, and nobody need look. (Where a watch has its list, that tells.)
fn must_sweep(converter: &AudioConverter) -> bool {
    let Some(status) = &converter.status else { return true };
    is_degraded_for(converter, &[ConverterReason::InvalidSpec, ConverterReason::NotAllowed])
        || conditions::is_true(&status.conditions, ConverterCondition::Paused.as_str())
        || status.observed_generation != converter.metadata.generation
}

/// Whether the status says one of these reasons for being `Degraded`.
fn is_degraded_for(converter: &AudioConverter, reasons: &[ConverterReason]) -> bool {
    let conditions = converter.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    conditions::find(conditions, ConverterCondition::Degraded.as_str())
        .is_some_and(|degraded| reasons.iter().any(|reason| reason.as_str() == degraded.reason))
}

/// Writes `count` into `spec.replicas` through the scale subresource, unless the resource has changed since it had this
/// metadata.
pub async fn fill_replicas(ctx: &Context, metadata: &ObjectMeta, count: i32) -> Result<(), CallError> {
    let name = metadata.name.clone().unwrap_or_default();
    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    let api: Api<AudioConverter> = Api::namespaced(ctx.client.clone(), namespace);
    let params = PatchParams { field_manager: Some(SCALE_MANAGER.to_owned()), ..PatchParams::default() };
    // The version makes a count win that somebody sets at this very moment.
    let patch = json!({
        "metadata": {"resourceVersion": metadata.resource_version},
        "spec": {"replicas": count},
    });
    let patch = Patch::Merge(&patch);
    let scale = call(format!("scale AudioConverter {name}"), api.patch_scale(&name, &params, &patch)).await?;
    ctx.own_writes.wrote(&scale.metadata, Instant::now());
    ctx.metrics.wrote(AudioConverter::NAME, Verb::Scale);
    Ok(())
}

/// An apply of all children that is under way.
struct Applying<'a> {
    ctx: &'a Context,
    converter: &'a AudioConverter,
    applied: AppliedChildren,
}

impl Applying<'_> {
    async fn all(&mut self, valid: &ValidatedConverter, children: Children, scaler: &Scaler) -> Result<(), ApplyError> {
        // Destructured without `..`, so that a new child does not compile until it is applied here.
        let Children {
            service_account,
            network_policy,
            deployment,
            service,
            hpa,
            disruption_budget,
            ingress,
            http_route,
            metrics_service,
            service_monitor,
        } = children;
        // In the order of need: the Deployment's pods run as the ServiceAccount, mount the key and are never without their
        // NetworkPolicy; the autoscaler reads the pods, and what leads to the Service comes after it.
        let runs_as_ours = runs_as(&deployment, service_account.metadata.name.as_deref());
        let account = self.one(service_account).await?;
        if stream_key::is_ours(valid) {
            self.key(valid).await?;
        }
        let guarded = network_policy.is_some();
        let policy = self.maybe(network_policy, &network_policy::name(valid)).await?;
        // A ServiceAccount of that name that is somebody else's may have rights, which the pods would then have; and without
        // the NetworkPolicy that is asked for, anybody may reach them.
        let waits = (runs_as_ours && account.is_none()) || (guarded && policy.is_none());
        self.applied.deployment =
            if waits { self.as_it_is(valid).await? } else { self.pods(valid, deployment, scaler).await? };
        let service = self.one(service).await;
        self.applied.service = self.or_without(service)?;
        let hpa = self.maybe(hpa, &hpa::name(valid)).await;
        self.applied.hpa = self.or_without(hpa)?;
        let budget = self.maybe(disruption_budget, &disruption_budget::name(valid)).await;
        self.or_without(budget)?;
        let ingress = self.maybe(ingress, &ingress::name(valid)).await;
        self.applied.ingress = self.or_without(ingress)?;
        let route = self.foreign(http_route, &http_route::name(valid), GATEWAY_API).await;
        self.applied.http_route = self.or_without(route)?;
        let metrics = self.maybe(metrics_service, &metrics_service::name(valid)).await;
        self.or_without(metrics)?;
        if let Some(old) = metrics_service::old_name(valid) {
            let gone = self.maybe::<Service>(None, &old).await;
            self.or_without(gone)?;
        }
        let monitor = self.foreign(service_monitor, &service_monitor::name(valid), PROMETHEUS).await;
        self.or_without(monitor)?;
        Ok(())
    }

    /// What came of a child that the pods can do without. Where the apiserver answers again and again that it cannot (an
    /// admission webhook is away), the count goes on following the streams, and the status says what is missing.
    fn or_without<T>(&mut self, outcome: Result<Option<T>, ApplyError>) -> Result<Option<T>, ApplyError> {
        match outcome {
            Err(ApplyError::Call(error)) if error.code().is_some_and(|code| code >= 500) && self.has_waited() => {
                tracing::warn!("The rest goes on without: {error}");
                self.ctx.metrics.error(AudioConverter::NAME, error.category());
                // Not the apiserver's words: they may be others at each try, and each would be a write.
                let message = format!(
                    "{}: the apiserver answers again and again that it cannot: see what it asks (an admission webhook?), and its words in the operator's log",
                    error.what()
                );
                self.applied.refusals.push(Refusal { reason: ConverterReason::ChildRefused, message });
                Ok(None)
            }
            outcome => outcome,
        }
    }

    /// Whether what fails has failed for a while, by the tries or by what the status says already.
    fn has_waited(&self) -> bool {
        is_degraded_for(self.converter, &[ConverterReason::ChildRefused])
            || self.ctx.backoff.failures(&driver::key_of(self.converter)) >= FAILURES
    }

    /// The Deployment. Where its count falls, the pods that go are made ready for it first.
    async fn pods(
        &mut self,
        valid: &ValidatedConverter,
        deployment: Deployment,
        scaler: &Scaler,
    ) -> Result<Option<Deployment>, ApplyError> {
        let (ctx, converter) = (self.ctx, self.converter);
        let lower = |live, desired| scaler.lower(ctx, converter, valid, live, desired).boxed();
        let outcome = apply::change_child(ctx, converter, deployment, lower).await;
        self.taken(outcome)
    }

    /// The Deployment that there is, where none may be made or changed: what runs goes on.
    async fn as_it_is(&self, valid: &ValidatedConverter) -> Result<Option<Deployment>, ApplyError> {
        Ok(observe::ours(self.ctx, self.converter, &deployment::name(valid)).await?)
    }

    /// A child that there always is.
    async fn one<K: Child>(&mut self, child: K) -> Result<Option<K>, ApplyError> {
        let outcome = apply::apply_child(self.ctx, self.converter, child).await;
        self.taken(outcome)
    }

    /// Notes what was done, or what was refused.
    fn taken<K: Child>(&mut self, outcome: Result<Applied<K>, ApplyError>) -> Result<Option<K>, ApplyError> {
        match outcome {
            Ok(outcome) => {
                self.applied.changes.note(&outcome.object, outcome.change);
                Ok(Some(outcome.object))
            }
            Err(error) => {
                self.applied.refusals.push(refusal(error)?);
                Ok(None)
            }
        }
    }

    /// A child that is asked for or goes.
    async fn maybe<K: Child>(&mut self, child: Option<K>, name: &str) -> Result<Option<K>, ApplyError> {
        if let Some(child) = child {
            return self.one(child).await;
        }
        if apply::delete_child::<K>(self.ctx, self.converter, name).await? == Deletion::Deleted {
            self.applied.changes.note_deleted::<K>(self.converter.namespace(), name);
        }
        Ok(None)
    }

    /// The same, of a kind that not every cluster has; `advice` says what to do then.
    async fn foreign<S>(
        &mut self,
        child: Option<Foreign<S>>,
        name: &str,
        advice: &str,
    ) -> Result<Option<Foreign<S>>, ApplyError>
    where
        S: ForeignSpec,
        Foreign<S>: Child,
    {
        let served = self.ctx.apis.has(S::KIND);
        let wanted = child.is_some();
        // Its time may have been when the kind was not served, or not known to be.
        let namespace = self.converter.namespace().unwrap_or_default();
        let left_over = || self.ctx.children.is_present::<Foreign<S>>(&namespace, name);
        let looks = served && (wanted || must_sweep(self.converter) || left_over());
        let outcome = if looks { self.maybe(child, name).await } else { Ok(None) };
        let unknown = matches!(&outcome, Err(ApplyError::Call(error)) if error.code() == Some(NOT_FOUND));
        if unknown {
            // The kind has just gone; all converters are woken when that is known, and when it comes back.
            self.ctx.apis.doubt();
        }
        if wanted && (unknown || !served) {
            self.applied.lacks.push(api_not_found(S::KIND, advice));
        }
        if unknown { Ok(None) } else { outcome }
    }

    /// Makes the Secret of the streams' key, unless it is there.
    async fn key(&mut self, valid: &ValidatedConverter) -> Result<(), ApplyError> {
        let make = || {
            let mut key = [0; stream_key::KEY_BYTES];
            getrandom::fill(&mut key).map_err(|error| ApplyError::Internal(format!("no random numbers: {error}")))?;
            Ok(stream_key::build(valid, key))
        };
        // Without a status, the converter has not been here before.
        let expect = if self.converter.status.is_none() { Expect::Absent } else { Expect::Present };
        match apply::make_child::<Secret>(self.ctx, self.converter, &stream_key::name(valid), expect, make).await {
            Ok(Some(secret)) => self.applied.changes.note(&secret, Change::Created),
            Ok(None) => {}
            Err(error) => self.applied.refusals.push(refusal(error)?),
        }
        Ok(())
    }
}

/// Whether the pods of `deployment` run as the ServiceAccount `account`.
fn runs_as(deployment: &Deployment, account: Option<&str>) -> bool {
    let pod = deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
    pod.and_then(|pod| pod.service_account_name.as_deref()) == account
}

/// An error that stays until somebody changes something, as what is said of it; any other as it was.
fn refusal(error: ApplyError) -> Result<Refusal, ApplyError> {
    let reason = match error {
        ApplyError::NameTaken { .. } => ConverterReason::NameTaken,
        ApplyError::Refused { .. } => ConverterReason::ChildRefused,
        ApplyError::Call(_) | ApplyError::Internal(_) => return Err(error),
    };
    Ok(Refusal { reason, message: error.to_string() })
}

#[cfg(test)]
mod tests;
