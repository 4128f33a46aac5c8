//! What the server's log tells of requests and streams: one line each, with the id that the client has, and no secret.

use std::{
    fs,
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use crate::{check::Sound, process::Server, stream::Client, tokens::key_file};

#[tokio::test(flavor = "multi_thread")]
async fn every_request_and_stream_leaves_one_line_with_its_id() {
    let (folder, tokens) = key_file("the-only-token");
    let log = folder.path().join("log");
    let server = Server::start_on(
        "127.0.0.1:0",
        &["--token-file", &tokens, "--checkpoint-interval", "0s"],
        Stdio::from(fs::File::create(&log).unwrap()),
    );
    let client = reqwest::Client::new();
    let convert = format!("{}convert", server.url);
    let sound = Sound::music(10_000, 2, 16);
    let mut wanted = Vec::new();
    for (id, body, token, status, code) in [
        ("good-1", sound.wav.clone(), "the-only-token", 200, ""),
        ("bad-1", b"hello, world: no WAV".to_vec(), "the-only-token", 415, "not_wav"),
        ("shut-1", sound.wav.clone(), "a-wrong-token", 401, "unauthorized"),
    ] {
        let request = client.post(&convert).header("x-request-id", id).bearer_auth(token).body(body);
        let answer = request.send().await.unwrap();
        assert_eq!((answer.status().as_u16(), &answer.headers()["x-request-id"]), (status, &id.parse().unwrap()));
        if status != 200 {
            let problem: Value = answer.json().await.unwrap();
            assert_eq!(problem["request_id"], id);
        }
        wanted.push((id.to_owned(), format!("status={status} code=\"{code}\"")));
    }
    // An id of the server's own is the same in all places, too.
    let answer = client.post(&convert).bearer_auth("the-only-token").body("no WAV at all, no").send().await.unwrap();
    let problem: Value = answer.json().await.unwrap();
    wanted.push((problem["request_id"].as_str().unwrap().to_owned(), String::from("status=415 code=\"not_wav\"")));

    for (message, code) in [(Message::binary(sound.wav.clone()), ""), (Message::text("hello?"), "malformed_message")] {
        let headers = [("authorization", "Bearer the-only-token"), ("x-other", "1")];
        let (mut stream, _) = Client::connect_to(server.address, "/ws", &headers).await.unwrap();
        let id = stream.until_said("ready").await["id"].as_str().unwrap().to_owned();
        stream.send(message).await;
        let _ = stream.try_send(Message::text(r#"{"type":"end"}"#)).await;
        while stream.take().await {}
        wanted.push((id, format!("code=\"{code}\"")));
    }
    let count =
        |text: &str, id: &str| text.lines().filter(|line| line.contains(&format!("request_id=\"{id}\""))).count();
    // A stream's line is written once both sides have closed.
    let limit = Instant::now() + Duration::from_mins(1);
    let text = loop {
        let text = fs::read_to_string(&log).unwrap();
        if wanted.iter().all(|(id, _)| count(&text, id) > 0) {
            break text;
        }
        assert!(Instant::now() < limit, "{text}");
        tokio::task::yield_now().await;
    };
    for (id, words) in &wanted {
        assert_eq!(count(&text, id), 1, "{id}: {text}");
        let line = text.lines().find(|line| line.contains(&format!("request_id=\"{id}\""))).unwrap();
        assert!(line.contains(words), "{words}: {line}");
    }
    for secret in ["the-only-token", "a-wrong-token"] {
        assert!(!text.contains(secret), "{text}");
    }
}
