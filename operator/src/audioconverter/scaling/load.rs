//! Asking pods how full they are, and reserving the ones that may go.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use axum::http::Method;
use futures::stream::{self, StreamExt};
use serde::Deserialize;

use super::pods::PodView;
use crate::ask::{AT_ONCE, AskError, PodClient};

/// How long all pods of a converter together have for their answers. They are asked [`AT_ONCE`] at a time, so many that hang
/// would else hold up the others for minutes.
pub const ALTOGETHER: Duration = Duration::from_secs(15);

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

/// Who asks pods how full they are.
#[derive(Clone, Debug)]
pub struct Asker {
    pub(super) pods: PodClient,
}

impl Asker {
    /// Gives pods so long for an answer.
    pub fn new(timeout: Duration) -> Self {
        Self { pods: PodClient::new(timeout) }
    }

    /// How full the pod is.
    pub async fn load(&self, at: SocketAddr) -> Result<Load, AskError> {
        self.pods.ask(Method::GET, at, "/load").await
    }

    /// Keeps new streams away from the pod for `lasts`, and says how full it is with that in force: no stream begins any
    /// more that the answer does not count.
    pub async fn reserve(&self, at: SocketAddr, lasts: Duration) -> Result<Load, AskError> {
        self.pods.ask(Method::POST, at, &format!("/reserve?ttl={}s", lasts.as_secs())).await
    }

    /// Lets new streams come to the pod again.
    pub async fn release(&self, at: SocketAddr) -> Result<Load, AskError> {
        self.pods.ask(Method::DELETE, at, "/reserve").await
    }

    /// Asks all `pods` that can be asked, for as long as `within`. One that does not answer keeps what it last said, and is not
    /// fresh.
    pub async fn look(&self, pods: &mut [PodView], within: Duration) {
        let all = pods.iter().map(|pod| pod.name.clone()).collect();
        self.look_at(pods, &all, within).await;
    }

    /// The same with the pods of these names alone.
    pub async fn look_at(&self, pods: &mut [PodView], names: &BTreeSet<String>, within: Duration) {
        self.ask_some(pods, names, within, |at| self.load(at)).await;
    }

    /// Reserves the pods with these names for `lasts`, and takes in what they say `within` this time. One that does not answer
    /// may be reserved all the same.
    pub async fn reserve_all(&self, pods: &mut [PodView], names: &BTreeSet<String>, lasts: Duration, within: Duration) {
        self.ask_some(pods, names, within, |at| self.reserve(at, lasts)).await;
    }

    /// Ends the reservations of the pods with these names, and takes in what they say `within` this time.
    pub async fn release_all(&self, pods: &mut [PodView], names: &BTreeSet<String>, within: Duration) {
        self.ask_some(pods, names, within, |at| self.release(at)).await;
    }

    async fn ask_some<Answer>(
        &self,
        pods: &mut [PodView],
        names: &BTreeSet<String>,
        within: Duration,
        ask: impl Fn(SocketAddr) -> Answer,
    ) where
        Answer: Future<Output = Result<Load, AskError>>,
    {
        let asked = pods.iter_mut().enumerate().filter(|(_, pod)| names.contains(&pod.name));
        let asked = asked.filter_map(|(index, pod)| {
            // Until it answers this question.
            pod.fresh = false;
            Some((index, ask(pod.address?)))
        });
        let asked: Vec<_> = asked.collect();
        let questions = asked.into_iter().map(|(index, answer)| async move { (index, answer.await) });
        let answers = stream::iter(questions).buffer_unordered(AT_ONCE).take_until(tokio::time::sleep(within));
        let answers: Vec<_> = answers.collect().await;
        for (index, answer) in answers {
            let Some(pod) = pods.get_mut(index) else { continue };
            match answer {
                Ok(load) => {
                    pod.load = Some(load);
                    pod.fresh = true;
                }
                Err(error) => {
                    // A pod that starts or stops is silent for a while: no news.
                    if pod.is_silent() {
                        tracing::debug!(pod = pod.name, %error, "A pod does not say how full it is");
                    }
                }
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
