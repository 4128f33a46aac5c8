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

/// Nothing but this server's own files, and the player's and download's blobs.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src blob:; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

struct Asset {
    path: &'static str,
    kind: &'static str,
    text: &'static str,
}

static ASSETS: [Asset; 7] = [
    Asset { path: "/", kind: "text/html; charset=utf-8", text: include_str!("../web/index.html") },
    Asset { path: "/app.css", kind: "text/css; charset=utf-8", text: include_str!("../web/app.css") },
    Asset { path: "/app.js", kind: "text/javascript; charset=utf-8", text: include_str!("../web/app.js") },
    Asset { path: "/convert.js", kind: "text/javascript; charset=utf-8", text: include_str!("../web/convert.js") },
    Asset { path: "/docs", kind: "text/html; charset=utf-8", text: include_str!("../web/docs.html") },
    Asset { path: "/docs.js", kind: "text/javascript; charset=utf-8", text: include_str!("../web/docs.js") },
    Asset { path: "/favicon.svg", kind: "image/svg+xml", text: include_str!("../web/favicon.svg") },
];

/// One tag for all: they change together, with the binary.
static TAG: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = DefaultHasher::new();
    for asset in &ASSETS {
        asset.text.hash(&mut hasher);
    }
    format!("\"{:016x}\"", hasher.finish())
});

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
