//! `POST /convert` with several files: one archive, read here by a ZIP reader that shares no code with its writer.

use std::io::{Cursor, Read};

use reqwest::multipart::{Form, Part};
use zip::{CompressionMethod, ZipArchive};

use crate::{
    answers::{md5_text, sha256_header},
    check::Sound,
    harness::{Service, problem},
    raw::Raw,
    support::Wav,
};

fn file(name: &str, wav: &[u8]) -> Part {
    Part::bytes(wav.to_vec()).file_name(name.to_owned())
}

async fn post_form(service: &Service, form: Form) -> reqwest::Response {
    reqwest::Client::new().post(service.url("/convert")).multipart(form).send().await.unwrap()
}

/// The files of an archive in its order, each checked against its checksum.
fn unzipped(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = ZipArchive::new(Cursor::new(archive)).unwrap();
    let count = archive.len();
    let entry = |at| {
        let mut file = archive.by_index(at).unwrap();
        assert_eq!(file.compression(), CompressionMethod::Stored);
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        (file.name().unwrap().into_owned(), bytes)
    };
    (0..count).map(entry).collect()
}

#[tokio::test]
async fn several_files_come_back_in_one_archive_with_a_manifest() {
    // In memory, in a file, and half and half.
    for memory in ["64Mi", "0", "300Ki"] {
        let service = Service::start(&["--spool-memory", memory]).await;
        let sounds = [Sound::noise(60_000, 2, 16, 1), Sound::music(50_000, 1, 24), Sound::music(7, 1, 8)];
        let form = Form::new()
            .part("file", file("take.wav", &sounds[0].wav))
            .part("file", file("broken.wav", b"this is no WAV, and a good deal longer than nothing"))
            .text("note", "between files")
            .part("file", file("../../etc/Take.WAV", &sounds[1].wav))
            .part("file", file("empty.wav", b""))
            .part("file", file("名前.wav", &sounds[2].wav));
        let answer = post_form(&service, form).await;
        assert_eq!(answer.status(), 200);
        let headers = answer.headers().clone();
        assert_eq!(headers["content-type"], "application/zip");
        assert_eq!(headers["content-disposition"], "attachment; filename=\"flac.zip\"; filename*=UTF-8''flac.zip");
        assert_eq!(
            (&headers["flacship-files"], &headers["flacship-failed"]),
            (&"5".parse().unwrap(), &"2".parse().unwrap())
        );
        let archive = answer.bytes().await.unwrap();
        assert_eq!(headers["content-length"], archive.len().to_string());
        assert_eq!(headers["repr-digest"], sha256_header(&archive));

        let files = unzipped(&archive);
        let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["take.flac", "Take (2).flac", "名前.flac", "manifest.json"]);
        for (sound, (_, flac)) in sounds.iter().zip(&files) {
            sound.assert_in(flac);
        }
        let manifest: serde_json::Value = serde_json::from_slice(&files[3].1).unwrap();
        assert_eq!((&manifest["converted"], &manifest["failed"]), (&3.into(), &2.into()));
        let rows = manifest["files"].as_array().unwrap();
        let listed: Vec<_> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
        assert_eq!(listed, ["take.wav", "broken.wav", "../../etc/Take.WAV", "empty.wav", "名前.wav"]);
        for (row, sound, (name, flac)) in [(0, 0, &files[0]), (2, 1, &files[1]), (4, 2, &files[2])] {
            let sound = &sounds[sound];
            assert_eq!(rows[row]["status"], "converted");
            assert_eq!((&rows[row]["flac"], &rows[row]["bytes_out"]), (&name.as_str().into(), &flac.len().into()));
            assert_eq!(
                (&rows[row]["bytes_in"], &rows[row]["samples"]),
                (&sound.wav.len().into(), &sound.frames().into())
            );
            assert_eq!(rows[row]["md5"], md5_text(sound));
        }
        for (row, code, word, bytes) in [(1, "not_wav", "WAV", 51), (3, "empty_input", "empty", 0)] {
            assert_eq!((&rows[row]["status"], &rows[row]["code"]), (&"failed".into(), &code.into()));
            assert!(rows[row]["detail"].as_str().unwrap().contains(word));
            assert_eq!(rows[row]["bytes_in"], bytes);
            assert!(rows[row].get("flac").is_none());
        }
        service.until_counts("flacship_converter_spool_used_bytes 0").await;
        assert!(service.counts("flacship_converter_errors_total{code=\"not_wav\"} 1").await);
    }
}

