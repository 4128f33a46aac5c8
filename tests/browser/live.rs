//! The recorder: a fake microphone that plays a file, over a wire that is cut, to servers that end.

use std::{fs, path::Path};

use futures::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::tungstenite::Message;

use e2e::audio::{Audio, Shape, StreamInfo, flac_decode, flac_test};

use crate::service::Service;
use crate::support::{browser::Browser, wait::STEP};
use crate::wire::{Plan, Wire};

/// What Chromium's fake microphone is, so that it plays the file's own samples.
pub const MICROPHONE: Shape = Shape { channels: 2, rate: 44_100, bits: 16 };

/// Chromium's flags for a microphone that plays this sound once.
pub fn microphone(folder: &Path, audio: &Audio) -> Vec<String> {
    let wav = folder.join("microphone.wav");
    fs::write(&wav, audio.wav().unwrap()).unwrap();
    vec![
        String::from("--use-fake-device-for-media-stream"),
        String::from("--use-fake-ui-for-media-stream"),
        format!("--use-file-for-fake-audio-capture={}%noloop", wav.display()),
    ]
}

/// Waits until so many seconds are recorded.
pub async fn recorded(browser: &Browser, seconds: u32) {
    let script = format!(
        "const [m, s] = document.getElementById('elapsed').textContent.split(':').map(Number); return m * 60 + s >= {seconds}"
    );
    browser.until(&script, STEP).await;
}

