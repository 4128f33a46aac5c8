//! The clients of the apiserver: one whose writes ask the gate of leadership, and one for the Lease itself.
//!
//! The stack is that of kube's own builder (`kube::client::ClientBuilder`), but for what our [`crate::transport`] has to be
//! innermost for: kube would try a write again after a wait, and nobody would ask the gate a second time.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::{ConfigExt, retry::RetryPolicy};
use kube::{Client, Config};
use tower::retry::RetryLayer;
use tower::{BoxError, ServiceBuilder};

use crate::leader::Gate;
use crate::metrics::Metrics;
use crate::transport::{Guarded, TransportLayer};

/// Tries again after 429, 503 and 504, the first and the longest wait, and how many: some three seconds in all, unless
/// the apiserver asks for longer (Retry-After). kube's own policy would go on for minutes; what lasts longer than this
/// fails its reconcile, which has a pace of its own ([`crate::backoff`]).
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_LONGEST: Duration = Duration::from_secs(2);
const RETRIES: u32 = 6;
/// Longest time that a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(90);

/// How requests are made.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// Asked before each write.
    pub gate: Gate,
    /// Counts each request.
    pub metrics: Arc<Metrics>,
    /// Longest time until an answer begins.
    pub timeout: Duration,
}

/// A client for the cluster of `config`.
pub fn client(config: &Config, settings: ClientSettings) -> Result<Client, kube::Error> {
    if let Some(proxy_url) = &config.proxy_url {
        return Err(kube::Error::ProxyProtocolDisabled {
            proxy_url: Box::new(proxy_url.clone()),
            protocol_feature: "kube/http-proxy",
        });
    }
    let ClientSettings { gate, metrics, timeout } = settings;
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_connect_timeout(Some(CONNECT_TIMEOUT));
    http.set_nodelay(true);
    let connector = config.rustls_https_connector_with_connector(http)?;
    let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
        .pool_idle_timeout(IDLE)
        .pool_timer(TokioTimer::new())
        .build::<_, Guarded>(connector);
    let service = ServiceBuilder::new()
        .layer(retries()?)
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .layer(TransportLayer { gate, metrics, timeout })
        .layer(config.base_uri_layer())
        .service(http);
    Ok(Client::new(service, config.default_namespace.clone()))
}

/// What tries again where the apiserver asks for it.
pub fn retries() -> Result<RetryLayer<RetryPolicy>, kube::Error> {
    let policy = RetryPolicy::new(RETRY_FIRST, RETRY_LONGEST, RETRIES, true);
    Ok(RetryLayer::new(policy.map_err(|error| kube::Error::Service(error.into()))?))
}
