//! Candidates against an apiserver that keeps one Lease, in paused time.

use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::{Request, Response};
use kube::Client;
use tokio::time::{Instant, advance};

use super::*;
use crate::conversionjob::fixtures::failure;

/// An apiserver with room for one Lease.
#[derive(Clone, Default)]
struct Shelf(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    lease: Option<Lease>,
    version: u64,
    writes: u32,
    broken: bool,
}

impl Shelf {
    fn api(&self) -> Api<Lease> {
        let keeper = self.clone();
        let service = tower::service_fn(move |request: Request<kube::client::Body>| {
            let keeper = keeper.clone();
            async move {
                let method = request.method().to_string();
                let body = request.into_body().collect_bytes().await.unwrap();
                let (code, body) = keeper.answer(&method, &body);
                Ok::<_, std::convert::Infallible>(Response::builder().status(code).body(Body::from(body)).unwrap())
            }
        });
        Api::namespaced(Client::new(service, "default"), "night")
    }

    fn answer(&self, method: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let mut kept = self.0.lock().unwrap();
        if kept.broken {
            return (500, failure(500));
        }
        if method != "GET" {
            let mut lease: Lease = serde_json::from_slice(body).unwrap();
            let found = kept.lease.as_ref().and_then(ResourceExt::resource_version);
            match (method, found.is_some()) {
                ("POST", true) => return (409, failure(409)),
                ("PUT", false) => return (404, failure(404)),
                ("PUT", true) if lease.resource_version() != found => return (409, failure(409)),
                _ => {}
            }
            kept.version += 1;
            kept.writes += 1;
            lease.metadata.resource_version = Some(kept.version.to_string());
            kept.lease = Some(lease);
        }
        match &kept.lease {
            Some(lease) => (200, serde_json::to_vec(lease).unwrap()),
            None => (404, failure(404)),
        }
    }

    fn holder(&self) -> String {
        let kept = self.0.lock().unwrap();
        let spec = kept.lease.as_ref().and_then(|lease| lease.spec.as_ref());
        spec.and_then(|spec| spec.holder_identity.clone()).unwrap_or_default()
    }

    fn writes(&self) -> u32 {
        self.0.lock().unwrap().writes
    }

    fn break_down(&self, broken: bool) {
        self.0.lock().unwrap().broken = broken;
    }
}

/// A gate by tokio's clock, which tests move.
fn gate() -> Gate {
    let start = Instant::now();
    Gate::shut_by(move || Moment { boot: start.elapsed(), wall: start.elapsed() })
}

fn settings(identity: &str) -> Settings {
    Settings {
        name: "flacship-operator".to_owned(),
        identity: identity.to_owned(),
        duration: Duration::from_secs(10),
        renew_deadline: Duration::from_secs(7),
        retry_period: Duration::from_secs(2),
    }
}

fn candidate(shelf: &Shelf, identity: &str) -> (Election, Gate) {
    let gate = gate();
    (Election::new(shelf.api(), settings(identity), gate.clone()), gate)
}

