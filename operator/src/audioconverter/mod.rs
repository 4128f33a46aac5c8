//! The controller of AudioConverters: the driver of its five steps, `validate → build → apply → observe → status`.
//!
//! `spec.replicas` is the one wanted count. People and the autoscaler write it through the scale subresource, the
//! Deployment follows it, and where it is absent the operator writes the count that runs already. While `spec.paused` is
//! set, the children are read in place of being applied, and the status says how they stand.

pub mod apply;
pub mod build;
pub mod changes;
pub mod conditions;
pub mod endpoint;
#[cfg(test)]
mod fixtures;
pub mod observe;
pub mod plan;
pub mod scaling;
pub mod status;
pub mod stopping;
pub mod validate;

use std::sync::Arc;
use std::time::Duration;

use crds::AudioConverter;
use crds::audioconverter::service::ServiceType;
use crds::conditions::ConverterReason;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{Pod, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::ResourceExt;
use kube::api::PartialObjectMeta;
use kube::core::DeserializeGuard;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use tokio_util::sync::CancellationToken;

use self::apply::AppliedChildren;
use self::build::http_route::HttpRouteSpec;
use self::build::service_monitor::ServiceMonitorSpec;
use self::conditions::Rollout;
use self::observe::Seen;
use self::plan::{Bounds, ReplicasPlan};
use self::scaling::Scaler;
use self::scaling::follow::Followed;
use self::stopping::Stopping;
use self::validate::{Surroundings, ValidatedConverter};
use crate::admin::Ready;
use crate::apply::ApplyError;
use crate::conditions::Wanted;
use crate::context::Context;
use crate::driver::{self, Kind, Objects};
use crate::errors::{CallError, Categorised};
use crate::labels;
use crate::metrics::{ConverterFigures, Metrics};

/// How soon a refused child is tried again: its cause may lie in an object that nobody watches.
const REFUSED_AGAIN: Duration = Duration::from_secs(30);
/// How soon a Secret that is missing is looked for again: Secrets are not watched, as the operator may not list them.
const MISSING_AGAIN: Duration = Duration::from_secs(10);
/// How soon one whose pods are not all there is looked at again: what they wait for may be the streams' key, a Secret of ours
/// that nobody watches.
const UNSETTLED_AGAIN: Duration = Duration::from_mins(1);

impl Kind for AudioConverter {
    const NAME: &'static str = "AudioConverter";

    fn unreadable(message: String) -> Vec<Wanted> {
        conditions::invalid(message)
    }

    fn measure(metrics: &Metrics, objects: Objects<Self>) {
        metrics.converters.read_from(move || {
            objects().iter().filter_map(|object| object.0.as_ref().ok().and_then(figures)).collect()
        });
    }
}

fn figures(converter: &AudioConverter) -> Option<ConverterFigures> {
    let status = converter.status.as_ref()?;
    Some(ConverterFigures {
        namespace: converter.namespace()?,
        name: converter.name_any(),
        desired: status.desired_replicas.into(),
        ready: status.ready_replicas.into(),
        draining: status.draining_replicas.into(),
        streams: status.active_streams,
        capacity: status.capacity,
    })
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
    let (budgets, _) = driver::children::<PodDisruptionBudget>(&ctx);
    let (policies, _) = driver::children::<NetworkPolicy>(&ctx);
    let (ingresses, _) = driver::children::<Ingress>(&ctx);
    let (pods, _) = driver::children::<Pod>(&ctx);
    let scaler = Arc::new(Scaler::new(ctx.config.load.clone()));
    let stopping = Arc::new(Stopping::default());
    let marks = Arc::clone(&stopping);
    let controller = driver::controller::<AudioConverter>(&ctx)
        .owns(deployments, &of_ours)
        .owns(services, &of_ours)
        .owns(accounts, &of_ours)
        .owns(autoscalers, &of_ours)
        .owns(budgets, &of_ours)
        .owns(policies, &of_ours)
        .owns(ingresses, &of_ours)
        .owns_optional::<HttpRouteSpec>(&ctx)
        .owns_optional::<ServiceMonitorSpec>(&ctx)
        // Pods belong to ReplicaSets; what keeps one from starting, and which is stopping, shows in the pod alone.
        .watches(pods, &of_ours, move |pod| {
            let owner = owner_of_pod(&pod);
            if let (Some(owner), true) = (&owner, pod.metadata.deletion_timestamp.is_some()) {
                marks.seen(owner.namespace.as_deref().unwrap_or_default(), &owner.name);
            }
            owner
        });
    driver::drive(controller, ctx, ready, shutdown, move |converter, ctx| {
        reconcile(converter, ctx, Arc::clone(&stopping), Arc::clone(&scaler))
    })
    .await;
}

/// The AudioConverter that a pod serves, from its annotation.
fn owner_of_pod(pod: &PartialObjectMeta<Pod>) -> Option<ObjectRef<DeserializeGuard<AudioConverter>>> {
    if pod.labels().get(labels::COMPONENT)? != labels::Component::Converter.as_str() {
        return None;
    }
    Some(ObjectRef::new(pod.annotations().get(labels::OWNER_NAME)?).within(&pod.namespace()?))
}

async fn reconcile(
    converter: Arc<AudioConverter>,
    ctx: Arc<Context>,
    stopping: Arc<Stopping>,
    scaler: Arc<Scaler>,
) -> Result<Action, Error> {
    let surroundings = Surroundings::new(&ctx.config, ctx.client.default_namespace());
    let valid = match validate::validate(&converter, surroundings) {
        Ok(valid) => valid,
        Err(error) => {
            let status = status::invalid(&converter, &error);
            status::write(&ctx, &converter, &status).await.map_err(Error::Status)?;
            return Ok(Action::await_change());
        }
    };
    // Boxed: they hold every child by value.
    let children = if valid.paused {
        Box::pin(as_they_are(&ctx, &converter, &valid)).await?
    } else {
        Box::pin(as_wanted(&ctx, &converter, &valid, &scaler)).await?
    };
    let Some((replicas, mut children)) = children else {
        // The write comes back as a change of the resource, and then everything below happens.
        return Ok(driver::at_rest(converter.as_ref()));
    };
    children.lacks.extend(observe::missing_secrets(&ctx, &converter, &valid).await.map_err(Error::Observe)?);
    let looks = Looks { ctx: &ctx, converter: &converter, valid: &valid, stopping: &stopping, scaler: &scaler };
    let (seen, mut followed) = Box::pin(look(&looks, replicas, &children)).await.map_err(Error::Observe)?;
    let action = again(&converter, &children, replicas, followed.again);
    let decision = followed.decision.take();
    let status = status::plan_status(&converter, &valid, replicas, &children, &seen, followed);
    let metadata = status::write(&ctx, &converter, &status).await.map_err(Error::Status)?;
    let (Some(decision), Some(metadata)) = (decision, metadata) else { return Ok(action) };
    // Only now, so that the reason is not lost with an operator that ends in between: the next decides the same again.
    let carried = scaler.carry_out(&ctx, &converter, &metadata, replicas, decision).await;
    match &carried {
        Ok(None) => {}
        Ok(Some(_)) => status::take_back_scale(&ctx, &converter, status, None).await.map_err(Error::Status)?,
        // Nobody knows whether it was written: if so, the resource has another version, and the status stays.
        Err(_) => {
            let version = metadata.resource_version.as_deref();
            if let Err(error) = status::take_back_scale(&ctx, &converter, status, version).await {
                tracing::debug!(%error, "The reason of a count that was not written stays in the status");
            }
        }
    }
    Ok(carried.map_err(Error::Replicas)?.map_or(action, Action::requeue))
}

/// The wanted count and the children after they were applied; `None` if the count had to be written first.
async fn as_wanted(
    ctx: &Context,
    converter: &AudioConverter,
    valid: &ValidatedConverter,
    scaler: &Scaler,
) -> Result<Option<(i32, AppliedChildren)>, Error> {
    let replicas = match wanted_replicas(ctx, converter, valid).await.map_err(Error::Replicas)? {
        ReplicasPlan::Follow(count) => count,
        ReplicasPlan::Fill(count) => {
            apply::fill_replicas(ctx, &converter.metadata, count).await.map_err(Error::Replicas)?;
            return Ok(None);
        }
    };
    let children = build::build(valid, plan::plan_pods(replicas, scaling::least(converter, valid)));
    // Boxed: it holds every child by value.
    let children = Box::pin(apply::apply(ctx, converter, valid, children, scaler)).await?;
    Ok(Some((replicas, children)))
}

/// The count that the Deployment has and the children as they stand, for a converter that is left alone.
async fn as_they_are(
    ctx: &Context,
    converter: &AudioConverter,
    valid: &ValidatedConverter,
) -> Result<Option<(i32, AppliedChildren)>, Error> {
    let children = observe::children(ctx, converter, valid).await.map_err(Error::Observe)?;
    let running = children.deployment.as_ref().and_then(|live| live.spec.as_ref()?.replicas);
    let replicas = running.unwrap_or_else(|| match plan::plan_replicas(converter.spec.replicas, None, bounds(valid)) {
        ReplicasPlan::Follow(count) | ReplicasPlan::Fill(count) => count,
    });
    Ok(Some((replicas, children)))
}

/// What a look at the pods needs.
struct Looks<'a> {
    ctx: &'a Context,
    converter: &'a AudioConverter,
    valid: &'a ValidatedConverter,
    stopping: &'a Stopping,
    scaler: &'a Scaler,
}

