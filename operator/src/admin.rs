//! The operator's own HTTP port: `/livez`, `/readyz` and `/metrics`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::leader::Gate;
use crate::metrics::Metrics;

/// How many parts the operator still waits for before it is ready.
#[derive(Debug, Default)]
pub struct Readiness {
    missing: AtomicUsize,
}

impl Readiness {
    /// A part to wait for.
    pub fn part(self: &Arc<Self>) -> Ready {
        self.missing.fetch_add(1, Ordering::AcqRel);
        Ready(Arc::clone(self))
    }

    /// Whether every part has been marked.
    pub fn is_ready(&self) -> bool {
        self.missing.load(Ordering::Acquire) == 0
    }
}

/// A part's way to say that it is ready, once. Dropped unsaid, the part never is.
#[derive(Debug)]
pub struct Ready(Arc<Readiness>);

impl Ready {
    /// Says so.
    pub fn mark(self) {
        self.0.missing.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What the routes tell of.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Whether all is there that reconciles need.
    pub readiness: Arc<Readiness>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Cancelled when the operator begins to stop.
    pub shutdown: CancellationToken,
    /// Whether this operator leads.
    pub gate: Gate,
}

/// The routes. Not ready are an operator that has not seen all its objects yet, and one that is stopping; one that stands by
/// is, as it could lead at once.
pub fn router(admin: Admin) -> Router {
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(text))
        .with_state(admin)
}

/// Serves the routes on `address` until `stop`.
pub async fn serve(address: SocketAddr, router: Router, stop: CancellationToken) -> std::io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    tracing::info!(address = %listener.local_addr()?, "Serving /livez, /readyz and /metrics");
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
}

async fn readyz(State(admin): State<Admin>) -> (StatusCode, &'static str) {
    if admin.shutdown.is_cancelled() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    } else if admin.readiness.is_ready() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the first lists of resources are not there yet\n")
    }
}

async fn text(State(admin): State<Admin>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    admin.metrics.set_leading(admin.gate.is_held());
    ([(header::CONTENT_TYPE, kind)], admin.metrics.text())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn readiness_follows_the_parts_and_the_shutdown() {
        let readiness = Arc::new(Readiness::default());
        let (first, second) = (readiness.part(), readiness.part());
        let admin = Admin {
            readiness: Arc::clone(&readiness),
            metrics: Arc::default(),
            shutdown: CancellationToken::new(),
            gate: Gate::shut(),
        };
        let code = async || readyz(State(admin.clone())).await.0.as_u16();
        assert_eq!(code().await, 503);
        first.mark();
        assert_eq!(code().await, 503);
        second.mark();
        assert_eq!(code().await, 200);
        admin.shutdown.cancel();
        assert_eq!(code().await, 503);
    }

    #[test]
    fn a_part_that_is_dropped_never_becomes_ready() {
        let readiness = Arc::new(Readiness::default());
        drop(readiness.part());
        assert!(!readiness.is_ready());
    }
}