#[tokio::test(start_paused = true)]
async fn one_of_two_leads_and_its_death_is_noticed_within_the_lease_and_a_look() {
    let shelf = Shelf::default();
    let ((mut first, held_first), (mut second, held_second)) =
        (candidate(&shelf, "first"), candidate(&shelf, "second"));
    for _ in 0..10 {
        first.round().await;
        let pause = second.round().await;
        assert!(held_first.is_held() && !held_second.is_held());
        assert_eq!(pause, Duration::from_secs(2));
        advance(pause).await;
    }
    assert_eq!(shelf.writes(), 10);

    // The first is killed: no more rounds.
    let killed = Instant::now();
    while !held_second.is_held() {
        let pause = second.round().await;
        advance(pause).await;
    }
    assert!(killed.elapsed() <= Duration::from_secs(12), "{:?}", killed.elapsed());
    assert_eq!(shelf.holder(), "second");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_was_stopped_finds_its_gate_shut_before_it_looks_at_anything() {
    let shelf = Shelf::default();
    let ((mut first, held_first), (mut second, held_second)) =
        (candidate(&shelf, "first"), candidate(&shelf, "second"));
    first.round().await;
    second.round().await;
    advance(Duration::from_secs(10)).await;
    assert!(!held_first.is_held());
    second.round().await;
    assert!(held_second.is_held());

    // It goes on: its renewal is refused, and it follows.
    first.round().await;
    assert!(!held_first.is_held());
    assert_eq!(shelf.holder(), "second");
    assert_eq!(shelf.writes(), 2);
}

#[tokio::test(start_paused = true)]
async fn at_no_time_do_two_hold_the_gate() {
    // The second is never told anything but what it reads; the first stops renewing at every point of a round.
    for stop_after in 0..20 {
        let shelf = Shelf::default();
        let ((mut first, held_first), (mut second, held_second)) =
            (candidate(&shelf, "first"), candidate(&shelf, "second"));
        for tick in 0..400_u64 {
            if tick % 20 == 0 && tick <= stop_after * 5 {
                first.round().await;
            }
            if (tick + stop_after) % 20 == 0 {
                second.round().await;
            }
            assert!(!(held_first.is_held() && held_second.is_held()), "stopped after {stop_after}, tick {tick}");
            advance(Duration::from_millis(100)).await;
        }
        assert!(held_second.is_held());
    }
}

#[tokio::test(start_paused = true)]
async fn an_apiserver_that_is_away_ends_the_leadership_and_its_return_begins_it_again() {
    let shelf = Shelf::default();
    let (mut first, held) = candidate(&shelf, "first");
    first.round().await;
    shelf.break_down(true);
    let away = Instant::now();
    while held.is_held() {
        let pause = first.round().await;
        advance(pause).await;
    }
    assert!(away.elapsed() >= Duration::from_secs(7), "{:?}", away.elapsed());
    shelf.break_down(false);
    first.round().await;
    assert!(held.is_held());
}

#[tokio::test(start_paused = true)]
async fn looks_that_fail_now_and_then_do_not_put_off_the_take_over() {
    let shelf = Shelf::default();
    let ((mut first, _), (mut second, held)) = (candidate(&shelf, "first"), candidate(&shelf, "second"));
    first.round().await;
    second.round().await;
    // The first is killed, and every other look of the second fails.
    let killed = Instant::now();
    for round in 0.. {
        shelf.break_down(round % 2 == 0);
        let pause = second.round().await;
        if held.is_held() {
            break;
        }
        advance(pause).await;
    }
    assert!(killed.elapsed() <= Duration::from_secs(14), "{:?}", killed.elapsed());
    assert_eq!(shelf.holder(), "second");
}

#[tokio::test(start_paused = true)]
async fn a_clean_end_hands_over_at_the_next_look() {
    let shelf = Shelf::default();
    let ((first, held_first), (mut second, held_second)) = (candidate(&shelf, "first"), candidate(&shelf, "second"));
    let stop = CancellationToken::new();
    let run = tokio::spawn(first.run(stop.clone()));
    while !held_first.is_held() {
        tokio::task::yield_now().await;
    }
    second.round().await;
    assert!(!held_second.is_held());
    stop.cancel();
    run.await.unwrap();
    assert!(!held_first.is_held());
    assert_eq!(shelf.holder(), "");
    second.round().await;
    assert!(held_second.is_held());
}

#[tokio::test(start_paused = true)]
async fn nobody_gives_back_what_is_anothers() {
    let shelf = Shelf::default();
    let ((mut first, _), (mut second, held_second)) = (candidate(&shelf, "first"), candidate(&shelf, "second"));
    first.round().await;
    second.round().await;
    advance(Duration::from_secs(10)).await;
    second.round().await;
    // The first does not know yet.
    first.release().await;
    assert_eq!(shelf.holder(), "second");
    assert!(held_second.is_held());
}

#[test]
fn times_that_would_let_two_write_are_refused() {
    let with = |duration, renew_deadline, retry_period| {
        let seconds = Duration::from_secs;
        let settings = settings("me");
        Settings {
            duration: seconds(duration),
            renew_deadline: seconds(renew_deadline),
            retry_period: seconds(retry_period),
            ..settings
        }
        .check()
    };
    assert_eq!(with(10, 7, 2), Ok(()));
    assert_eq!(with(15, 10, 2), Ok(()));
    for (times, says) in [
        ((0, 0, 0), "too short"),
        ((10, 10, 2), "two operators could write at once"),
        ((10, 7, 0), "above zero"),
        ((10, 7, 4), "at most half"),
    ] {
        let (duration, renew_deadline, retry_period) = times;
        let said = with(duration, renew_deadline, retry_period).unwrap_err();
        assert!(said.contains(says), "{said}");
    }
}
