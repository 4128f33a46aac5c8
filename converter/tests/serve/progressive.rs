//! `POST /convert?progressive=true`: the answer begins while the upload still comes.

use reqwest::multipart::{Form, Part};
use tokio::io::AsyncReadExt;

use crate::{
    check::{Sound, decode},
    harness::{Service, post, problem},
    raw::Raw,
};

/// What may be unknown is unknown, and the samples are right.
fn assert_progressive(flac: &[u8], sound: &Sound) {
    assert_eq!(&flac[..4], b"fLaC");
    let info = &flac[8..42];
    assert_eq!(u64::from_be_bytes(info[10..18].try_into().unwrap()) & 0xf_ffff_ffff, 0, "total samples");
    assert_eq!(info[18..34], [0; 16], "MD5");
    assert!(decode(flac) == sound.samples, "the samples differ");
}

#[tokio::test]
async fn frames_come_back_before_the_upload_has_ended() {
    let service = Service::start(&[]).await;
    let sound = Sound::music(100_000, 2, 16);
    let (first, second) = sound.wav.split_at(200_000);
    let mut client = Raw::connect(service.address).await;
    client.head("POST /convert?progressive=true&filename=live.wav", "Transfer-Encoding: chunked\r\n").await;
    client.chunk(first).await;
    let head = client.answer_head().await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    for line in ["transfer-encoding: chunked", "content-type: audio/flac", "filename=\"live.flac\""] {
        assert!(head.contains(line), "{head}");
    }
    for absent in ["content-length", "repr-digest", "flacship-md5"] {
        assert!(!head.contains(absent), "{head}");
    }
    let mut flac = Vec::new();
    // More than the head: frames.
    while flac.len() < 20_000 {
        flac.extend(client.answer_chunk().await);
    }
    client.chunk(second).await;
    client.chunk(&[]).await;
    flac.extend(client.chunked().await);
    assert_progressive(&flac, &sound);
    service.until_counts("flacship_converter_conversions_total{kind=\"upload\",outcome=\"converted\"} 1").await;
    service.until_counts("flacship_converter_spool_used_bytes 0").await;
    // The connection is as good as new.
    client.head("GET /healthz", "").await;
    assert_eq!(client.answer().await.1, b"ok\n");
}

#[tokio::test]
async fn raw_bodies_and_forms_are_answered_alike() {
    let service = Service::start(&[]).await;
    let sound = Sound::music(50_000, 1, 24);
    let raw = post(&service, "?progressive=true", sound.wav.clone()).await;
    assert_progressive(&raw.bytes().await.unwrap(), &sound);
    let form = Form::new().part("file", Part::bytes(sound.wav.clone()).file_name("x.wav")).text("note", "after it");
    let request = reqwest::Client::new().post(service.url("/convert?progressive=true")).multipart(form);
    let answer = request.send().await.unwrap();
    assert!(answer.headers()["content-disposition"].to_str().unwrap().contains("\"x.flac\""));
    assert_progressive(&answer.bytes().await.unwrap(), &sound);
    // Not asked for is the same as not said.
    let whole = post(&service, "?progressive=false", sound.wav.clone()).await;
    sound.assert_in(&whole.bytes().await.unwrap());
}

#[tokio::test]
async fn a_client_that_sends_everything_before_it_reads_does_not_wait_for_itself() {
    // Little memory, so that what is unread goes to a file.
    for memory in ["0", "64Ki"] {
        let service = Service::start(&["--spool-memory", memory]).await;
        let sound = Sound::noise(4_000_000, 2, 16, 11);
        let mut client = Raw::connect(service.address).await;
        client.head("POST /convert?progressive=true", &format!("Content-Length: {}\r\n", sound.wav.len())).await;
        client.send(&sound.wav).await;
        let head = client.answer_head().await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert_progressive(&client.chunked().await, &sound);
        service.until_counts("flacship_converter_spool_used_bytes 0").await;
    }
}

#[tokio::test]
async fn what_is_refused_before_the_first_frame_has_its_status() {
    let service = Service::start(&[]).await;
    for (body, status, code) in [
        (b"no WAV at all, but some text".to_vec(), 415, "not_wav"),
        (Vec::new(), 400, "empty_input"),
        (Sound::music(10, 1, 16).wav[..30].to_vec(), 400, "truncated_header"),
    ] {
        let answer = post(&service, "?progressive=true", body).await;
        assert_eq!(answer.status(), status);
        assert_eq!(problem(answer).await["code"], code);
    }
    service.until_counts("flacship_converter_active_conversions{kind=\"upload\"} 0").await;
}

