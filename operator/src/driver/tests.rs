//! What the loop asks of an apiserver that is in trouble, counted in paused time.

use std::cell::RefCell;
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
            std::future::ready(Ok::<_, BoxError>(
                Response::builder().status(code).header("audit-id", "a-17").body(body).unwrap(),
            ))
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

thread_local! {
    /// What was logged on this thread, which is a test's own.
    static LOGGED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Writes to [`LOGGED`].
struct Log;

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOGGED.with_borrow_mut(|log| log.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn the_line_of_a_failure_names_the_reconcile_and_the_request_that_was_refused() {
    // For all threads: with one for this alone, lines that other tests come by first would be taken for unwanted everywhere.
    let log = tracing_subscriber::fmt().json().flatten_event(true).with_span_list(false);
    tracing::subscriber::set_global_default(log.with_writer(|| Log).finish()).unwrap();
    let trouble = Trouble::new(1, 500, &Gate::open());
    let shutdown = trouble.begin().await;
    while trouble.failed() < 2 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    shutdown.cancel();
    let text = LOGGED.with_borrow(|log| String::from_utf8(log.clone()).unwrap());
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let failures: Vec<&Value> = lines.iter().filter(|line| line["category"] == "apiserver").collect();
    let numbers: Vec<&Value> = failures.iter().map(|line| &line["reconcile"]).collect();
    assert_eq!(numbers, [&json!(1), &json!(2)], "{text}");
    for failure in failures {
        assert_eq!(failure["span"]["reconcile"], failure["reconcile"]);
        assert_eq!((&failure["span"]["audit_id"], &failure["resource"]), (&json!("a-17"), &json!("tape-0")));
    }
    assert!(lines.iter().any(|line| line["message"] == "A request was refused" && line["code"] == 500), "{text}");
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
