//! `GET /ws`: audio comes in binary messages split anywhere, FLAC goes out as whole frames while the audio still comes.
//!
//! Here is a stream's life: the upgrade, who is let in, and how its end is told and counted. What is said in between lives in
//! [`super::talk`].

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use hyper::upgrade::OnUpgrade;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tracing::Span;

use super::{
    auth,
    messages::Say,
    metrics::{Kind, Outcome, Volume},
    options::{self, StreamOptions},
    origin,
    problem::{Failure, close},
    request::RequestId,
    seats::Seat,
    shutdown::Phase,
    state::{App, Running, outcome_of},
    talk::{Ended, Talk},
    trace::{self, Traced},
    wire::{Protocol, Wire},
};
use crate::convert::Summary;

/// The name of this protocol, for clients that ask for it by name.
const SUBPROTOCOL: &str = "flacship.v1";

/// What the handshake said.
struct Asked {
    options: Result<StreamOptions, Failure>,
    admitted: Result<(), Failure>,
    protocol: Protocol,
    span: Span,
}

/// Handles `GET /ws`. Only what a browser must not get past is refused before the upgrade: it shows a page nothing of a
/// refused handshake.
pub(super) async fn upgrade(
    State(app): State<Arc<App>>,
    Extension(RequestId(id)): Extension<RequestId>,
    Extension(Traced(span)): Extension<Traced>,
    mut request: Request,
) -> Response {
    if let Err(failure) = origin::check(request.headers(), &app.args.allowed_origins) {
        return failure.into_response();
    }
    let mut response = match create_response_with_body(&request, Body::empty) {
        Ok(response) => response,
        Err(error) => {
            let mut response = Failure::NoUpgrade(error.to_string()).into_response();
            let headers = response.headers_mut();
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            // Clients of another version learn which is spoken (RFC 6455 §4.4).
            headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            return response;
        }
    };
    let named = auth::offered(request.headers()).any(|offer| offer == SUBPROTOCOL);
    if named {
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    }
    let asked = Asked {
        options: options::stream(request.uri()),
        admitted: app.auth.check_stream(request.headers()),
        protocol: if named { Protocol::Named } else { Protocol::Plain },
        span,
    };
    let upgrade = hyper::upgrade::on(&mut request);
    // Held until the stream's last byte, so that the server does not end before it.
    let open = app.connections.token();
    tokio::spawn(async move {
        serve(&app, &id, asked, upgrade).await;
        drop(open);
    });
    response
}

/// One stream from its upgrade to its close.
async fn serve(app: &Arc<App>, id: &str, asked: Asked, upgrade: OnUpgrade) {
    let Ok(upgraded) = upgrade.await else { return };
    let mut wire = Wire::new(upgraded, asked.protocol, app).await;
    let started = Instant::now();
    let (result, running) = match asked.admitted.and_then(|()| begin(app)) {
        Ok(running) => {
            let result = match asked.options {
                Ok(options) => Talk::new(app, id, options, &mut wire).run(asked.protocol).await,
                Err(failure) => Err(failure),
            };
            (result, Some(running))
        }
        Err(failure) => (Err(failure), None),
    };
    let (outcome, volume, code) = match &result {
        Ok(Ended::Stream(summary) | Ended::Whole(summary)) => (Outcome::Converted, volume(summary), ""),
        Err(failure) => {
            app.metrics.error(failure.code());
            if let Some(cause) = failure.cause() {
                tracing::error!(request_id = id, cause, "a stream failed through the server's fault");
            }
            (outcome_of(failure), Volume::default(), failure.code())
        }
    };
    let (last, close_code, reason) = match &result {
        Ok(Ended::Stream(summary)) => (Some(Say::done(summary)), close::NORMAL, "done"),
        Ok(Ended::Whole(_)) => (None, close::NORMAL, "done"),
        Err(failure) => (Some(Say::error(failure)), failure.close_code(), failure.code()),
    };
    let closed = wire.finish(last.as_ref(), close_code, reason, app.args.close_timeout).await;
    if let Some((mut running, _seat)) = running {
        running.end(outcome, volume);
    }
    trace::answered(&asked.span, StatusCode::SWITCHING_PROTOCOLS);
    trace::ended(&asked.span, outcome, code, volume);
    tracing::info!(
        request_id = id,
        trace_id = trace::id(&asked.span),
        method = "GET",
        path = "/ws",
        status = 101,
        outcome = outcome.name(),
        code,
        closed = closed.is_ok(),
        bytes_in = volume.bytes_in,
        bytes_out = volume.bytes_out,
        audio_seconds = volume.audio_seconds,
        seconds = started.elapsed().as_secs_f64(),
        "stream"
    );
}

/// Takes a seat among the streams, if there is one. A server that stops says so even if it is full: the client should go
/// elsewhere and not wait.
fn begin(app: &Arc<App>) -> Result<(Running, Seat), Failure> {
    if app.shutdown.phase() >= Phase::Draining {
        return Err(Failure::Draining);
    }
    let seat = app.seats.take()?;
    Ok((app.begin(Kind::Stream)?, seat))
}

fn volume(summary: &Summary) -> Volume {
    Volume { bytes_in: summary.bytes_in, bytes_out: summary.bytes_out, audio_seconds: summary.seconds() }
}
