//! Kinds that not every cluster serves: their CustomResourceDefinitions are other projects', and come and go.
//!
//! Discovery is asked every while. A watch on CustomResourceDefinitions would tell at once, but needs rights on all of the
//! cluster that an operator for some namespaces does not have; discovery is open to every ServiceAccount.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::time::Duration;

use futures::future::Either;
use futures::stream::{self, Stream, StreamExt};
use kube::Client;
use kube::discovery::ApiResource;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::errors::{CallError, NOT_FOUND, call};

/// A kind that a cluster may not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OptionalKind {
    /// Its API group.
    pub group: &'static str,
    /// Its version in that group.
    pub version: &'static str,
    /// Its name, as in manifests.
    pub kind: &'static str,
    /// Its name in URLs.
    pub plural: &'static str,
}

/// A route of the Gateway API.
pub const HTTP_ROUTE: OptionalKind =
    OptionalKind { group: "gateway.networking.k8s.io", version: "v1", kind: "HTTPRoute", plural: "httproutes" };
/// What the Prometheus operator scrapes.
pub const SERVICE_MONITOR: OptionalKind =
    OptionalKind { group: "monitoring.coreos.com", version: "v1", kind: "ServiceMonitor", plural: "servicemonitors" };
/// How long after a failed look the next is.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// Doubts that come in quick succession are one; tries at the start are so far apart.
const BREATH: Duration = Duration::from_secs(1);
/// All that are asked for.
const ALL: [OptionalKind; 2] = [HTTP_ROUTE, SERVICE_MONITOR];

impl OptionalKind {
    /// `group/version`.
    pub fn api_version(&self) -> String {
        format!("{}/{}", self.group, self.version)
    }

    /// What a client needs to know of it.
    pub fn resource(&self) -> ApiResource {
        ApiResource {
            group: self.group.to_owned(),
            version: self.version.to_owned(),
            api_version: self.api_version(),
            kind: self.kind.to_owned(),
            plural: self.plural.to_owned(),
        }
    }
}

/// Which optional kinds the cluster serves.
#[derive(Debug)]
pub struct Apis {
    served: watch::Sender<BTreeSet<OptionalKind>>,
    doubt: Notify,
}

impl Default for Apis {
    fn default() -> Self {
        Self { served: watch::Sender::default(), doubt: Notify::new() }
    }
}

impl Apis {
    /// A cluster that serves these, for tests.
    pub fn with(kinds: impl IntoIterator<Item = OptionalKind>) -> Self {
        let apis = Self::default();
        apis.served.send_replace(kinds.into_iter().collect());
        apis
    }

    /// Whether the cluster serves `kind`, as far as is known.
    pub fn has(&self, kind: OptionalKind) -> bool {
        self.served.borrow().contains(&kind)
    }

    /// Something showed that what is known may be wrong: asks again at once.
    pub fn doubt(&self) {
        self.doubt.notify_one();
    }

    /// An item each time that `kind` comes or goes.
    pub fn changes(&self, kind: OptionalKind) -> impl Stream<Item = ()> + Send + use<> {
        let served = self.served.subscribe();
        let had = served.borrow().contains(&kind);
        stream::unfold((served, had), move |(mut served, had)| async move {
            let has = served.wait_for(|served| served.contains(&kind) != had).await.ok()?.contains(&kind);
            Some(((), (served, has)))
        })
    }

    /// What `make` makes, begun when `kind` comes and dropped when it goes.
    pub fn while_served<S, F>(&self, kind: OptionalKind, make: F) -> impl Stream<Item = S::Item> + Send + use<S, F>
    where
        S: Stream + Send + 'static,
        S::Item: Send,
        F: Fn() -> S + Send + 'static,
    {
        let served = self.served.subscribe();
        stream::unfold((served, make, None::<Pin<Box<S>>>), move |(mut served, make, mut current)| async move {
            loop {
                let wanted = served.borrow_and_update().contains(&kind);
                match (wanted, current.is_some()) {
                    (true, false) => current = Some(Box::pin(make())),
                    (false, true) => current = None,
                    _ => {}
                }
                let next = match &mut current {
                    Some(current) => Either::Left(current.next()),
                    None => Either::Right(std::future::pending()),
                };
                tokio::select! {
                    changed = served.changed() => changed.ok()?,
                    item = next => return Some((item?, (served, make, current))),
                }
            }
        })
    }

