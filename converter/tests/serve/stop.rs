//! How the server ends: what it has is finished, what is new is refused, and nobody waits for ever.

use std::process::Command;

use converter::serve::Stop;
use tokio_tungstenite::tungstenite::Message;

use crate::{
    check::Sound,
    harness::{Service, get, post, problem, until_status},
    process::Server,
    raw::Raw,
    stream::Client,
};

#[tokio::test]
async fn a_stopping_server_finishes_what_it_has_and_refuses_what_is_new() {
    let service = Service::start(&[]).await;
    let (address, admin) = (service.address, service.admin);
    let sound = Sound::music(50_000, 2, 16);
    let (first, second) = sound.wav.split_at(60_000);
    let mut upload = Raw::connect(address).await;
    upload.head("POST /convert", &format!("Content-Length: {}\r\n", sound.wav.len())).await;
    upload.send(first).await;
    let mut stream = Client::connect(address).await;
    stream.binary(first).await;
    service.until_counts("flacship_converter_active_conversions{kind=\"upload\"} 1").await;
    service.until_counts("flacship_converter_active_conversions{kind=\"stream\"} 1").await;
    let url = service.url("/convert");

    let ended = service.stop(Stop::Interrupt);
    until_status(&format!("http://{admin}/readyz"), 503).await;
    assert_eq!(get(&format!("http://{admin}/livez")).await.0, 200);
    let answer = reqwest::Client::new().post(url).body(sound.wav.clone()).send().await.unwrap();
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    assert_eq!(problem(answer).await["code"], "draining");
    let mut late = Client::connect(address).await;
    assert_eq!(late.last_words().await, ("draining".to_owned(), 1012));

    upload.send(second).await;
    sound.assert_in(&upload.answer().await.1);
    stream.binary(second).await;
    stream.text(r#"{"type":"end"}"#).await;
    sound.assert_in(&stream.rest().await.patched());
    ended.await.unwrap();
}

#[tokio::test]
async fn after_sigterm_work_is_still_taken_while_the_cluster_learns_of_it() {
    let service = Service::start(&["--drain-delay", "1h", "--drain-timeout", "7200"]).await;
    let (url, admin) = (service.url("/convert"), service.admin);
    let ended = service.stop(Stop::Terminate);
    until_status(&format!("http://{admin}/readyz"), 503).await;
    let sound = Sound::music(1_000, 1, 16);
    let answer = reqwest::Client::new().post(url).body(sound.wav.clone()).send().await.unwrap();
    sound.assert_in(&answer.bytes().await.unwrap());
    ended.abort();
}

#[tokio::test]
async fn what_outlasts_the_drain_time_is_cut_off_and_told_so() {
    let service = Service::start(&["--drain-timeout", "100ms"]).await;
    let mut stream = Client::connect(service.address).await;
    stream.binary(&Sound::music(10_000, 2, 16).wav).await;
    service.until_counts("flacship_converter_active_conversions{kind=\"stream\"} 1").await;
    let ended = service.stop(Stop::Interrupt);
    assert_eq!(stream.last_words().await, ("draining".to_owned(), 1012));
    ended.await.unwrap();
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_the_server() {
    let service = Service::start(&[]).await;
    let mut idle = Raw::connect(service.address).await;
    idle.head("GET /healthz", "").await;
    idle.answer().await;
    service.stop(Stop::Interrupt).await.unwrap();
    assert!(idle.rest().await.is_empty());
}

#[tokio::test]
async fn the_command_prints_the_page_s_address_and_ends_well_on_sigterm() {
    let mut server = Server::start(&["--drain-delay", "0s"]);
    assert!(get(&server.url).await.1.contains("id=\"drop\""));
    let killed = Command::new("kill").arg(server.child.id().to_string()).status().unwrap();
    assert!(killed.success());
    assert!(server.child.wait().unwrap().success());
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_converter"))
        .args(["serve", "--listen", &address, "--admin-listen", "127.0.0.1:0"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains(&format!("cannot listen on {address}")), "{error}");
}

#[tokio::test]
async fn a_stopped_server_lets_its_streams_close() {
    let service = Service::start(&[]).await;
    let mut stream = Client::connect(service.address).await;
    let sound = Sound::music(10, 1, 16);
    stream.binary(&sound.wav).await;
    stream.send(Message::binary(Vec::new())).await;
    sound.assert_in(&stream.rest().await.patched());
    // An upload before the stop, so that both kinds have been there.
    assert_eq!(post(&service, "", sound.wav.clone()).await.status(), 200);
    service.stop(Stop::Interrupt).await.unwrap();
}
