//! The gate and the names of requests, against services of a few lines.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchParams};
use kube::{Api, Client};
use serde_json::json;
use tower::ServiceBuilder;

use super::*;
use crate::leader::Moment;

#[test]
fn a_request_is_named_as_rbac_names_it() {
    for (method, uri, verb, resource) in [
        ("GET", "/api/v1/pods?watch=true&resourceVersion=0", "watch", "pods"),
        ("GET", "/api/v1/pods?labelSelector=a", "list", "pods"),
        ("GET", "/api/v1/namespaces/x/pods/p/log?container=c", "get", "pods/log"),
        ("GET", "/api/v1/namespaces/x", "get", "namespaces"),
        ("PUT", "/api/v1/namespaces/x/finalize", "update", "namespaces/finalize"),
        ("POST", "/apis/events.k8s.io/v1/namespaces/x/events?", "create", "events.events.k8s.io"),
        ("PATCH", "/apis/apps/v1/namespaces/x/deployments/d?force=true", "patch", "deployments.apps"),
        (
            "PATCH",
            "/apis/flacship.dev/v1alpha1/namespaces/x/audioconverters/a/scale",
            "patch",
            "audioconverters.flacship.dev/scale",
        ),
        ("DELETE", "/apis/batch/v1/namespaces/x/jobs/j", "delete", "jobs.batch"),
        ("DELETE", "/apis/batch/v1/namespaces/x/jobs", "deletecollection", "jobs.batch"),
        ("GET", "/k8s/clusters/c-1/apis/apps/v1/deployments", "list", "deployments.apps"),
        ("GET", "/apis/gateway.networking.k8s.io/v1", "get", ""),
        ("GET", "/version", "get", ""),
    ] {
        let call = Call::of(&method.parse().unwrap(), &uri.parse().unwrap());
        assert_eq!((call.verb, call.resource.as_str()), (verb, resource), "{method} {uri}");
    }
}

/// A client whose requests pass the layer and then `serve`.
fn client<F, Fut>(gate: Gate, timeout: Duration, serve: F) -> Client
where
    F: FnMut(Request<Guarded>) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Response<axum::body::Body>, BoxError>> + Send + 'static,
{
    let layer = TransportLayer { gate, metrics: Arc::default(), timeout };
    Client::new(ServiceBuilder::new().layer(layer).service(tower::service_fn(serve)), "attic")
}

/// A gate that was opened for seven seconds, and its clock.
fn held() -> (Gate, Arc<Mutex<Duration>>) {
    let clock = Arc::new(Mutex::new(Duration::from_secs(100)));
    let hand = Arc::clone(&clock);
    let gate = Gate::shut_by(move || {
        let now = *hand.lock().unwrap();
        Moment { boot: now, wall: now }
    });
    gate.hold(gate.now(), Duration::from_secs(7));
    (gate, clock)
}

fn config_map() -> axum::body::Body {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "reel"}}).to_string().into()
}

#[tokio::test]
async fn every_kind_of_write_is_refused_without_a_request_and_reads_go_on() {
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let (gate, clock) = held();
    let client = client(gate, Duration::from_secs(1), move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Ok(Response::new(config_map())))
    });
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let patch = Patch::Apply(json!({"apiVersion": "v1", "kind": "ConfigMap"}));
    let params = PatchParams::apply("test");

    maps.patch("reel", &params, &patch).await.unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 1);

    // The process was stopped for a minute; nothing of the election has run since.
    *clock.lock().unwrap() += Duration::from_mins(1);
    let refused = [
        maps.patch("reel", &params, &patch).await.unwrap_err(),
        maps.create(&PostParams::default(), &ConfigMap::default()).await.unwrap_err(),
        maps.replace("reel", &PostParams::default(), &ConfigMap::default()).await.unwrap_err(),
        maps.delete("reel", &DeleteParams::default()).await.unwrap_err(),
    ];
    assert!(refused.iter().all(|error| NotLeading::caused(error)), "{refused:?}");
    assert_eq!(asked.load(Ordering::Relaxed), 1);

    maps.get("reel").await.unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_write_that_waited_for_its_connection_is_not_sent_any_more() {
    let (gate, clock) = held();
    let client = client(gate, Duration::from_secs(1), move |request: Request<Guarded>| {
        // While the connection is made, the process is stopped.
        *clock.lock().unwrap() += Duration::from_mins(1);
        async move {
            axum::body::to_bytes(axum::body::Body::new(request.into_body()), 1024).await?;
            Ok(Response::new(config_map()))
        }
    });
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let error = maps.create(&PostParams::default(), &ConfigMap::default()).await.unwrap_err();
    assert!(NotLeading::caused(&error), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_begin_is_not_waited_for() {
    let client = client(Gate::open(), Duration::from_secs(15), |_| std::future::pending());
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let error = maps.get("reel").await.unwrap_err();
    assert!(error.to_string().contains("within 15 s"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_end_is_not_waited_for_either_but_a_watch_is() {
    let never = || axum::body::Body::from_stream(futures::stream::pending::<Result<Bytes, BoxError>>());
    let client = client(Gate::open(), Duration::from_secs(15), move |_| std::future::ready(Ok(Response::new(never()))));
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let begun = tokio::time::Instant::now();
    let error = maps.list(&ListParams::default()).await.unwrap_err();
    assert!(error.to_string().contains("within 60 s"), "{error:?}");
    assert_eq!(begun.elapsed().as_secs(), 60);

    let mut watch = maps.watch(&WatchParams::default(), "0").await.unwrap().boxed();
    let hour = Duration::from_hours(1);
    assert!(tokio::time::timeout(hour, watch.next()).await.is_err(), "it waits for its next event");
}
