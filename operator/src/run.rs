//! `operator run`: both controllers, the election and the admin port, from the first line to a clean end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kube::Api;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::admin::{self, Admin, Readiness};
use crate::apis::Apis;
pub use crate::args::RunArgs;
use crate::client::{ClientSettings, client};
use crate::context::{Context, Shared};
use crate::errors::set_call_timeout;
use crate::leader::{Election, Gate};
use crate::metrics::Metrics;
use crate::{audioconverter, conversionjob, telemetry};

/// Why the operator could not start or had to end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Flags that contradict each other.
    #[error("{0}")]
    Settings(String),
    /// Traces cannot be sent as asked for.
    #[error("traces: {0}")]
    Traces(#[from] otlp::CollectorError),
    /// No cluster is named.
    #[error("no cluster: {0}; inside a cluster the pod needs a ServiceAccount, outside one KUBECONFIG names a file")]
    Config(#[source] Box<kube::config::InferConfigError>),
    /// No cluster to talk to.
    #[error("no client for the cluster: {0}")]
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
    let traces = telemetry::init(args.log_format, args.otlp_endpoint.as_ref())?;
    let outcome = work(args).await;
    if let Some(traces) = traces {
        traces.finish().await;
    }
    outcome
}

async fn work(args: RunArgs) -> Result<(), RunError> {
    tracing::info!(version = env!("CARGO_PKG_VERSION"), converter_image = args.converter_image, "Starting");
    set_call_timeout(args.call_timeout);
    let election = args.lease.settings().map_err(RunError::Settings)?;
    let cluster = kube::Config::infer().await.map_err(|error| RunError::Config(Box::new(error)))?;

    let metrics = Arc::new(Metrics::default());
    let gate = if election.is_some() { Gate::shut() } else { Gate::open() };
    let with_gate = |gate| {
        let settings = ClientSettings { gate, metrics: Arc::clone(&metrics), timeout: args.call_timeout };
        client(&cluster, settings).map_err(|error| RunError::Client(Box::new(error)))
    };
    let gated = with_gate(gate.clone())?;
    // The Lease has a client and connections of its own: its writes make the gate, and must not queue behind others.
    let election = match election {
        Some(settings) => {
            let namespace = args.lease.lease_namespace.as_deref().unwrap_or(&cluster.default_namespace);
            let leases = Api::namespaced(with_gate(Gate::open())?, namespace);
            Some(Election::new(leases, settings, gate.clone()))
        }
        None => None,
    };

    let (shutdown, resign, stop_admin) = (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
    let readiness = Arc::new(Readiness::default());
    let apis = Arc::new(Apis::default());
    let shared = Shared {
        client: gated.clone(),
        config: args.config(),
        metrics: Arc::clone(&metrics),
        gate: gate.clone(),
        apis: Arc::clone(&apis),
    };
    let (converters_ready, jobs_ready) = (readiness.part(), readiness.part());
    let controllers = async {
        tokio::select! {
            () = apis.first(&gated) => {}
            () = shutdown.cancelled() => return,
        }
        tokio::join!(
            audioconverter::run(Context::new(shared.clone()), converters_ready, shutdown.clone()),
            conversionjob::run(Context::new(shared), jobs_ready, shutdown.clone()),
            apis.follow(&gated, args.api_check_period, shutdown.clone()),
        );
    };
    let election = tokio::spawn({
        let resign = resign.clone();
        async move {
            match election {
                Some(election) => election.run(resign).await,
                None => resign.cancelled().await,
            }
        }
    });
    let admin = Admin { readiness, metrics: Arc::clone(&metrics), shutdown: shutdown.clone(), gate: gate.clone() };
    let admin = admin::serve(args.listen, admin::router(admin), stop_admin.clone());
    let stopping = stop(&shutdown, args.drain_timeout);

    tokio::pin!(controllers, admin, stopping);
    let outcome = tokio::select! {
        () = &mut controllers => Ok(()),
        result = &mut admin => {
            shutdown.cancel();
            result.map_err(|source| RunError::Listen { address: args.listen, source })
        }
        result = &mut stopping => result,
    };
    // Work that is still under way writes no more once another may lead.
    gate.close();
    resign.cancel();
    if election.await.is_err() {
        tracing::error!("The election ended in a panic");
    }
    stop_admin.cancel();
    if outcome.is_ok() {
        // Connections of /metrics that stay open must not keep the process.
        let _ = tokio::time::timeout(Duration::from_secs(1), admin).await;
    }
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
