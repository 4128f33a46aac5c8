//! The controller of AudioConverters: the driver of its five steps, `validate → build → apply → observe → status`.
//!
//! `spec.replicas` is the one wanted count. People and the autoscaler write it through the scale subresource, the
//! Deployment follows it, and where it is absent the operator writes the count that runs already.

pub mod apply;
pub mod build;
pub mod changes;
pub mod conditions;
#[cfg(test)]
mod fixtures;
pub mod observe;
pub mod plan;
pub mod status;
pub mod validate;

use std::sync::Arc;
use std::time::Duration;

use crds::AudioConverter;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{Pod, Service, ServiceAccount};
use kube::ResourceExt;
use kube::api::PartialObjectMeta;
use kube::core::DeserializeGuard;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use tokio_util::sync::CancellationToken;

use self::conditions::Rollout;
use self::plan::{Bounds, ReplicasPlan};
use crate::admin::Ready;
use crate::apply::ApplyError;
use crate::conditions::Wanted;
use crate::context::Context;
use crate::driver::{self, Kind};
use crate::errors::{CallError, Categorised};
use crate::labels;
use crate::metrics::ConverterFigures;

/// How soon a refused child is tried again: its cause may lie in an object that nobody watches.
const REFUSED_AGAIN: Duration = Duration::from_secs(30);

impl Kind for AudioConverter {
    const NAME: &'static str = "AudioConverter";

    const HAS_FIGURES: bool = true;

    fn unreadable(message: String) -> Vec<Wanted> {
        conditions::invalid(message)
    }

    fn figures(&self) -> Option<ConverterFigures> {
        let status = self.status.as_ref()?;
        Some(ConverterFigures {
            namespace: self.namespace()?,
            name: self.name_any(),
            desired: status.desired_replicas.into(),
            ready: status.ready_replicas.into(),
            draining: status.draining_replicas.into(),
            streams: status.active_streams,
            capacity: status.capacity,
        })
    }
}

/// Why a reconcile failed: the step, and its error.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The running count could not be read or written.
    #[error("replicas: {0}")]
    Replicas(#[source] CallError),
    /// A child could not be applied or deleted.
    #[error("apply: {0}")]
    Apply(#[from] ApplyError),
    /// The pods could not be read.
    #[error("observe: {0}")]
    Observe(#[source] CallError),
    /// The status could not be written.
    #[error("status: {0}")]
    Status(#[source] CallError),
}

impl Categorised for Error {
    fn category(&self) -> &'static str {
        match self {
            Self::Replicas(error) | Self::Observe(error) | Self::Status(error) => error.category(),
            Self::Apply(error) => error.category(),
        }
    }
}

/// Runs the controller until `shutdown`. Every child is watched, so that a change or deletion heals at once.
pub async fn run(ctx: Arc<Context>, ready: Ready, shutdown: CancellationToken) {
    let (deployments, of_ours) = driver::children::<Deployment>(&ctx);
    let (services, _) = driver::children::<Service>(&ctx);
    let (accounts, _) = driver::children::<ServiceAccount>(&ctx);
    let (autoscalers, _) = driver::children::<HorizontalPodAutoscaler>(&ctx);
    let (pods, _) = driver::children::<Pod>(&ctx);
    let controller = driver::controller::<AudioConverter>(&ctx)
        .owns(deployments, &of_ours)
        .owns(services, &of_ours)
        .owns(accounts, &of_ours)
        .owns(autoscalers, &of_ours)
        // Pods belong to ReplicaSets; what keeps one from starting shows in the pod alone.
        .watches(pods, &of_ours, |pod| owner_of_pod(&pod));
    driver::drive(controller, ctx, ready, shutdown, reconcile).await;
}

/// The AudioConverter that a pod serves, from its annotation.
fn owner_of_pod(pod: &PartialObjectMeta<Pod>) -> Option<ObjectRef<DeserializeGuard<AudioConverter>>> {
    if pod.labels().get(labels::COMPONENT)? != labels::Component::Converter.as_str() {
        return None;
    }
    Some(ObjectRef::new(pod.annotations().get(labels::OWNER_NAME)?).within(&pod.namespace()?))
}

async fn reconcile(converter: Arc<AudioConverter>, ctx: Arc<Context>) -> Result<Action, Error> {
    let valid = match validate::validate(&converter, &ctx.config.converter_image) {
        Ok(valid) => valid,
        Err(error) => {
            let status = status::invalid(&converter, &error);
            status::write(&ctx, &converter, &status).await.map_err(Error::Status)?;
            return Ok(Action::await_change());
        }
    };
    let replicas = match wanted_replicas(&ctx, &converter, &valid).await.map_err(Error::Replicas)? {
        ReplicasPlan::Follow(count) => count,
        ReplicasPlan::Fill(count) => {
            apply::fill_replicas(&ctx, &converter, count).await.map_err(Error::Replicas)?;
            // The write comes back as a change of the resource, and then everything below happens.
            return Ok(driver::at_rest(converter.as_ref()));
        }
    };
    let children = build::build(&valid, replicas);
    let applied = apply::apply(&ctx, &converter, &valid, children).await?;
    let rollout = applied.deployment.as_ref().map(Rollout::from);
    // Where no pod exists there is none to be in trouble; the first that comes shows in the Deployment.
    let looks = rollout.is_some_and(|rollout| rollout.replicas > 0 && !rollout.is_done(replicas));
    let trouble = if looks { observe::trouble(&ctx, &valid).await.map_err(Error::Observe)? } else { None };
    let status = status::plan_status(&converter, &valid, replicas, &applied, trouble);
    status::write(&ctx, &converter, &status).await.map_err(Error::Status)?;
    Ok(if applied.refusals.is_empty() { driver::at_rest(converter.as_ref()) } else { Action::requeue(REFUSED_AGAIN) })
}

async fn wanted_replicas(
    ctx: &Context,
    converter: &AudioConverter,
    valid: &validate::ValidatedConverter,
) -> Result<ReplicasPlan, CallError> {
    let set = converter.spec.replicas;
    let running = match set {
        Some(_) => None,
        None => observe::running_replicas(ctx, converter, valid).await?,
    };
    let bounds = valid.autoscaling.as_ref().map(|wish| Bounds { min: wish.min_replicas, max: wish.max_replicas });
    Ok(plan::plan_replicas(set, running, bounds))
}
