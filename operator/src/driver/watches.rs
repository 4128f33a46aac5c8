//! The watches of a controller: on the objects of its kind, on their children and on what else wakes them.
//!
//! Each watch has a pace of its own after errors. The controller's, which all would share, is switched off: with it,
//! seven watches that fail together (an apiserver that restarts) take minutes to come back one after the other.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use futures::stream::{self, BoxStream, Stream, StreamExt};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::PartialObjectMeta;
use kube::core::DeserializeGuard;
use kube::runtime::controller::Controller;
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Resource, ResourceExt};
use tokio::sync::oneshot;

use super::Kind;
use super::merge::merge;
use super::queue::Queue;
use crate::apply::Child;
use crate::children::{Children, Feed, Vanished};
use crate::context::Context;
use crate::errors::{describe, kube_code};
use crate::foreign::{Foreign, ForeignSpec};
use crate::labels;
use crate::metrics::Metrics;

/// Objects that one page of a list holds. With kube's 500, what a start needs for a moment is more than all that stays.
const PAGE: u32 = 100;
/// Annotation in which `kubectl apply` keeps the whole manifest.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The watches of one kind's controller, not running yet.
pub struct Watches<K: Kind> {
    pub(super) controller: Controller<DeserializeGuard<K>>,
    /// Tells, once, how many objects the first list holds.
    pub(super) listed: oneshot::Receiver<usize>,
    /// Each tells, once, that a watch on other objects has its first list.
    pub(super) synced: Vec<oneshot::Receiver<()>>,
    queue: Arc<Queue>,
    metrics: Arc<Metrics>,
    /// What the watches on children feed.
    children: Arc<Children>,
}

/// A watch on all objects of `K` that are this operator's, one that a malformed object does not stop.
pub fn controller<K: Kind>(ctx: &Context) -> Watches<K> {
    let (store, writer) = reflector::store::<DeserializeGuard<K>>();
    let (tell, listed) = oneshot::channel();
    let mut tell = Some(tell);
    let (count, known) = (store.clone(), store.clone());
    // One that stands by tells none: each would be counted twice.
    let (objects, gate) = (store.clone(), ctx.gate.clone());
    K::measure(&ctx.metrics, Box::new(move || if gate.is_held() { objects.state() } else { Vec::new() }));
    let scope = &ctx.config.scope;
    let watches = scope.apis(&ctx.client).into_iter().map(|api| {
        let events = patient(watcher(api, scope.settings().page_size(PAGE)).modify(slim));
        counted(events, K::NAME.to_owned(), Arc::clone(&ctx.metrics)).boxed()
    });
    let namespaces = scope.namespaces().to_vec();
    let find = move |number: usize, name: &str| {
        let object = known.get(&ObjectRef::new(name).within(namespaces.get(number)?))?;
        Some(object.as_ref().clone())
    };
    // `Store::wait_until_ready` would be simpler, but the controller waits on it too, and of two tasks that wait only
    // the last to look is woken (kube-runtime 5.0, `DelayedInit` polls one shared receiver).
    let (queue, metrics) = (Arc::clone(&ctx.queue), Arc::clone(&ctx.metrics));
    let objects = merge(watches.collect(), find)
        .reflect(writer)
        .inspect_ok(move |event| {
            if matches!(event, Event::InitDone)
                && let Some(tell) = tell.take()
            {
                // Nobody waits any more when the operator is stopping.
                let _ = tell.send(count.len());
            }
        })
        .applied_objects()
        .inspect_ok(move |object| {
            metrics.set_queued(K::NAME, queue.woken(object.namespace().as_deref(), &object.name_any()));
        });
    let controller = Controller::for_stream(objects, store).trigger_backoff(NoDelay);
    Watches {
        controller,
        listed,
        synced: Vec::new(),
        queue: Arc::clone(&ctx.queue),
        metrics: Arc::clone(&ctx.metrics),
        children: Arc::clone(&ctx.children),
    }
}

/// Takes away what nobody reads, so that thousands of objects take little room.
fn slim<K: Kind>(object: &mut DeserializeGuard<K>) {
    let meta = object.meta_mut();
    meta.managed_fields = None;
    if let Some(annotations) = &mut meta.annotations {
        annotations.remove(LAST_APPLIED);
    }
}

