//! `POST /convert` with good input, in every form that clients send it.

use reqwest::multipart::{Form, Part};

use crate::{
    check::Sound,
    harness::{Service, post},
    raw::Raw,
    support::Wav,
};

fn disposition(answer: &reqwest::Response) -> &str {
    answer.headers()["content-disposition"].to_str().unwrap()
}

async fn post_form(service: &Service, form: Form) -> reqwest::Response {
    reqwest::Client::new().post(service.url("/convert")).multipart(form).send().await.unwrap()
}

#[tokio::test]
async fn a_raw_body_comes_back_as_a_complete_flac() {
    let service = Service::start(&[]).await;
    let sound = Sound::music(100_000, 2, 16);
    let answer = post(&service, "", sound.wav.clone()).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "audio/flac");
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    assert!(!answer.headers().contains_key("flacship-warning"));
    assert_eq!(disposition(&answer), "attachment; filename=\"audio.flac\"; filename*=UTF-8''audio.flac");
    let length: usize = answer.headers()["content-length"].to_str().unwrap().parse().unwrap();
    let flac = answer.bytes().await.unwrap();
    assert_eq!(flac.len(), length);
    assert!(flac.len() < sound.wav.len());
    sound.assert_in(&flac);
    for line in [
        "flacship_converter_conversions_total{kind=\"upload\",outcome=\"converted\"} 1".to_owned(),
        format!("flacship_converter_input_bytes_total{{kind=\"upload\"}} {}", sound.wav.len()),
        format!("flacship_converter_output_bytes_total{{kind=\"upload\"}} {length}"),
    ] {
        assert!(service.counts(&line).await, "{line}");
    }
    service.until_counts("flacship_converter_spool_used_bytes 0").await;
}

#[tokio::test]
async fn every_format_that_is_taken_keeps_its_samples() {
    let service = Service::start(&[]).await;
    for (frames, channels, bits) in [(9_000, 1, 8), (9_000, 2, 24), (5_000, 8, 16), (1, 2, 16), (4_096, 1, 16)] {
        let sound = Sound::music(frames, channels, bits);
        let answer = post(&service, "", sound.wav.clone()).await;
        assert_eq!(answer.status(), 200, "{frames} {channels} {bits}");
        sound.assert_in(&answer.bytes().await.unwrap());
    }
}

#[tokio::test]
async fn a_form_s_file_is_converted_wherever_it_stands() {
    let service = Service::start(&[]).await;
    let sound = Sound::music(50_000, 2, 16);
    let file = || Part::bytes(sound.wav.clone()).file_name("Étude no. 1.wav").mime_str("audio/wav").unwrap();
    for form in [
        Form::new().part("file", file()),
        Form::new().text("note", "the file comes second").part("file", file()),
        Form::new().part("file", file()).text("note", "something after it"),
    ] {
        let answer = post_form(&service, form).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(
            disposition(&answer),
            "attachment; filename=\"_tude no. 1.flac\"; filename*=UTF-8''%C3%89tude%20no.%201.flac"
        );
        sound.assert_in(&answer.bytes().await.unwrap());
    }
}

#[tokio::test]
async fn a_chunked_body_without_a_length_is_taken_in_any_pieces() {
    let service = Service::start(&[]).await;
    let sound = Sound::music(20_000, 2, 16);
    let mut client = Raw::connect(service.address).await;
    client.head("POST /convert", "Transfer-Encoding: chunked\r\n").await;
    let (slow, fast) = sound.wav.split_at(100);
    for piece in slow.chunks(1).chain(fast.chunks(7_777)) {
        client.chunk(piece).await;
    }
    client.chunk(&[]).await;
    let (head, flac) = client.answer().await;
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    sound.assert_in(&flac);
    // The connection is as good as new.
    client.head("POST /convert", &format!("Content-Length: {}\r\n", sound.wav.len())).await;
    client.send(&sound.wav).await;
    sound.assert_in(&client.answer().await.1);
}

#[tokio::test]
async fn results_larger_than_memory_go_through_a_file() {
    let service = Service::start(&["--spool-memory", "10Ki"]).await;
    let sound = Sound::noise(150_000, 2, 16, 3);
    let answer = post(&service, "", sound.wav.clone()).await;
    sound.assert_in(&answer.bytes().await.unwrap());
}

#[tokio::test]
async fn a_higher_level_makes_a_smaller_file() {
    let service = Service::start(&["--level", "0"]).await;
    let sound = Sound::music(200_000, 2, 16);
    let mut sizes = Vec::new();
    for query in ["", "?level=5", "?level=8"] {
        let flac = post(&service, query, sound.wav.clone()).await.bytes().await.unwrap();
        sound.assert_in(&flac);
        sizes.push(flac.len());
    }
    assert!(sizes[0] > sizes[1] && sizes[1] >= sizes[2], "{sizes:?}");
}

