//! What a client may not do to the server and to other clients: queue, rates, times, and refusals before the upload.

use crate::{
    check::Sound,
    harness::{Service, get, post, problem},
    raw::Raw,
};

/// Waits until so many uploads have a place.
async fn until_converting(service: &Service, count: u64) {
    loop {
        let status: serde_json::Value = serde_json::from_str(&get(&service.url("/status")).await.1).unwrap();
        if status["active"]["conversions"] == count {
            return;
        }
        tokio::task::yield_now().await;
    }
}

async fn until_queued(service: &Service, count: u64) {
    service.until_counts(&format!("flacship_converter_queued_conversions {count}")).await;
}

#[tokio::test]
async fn uploads_wait_in_order_and_the_queue_has_an_end() {
    let service = Service::start(&["--max-conversions", "1", "--max-queue", "2"]).await;
    let sound = Sound::music(20_000, 2, 16);
    let length = format!("Content-Length: {}\r\n", sound.wav.len());
    let mut first = Raw::connect(service.address).await;
    first.head("POST /convert", &length).await;
    first.send(&sound.wav[..1_000]).await;
    until_converting(&service, 1).await;

    // One that waits with its upload unfinished, one that has sent all of it: both are seen to leave.
    let mut unfinished = Raw::connect(service.address).await;
    unfinished.head("POST /convert", &length).await;
    unfinished.send(&sound.wav[..10]).await;
    until_queued(&service, 1).await;
    let small = Sound::music(100, 1, 16);
    let mut finished = Raw::connect(service.address).await;
    finished.head("POST /convert", &format!("Content-Length: {}\r\n", small.wav.len())).await;
    finished.send(&small.wav).await;
    until_queued(&service, 2).await;

    let answer = post(&service, "", small.wav.clone()).await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (429, &"10".parse().unwrap()));
    assert_eq!(problem(answer).await["code"], "queue_full");
    let mut asking = Raw::connect(service.address).await;
    asking.head("POST /convert", &format!("{length}Expect: 100-continue\r\n")).await;
    assert!(asking.answer().await.0.starts_with("HTTP/1.1 429"));

    drop(unfinished);
    until_queued(&service, 1).await;
    drop(finished);
    until_queued(&service, 0).await;

    let mut second = Raw::connect(service.address).await;
    second.head("POST /convert", &length).await;
    second.send(&sound.wav).await;
    until_queued(&service, 1).await;
    first.send(&sound.wav[1_000..]).await;
    sound.assert_in(&first.answer().await.1);
    sound.assert_in(&second.answer().await.1);
    until_converting(&service, 0).await;
}

#[tokio::test]
async fn an_unread_answer_takes_no_place() {
    let service = Service::start(&["--max-conversions", "1", "--max-queue", "0"]).await;
    let sound = Sound::noise(1_000_000, 2, 16, 1);
    let mut unread = Raw::connect(service.address).await;
    unread.head("POST /convert", &format!("Content-Length: {}\r\n", sound.wav.len())).await;
    unread.send(&sound.wav).await;
    unread.answer_head().await;
    until_converting(&service, 0).await;
    let small = Sound::music(100, 1, 16);
    small.assert_in(&post(&service, "", small.wav.clone()).await.bytes().await.unwrap());
}

#[tokio::test]
async fn an_upload_that_only_trickles_is_given_up() {
    let service = Service::start(&["--min-upload-rate", "1Gi", "--idle-timeout", "200ms"]).await;
    let mut client = Raw::connect(service.address).await;
    client.head("POST /convert", "Content-Length: 100000\r\nExpect: 100-continue\r\n").await;
    // So the server waits before the first byte comes, and the few that come earn less than that.
    assert!(client.answer_head().await.starts_with("HTTP/1.1 100"));
    client.send(b"RIFF").await;
    let (head, body) = client.answer().await;
    assert!(head.starts_with("HTTP/1.1 408"), "{head}");
    let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["code"], "too_slow");
    assert!(problem["detail"].as_str().unwrap().contains("1 GiB a second"), "{problem}");
}

#[tokio::test]
async fn an_upload_that_takes_too_long_is_given_up() {
    let service = Service::start(&["--conversion-timeout", "100ms"]).await;
    for path in ["/convert", "/convert?progressive=true"] {
        let mut client = Raw::connect(service.address).await;
        client.head(&format!("POST {path}"), "Content-Length: 100000\r\n").await;
        client.send(b"RIFF").await;
        let (head, body) = client.answer().await;
        assert!(head.starts_with("HTTP/1.1 408"), "{head}");
        assert!(String::from_utf8(body).unwrap().contains("\"code\":\"took_too_long\""));
    }
    service.until_counts("flacship_converter_spool_used_bytes 0").await;
    until_converting(&service, 0).await;
}

#[tokio::test]
async fn what_the_head_shows_is_refused_before_the_body_is_asked_for() {
    let service = Service::start(&["--max-upload-size", "1Mi"]).await;
    for (path, headers, status) in [
        ("/convert", "Content-Length: 1048577\r\n", 413),
        ("/convert", "Content-Length: 10\r\nContent-Encoding: br\r\n", 415),
        ("/convert?level=10", "Content-Length: 10\r\n", 400),
        ("/convert", "Content-Length: 10\r\nContent-Type: multipart/form-data\r\n", 400),
        ("/nowhere", "Content-Length: 10\r\n", 404),
        ("/", "Content-Length: 10\r\n", 405),
    ] {
        let mut client = Raw::connect(service.address).await;
        client.head(&format!("POST {path}"), &format!("{headers}Expect: 100-continue\r\n")).await;
        let head = client.answer().await.0;
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{path} {headers}: {head}");
    }
    let sound = Sound::music(1_000, 1, 16);
    let mut client = Raw::connect(service.address).await;
    client.head("POST /convert", &format!("Content-Length: {}\r\nExpect: 100-continue\r\n", sound.wav.len())).await;
    assert!(client.answer_head().await.starts_with("HTTP/1.1 100"));
    client.send(&sound.wav).await;
    sound.assert_in(&client.answer().await.1);
}
