//! The whole controller against an apiserver of a few lines, in paused time.

use std::sync::Mutex;

use axum::body::{Body, Bytes};
use axum::http::{Request, Response};
use futures::stream;
use kube::Client;
use serde_json::{Value, json};
use tower::BoxError;

use super::*;
use crate::admin::Readiness;
use crate::apis::{Apis, HTTP_ROUTE};
use crate::context::{Config, Shared};
use crate::leader::Gate;

const ROUTE: &str = "/apis/gateway.networking.k8s.io/v1/namespaces/reels/httproutes/tape.archive-9";

/// A context whose apiserver holds this converter and this HTTPRoute, and says yes to all else; and what it was asked.
fn holding(converter: &Value, route: &Value) -> (Arc<Context>, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let (note, converter, route) = (Arc::clone(&asked), converter.clone(), route.clone());
    let answer = move |request: Request<kube::client::Body>| {
        let (verb, uri) = (request.method().to_string(), request.uri().to_string());
        let list = |items: &[&Value]| json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "9"}, "items": items});
        let body = if uri.contains("watch=true") {
            Body::from_stream(stream::pending::<Result<Bytes, BoxError>>())
        } else {
            note.lock().unwrap().push(format!("{verb} {}", request.uri().path()));
            let object = match uri.as_str() {
                uri if uri.starts_with(ROUTE) => route.clone(),
                uri if uri.contains("/status?") => converter.clone(),
                uri if uri.contains("/namespaces/") => json!({"metadata": {"name": "x"}}),
                uri if uri.contains("/audioconverters?") => list(&[&converter]),
                uri if uri.contains("/httproutes?") => list(&[&route]),
                _ => list(&[]),
            };
            object.to_string().into()
        };
        std::future::ready(Ok::<_, BoxError>(Response::new(body)))
    };
    let ctx = Context::new(Shared {
        client: Client::new(tower::service_fn(answer), "default"),
        config: Config::with_image("registry.example/converter:1"),
        metrics: Arc::default(),
        gate: Gate::open(),
        apis: Arc::new(Apis::with([HTTP_ROUTE])),
    });
    (ctx, asked)
}

#[tokio::test(start_paused = true)]
async fn a_route_that_is_left_over_goes_after_a_restart() {
    let mut converter = fixtures::converter("replicas: 0");
    // All is as it should be, as far as its status tells.
    converter.status = serde_json::from_value(json!({"observedGeneration": 3, "conditions": []})).unwrap();
    let route = json!({"apiVersion": HTTP_ROUTE.api_version(), "kind": "HTTPRoute", "metadata": {"name": "tape.archive-9",
        "namespace": "reels", "uid": "u-3", "resourceVersion": "5", "ownerReferences": [{"apiVersion": "flacship.dev/v1alpha1",
            "kind": "AudioConverter", "name": "tape.archive-9", "uid": "u-42", "controller": true}]}});
    let (ctx, asked) = holding(&serde_json::to_value(&converter).unwrap(), &route);
    let shutdown = CancellationToken::new();
    let readiness = Arc::new(Readiness::default());
    tokio::spawn(run(ctx, readiness.part(), shutdown.clone()));
    let gone = async {
        while !asked.lock().unwrap().contains(&format!("DELETE {ROUTE}")) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), gone).await.unwrap();
    shutdown.cancel();
}
