//! `/reserve` on the admin port: new streams are kept away, all else goes on, and the answer has every stream that will be.

use converter::serve::Stop;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    check::Sound,
    harness::{Service, get, post, problem, until_status},
    stream::{BLOCK, Client},
};

async fn ask(service: &Service, method: Method, path: &str) -> reqwest::Response {
    let url = format!("http://{}{path}", service.admin);
    reqwest::Client::new().request(method, url).send().await.unwrap()
}

/// The load that a request answers with.
async fn load(service: &Service, method: Method, path: &str) -> Value {
    let answer = ask(service, method, path).await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["cache-control"]), (200, &"no-store".parse().unwrap()));
    answer.json().await.unwrap()
}

/// Whether a new stream may begin; if not, it was told of the reservation.
async fn may_begin(service: &Service) -> bool {
    let mut client = Client::connect(service.address).await;
    assert!(client.take().await);
    if client.said[0]["type"] == "ready" {
        return true;
    }
    assert_eq!(client.last_words().await, reserved());
    false
}

fn reserved() -> (String, u16) {
    (String::from("reserved"), 1013)
}

#[tokio::test]
async fn new_streams_are_kept_away_and_all_else_goes_on() {
    let service = Service::start(&["--max-streams", "7", "--checkpoint-interval", "0s"]).await;
    let sound = Sound::music(5 * BLOCK, 2, 16);
    let (first, second) = sound.wav.split_at(2 * BLOCK * 4 + 100);
    let mut running = Client::connect(service.address).await;
    running.binary(first).await;
    let token = running.until_said("checkpoint").await["token"].as_str().unwrap().to_owned();

    let told = load(&service, Method::POST, "/reserve?ttl=5m").await;
    let left = told["reserved_seconds_left"].as_f64().unwrap();
    assert!(left > 0.0 && left <= 300.0, "{told}");
    let whole = json!({
        "streams": {"active": 1, "max": 7}, "conversions": {"active": 0, "max": 64, "queued": 0},
        "draining": false, "reserved": true, "reserved_seconds_left": left,
    });
    assert_eq!(told, whole);

    assert!(!may_begin(&service).await);
    let mut resuming = Client::connect(service.address).await;
    resuming.text(&json!({"type": "resume", "token": token}).to_string()).await;
    assert_eq!(resuming.last_words().await, reserved());
    let mut of_old = Client::plain(service.address).await;
    of_old.binary(&sound.wav).await;
    assert_eq!(of_old.last_words().await, reserved());
    assert!(service.counts("flacship_converter_errors_total{code=\"reserved\"} 3").await);
    assert!(service.counts("flacship_converter_reserved 1").await);

    // Neither probes nor files nor what runs has to do with it.
    assert_eq!(get(&format!("http://{}/readyz", service.admin)).await.0, 200);
    sound.assert_in(&post(&service, "", sound.wav.clone()).await.bytes().await.unwrap());
    let status: Value = serde_json::from_str(&get(&service.url("/status")).await.1).unwrap();
    assert_eq!((&status["phase"], &status["active"]["streams"]), (&json!("serving"), &json!(1)));
    running.binary(second).await;
    running.text(r#"{"type":"end"}"#).await;
    sound.assert_in(&running.rest().await.patched());
    service.until_counts("flacship_converter_active_conversions{kind=\"stream\"} 0").await;
    assert!(!may_begin(&service).await);

    for _ in 0..2 {
        let told = load(&service, Method::DELETE, "/reserve").await;
        assert_eq!((&told["reserved"], &told["reserved_seconds_left"]), (&json!(false), &json!(0.0)));
    }
    assert!(service.counts("flacship_converter_reserved 0").await);
    assert!(may_begin(&service).await);
}

#[tokio::test]
async fn a_reservation_ends_by_itself_and_asking_again_renews_it() {
    let service = Service::start(&["--max-reservation", "2h"]).await;
    let default = load(&service, Method::POST, "/reserve").await["reserved_seconds_left"].as_f64().unwrap();
    assert!(default > 0.0 && default <= 30.0, "{default}");
    let renewed = load(&service, Method::POST, "/reserve?ttl=2h").await["reserved_seconds_left"].as_f64().unwrap();
    assert!(renewed > 3600.0 && renewed <= 7200.0, "{renewed}");
    load(&service, Method::POST, "/reserve?ttl=10ms").await;
    while load(&service, Method::GET, "/load").await["reserved"] == true {
        tokio::task::yield_now().await;
    }
    assert!(may_begin(&service).await);
}

#[tokio::test]
async fn what_cannot_be_reserved_is_refused_and_changes_nothing() {
    let service = Service::start(&[]).await;
    for (query, word) in
        [("ttl=301s", "at most 300 s, this server's --max-reservation"), ("ttl=0", "DELETE /reserve"), ("ttl=x", "30s")]
    {
        let answer = ask(&service, Method::POST, &format!("/reserve?{query}")).await;
        assert_eq!(answer.status(), 400, "{query}");
        let problem = problem(answer).await;
        assert_eq!(problem["code"], "invalid_option");
        assert!(problem["detail"].as_str().unwrap().contains(word), "{problem}");
    }
    assert_eq!(ask(&service, Method::POST, "/reserve?time=5").await.status(), 400);
    let answer = ask(&service, Method::GET, "/reserve").await;
    assert_eq!(answer.status(), 405);
    let allowed = answer.headers()["allow"].to_str().unwrap();
    assert!(allowed.contains("POST") && allowed.contains("DELETE"), "{allowed}");
    // Who only may convert here may not do this.
    assert_eq!(post_public(&service).await, 404);
    assert_eq!(load(&service, Method::GET, "/load").await["reserved"], false);
    assert!(may_begin(&service).await);
}

async fn post_public(service: &Service) -> u16 {
    reqwest::Client::new().post(service.url("/reserve")).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_server_that_leaves_can_be_reserved_too() {
    let service = Service::start(&["--drain-delay", "1h", "--drain-seconds", "7200"]).await;
    let (admin, address) = (service.admin, service.address);
    let ended = service.stop(Stop::Terminate);
    until_status(&format!("http://{admin}/readyz"), 503).await;
    let answer = reqwest::Client::new().post(format!("http://{admin}/reserve")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let told: Value = answer.json().await.unwrap();
    assert_eq!((&told["draining"], &told["reserved"]), (&json!(true), &json!(true)));
    // For a while it would still take streams.
    assert_eq!(Client::connect(address).await.last_words().await, reserved());
    ended.abort();
}

#[tokio::test]
async fn a_server_that_drains_can_be_reserved_and_says_that_it_drains() {
    let service = Service::start(&[]).await;
    let (admin, address) = (service.admin, service.address);
    let sound = Sound::music(2 * BLOCK, 2, 16);
    let mut running = Client::connect(address).await;
    running.until_said("ready").await;
    let ended = service.stop(Stop::Interrupt);
    until_status(&format!("http://{admin}/readyz"), 503).await;
    let answer = reqwest::Client::new().post(format!("http://{admin}/reserve")).send().await.unwrap();
    let told: Value = answer.json().await.unwrap();
    assert_eq!((&told["draining"], &told["streams"]["active"]), (&json!(true), &json!(1)));
    // It is for good, and a client need not hear of the reservation.
    assert_eq!(Client::connect(address).await.last_words().await, (String::from("draining"), 1012));
    running.binary(&sound.wav).await;
    running.text(r#"{"type":"end"}"#).await;
    sound.assert_in(&running.rest().await.patched());
    ended.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_answer_has_every_stream_that_begins() {
    const ROUNDS: usize = 10;
    const CLIENTS: u64 = 60;
    for _ in 0..ROUNDS {
        let service = Service::start(&[]).await;
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let address = service.address;
            clients.spawn(async move {
                let mut client = Client::connect(address).await;
                assert!(client.take().await);
                client
            });
        }
        // In the middle of their coming.
        while load(&service, Method::GET, "/load").await["streams"]["active"].as_u64().unwrap() < CLIENTS / 10 {
            tokio::task::yield_now().await;
        }
        let told = load(&service, Method::POST, "/reserve?ttl=5m").await["streams"]["active"].as_u64().unwrap();
        // Those that may begin stay till the last one knows.
        let clients = clients.join_all().await;
        let begun = clients.iter().filter(|client| client.said[0]["type"] == "ready").count() as u64;
        let refused = clients.iter().filter(|client| client.said[0]["code"] == "reserved").count() as u64;
        assert_eq!((told, told + refused), (begun, CLIENTS));
        assert_eq!(load(&service, Method::GET, "/load").await["streams"]["active"], begun);
    }
}
