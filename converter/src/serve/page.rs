//! The page and its parts, embedded in the binary: they need no network and no folder beside it.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::LazyLock,
};

use axum::{
    Router,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

/// Nothing but this server's own files, and blobs of the page's own: what the players play. The recorder's worklet is a
/// script like the others.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src blob:; \
                      connect-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

#[derive(Debug)]
struct Asset {
    path: &'static str,
    kind: &'static str,
    text: &'static str,
}

/// A file of `src/web` at the path of its name.
macro_rules! asset {
    ($kind:expr, $name:literal) => {
        asset!($kind, $name, concat!("/", $name))
    };
    ($kind:expr, $name:literal, $path:expr) => {
        Asset { path: $path, kind: $kind, text: include_str!(concat!("../web/", $name)) }
    };
}

static ASSETS: [Asset; 25] = [
    asset!(HTML, "index.html", "/"),
    asset!(CSS, "app.css"),
    asset!(SVG, "favicon.svg"),
    asset!(SCRIPT, "app.js"),
    // Files: the panel, its cards, the uploads, pictures and the ZIP.
    asset!(SCRIPT, "files.js"),
    asset!(SCRIPT, "jobs.js"),
    asset!(SCRIPT, "server.js"),
    asset!(SCRIPT, "card.js"),
    asset!(SCRIPT, "player.js"),
    asset!(SCRIPT, "wav.js"),
    asset!(SCRIPT, "wave.js"),
    asset!(SCRIPT, "zip.js"),
    // Live: the panel, the microphone, the protocol and what drives it.
    asset!(SCRIPT, "record.js"),
    asset!(SCRIPT, "meter.js"),
    asset!(SCRIPT, "microphone.js"),
    asset!(SCRIPT, "capture.js"),
    asset!(SCRIPT, "stream.js"),
    asset!(SCRIPT, "kept.js"),
    asset!(SCRIPT, "link.js"),
    asset!(SCRIPT, "md5.js"),
    // The contract, for people.
    asset!(HTML, "docs.html", "/docs"),
    asset!(SCRIPT, "docs.js"),
    // All.
    asset!(SCRIPT, "dom.js"),
    asset!(SCRIPT, "token.js"),
    asset!(SCRIPT, "words.js"),
];

/// One tag for all: they change together, with the binary.
static TAG: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = DefaultHasher::new();
    for asset in &ASSETS {
        asset.text.hash(&mut hasher);
    }
    format!("\"{:016x}\"", hasher.finish())
});

/// Whether a part of the page is at this path.
pub(super) fn has(path: &str) -> bool {
    ASSETS.iter().any(|asset| asset.path == path)
}

/// Routes of the page.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    ASSETS.iter().fold(Router::new(), |router, asset| {
        router.route(asset.path, get(move |headers: HeaderMap| async move { answer(asset, &headers) }))
    })
}

fn answer(asset: &'static Asset, request: &HeaderMap) -> Response {
    let known = request.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    // A proxy that compresses makes the tag a weak one.
    let current = known.is_some_and(|tags| tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == *TAG));
    let mut response = if current { StatusCode::NOT_MODIFIED.into_response() } else { asset.text.into_response() };
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(header::CONTENT_TYPE, asset.kind);
    set(header::CACHE_CONTROL, "no-cache");
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    set(header::ETAG, TAG.as_str());
    response
}
