//! `GET /ws` as it should not go: every end without a result has a code, a close code and words, or, where the client is
//! gone, a count.

use tokio_tungstenite::tungstenite::{self, Message};

use crate::{
    check::Sound,
    harness::{Service, get},
    stream::Client,
};

/// Sends these and returns the code of the error and of the close.
async fn ends(service: &Service, path: &str, messages: &[Message]) -> (String, u16) {
    let (mut client, _) = Client::connect_to(service.address, path, &[]).await.unwrap();
    for message in messages {
        // The server may have ended the stream over an earlier one.
        if client.try_send(message.clone()).await.is_err() {
            break;
        }
    }
    client.last_words().await
}

#[tokio::test]
async fn what_is_no_stream_is_refused_in_words() {
    let service = Service::start(&[]).await;
    let wav = || Message::binary(Sound::music(5_000, 2, 16).wav);
    let end = || Message::text(r#"{"type":"end"}"#);
    for (path, messages, code, close) in [
        ("/ws", vec![Message::text("hello?")], "malformed_message", 1007),
        ("/ws", vec![Message::text(r#"{"type":"stop"}"#)], "malformed_message", 1007),
        ("/ws", vec![wav(), Message::text("{{{")], "malformed_message", 1007),
        ("/ws", vec![Message::text(r#"{"type":"start","speed":1}"#)], "malformed_message", 1007),
        ("/ws", vec![Message::text(r#"{"type":"start","level":9}"#)], "invalid_option", 1007),
        ("/ws", vec![Message::text(r#"{"type":"start","format":"pcm"}"#)], "invalid_option", 1007),
        ("/ws?speed=9", vec![], "unknown_option", 1007),
        ("/ws?level=9", vec![wav()], "invalid_option", 1007),
        ("/ws", vec![wav(), Message::text(r#"{"type":"start"}"#)], "late_start", 1008),
        ("/ws", vec![Message::binary(b"no WAV at all, but text".to_vec())], "not_wav", 1003),
        ("/ws", vec![end()], "empty_input", 1007),
        ("/ws", vec![Message::binary(b"RIFF".to_vec()), end()], "truncated_header", 1007),
        (
            "/ws",
            vec![Message::text(r#"{"type":"start","format":"pcm","sample_rate":1,"channels":9,"bits_per_sample":16}"#)],
            "unsupported_channels",
            1003,
        ),
    ] {
        assert_eq!(ends(&service, path, &messages).await, (code.to_owned(), close), "{path} {messages:?}");
    }
    // The server is as well as before.
    service.until_counts("flacship_converter_active_conversions{kind=\"stream\"} 0").await;
    assert!(service.counts("flacship_converter_errors_total{code=\"malformed_message\"} 4").await);
}

#[tokio::test]
async fn a_refused_stream_s_words_arrive_although_the_client_sends_on() {
    let service = Service::start(&[]).await;
    let (mut client, _) = Client::connect_to(service.address, "/ws", &[]).await.unwrap();
    for _ in 0..50 {
        if client.try_send(Message::binary(vec![b'x'; 500_000])).await.is_err() {
            break;
        }
    }
    assert_eq!(client.last_words().await, ("not_wav".to_owned(), 1003));
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused() {
    let service = Service::start(&["--ws-max-message", "64Ki"]).await;
    let messages = [Message::binary(vec![0; 65_537])];
    assert_eq!(ends(&service, "/ws", &messages).await, ("message_too_large".to_owned(), 1009));
    let sound = Sound::music(20_000, 2, 16);
    let mut client = Client::connect(service.address).await;
    client.binary(&sound.wav[..65_536 - 44]).await;
    client.until_frames(2).await;
}

#[tokio::test]
async fn a_silent_client_is_told_that_it_was_idle() {
    let service = Service::start(&["--idle-timeout", "200ms"]).await;
    assert_eq!(ends(&service, "/ws", &[]).await, ("idle".to_owned(), 4408));
    let wav = Message::binary(Sound::music(5_000, 2, 16).wav);
    assert_eq!(ends(&service, "/ws", &[wav]).await, ("idle".to_owned(), 4408));
}

#[tokio::test]
async fn a_connection_that_breaks_within_a_frame_is_counted_and_cleaned_up() {
    let service = Service::start(&[]).await;
    let mut client = Client::connect(service.address).await;
    client.binary(&Sound::music(5_000, 2, 16).wav).await;
    client.until_frames(2).await;
    client.cut_in_a_frame().await;
    service.until_counts("flacship_converter_errors_total{code=\"client_gone\"} 1").await;
    service.until_counts("flacship_converter_conversions_total{kind=\"stream\",outcome=\"aborted\"} 1").await;
    service.until_counts("flacship_converter_active_conversions{kind=\"stream\"} 0").await;
}

#[tokio::test]
async fn a_close_without_an_end_is_counted_as_one() {
    let service = Service::start(&[]).await;
    let mut client = Client::connect(service.address).await;
    client.binary(&Sound::music(5_000, 2, 16).wav).await;
    client.send(Message::Close(None)).await;
    client.rest().await;
    service.until_counts("flacship_converter_errors_total{code=\"no_end\"} 1").await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_slowed_then_given_up_and_told_so() {
    let service = Service::start(&["--idle-timeout", "300ms", "--close-timeout", "1h"]).await;
    let path = "/ws?format=pcm&sample_rate=44100&channels=2&bits_per_sample=16";
    let (mut client, _) = Client::connect_to(service.address, path, &[]).await.unwrap();
    let sound = Sound::noise(250_000, 2, 16, 6);
    // Its frames fill the sockets' buffers, so the server stops reading, and sending blocks.
    tokio::select! {
        () = async { while client.try_send(Message::binary(sound.pcm())).await.is_ok() {} } => panic!("cut off"),
        () = service.until_counts("flacship_converter_errors_total{code=\"slow_reader\"} 1") => {}
    }
    assert_eq!(client.last_words().await, ("slow_reader".to_owned(), 1008));
}

#[tokio::test]
async fn pages_of_other_origins_are_refused_before_the_upgrade() {
    let service = Service::start(&["--allowed-origin", "https://studio.example,http://localhost:5173"]).await;
    let own = format!("http://{}", service.address);
    for (origin, allowed) in [
        (own.as_str(), true),
        ("https://studio.example", true),
        ("http://localhost:5173", true),
        ("https://evil.example", false),
        ("null", false),
    ] {
        match Client::connect_to(service.address, "/ws", &[("origin", origin)]).await {
            Ok(_) => assert!(allowed, "{origin}"),
            Err(tungstenite::Error::Http(response)) => {
                assert!(!allowed, "{origin}");
                assert_eq!(response.status(), 403);
                let problem: serde_json::Value = serde_json::from_slice(response.body().as_ref().unwrap()).unwrap();
                assert_eq!(problem["code"], "origin");
                assert!(problem["detail"].as_str().unwrap().contains("--allowed-origin"));
            }
            Err(other) => panic!("{origin}: {other}"),
        }
    }
}

#[tokio::test]
async fn a_plain_request_is_told_that_this_is_a_websocket() {
    let service = Service::start(&[]).await;
    let (status, body) = get(&service.url("/ws")).await;
    assert_eq!(status, 426);
    assert!(body.contains("WebSocket"), "{body}");
}
