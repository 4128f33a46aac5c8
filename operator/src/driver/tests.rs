//! What the loop asks of an apiserver that is in trouble, counted in paused time.

use std::collections::BTreeMap;
use std::sync::Mutex;

use axum::body::{Body, Bytes};
use axum::http::{Request, Response};
use futures::stream;
use kube::Client;
use serde_json::{Value, json};
use tower::{BoxError, ServiceBuilder};

use super::*;
use crate::admin::Readiness;
use crate::context::{Config, Shared};
use crate::conversionjob::fixtures::failure;
use crate::leader::Gate;
use crate::transport::TransportLayer;

/// The code of an apiserver that does not even list.
const EVERYTHING_FAILS: u16 = 599;

/// An apiserver that lists converters and answers everything else with `code`, and what it was asked, counted.
struct Trouble {
    ctx: Arc<Context>,
    asked: Arc<Mutex<BTreeMap<String, u32>>>,
}

impl Trouble {
    fn new(converters: usize, code: u16, gate: &Gate) -> Self {
        let asked = Arc::<Mutex<BTreeMap<String, u32>>>::default();
        let count = Arc::clone(&asked);
        let answer = move |request: Request<crate::transport::Guarded>| {
            let (verb, path) = (request.method().to_string(), request.uri().to_string());
            let (watch, converted) = (path.contains("watch=true"), path.contains("/audioconverters?"));
            let kind = if watch { "watch" } else { verb.as_str() };
            // Lists of all namespaces are those of watches; a reconcile's are of one.
            let kind = if path.contains("/namespaces/") { kind } else { "watch" };
            *count.lock().unwrap().entry(kind.to_owned()).or_default() += 1;
            let (code, body) = match (watch, verb.as_str(), path.contains("/namespaces/")) {
                (true, ..) => (200, Body::from_stream(stream::pending::<Result<Bytes, BoxError>>())),
                (_, "GET", false) if code == EVERYTHING_FAILS => (500, failure(500).into()),
                (_, "GET", false) if converted => (200, list(converters).into()),
                (_, "GET", false) => (200, list(0).into()),
                _ => (code, failure(code).into()),
            };
            std::future::ready(Ok::<_, BoxError>(Response::builder().status(code).body(body).unwrap()))
        };
        let metrics = Arc::default();
        let layer =
            TransportLayer { gate: gate.clone(), metrics: Arc::clone(&metrics), timeout: Duration::from_secs(15) };
        let service = ServiceBuilder::new()
            .layer(crate::client::retries().unwrap())
            .layer(layer)
            .service(tower::service_fn(answer));
        let shared = Shared {
            client: Client::new(service, "default"),
            config: Config::with_image("registry.example/converter:1"),
            metrics,
            gate: gate.clone(),
            apis: Arc::default(),
        };
        Self { ctx: Context::new(shared), asked }
    }

    /// Begins the controller of AudioConverters, and waits until its watches have their lists.
    async fn begin(&self) -> CancellationToken {
        let shutdown = CancellationToken::new();
        let readiness = Arc::new(Readiness::default());
        let run = crate::audioconverter::run(Arc::clone(&self.ctx), readiness.part(), shutdown.clone());
        tokio::spawn(run);
        while !readiness.is_ready() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        shutdown
    }

    /// How many reconciles ended in an error.
    fn failed(&self) -> u32 {
        let text = self.ctx.metrics.text();
        let line = r#"flacship_operator_reconciles_total{kind="AudioConverter",outcome="error"} "#;
        let value = text.lines().find_map(|told| told.strip_prefix(line));
        value.map_or(0, |value| value.parse().unwrap())
    }

    /// What was asked, without the watches and their lists.
    fn total(&self) -> u32 {
        self.asked.lock().unwrap().iter().filter(|(kind, _)| *kind != "watch").map(|(_, count)| count).sum()
    }
}

fn list(converters: usize) -> String {
    let items: Vec<Value> = (0..converters)
        .map(|number| {
            json!({
                "apiVersion": "flacship.dev/v1alpha1", "kind": "AudioConverter", "spec": {"replicas": 1},
                "metadata": {"name": format!("tape-{number}"), "namespace": "attic", "uid": format!("u-{number}"),
                    "resourceVersion": "7", "generation": 1},
            })
        })
        .collect();
    json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "9"}, "items": items}).to_string()
}

#[tokio::test(start_paused = true)]
async fn errors_make_no_hot_loop() {
    for (code, tries_of_a_call) in [(409, 1), (429, 7), (500, 1), (503, 7)] {
        let trouble = Trouble::new(3, code, &Gate::open());
        let shutdown = trouble.begin().await;
        tokio::time::sleep(Duration::from_mins(30)).await;
        shutdown.cancel();
        // Each of the three is tried at once, after 1, 2, 4, … 256 s and then every five minutes.
        let failed = trouble.failed();
        assert!((3 * 13..=3 * 14).contains(&failed), "{failed} reconciles in half an hour of {code}");
        // The first call that fails ends a reconcile; after a conflict, the object is looked at before.
        let asked = trouble.total();
        assert!((failed..=2 * failed * tries_of_a_call).contains(&asked), "{asked} requests in half an hour of {code}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_stands_by_watches_and_asks_nothing_and_reconciles_all_when_it_leads() {
    let gate = Gate::shut();
    let trouble = Trouble::new(3, 500, &gate);
    let shutdown = trouble.begin().await;
    tokio::time::sleep(Duration::from_mins(30)).await;
    assert_eq!((trouble.total(), trouble.failed()), (0, 0));
    gate.hold(gate.now(), Duration::from_hours(1));
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(trouble.failed(), 3);
    gate.close();
    tokio::time::sleep(Duration::from_mins(30)).await;
    assert_eq!(trouble.failed(), 3);
    shutdown.cancel();
}

#[tokio::test(start_paused = true)]
async fn lists_that_fail_make_no_hot_loop_and_hold_up_no_end() {
    let trouble = Trouble::new(3, EVERYTHING_FAILS, &Gate::open());
    let (shutdown, readiness) = (CancellationToken::new(), Arc::new(Readiness::default()));
    let run = crate::audioconverter::run(Arc::clone(&trouble.ctx), readiness.part(), shutdown.clone());
    let run = tokio::spawn(run);
    tokio::time::sleep(Duration::from_mins(30)).await;
    assert!(!readiness.is_ready());
    let lists = trouble.asked.lock().unwrap()["watch"];
    // kube's pace for watches: from 0.8 to 30 seconds, some of it left to chance. There are a dozen of them at most.
    assert!(lists < 12 * 150, "{lists} lists in half an hour");
    let end = tokio::time::Instant::now();
    shutdown.cancel();
    run.await.unwrap();
    assert!(end.elapsed() < Duration::from_secs(1));
}
