//! Asking pods how full they are, and reserving the ones that may go: HTTP on their admin port.
//!
//! A connection a question: pods come and go, and what an idle connection would save is far below what a question costs.
//! Everything is bounded: the time of a question, how many are asked at once, and the size of an answer.

use std::collections::BTreeSet;
use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use futures::stream::{self, StreamExt};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;

use super::pods::PodView;

/// How many pods of a converter are asked at once.
const AT_ONCE: usize = 64;
/// Largest answer that is read, in bytes.
const MOST: usize = 64 << 10;

/// What a pod says at `/load`. What it says beyond that does not matter here.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Load {
    /// Live streams.
    pub streams: Streams,
    /// Uploads.
    #[serde(default)]
    pub conversions: Conversions,
    /// Whether it is stopping and takes no new work.
    #[serde(default)]
    pub draining: bool,
    /// Whether it takes no new streams for now.
    #[serde(default)]
    pub reserved: bool,
}

/// Live streams of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Streams {
    /// That run.
    pub active: u32,
    /// That it takes at once.
    pub max: u32,
}

/// Uploads of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Conversions {
    /// That run.
    #[serde(default)]
    pub active: usize,
    /// That wait their turn.
    #[serde(default)]
    pub queued: usize,
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
    #[error("answered what is no load: {0}")]
    Answer(String),
    /// It was silent.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
}

/// Who asks pods.
#[derive(Clone, Debug)]
pub struct Asker {
    /// How long a pod has for its answer.
    timeout: Duration,
    client: Client<HttpConnector, Body>,
    /// Where pods of a test are, by the address that the cluster gives.
    #[cfg(test)]
    pub(super) elsewhere: std::collections::HashMap<std::net::IpAddr, SocketAddr>,
}

impl Asker {
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

    /// How full the pod is.
    pub async fn load(&self, at: SocketAddr) -> Result<Load, AskError> {
        self.ask(Method::GET, at, "/load").await
    }

    /// Keeps new streams away from the pod for `lasts`, and says how full it is with that in force: no stream begins any
    /// more that the answer does not count.
    pub async fn reserve(&self, at: SocketAddr, lasts: Duration) -> Result<Load, AskError> {
        self.ask(Method::POST, at, &format!("/reserve?ttl={}s", lasts.as_secs())).await
    }

    /// Lets new streams come to the pod again.
    pub async fn release(&self, at: SocketAddr) -> Result<Load, AskError> {
        self.ask(Method::DELETE, at, "/reserve").await
    }

    async fn ask(&self, method: Method, at: SocketAddr, path: &str) -> Result<Load, AskError> {
        let answer = tokio::time::timeout(self.timeout, self.exchange(method, at, path)).await;
        answer.unwrap_or(Err(AskError::Timeout(self.timeout)))
    }

    async fn exchange(&self, method: Method, at: SocketAddr, path: &str) -> Result<Load, AskError> {
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

    /// Asks all `pods` that can be asked. One that does not answer keeps what it last said, and is not fresh.
    pub async fn look(&self, pods: &mut [PodView]) {
        let all = pods.iter().map(|pod| pod.name.clone()).collect();
        self.ask_some(pods, &all, |at| self.load(at)).await;
    }

    /// Reserves the pods with these names for `lasts`, and takes in what they say.
    pub async fn reserve_all(&self, pods: &mut [PodView], names: &BTreeSet<String>, lasts: Duration) {
        self.ask_some(pods, names, |at| self.reserve(at, lasts)).await;
    }

    /// Ends the reservations of the pods with these names, and takes in what they say.
    pub async fn release_all(&self, pods: &mut [PodView], names: &BTreeSet<String>) {
        self.ask_some(pods, names, |at| self.release(at)).await;
    }

    async fn ask_some<Answer>(&self, pods: &mut [PodView], names: &BTreeSet<String>, ask: impl Fn(SocketAddr) -> Answer)
    where
        Answer: Future<Output = Result<Load, AskError>>,
    {
        let asked = pods.iter().enumerate().filter(|(_, pod)| names.contains(&pod.name));
        let asked: Vec<_> = asked.filter_map(|(index, pod)| Some((index, ask(pod.address?)))).collect();
        let questions = asked.into_iter().map(|(index, answer)| async move { (index, answer.await) });
        let answers: Vec<_> = stream::iter(questions).buffer_unordered(AT_ONCE).collect().await;
        for (index, answer) in answers {
            let Some(pod) = pods.get_mut(index) else { continue };
            match answer {
                Ok(load) => {
                    pod.load = Some(load);
                    pod.fresh = true;
                }
                Err(error) => {
                    pod.fresh = false;
                    // A pod that starts or stops is silent for a while: no news.
                    if pod.is_silent() {
                        tracing::debug!(pod = pod.name, %error, "A pod does not say how full it is");
                    }
                }
            }
        }
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

#[cfg(test)]
pub(super) mod tests;
