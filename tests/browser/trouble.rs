//! What a person is told when something is in the way: a limit, a token, a page that came over plain HTTP, no server.

use std::fs;

use e2e::audio::{Audio, Shape};
use serde_json::json;

use crate::service::Service;
use crate::support::{browser::Browser, wait::STEP};
use crate::wire::{Plan, Wire};

#[tokio::test(flavor = "multi_thread")]
async fn a_file_above_the_limit_is_refused_before_it_is_sent() {
    let service = Service::start(&["--max-upload-size", "1Mi"]).await;
    let wire = Wire::to(service.address, Plan::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let wav = folder.path().join("long.wav");
    fs::write(&wav, Audio::music(Shape::CD, 10.0, 4).wav().unwrap()).unwrap();
    Browser::visit(async |browser| {
        browser.client().goto(&wire.url()).await.unwrap();
        browser.until("return document.getElementById('limit').textContent.includes('MiB')", STEP).await;
        browser.choose("#file", &wav).await;
        let text = browser.shown("#files .trouble", STEP).await;
        assert!(text.contains("too large") && text.contains("1 MiB"), "{text}");
    })
    .await;
    assert!(!wire.heads().iter().any(|head| head.contains("POST /convert")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_early_refusal_is_seen_while_the_upload_still_goes() {
    let service = Service::start(&["--max-upload-size", "50Mi"]).await;
    Browser::visit(async |browser| {
        browser.client().goto(&service.url()).await.unwrap();
        // More than any socket buffer holds; the browser sends on and reads the answer only when it is done or cut off.
        for (path, megabytes, status, code) in [
            ("/convert", 40, 415, "not_wav"),
            ("/convert?progressive=true", 40, 415, "not_wav"),
            ("/convert?level=99", 40, 400, "invalid_option"),
            ("/convert", 60, 413, "too_large"),
        ] {
            let send = format!(
                "window.seen = null;
                const form = new FormData();
                form.append('file', new Blob([new Uint8Array({megabytes} << 20)]), 'long.wav');
                fetch('{path}', {{ method: 'POST', body: form }})
                    .then(async (answer) => {{
                        const {{ code, detail }} = await answer.json();
                        window.seen = [answer.status, code, detail];
                    }})
                    .catch((error) => {{ window.seen = [String(error)]; }});"
            );
            browser.run(&send).await;
            let seen = browser.until("return window.seen", STEP).await;
            assert_eq!([&seen[0], &seen[1]], [&json!(status), &json!(code)], "{path}, {megabytes} MiB: {seen}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_server_is_asked_again_by_itself() {
    let service = Service::start(&["--max-conversions", "1", "--max-queue", "0"]).await;
    let wire = Wire::to(service.address, Plan { hold_upload_after: Some(1 << 20), ..Plan::default() }).await;
    let folder = tempfile::tempdir().unwrap();
    let (long, short) = (folder.path().join("long.wav"), folder.path().join("short.wav"));
    fs::write(&long, Audio::sine(Shape::CD, 240.0, 440.0).wav().unwrap()).unwrap();
    fs::write(&short, Audio::music(Shape::VOICE, 5.0, 4).wav().unwrap()).unwrap();
    Browser::visit(async |browser| {
        browser.client().goto(&wire.url()).await.unwrap();
        browser.choose("#file", &long).await;
        browser.until("return document.querySelector('.file progress')?.value > 0", STEP).await;
        browser.choose("#file", &short).await;
        browser
            .until("return document.querySelector('li:nth-child(2) .state').textContent.includes('next try in')", STEP)
            .await;
        browser.screenshot("busy.png").await;
        // The first one leaves; the second one's next try has room.
        browser.click("#files > li:first-child .drop-it").await;
        let text = browser.shown("#files > li:nth-child(2) .outcome", STEP).await;
        assert!(text.contains("Download"), "{text}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_gone_is_said_in_words() {
    let service = Service::start(&[]).await;
    let wire = Wire::to(service.address, Plan::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let wav = folder.path().join("take.wav");
    let audio = Audio::music(Shape::VOICE, 5.0, 4);
    fs::write(&wav, audio.wav().unwrap()).unwrap();
    Browser::visit(async |browser| {
        browser.client().goto(&wire.url()).await.unwrap();
        browser.until("return document.getElementById('limit').textContent", STEP).await;
        wire.be_down(true);
        wire.cut_all();
        browser.choose("#file", &wav).await;
        let text = browser.shown("#files .trouble", STEP).await;
        assert!(text.contains("The connection broke") && text.contains("Try again"), "{text}");
        browser.screenshot("gone.png").await;
        wire.be_down(false);
        browser.click(".again").await;
        browser.shown("#files .outcome", STEP).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_microphone_that_is_not_given_is_said_in_words() {
    let service = Service::start(&[]).await;
    let flags = [String::from("--use-fake-device-for-media-stream")];
    Browser::visit_with(&flags, async |browser| {
        browser.client().goto(&format!("{}#record", service.url())).await.unwrap();
        let denied = json!({ "permission": { "name": "microphone" }, "setting": "denied" });
        browser.devtools("Browser.setPermission", denied).await;
        browser.click("#record").await;
        let error = browser.shown("#live-error", STEP).await;
        assert!(error.contains("could not begin") && error.contains("Allow it"), "{error}");
        assert!(browser.shown("#desk", STEP).await.contains("Ready to record"));
        browser.screenshot("denied.png").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_without_a_secure_connection_says_why_there_is_no_microphone() {
    let service = Service::start(&[]).await;
    let flags = [String::from("--host-resolver-rules=MAP flacship.test 127.0.0.1")];
    Browser::visit_with(&flags, async |browser| {
        let url = format!("http://flacship.test:{}/#record", service.address.port());
        browser.client().goto(&url).await.unwrap();
        let text = browser.shown("#insecure", STEP).await;
        for word in ["encrypted", "--tls-cert", "--tls-key", "proxy", "Ingress", "localhost", "converter stream"] {
            assert!(text.contains(word), "{word}: {text}");
        }
        assert!(!browser.is_shown("#desk").await);
        browser.screenshot("insecure.png").await;
        browser.click("#tab-files").await;
        assert!(browser.is_shown("#drop").await, "files are converted all the same");
    })
    .await;
}
