//! Where traces go: a collector that takes OTLP as protobuf over HTTP. What is in them is the program's own; it says with a
//! [`Source`] which spans they are.
//!
//! Spans are put in a bounded queue and sent by a thread of the SDK's own, so a collector that is slow or away costs the
//! program nothing: what finds no room in the queue is dropped and counted.

use std::{
    io,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connect, HttpConnector},
    },
    rt::TokioExecutor,
};
use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{ExporterBuildError, Protocol, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{SdkTracerProvider, SpanData, SpanExporter},
};
use tokio::{runtime::Handle, time::timeout};
use tracing::{Metadata, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};

/// How long the collector may take for one batch (the OTLP exporter's default).
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the program's end may wait for the last spans.
const LAST_SPANS: Duration = Duration::from_secs(5);
/// Most of an answer that is read: it holds two short fields.
const MAX_ANSWER: usize = 64 * 1024;
/// Where a collector takes traces, below its address (OTLP specification, "OTLP/HTTP Request").
const PATH: &str = "/v1/traces";

/// Whose traces they are.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// The service's name where neither `OTEL_SERVICE_NAME` nor `OTEL_RESOURCE_ATTRIBUTES` gives one.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Whether a span is one for the traces.
    pub is_ours: fn(&Metadata<'_>) -> bool,
}

/// Why traces cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum CollectorError {
    /// One of OpenTelemetry's own variables holds no address.
    #[error("{variable}: {source}")]
    Address {
        /// The variable.
        variable: &'static str,
        /// What is wrong with it.
        source: EndpointError,
    },
    /// A protocol that is not spoken here.
    #[error("{variable}: `{asked}` is not spoken here: use http/protobuf, which collectors take at port 4318")]
    Protocol {
        /// The variable.
        variable: &'static str,
        /// What it asks for.
        asked: String,
    },
    /// An https collector, and no authority that could vouch for it.
    #[error("the certificates of the system's authorities cannot be read: {0}")]
    Authorities(#[source] io::Error),
    /// Another setting of the exporter.
    #[error("the exporter of traces cannot be set up: {0}")]
    Exporter(#[from] ExporterBuildError),
}

/// No address of a collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// No URL at all, or one of another kind.
    #[error("this is no address of a collector: write for example http://collector:4318")]
    Url,
    /// A password in the address.
    #[error("an address holds no credentials: give them as OTEL_EXPORTER_OTLP_HEADERS")]
    Credentials,
}

/// The address that traces are posted to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(Uri);

impl Endpoint {
    /// This address as it is.
    fn exactly(text: &str) -> Result<Self, EndpointError> {
        let uri: Uri = text.trim().parse().map_err(|_| EndpointError::Url)?;
        let authority = uri.authority().filter(|authority| !authority.host().is_empty()).ok_or(EndpointError::Url)?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(EndpointError::Url);
        }
        if authority.as_str().contains('@') { Err(EndpointError::Credentials) } else { Ok(Self(uri)) }
    }

    fn is_secure(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    /// The address of a collector, which takes traces at a path of its own below it.
    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let base = text.trim().trim_end_matches('/');
        let text = if base.ends_with(PATH) { base.to_owned() } else { format!("{base}{PATH}") };
        Self::exactly(&text)
    }
}

/// The collector that is configured, if one is: by the flag, else by OpenTelemetry's own variables.
/// Source: <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>.
fn configured(
    flag: Option<&Endpoint>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<Endpoint>, CollectorError> {
    // An empty variable counts as none.
    let variable = |name: &'static str| variable(name).filter(|value| !value.trim().is_empty());
    let is = |name, wanted: &str| variable(name).is_some_and(|value| value.trim().eq_ignore_ascii_case(wanted));
    if is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none") {
        return Ok(None);
    }
    if let Some(endpoint) = flag {
        return Ok(Some(endpoint.clone()));
    }
    let read = |name, parse: fn(&str) -> Result<Endpoint, EndpointError>| {
        let parsed = variable(name).map(|value| parse(&value)).transpose();
        parsed.map_err(|source| CollectorError::Address { variable: name, source })
    };
    let endpoint = match read("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", Endpoint::exactly)? {
        Some(endpoint) => Some(endpoint),
        None => read("OTEL_EXPORTER_OTLP_ENDPOINT", str::parse)?,
    };
    let protocols = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
    let asked = protocols.into_iter().find_map(|name| variable(name).map(|asked| (name, asked)));
    match (&endpoint, asked) {
        (Some(_), Some((variable, asked))) if asked.trim() != "http/protobuf" => {
            Err(CollectorError::Protocol { variable, asked })
        }
        _ => Ok(endpoint),
    }
}

/// What sends the traces, while there is a collector.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
    source: Source,
}

impl Traces {
    /// Sets out to send traces, if a collector is configured. Wants the runtime of the caller, which carries what is sent.
    pub fn start(flag: Option<&Endpoint>, source: Source) -> Result<Option<Self>, CollectorError> {
        let Some(endpoint) = configured(flag, |name| std::env::var(name).ok())? else { return Ok(None) };
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(endpoint.0.to_string())
            .with_timeout(PATIENCE);
        let exporter = if endpoint.is_secure() {
            let https = HttpsConnectorBuilder::new()
                .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
                .map_err(CollectorError::Authorities)?;
            exporter.with_http_client(Carrier::new(https.https_only().enable_http1().build()))
        } else {
            exporter.with_http_client(Carrier::new(HttpConnector::new()))
        };
        let exporter = Reporting { exporter: exporter.build()?, lost: AtomicU64::new(0) };
        let provider =
            SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource(source)).build();
        Ok(Some(Self { provider, source }))
    }

    /// What takes this program's spans, and nothing else, from `tracing`.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let Source { name, is_ours, .. } = self.source;
        let ours = filter_fn(move |metadata: &Metadata<'_>| metadata.is_span() && is_ours(metadata));
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer(name))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false)
            .with_filter(ours.with_max_level_hint(LevelFilter::INFO))
    }

    /// Sends what is left, for a while.
    pub async fn finish(self) {
        let sent = tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(LAST_SPANS)).await;
        if !matches!(sent, Ok(Ok(()))) {
            tracing::warn!("the last traces did not reach their collector");
        }
    }
}