/// What the pods show, where they have anything to show: pods are listed only while some start, stop, tell an address or
/// have to be asked how full they are. Then the count follows their streams, where that is asked for.
async fn look(looks: &Looks<'_>, replicas: i32, children: &AppliedChildren) -> Result<(Seen, Followed), CallError> {
    let Looks { ctx, converter, valid, stopping, scaler } = *looks;
    let rollout = children.deployment.as_ref().map(Rollout::from);
    let unsettled = rollout.as_ref().is_some_and(|rollout| rollout.waits_for_pods(replicas));
    let were_draining = converter.status.as_ref().is_some_and(|status| status.draining_replicas > 0);
    let stop = stopping.take(&valid.namespace, &valid.name) || were_draining;
    let ready = rollout.as_ref().is_some_and(|rollout| rollout.ready > 0);
    let at_node = ready && valid.service.type_ == ServiceType::NodePort;
    let asked = rollout.as_ref().is_some_and(|rollout| scaler.wants_pods(converter, valid, rollout));
    let pods = if unsettled || stop || at_node || asked { Some(observe::pods(ctx, valid).await?) } else { None };
    let mut seen = pods.as_ref().map(|pods| Seen::of(pods, converter, valid)).unwrap_or_default();
    if !unsettled {
        seen.trouble = None;
    }
    let followed = scaler.follow(ctx, converter, valid, rollout.as_ref(), replicas, pods.as_deref()).await?;
    Ok((seen, followed))
}

