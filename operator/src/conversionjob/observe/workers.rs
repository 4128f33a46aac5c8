//! Asking the workers of the convert stage how far they have come: those that run on their admin port, those that are done by
//! their last word. A worker that does not answer costs nothing but news of it.

use std::time::{Duration, Instant};

use axum::http::Method;
use crds::conversionjob::ConversionJob;
use futures::stream::{self, StreamExt};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use super::look::Look;
use crate::ask::{self, AT_ONCE};
use crate::conversionjob::facts;
use crate::conversionjob::progress::Reading;
use crate::conversionjob::runs::Runs;
use crate::errors::CallError;

/// How long all workers together have for their answers.
const ALTOGETHER: Duration = Duration::from_secs(10);
/// How many shards' last words are read with one list: a pod is some ten kilobytes.
const SHARDS_A_LIST: usize = 100;

/// Asks the workers of `convert`, and keeps what they say.
pub async fn ask(look: &Look<'_>, runs: &Runs, convert: &Job) -> Result<(), CallError> {
    let uid = look.job.uid.as_str();
    let completed = facts::completed(convert);
    let to_read = runs.with(uid, Instant::now(), |run| run.readings.to_read(&completed));
    for shards in to_read.chunks(SHARDS_A_LIST) {
        let pods = look.pods_of(convert, shards, "status.phase=Succeeded").await?;
        runs.with(uid, Instant::now(), |run| {
            for shard in shards {
                let of_shard = pods.iter().filter(|pod| facts::shard_of(pod) == Some(*shard));
                match of_shard.filter_map(facts::last_word).find_map(|word| Reading::last_of(word, *shard)) {
                    Some(reading) => run.readings.take(reading),
                    None => run.readings.is_mute(*shard),
                }
            }
        });
    }
    let at_work = look.pods(convert, "status.phase=Running").await?;
    let questions = at_work.iter().filter_map(|pod| Some((pod.name_any(), facts::shard_of(pod)?, ask::address(pod)?)));
    let answers = stream::iter(questions.collect::<Vec<_>>()).map(|(pod, shard, at)| async move {
        match runs.pods.ask::<Reading>(Method::GET, at, "/progress").await {
            Ok(reading) if reading.shard == shard => Some(reading),
            Ok(reading) => {
                tracing::debug!(pod, shard, says = reading.shard, "A worker tells of another shard");
                None
            }
            // A pod that starts or stops is silent for a while: no news.
            Err(error) => {
                tracing::debug!(pod, %error, "A worker does not say how far it has come");
                None
            }
        }
    });
    let answers = answers.buffer_unordered(AT_ONCE).take_until(tokio::time::sleep(ALTOGETHER));
    let readings: Vec<Reading> = answers.filter_map(std::future::ready).collect().await;
    runs.with(uid, Instant::now(), |run| readings.into_iter().for_each(|reading| run.readings.take(reading)));
    Ok(())
}

/// What the last pod of `convert` that broke off tells, if one did since the status was written.
pub async fn news_of_broken(
    look: &Look<'_>,
    convert: &Job,
    resource: &ConversionJob,
) -> Result<Option<String>, CallError> {
    let known = resource.status.as_ref().and_then(|status| status.shards.as_ref()?.broken_off).unwrap_or_default();
    if facts::broken_off(convert) <= known {
        return Ok(None);
    }
    let failed: Vec<Pod> = look.pods(convert, "status.phase=Failed").await?;
    Ok(facts::last_broken_off(&failed))
}

#[cfg(test)]
mod tests;
