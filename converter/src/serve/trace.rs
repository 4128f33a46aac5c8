//! The spans of traces: one a request, which for a live stream lasts as long as the stream, and below it one for a wait in
//! the queue and one for the conversion. Names follow OpenTelemetry's semantic conventions for HTTP, and `flacship.…`.
//!
//! Without a collector (see [`otlp`]) no span is ever made: asking costs as much as a log line that is switched off.
//! Spans are held and never entered, so that polling a task costs nothing with a collector either, and no message of a
//! stream has one. Nothing that could be secret stands in them: no query, token or file's name.

use axum::http::{HeaderMap, Method, StatusCode};
use opentelemetry::{propagation::TextMapPropagator, trace::TraceContextExt};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::{Metadata, Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::{
    metrics::{Outcome, Volume},
    page,
};

/// What tells our spans from all that libraries say.
const TARGET: &str = "flacship_trace";
/// The routes that are no part of the page.
const ROUTES: [&str; 5] = ["/convert", "/ws", "/status", "/openapi.json", "/reserve"];

/// Whose traces they are.
pub(super) const SOURCE: otlp::Source =
    otlp::Source { name: "flacship-converter", version: env!("CARGO_PKG_VERSION"), is_ours };

/// Whether this is a span of ours.
pub(super) fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.target() == TARGET
}

/// A request's span, in its extensions. Disabled where there is no collector.
#[derive(Debug, Clone)]
pub(super) struct Traced(pub Span);

/// The span of a request, below the one that its client names (W3C Trace Context).
pub(super) fn request(method: &Method, path: &str, headers: &HeaderMap, id: &str) -> Span {
    let span = tracing::info_span!(
        target: TARGET,
        parent: None,
        "request",
        otel.name = Empty,
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = Empty,
        http.response.status_code = Empty,
        http.route = Empty,
        url.path = Empty,
        error.type = Empty,
        flacship.request_id = id,
        flacship.outcome = Empty,
        flacship.bytes_in = Empty,
        flacship.bytes_out = Empty,
        flacship.audio_seconds = Empty,
    );
    if span.is_disabled() {
        return span;
    }
    // Any word may stand for a method; only those of RFC 9110 and RFC 5789 are few.
    let known = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    let method = known.into_iter().find(|known| method == *known);
    span.record("http.request.method", method.unwrap_or("_OTHER"));
    let name = method.unwrap_or("HTTP");
    // What leads nowhere may be anything, even a file's name or a token, and would make too many names.
    if ROUTES.contains(&path) || page::has(path) {
        span.record("otel.name", format!("{name} {path}"));
        span.record("http.route", path);
        span.record("url.path", path);
    } else {
        span.record("otel.name", name);
    }
    let parent = TraceContextPropagator::new().extract(&HeaderExtractor(headers));
    if parent.span().span_context().is_valid() {
        // It fails only once the span has begun.
        let _ = span.set_parent(parent);
    }
    span
}

/// A wait for a turn to convert.
pub(super) fn queue(parent: &Span) -> Span {
    child(parent, || tracing::info_span!(target: TARGET, parent: parent, "queue", otel.kind = "internal"))
}

/// A conversion, from its turn to its last frame.
pub(super) fn conversion(parent: &Span) -> Span {
    child(parent, || {
        tracing::info_span!(
            target: TARGET,
            parent: parent,
            "conversion",
            otel.kind = "internal",
            otel.status_code = Empty,
            error.type = Empty,
            flacship.outcome = Empty,
            flacship.bytes_in = Empty,
            flacship.bytes_out = Empty,
            flacship.audio_seconds = Empty,
        )
    })
}

/// A span below `parent`; without that none, since it would be a trace of its own.
fn child(parent: &Span, span: impl FnOnce() -> Span) -> Span {
    if parent.is_disabled() { Span::none() } else { span() }
}

/// How a request was answered.
pub(super) fn answered(span: &Span, status: StatusCode) {
    if span.is_disabled() {
        return;
    }
    span.record("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}

/// How a conversion ended, on its own span or its stream's. `code` is that of the failure, or empty.
pub(super) fn ended(span: &Span, outcome: Outcome, code: &str, volume: Volume) {
    if span.is_disabled() {
        return;
    }
    span.record("flacship.outcome", outcome.name());
    if outcome == Outcome::Failed {
        span.record("otel.status_code", "ERROR");
    }
    tell(span, code, volume);
}

/// What came of it so far; each only once. `code` is that of the failure, or empty.
pub(super) fn tell(span: &Span, code: &str, volume: Volume) {
    if !code.is_empty() {
        span.record("error.type", code);
    }
    if volume != Volume::default() {
        let bytes = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        span.record("flacship.bytes_in", bytes(volume.bytes_in));
        span.record("flacship.bytes_out", bytes(volume.bytes_out));
        span.record("flacship.audio_seconds", volume.audio_seconds);
    }
}

/// The trace's id, for the log.
pub(super) fn id(span: &Span) -> Option<String> {
    if span.is_disabled() {
        return None;
    }
    let context = span.context();
    let context = context.span().span_context().clone();
    context.is_valid().then(|| context.trace_id().to_string())
}
