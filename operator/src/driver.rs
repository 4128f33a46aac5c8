//! The loop around the reconciles of one kind: concurrency, time, metrics, errors, objects that cannot be read.
//!
//! What a reconcile does is the kind's own; when it runs again, and what is counted and logged, is decided here.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use k8s_openapi::NamespaceResourceScope;
use kube::core::DeserializeGuard;
use kube::runtime::controller::{self, Action};
use kube::runtime::watcher;
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::admin::Ready;
use crate::context::Context;
use crate::errors::Categorised;
use crate::{invalid, names};

mod watches;

use watches::describe_watch;
pub use watches::{Watches, children, controller};

/// How long an object at rest is left alone at least: a safety net below the watches.
const RESYNC: Duration = Duration::from_mins(5);
/// Longest time that one reconcile may take.
const RECONCILE_TIMEOUT: Duration = Duration::from_mins(2);
/// Changes that come within this time of each other make one reconcile.
const DEBOUNCE: Duration = Duration::from_millis(50);

/// A kind of ours.
pub trait Kind:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned + Send + Sync + 'static
{
    /// The kind's name, for logs and metrics.
    const NAME: &'static str;

    /// The conditions of an object that cannot be read, with `message` saying why.
    fn unreadable(message: String) -> Vec<crate::conditions::Wanted>;
}

/// The action of a reconcile that has nothing more to do: to look again in five to six minutes, objects that came at
/// the same time each at their own.
pub fn at_rest(object: &impl Resource<DynamicType = ()>) -> Action {
    let uid = object.meta().uid.as_deref().unwrap_or_default();
    let spread = u64::from_str_radix(&names::short_hash(uid, 4), 16).unwrap_or_default() % 60;
    Action::requeue(RESYNC + Duration::from_secs(spread))
}

/// A failed reconcile, as the loop sees it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Failure {
    category: &'static str,
    message: String,
}

/// Runs `reconcile` for each object of `watches` that asks for it, until `shutdown`; what runs then runs to its
/// end. `ready` is told when the first list of objects is there.
///
/// Objects that are being deleted are left to the garbage collector: they are never reconciled.
pub async fn drive<K, Run, Fut, E>(
    watches: Watches<K>,
    ctx: Arc<Context>,
    ready: Ready,
    shutdown: CancellationToken,
    reconcile: Run,
) where
    K: Kind,
    Run: Fn(Arc<K>, Arc<Context>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Action, E>> + Send + 'static,
    E: Categorised + Send + 'static,
{
    let Watches { controller, listed, children: _ } = watches;
    tokio::spawn(async move {
        if let Ok(objects) = listed.await {
            tracing::info!(kind = K::NAME, objects, "Watching");
            ready.mark();
        }
    });
    let settings = controller::Config::default().concurrency(ctx.config.concurrency).debounce(DEBOUNCE);
    let reconcile = Arc::new(reconcile);
    controller
        .with_config(settings)
        .graceful_shutdown_on(shutdown.cancelled_owned())
        .run(
            move |object: Arc<DeserializeGuard<K>>, ctx: Arc<Context>| {
                let reconcile = reconcile.clone();
                async move { run_one(object, ctx, reconcile.as_ref()).await }
            },
            |object, error: &Failure, ctx| {
                let delay = ctx.backoff.failed(&key(object.as_ref()));
                tracing::warn!(
                    kind = K::NAME,
                    namespace = object.namespace(),
                    resource = object.name_any(),
                    category = error.category,
                    retry_in_seconds = delay.as_secs(),
                    "{error}"
                );
                Action::requeue(delay)
            },
            ctx.clone(),
        )
        .for_each(|outcome| {
            report::<K>(&ctx, outcome.as_ref().err());
            std::future::ready(())
        })
        .await;
    tracing::info!(kind = K::NAME, "Stopped");
}

async fn run_one<K, Run, Fut, E>(
    object: Arc<DeserializeGuard<K>>,
    ctx: Arc<Context>,
    reconcile: &Run,
) -> Result<Action, Failure>
where
    K: Kind,
    Run: Fn(Arc<K>, Arc<Context>) -> Fut,
    Fut: Future<Output = Result<Action, E>>,
    E: Categorised,
{
    if object.meta().deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let start = Instant::now();
    let span = tracing::info_span!(
        "reconcile",
        kind = K::NAME,
        namespace = object.namespace(),
        resource = object.name_any(),
        generation = object.meta().generation
    );
    let work = async {
        match &object.0 {
            Ok(readable) => reconcile(Arc::new(readable.clone()), ctx.clone())
                .await
                .map_err(|error| Failure { category: error.category(), message: error.to_string() }),
            Err(unreadable) => invalid::report::<K>(&ctx, unreadable)
                .await
                .map(|()| Action::await_change())
                .map_err(|error| Failure { category: error.category(), message: error.to_string() }),
        }
    };
    let outcome = tokio::time::timeout(RECONCILE_TIMEOUT, work.instrument(span)).await.unwrap_or_else(|_| {
        Err(Failure { category: "timeout", message: format!("not done within {} s", RECONCILE_TIMEOUT.as_secs()) })
    });
    match &outcome {
        Ok(_) => {
            ctx.backoff.succeeded(&key(object.as_ref()));
            ctx.metrics.reconciled(K::NAME, start.elapsed());
        }
        Err(error) => ctx.metrics.failed(K::NAME, error.category, start.elapsed()),
    }
    outcome
}

/// Counts and logs what went wrong outside a reconcile; a failed reconcile has been reported by then.
fn report<K: Kind>(ctx: &Context, error: Option<&controller::Error<Failure, watcher::Error>>) {
    match error {
        // An object that is not found was deleted while its reconcile was waiting.
        None | Some(controller::Error::ReconcilerFailed(..) | controller::Error::ObjectNotFound(_)) => {}
        Some(controller::Error::QueueError(error)) => {
            ctx.metrics.error(K::NAME, "watch");
            tracing::warn!(kind = K::NAME, "A watch failed and is begun again: {}", describe_watch(error));
        }
        Some(controller::Error::RunnerError(error)) => {
            ctx.metrics.error(K::NAME, "runner");
            tracing::error!(kind = K::NAME, "{error}");
        }
    }
}

fn key<K: Kind>(object: &DeserializeGuard<K>) -> String {
    format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any())
}
