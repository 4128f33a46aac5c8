//! The page, and what tells how the server is.

use crate::harness::{Service, get};

#[tokio::test]
async fn the_page_has_all_its_parts_and_a_strict_policy() {
    let service = Service::start(&[]).await;
    let answer = reqwest::get(service.url("/")).await.unwrap();
    let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
    assert_eq!(answer.headers()["referrer-policy"], "no-referrer");
    let html = answer.text().await.unwrap();
    for id in ["file", "drop", "progress", "status", "files", "zip", "record", "recordings", "token-dialog"] {
        assert!(html.contains(&format!("id=\"{id}\"")), "{id}");
    }
    assert!(!html.contains("http://") || html.matches("http://").count() == 1, "only the example for curl");
    // Every file that the page names is there.
    for (path, kind) in [("app.css", "text/css"), ("app.js", "text/javascript"), ("favicon.svg", "image/svg+xml")] {
        assert!(html.contains(path), "{path}");
        let answer = reqwest::get(service.url(&format!("/{path}"))).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(answer.headers()["content-type"].to_str().unwrap().starts_with(kind), "{path}");
    }
}

#[tokio::test]
async fn every_module_that_a_module_names_is_there() {
    let service = Service::start(&[]).await;
    let mut seen = vec![String::from("app.js")];
    let mut at = 0;
    while let Some(name) = seen.get(at).cloned() {
        let (status, text) = get(&service.url(&format!("/{name}"))).await;
        assert_eq!(status, 200, "{name}");
        // Imports, and the worklet's module.
        let named = text.split('"').filter(|word| word.strip_suffix(".js").is_some_and(|stem| !stem.contains(' ')));
        for word in named.map(|word| word.trim_start_matches("./").to_owned()) {
            if !seen.contains(&word) {
                seen.push(word);
            }
        }
        at += 1;
    }
    assert!(seen.len() >= 15 && seen.iter().any(|name| name == "capture.js"), "{seen:?}");
}

#[tokio::test]
async fn an_unchanged_page_is_not_sent_again() {
    let service = Service::start(&[]).await;
    let client = reqwest::Client::new();
    let tag = client.get(service.url("/")).send().await.unwrap().headers()["etag"].clone();
    let again = client.get(service.url("/")).header("if-none-match", tag.clone()).send().await.unwrap();
    assert_eq!(again.status(), 304);
    assert_eq!(again.headers()["etag"], tag);
    let other = client.get(service.url("/")).header("if-none-match", "\"old\"").send().await.unwrap();
    assert_eq!(other.status(), 200);
}

#[tokio::test]
async fn health_and_status_tell_how_the_server_is() {
    let service = Service::start(&["--max-upload-size", "3Mi", "--level", "7"]).await;
    for url in
        [service.url("/healthz"), format!("http://{}/livez", service.admin), format!("http://{}/readyz", service.admin)]
    {
        assert_eq!(get(&url).await.0, 200, "{url}");
    }
    let status: serde_json::Value = serde_json::from_str(&get(&service.url("/status")).await.1).unwrap();
    assert_eq!(status["phase"], "serving");
    assert_eq!(status["limits"]["max_upload_bytes"], 3 << 20);
    assert_eq!(status["limits"]["level"], 7);
    assert_eq!(status["active"]["conversions"], 0);
    // What is inside stays inside.
    assert_eq!(get(&service.url("/metrics")).await.0, 404);
    assert_eq!(get(&format!("http://{}/convert", service.admin)).await.0, 404);
}
