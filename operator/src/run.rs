//! `operator run`: both controllers and the admin port, from the first line to a clean end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use jiff::SignedDuration;
use kube::Client;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::admin::{self, Readiness};
use crate::context::{Config, Context};
use crate::metrics::Metrics;
use crate::telemetry::{self, LogFormat};
use crate::{audioconverter, conversionjob};

/// What `operator run` can be told.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// Image of the converter for resources that name none, for example registry.example/flacship/converter:1.0
    #[arg(long, env = "FLACSHIP_CONVERTER_IMAGE", value_name = "IMAGE")]
    pub converter_image: String,
    /// Address of /livez, /readyz and /metrics
    #[arg(long, env = "FLACSHIP_LISTEN", value_name = "ADDRESS", default_value = "0.0.0.0:8081")]
    pub listen: SocketAddr,
    /// How many objects of a kind are worked on at once
    #[arg(long, env = "FLACSHIP_CONCURRENCY", value_name = "COUNT", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: u16,
    /// How long work under way may go on after SIGTERM; keep it below the pod's terminationGracePeriodSeconds
    #[arg(long, env = "FLACSHIP_DRAIN_TIMEOUT", value_name = "DURATION", default_value = "20s", value_parser = duration)]
    pub drain_timeout: Duration,
    /// How log lines look; RUST_LOG chooses what is logged
    #[arg(long, env = "FLACSHIP_LOG_FORMAT", value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// Reads `20s`, `1m 30s` and the like.
fn duration(text: &str) -> Result<Duration, String> {
    let hint = || format!("{text:?} is no time: write a number with a unit, for example 20s or 2m");
    let parsed: SignedDuration = text.parse().map_err(|_| hint())?;
    Duration::try_from(parsed).map_err(|_| hint())
}

/// Why the operator could not start or had to end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No cluster to talk to.
    #[error("no cluster: {0}; inside a cluster the pod needs a ServiceAccount, outside one KUBECONFIG names a file")]
    Client(#[source] Box<kube::Error>),
    /// The admin port cannot be served.
    #[error("cannot serve on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// Signals cannot be received.
    #[error("cannot wait for signals: {0}")]
    Signal(#[source] std::io::Error),
}

/// Runs the operator until SIGTERM or SIGINT.
pub async fn run(args: RunArgs) -> Result<(), RunError> {
    let RunArgs { converter_image, listen, concurrency, drain_timeout, log_format } = args;
    telemetry::init(log_format);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), converter_image, "Starting");
    let client = Client::try_default().await.map_err(|error| RunError::Client(Box::new(error)))?;

    let shutdown = CancellationToken::new();
    let stop_admin = CancellationToken::new();
    let metrics = Arc::new(Metrics::default());
    let readiness = Arc::new(Readiness::default());
    let config = Config { converter_image, concurrency };
    let context = || Context::new(client.clone(), config.clone(), Arc::clone(&metrics));

    let controllers = async {
        tokio::join!(
            audioconverter::run(context(), readiness.part(), shutdown.clone()),
            conversionjob::run(context(), readiness.part(), shutdown.clone()),
        );
    };
    let router = admin::router(Arc::clone(&readiness), Arc::clone(&metrics), shutdown.clone());
    let admin = admin::serve(listen, router, stop_admin.clone());
    let stopping = stop(&shutdown, drain_timeout);

    tokio::pin!(controllers, admin, stopping);
    let mut outcome = Ok(());
    tokio::select! {
        () = &mut controllers => {}
        result = &mut admin => {
            shutdown.cancel();
            return result.map_err(|source| RunError::Listen { address: listen, source });
        }
        result = &mut stopping => outcome = result,
    }
    stop_admin.cancel();
    // Connections of /metrics that stay open must not keep the process.
    let _ = tokio::time::timeout(Duration::from_secs(1), admin).await;
    outcome
}

/// Waits for a signal, begins the shutdown, and ends when the work under way has had its time.
async fn stop(shutdown: &CancellationToken, drain_timeout: Duration) -> Result<(), RunError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Signal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Signal)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("Stopping: reconciles under way are finished, no new one is begun");
    shutdown.cancel();
    tokio::time::sleep(drain_timeout).await;
    tracing::warn!("Stopping now: work was still under way after the drain timeout");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit() {
        assert_eq!(duration("20s"), Ok(Duration::from_secs(20)));
        assert_eq!(duration("1m 30s"), Ok(Duration::from_secs(90)));
        for text in ["", "20", "-5s", "soon"] {
            assert!(duration(text).unwrap_err().contains("for example 20s"), "{text}");
        }
    }
}
