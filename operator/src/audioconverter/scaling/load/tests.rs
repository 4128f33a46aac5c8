//! Pods' admin ports in this process: real sockets, and answers that a test can change.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::super::pods::tests::ready;
use super::*;
use crate::ask::MOST;

/// How a fake pod is.
#[derive(Clone, Debug, Default)]
pub struct Inside {
    pub active: u32,
    pub max: u32,
    pub reserved: bool,
    /// A stream that comes right before the reservation holds.
    pub late: u32,
    /// What it was asked, as `POST /reserve?ttl=30s`.
    pub asked: Vec<String>,
}

/// The admin port of a pod.
pub struct FakePod {
    pub name: String,
    pub address: SocketAddr,
    pub inside: Arc<Mutex<Inside>>,
    server: JoinHandle<()>,
}

impl Drop for FakePod {
    fn drop(&mut self) {
        self.server.abort();
    }
}

type Shared = State<Arc<Mutex<Inside>>>;

fn say(inside: &Inside) -> Json<Value> {
    Json(json!({
        "streams": { "active": inside.active, "max": inside.max },
        "conversions": { "active": 0, "max": 64, "queued": 0 },
        "draining": false,
        "reserved": inside.reserved,
        "reserved_seconds_left": 0.0,
    }))
}

impl FakePod {
    pub async fn start(name: &str, active: u32, max: u32) -> Self {
        let inside = Arc::new(Mutex::new(Inside { active, max, ..Inside::default() }));
        let router = Router::new()
            .route(
                "/load",
                get(|State(inside): Shared| async move {
                    let mut inside = inside.lock().unwrap();
                    inside.asked.push("GET /load".to_owned());
                    say(&inside)
                }),
            )
            .route(
                "/reserve",
                post(|State(inside): Shared, uri: axum::http::Uri| async move {
                    let mut inside = inside.lock().unwrap();
                    inside.asked.push(format!("POST {uri}"));
                    inside.active += std::mem::take(&mut inside.late);
                    inside.reserved = true;
                    say(&inside)
                })
                .delete(|State(inside): Shared| async move {
                    let mut inside = inside.lock().unwrap();
                    inside.asked.push("DELETE /reserve".to_owned());
                    inside.reserved = false;
                    say(&inside)
                }),
            )
            .with_state(Arc::clone(&inside));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { name: name.to_owned(), address, inside, server }
    }

    /// The pod as the operator finds it in the cluster: nobody has asked it yet.
    pub fn view(&self) -> PodView {
        PodView { address: Some(self.address), load: None, fresh: false, ..ready(&self.name, 0, 0) }
    }

    pub fn asked(&self) -> Vec<String> {
        self.inside.lock().unwrap().asked.clone()
    }

    pub fn is_reserved(&self) -> bool {
        self.inside.lock().unwrap().reserved
    }
}

/// An address where nobody listens.
pub async fn nowhere() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// An address that takes connections and never answers.
pub async fn silence() -> (SocketAddr, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (listener.local_addr().unwrap(), listener)
}

pub fn asker() -> Asker {
    Asker::new(Duration::from_secs(10))
}

#[tokio::test]
async fn a_pod_says_how_full_it_is_and_is_reserved_and_released() {
    let pod = FakePod::start("reel-1", 3, 8).await;
    pod.inside.lock().unwrap().late = 1;
    let load = asker().load(pod.address).await.unwrap();
    assert_eq!((load.streams.active, load.streams.max, load.reserved), (3, 8, false));
    let load = asker().reserve(pod.address, Duration::from_secs(30)).await.unwrap();
    assert_eq!((load.streams.active, load.reserved), (4, true));
    let load = asker().release(pod.address).await.unwrap();
    assert!(!load.reserved);
    assert_eq!(pod.asked(), ["GET /load", "POST /reserve?ttl=30s", "DELETE /reserve"]);
}

#[tokio::test]
async fn who_does_not_answer_keeps_what_it_last_said_and_is_not_fresh() {
    let here = FakePod::start("here", 2, 8).await;
    let gone = PodView { address: Some(nowhere().await), ..ready("gone", 5, 8) };
    let (address, _listener) = silence().await;
    let hangs = PodView { address: Some(address), ..ready("hangs", 6, 8) };
    let unborn = PodView { fresh: false, load: None, started: false, ..ready("unborn", 0, 0) };
    let mut pods = [here.view(), gone, hangs, unborn];
    Asker::new(Duration::from_millis(300)).look(&mut pods, ALTOGETHER).await;
    let seen: Vec<_> = pods.iter().map(|pod| (pod.streams(), pod.fresh, pod.is_silent())).collect();
    assert_eq!(seen, [(Some(2), true, false), (Some(5), false, true), (Some(6), false, true), (None, false, false)]);
}

#[tokio::test]
async fn many_that_hang_are_not_waited_for_one_after_the_other() {
    let here = FakePod::start("here", 2, 8).await;
    let (address, _listener) = silence().await;
    let hangs = |n| PodView { address: Some(address), ..ready(&format!("hangs-{n}"), 6, 8) };
    let mut pods: Vec<PodView> = std::iter::once(here.view()).chain((0..2 * AT_ONCE).map(hangs)).collect();
    let names: BTreeSet<String> = pods.iter().map(|pod| pod.name.clone()).collect();
    let (patient, within) = (Asker::new(Duration::from_mins(1)), Duration::from_secs(1));
    let (begin, lasts) = (std::time::Instant::now(), Duration::from_secs(30));
    patient.look(&mut pods, within).await;
    assert!(pods[0].fresh && pods[1..].iter().all(|pod| !pod.fresh && pod.streams() == Some(6)));
    pods[1].fresh = true;
    patient.reserve_all(&mut pods, &names, lasts, within).await;
    assert!(here.is_reserved() && pods[0].fresh && !pods[1].fresh);
    patient.release_all(&mut pods, &names, within).await;
    assert!(!here.is_reserved());
    assert!(begin.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn an_answer_that_is_none_is_an_error() {
    let router = Router::new()
        .route("/load", get(|| async { "full" }))
        .route("/reserve", post(|| async { "x".repeat(MOST + 1) }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    assert!(matches!(asker().load(address).await, Err(AskError::Answer(_))));
    assert!(matches!(asker().reserve(address, Duration::from_secs(1)).await, Err(AskError::Answer(_))));
    assert!(matches!(asker().release(address).await, Err(AskError::Status(StatusCode::METHOD_NOT_ALLOWED))));
    assert!(matches!(asker().load(nowhere().await).await, Err(AskError::Connection(_))));
    server.abort();
}

#[test]
fn the_answer_of_a_converter_is_read_and_what_is_new_in_it_does_not_matter() {
    let load: Load = serde_json::from_value(json!({
        "streams": { "active": 1, "max": 4, "waiting": 0 },
        "conversions": { "active": 2, "max": 64, "queued": 3 },
        "draining": true,
        "mood": "fine",
    }))
    .unwrap();
    assert_eq!((load.streams.active, load.conversions.active, load.conversions.queued), (1, 2, 3));
    assert!(load.draining && !load.reserved);
}
