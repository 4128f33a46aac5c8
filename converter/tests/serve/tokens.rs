//! The tokens that streams resume by: which are refused, with which words, and how their keys are changed.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    check::Sound,
    harness::Service,
    stream::{BLOCK, Client},
};

/// A stream key: 32 bytes in hex.
pub const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const NEXT_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// A file with these keys, and its path.
pub fn key_file(keys: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    std::fs::write(&path, keys).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

/// A token of this server.
async fn token(service: &Service) -> String {
    let mut client = Client::connect(service.address).await;
    client.binary(&Sound::music(2 * BLOCK, 2, 16).wav[..44 + BLOCK * 4 + 8]).await;
    client.until_said("checkpoint").await["token"].as_str().unwrap().to_owned()
}

/// Whether the server resumes by this token, or the code of its refusal.
async fn resumes(service: &Service, token: &str) -> Result<(), String> {
    let mut client = Client::connect(service.address).await;
    client.text(&serde_json::json!({"type": "resume", "token": token}).to_string()).await;
    loop {
        match client.said.last().map_or("", |said| said["type"].as_str().unwrap()) {
            "resumed" => return Ok(()),
            "error" => break,
            _ => assert!(client.take().await),
        }
    }
    let (code, close) = client.last_words().await;
    assert_eq!(close, 1008);
    Err(code)
}

fn changed(token: &str, at: usize) -> String {
    let mut bytes = URL_SAFE_NO_PAD.decode(token).unwrap();
    bytes[at] ^= 1;
    URL_SAFE_NO_PAD.encode(bytes)
}

async fn start(keys: &str) -> Service {
    Service::start(&["--stream-key-file", keys, "--checkpoint-interval", "0s"]).await
}

#[tokio::test]
async fn tokens_that_this_server_did_not_give_are_refused_by_name() {
    let (_folder, keys) = key_file(KEY);
    let (_other_folder, other_keys) = key_file(NEXT_KEY);
    let (service, other) = (start(&keys).await, start(&other_keys).await);
    let token = token(&service).await;
    assert_eq!(resumes(&service, &token).await, Ok(()));
    // A token may be used again: the connection may break before its first frame.
    assert_eq!(resumes(&service, &token).await, Ok(()));
    let length = URL_SAFE_NO_PAD.decode(&token).unwrap().len();
    for (server, token, code) in [
        (&other, token.clone(), "token_forged"),
        (&service, changed(&token, 3), "token_forged"),
        (&service, changed(&token, length / 2), "token_forged"),
        (&service, changed(&token, length - 1), "token_forged"),
        (&service, changed(&token, 0), "token_version"),
        (&service, token[..token.len() / 8 * 4].to_owned(), "token_forged"),
        (&service, token[..20].to_owned(), "token_malformed"),
        (&service, String::new(), "token_malformed"),
        (&service, "no token, but words".to_owned(), "token_malformed"),
        (&service, "A".repeat(60_000), "token_malformed"),
    ] {
        assert_eq!(resumes(server, &token).await, Err(code.to_owned()), "{token}");
    }
    assert!(service.counts("flacship_converter_refused_stream_tokens_total{code=\"token_malformed\"} 4").await);
    assert!(service.counts("flacship_converter_refused_stream_tokens_total{code=\"token_expired\"} 0").await);
}

#[tokio::test]
async fn a_token_expires() {
    let (_folder, keys) = key_file(KEY);
    let flags = ["--stream-key-file", &keys, "--checkpoint-interval", "0s", "--stream-token-ttl", "0s"];
    let brief = Service::start(&flags).await;
    let token = token(&brief).await;
    assert_eq!(resumes(&brief, &token).await, Err("token_expired".to_owned()));
    assert_eq!(resumes(&start(&keys).await, &token).await, Err("token_expired".to_owned()));
}

#[tokio::test]
async fn without_a_key_file_tokens_end_with_their_server() {
    let flags = ["--checkpoint-interval", "0s"];
    let (service, other) = (Service::start(&flags).await, Service::start(&flags).await);
    let token = token(&service).await;
    assert_eq!(resumes(&service, &token).await, Ok(()));
    assert_eq!(resumes(&other, &token).await, Err("token_forged".to_owned()));
}

#[tokio::test]
async fn keys_change_while_the_server_runs_and_no_stream_is_lost() {
    let (_folder, keys) = key_file(KEY);
    let service = start(&keys).await;
    let first = token(&service).await;
    std::fs::write(&keys, format!("{NEXT_KEY}\n{KEY}\n")).unwrap();
    // The key's id follows the version.
    let key_id = |token: &str| URL_SAFE_NO_PAD.decode(token).unwrap()[1..5].to_vec();
    let mut second = token(&service).await;
    while key_id(&second) == key_id(&first) {
        second = token(&service).await;
    }
    assert_eq!(resumes(&service, &first).await, Ok(()));
    std::fs::write(&keys, NEXT_KEY).unwrap();
    while resumes(&service, &first).await.is_ok() {}
    assert_eq!(resumes(&service, &first).await, Err("token_forged".to_owned()));
    assert_eq!(resumes(&service, &second).await, Ok(()));
}

#[tokio::test]
async fn a_token_comes_first_or_not_at_all() {
    let (_folder, keys) = key_file(KEY);
    let service = start(&keys).await;
    let token = token(&service).await;
    let resume = format!(r#"{{"type":"resume","token":"{token}"}}"#);
    let late = ("late_start".to_owned(), 1008);
    let mut client = Client::connect(service.address).await;
    client.text(r#"{"type":"start"}"#).await;
    client.text(&resume).await;
    assert_eq!(client.last_words().await, late);
    let mut client = Client::connect(service.address).await;
    client.binary(b"RIFF").await;
    client.text(&resume).await;
    assert_eq!(client.last_words().await, late);
    let mut client = Client::connect(service.address).await;
    client.text(&resume).await;
    client.text(r#"{"type":"start"}"#).await;
    assert_eq!(client.last_words().await, late);
}

#[tokio::test]
async fn a_key_file_that_is_of_no_use_is_named_at_the_start() {
    for (flag, content, word) in
        [("--stream-key-file", "short", "shorter than 16 bytes"), ("--token-file", "", "it holds no secret")]
    {
        let (_folder, path) = key_file(content);
        let error = Service::refused(&[flag, &path]).await;
        assert!(error.starts_with(flag) && error.contains(&path) && error.contains(word), "{error}");
    }
}
