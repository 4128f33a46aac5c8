//! The public port behind TLS: everything that works without it, certificates that change, and clients that speak
//! something else.

use std::{fs, net::SocketAddr, process::Command, time::Duration};

use converter::serve::Stop;
use rustls::{ClientConnection, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::{
    certificates::{Authority, Pair},
    check::Sound,
    harness::{Service, get},
    raw::Raw,
    resume::Recorder,
    stream::{BLOCK, Client, SUBPROTOCOL},
    tokens::{KEY, key_file},
};

/// Converts over this connection, which stays.
async fn convert(client: &mut Raw, sound: &Sound) {
    client.head("POST /convert", &format!("Content-Length: {}\r\n", sound.wav.len())).await;
    client.send(&sound.wav).await;
    let (head, flac) = client.answer().await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    sound.assert_in(&flac);
}

async fn stream(authority: &Authority, address: SocketAddr, more: &[(&'static str, &str)]) -> Client {
    stream_or_refusal(authority, address, more).await.unwrap()
}

async fn stream_or_refusal(
    authority: &Authority,
    address: SocketAddr,
    more: &[(&'static str, &str)],
) -> tungstenite::Result<Client> {
    let line = Box::new(authority.connect(address).await);
    let headers = [&[SUBPROTOCOL], more].concat();
    Client::over(line, &format!("wss://{address}/ws"), &headers).await.map(|(client, _)| client)
}

#[tokio::test]
async fn uploads_are_converted_over_https() {
    let authority = Authority::new();
    let service = authority.serve(&[]).await;
    let connection = authority.connect(service.address).await;
    assert_eq!(connection.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let mut client = Raw(Box::new(connection));
    for sound in [Sound::music(200_000, 2, 16), Sound::noise(50_000, 2, 24, 5)] {
        convert(&mut client, &sound).await;
    }
    // Fails if the connection is cut off instead of ended.
    client.head("GET /healthz", "Connection: close\r\n").await;
    client.answer().await;
    assert!(client.rest().await.is_empty());
    // Probes and metrics stay as they are.
    assert_eq!(get(&format!("http://{}/readyz", service.admin)).await.0, 200);
    assert!(service.counts("flacship_converter_conversions_total{kind=\"upload\",outcome=\"converted\"} 2").await);
}

#[tokio::test]
async fn streams_go_on_over_new_encrypted_connections() {
    let (_folder, key) = key_file(KEY);
    let authority = Authority::new();
    let flags = ["--stream-key-file", key.as_str(), "--checkpoint-interval", "0s"];
    let servers = [authority.serve(&flags).await, authority.serve(&flags).await];
    let sound = Sound::music(6 * BLOCK + 123, 2, 16);
    let mut recorder = Recorder::new("/ws", sound.wav.clone());
    let message = (BLOCK + 500) * 4;
    for at in 0..5 {
        let mut client = recorder.go_on(stream(&authority, servers[at % 2].address, &[]).await).await;
        let from = recorder.from();
        client.binary(&sound.wav[from..from + message]).await;
        recorder.until_checkpoint(&mut client).await;
    }
    let client = recorder.go_on(stream(&authority, servers[0].address, &[]).await).await;
    recorder.finish(client, &sound).await;
}

#[tokio::test]
async fn a_stream_s_end_is_the_connection_s_and_no_cut() {
    let authority = Authority::new();
    let service = authority.serve(&[]).await;
    let sound = Sound::music(3 * BLOCK, 2, 16);
    let mut client = stream(&authority, service.address, &[]).await;
    client.binary(&sound.wav).await;
    client.text(r#"{"type":"end"}"#).await;
    while client.take().await {}
    assert!(client.after().await.is_empty());
    client.assert_brought(&sound);
}

#[tokio::test]
async fn the_page_s_own_origin_may_stream_and_others_may_not() {
    let authority = Authority::new();
    let service = authority.serve(&[]).await;
    let own = format!("https://{}", service.address);
    stream(&authority, service.address, &[("origin", &own)]).await;
    let foreign = stream_or_refusal(&authority, service.address, &[("origin", "https://evil.example")]).await;
    assert!(matches!(foreign, Err(tungstenite::Error::Http(response)) if response.status() == 403));
}

#[test]
fn converter_stream_trusts_the_authority_that_it_is_given() {
    let authority = Authority::new();
    let server = authority.process(&[]);
    assert!(server.url.starts_with("https://"), "{}", server.url);
    let folder = tempfile::tempdir().unwrap();
    let sound = Sound::music(30_000, 2, 16);
    fs::write(folder.path().join("in.wav"), &sound.wav).unwrap();
    let run = |more: &[&str], trusted: Option<String>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_converter"));
        command.args(["stream", &server.url, "in.wav", "out.flac", "--force"]).args(more);
        command.envs(trusted.map(|file| ("SSL_CERT_FILE", file)));
        let output = command.current_dir(&folder).output().unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    let (is_fine, told) = run(&[], None);
    assert!(!is_fine && told.contains("is not trusted") && told.contains("--ca-file"), "{told}");
    assert!(!told.contains("trying again"), "before any audio a setting is wrong, and time does not mend it: {told}");
    for (flag, trusted) in [(Some(authority.ca_file()), None), (None, Some(authority.ca_file()))] {
        let flags: Vec<_> = flag.iter().flat_map(|file| ["--ca-file", file.as_str()]).collect();
        let (is_fine, told) = run(&flags, trusted);
        assert!(is_fine, "{told}");
        sound.assert_in(&fs::read(folder.path().join("out.flac")).unwrap());
        fs::remove_file(folder.path().join("out.flac")).unwrap();
    }
}

#[test]
fn curl_converts_over_https() {
    let authority = Authority::new();
    let server = authority.process(&[]);
    let sound = Sound::music(100_000, 2, 16);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("in.wav"), &sound.wav).unwrap();
    let url = format!("https://localhost:{}/convert", server.address.port());
    let curl = Command::new("curl")
        .args(["--silent", "--show-error", "--fail", "--noproxy", "*", "--cacert", &authority.ca_file()])
        .args(["--form", "file=@in.wav", "--output", "out.flac", &url])
        .current_dir(&folder)
        .output();
    match curl {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            sound.assert_in(&fs::read(folder.path().join("out.flac")).unwrap());
        }
        Err(error) => println!("there is no curl here: {error}"),
    }
}

#[tokio::test]
async fn a_certificate_is_replaced_and_no_connection_is_lost() {
    let mut authority = Authority::new();
    let service = authority.serve(&[]).await;
    let before = authority.shown(service.address).await;
    let sound = Sound::music(20 * BLOCK, 2, 16);
    let (first, second) = sound.wav.split_at(100_000);
    let mut upload = authority.raw(service.address).await;
    convert(&mut upload, &sound).await;
    let mut recording = stream(&authority, service.address, &[]).await;
    recording.binary(first).await;

    let next = authority.issue();
    assert_ne!(next.leaf(), before);
    authority.mount(&next.chain, &next.key);
    authority.until_shown(service.address, &next).await;

    convert(&mut upload, &sound).await;
    recording.binary(second).await;
    recording.text(r#"{"type":"end"}"#).await;
    recording.rest().await.assert_brought(&sound);
}

#[tokio::test]
async fn a_session_of_an_older_certificate_is_not_gone_on_with() {
    let mut authority = Authority::new();
    let service = authority.serve(&[]).await;
    // One client for all, so that it has a session to go on with.
    let connector = TlsConnector::from(authority.client());
    let connect = async || {
        let tcp = TcpStream::connect(service.address).await.unwrap();
        let stream = connector.connect(ServerName::from(service.address.ip()), tcp).await.unwrap();
        let shown = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
        let mut client = Raw(Box::new(stream));
        client.head("GET /healthz", "").await;
        assert!(client.answer().await.0.starts_with("HTTP/1.1 200"));
        shown
    };
    let before = connect().await;
    assert_eq!(connect().await, before);
    let next = authority.issue();
    authority.mount(&next.chain, &next.key);
    authority.until_shown(service.address, &next).await;
    assert_eq!(connect().await, next.leaf());
}

/// What is mounted: a chain and a key, made of the pair in force and the next one.
type Fault = fn(&Pair, &Pair) -> (String, String);

#[tokio::test]
async fn what_is_no_pair_changes_nothing() {
    let faults: [Fault; 5] = [
        |old, new| (new.chain.clone(), old.key.clone()),
        |old, new| (old.chain.clone(), new.key.clone()),
        |_, new| (String::new(), new.key.clone()),
        |_, new| (new.chain.clone(), "no key\n".to_owned()),
        |_, new| (new.chain[..new.chain.len() / 4].to_owned(), new.key.clone()),
    ];
    futures::future::join_all(faults.map(async |fault| {
        let mut authority = Authority::new();
        let (old, new) = (authority.issue(), authority.issue());
        authority.mount(&old.chain, &old.key);
        let service = authority.serve(&[]).await;
        let (chain, key) = fault(&old, &new);
        authority.mount(&chain, &key);
        unchanged(&authority, &service, &old).await;
        fs::remove_file(authority.path("..data")).unwrap();
        unchanged(&authority, &service, &old).await;
        authority.mount(&new.chain, &new.key);
        authority.until_shown(service.address, &new).await;
    }))
    .await;
}

/// Fails unless new connections are still shown this certificate, once the files have been looked at again.
async fn unchanged(authority: &Authority, service: &Service, pair: &Pair) {
    // Longer than the second after which a connection makes the server look.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    for _ in 0..2 {
        assert!(authority.shown(service.address).await == pair.leaf());
    }
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named_at_the_start() {
    let authority = Authority::new();
    let (one, other) = (authority.issue(), authority.issue());
    let file = |name: &str, text: &str| {
        fs::write(authority.path(name), text).unwrap();
        authority.path(name).to_str().unwrap().to_owned()
    };
    let (chain, key) = (file("chain", &one.chain), file("key", &one.key));
    let damaged = one.chain.replacen("MII", "MIJ", 1);
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIH=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for (certificate, key, words) in [
        (file("none", ""), key.clone(), vec!["--tls-cert", "/none", "no certificate"]),
        (key.clone(), key.clone(), vec!["--tls-cert", "no certificate"]),
        ("/nowhere/tls.crt".to_owned(), key.clone(), vec!["--tls-cert", "/nowhere/tls.crt", "No such file"]),
        (chain.clone(), "/nowhere/tls.key".to_owned(), vec!["--tls-key", "/nowhere/tls.key", "No such file"]),
        (chain.clone(), chain.clone(), vec!["--tls-key", "no private key"]),
        (chain.clone(), file("locked", encrypted), vec!["--tls-key", "without a password"]),
        (chain.clone(), file("other", &other.key), vec!["--tls-key", "/other", "not the key of the first certificate"]),
        (file("damaged", &damaged), key.clone(), vec!["--tls-cert", "/damaged", "cannot be used"]),
        (file("cut", &one.chain[..100]), key.clone(), vec!["--tls-cert", "/cut", "cannot be understood"]),
    ] {
        let told = Service::refused(&["--tls-cert", &certificate, "--tls-key", &key]).await;
        for word in words {
            assert!(told.contains(word), "{word}: {told}");
        }
    }
    for (given, missing) in [("--tls-cert", "--tls-key"), ("--tls-key", "--tls-cert")] {
        let output =
            Command::new(env!("CARGO_BIN_EXE_converter")).args(["serve", given, chain.as_str()]).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains(missing), "{told}");
    }
}

#[tokio::test]
async fn a_client_that_speaks_plain_http_is_told_so() {
    let authority = Authority::new();
    let service = authority.serve(&[]).await;
    for request in
        ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST /convert HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nRIFF"]
    {
        let mut client = Raw::connect(service.address).await;
        client.send(request.as_bytes()).await;
        let answer = String::from_utf8(client.rest().await).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        for word in ["application/problem+json", "connection: close", "\"code\":\"https_only\"", "https://", "wss://"] {
            assert!(answer.contains(word), "{word}: {answer}");
        }
    }
    // Neither HTTP nor TLS, and what only begins as TLS does.
    for bytes in [&b"\0\xff\xfe\r\n\r\n"[..], b"\x16\x03\x01\0\x05hello", b"\x16GET / HTTP/1.1\r\n\r\n"] {
        let mut client = Raw::connect(service.address).await;
        client.send(bytes).await;
        client.rest().await;
    }
    assert!(service.counts("flacship_converter_errors_total{code=\"https_only\"} 2").await);
    convert(&mut authority.raw(service.address).await, &Sound::music(1_000, 1, 16)).await;
}

#[tokio::test]
async fn who_does_not_shake_hands_is_given_up_and_holds_nobody_up() {
    let authority = Authority::new();
    let service = authority.serve(&["--header-timeout", "300ms"]).await;
    let name = ServerName::from(service.address.ip());
    let mut hello = Vec::new();
    ClientConnection::new(authority.client(), name).unwrap().write_tls(&mut hello).unwrap();
    let (mut silent, mut slow) = (Raw::connect(service.address).await, Raw::connect(service.address).await);
    slow.send(&hello[..20]).await;
    let sound = Sound::music(10_000, 2, 16);
    convert(&mut authority.raw(service.address).await, &sound).await;
    assert!(silent.rest().await.is_empty());
    assert!(slow.rest().await.is_empty());
    convert(&mut authority.raw(service.address).await, &sound).await;
}

#[tokio::test]
async fn a_refusal_is_seen_by_a_client_that_sends_everything_first() {
    let authority = Authority::new();
    let service = authority.serve(&["--max-upload-size", "1Mi"]).await;
    let mut client = authority.raw(service.address).await;
    client.head("POST /convert", "Content-Length: 40000000\r\n").await;
    // More than any socket buffer holds: this ends only because the server reads on.
    client.send(&vec![b'x'; 40_000_000]).await;
    let answer = String::from_utf8(client.rest().await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("\"code\":\"too_large\""), "{answer}");
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_given_up_and_told_so() {
    let authority = Authority::new();
    let service = authority.serve(&["--idle-timeout", "300ms", "--close-timeout", "1h"]).await;
    let line = Box::new(authority.connect(service.address).await);
    let path = "/ws?format=pcm&sample_rate=44100&channels=2&bits_per_sample=16";
    let url = format!("wss://{}{path}", service.address);
    let (mut client, _) = Client::over(line, &url, &[SUBPROTOCOL]).await.unwrap();
    let sound = Sound::noise(250_000, 2, 16, 6);
    // Its frames fill the sockets' buffers, so the server stops reading, and sending blocks.
    tokio::select! {
        () = async { while client.try_send(Message::binary(sound.pcm())).await.is_ok() {} } => panic!("cut off"),
        () = service.until_counts("flacship_converter_errors_total{code=\"slow_reader\"} 1") => {}
    }
    assert_eq!(client.last_words().await, ("slow_reader".to_owned(), 1008));
    assert!(client.after().await.is_empty());
}

#[tokio::test]
async fn a_stopping_server_finishes_what_it_has_over_tls() {
    let authority = Authority::new();
    let service = authority.serve(&["--drain-delay", "0s"]).await;
    let sound = Sound::music(50_000, 2, 16);
    let (first, second) = sound.wav.split_at(60_000);
    let mut upload = authority.raw(service.address).await;
    upload.head("POST /convert", &format!("Content-Length: {}\r\n", sound.wav.len())).await;
    upload.send(first).await;
    let mut recording = stream(&authority, service.address, &[]).await;
    recording.binary(first).await;
    let mut idle = authority.raw(service.address).await;
    idle.head("GET /healthz", "").await;
    idle.answer().await;
    // Not even a handshake: the server's end does not wait for it.
    let mut silent = Raw::connect(service.address).await;
    service.until_counts("flacship_converter_active_conversions{kind=\"upload\"} 1").await;
    service.until_counts("flacship_converter_active_conversions{kind=\"stream\"} 1").await;

    let address = service.address;
    let ended = service.stop(Stop::Terminate);
    assert!(idle.rest().await.is_empty());
    let mut late = stream(&authority, address, &[]).await;
    assert_eq!(late.last_words().await, ("draining".to_owned(), 1012));
    upload.send(second).await;
    let (head, flac) = upload.answer().await;
    assert!(head.contains("connection: close"), "{head}");
    sound.assert_in(&flac);
    assert!(upload.rest().await.is_empty());
    recording.binary(second).await;
    recording.text(r#"{"type":"end"}"#).await;
    sound.assert_in(&recording.rest().await.patched());
    assert!(silent.rest().await.is_empty());
    ended.await.unwrap();
}

#[tokio::test]
async fn the_command_with_tls_ends_well_on_sigterm() {
    let authority = Authority::new();
    let mut server = authority.process(&["--drain-delay", "0s"]);
    assert_eq!(server.url, format!("https://{}/", server.address));
    let mut client = authority.raw(server.address).await;
    client.head("GET /", "").await;
    let page = String::from_utf8(client.answer().await.1).unwrap();
    assert!(page.contains("id=\"drop\""));
    assert!(Command::new("kill").arg(server.child.id().to_string()).status().unwrap().success());
    assert!(client.rest().await.is_empty());
    assert!(server.child.wait().unwrap().success());
}
