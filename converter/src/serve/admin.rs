//! What tells how the server is: `/livez`, `/readyz`, `/load` and `/metrics` on the admin port, `/healthz` and `/status` on the
//! public one.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::{
    metrics::{Kind, Levels, Outcome},
    problem::Failure,
    seats::Occupancy,
    shutdown::Phase,
    state::App,
};

/// `GET /livez`, `GET /healthz`: the process answers.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: whether new work should come here. Never about how full the server is: that would take a busy server
/// out of its Service and its load onto the others.
pub(super) async fn ready(State(app): State<Arc<App>>) -> (StatusCode, &'static str) {
    if app.shutdown.phase() == Phase::Serving {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    }
}

/// `GET /metrics`.
pub(super) async fn metrics(State(app): State<Arc<App>>) -> Response {
    let seats = app.seats.look();
    let levels = Levels {
        streams: seats.taken,
        reserved: seats.reserved.is_some(),
        conversions: app.queue.active(),
        queued: app.queue.waiting(),
        spool: app.spools.used(),
        draining: app.shutdown.phase() > Phase::Serving,
    };
    match app.metrics.render(levels) {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => Failure::Internal(format!("metrics: {error}")).into_response(),
    }
}

#[derive(Serialize)]
struct Load {
    streams: Streams,
    conversions: Conversions,
    draining: bool,
    /// Whether new streams are refused for now. It says nothing of conversions.
    reserved: bool,
    /// 0 if there is no reservation.
    reserved_seconds_left: f64,
}

#[derive(Serialize)]
struct Streams {
    active: u32,
    max: u32,
}

#[derive(Serialize)]
struct Conversions {
    active: usize,
    max: usize,
    queued: usize,
}

/// `GET /load`: how full the server is, for those who scale it.
pub(super) async fn load(State(app): State<Arc<App>>) -> Response {
    loaded(&app, app.seats.look())
}

/// How full the server is, with the seats as they were seen.
pub(super) fn loaded(app: &App, seats: Occupancy) -> Response {
    let load = Load {
        streams: Streams { active: seats.taken, max: seats.most },
        conversions: Conversions { active: app.queue.active(), max: app.queue.most(), queued: app.queue.waiting() },
        draining: app.shutdown.phase() > Phase::Serving,
        reserved: seats.reserved.is_some(),
        reserved_seconds_left: seats.reserved.unwrap_or_default().as_secs_f64(),
    };
    ([(header::CACHE_CONTROL, "no-store")], Json(load)).into_response()
}

/// How the server is.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Status {
    name: &'static str,
    version: &'static str,
    phase: &'static str,
    uptime_seconds: u64,
    active: Active,
    totals: Totals,
    limits: Limits,
}

#[derive(Serialize, utoipa::ToSchema)]
struct Active {
    conversions: usize,
    queued: usize,
    streams: u32,
    spool_bytes: u64,
}

#[derive(Serialize, utoipa::ToSchema)]
struct Totals {
    conversions: Outcomes,
    streams: Outcomes,
    bytes_in: u64,
    bytes_out: u64,
    audio_seconds: f64,
}

#[derive(Serialize, utoipa::ToSchema)]
struct Outcomes {
    converted: u64,
    refused: u64,
    aborted: u64,
    failed: u64,
}

#[derive(Serialize, utoipa::ToSchema)]
struct Limits {
    level: u8,
    max_upload_bytes: u64,
    max_conversions: usize,
    spool_bytes: u64,
    ws_max_message_bytes: u64,
    streams: u32,
    idle_timeout_seconds: f64,
}

/// `GET /status`: how the server is, for people and for the page.
pub(super) async fn status(State(app): State<Arc<App>>) -> Response {
    let outcomes = |kind| Outcomes {
        converted: app.metrics.count(kind, Outcome::Converted),
        refused: app.metrics.count(kind, Outcome::Refused),
        aborted: app.metrics.count(kind, Outcome::Aborted),
        failed: app.metrics.count(kind, Outcome::Failed),
    };
    let volume = app.metrics.volume();
    let status = Status {
        name: "flacship-converter",
        version: env!("CARGO_PKG_VERSION"),
        phase: match app.shutdown.phase() {
            Phase::Serving => "serving",
            Phase::Leaving => "leaving",
            Phase::Draining | Phase::Over => "draining",
        },
        uptime_seconds: app.started.elapsed().as_secs(),
        active: Active {
            conversions: app.queue.active(),
            queued: app.queue.waiting(),
            streams: app.seats.look().taken,
            spool_bytes: app.spools.used(),
        },
        totals: Totals {
            conversions: outcomes(Kind::Upload),
            streams: outcomes(Kind::Stream),
            bytes_in: volume.bytes_in,
            bytes_out: volume.bytes_out,
            audio_seconds: volume.audio_seconds,
        },
        limits: Limits {
            level: app.args.level.get(),
            max_upload_bytes: app.args.max_upload_size.0,
            max_conversions: app.queue.most(),
            spool_bytes: app.args.spool_size.0,
            ws_max_message_bytes: app.args.ws_max_message.0,
            streams: app.args.max_streams,
            idle_timeout_seconds: app.args.idle_timeout.as_secs_f64(),
        },
    };
    ([(header::CACHE_CONTROL, "no-store")], Json(status)).into_response()
}
