//! Logs, text for people or JSON for machines, of which `RUST_LOG` chooses what is written; and traces, where a collector is
//! named.
//!
//! Reconciles are spans in both, so each of their lines names the object and the reconcile. Requests to the apiserver are
//! spans for traces only ([`TRACE`]); without a collector none is made.

use std::io::IsTerminal;

use clap::ValueEnum;
use otlp::{CollectorError, Endpoint, Source, Traces};
use tracing::Metadata;
use tracing_subscriber::filter::{EnvFilter, FilterExt, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The target of spans that are for traces only.
pub const TRACE: &str = "flacship_trace";
/// What is logged without `RUST_LOG`. Failed watches are logged by our own loop, in one line.
const QUIET: &str = "info,kube=warn,kube_runtime::watcher=error";
/// Whose traces they are.
const SOURCE: Source = Source { name: "flacship-operator", version: env!("CARGO_PKG_VERSION"), is_ours };

/// Whether a span is ours, and not a library's.
fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.target() == TRACE || metadata.target().starts_with("operator")
}

/// Starts logging to standard error, and sending traces if a collector is named by `endpoint` or the environment. Without
/// `RUST_LOG`, everything from `info` up is logged.
pub fn init(format: LogFormat, endpoint: Option<&Endpoint>) -> Result<Option<Traces>, CollectorError> {
    let traces = Traces::start(endpoint, SOURCE)?;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(QUIET));
    let logs = fmt::layer().with_writer(std::io::stderr);
    let logs = match format {
        LogFormat::Text => logs.with_target(false).with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => logs.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed(),
    };
    let for_the_log = filter_fn(|metadata| metadata.target() != TRACE && !otlp::is_noise(metadata));
    // Whoever has set up another subscriber keeps it.
    let _ = tracing_subscriber::registry()
        .with(logs.with_filter(filter.and(for_the_log)))
        .with(traces.as_ref().map(Traces::layer))
        .try_init();
    Ok(traces)
}
