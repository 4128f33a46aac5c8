//! The upload page in a real browser.

use std::fs;

use serde_json::json;

use crate::harness::browser::Browser;
use crate::harness::wait::STEP;
use crate::harness::{Namespace, converter};
use e2e::audio::{Audio, Shape};

/// Writes down every value of the progress bar and every word of the status line from now on.
const RECORD: &str = r"
    const bar = document.getElementById('progress'), line = document.getElementById('status');
    window.seen = { values: [], lines: [] };
    new MutationObserver(() => {
        window.seen.values.push(bar.value);
        window.seen.lines.push(line.textContent);
    }).observe(document.getElementById('work'), { attributes: true, childList: true, characterData: true, subtree: true });
";

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
        assert!(!browser.is_shown("#result").await && !browser.is_shown("#error").await);
        browser.screenshot("page-before.png").await;

        browser.run(RECORD).await;
        browser.choose("#file", &wav).await;
        let result = browser.shown("#result", STEP).await;
        println!("{result}");
        assert!(result.contains("Evening set.flac") && result.contains("% smaller"), "{result}");
        assert!(result.contains("21.2 MB"), "the size of the WAV: {result}");
        assert!(!browser.is_shown("#progress").await && !browser.is_shown("#error").await);

        let seen = browser.run("return window.seen").await;
        let values: Vec<f64> =
            seen["values"].as_array().unwrap().iter().filter_map(serde_json::Value::as_f64).collect();
        println!("{values:?}");
        assert!(values.iter().any(|value| *value > 0.0 && *value < 95.0), "the upload's progress was seen: {seen}");
        assert!(values.is_sorted(), "progress goes forward: {values:?}");
        let lines = seen["lines"].to_string();
        assert!(lines.contains("Sending Evening set.wav"), "{lines}");

        // The player has the FLAC and can play it.
        let ready = "const player = document.getElementById('player'); \
            return player.error ? player.error.message : player.readyState >= 1 ? player.duration : null";
        let length = crate::harness::wait::until_async("the player knows the FLAC", STEP, async || {
            let value = browser.run(ready).await;
            value.as_f64().ok_or_else(|| value.to_string())
        })
        .await;
        assert!((length - 120.0).abs() < 0.1, "{length} s");
        browser.screenshot("page-result.png").await;

        browser.click("#download").await;
        let flac = browser.downloaded("Evening set.flac", STEP).await;
        audio.check_flac_file(&flac).unwrap();

        browser.choose("#file", &letter).await;
        let error = browser.shown("#error", STEP).await;
        println!("{error}");
        assert!(error.contains("letter.wav"), "{error}");
        assert!(error.contains("This file cannot be converted"), "{error}");
        assert!(error.to_lowercase().contains("wav"), "the reason: {error}");
        assert!(browser.is_shown("#result").await, "the earlier result is still there");
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
        let error = browser.shown("#error", STEP).await;
        assert!(error.contains("too large") && error.contains("long.wav"), "{error}");
    })
    .await;
}
