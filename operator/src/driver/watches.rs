//! The watches of a controller: on the objects of its kind, on their children and on what else wakes them.
//!
//! Each watch has a pace of its own after errors. The controller's, which all would share, is switched off: with it,
//! seven watches that fail together (an apiserver that restarts) take minutes to come back one after the other.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt, TryStreamExt, stream};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::PartialObjectMeta;
use kube::core::DeserializeGuard;
use kube::runtime::controller::Controller;
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::utils::Backoff;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use tokio::sync::oneshot;

use super::Kind;
use crate::children::{Children, Feed, Vanished};
use crate::context::Context;
use crate::errors::{describe, kube_code};
use crate::labels;

/// The watches of one kind's controller, not running yet.
pub struct Watches<K: Kind> {
    pub(super) controller: Controller<DeserializeGuard<K>>,
    /// Tells, once, how many objects the first list holds.
    pub(super) listed: oneshot::Receiver<usize>,
    /// What the watches on children feed.
    pub(super) children: Arc<Children>,
}

/// A watch on all objects of `K`, one that a malformed object does not stop.
pub fn controller<K: Kind>(ctx: &Context) -> Watches<K> {
    let (store, writer) = reflector::store();
    let (tell, listed) = oneshot::channel();
    let mut tell = Some(tell);
    let count = store.clone();
    // `Store::wait_until_ready` would be simpler, but the controller waits on it too, and of two tasks that wait only
    // the last to look is woken (kube-runtime 5.0, `DelayedInit` polls one shared receiver).
    let objects = watcher(Api::all(ctx.client.clone()), watcher::Config::default())
        .reflect(writer)
        .inspect_ok(move |event| {
            if matches!(event, watcher::Event::InitDone)
                && let Some(tell) = tell.take()
            {
                // Nobody waits any more when the operator is stopping.
                let _ = tell.send(count.len());
            }
        })
        .default_backoff()
        .applied_objects();
    let controller = Controller::for_stream(objects, store).trigger_backoff(NoDelay);
    Watches { controller, listed, children: Arc::clone(&ctx.children) }
}

impl<K: Kind> Watches<K> {
    /// Wakes an object when a child of it (by owner reference) changes, after [`Children`] has taken note; see
    /// [`children`] for the arguments.
    #[must_use]
    pub fn owns<C>(mut self, api: Api<PartialObjectMeta<C>>, settings: watcher::Config) -> Self
    where
        C: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static,
    {
        let feed = self.children.feed::<C>();
        let noted = watcher(api, settings).default_backoff().map(move |event| note::<K, C>(&feed, event));
        self.controller = self.controller.owns_stream(noted.flatten());
        self
    }

    /// Wakes the objects that `mapper` names when an object of another kind changes.
    #[must_use]
    pub fn watches<O, I>(
        mut self,
        api: Api<PartialObjectMeta<O>>,
        settings: watcher::Config,
        mapper: impl Fn(PartialObjectMeta<O>) -> I + Send + Sync + 'static,
    ) -> Self
    where
        O: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static,
        I: IntoIterator<Item = ObjectRef<DeserializeGuard<K>>> + 'static,
        I::IntoIter: Send,
    {
        let touched = watcher(api, settings).default_backoff().touched_objects();
        self.controller = self.controller.watches_stream(touched, mapper);
        self
    }
}

/// The API and the settings of a watch on children: their metadata is all that the loop needs, and only those that
/// carry our label come over the wire. A child that loses the label, is changed or is deleted wakes its owner.
pub fn children<K>(client: &Client) -> (Api<PartialObjectMeta<K>>, watcher::Config)
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    (Api::all(client.clone()), watcher::Config::default().labels(&labels::managed_by_us()))
}

/// Has `feed` take note of an event; gives the children of which the owners are to be woken.
fn note<K: Kind, C>(
    feed: &Feed,
    event: watcher::Result<watcher::Event<PartialObjectMeta<C>>>,
) -> impl Stream<Item = watcher::Result<PartialObjectMeta<C>>> + use<K, C> {
    let touched = match event {
        Ok(watcher::Event::Apply(child)) => {
            feed.changed(&child.metadata);
            vec![Ok(child)]
        }
        Ok(watcher::Event::Delete(child)) => {
            feed.deleted(&child.metadata);
            vec![Ok(child)]
        }
        Ok(watcher::Event::Init) => {
            feed.list_begins();
            vec![]
        }
        Ok(watcher::Event::InitApply(child)) => {
            feed.listed(&child.metadata);
            vec![Ok(child)]
        }
        // No event told of these.
        Ok(watcher::Event::InitDone) => {
            feed.list_ends().into_iter().map(|vanished| Ok(trace_of::<K, C>(vanished))).collect()
        }
        Err(error) => vec![Err(error)],
    };
    stream::iter(touched)
}

/// As much of a child that is gone as its owner is found by.
fn trace_of<K: Kind, C>(Vanished { namespace, name, owner }: Vanished) -> PartialObjectMeta<C> {
    let owner = OwnerReference {
        api_version: K::api_version(&()).into_owned(),
        kind: K::kind(&()).into_owned(),
        name: owner,
        controller: Some(true),
        ..OwnerReference::default()
    };
    let metadata = ObjectMeta {
        namespace: Some(namespace),
        name: Some(name),
        owner_references: Some(vec![owner]),
        ..ObjectMeta::default()
    };
    PartialObjectMeta { types: None, metadata, _phantom: PhantomData }
}

/// No wait on top of those of the watches.
struct NoDelay;

impl Iterator for NoDelay {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(Duration::ZERO)
    }
}

impl Backoff for NoDelay {
    fn reset(&mut self) {}
}

/// Says what a failed watch needs, where that is known.
pub(super) fn describe_watch(error: &watcher::Error) -> String {
    let answer = match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => Some(error),
        _ => None,
    };
    match answer.and_then(kube_code) {
        Some(404) => {
            "the cluster does not know a kind of ours: install the CustomResourceDefinitions of config/crd".into()
        }
        Some(403) => format!(
            "{}; the rights that the operator needs are in config/rbac",
            answer.map(describe).unwrap_or_default()
        ),
        _ => error.to_string(),
    }
}
