//! Bearer tokens: what stays open, what does not, and that a changed file is honoured.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    check::Sound,
    harness::{Service, get, problem},
    stream::Client,
    tokens::key_file,
};

async fn status(service: &Service, path: &str, authorization: &str) -> reqwest::Response {
    reqwest::Client::new().get(service.url(path)).header("authorization", authorization).send().await.unwrap()
}

#[tokio::test]
async fn only_those_with_a_token_are_let_in() {
    let (_folder, path) = key_file("first-token\nsecond-token\n");
    let service = Service::start(&["--token-file", &path]).await;
    for open in ["/", "/healthz"] {
        assert_eq!(get(&service.url(open)).await.0, 200, "{open}");
    }
    assert_eq!(get(&format!("http://{}/load", service.admin)).await.0, 200);
    for authorization in ["", "Bearer third-token", "Basic first-token", "Bearer"] {
        let answer = status(&service, "/status", authorization).await;
        assert_eq!(answer.status(), 401, "{authorization}");
        assert_eq!(answer.headers()["www-authenticate"], "Bearer");
        let problem = problem(answer).await;
        assert_eq!(problem["code"], "unauthorized");
        assert!(!problem.to_string().contains("third-token"));
    }
    assert_eq!(status(&service, "/status", "Bearer first-token").await.status(), 200);
    let sound = Sound::music(1_000, 2, 16);
    let post = || reqwest::Client::new().post(service.url("/convert")).body(sound.wav.clone());
    assert_eq!(post().send().await.unwrap().status(), 401);
    let asked = reqwest::Client::new().request(reqwest::Method::OPTIONS, service.url("/convert")).send().await.unwrap();
    assert_ne!(asked.status(), 401);
    let answer = post().bearer_auth("second-token").send().await.unwrap();
    sound.assert_in(&answer.bytes().await.unwrap());
}

#[tokio::test]
async fn a_stream_brings_its_token_in_a_header_or_as_a_subprotocol() {
    let (_folder, path) = key_file("first-token");
    let service = Service::start(&["--token-file", &path]).await;
    let as_subprotocol = |token: &str| format!("flacship.v1, flacship.bearer.{}", URL_SAFE_NO_PAD.encode(token));
    let sound = Sound::music(9_000, 2, 16);
    for headers in [
        [("authorization", "Bearer first-token"), ("sec-websocket-protocol", "flacship.v1")],
        [("x-other", "1"), ("sec-websocket-protocol", &as_subprotocol("first-token"))],
    ] {
        let (mut client, response) = Client::connect_to(service.address, "/ws", &headers).await.unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], "flacship.v1");
        client.binary(&sound.wav).await;
        client.text(r#"{"type":"end"}"#).await;
        client.rest().await.assert_brought(&sound);
    }
    for headers in [
        vec![],
        vec![("authorization", "Bearer other-token")],
        vec![("sec-websocket-protocol", &as_subprotocol("other-token"))],
    ] {
        let (mut client, _) = Client::connect_to(service.address, "/ws", &headers).await.unwrap();
        assert_eq!(client.last_words().await, ("unauthorized".to_owned(), 1008));
        assert_eq!(client.said.len(), 1);
    }
    assert!(service.counts("flacship_converter_conversions_total{kind=\"stream\",outcome=\"converted\"} 2").await);
}

#[tokio::test]
async fn tokens_change_while_the_server_runs() {
    let (_folder, path) = key_file("first-token");
    let service = Service::start(&["--token-file", &path]).await;
    assert_eq!(status(&service, "/status", "Bearer first-token").await.status(), 200);
    std::fs::write(&path, "second-token").unwrap();
    while status(&service, "/status", "Bearer second-token").await.status() != 200 {}
    assert_eq!(status(&service, "/status", "Bearer first-token").await.status(), 401);
}