/// The events of one watch.
type Events<O> = BoxStream<'static, watcher::Result<Event<PartialObjectMeta<O>>>>;

impl<K: Kind> Watches<K> {
    /// Wakes an object when a child of it (by owner reference) changes, after [`Children`] has taken note; see
    /// [`children`] for the arguments.
    #[must_use]
    pub fn owns<C>(mut self, apis: Vec<Api<PartialObjectMeta<C>>>, settings: &watcher::Config) -> Self
    where
        C: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static,
    {
        let noted = self.events(apis, settings, &C::kind(&())).into_iter().map(|events| {
            let feed = self.children.feed::<C>();
            events.map(move |event| note::<K, C>(&feed, event)).flatten().boxed()
        });
        let touched = stream::select_all(noted.collect::<Vec<_>>()).inspect_ok(self.owner_waits());
        self.controller = self.controller.owns_stream(touched);
        self
    }

    /// As [`Watches::owns`], of a kind that not every cluster has: the watch begins when it comes and ends when it goes,
    /// and both wake all objects.
    #[must_use]
    pub fn owns_optional<S>(mut self, ctx: &Context) -> Self
    where
        S: ForeignSpec + 'static,
        Foreign<S>: Child,
    {
        let kind = S::KIND;
        let metrics = Arc::clone(&self.metrics);
        let apis: Vec<Api<PartialObjectMeta<Foreign<S>>>> = ctx.config.scope.apis(&ctx.client);
        let pairs: Vec<_> = apis.into_iter().map(|api| (api, self.children.feed::<Foreign<S>>())).collect();
        let begin = move || {
            let watches = pairs.iter().map(|(api, feed)| {
                feed.begins();
                let feed = feed.clone();
                let events = patient(watcher(api.clone(), of_ours()));
                let events = counted(events, kind.kind.to_owned(), Arc::clone(&metrics));
                events.map(move |event| note::<K, Foreign<S>>(&feed, event)).flatten().boxed()
            });
            stream::select_all(watches.collect::<Vec<_>>())
        };
        let apis = Arc::clone(&ctx.apis);
        let touched = ctx.apis.while_served(kind, begin).filter(move |item| {
            // The kind has just gone: discovery will say so, and the watch will end.
            let gone = matches!(item, Err(error) if answer(error).and_then(kube_code) == Some(404));
            if gone {
                apis.doubt();
            }
            std::future::ready(!gone)
        });
        let touched = touched.inspect_ok(self.owner_waits());
        self.controller = self.controller.owns_stream(touched).reconcile_all_on(ctx.apis.changes(kind));
        self
    }

    /// Wakes the objects that `mapper` names when an object of another kind changes.
    #[must_use]
    pub fn watches<O, I>(
        mut self,
        apis: Vec<Api<PartialObjectMeta<O>>>,
        settings: &watcher::Config,
        mapper: impl Fn(PartialObjectMeta<O>) -> I + Send + Sync + 'static,
    ) -> Self
    where
        O: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static,
        I: IntoIterator<Item = ObjectRef<DeserializeGuard<K>>> + 'static,
        I::IntoIter: Send,
    {
        let touched = self.touched(apis, settings, &O::kind(&()));
        let (queue, metrics) = (Arc::clone(&self.queue), Arc::clone(&self.metrics));
        self.controller = self.controller.watches_stream(touched, move |object| {
            let woken: Vec<_> = mapper(object).into_iter().collect();
            for object in &woken {
                metrics.set_queued(K::NAME, queue.woken(object.namespace.as_deref(), &object.name));
            }
            woken
        });
        self
    }

    /// What changes of the objects of `apis`.
    fn touched<O>(
        &mut self,
        apis: Vec<Api<PartialObjectMeta<O>>>,
        settings: &watcher::Config,
        kind: &str,
    ) -> impl Stream<Item = watcher::Result<PartialObjectMeta<O>>> + Send + use<O, K>
    where
        O: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static,
    {
        let watches = self.events(apis, settings, kind).into_iter();
        stream::select_all(watches.map(|events| events.touched_objects().boxed()).collect::<Vec<_>>())
    }

