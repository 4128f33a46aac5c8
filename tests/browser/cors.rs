//! A page of another origin, as a studio's own site would be: it may use the server if it is named, and else not.

use e2e::audio::{Audio, Shape};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::service::Service;
use crate::support::{browser::Browser, wait::STEP};

/// Serves a page that may ask any server; its address.
async fn other_site() -> String {
    const PAGE: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 36\r\nConnection: close\r\n\r\n\
                        <!doctype html><title>Studio</title>";
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut head = [0; 4096];
                if stream.read(&mut head).await.is_ok() {
                    let _ = stream.write_all(PAGE.as_bytes()).await;
                }
            });
        }
    });
    format!("http://{address}")
}

/// Posts a WAV with a header that a browser asks about beforehand; what the page sees of the answer.
fn post(url: &str, wav: &[u8]) -> String {
    format!(
        "window.told = null;
         fetch('{url}convert', {{
             method: 'POST',
             headers: {{ 'Content-Type': 'audio/wav', 'X-Request-Id': 'studio-1' }},
             body: new Uint8Array({wav:?}),
         }}).then(async (answer) => {{
             const flac = new Uint8Array(await answer.arrayBuffer());
             window.told = [answer.status, String.fromCharCode(...flac.slice(0, 4)),
                 answer.headers.get('X-Request-Id'), answer.headers.get('Flacship-Samples')];
         }}, (error) => {{ window.told = [error.name]; }});"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_elsewhere_converts_if_it_is_named() {
    let site = other_site().await;
    let named = Service::start(&["--allowed-origin", &site]).await;
    let silent = Service::start(&[]).await;
    let audio = Audio::music(Shape::VOICE, 0.1, 3);
    let wav = audio.wav().unwrap();
    Browser::visit(async |browser| {
        browser.client().goto(&site).await.unwrap();
        browser.run(&post(&named.url(), &wav)).await;
        let told = browser.until("return window.told", STEP).await;
        assert_eq!(told, json!([200, "fLaC", "studio-1", audio.len().to_string()]));
        // An error can be read as well.
        browser.run(&post(&named.url(), b"no WAV")).await;
        let told = browser.until("return window.told", STEP).await;
        assert_eq!((&told[0], &told[2]), (&json!(415), &json!("studio-1")));
        browser.run(&post(&silent.url(), &wav)).await;
        assert_eq!(browser.until("return window.told", STEP).await, json!(["TypeError"]));
    })
    .await;
}
