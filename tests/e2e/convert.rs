//! `POST /convert` through the NodePort: what comes back is the source's audio, and what cannot be converted is
//! refused with a status and a sentence that fit.

use reqwest::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::multipart::{Form, Part};
use reqwest::{Body, Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Namespace, converter};
use e2e::audio::{Audio, Shape};

#[tokio::test(flavor = "multi_thread")]
async fn raw_and_multipart_uploads_come_back_as_the_same_audio() {
    let namespace = Namespace::restricted("convert");
    let url = format!("{}/convert", converter::reachable(&namespace, "desk", json!({})).await);
    let client = Client::new();
    let sounds = [
        Audio::music(Shape::CD, 3.0, 1),
        Audio::music(Shape::STUDIO, 1.0, 2),
        Audio::sine(Shape::VOICE, 2.0, 300.0),
        Audio::noise(Shape { channels: 6, rate: 48_000, bits: 16 }, 0.5, 3),
        Audio::music(Shape { channels: 1, rate: 22_050, bits: 8 }, 1.0, 4),
    ];
    for audio in &sounds {
        println!("{:?}, {} samples", audio.shape(), audio.len());
        let wav = audio.wav().unwrap();

        let raw = client.post(&url).header(CONTENT_TYPE, "audio/wav").body(wav.clone()).send().await.unwrap();
        let flac = flac_of(raw).await;
        audio.check_flac(&flac).unwrap();

        let form = Form::new().part("file", Part::bytes(wav).file_name("live set.wav").mime_str("audio/wav").unwrap());
        let answer = client.post(&url).multipart(form).send().await.unwrap();
        let disposition = answer.headers()[CONTENT_DISPOSITION].to_str().unwrap().to_owned();
        assert!(disposition.contains("live set.flac"), "{disposition}");
        assert_eq!(flac_of(answer).await, flac, "raw and multipart give the same bytes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_converter_encodes_as_its_spec_says() {
    let namespace = Namespace::restricted("encoding");
    let spec = json!({ "encoding": { "compressionLevel": 8, "blockSize": 1152, "metadata": "Foreign", "float": 24 } });
    let url = format!("{}/convert", converter::reachable(&namespace, "studio", spec).await);
    let client = Client::new();
    let wav = Audio::music(Shape::CD, 1.0, 1).wav().unwrap();
    let flac = flac_of(client.post(&url).body(wav).send().await.unwrap()).await;
    assert_eq!(flac[8..12], [4, 128, 4, 128], "blocks of 1152 samples");
    assert!(flac.windows(8).any(|bytes| bytes == b"riffRIFF"), "the WAV's own bytes are kept");

    // What the spec says is only the default.
    let refused = client.post(format!("{url}?float=refuse&metadata=tags")).body(float_wav()).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let rounded = client.post(format!("{url}?metadata=tags")).body(float_wav()).send().await.unwrap();
    let warning = rounded.headers()["flacship-warning"].to_str().unwrap().to_owned();
    assert!(warning.starts_with("quantised"), "{warning}");
    flac_of(rounded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_config_map_holds_a_converter_s_settings() {
    let namespace = Namespace::restricted("settings");
    namespace.apply(&json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": "house-rules" },
        "data": { "FLACSHIP_MAX_STREAMS": "7", "FLACSHIP_MAX_HEAD_SIZE": "4Ki" },
    }));
    let spec = json!({ "podTemplate": { "envFrom": [{ "configMapRef": { "name": "house-rules" } }] } });
    let url = converter::reachable(&namespace, "annex", spec).await;
    let client = Client::new();
    let status = client.get(format!("{url}/status")).send().await.unwrap().text().await.unwrap();
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["limits"]["streams"], 7, "{status}");
    let large = client.get(format!("{url}/status")).header("x-note", "a".repeat(5000)).send().await.unwrap();
    assert_eq!(large.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
}

/// The body of an answer that is a FLAC file of a known length.
async fn flac_of(answer: Response) -> Vec<u8> {
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()[CONTENT_TYPE], "audio/flac");
    let length: usize = answer.headers()[CONTENT_LENGTH].to_str().unwrap().parse().unwrap();
    let body = answer.bytes().await.unwrap().to_vec();
    assert_eq!(body.len(), length);
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_uploads_are_told_what_is_wrong() {
    let namespace = Namespace::restricted("bad-uploads");
    let spec = json!({ "limits": { "maxUploadSize": "1Mi" } });
    let url = format!("{}/convert", converter::reachable(&namespace, "strict", spec).await);
    let client = Client::new();
    let post = |body: Vec<u8>| client.post(&url).header(CONTENT_TYPE, "audio/wav").body(body);
    let form = |form: Form| client.post(&url).multipart(form);
    let wav = Audio::music(Shape::CD, 1.0, 1).wav().unwrap();
    let large = Audio::noise(Shape::CD, 10.0, 1).wav().unwrap();
    let in_pieces: Vec<Result<Vec<u8>, std::io::Error>> =
        large.chunks(65_536).map(|piece| Ok(piece.to_vec())).collect();

    let cases: Vec<(&str, RequestBuilder, u16, &str)> = vec![
        ("empty body", post(Vec::new()), 400, "curl"),
        ("text", post(b"This is no audio, however long one looks at it. It is a letter.".to_vec()), 415, "RIFF"),
        ("cut inside the header", post(wav[..30].to_vec()), 400, "cut off"),
        ("float samples", post(float_wav()), 415, "floating point"),
        ("a block size that contradicts the bits", post(with_block_align(&wav, 3)), 422, "contradicts itself"),
        (
            "no field named file",
            form(Form::new().part("audio", Part::bytes(wav.clone()).file_name("a.wav"))),
            400,
            "no field `file`, only `audio`",
        ),
        ("an empty field", form(Form::new().part("file", Part::bytes(Vec::new()).file_name("a.wav"))), 400, "empty"),
        (
            "a form with text in the file",
            form(Form::new().part("file", Part::bytes(b"text, no audio".to_vec()))),
            415,
            "RIFF",
        ),
        ("above maxUploadSize", post(large.clone()), 413, "1 MiB"),
        ("above maxUploadSize, length not told", post(Vec::new()).body(pieces(in_pieces)), 413, "1 MiB"),
        (
            "above maxUploadSize, in a form",
            form(Form::new().part("file", Part::bytes(large).file_name("a.wav"))),
            413,
            "1 MiB",
        ),
    ];
    for (what, request, status, word) in cases {
        let answer = request.send().await.unwrap_or_else(|error| panic!("{what}: no answer: {error:?}"));
        let got = answer.status().as_u16();
        let type_ = answer.headers().get(CONTENT_TYPE).map(|value| value.to_str().unwrap().to_owned());
        let text = answer.text().await.unwrap();
        println!("{what}: {got} {text}");
        assert_eq!(got, status, "{what}");
        assert_eq!(type_.as_deref(), Some("application/problem+json"), "{what}");
        let problem: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(problem["status"], status, "{what}");
        for field in ["type", "title", "detail", "request_id", "error"] {
            assert!(problem[field].as_str().is_some_and(|text| !text.is_empty()), "{what}: no {field} in {text}");
        }
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(word), "{what}: {detail:?} does not say {word:?}");
    }

    let answer = post(wav).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "after all that, a good file is converted");
    let pods = namespace.list("pods");
    assert_eq!(pods[0]["status"]["containerStatuses"][0]["restartCount"], 0, "no upload brings the pod down");
}

fn pieces(pieces: Vec<Result<Vec<u8>, std::io::Error>>) -> Body {
    Body::wrap_stream(futures::stream::iter(pieces))
}

fn float_wav() -> Vec<u8> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 48_000,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let mut file = std::io::Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut file, spec).unwrap();
    (0..1000_u16).for_each(|n| writer.write_sample(f32::from(n) / 1000.0).unwrap());
    writer.finalize().unwrap();
    file.into_inner()
}

/// A canonical WAV whose header says another number of bytes a frame.
fn with_block_align(wav: &[u8], bytes: u16) -> Vec<u8> {
    let mut wav = wav.to_vec();
    wav[32..34].copy_from_slice(&bytes.to_le_bytes());
    wav
}
