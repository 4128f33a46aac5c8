//! `POST /convert` with what cannot be converted: each refusal has its status, its code, and words that say what to change.

use reqwest::multipart::{Form, Part};

use crate::{
    check::Sound,
    harness::{Service, get, post, problem},
    raw::Raw,
    support::{Wav, fmt_body},
};

#[tokio::test]
async fn bodies_that_are_no_wav() {
    let service = Service::start(&[]).await;
    let sound = Sound::music(1_000, 2, 16);
    let float = Wav::new().chunk(b"fmt ", &fmt_body(3, 1, 44_100, 32)).chunk(b"data", &[0; 400]).build();
    let nine = Wav::pcm(9, 44_100, 16, &[0; 180]);
    let mut align = Wav::pcm(2, 44_100, 16, &[0; 400]);
    align[32] = 3;
    for (body, status, code, word) in [
        (Vec::new(), 400, "empty_input", "file=@in.wav"),
        (b"hello, world: no WAV at all".to_vec(), 415, "not_wav", "send a WAV file"),
        (b"fLaC\0\0\0\x22".to_vec(), 415, "not_wav", "WAV"),
        (sound.wav[..30].to_vec(), 400, "truncated_header", "cut off"),
        (b"RIFF".to_vec(), 400, "truncated_header", "cut off"),
        (float, 415, "unsupported_encoding", "pcm_s24le"),
        (nine, 415, "unsupported_channels", "1 to 8"),
        (align, 422, "contradicting_header", ""),
    ] {
        let answer = post(&service, "", body).await;
        assert_eq!(answer.status(), status, "{code}");
        let problem = problem(answer).await;
        assert_eq!(problem["code"], code);
        assert!(problem["detail"].as_str().unwrap().contains(word), "{problem}");
    }
    assert!(service.counts("flacship_converter_errors_total{code=\"truncated_header\"} 2").await);
    assert!(service.counts("flacship_converter_active_conversions{kind=\"upload\"} 0").await);
}

#[tokio::test]
async fn forms_that_lack_what_is_needed() {
    let service = Service::start(&[]).await;
    let wav = Sound::music(100, 1, 16).wav;
    let file = || Part::bytes(wav.clone()).file_name("a.wav");
    for (form, code, word) in [
        (Form::new().part("upload", file()), "no_file", "only `upload`"),
        (Form::new().part("audio", Part::bytes(Sound::music(100_000, 2, 16).wav)), "no_file", "only `audio`"),
        (Form::new(), "no_file", "file=@in.wav"),
        (Form::new().part("file", Part::bytes(Vec::new()).file_name("a.wav")), "empty_input", "is empty"),
        (Form::new().text("level", "8").part("file", file()), "option_as_field", "/convert?level="),
    ] {
        let answer = reqwest::Client::new().post(service.url("/convert")).multipart(form).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{code}");
        let problem = problem(answer).await;
        assert_eq!(problem["code"], code);
        assert!(problem["detail"].as_str().unwrap().contains(word), "{problem}");
    }
}

#[tokio::test]
async fn forms_that_cannot_be_read() {
    let service = Service::start(&[]).await;
    let whole = "--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nRIFF";
    for (kind, body) in [
        ("multipart/form-data", whole),
        ("multipart/form-data; boundary=b", whole),
        ("multipart/form-data; boundary=other", whole),
        ("multipart/form-data; boundary=b", "--b\r\nno header at all"),
    ] {
        let request = reqwest::Client::new().post(service.url("/convert")).header("content-type", kind).body(body);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 400, "{kind} {body}");
        assert_eq!(problem(answer).await["code"], "malformed_form", "{kind} {body}");
    }
}

#[tokio::test]
async fn a_form_without_its_boundary_does_not_fill_the_memory() {
    let service = Service::start(&[]).await;
    let mut client = Raw::connect(service.address).await;
    client.head("POST /convert", "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 50000000\r\n").await;
    client.send(&vec![b'x'; 1_000_000]).await;
    let (head, body) = client.answer().await;
    assert!(head.starts_with("HTTP/1.1 400"), "{head}");
    assert!(String::from_utf8(body).unwrap().contains("more than 64 KiB beside the file"));
}

#[tokio::test]
async fn options_that_mean_nothing() {
    let service = Service::start(&[]).await;
    for (query, code, word) in [
        ("?speed=9", "unknown_option", "`speed`"),
        ("?block_size=15", "invalid_option", "16 to 65535"),
        ("?metadata=all", "invalid_option", "tags or foreign"),
        ("?level=9", "invalid_option", "0 (fastest) to 8"),
        ("?level=1&level=2", "repeated_option", "`level`"),
    ] {
        let answer = post(&service, query, Sound::music(10, 1, 16).wav).await;
        assert_eq!(answer.status(), 400);
        let problem = problem(answer).await;
        assert_eq!(problem["code"], code);
        assert!(problem["detail"].as_str().unwrap().contains(word), "{problem}");
    }
}

#[tokio::test]
async fn a_compressed_body_is_refused_before_it_is_read() {
    let service = Service::start(&[]).await;
    let mut client = Raw::connect(service.address).await;
    client.head("POST /convert", "Content-Encoding: gzip\r\nContent-Length: 1000\r\n").await;
    let (head, body) = client.answer().await;
    assert!(head.starts_with("HTTP/1.1 415"), "{head}");
    assert!(String::from_utf8(body).unwrap().contains("gzip"));
}

