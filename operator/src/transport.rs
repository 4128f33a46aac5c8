//! What every request to the apiserver passes, innermost, right before it goes out: the gate of leadership, a time-out and
//! the counters. [`crate::client`] puts it in place, so no call site can go around it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::body::{Bytes, HttpBody};
use axum::http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use futures::future::BoxFuture;
use kube::client::Body;
use tokio::time::{Sleep, sleep};
use tower::{BoxError, Layer, Service};
use tracing::{Span, field::Empty};

use crate::leader::{Gate, NotLeading};
use crate::metrics::Metrics;
use crate::telemetry::TRACE;

/// The header by which an answer names its request in the audit log.
/// Source: <https://pkg.go.dev/k8s.io/apiserver/pkg/apis/audit#pkg-constants>, `HeaderAuditID`.
const AUDIT_ID: &str = "audit-id";

/// What a request asks of the apiserver, in the words of RBAC.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    /// get, list, watch, create, update, patch, delete or deletecollection.
    pub verb: &'static str,
    /// `pods/log`, `deployments.apps`, `audioconverters.flacship.dev/status`; empty for what is no resource (discovery).
    pub resource: String,
}

impl Call {
    /// Reads it from a request, as the apiserver does
    /// (<https://kubernetes.io/docs/reference/access-authn-authz/authorization/#determine-the-request-verb>).
    pub fn of(method: &Method, uri: &Uri) -> Self {
        let parts: Vec<&str> = uri.path().split('/').filter(|part| !part.is_empty()).collect();
        // A proxy may put a path of its own before it.
        let (group, rest) = match parts.iter().position(|part| matches!(*part, "api" | "apis")) {
            Some(at) => match parts.get(at..) {
                Some(["api", _, rest @ ..]) => ("", rest),
                Some(["apis", group, _, rest @ ..]) => (*group, rest),
                _ => ("", [].as_slice()),
            },
            None => ("", [].as_slice()),
        };
        let rest = match rest {
            ["namespaces", _, inner @ ..] if !matches!(inner, [] | ["status" | "finalize", ..]) => inner,
            rest => rest,
        };
        let (kind, name, sub) = match rest {
            [] => return Self { verb: "get", resource: String::new() },
            [kind] => (kind, None, None),
            [kind, name] => (kind, Some(name), None),
            [kind, name, sub, ..] => (kind, Some(name), Some(sub)),
        };
        let dot = if group.is_empty() { "" } else { "." };
        let slash = if sub.is_some() { "/" } else { "" };
        Self {
            verb: verb(method, name.is_some(), is_watch(uri)),
            resource: format!("{kind}{dot}{group}{slash}{}", sub.unwrap_or(&"")),
        }
    }
}

fn verb(method: &Method, named: bool, watch: bool) -> &'static str {
    match (method.as_str(), named) {
        ("GET" | "HEAD", _) if watch => "watch",
        ("GET" | "HEAD", true) => "get",
        ("GET" | "HEAD", false) => "list",
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        ("DELETE", true) => "delete",
        ("DELETE", false) => "deletecollection",
        _ => "other",
    }
}

fn is_watch(uri: &Uri) -> bool {
    uri.query().is_some_and(|query| query.split('&').any(|pair| matches!(pair, "watch=true" | "watch=1")))
}

/// No answer came in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the apiserver did not answer within {} s", .0.as_secs())]
pub struct NoAnswer(pub Duration);

/// How much longer than until its first byte an answer may take as a whole. Our own calls end earlier; this is for the lists
/// of watches, whose next page would else be waited for until the connection is given up.
const WHOLE_ANSWER: u32 = 4;

/// Puts [`Transport`] around a service.
#[derive(Clone, Debug)]
pub struct TransportLayer {
    /// Asked before each write.
    pub gate: Gate,
    /// Counts each request, tries again included.
    pub metrics: Arc<Metrics>,
    /// Longest time until an answer begins; a whole one that is no watch may take four times as long.
    pub timeout: Duration,
}

impl<S> Layer<S> for TransportLayer {
    type Service = Transport<S>;

    fn layer(&self, inner: S) -> Transport<S> {
        Transport { inner, layer: self.clone() }
    }
}

/// A service that refuses writes while this process does not lead.
#[derive(Clone, Debug)]
pub struct Transport<S> {
    inner: S,
    layer: TransportLayer,
}

