//! The watches of a controller: on the objects of its kind, on their children and on what else wakes them.
//!
//! Each watch has a pace of its own after errors. The controller's, which all would share, is switched off: with it,
//! seven watches that fail together (an apiserver that restarts) take minutes to come back one after the other.

use std::fmt::Debug;
use std::time::Duration;

use futures::TryStreamExt;
use k8s_openapi::NamespaceResourceScope;
use kube::api::PartialObjectMeta;
use kube::core::DeserializeGuard;
use kube::runtime::controller::Controller;
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::utils::Backoff;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use tokio::sync::oneshot;

use super::Kind;
use crate::errors::{describe, kube_code};
use crate::labels;

/// The watches of one kind's controller, not running yet.
pub struct Watches<K: Kind> {
    pub(super) controller: Controller<DeserializeGuard<K>>,
    /// Tells, once, how many objects the first list holds.
    pub(super) listed: oneshot::Receiver<usize>,
}

/// A watch on all objects of `K`, one that a malformed object does not stop.
pub fn controller<K: Kind>(client: &Client) -> Watches<K> {
    let (store, writer) = reflector::store();
    let (tell, listed) = oneshot::channel();
    let mut tell = Some(tell);
    let count = store.clone();
    // `Store::wait_until_ready` would be simpler, but the controller waits on it too, and of two tasks that wait only
    // the last to look is woken (kube-runtime 5.0, `DelayedInit` polls one shared receiver).
    let objects = watcher(Api::all(client.clone()), watcher::Config::default())
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
    Watches { controller: Controller::for_stream(objects, store).trigger_backoff(NoDelay), listed }
}

impl<K: Kind> Watches<K> {
    /// Wakes an object when a child of it (by owner reference) changes; see [`children`] for the arguments.
    #[must_use]
    pub fn owns<C>(mut self, api: Api<PartialObjectMeta<C>>, settings: watcher::Config) -> Self
    where
        C: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static,
    {
        let touched = watcher(api, settings).default_backoff().touched_objects();
        self.controller = self.controller.owns_stream(touched);
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