#[tokio::test]
async fn the_name_comes_from_the_address_or_the_header_and_is_never_a_path() {
    let service = Service::start(&[]).await;
    let sound = Sound::music(10, 1, 16);
    for (query, header, wanted) in [
        ("", "attachment; filename=\"take 1.wav\"", "filename=\"take 1.flac\"; filename*=UTF-8''take%201.flac"),
        ("?filename=mix.wav", "attachment; filename=\"other.wav\"", "filename=\"mix.flac\"; filename*=UTF-8''mix.flac"),
        ("?filename=..%2F..%2Fetc%2Fpasswd", "", "filename=\"passwd.flac\"; filename*=UTF-8''passwd.flac"),
        ("?filename=a%22%0D%0AX-Evil%3A+1.wav", "", "filename=\"aX-Evil_ 1.flac\"; filename*=UTF-8''aX-Evil_%201.flac"),
        ("?filename=%E2%80%AEgpj.wav", "", "filename=\"gpj.flac\"; filename*=UTF-8''gpj.flac"),
        ("?filename=C%3A%5Cx%5Cy.WAV", "", "filename=\"y.flac\"; filename*=UTF-8''y.flac"),
        (
            "",
            "attachment; filename*=UTF-8''na%C3%AFve.wav",
            "filename=\"na_ve.flac\"; filename*=UTF-8''na%C3%AFve.flac",
        ),
    ] {
        let request = reqwest::Client::new()
            .post(service.url(&format!("/convert{query}")))
            .header("content-disposition", header)
            .body(sound.wav.clone());
        let answer = request.send().await.unwrap();
        assert_eq!(disposition(&answer), format!("attachment; {wanted}"));
        assert!(!answer.headers().contains_key("x-evil"));
    }
}

#[tokio::test]
async fn a_wav_that_was_cut_off_is_converted_with_a_warning() {
    let service = Service::start(&[]).await;
    let sound = Sound::music(10_000, 2, 16);
    let cut = &sound.wav[..sound.wav.len() - 4_000 * 4 - 1];
    let answer = post(&service, "", cut.to_vec()).await;
    assert_eq!(answer.status(), 200);
    let warnings: Vec<_> =
        answer.headers().get_all("flacship-warning").iter().map(|value| value.to_str().unwrap().to_owned()).collect();
    assert!(warnings.iter().any(|warning| warning.starts_with("truncated_audio: ")), "{warnings:?}");
    assert!(warnings.iter().any(|warning| warning.starts_with("partial_sample: ")), "{warnings:?}");
    let samples = crate::check::decode(&answer.bytes().await.unwrap());
    assert!(samples == sound.samples[..5_999 * 2]);
}

#[tokio::test]
async fn a_wav_of_unknown_length_is_taken_to_its_end() {
    let service = Service::start(&[]).await;
    let sound = Sound::music(10_000, 1, 16);
    let wav = Wav::new().fmt(1, 44_100, 16).head(b"data", u32::MAX).raw(&sound.pcm()).build();
    let answer = post(&service, "", wav).await;
    assert!(answer.headers()["flacship-warning"].to_str().unwrap().starts_with("unknown_length: "));
    sound.assert_in(&answer.bytes().await.unwrap());
}

#[tokio::test]
async fn conversions_at_once_do_not_mix() {
    let service = Service::start(&["--spool-memory", "50Ki"]).await;
    let sounds: Vec<_> = (1..=12).map(|seed| Sound::noise(20_000 + 1_000 * seed as usize, 2, 16, seed)).collect();
    let answers = sounds.iter().map(|sound| async {
        let answer = post(&service, "", sound.wav.clone()).await;
        answer.bytes().await.unwrap()
    });
    for (sound, flac) in sounds.iter().zip(futures::future::join_all(answers).await) {
        sound.assert_in(&flac);
    }
}

#[tokio::test]
async fn the_request_s_id_comes_back() {
    let service = Service::start(&[]).await;
    let client = reqwest::Client::new();
    for (given, kept) in [("trace-42", true), ("two words", false)] {
        let answer = client.get(service.url("/healthz")).header("x-request-id", given).send().await.unwrap();
        assert_eq!(answer.headers()["x-request-id"] == given, kept);
    }
    let ids: Vec<_> =
        [client.get(service.url("/")).send().await.unwrap(), client.get(service.url("/")).send().await.unwrap()]
            .iter()
            .map(|answer| answer.headers()["x-request-id"].clone())
            .collect();
    assert_ne!(ids[0], ids[1]);
}