impl<S, B> Service<Request<Body>> for Transport<S>
where
    S: Service<Request<Guarded>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Send + 'static,
{
    type Response = Response<Timed<B>>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Timed<B>>, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let TransportLayer { gate, metrics, timeout } = self.layer.clone();
        let call = Call::of(request.method(), request.uri());
        let gate = (!request.method().is_safe()).then_some(gate);
        if let Some(Err(refused)) = gate.as_ref().map(Gate::check) {
            metrics.requested(&call, "refused", Duration::ZERO);
            return Box::pin(std::future::ready(Err(refused.into())));
        }
        let begun = Instant::now();
        let asker = Span::current();
        let span = span(&asker, &call, &request);
        let answer = self.inner.call(request.map(|body| Guarded { body, gate }));
        Box::pin(async move {
            let outcome = match tokio::time::timeout(timeout, answer).await {
                Ok(answer) => answer.map_err(Into::into),
                Err(_) => Err(NoAnswer(timeout).into()),
            };
            let code = match &outcome {
                Ok(answer) => answer.status().as_str().to_owned(),
                Err(error) if error.is::<NoAnswer>() => "timeout".to_owned(),
                Err(error) if NotLeading::caused(error.as_ref()) => "refused".to_owned(),
                Err(_) => "error".to_owned(),
            };
            metrics.requested(&call, &code, begun.elapsed());
            if let Ok(answer) = &outcome {
                tell_refusal(&asker, &call, answer.status(), answer.headers());
            }
            match &outcome {
                Ok(answer) => span.record("http.response.status_code", answer.status().as_u16()),
                Err(_) => span.record("error.type", code.as_str()).record("otel.status_code", "ERROR"),
            };
            // A watch goes on until the apiserver ends it, and kube notices one that has died.
            let whole = (call.verb != "watch").then(|| timeout.saturating_mul(WHOLE_ANSWER));
            outcome.map(|answer| answer.map(|body| Timed::new(body, whole)))
        })
    }
}

/// Says by which id the apiserver's audit log knows a request that it refused: to `asker`, the reconcile that made it, whose
/// later lines have it then, and in a line of its own. That something is not there is an answer like any other.
fn tell_refusal(asker: &Span, call: &Call, status: StatusCode, headers: &HeaderMap) {
    if !(status.is_client_error() || status.is_server_error()) || status == StatusCode::NOT_FOUND {
        return;
    }
    let Some(id) = headers.get(AUDIT_ID).and_then(|id| id.to_str().ok()) else { return };
    asker.record("audit_id", id);
    let (verb, resource, code) = (call.verb, call.resource.as_str(), status.as_u16());
    // What a rule or somebody else's write refuses is told in conditions, or tried again; there may be thousands.
    if matches!(code, 403 | 409 | 410 | 422 | 429) {
        tracing::debug!(parent: asker, verb, resource, code, audit_id = id, "A request was refused");
    } else {
        tracing::info!(parent: asker, verb, resource, code, audit_id = id, "A request was refused");
    }
}

/// The span of a request, below `parent`, the reconcile that makes it; none outside of one, or without a collector.
fn span(parent: &Span, call: &Call, request: &Request<Body>) -> Span {
    if parent.is_none() {
        return Span::none();
    }
    let span = tracing::info_span!(
        target: TRACE,
        parent: parent,
        "request",
        otel.name = Empty,
        otel.kind = "client",
        otel.status_code = Empty,
        http.request.method = Empty,
        http.response.status_code = Empty,
        url.path = Empty,
        error.type = Empty,
    );
    if !span.is_disabled() {
        span.record("otel.name", format!("{} {}", call.verb, call.resource));
        span.record("http.request.method", request.method().as_str());
        span.record("url.path", request.uri().path());
    }
    span
}

/// A request's body that asks the gate once more when its bytes are wanted, which is after a connection has been made: a
/// process that is stopped while it waits for one sends nothing afterwards.
#[derive(Debug)]
pub struct Guarded {
    body: Body,
    gate: Option<Gate>,
}

impl HttpBody for Guarded {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, BoxError>>> {
        if let Some(gate) = &self.gate {
            gate.check()?;
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body that ends in an error when it takes too long.
#[derive(Debug)]
pub struct Timed<B> {
    body: B,
    limit: Option<(Duration, Pin<Box<Sleep>>)>,
}

impl<B> Timed<B> {
    fn new(body: B, limit: Option<Duration>) -> Self {
        Self { body, limit: limit.map(|limit| (limit, Box::pin(sleep(limit)))) }
    }
}

impl<B> HttpBody for Timed<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        match &mut self.limit {
            Some((limit, sleep)) => sleep.as_mut().poll(context).map(|()| Some(Err(NoAnswer(*limit).into()))),
            None => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;
