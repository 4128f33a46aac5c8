//! Asking pods on their admin port: plain HTTP, JSON back.
//!
//! A connection a question: pods come and go, and what an idle connection would save is far below what a question costs.
//! Everything is bounded: the time of a question, how many are asked at once, and the size of an answer.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use k8s_openapi::api::core::v1::Pod;
use serde::de::DeserializeOwned;

/// Where every pod of ours answers the operator.
pub const ADMIN_PORT: u16 = 9090;
/// How many pods of a resource are asked at once.
pub const AT_ONCE: usize = 64;
/// Largest answer that is read, in bytes.
pub const MOST: usize = 64 << 10;

/// Where the pod answers; `None` before it has an address.
pub fn address(pod: &Pod) -> Option<SocketAddr> {
    let ip = pod.status.as_ref()?.pod_ip.as_deref()?.parse::<IpAddr>().ok()?;
    Some(SocketAddr::new(ip, ADMIN_PORT))
}

/// Why a pod gave no answer one can use.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// It takes no connection, or the connection broke.
    #[error("{0}")]
    Connection(String),
    /// It answered with an error.
    #[error("answered {0}")]
    Status(StatusCode),
    /// It answered something else.
    #[error("answered something else: {0}")]
    Answer(String),
    /// It was silent.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
}

/// Who asks pods.
#[derive(Clone, Debug)]
pub struct PodClient {
    /// How long a pod has for its answer.
    timeout: Duration,
    client: Client<HttpConnector, Body>,
    /// Where pods of a test are, by the address that the cluster gives.
    #[cfg(test)]
    pub elsewhere: std::collections::HashMap<IpAddr, SocketAddr>,
}

impl PodClient {
    /// Gives pods so long for an answer.
    pub fn new(timeout: Duration) -> Self {
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(HttpConnector::new());
        Self {
            timeout,
            client,
            #[cfg(test)]
            elsewhere: std::collections::HashMap::new(),
        }
    }

    /// What the pod answers.
    pub async fn ask<T: DeserializeOwned>(&self, method: Method, at: SocketAddr, path: &str) -> Result<T, AskError> {
        let answer = tokio::time::timeout(self.timeout, self.exchange(method, at, path)).await;
        answer.unwrap_or(Err(AskError::Timeout(self.timeout)))
    }

    async fn exchange<T: DeserializeOwned>(&self, method: Method, at: SocketAddr, path: &str) -> Result<T, AskError> {
        #[cfg(test)]
        let at = self.elsewhere.get(&at.ip()).copied().unwrap_or(at);
        let request = Request::builder().method(method).uri(format!("http://{at}{path}")).body(Body::empty());
        let request = request.map_err(|error| AskError::Connection(describe(&error)))?;
        let answer = self.client.request(request).await.map_err(|error| AskError::Connection(describe(&error)))?;
        if !answer.status().is_success() {
            return Err(AskError::Status(answer.status()));
        }
        let body = to_bytes(Body::new(answer.into_body()), MOST).await;
        let body = body.map_err(|error| AskError::Answer(describe(&error)))?;
        serde_json::from_slice(&body).map_err(|error| AskError::Answer(error.to_string()))
    }
}

/// An error with its causes, which the client's own text leaves out.
fn describe(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
