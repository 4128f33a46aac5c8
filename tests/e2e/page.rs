//! The page as a cluster serves it: through the Service's node port, with the limits of the AudioConverter. What the page
//! itself can do is shown without a cluster, in `tests/browser`.

use std::fs;

use serde_json::json;

use crate::harness::browser::Browser;
use crate::harness::wait::STEP;
use crate::harness::{Namespace, converter};
use e2e::audio::{Audio, Shape};

#[tokio::test(flavor = "multi_thread")]
async fn a_person_converts_a_file_in_the_browser() {
    let namespace = Namespace::restricted("page");
    let url = converter::reachable(&namespace, "front", json!({})).await;
    let folder = tempfile::tempdir().unwrap();
    let audio = Audio::music(Shape::CD, 120.0, 4);
    let wav = folder.path().join("Evening set.wav");
    fs::write(&wav, audio.wav().unwrap()).unwrap();
    let letter = folder.path().join("letter.wav");
    fs::write(&letter, "Dear reader, this is a letter and no recording, whatever its name says.").unwrap();

    Browser::visit(async |browser| {
        browser.client().goto(&url).await.unwrap();
        assert!(browser.client().title().await.unwrap().contains("Flacship"));
        browser.shown("#drop", STEP).await;
        browser.screenshot("page-before.png").await;

        browser.choose("#file", &wav).await;
        browser.shown("#files > li:first-child .outcome", STEP).await;
        let result = browser.shown("#files > li:first-child", STEP).await;
        println!("{result}");
        assert!(result.contains("Evening set.flac") && result.contains("% smaller"), "{result}");
        assert!(result.contains("21.2 MB"), "the size of the WAV: {result}");
        browser.screenshot("page-result.png").await;

        browser.click("#files > li:first-child .download").await;
        let flac = browser.downloaded("Evening set.flac", STEP).await;
        audio.check_flac_file(&flac).unwrap();

        browser.choose("#file", &letter).await;
        let error = browser.shown("#files > li:last-child .trouble", STEP).await;
        assert!(error.contains("This file cannot be converted") && error.contains("Request "), "{error}");
        assert!(error.to_lowercase().contains("wav"), "the reason: {error}");
        browser.screenshot("page-error.png").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_above_the_limit_is_refused_in_words() {
    let namespace = Namespace::restricted("page-limit");
    let url = converter::reachable(&namespace, "small", json!({ "limits": { "maxUploadSize": "1Mi" } })).await;
    let folder = tempfile::tempdir().unwrap();
    let wav = folder.path().join("long.wav");
    fs::write(&wav, Audio::music(Shape::CD, 10.0, 4).wav().unwrap()).unwrap();
    Browser::visit(async |browser| {
        browser.client().goto(&url).await.unwrap();
        browser.choose("#file", &wav).await;
        let error = browser.shown("#files .trouble", STEP).await;
        assert!(error.contains("too large"), "{error}");
        assert!(browser.shown("#files > li", STEP).await.contains("long.wav"));
    })
    .await;
}