#[tokio::test]
async fn a_declared_length_over_the_limit_is_refused_before_the_body_comes() {
    let service = Service::start(&["--max-upload-size", "1Mi"]).await;
    let mut client = Raw::connect(service.address).await;
    client.head("POST /convert", "Content-Length: 1048577\r\nExpect: 100-continue\r\n").await;
    let (head, body) = client.answer().await;
    assert!(head.starts_with("HTTP/1.1 413"), "{head}");
    assert!(head.contains("connection: close"), "{head}");
    assert!(String::from_utf8(body).unwrap().contains("larger than 1 MiB"));
    assert!(service.counts("flacship_converter_errors_total{code=\"too_large\"} 1").await);
}

#[tokio::test]
async fn the_limit_is_counted_where_no_length_is_declared() {
    let service = Service::start(&["--max-upload-size", "100k"]).await;
    let sound = Sound::noise(60_000, 1, 16, 5);
    let mut client = Raw::connect(service.address).await;
    client.head("POST /convert", "Transfer-Encoding: chunked\r\n").await;
    client.chunk(&sound.wav[..100_001]).await;
    // The upload has not ended: the server need not wait for that to refuse it.
    let (head, _) = client.answer().await;
    assert!(head.starts_with("HTTP/1.1 413"), "{head}");
}

#[tokio::test]
async fn a_file_of_exactly_the_limit_is_taken_raw_and_in_a_form() {
    let sound = Sound::music(30_000, 1, 16);
    let limit = sound.wav.len().to_string();
    let service = Service::start(&["--max-upload-size", &limit]).await;
    sound.assert_in(&post(&service, "", sound.wav.clone()).await.bytes().await.unwrap());
    for (extra, status) in [(0, 200), (1, 413)] {
        let mut wav = sound.wav.clone();
        wav.resize(wav.len() + extra, 0);
        let form = Form::new().part("file", Part::bytes(wav).file_name("a.wav"));
        let answer = reqwest::Client::new().post(service.url("/convert")).multipart(form).send().await.unwrap();
        assert_eq!(answer.status(), status);
    }
}

#[tokio::test]
async fn a_client_that_sends_everything_before_it_reads_sees_the_refusal() {
    let service = Service::start(&[]).await;
    let mut client = Raw::connect(service.address).await;
    client.head("POST /convert", "Content-Length: 40000000\r\n").await;
    // More than any socket buffer holds: this ends only because the server reads on.
    client.send(&vec![b'x'; 40_000_000]).await;
    let answer = String::from_utf8(client.rest().await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 415"), "{answer}");
    assert!(answer.contains("\"code\":\"not_wav\""), "{answer}");
}

#[tokio::test]
async fn a_pause_in_the_upload_ends_it() {
    let service = Service::start(&["--idle-timeout", "200ms"]).await;
    let mut client = Raw::connect(service.address).await;
    client.head("POST /convert", "Content-Length: 100000\r\n").await;
    client.send(&Sound::music(1_000, 1, 16).wav).await;
    let (head, body) = client.answer().await;
    assert!(head.starts_with("HTTP/1.1 408"), "{head}");
    assert!(String::from_utf8(body).unwrap().contains("\"code\":\"idle\""));
}

#[tokio::test]
async fn a_head_that_never_ends_does_not_hold_a_connection() {
    let service = Service::start(&["--header-timeout", "200ms"]).await;
    let mut client = Raw::connect(service.address).await;
    client.send(b"POST /convert HTTP/1.1\r\nHost: x\r\nX-Slow: ").await;
    client.rest().await;
}

#[tokio::test]
async fn a_full_spool_is_told_and_frees_itself() {
    let service = Service::start(&["--spool-size", "100Ki"]).await;
    let answer = post(&service, "", Sound::noise(100_000, 2, 16, 9).wav).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "10");
    assert_eq!(problem(answer).await["code"], "spool_full");
    let sound = Sound::noise(20_000, 2, 16, 9);
    sound.assert_in(&post(&service, "", sound.wav.clone()).await.bytes().await.unwrap());
}

#[tokio::test]
async fn a_client_that_leaves_frees_everything() {
    let service = Service::start(&[]).await;
    let mut client = Raw::connect(service.address).await;
    client.head("POST /convert", "Content-Length: 100000000\r\n").await;
    client.send(&Sound::noise(100_000, 2, 16, 2).wav).await;
    service.until_counts("flacship_converter_active_conversions{kind=\"upload\"} 1").await;
    drop(client);
    service.until_counts("flacship_converter_conversions_total{kind=\"upload\",outcome=\"aborted\"} 1").await;
    service.until_counts("flacship_converter_spool_used_bytes 0").await;
}

#[tokio::test]
async fn wrong_methods_and_addresses_say_what_is_right() {
    let service = Service::start(&[]).await;
    let client = reqwest::Client::new();
    let answer = client.get(service.url("/convert")).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["allow"].to_str().unwrap()), (405, "POST, OPTIONS"));
    assert_eq!(problem(answer).await["code"], "method");
    let answer = client.head(service.url("/convert")).send().await.unwrap();
    assert_eq!(answer.status(), 405);
    let answer = client.post(service.url("/")).body("x").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["allow"].to_str().unwrap()), (405, "GET, HEAD, OPTIONS"));
    let (status, body) = get(&service.url("/convert.php")).await;
    assert_eq!(status, 404);
    assert!(body.contains("POST /convert"), "{body}");
}