/// Whether a log line comes too often to be written: those of the SDK that come with each batch ([`Reporting`] tells it
/// once) or, after its end, with each span.
pub fn is_noise(metadata: &Metadata<'_>) -> bool {
    ["BatchSpanProcessor.ExportError", "BatchSpanProcessor.OnEnd.AfterShutdown"].contains(&metadata.name())
}

/// Who sends the traces: what the environment says, else our own name.
fn resource(source: Source) -> Resource {
    let said = Resource::builder().build();
    let named = said.get(&"service.name".into()).is_some_and(|name| !name.as_str().starts_with("unknown_service"));
    let resource = Resource::builder().with_attribute(KeyValue::new("service.version", source.version));
    if named { resource.build() } else { resource.with_service_name(source.name).build() }
}

/// An exporter that tells when traces no longer arrive and when they do again: a line each time, not one a batch.
#[derive(Debug)]
struct Reporting<E> {
    exporter: E,
    /// Spans that did not arrive since they last did.
    lost: AtomicU64,
}

impl<E: SpanExporter> SpanExporter for Reporting<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len() as u64;
        let result = self.exporter.export(batch).await;
        match &result {
            Ok(()) => {
                let lost = self.lost.swap(0, Ordering::Relaxed);
                if lost > 0 {
                    tracing::info!(lost, "traces reach their collector again");
                }
            }
            Err(error) => {
                if self.lost.fetch_add(count, Ordering::Relaxed) == 0 {
                    tracing::warn!(%error, "traces do not reach their collector: they are lost until they do");
                }
            }
        }
        result
    }

    fn shutdown_with_timeout(&self, limit: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(limit)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// Carries batches over HTTP/1.1 on the program's runtime: the SDK's thread has none.
#[derive(Debug)]
struct Carrier<C> {
    client: Arc<Client<C, Full<Bytes>>>,
    runtime: Handle,
}

impl<C: Connect + Clone + Send + Sync + 'static> Carrier<C> {
    fn new(connector: C) -> Self {
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self { client: Arc::new(client), runtime: Handle::current() }
    }
}

#[async_trait::async_trait]
impl<C: Connect + Clone + Send + Sync + std::fmt::Debug + 'static> HttpClient for Carrier<C> {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = Arc::clone(&self.client);
        let exchange = async move {
            let (parts, answer) = client.request(request.map(Full::from)).await?.into_parts();
            let answer = Limited::new(answer, MAX_ANSWER).collect().await?.to_bytes();
            Ok(Response::from_parts(parts, answer))
        };
        // The timer, too, wants the runtime.
        self.runtime.spawn(async { timeout(PATIENCE, exchange).await? }).await?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_s_address_is_read() {
        for (text, uri) in [
            ("http://collector:4318", "http://collector:4318/v1/traces"),
            ("https://collector.example/", "https://collector.example/v1/traces"),
            ("http://[::1]:4318/otlp", "http://[::1]:4318/otlp/v1/traces"),
            ("http://collector:4318/v1/traces", "http://collector:4318/v1/traces"),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().0.to_string(), uri);
        }
        for text in ["", "collector", "collector:4318", "grpc://collector:4317", "http://", "http://a b", "/v1/traces"]
        {
            assert_eq!(text.parse::<Endpoint>(), Err(EndpointError::Url), "{text}");
        }
        assert_eq!("http://user:secret@collector".parse::<Endpoint>(), Err(EndpointError::Credentials));
    }

    #[test]
    fn the_flag_comes_before_the_usual_variables() {
        let flag: Endpoint = "http://flag:1".parse().unwrap();
        let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://base:2/");
        let traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:3/here");
        for (flag, variables, chosen) in [
            (None, &[][..], None),
            (None, &[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")], None),
            (None, &[base], Some("http://base:2/v1/traces")),
            (None, &[base, traces], Some("http://traces:3/here")),
            (Some(&flag), &[base, traces], Some("http://flag:1/v1/traces")),
            (Some(&flag), &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], Some("http://flag:1/v1/traces")),
            (None, &[base, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")], Some("http://base:2/v1/traces")),
            (None, &[base, ("OTEL_TRACES_EXPORTER", "none")], None),
            (Some(&flag), &[("OTEL_SDK_DISABLED", "TRUE")], None),
        ] {
            let variable =
                |asked: &str| variables.iter().find(|(name, _)| *name == asked).map(|(_, value)| (*value).to_owned());
            let got = configured(flag, variable).unwrap().map(|endpoint| endpoint.0.to_string());
            assert_eq!(got.as_deref(), chosen, "{flag:?} {variables:?}");
        }
    }

    #[test]
    fn a_variable_of_no_use_is_named() {
        let error = |pairs: &[(&str, &str)]| {
            let variable = |asked: &str| pairs.iter().find(|(name, _)| *name == asked).map(|(_, v)| (*v).to_owned());
            configured(None, variable).unwrap_err().to_string()
        };
        let told = error(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318")]);
        assert!(told.starts_with("OTEL_EXPORTER_OTLP_ENDPOINT: this is no address"), "{told}");
        let told =
            error(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
        assert!(told.starts_with("OTEL_EXPORTER_OTLP_PROTOCOL: `grpc` is not spoken here"), "{told}");
    }
}