/// When a converter with these children, of which `replicas` pods are wanted, is looked at again, if nothing wakes it; `asked`
/// is when its pods are asked next.
fn again(converter: &AudioConverter, children: &AppliedChildren, replicas: i32, asked: Option<Duration>) -> Action {
    let lacks = if children.lacks.iter().any(|lack| lack.reason == ConverterReason::SecretNotFound) {
        Some(MISSING_AGAIN)
    } else {
        (!children.refusals.is_empty()).then_some(REFUSED_AGAIN)
    };
    let unsettled = children.deployment.as_ref().is_some_and(|live| Rollout::from(live).waits_for_pods(replicas));
    let unsettled = unsettled.then_some(UNSETTLED_AGAIN);
    lacks.into_iter().chain(unsettled).chain(asked).min().map_or_else(|| driver::at_rest(converter), Action::requeue)
}

fn bounds(valid: &ValidatedConverter) -> Option<Bounds> {
    valid.autoscaling.as_ref().map(|wish| Bounds { min: wish.min_replicas, max: wish.max_replicas })
}

async fn wanted_replicas(
    ctx: &Context,
    converter: &AudioConverter,
    valid: &ValidatedConverter,
) -> Result<ReplicasPlan, CallError> {
    let set = converter.spec.replicas;
    let running = match set {
        Some(_) => None,
        None => observe::running_replicas(ctx, converter, valid).await?,
    };
    Ok(plan::plan_replicas(set, running, bounds(valid)))
}

#[cfg(test)]
mod tests;