#[tokio::test]
async fn files_of_which_none_can_be_converted_still_have_their_manifest() {
    let service = Service::start(&[]).await;
    let form =
        Form::new().part("file", file("a.wav", b"no")).part("file", file("b.wav", &Wav::pcm(9, 8_000, 16, &[0; 180])));
    let answer = post_form(&service, form).await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["flacship-failed"]), (200, &"2".parse().unwrap()));
    let files = unzipped(&answer.bytes().await.unwrap());
    assert_eq!(files.len(), 1);
    let manifest: serde_json::Value = serde_json::from_slice(&files[0].1).unwrap();
    assert_eq!(manifest["files"][1]["code"], "unsupported_channels");
}

#[tokio::test]
async fn one_file_stays_one_file_and_its_refusal_a_refusal() {
    let service = Service::start(&[]).await;
    let sound = Sound::music(1_000, 1, 16);
    let answer = post_form(&service, Form::new().part("file", file("a.wav", &sound.wav))).await;
    assert_eq!(answer.headers()["content-type"], "audio/flac");
    let answer = post_form(&service, Form::new().part("file", file("a.mp3", b"ID3")).text("note", "after it")).await;
    assert_eq!(answer.status(), 415);
    assert_eq!(problem(answer).await["code"], "not_wav");
}

#[tokio::test]
async fn the_archive_s_name_may_be_asked_for_and_warnings_are_in_the_manifest() {
    let service = Service::start(&[]).await;
    let sound = Sound::music(10_000, 2, 16);
    let cut = &sound.wav[..sound.wav.len() - 4_000];
    let form = Form::new().part("file", file("a.wav", cut)).part("file", file("b.wav", &sound.wav));
    let request = reqwest::Client::new().post(service.url("/convert?filename=week.zip&level=0")).multipart(form);
    let answer = request.send().await.unwrap();
    assert!(answer.headers()["content-disposition"].to_str().unwrap().contains("filename=\"week.zip\""));
    let files = unzipped(&answer.bytes().await.unwrap());
    let manifest: serde_json::Value = serde_json::from_slice(&files[2].1).unwrap();
    assert_eq!(manifest["files"][0]["warnings"][0]["code"], "truncated_audio");
    assert!(manifest["files"][1].get("warnings").is_none());
}

#[tokio::test]
async fn what_fails_the_request_leaves_nothing_behind() {
    let sound = Sound::noise(30_000, 2, 16, 4);
    let two = || Form::new().part("file", file("a.wav", &sound.wav)).part("file", file("b.wav", &sound.wav));
    for (flag, value, status, code) in
        [("--spool-size", "150Ki", 503, "spool_full"), ("--max-upload-size", "150Ki", 413, "too_large")]
    {
        let service = Service::start(&[flag, value, "--spool-memory", "10Ki"]).await;
        let answer = post_form(&service, two()).await;
        assert_eq!(answer.status(), status);
        assert_eq!(problem(answer).await["code"], code);
        service.until_counts("flacship_converter_spool_used_bytes 0").await;
    }
    let service = Service::start(&[]).await;
    let part =
        |name: &str| format!("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n");
    let cut = [part("a.wav").as_bytes(), &sound.wav, b"\r\n", part("b.wav").as_bytes(), &sound.wav[..5_000]].concat();
    let request = reqwest::Client::new().post(service.url("/convert"));
    let answer = request.header("content-type", "multipart/form-data; boundary=b").body(cut).send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert_eq!(problem(answer).await["code"], "malformed_form");
    service.until_counts("flacship_converter_spool_used_bytes 0").await;
}

#[tokio::test]
async fn more_files_than_are_taken_are_refused() {
    let service = Service::start(&[]).await;
    let part = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\nx\r\n";
    let form = [&part.repeat(1_001), "--b--\r\n"].concat();
    let request = reqwest::Client::new().post(service.url("/convert"));
    let answer = request.header("content-type", "multipart/form-data; boundary=b").body(form).send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert_eq!(problem(answer).await["code"], "too_many_files");
}

#[tokio::test]
async fn a_client_that_sends_all_files_before_it_reads_gets_the_archive() {
    let service = Service::start(&["--spool-memory", "64Ki"]).await;
    let sounds = [Sound::noise(1_000_000, 2, 16, 1), Sound::noise(1_000_000, 2, 16, 2)];
    let part =
        |name: &str| format!("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n");
    let body = [part("a").as_bytes(), &sounds[0].wav, b"\r\n", part("b").as_bytes(), &sounds[1].wav, b"\r\n--b--\r\n"]
        .concat();
    let mut client = Raw::connect(service.address).await;
    let length = body.len();
    client
        .head(
            "POST /convert",
            &format!("Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {length}\r\n"),
        )
        .await;
    client.send(&body).await;
    let (head, archive) = client.answer().await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let files = unzipped(&archive);
    assert_eq!(files.len(), 3);
    for (sound, (_, flac)) in sounds.iter().zip(&files) {
        sound.assert_in(flac);
    }
}