    /// The events of a watch on each of `apis`; readiness waits for their first lists.
    fn events<O>(
        &mut self,
        apis: Vec<Api<PartialObjectMeta<O>>>,
        settings: &watcher::Config,
        kind: &str,
    ) -> Vec<Events<O>>
    where
        O: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static,
    {
        apis.into_iter()
            .map(|api| {
                let (tell, synced) = oneshot::channel();
                self.synced.push(synced);
                let mut tell = Some(tell);
                let events = patient(watcher(api, settings.clone()));
                counted(events, kind.to_owned(), Arc::clone(&self.metrics))
                    .inspect_ok(move |event| {
                        if matches!(event, Event::InitDone)
                            && let Some(tell) = tell.take()
                        {
                            let _ = tell.send(());
                        }
                    })
                    .boxed()
            })
            .collect()
    }

    /// Notes that a child's owner has been woken.
    fn owner_waits<C: Resource>(&self) -> impl FnMut(&C) + Send + use<C, K> {
        let (queue, metrics) = (Arc::clone(&self.queue), Arc::clone(&self.metrics));
        move |child| {
            let owners = child.meta().owner_references.iter().flatten();
            for owner in owners.filter(|owner| owner.kind == K::NAME) {
                metrics.set_queued(K::NAME, queue.woken(child.meta().namespace.as_deref(), &owner.name));
            }
        }
    }
}

/// The APIs, one for each namespace of this operator, and the settings of a watch on children: their metadata is all that
/// the loop needs, and only those that carry our label come over the wire. A child that loses the label, is changed or is
/// deleted wakes its owner.
pub fn children<K>(ctx: &Context) -> (Vec<Api<PartialObjectMeta<K>>>, watcher::Config)
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    (ctx.config.scope.apis(&ctx.client), of_ours())
}

fn of_ours() -> watcher::Config {
    watcher::Config::default().labels(&labels::managed_by_us()).page_size(PAGE)
}

/// A watch that waits longer and longer after errors. kube says that a list begins before it asks for it, and takes that
/// for a success, so that a list which fails would be tried every second for ever: here it begins with its first page.
fn patient<T, S>(events: S) -> impl Stream<Item = watcher::Result<Event<T>>> + Send
where
    S: Stream<Item = watcher::Result<Event<T>>> + Send,
    T: Send,
{
    let mut begins = false;
    let events = events.map(move |event| {
        if matches!(event, Ok(Event::Init)) {
            begins = true;
            return stream::iter([None, None]);
        }
        let begun = std::mem::take(&mut begins) && event.is_ok();
        stream::iter([begun.then_some(Ok(Event::Init)), Some(event)])
    });
    events.flatten().filter_map(std::future::ready).default_backoff()
}

/// Counts the lists of a watch after its first: each means that it lost its place.
fn counted<T, S>(events: S, kind: String, metrics: Arc<Metrics>) -> impl Stream<Item = watcher::Result<Event<T>>> + Send
where
    S: Stream<Item = watcher::Result<Event<T>>> + Send,
    T: Send,
{
    let mut first = true;
    events.inspect_ok(move |event| {
        if matches!(event, Event::Init) && !std::mem::take(&mut first) {
            metrics.listed_again(&kind);
        }
    })
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

/// The apiserver's answer, or what kept it from coming.
pub(super) fn answer(error: &watcher::Error) -> Option<&kube::Error> {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => Some(error),
        _ => None,
    }
}

/// Says what a failed watch needs, where that is known.
pub(super) fn describe_watch(error: &watcher::Error) -> String {
    let answer = answer(error);
    match answer.and_then(kube_code) {
        Some(404) => {
            "the cluster does not know a kind of ours: install the CustomResourceDefinitions of config/crd".into()
        }
        Some(403) => format!(
            "{}; the rights that the operator needs are in config/rbac, and in config/namespaced for some namespaces only",
            answer.map(describe).unwrap_or_default()
        ),
        _ => error.to_string(),
    }
}
