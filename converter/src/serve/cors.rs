//! Which pages of other origins may use `/convert`, `/status` and `/openapi.json`: those of `--allowed-origin`, the same that
//! may open streams (see [`super::origin`]). Without the flag no answer has a header of CORS.
//!
//! Credentials in the sense of CORS (cookies) are never allowed, and none are needed: a page puts its token in `Authorization`.

use std::time::Duration;

use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::Response,
};
use tower::{Layer, ServiceExt};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::{answer, origin, request::REQUEST_ID};

/// How long a browser need not ask again. Chromium keeps no answer longer.
const MAX_AGE: Duration = Duration::from_hours(2);
/// What pages may send: beside the usual headers those by which a browser's traces go on here (W3C Trace Context).
const ASKED: [HeaderName; 7] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::EXPECT,
    REQUEST_ID,
    answer::WANT_REPR_DIGEST,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];
/// What they may read.
const SHOWN: [HeaderName; 11] = [
    header::ALLOW,
    header::CONTENT_DISPOSITION,
    header::CONTENT_LENGTH,
    header::RETRY_AFTER,
    REQUEST_ID,
    answer::REPR_DIGEST,
    answer::WARNING,
    answer::MD5,
    answer::SAMPLES,
    answer::FILES,
    answer::FAILED,
];

/// What these origins' pages may do, if there are any.
pub(super) fn layer(allowed: &[String]) -> Option<CorsLayer> {
    if allowed.iter().all(|entry| entry.trim().is_empty()) {
        return None;
    }
    let origins = if allowed.iter().any(|entry| entry.trim() == "*") {
        AllowOrigin::any()
    } else {
        let allowed = allowed.to_vec();
        AllowOrigin::predicate(move |origin: &HeaderValue, _| {
            origin.to_str().is_ok_and(|origin| origin::is_listed(origin, &allowed))
        })
    };
    let cors = CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::HEAD, Method::POST])
        .allow_headers(ASKED)
        .expose_headers(SHOWN)
        .max_age(MAX_AGE)
        .vary([header::ORIGIN]);
    Some(cors)
}

/// The layer around the routes that pages may use. An `OPTIONS` that is no browser's question goes its usual way: the
/// library would take every one for such.
pub(super) async fn share(State(cors): State<CorsLayer>, request: Request, next: Next) -> Response {
    let asks = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if request.method() == Method::OPTIONS && !asks {
        return next.run(request).await;
    }
    match cors.layer(next).oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