/// Fails unless the answer that begins here, or has begun, is broken off.
async fn assert_broken_off(client: &mut Raw) {
    let mut answer = Vec::new();
    // A reset is as clear an end as any.
    let _ = client.0.read_to_end(&mut answer).await;
    assert!(!answer.ends_with(b"\r\n0\r\n\r\n"), "half a file was ended as if it were whole");
}

#[tokio::test]
async fn a_failure_after_the_first_frame_breaks_the_answer_off() {
    let sound = Sound::noise(100_000, 2, 16, 3);
    let service = Service::start(&["--max-upload-size", "200k"]).await;
    let mut client = Raw::connect(service.address).await;
    client.head("POST /convert?progressive=true", "Transfer-Encoding: chunked\r\n").await;
    client.chunk(&sound.wav[..150_000]).await;
    assert!(client.answer_head().await.starts_with("HTTP/1.1 200"));
    client.chunk(&sound.wav[150_000..250_000]).await;
    assert_broken_off(&mut client).await;
    service.until_counts("flacship_converter_errors_total{code=\"too_large\"} 1").await;
    service.until_counts("flacship_converter_conversions_total{kind=\"upload\",outcome=\"refused\"} 1").await;
    service.until_counts("flacship_converter_spool_used_bytes 0").await;
}

#[tokio::test]
async fn a_second_file_breaks_the_answer_off() {
    let service = Service::start(&[]).await;
    let sound = Sound::music(20_000, 2, 16);
    let part = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n".as_bytes();
    let (first, second) = ([part, &sound.wav].concat(), [b"\r\n", part, &sound.wav, b"\r\n--b--\r\n"].concat());
    let mut client = Raw::connect(service.address).await;
    let length = first.len() + second.len();
    let headers = format!("Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {length}\r\n");
    client.head("POST /convert?progressive=true", &headers).await;
    client.send(&first).await;
    // Once the answer has begun there is no other way to tell.
    assert!(client.answer_head().await.starts_with("HTTP/1.1 200"));
    client.send(&second).await;
    assert_broken_off(&mut client).await;
    service.until_counts("flacship_converter_errors_total{code=\"too_many_files\"} 1").await;
}

#[tokio::test]
async fn a_full_spool_breaks_the_answer_off() {
    let service = Service::start(&["--spool-size", "100Ki"]).await;
    let sound = Sound::noise(4_000_000, 2, 16, 5);
    let mut client = Raw::connect(service.address).await;
    client.head("POST /convert?progressive=true", &format!("Content-Length: {}\r\n", sound.wav.len())).await;
    // Nothing is read meanwhile, and more comes than sockets and spool hold.
    client.send(&sound.wav).await;
    assert!(client.answer_head().await.starts_with("HTTP/1.1 200"));
    assert_broken_off(&mut client).await;
    service.until_counts("flacship_converter_errors_total{code=\"spool_full\"} 1").await;
    service.until_counts("flacship_converter_spool_used_bytes 0").await;
}

#[tokio::test]
async fn a_client_that_leaves_frees_everything() {
    let service = Service::start(&[]).await;
    let sound = Sound::noise(100_000, 2, 16, 2);
    let mut client = Raw::connect(service.address).await;
    client.head("POST /convert?progressive=true", "Content-Length: 100000000\r\n").await;
    client.send(&sound.wav).await;
    client.answer_head().await;
    drop(client);
    service.until_counts("flacship_converter_conversions_total{kind=\"upload\",outcome=\"aborted\"} 1").await;
    service.until_counts("flacship_converter_active_conversions{kind=\"upload\"} 0").await;
    service.until_counts("flacship_converter_spool_used_bytes 0").await;
}

#[tokio::test]
async fn a_client_that_could_not_tell_a_broken_answer_gets_a_whole_one() {
    let service = Service::start(&[]).await;
    let sound = Sound::music(20_000, 2, 16);
    let mut client = Raw::connect(service.address).await;
    let length = sound.wav.len();
    client
        .send(format!("POST /convert?progressive=true HTTP/1.0\r\nContent-Length: {length}\r\n\r\n").as_bytes())
        .await;
    client.send(&sound.wav).await;
    let (head, flac) = client.answer().await;
    assert!(head.starts_with("HTTP/1.0 200"), "{head}");
    sound.assert_in(&flac);
}
