//! `/metrics`: valid to the letter, in agreement with `/status` and `/load`, and of a size that no client decides.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::Value;

use crate::{
    check::Sound,
    exposition::{Family, parse, series},
    harness::{Service, get, post},
    raw::Raw,
    stream::Client,
};

async fn scrape(service: &Service) -> BTreeMap<String, Family> {
    let answer = reqwest::get(format!("http://{}/metrics", service.admin)).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/openmetrics-text; version=1.0.0; charset=utf-8");
    parse(&answer.text().await.unwrap()).unwrap()
}

fn value(families: &BTreeMap<String, Family>, series: &str) -> f64 {
    let found = families.values().find_map(|family| family.samples.get(series));
    *found.unwrap_or_else(|| panic!("{series} is missing"))
}

fn assert_is(families: &BTreeMap<String, Family>, series: &str, wanted: f64) {
    let got = value(families, series);
    assert!((got - wanted).abs() < 1e-9, "{series} is {got}, not {wanted}");
}

#[tokio::test]
async fn all_that_is_counted_is_valid_and_described() {
    let service = Service::start(&["--max-streams", "7", "--max-conversions", "5", "--max-queue", "9"]).await;
    let sound = Sound::music(44_100, 2, 16);
    assert_eq!(post(&service, "", sound.wav.clone()).await.status(), 200);
    assert_eq!(post(&service, "", b"no WAV".to_vec()).await.status(), 415);
    let mut stream = Client::connect(service.address).await;
    stream.binary(&sound.wav).await;
    stream.text(r#"{"type":"end"}"#).await;
    stream.rest().await;
    service.until_counts("flacship_converter_active_conversions{kind=\"stream\"} 0").await;

    let families = scrape(&service).await;
    for (name, family) in &families {
        assert!(family.kind != "unknown" && family.help.len() > 5, "{name}: {family:?}");
    }
    let size = f64::from(u32::try_from(sound.wav.len()).unwrap());
    for (name, wanted) in [
        ("flacship_converter_conversions_total{kind=\"upload\",outcome=\"converted\"}", 1.0),
        ("flacship_converter_conversions_total{kind=\"upload\",outcome=\"refused\"}", 1.0),
        ("flacship_converter_conversions_total{kind=\"stream\",outcome=\"converted\"}", 1.0),
        ("flacship_converter_audio_seconds_total{kind=\"stream\"}", 1.0),
        ("flacship_converter_input_bytes_total{kind=\"stream\"}", size),
        ("flacship_converter_upload_size_bytes_sum", size),
        ("flacship_converter_upload_size_bytes_count", 1.0),
        ("flacship_converter_queue_wait_seconds_count", 2.0),
        ("flacship_converter_errors_total{code=\"not_wav\"}", 1.0),
        ("flacship_converter_max_conversions{kind=\"upload\"}", 5.0),
        ("flacship_converter_max_conversions{kind=\"stream\"}", 7.0),
        ("flacship_converter_max_queued_conversions", 9.0),
        ("flacship_converter_build_info{version=\"0.1.0\"}", 1.0),
    ] {
        assert_is(&families, name, wanted);
    }
    assert!(value(&families, "process_resident_memory_bytes") > 1e6);
    assert!(value(&families, "process_open_fds") >= 5.0);
    assert!(value(&families, "process_max_fds") >= value(&families, "process_open_fds"));
    assert!(value(&families, "process_cpu_seconds_total") > 0.0);
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    assert!((now - value(&families, "process_start_time_seconds")).abs() < 3600.0);
}

#[tokio::test]
async fn who_waits_is_not_active_and_all_three_pages_agree() {
    let service = Service::start(&["--max-conversions", "1", "--max-queue", "5"]).await;
    let sound = Sound::music(20_000, 2, 16);
    let mut uploads = Vec::new();
    for _ in 0..3 {
        let mut upload = Raw::connect(service.address).await;
        upload.head("POST /convert", &format!("Content-Length: {}\r\n", sound.wav.len())).await;
        upload.send(&sound.wav[..1_000]).await;
        uploads.push(upload);
    }
    service.until_counts("flacship_converter_queued_conversions 2").await;
    let families = scrape(&service).await;
    assert_is(&families, "flacship_converter_active_conversions{kind=\"upload\"}", 1.0);
    let json = async |url: &str| serde_json::from_str::<Value>(&get(url).await.1).unwrap();
    let status = json(&service.url("/status")).await;
    assert_eq!((&status["active"]["conversions"], &status["active"]["queued"]), (&1.into(), &2.into()));
    let load = json(&format!("http://{}/load", service.admin)).await;
    assert_eq!(load["conversions"], serde_json::json!({"active": 1, "max": 1, "queued": 2}));

    for upload in &mut uploads {
        upload.send(&sound.wav[1_000..]).await;
        sound.assert_in(&upload.answer().await.1);
    }
    let families = scrape(&service).await;
    assert_is(&families, "flacship_converter_queue_wait_seconds_count", 3.0);
    assert_is(&families, "flacship_converter_queue_wait_seconds_bucket{le=\"0.001\"}", 1.0);
}

/// Strange in a way of its own for each number.
async fn strange(service: &Service, number: usize) {
    let client = reqwest::Client::new();
    let method = ["GET", "PUT", "DELETE", "PATCH", "BREW"][number % 5].to_owned() + ["", "X"][number / 5 % 2];
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let paths = ["/nowhere", "/convert", "/status", "/..%2f", "/metrics", "/ws", "/convert/"];
    let url = service.url(&format!("{}?n={number}&{}=1", paths[number % 7], "x".repeat(number)));
    let request = client.request(method, url).header("x-request-id", format!("id-{number}"));
    let status = request.header("origin", format!("https://{number}.example")).send().await.unwrap().status();
    assert!(status.is_client_error() || status == 200, "{status}");
    let level = post(service, &format!("?level={}", 9 + number), b"RIFF".to_vec()).await;
    assert_eq!(level.status(), 400);
    let body = [b"RIFFxxxx", "WAVE".repeat(number).as_bytes()].concat();
    assert!(post(service, "", body).await.status().is_client_error());
}

#[tokio::test]
async fn no_client_makes_a_series() {
    let service = Service::start(&[]).await;
    // Each way to go wrong once: what an error is called stands in its series from then on.
    for number in 0..70 {
        strange(&service, number).await;
    }
    let before = series(&scrape(&service).await);
    for number in 70..170 {
        strange(&service, number).await;
    }
    let after = scrape(&service).await;
    assert_eq!(series(&after).difference(&before).collect::<Vec<_>>(), Vec::<&String>::new());

    let mut labels = BTreeSet::new();
    for series in series(&after) {
        let list = series.split_once('{').map_or("", |(_, list)| list.trim_end_matches('}')).to_owned();
        labels.extend(list.split(',').filter_map(|label| Some(label.split_once('=')?.0.to_owned())));
    }
    assert_eq!(labels.into_iter().collect::<Vec<_>>(), ["code", "kind", "le", "outcome", "version"]);
}
