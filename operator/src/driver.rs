//! The loop around the reconciles of one kind: concurrency, time, metrics, errors, objects that cannot be read.
//!
//! What a reconcile does is the kind's own; when it runs again, and what is counted and logged, is decided here.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::try_join_all;
use k8s_openapi::NamespaceResourceScope;
use kube::core::DeserializeGuard;
use kube::runtime::controller::{self, Action};
use kube::runtime::watcher;
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::admin::Ready;
use crate::context::Context;
use crate::errors::{Categorised, NOT_LEADING};
use crate::metrics::Metrics;
use crate::{invalid, names, own_writes};

mod merge;
mod queue;
mod watches;

pub use queue::Queue;
use watches::describe_watch;
pub use watches::{Watches, children, controller};

/// How long an object at rest is left alone at least: a safety net below the watches.
const RESYNC: Duration = Duration::from_mins(5);
/// Changes that come within this time of each other make one reconcile.
const DEBOUNCE: Duration = Duration::from_millis(50);

/// When an object is looked at again whose reconcile lost the right to write on its way.
const AFTER_REFUSAL: Duration = Duration::from_secs(5);

/// A kind of ours.
pub trait Kind:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned + Send + Sync + 'static
{
    /// The kind's name, for logs and metrics.
    const NAME: &'static str;

    /// The conditions of an object that cannot be read, with `message` saying why.
    fn unreadable(message: String) -> Vec<crate::conditions::Wanted>;

    /// Lets the metrics read `objects`, all of this kind that are readable, whenever somebody asks for them; none while
    /// this operator does not lead.
    fn measure(_metrics: &Metrics, _objects: Objects<Self>) {}
}

/// Reads the objects of a kind from the cache.
pub type Objects<K> = Box<dyn Fn() -> Vec<Arc<DeserializeGuard<K>>> + Send + Sync>;

/// The action of a reconcile that has nothing more to do: to look again in five to six minutes, objects that came at
/// the same time each at their own.
pub fn at_rest(object: &impl Resource<DynamicType = ()>) -> Action {
    let uid = object.meta().uid.as_deref().unwrap_or_default();
    let spread = u64::from_str_radix(&names::short_hash(uid, 4), 16).unwrap_or_default() % 60;
    Action::requeue(RESYNC + Duration::from_secs(spread))
}

/// A failed reconcile, as the loop sees it.
#[derive(Debug, thiserror::Error)]
#[error("{}", .trouble.message)]
struct Failure {
    trouble: Trouble,
    /// Its number.
    reconcile: u64,
    /// Its span, which knows the last request that was refused.
    span: Span,
}

/// Why a reconcile failed.
#[derive(Debug)]
struct Trouble {
    category: &'static str,
    message: String,
}

impl Trouble {
    fn of(error: &impl Categorised) -> Self {
        Self { category: error.category(), message: error.to_string() }
    }
}

