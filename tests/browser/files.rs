//! Files on the page: one, many, a refused one, a cancelled one, dropped ones.

use std::{fs, path::Path, process::Command};

use e2e::audio::{Audio, Shape};
use fantoccini::key::Key;
use serde_json::json;

use crate::service::Service;
use crate::support::{browser::Browser, wait::STEP};
use crate::wire::{Plan, Wire};

/// Whether nothing is under way any more.
const AT_REST: &str = "return !document.getElementById('total').hidden && document.getElementById('cancel-all').hidden";

/// Writes down every value of the first card's progress and what screen readers are told.
const RECORD: &str = r"
    window.seen = { values: [], said: [] };
    new MutationObserver(() => {
        const bar = document.querySelector('.file progress');
        if (bar) window.seen.values.push(bar.value);
    }).observe(document.getElementById('files'), { attributes: true, childList: true, subtree: true });
    new MutationObserver(() => window.seen.said.push(document.getElementById('status').textContent))
        .observe(document.getElementById('status'), { childList: true });
";

fn write(folder: &Path, name: &str, audio: &Audio) -> std::path::PathBuf {
    let path = folder.join(name);
    fs::write(&path, audio.wav().unwrap()).unwrap();
    path
}

/// The text of the card at this place, counted from 1.
async fn card(browser: &Browser, at: usize) -> String {
    browser.shown(&format!("#files > li:nth-child({at})"), STEP).await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_file_is_sent_shown_played_and_saved() {
    let service = Service::start(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let audio = Audio::music(Shape::VOICE, 660.0, 4);
    // Long enough to be played for as long as a slow machine takes to look.
    let wav = write(folder.path(), "Evening set.wav", &audio);
    Browser::visit(async |browser| {
        browser.client().goto(&service.url()).await.unwrap();
        assert!(browser.client().title().await.unwrap().contains("Flacship"));
        browser.until("return document.getElementById('limit').textContent", STEP).await;
        assert!(browser.shown("#hint", STEP).await.ends_with(", up to 2 GiB each"));
        browser.screenshot("start.png").await;

        browser.run(RECORD).await;
        browser.choose("#file", &wav).await;
        browser.until(AT_REST, STEP).await;
        let text = card(browser, 1).await;
        assert!(text.contains("Evening set.flac") && text.contains("% smaller"), "{text}");
        assert!(text.contains("10.6 MB"), "{text}");
        let seen = browser.run("return window.seen").await;
        let values: Vec<f64> =
            seen["values"].as_array().unwrap().iter().filter_map(serde_json::Value::as_f64).collect();
        assert!(values.is_sorted() && values.iter().any(|it| *it > 0.0), "progress goes forward: {values:?}");
        assert!(seen["said"].to_string().contains("Evening set.flac is ready"), "{seen}");

        // The picture comes beside the conversion, from the file itself.
        browser.until("return document.querySelector('.about').textContent.includes('kHz')", STEP).await;
        assert_eq!(browser.shown(".about", STEP).await, "10.6 MB · 11:00 · 8 kHz, 16 bits, mono");
        let drawn = r"
            const canvas = document.querySelector('.wave canvas');
            if (canvas.width === 0) return false;
            const points = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
            // Not just the middle line: something in the upper quarter too.
            return points.subarray(0, points.length / 4).some((value) => value > 0);
        ";
        browser.until(drawn, STEP).await;

        // After, then before: the same place of the same sound.
        let position = "return document.querySelector('.position').textContent";
        browser.until(&format!("{position}.endsWith('/ 11:00')"), STEP).await;
        browser.click(".play").await;
        browser.until("return Number(document.querySelector('.seek').value) > 1", STEP).await;
        browser.click(".which label:first-of-type").await;
        let playing = "return document.querySelector('.play').getAttribute('aria-pressed') === 'true'";
        browser.until(playing, STEP).await;
        browser.until("return Number(document.querySelector('.seek').value) > 1", STEP).await;
        browser.screenshot("played.png").await;
        browser.click(".play").await;
        browser.until(&playing.replace("true", "false"), STEP).await;

        browser.click(".download").await;
        audio.check_flac_file(&browser.downloaded("Evening set.flac", STEP).await).unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_files_come_back_as_one_zip_and_a_bad_one_harms_no_other() {
    let service = Service::start(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let (music, voice) = (Audio::music(Shape::STUDIO, 3.0, 1), Audio::music(Shape::VOICE, 8.0, 2));
    let first = write(folder.path(), "Röhre 1.wav", &music);
    let second = write(folder.path(), "call.wav", &voice);
    fs::create_dir(folder.path().join("again")).unwrap();
    let third = write(&folder.path().join("again"), "call.wav", &music);
    let letter = folder.path().join("letter.wav");
    fs::write(&letter, "Dear reader, this is a letter and no recording, whatever its name says.").unwrap();
    Browser::visit(async |browser| {
        browser.client().goto(&service.url()).await.unwrap();
        browser.choose_all("#file", &[&first, &second, &letter]).await;
        browser.choose("#file", &third).await;
        browser.until(AT_REST, STEP).await;
        let summary = browser.shown("#summary", STEP).await;
        assert!(summary.starts_with("3 files ready · 1 not converted"), "{summary}");
        let refused = card(browser, 3).await;
        assert!(refused.contains("This file cannot be converted"), "{refused}");
        assert!(
            refused.contains("WAV") && refused.contains("Request "),
            "the reason, and an id to ask with: {refused}"
        );
        browser.screenshot("many.png").await;

        browser.click("#zip").await;
        let zip = browser.downloaded("flacship.zip", STEP).await;
        let out = folder.path().join("out");
        let unzipped = Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&zip).arg(&out).status().unwrap();
        assert!(unzipped.success());
        music.check_flac_file(&out.join("Röhre 1.flac")).unwrap();
        voice.check_flac_file(&out.join("call.flac")).unwrap();
        music.check_flac_file(&out.join("call (2).flac")).unwrap();
        assert_eq!(fs::read_dir(&out).unwrap().count(), 3);

        // Taken away, the focus stays in the list.
        browser.click("#files > li:nth-child(3) .drop-it").await;
        assert!(browser.shown("#summary", STEP).await.starts_with("3 files ready · "));
        assert_eq!(browser.run("return document.activeElement.classList.contains('card')").await, true);
        browser.click("#clear").await;
        assert!(!browser.is_shown("#total").await);
        assert_eq!(browser.run("return document.querySelectorAll('#files > li').length").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_can_be_cancelled_and_begun_again() {
    let service = Service::start(&[]).await;
    let wire = Wire::to(service.address, Plan { hold_upload_after: Some(1 << 20), ..Plan::default() }).await;
    let folder = tempfile::tempdir().unwrap();
    // More than all buffers on the way hold, so that it cannot have been sent whole.
    let audio = Audio::sine(Shape::CD, 240.0, 440.0);
    let wav = write(folder.path(), "long.wav", &audio);
    Browser::visit(async |browser| {
        browser.client().goto(&wire.url()).await.unwrap();
        browser.choose("#file", &wav).await;
        browser.until("return document.querySelector('.file progress')?.value > 0", STEP).await;
        let text = card(browser, 1).await;
        assert!(text.contains("Sending"), "{text}");
        browser.screenshot("sending.png").await;
        browser.click(".drop-it").await;
        let text = card(browser, 1).await;
        assert!(text.contains("Cancelled") && text.contains("Try again"), "{text}");
        assert!(browser.shown("#summary", STEP).await.contains("1 cancelled"));

        wire.hold_no_more();
        browser.click(".again").await;
        browser.until("return !document.querySelector('.outcome').hidden", STEP).await;
        browser.click(".download").await;
        audio.check_flac_file(&browser.downloaded("long.flac", STEP).await).unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_may_be_dropped_anywhere_and_options_are_sent() {
    let service = Service::start(&[]).await;
    let wire = Wire::to(service.address, Plan::default()).await;
    Browser::visit(async |browser| {
        browser.client().goto(&wire.url()).await.unwrap();
        browser.click("#options summary").await;
        browser
            .run("document.getElementById('level').value = '8'; document.getElementById('float').value = '24'")
            .await;
        browser.click("#verify").await;
        browser.click("#foreign").await;
        browser.screenshot("options.png").await;
        // A WAV of 100 samples of silence, dropped beside the field.
        let drop = r"
            const wav = new DataView(new ArrayBuffer(244));
            const text = (at, word) => [...word].forEach((it, i) => wav.setUint8(at + i, it.charCodeAt(0)));
            text(0, 'RIFF'); wav.setUint32(4, 236, true); text(8, 'WAVEfmt '); wav.setUint32(16, 16, true);
            wav.setUint16(20, 1, true); wav.setUint16(22, 1, true); wav.setUint32(24, 8000, true);
            wav.setUint32(28, 16000, true); wav.setUint16(32, 2, true); wav.setUint16(34, 16, true);
            text(36, 'data'); wav.setUint32(40, 200, true);
            const dropped = new DataTransfer();
            dropped.items.add(new File([wav], 'dropped.wav', { type: 'audio/wav' }));
            const event = (kind) => document.querySelector('footer').dispatchEvent(
                new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: dropped }));
            event('dragenter');
            const over = document.getElementById('drop').classList.contains('over');
            event('dragover');
            event('drop');
            return over && !document.getElementById('drop').classList.contains('over');
        ";
        assert_eq!(browser.run(drop).await, true);
        browser.until(AT_REST, STEP).await;
        let text = card(browser, 1).await;
        assert!(text.contains("dropped.flac"), "{text}");
    })
    .await;
    let heads = wire.heads().concat();
    let line = heads.lines().find(|line| line.starts_with("POST /convert")).unwrap().to_owned();
    for option in ["filename=dropped.wav", "level=8", "float=24", "verify=true", "metadata=foreign"] {
        assert!(line.contains(option), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keyboard_reaches_everything() {
    let service = Service::start(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let wav = write(folder.path(), "short.wav", &Audio::music(Shape::VOICE, 2.0, 3));
    Browser::visit(async |browser| {
        browser.client().goto(&service.url()).await.unwrap();
        browser.choose("#file", &wav).await;
        browser.until(AT_REST, STEP).await;
        browser.run("document.activeElement.blur()").await;
        let mut reached = Vec::new();
        for _ in 0..14 {
            browser.press(Key::Tab).await;
            let which = "const it = document.activeElement; return it.id || it.classList[0] || it.type || it.tagName";
            reached.push(browser.run(which).await.as_str().unwrap().to_owned());
        }
        for one in ["tab-files", "file", "level", "clear", "quiet", "seek", "play", "button"] {
            assert!(reached.iter().any(|it| it == one), "{one}: {reached:?}");
        }
        // Tabs go by arrows.
        browser.run("document.getElementById('tab-files').focus()").await;
        browser.press(Key::Right).await;
        assert!(browser.is_shown("#desk").await && !browser.is_shown("#drop").await);
        assert_eq!(browser.run("return document.activeElement.id").await, "tab-live");
        assert_eq!(browser.run("return location.hash").await, "#record");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_shows_the_page_without_scrolling_sideways_and_the_dark_is_dark() {
    let service = Service::start(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let name = "A rather long name of a recording that somebody made on a summer evening in the harbour.wav";
    let wav = write(folder.path(), name, &Audio::music(Shape::VOICE, 5.0, 3));
    Browser::visit(async |browser| {
        let screen = json!({ "width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": true });
        browser.devtools("Emulation.setDeviceMetricsOverride", screen).await;
        browser.client().goto(&service.url()).await.unwrap();
        browser.choose("#file", &wav).await;
        browser.until(AT_REST, STEP).await;
        browser.screenshot("phone.png").await;
        let fits = "return document.documentElement.scrollWidth <= 360";
        assert_eq!(browser.run(fits).await, true);
        // Without motion, so that no colour is on its way when the picture is taken.
        let feature = |name: &str, value: &str| json!({ "name": name, "value": value });
        let dark = json!({ "features": [
            feature("prefers-color-scheme", "dark"),
            feature("prefers-reduced-motion", "reduce"),
        ] });
        browser.devtools("Emulation.setEmulatedMedia", dark).await;
        browser.screenshot("phone-dark.png").await;
        let back = browser.run("return getComputedStyle(document.body).backgroundColor").await;
        assert_eq!(back, "rgb(13, 20, 22)");
        browser.click("#tab-live").await;
        assert_eq!(browser.run(fits).await, true);
        browser.screenshot("phone-record-dark.png").await;
    })
    .await;
}