    /// Asks the cluster once. What could not be found out stays as it was.
    pub async fn refresh(&self, client: &Client) -> Result<(), CallError> {
        let mut outcome = Ok(());
        let mut served = self.served.borrow().clone();
        for kind in ALL {
            let version = kind.api_version();
            match call(format!("discover {version}"), client.list_api_group_resources(&version)).await {
                Ok(list) if list.resources.iter().any(|resource| resource.kind == kind.kind) => {
                    served.insert(kind);
                }
                Ok(_) => {
                    served.remove(&kind);
                }
                Err(error) if error.code() == Some(NOT_FOUND) => {
                    served.remove(&kind);
                }
                Err(error) => outcome = Err(error),
            }
        }
        self.served.send_if_modified(|known| {
            for kind in known.symmetric_difference(&served) {
                let now = if served.contains(kind) { "serves" } else { "does not serve" };
                tracing::info!(kind = kind.kind, api = kind.api_version(), "The cluster {now} this kind");
            }
            let changed = *known != served;
            *known = served;
            changed
        });
        outcome
    }

    /// Asks the cluster for the first time, so that nothing is taken for missing that is there. An apiserver that does not
    /// answer holds up the start for a few tries only.
    pub async fn first(&self, client: &Client) {
        const TRIES: u32 = 5;
        for _ in 0..TRIES {
            match self.refresh(client).await {
                Ok(()) => return,
                Err(error) => tracing::warn!("Whether optional kinds are served is not known yet: {error}"),
            }
            tokio::time::sleep(BREATH).await;
        }
    }

    /// Asks the cluster every `period`, and at once in doubt, until `stop`.
    pub async fn follow(&self, client: &Client, period: Duration, stop: CancellationToken) {
        let mut failed = false;
        loop {
            let pause = if failed { period.min(AFTER_FAILURE) } else { period };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.doubt.notified() => tokio::time::sleep(BREATH.min(period)).await,
                () = stop.cancelled() => return,
            }
            let outcome = self.refresh(client).await;
            if let (Err(error), false) = (&outcome, failed) {
                tracing::warn!("Whether optional kinds are served is not known any better: {error}");
            }
            failed = outcome.is_err();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversionjob::fixtures::FakeCluster;
    use futures::FutureExt;
    use serde_json::{Value, json};

    const ROUTES: &str = "GET /apis/gateway.networking.k8s.io/v1";
    const MONITORS: &str = "GET /apis/monitoring.coreos.com/v1";

    fn resources(kinds: &[&str]) -> Value {
        let resources: Vec<Value> = kinds
            .iter()
            .map(|kind| json!({"kind": kind, "name": "x", "singularName": "", "namespaced": true, "verbs": ["get"]}))
            .collect();
        json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "g/v1", "resources": resources})
    }

    #[tokio::test]
    async fn a_kind_is_there_if_its_group_names_it() {
        let apis = Apis::default();
        let cluster = FakeCluster::default().json(ROUTES, &resources(&["Gateway", "HTTPRoute"]));
        apis.refresh(&cluster.context().client).await.unwrap();
        assert!(apis.has(HTTP_ROUTE) && !apis.has(SERVICE_MONITOR));

        // An apiserver in trouble proves nothing; another group's answer counts all the same.
        let cluster = cluster.answer(ROUTES, 500, "").json(MONITORS, &resources(&["ServiceMonitor"]));
        apis.refresh(&cluster.context().client).await.unwrap_err();
        assert!(apis.has(HTTP_ROUTE) && apis.has(SERVICE_MONITOR));

        let cluster = cluster.json(ROUTES, &resources(&["Gateway"])).answer(MONITORS, 404, "404 page not found\n");
        apis.refresh(&cluster.context().client).await.unwrap();
        assert!(!apis.has(HTTP_ROUTE) && !apis.has(SERVICE_MONITOR));
    }

    #[tokio::test]
    async fn a_watch_runs_while_its_kind_is_served() {
        let apis = Apis::default();
        let mut changes = apis.changes(HTTP_ROUTE).boxed();
        let mut items = apis.while_served(HTTP_ROUTE, || stream::iter([1, 2]).chain(stream::pending())).boxed();
        assert_eq!(items.next().now_or_never(), None);
        assert_eq!(changes.next().now_or_never(), None);

        apis.served.send_replace([HTTP_ROUTE].into());
        assert_eq!(items.next().await, Some(1));
        assert_eq!(changes.next().await, Some(()));
        // Another kind's coming does not begin it anew.
        apis.served.send_replace([HTTP_ROUTE, SERVICE_MONITOR].into());
        assert_eq!(items.next().await, Some(2));
        assert_eq!(changes.next().now_or_never(), None);

        apis.served.send_replace([SERVICE_MONITOR].into());
        assert_eq!(items.next().now_or_never(), None);
        assert_eq!(changes.next().await, Some(()));
        apis.served.send_replace([HTTP_ROUTE].into());
        assert_eq!(items.next().await, Some(1));
    }
}
