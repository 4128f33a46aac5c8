//! How many streams there may be and how long they may last, and what `/load` says of it.

use converter::serve::Stop;
use serde_json::{Value, json};

use crate::{
    harness::{Service, get, until_status},
    stream::Client,
    tokens::{KEY, key_file},
};

async fn load(service: &Service) -> Value {
    let (status, body) = get(&format!("http://{}/load", service.admin)).await;
    assert_eq!(status, 200);
    serde_json::from_str(&body).unwrap()
}

#[tokio::test]
async fn a_full_server_tells_streams_to_try_later() {
    let service = Service::start(&["--max-streams", "2"]).await;
    let idle = json!({"active": 0, "max": 64, "queued": 0});
    let whole = json!({
        "streams": {"active": 0, "max": 2}, "conversions": idle,
        "draining": false, "reserved": false, "reserved_seconds_left": 0.0,
    });
    assert_eq!(load(&service).await, whole);
    let mut taken = [Client::connect(service.address).await, Client::connect(service.address).await];
    for client in &mut taken {
        client.until_said("ready").await;
    }
    assert_eq!(load(&service).await["streams"], json!({"active": 2, "max": 2}));
    let mut late = Client::connect(service.address).await;
    assert_eq!(late.last_words().await, ("too_many_streams".to_owned(), 1013));
    // Being full is no reason to send others away who only want the page.
    assert_eq!(get(&format!("http://{}/readyz", service.admin)).await.0, 200);
    drop(taken);
    // A place is free again once the server has noticed.
    loop {
        let mut client = Client::connect(service.address).await;
        assert!(client.take().await);
        if client.said[0]["type"] == "ready" {
            break;
        }
    }
}

#[tokio::test]
async fn load_tells_that_the_server_is_leaving() {
    let service = Service::start(&["--drain-delay", "1h", "--drain-seconds", "7200"]).await;
    let (admin, address) = (service.admin, service.address);
    assert_eq!(load(&service).await["draining"], false);
    let ended = service.stop(Stop::Terminate);
    until_status(&format!("http://{admin}/readyz"), 503).await;
    let body: Value = serde_json::from_str(&get(&format!("http://{admin}/load")).await.1).unwrap();
    assert_eq!(body["draining"], true);
    // It still takes streams: the cluster may not know yet.
    Client::connect(address).await.until_said("ready").await;
    ended.abort();
}

#[tokio::test]
async fn a_stream_that_lasts_too_long_is_ended() {
    let service = Service::start(&["--max-stream-duration", "100ms"]).await;
    let mut client = Client::connect(service.address).await;
    assert_eq!(client.last_words().await, ("stream_too_long".to_owned(), 1008));
}

#[tokio::test]
async fn resuming_does_not_make_a_stream_s_life_longer() {
    let (_folder, keys) = key_file(KEY);
    let patient = Service::start(&["--stream-key-file", &keys, "--checkpoint-interval", "0s"]).await;
    let strict = Service::start(&["--stream-key-file", &keys, "--max-stream-duration", "1s"]).await;
    let mut client = Client::connect(patient.address).await;
    client.binary(&crate::check::Sound::music(10_000, 2, 16).wav).await;
    let token = client.until_said("checkpoint").await["token"].as_str().unwrap().to_owned();
    let mut later = Client::connect(strict.address).await;
    later.text(&format!(r#"{{"type":"resume","token":"{token}"}}"#)).await;
    assert_eq!(later.last_words().await, ("stream_too_long".to_owned(), 1008));
}