/// Runs `reconcile` for each object of `watches` that asks for it, until `shutdown`; what runs then runs to its
/// end. `ready` is told when the first lists of objects and of all that wakes them are there.
///
/// Objects that are being deleted are left to the garbage collector: they are never reconciled. While this operator does
/// not lead, none is; when it begins to, all are.
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
    let Watches { controller, listed, synced, .. } = watches;
    let first_list = CancellationToken::new();
    tokio::spawn({
        let first_list = first_list.clone();
        async move {
            let Ok(objects) = listed.await else { return };
            first_list.cancel();
            if try_join_all(synced).await.is_ok() {
                tracing::info!(kind = K::NAME, objects, "Watching");
                ready.mark();
            }
        }
    });
    let settings = controller::Config::default().concurrency(ctx.config.concurrency).debounce(DEBOUNCE);
    let reconcile = Arc::new(reconcile);
    let stopping = shutdown.clone();
    let run = controller
        .with_config(settings)
        .reconcile_all_on(ctx.gate.gains())
        .graceful_shutdown_on(shutdown.cancelled_owned())
        .run(
            move |object: Arc<DeserializeGuard<K>>, ctx: Arc<Context>| {
                let reconcile = reconcile.clone();
                async move { run_one(object, ctx, reconcile.as_ref()).await }
            },
            |object, error: &Failure, ctx| {
                let delay = ctx.backoff.failed(&key_of(object.as_ref()));
                // Both: who logs warnings alone has no spans.
                error.span.in_scope(|| {
                    tracing::warn!(
                        kind = K::NAME,
                        namespace = object.namespace(),
                        resource = object.name_any(),
                        reconcile = error.reconcile,
                        category = error.trouble.category,
                        retry_in_seconds = delay.as_secs(),
                        "{error}"
                    );
                });
                Action::requeue(delay)
            },
            ctx.clone(),
        )
        .for_each(|outcome| {
            report::<K>(&ctx, outcome.as_ref().err());
            std::future::ready(())
        });
    tokio::select! {
        () = run => {}
        // A controller without its first list has begun nothing, and would wait for it before it ends.
        () = async {
            stopping.cancelled().await;
            if first_list.is_cancelled() {
                std::future::pending::<()>().await;
            }
        } => {}
    }
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
    let (waited, queued) = ctx.queue.left(object.namespace().as_deref(), &object.name_any());
    ctx.metrics.set_queued(K::NAME, queued);
    // Who stands by does nothing; when it leads, it reconciles everything.
    if object.meta().deletion_timestamp.is_some() || !ctx.gate.is_held() {
        return Ok(Action::await_change());
    }
    if ctx.own_writes.are_ahead_of(object.meta(), Instant::now()) {
        return Ok(Action::requeue(own_writes::PATIENCE));
    }
    if let Some(waited) = waited {
        ctx.metrics.waited(K::NAME, waited);
    }
    let (start, number) = (Instant::now(), ctx.next_reconcile());
    let span = tracing::info_span!(
        "reconcile",
        kind = K::NAME,
        namespace = object.namespace(),
        resource = object.name_any(),
        generation = object.meta().generation,
        reconcile = number,
        // Of the last request that was refused, as the apiserver's audit log has it.
        audit_id = Empty,
        error.type = Empty,
        otel.status_code = Empty,
    );
    let work = async {
        match &object.0 {
            Ok(readable) => {
                let outcome = reconcile(Arc::new(readable.clone()), ctx.clone()).await;
                outcome.map_err(|error| Trouble::of(&error))
            }
            Err(unreadable) => {
                let outcome = invalid::heal::<K>(&ctx, unreadable).await;
                outcome.map(|()| Action::await_change()).map_err(|error| Trouble::of(&error))
            }
        }
    };
    let limit = ctx.config.reconcile_timeout;
    let outcome = tokio::time::timeout(limit, work.instrument(span.clone())).await.unwrap_or_else(|_| {
        Err(Trouble { category: "timeout", message: format!("not done within {} s", limit.as_secs()) })
    });
    match &outcome {
        // No fault of the object's. If the gate opens again before anybody notices, this is what is missing.
        Err(error) if error.category == NOT_LEADING => {
            let Trouble { message, .. } = error;
            tracing::debug!(kind = K::NAME, namespace = object.namespace(), resource = object.name_any(), "{message}");
            return Ok(Action::requeue(AFTER_REFUSAL));
        }
        Ok(_) => {
            ctx.backoff.succeeded(&key_of(object.as_ref()));
            ctx.metrics.reconciled(K::NAME, start.elapsed());
        }
        Err(error) => {
            span.record("error.type", error.category);
            span.record("otel.status_code", "ERROR");
            ctx.metrics.failed(K::NAME, error.category, start.elapsed());
        }
    }
    outcome.map_err(|trouble| Failure { trouble, reconcile: number, span })
}

/// Counts and logs what went wrong outside a reconcile; a failed reconcile has been reported by then.
fn report<K: Kind>(ctx: &Context, error: Option<&controller::Error<Failure, watcher::Error>>) {
    match error {
        None | Some(controller::Error::ReconcilerFailed(..)) => {}
        // It was deleted while its reconcile was waiting, or is another operator's.
        Some(controller::Error::ObjectNotFound(object)) => {
            let (_, queued) = ctx.queue.left(object.namespace.as_deref(), &object.name);
            ctx.metrics.set_queued(K::NAME, queued);
        }
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

/// Under which name the failures of an object are counted.
pub fn key_of(object: &impl Resource<DynamicType = ()>) -> String {
    format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any())
}

#[cfg(test)]
mod tests;