/// Saves the one recording, checks that it is a whole FLAC, and gives its samples.
pub async fn save(browser: &Browser) -> Vec<u8> {
    browser.shown("#recordings > li", STEP).await;
    browser.click("#recordings .download").await;
    let path = browser.only_download("flac", STEP).await;
    flac_test(&path).unwrap();
    let samples = flac_decode(&path).unwrap();
    let info = StreamInfo::read(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(info.samples * u64::from(info.shape.channels * info.shape.bits / 8), samples.len() as u64);
    assert_ne!(info.md5, [0; 16]);
    samples
}

/// Whether the recording has long pieces that are the microphone's to the last bit. Not all of it has to be: Chromium's
/// fake microphone skips when the machine is busy.
pub fn heard(samples: &[u8], audio: &Audio) -> bool {
    let source = audio.pcm();
    samples.chunks_exact(4096).any(|piece| {
        piece.iter().any(|byte| *byte != 0) && source.windows(piece.len()).step_by(4).any(|window| window == piece)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_the_microphone_s_samples() {
    let service = Service::start(&[]).await;
    let wire = Wire::to(service.address, Plan::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let audio = Audio::music(MICROPHONE, 60.0, 11);
    Browser::visit_with(&microphone(folder.path(), &audio), async |browser| {
        browser.client().goto(&wire.url()).await.unwrap();
        browser.click("#tab-live").await;
        assert!(browser.shown("#desk", STEP).await.contains("Ready to record"));
        browser.screenshot("ready.png").await;
        browser.click("#record").await;
        recorded(browser, 3).await;
        let desk = browser.shown("#desk", STEP).await;
        assert!(desk.contains("Recording") && desk.contains("Stop"), "{desk}");
        assert!(desk.contains("44.1 kHz, 16 bits, stereo"), "{desk}");
        let meter = "return Number(document.querySelector('[role=meter]').getAttribute('aria-valuenow')) > -60";
        browser.until(meter, STEP).await;
        browser.until("return document.getElementById('live-saved').textContent.includes('smaller')", STEP).await;
        browser.screenshot("recording.png").await;
        browser.click("#record").await;
        let samples = save(browser).await;
        let card = browser.shown("#recordings > li", STEP).await;
        assert!(card.contains("Complete") && card.contains("smaller"), "{card}");
        assert!(browser.shown("#desk", STEP).await.contains("Ready to record"));
        browser.screenshot("recorded.png").await;
        assert!(samples == wire.audio().0, "the FLAC has what the page sent");
        assert!(heard(&samples, &audio), "the page sent what the microphone gave");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_loses_nothing() {
    let service = Service::start(&["--checkpoint-interval", "200ms"]).await;
    let plan = Plan { cuts: 3, bytes_after_checkpoint: 30_000, down_at_cut: true, ..Plan::default() };
    let wire = Wire::to(service.address, plan).await;
    let folder = tempfile::tempdir().unwrap();
    let audio = Audio::music(MICROPHONE, 120.0, 12);
    Browser::visit_with(&microphone(folder.path(), &audio), async |browser| {
        browser.client().goto(&format!("{}#record", wire.url())).await.unwrap();
        browser.click("#record").await;
        browser.until("return document.getElementById('link').dataset.state === 'waiting'", STEP).await;
        // While there is no connection nothing is missed either.
        recorded(browser, 3).await;
        wire.be_down(false);
        crate::support::wait::until_async("all cuts", STEP, async || {
            let left = wire.cuts_left();
            if left == 0 { Ok(()) } else { Err(left) }
        })
        .await;
        browser.until("return document.getElementById('link').dataset.state === 'open'", STEP).await;
        browser.click("#record").await;
        let samples = save(browser).await;
        let card = browser.shown("#recordings > li", STEP).await;
        assert!(card.contains("The connection was lost 3 times; nothing is missing."), "{card}");
        browser.screenshot("resumed.png").await;
        let (sent, streams) = wire.audio();
        assert!(streams >= 4, "{streams} connections");
        assert!(samples == sent, "the FLAC has what the page sent, {} and {} bytes", samples.len(), sent.len());
        assert!(heard(&samples, &audio), "the page sent what the microphone gave");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_goes_on_when_one_ends() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    fs::write(&key, "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n").unwrap();
    let flags = ["--checkpoint-interval", "200ms", "--stream-key-file", key.to_str().unwrap()];
    let (first, second) = (Service::start(&flags).await, Service::start(&flags).await);
    let wire = Wire::to(first.address, Plan::default()).await;
    let audio = Audio::music(MICROPHONE, 120.0, 13);
    Browser::visit_with(&microphone(folder.path(), &audio), async |browser| {
        browser.client().goto(&format!("{}#record", wire.url())).await.unwrap();
        browser.click("#record").await;
        wire.checkpoints(1).await;
        // Stopped and lost at the same moment: what was recorded last has not been sent yet.
        wire.be_down(true);
        wire.cut_all();
        drop(first);
        browser.click("#record").await;
        browser.until("return document.getElementById('link').dataset.state === 'lost'", STEP).await;
        assert!(browser.is_shown("#give-up").await);
        browser.screenshot("lost.png").await;
        wire.lead_to(second.address);
        wire.be_down(false);
        let samples = save(browser).await;
        assert!(samples == wire.audio().0, "the FLAC has what the page sent");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_begins_while_all_places_are_taken_and_misses_nothing() {
    let service = Service::start(&["--max-streams", "1"]).await;
    let wire = Wire::to(service.address, Plan::default()).await;
    let (mut other, _) = tokio_tungstenite::connect_async(format!("ws://{}/ws", service.address)).await.unwrap();
    // It has its place once the server has greeted it.
    other.send(Message::text(r#"{"type":"start"}"#)).await.unwrap();
    other.next().await.unwrap().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let flags = microphone(folder.path(), &Audio::music(MICROPHONE, 60.0, 16));
    Browser::visit_with(&flags, async |browser| {
        browser.client().goto(&format!("{}#record", wire.url())).await.unwrap();
        browser.click("#record").await;
        let text = "return document.getElementById('link-text').textContent";
        browser.until(&format!("{text}.startsWith('All places are taken')"), STEP).await;
        browser.screenshot("full.png").await;
        drop(other);
        browser.until("return document.getElementById('link').dataset.state === 'open'", STEP).await;
        browser.click("#record").await;
        let samples = save(browser).await;
        assert!(samples == wire.audio().0, "the FLAC has what the page sent");
        let said = browser.shown("#recordings .about", STEP).await;
        assert!(said.contains("44.1 kHz"), "{said}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_passes_by_a_reserved_server_at_its_start_and_when_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    fs::write(&key, "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n").unwrap();
    let flags = ["--checkpoint-interval", "200ms", "--stream-key-file", key.to_str().unwrap()];
    let (free, reserved) = (Service::start(&flags).await, Service::start(&flags).await);
    reserved.reserve().await;
    let wire = Wire::to(reserved.address, Plan::default()).await;
    let flags = microphone(folder.path(), &Audio::music(MICROPHONE, 120.0, 18));
    let is_turned_away =
        "return document.getElementById('link-text').textContent.startsWith('This server takes nothing new')";
    let is_open = "return document.getElementById('link').dataset.state === 'open'";
    Browser::visit_with(&flags, async |browser| {
        browser.client().goto(&format!("{}#record", wire.url())).await.unwrap();
        browser.click("#record").await;
        browser.until(is_turned_away, STEP).await;
        browser.screenshot("reserved.png").await;
        wire.lead_to(free.address);
        wire.checkpoints(1).await;
        wire.lead_to(reserved.address);
        wire.cut_all();
        browser.until(is_turned_away, STEP).await;
        wire.lead_to(free.address);
        browser.until(is_open, STEP).await;
        browser.click("#record").await;
        let samples = save(browser).await;
        let card = browser.shown("#recordings > li", STEP).await;
        assert!(card.contains("The connection was lost once; nothing is missing."), "{card}");
        assert!(samples == wire.audio().0, "the FLAC has what the page sent");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_hands_the_recording_over() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    fs::write(&key, "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n").unwrap();
    let flags = ["--stream-key-file", key.to_str().unwrap(), "--drain-delay", "0s", "--drain-seconds", "0s"];
    let (first, second) = (Service::start(&flags).await, Service::start(&flags).await);
    let wire = Wire::to(first.address, Plan::default()).await;
    let flags = microphone(folder.path(), &Audio::music(MICROPHONE, 120.0, 17));
    Browser::visit_with(&flags, async |browser| {
        browser.client().goto(&format!("{}#record", wire.url())).await.unwrap();
        browser.click("#record").await;
        wire.checkpoints(1).await;
        wire.lead_to(second.address);
        first.stop();
        wire.checkpoints(2).await;
        browser.click("#record").await;
        let samples = save(browser).await;
        let card = browser.shown("#recordings > li", STEP).await;
        assert!(card.contains("The connection was lost once; nothing is missing."), "{card}");
        let (sent, streams) = wire.audio();
        assert_eq!(streams, 2);
        assert!(samples == sent, "the FLAC has what the page sent");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_arrived_can_be_kept_when_no_server_comes_back() {
    let service = Service::start(&["--checkpoint-interval", "200ms"]).await;
    let wire = Wire::to(service.address, Plan::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let audio = Audio::music(MICROPHONE, 60.0, 14);
    Browser::visit_with(&microphone(folder.path(), &audio), async |browser| {
        browser.client().goto(&format!("{}#record", wire.url())).await.unwrap();
        browser.click("#record").await;
        wire.checkpoints(1).await;
        wire.be_down(true);
        wire.cut_all();
        browser.click("#record").await;
        browser.shown("#give-up", STEP).await;
        browser.click("#give-up").await;
        let error = browser.shown("#live-error", STEP).await;
        assert!(error.contains("not complete") && error.contains("can be played"), "{error}");
        let card = browser.shown("#recordings > li", STEP).await;
        assert!(card.contains("(incomplete)"), "{card}");
        browser.screenshot("given-up.png").await;
        browser.click("#recordings .download").await;
        let path = browser.only_download("flac", STEP).await;
        let samples = flac_decode(&path).unwrap();
        let sent = wire.audio().0;
        assert!(!samples.is_empty() && sent.starts_with(&samples), "whole frames of what was sent");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_asked_for_kept_in_the_tab_and_in_no_address() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    fs::write(&tokens, "open-sesame+/=\n").unwrap();
    let service = Service::start(&["--token-file", tokens.to_str().unwrap()]).await;
    let wire = Wire::to(service.address, Plan::default()).await;
    let wav = folder.path().join("take.wav");
    let audio = Audio::music(Shape::VOICE, 2.0, 3);
    fs::write(&wav, audio.wav().unwrap()).unwrap();
    let flags = microphone(folder.path(), &Audio::music(MICROPHONE, 60.0, 15));
    Browser::visit_with(&flags, async |browser| {
        browser.client().goto(&wire.url()).await.unwrap();
        browser.choose("#file", &wav).await;
        let asked = browser.shown("#token-dialog", STEP).await;
        assert!(asked.contains("asks for a token") && asked.contains("this tab only"), "{asked}");
        browser.screenshot("token.png").await;
        browser.fill("#token", "wrong").await;
        browser.click("#token-form .button").await;
        browser
            .until("return document.getElementById('token-title').textContent.includes('does not take')", STEP)
            .await;
        browser.fill("#token", "open-sesame+/=").await;
        browser.click("#token-form .button").await;
        browser.shown("#files .outcome", STEP).await;
        assert_eq!(browser.run("return sessionStorage.getItem('flacship.token')").await, "open-sesame+/=");
        assert_eq!(browser.run("return localStorage.length + document.cookie.length").await, 0);

        // The stream takes it along; it asks again when it is gone.
        browser.run("sessionStorage.clear()").await;
        browser.click("#tab-live").await;
        browser.click("#record").await;
        browser.shown("#token-dialog", STEP).await;
        browser.fill("#token", "open-sesame+/=").await;
        browser.click("#token-form .button").await;
        browser.until("return document.getElementById('link').dataset.state === 'open'", STEP).await;
        recorded(browser, 1).await;
        browser.click("#record").await;
        let samples = save(browser).await;
        assert!(samples == wire.audio().0, "from its first sample on: none was lost while the token was asked for");
    })
    .await;
    let heads = wire.heads().concat();
    assert!(heads.contains("Authorization: Bearer open-sesame+/="));
    assert!(heads.contains("flacship.v1, flacship.bearer.b3Blbi1zZXNhbWUrLz0"));
    for line in heads.lines().filter(|line| line.ends_with(" HTTP/1.1")) {
        assert!(!line.contains("sesame") && !line.contains("token="), "{line}");
    }
}
