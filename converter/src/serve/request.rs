//! What every request gets, whatever its route: an id, the usual headers, problem bodies, one line in the log.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Instant};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::FutureExt;
use tracing::Span;

use super::{
    metrics::Volume,
    problem::{Failure, Problem},
    shutdown::Phase,
    state::App,
    trace::{self, Traced},
    upload::short,
};

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// What keeps answers from being taken for something else, and other sites' pages from using them.
const GUARDS: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=(self)"),
];
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";
/// Asked every few seconds by probes and scrapers: only their failures are worth a line.
const QUIET: [&str; 5] = ["/livez", "/readyz", "/load", "/metrics", "/healthz"];
/// Longest id of a client's that is taken over.
const MAX_ID: usize = 128;

/// The request's id, in its extensions.
#[derive(Debug, Clone)]
pub(super) struct RequestId(pub String);

/// In a response's extensions: nothing of the request's body is left unread.
#[derive(Debug, Clone, Copy)]
pub(super) struct WholeBodyRead;

/// The outermost layer of both ports.
pub(super) async fn frame(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = given_id(request.headers()).unwrap_or_else(|| app.new_request_id());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let has_body = has_body(request.headers());
    let span = if QUIET.contains(&path.as_str()) {
        Span::none()
    } else {
        trace::request(&method, &path, request.headers(), &id)
    };
    request.extensions_mut().insert(RequestId(id.clone()));
    request.extensions_mut().insert(Traced(span.clone()));

    let limit = app.args.max_head_size;
    let mut response = if head_size(&request) > limit.0 {
        Failure::HeadTooLarge { limit }.into_response()
    } else {
        AssertUnwindSafe(next.run(request))
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Failure::Internal(String::from("the handler panicked")).into_response())
    };
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response = other_method(response, &method);
    }

    if response.status().is_client_error() || response.status().is_server_error() {
        let problem = response
            .extensions_mut()
            .remove::<Problem>()
            .unwrap_or_else(|| Problem::from(&stack_failure(response.status(), &method)));
        app.metrics.error(problem.code);
        if let Some(cause) = &problem.cause {
            tracing::error!(request_id = id, cause, "a request failed through the server's fault");
        }
        response = problem.write(response, &id);
        if has_body && response.extensions().get::<WholeBodyRead>().is_none() {
            // What is left of the body is read and thrown away (`socket`), and so would a next request be.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        access(&method, &path, &response, started, &id, problem.code, &span);
    } else if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        access(&method, &path, &response, started, &id, "", &span);
    }

    let upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    if app.shutdown.phase() >= Phase::Draining && !upgraded {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if let Ok(id) = HeaderValue::try_from(id) {
        headers.insert(REQUEST_ID, id);
    }
    for (name, value) in GUARDS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // What `cors` lets a page of another origin read is not kept from it by another header.
    let shared = headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN);
    let policy = if shared { "cross-origin" } else { "same-origin" };
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static(policy));
    // A page has a policy of its own; nothing else is meant to be shown, and if it is, it does nothing.
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(NOTHING));
    response
}

/// The answer to a method that no handler takes: `OPTIONS` learns what is taken, and so does everyone else with the
/// refusal (RFC 9110 §9.3.7, §15.5.6).
fn other_method(mut response: Response, method: &Method) -> Response {
    let allowed = response.headers().get(header::ALLOW).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let allowed = allowed.split(',').map(str::trim).filter(|name| !name.is_empty());
    let allowed: Vec<_> = allowed.chain(["OPTIONS"]).collect();
    let allowed = HeaderValue::try_from(allowed.join(", "));
    if method == Method::OPTIONS {
        response = StatusCode::NO_CONTENT.into_response();
    }
    if let Ok(allowed) = allowed {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

/// The one line a request leaves. A stream's is written at its end, by [`super::stream`].
fn access(method: &Method, path: &str, response: &Response, started: Instant, id: &str, code: &str, span: &Span) {
    if QUIET.contains(&path) && response.status().is_success() {
        return;
    }
    let volume = response.extensions().get::<Volume>().copied().unwrap_or_default();
    trace::answered(span, response.status());
    trace::tell(span, code, volume);
    tracing::info!(
        request_id = id,
        trace_id = trace::id(span),
        method = short(method.as_str()),
        path,
        status = response.status().as_u16(),
        code,
        bytes_in = volume.bytes_in,
        bytes_out = volume.bytes_out,
        audio_seconds = volume.audio_seconds,
        seconds = started.elapsed().as_secs_f64(),
        "request"
    );
}

/// The failure behind an error status that no handler of ours gave.
fn stack_failure(status: StatusCode, method: &Method) -> Failure {
    match status {
        StatusCode::NOT_FOUND => Failure::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => Failure::Method(short(method.as_str())),
        other => Failure::Http(other, other.canonical_reason().unwrap_or("the request was refused").to_owned()),
    }
}

/// A client's own id, if it is one that can stand in a header and a log line.
fn given_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(&byte);
    (!id.is_empty() && id.len() <= MAX_ID && id.bytes().all(plain)).then(|| id.to_owned())
}

/// Bytes of a request's line and headers, but for what stands between them.
fn head_size(request: &Request) -> u64 {
    let fields = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len());
    let uri = request.uri();
    let address = uri.path().len() + uri.query().map_or(0, str::len);
    (request.method().as_str().len() + address + fields.sum::<usize>()) as u64
}

fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_ids_of_clients_are_taken_over() {
        let long = "x".repeat(MAX_ID + 1);
        for (id, taken) in [
            ("4bf92f3577b34da6-a.b:c", true),
            ("", false),
            ("two words", false),
            ("new\tline", false),
            ("{\"a\":1}", false),
            (long.as_str(), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_str(id).unwrap());
            assert_eq!(given_id(&headers).is_some(), taken, "{id}");
        }
        assert_eq!(given_id(&HeaderMap::new()), None);
    }
}
