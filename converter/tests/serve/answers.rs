//! What stands around an answer of `/convert`: digests, the other methods, the headers that guard it; and what its address
//! may ask for that streams have no use for.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use converter::convert::{HeadPlace, Input, MetadataOptions, Options, PcmFormat, convert_reader};
use reqwest::Method;
use sha2::{Digest, Sha256};

use crate::{
    check::Sound,
    harness::{Service, post},
};

/// `Repr-Digest` of these bytes.
pub fn sha256_header(bytes: &[u8]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(bytes)))
}

/// `Flacship-Md5` of this sound.
pub fn md5_text(sound: &Sound) -> String {
    format!("{:032x}", u128::from_be_bytes(sound.md5()))
}

#[tokio::test]
async fn an_answer_tells_what_it_is_before_it_comes() {
    for memory in ["0", "64Mi"] {
        let service = Service::start(&["--spool-memory", memory]).await;
        let sound = Sound::noise(100_000, 2, 16, 8);
        let answer = post(&service, "", sound.wav.clone()).await;
        let headers = answer.headers().clone();
        assert_eq!(headers["flacship-md5"], md5_text(&sound));
        assert_eq!(headers["flacship-samples"], "100000");
        assert_eq!(headers["repr-digest"], sha256_header(&answer.bytes().await.unwrap()));
    }
}

/// The kinds of a FLAC's metadata blocks (RFC 9639 §8.1), in order.
fn blocks(flac: &[u8]) -> Vec<u8> {
    let (mut at, mut kinds) = (4, Vec::new());
    loop {
        let kind = flac[at];
        kinds.push(kind & 0x7f);
        at += 4 + u32::from_be_bytes([0, flac[at + 1], flac[at + 2], flac[at + 3]]) as usize;
        if kind & 0x80 != 0 {
            return kinds;
        }
    }
}

#[tokio::test]
async fn a_whole_answer_has_a_seek_table_and_a_progressive_one_has_none() {
    const SEEK_TABLE: u8 = 3;
    let service = Service::start(&[]).await;
    let sound = Sound::music(44_100 * 25, 1, 8);
    for (query, wanted) in [("", true), ("?progressive=true", false)] {
        let flac = post(&service, query, sound.wav.clone()).await.bytes().await.unwrap();
        assert_eq!(blocks(&flac).contains(&SEEK_TABLE), wanted, "{query}: {:?}", blocks(&flac));
    }
}

#[tokio::test]
async fn a_digest_that_nobody_wants_is_not_made() {
    let service = Service::start(&[]).await;
    let request = reqwest::Client::new().post(service.url("/convert")).body(Sound::music(10, 1, 16).wav);
    let answer = request.header("want-repr-digest", "sha-256=0").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(!answer.headers().contains_key("repr-digest"));
}

#[tokio::test]
async fn other_methods_learn_what_is_taken_and_head_gets_no_body() {
    let service = Service::start(&[]).await;
    let client = reqwest::Client::new();
    for (method, path, status, allow) in [
        (Method::OPTIONS, "/convert", 204, "POST, OPTIONS"),
        (Method::OPTIONS, "/", 204, "GET, HEAD, OPTIONS"),
        (Method::HEAD, "/convert", 405, "POST, OPTIONS"),
        (Method::PUT, "/convert", 405, "POST, OPTIONS"),
        (Method::DELETE, "/status", 405, "GET, HEAD, OPTIONS"),
    ] {
        let answer = client.request(method.clone(), service.url(path)).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers()["allow"].to_str().unwrap()), (status, allow), "{path}");
        let empty = answer.bytes().await.unwrap().is_empty();
        assert_eq!(empty, status == 204 || method == Method::HEAD, "{method} {path}");
    }
    assert_eq!(client.request(Method::OPTIONS, service.url("/nowhere")).send().await.unwrap().status(), 404);
    let page = client.head(service.url("/")).send().await.unwrap();
    assert_eq!(page.status(), 200);
    assert_ne!(page.headers()["content-length"], "0");
}

#[tokio::test]
async fn every_answer_is_guarded_and_open_to_no_other_site() {
    let service = Service::start(&[]).await;
    let client = reqwest::Client::new();
    let wav = Sound::music(10, 1, 16).wav;
    let admin = |path: &str| format!("http://{}{path}", service.admin);
    for request in [
        client.get(service.url("/")),
        client.get(service.url("/app.js")),
        client.get(service.url("/status")),
        client.get(service.url("/nowhere")),
        client.post(service.url("/convert")).body(wav.clone()),
        client.post(service.url("/convert?progressive=true")).body(wav.clone()),
        client.post(service.url("/convert")).body("no WAV"),
        client.request(Method::OPTIONS, service.url("/convert")).header("access-control-request-method", "POST"),
        client.get(admin("/metrics")),
        client.get(admin("/nowhere")),
    ] {
        let answer = request.header("origin", "https://elsewhere.example").send().await.unwrap();
        let headers = answer.headers();
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(headers[name], value, "{}", answer.url());
        }
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!headers.keys().any(|name| name.as_str().starts_with("access-control-")), "{}", answer.url());
    }
}

/// What the library makes of a file with these options.
fn expected(input: &[u8], options: Options) -> Vec<u8> {
    let mut frames = Vec::new();
    let options = Options { head: HeadPlace::Held, ..options };
    let summary = convert_reader(input, &mut frames, &options, &mut |_| {}).unwrap();
    [summary.head, frames].concat()
}

#[tokio::test]
async fn padding_tags_and_headerless_audio_may_be_asked_for() {
    let service = Service::start(&[]).await;
    let sound = Sound::music(10_000, 2, 16);
    let metadata = |padding, tags: &[(&str, &str)]| {
        let tags = tags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Options { metadata: MetadataOptions { padding, tags, ..MetadataOptions::default() }, ..Options::default() }
    };
    for (query, options) in [
        ("?padding=0", metadata(0, &[])),
        ("?padding=100000", metadata(100_000, &[])),
        ("?tag=TITLE%3DDawn&tag=ARTIST%3DBj%C3%B6rk", metadata(8_192, &[("TITLE", "Dawn"), ("ARTIST", "Björk")])),
    ] {
        let flac = post(&service, query, sound.wav.clone()).await.bytes().await.unwrap();
        assert!(flac == expected(&sound.wav, options), "{query}");
        sound.assert_in(&flac);
    }
    let pcm = sound.pcm();
    let input = Input::Pcm(PcmFormat::new(44_100, 2, 16).unwrap());
    let flac = post(&service, "?pcm=44100:2:16", pcm.clone()).await.bytes().await.unwrap();
    assert!(flac == expected(&pcm, Options { input, ..Options::default() }));
    sound.assert_in(&flac);
}
