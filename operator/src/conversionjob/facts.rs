//! What a Job object and its pods say, read into plain values. Pure: the objects come from `observe`.

use std::collections::BTreeSet;

use crds::conditions::JobReason;
use crds::conversionjob::ShardCounts;
use k8s_openapi::api::batch::v1::{Job, JobCondition};
use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::build::{HELD, LOST, SUSPENDED};
use super::indexes;
use super::stage::{Hold, Trouble};
use crate::pods;

/// The exit code by which a stage says that another try would end the same way.
pub const CONFIGURATION_ERROR: i32 = 42;
/// The exit code of a worker that was told to stop: it goes on where it was, and that is no failure of its own.
pub const STOPPED: i32 = 143;
/// How long a Job's pods may take to appear and start before it is worth a word.
pub const PATIENCE: SignedDuration = SignedDuration::from_secs(15);
/// How long a pod with a node may take to start: volumes are mounted and images pulled meanwhile.
const START_PATIENCE: SignedDuration = SignedDuration::from_secs(90);

/// Label that the Job controller puts on the pods of an Indexed Job: the shard
/// (<https://kubernetes.io/docs/reference/labels-annotations-taints/#batch-kubernetes-io-job-completion-index>).
pub const INDEX_LABEL: &str = "batch.kubernetes.io/job-completion-index";

/// How a Job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobEnd {
    /// Every index, or the one pod, succeeded.
    Complete,
    /// Not so; the Job controller's words.
    Failed {
        /// For example `BackoffLimitExceeded`.
        reason: String,
        /// A sentence.
        message: String,
    },
}

/// How the Job ended, if it has: its pods are all gone or at their end by then.
pub fn end(job: &Job) -> Option<JobEnd> {
    end_condition(job).map(|condition| match condition.type_.as_str() {
        "Complete" => JobEnd::Complete,
        _ => JobEnd::Failed {
            reason: condition.reason.clone().unwrap_or_default(),
            message: condition.message.clone().unwrap_or_default(),
        },
    })
}

/// When the Job ended.
pub fn end_time(job: &Job) -> Option<Time> {
    let completed = job.status.as_ref().and_then(|status| status.completion_time.clone());
    completed.or_else(|| end_condition(job)?.last_transition_time.clone())
}

fn end_condition(job: &Job) -> Option<&JobCondition> {
    let conditions = job.status.as_ref()?.conditions.as_deref()?;
    conditions
        .iter()
        .find(|condition| matches!(condition.type_.as_str(), "Complete" | "Failed") && condition.status == "True")
}

/// Whether the Job is being deleted.
pub fn is_leaving(job: &Job) -> bool {
    job.metadata.deletion_timestamp.is_some()
}

/// Whether the Job is controlled by the object with this uid.
pub fn belongs_to(job: &Job, uid: &str) -> bool {
    job.owner_references().iter().any(|owner| owner.controller == Some(true) && owner.uid == uid)
}

/// The shards of an Indexed Job by state.
pub fn shard_counts(job: &Job) -> ShardCounts {
    let total = job.spec.as_ref().and_then(|spec| spec.completions).unwrap_or_default();
    let status = job.status.as_ref();
    let among = |list: Option<&String>| indexes::parse(list.map_or("", String::as_str), size(total)).len();
    let broken_off = broken_off(job);
    ShardCounts {
        total,
        active: status.and_then(|status| status.active).unwrap_or_default(),
        completed: count(among(status.and_then(|status| status.completed_indexes.as_ref()))),
        failed: count(among(status.and_then(|status| status.failed_indexes.as_ref()))),
        broken_off: (broken_off > 0).then_some(broken_off),
    }
}

/// The failed indexes as the Job lists them; empty if there are none.
pub fn failed_indexes(job: &Job) -> &str {
    job.status.as_ref().and_then(|status| status.failed_indexes.as_deref()).unwrap_or_default()
}

/// The shards that are done.
pub fn completed(job: &Job) -> BTreeSet<usize> {
    let total = job.spec.as_ref().and_then(|spec| spec.completions).unwrap_or_default();
    let list = job.status.as_ref().and_then(|status| status.completed_indexes.as_deref()).unwrap_or_default();
    indexes::parse(list, size(total))
}

/// How many Jobs of the same stage were lost before this one, as it was noted on it when it was made.
pub fn lost_before(job: &Job) -> u32 {
    job.annotations().get(LOST).and_then(|noted| noted.parse().ok()).unwrap_or_default()
}

/// How many pods of the Job broke off, those that were evicted or stopped not counted.
pub fn broken_off(job: &Job) -> i32 {
    job.status.as_ref().and_then(|status| status.failed).unwrap_or_default()
}

/// How often a shard is tried in all.
pub fn tries(job: &Job) -> i32 {
    job.spec.as_ref().and_then(|spec| spec.backoff_limit_per_index).unwrap_or_default().saturating_add(1)
}

/// The shard that a pod works on.
pub fn shard_of(pod: &Pod) -> Option<usize> {
    pod.labels().get(INDEX_LABEL)?.parse().ok()
}

fn size(number: i32) -> usize {
    usize::try_from(number).unwrap_or_default()
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// How the converter container of a pod ended, if it has.
pub fn terminated(pod: &Pod) -> Option<&ContainerStateTerminated> {
    let statuses = pod.status.as_ref()?.container_statuses.as_deref()?;
    statuses.iter().find(|status| status.name == pods::CONTAINER)?.state.as_ref()?.terminated.as_ref()
}

/// The pod that ended last among those with this exit code.
pub fn ended_with(pods: &[Pod], exit_code: i32) -> Option<&Pod> {
    pods.iter()
        .filter_map(|pod| Some((terminated(pod)?, pod)))
        .filter(|(end, _)| end.exit_code == exit_code)
        .max_by_key(|(end, _)| end.finished_at.as_ref().map(|time| time.0))
        .map(|(_, pod)| pod)
}

/// Whether a container's end is a failure.
fn failed(end: &ContainerStateTerminated) -> bool {
    !matches!(end.exit_code, 0 | STOPPED)
}

/// How the last pod that failed ended, in words: `OOMKilled, exit code 137`.
pub fn last_failure(pods: &[Pod]) -> Option<String> {
    let failed = pods.iter().filter_map(terminated).filter(|end| failed(end));
    let last = failed.max_by_key(|end| end.finished_at.as_ref().map(|time| time.0))?;
    Some(match last.reason.as_deref() {
        Some("OOMKilled") => {
            format!("OOMKilled, exit code {}: raise podTemplate.resources.limits.memory", last.exit_code)
        }
        Some(reason) if reason != "Error" => format!("{reason}, exit code {}", last.exit_code),
        _ => format!("exit code {}", last.exit_code),
    })
}

/// The shard of the pod that broke off last, and how, in words.
pub fn last_broken_off(pods: &[Pod]) -> Option<String> {
    let broke_off = pods.iter().filter(|pod| terminated(pod).is_some_and(failed));
    let last = broke_off.max_by_key(|pod| terminated(pod)?.finished_at.as_ref().map(|time| time.0))?;
    let shard = shard_of(last)?;
    Some(format!("shard {shard} with {}", last_failure(std::slice::from_ref(last))?))
}

/// Who has suspended the Job.
pub fn hold(job: &Job) -> Hold {
    let suspended = job.spec.as_ref().and_then(|spec| spec.suspend).unwrap_or(false);
    match (suspended, job.annotations().get(SUSPENDED).map(String::as_str)) {
        (true, Some(HELD)) => Hold::Ours,
        (true, _) => Hold::Foreign,
        (false, None) => Hold::None,
        (false, Some(HELD)) => Hold::Undone(None),
        // What is no time was noted at no time of ours.
        (false, Some(noted)) => Hold::Undone(Some(noted.parse().unwrap_or(Timestamp::UNIX_EPOCH))),
    }
}

/// When the Job's own clock began, from which its `activeDeadlineSeconds` is counted.
pub fn started(job: &Job) -> Option<Timestamp> {
    job.status.as_ref()?.start_time.as_ref().map(|time| time.0)
}

/// The last word of a pod's container: its termination message.
pub fn last_word(pod: &Pod) -> Option<&str> {
    terminated(pod)?.message.as_deref()
}

/// Whether the Job's pods are worth a look: it has run for a while and none of them is ready.
pub fn is_slow(job: &Job, now: Timestamp) -> bool {
    let status = job.status.as_ref();
    let ready = status.and_then(|status| status.ready).unwrap_or_default();
    let started = status.and_then(|status| status.start_time.as_ref());
    // The Job controller sets the start time at its first look; without one, count from the creation.
    let since = started.or(job.metadata.creation_timestamp.as_ref());
    ready == 0 && !hold(job).is_held() && since.is_some_and(|since| now.duration_since(since.0) >= PATIENCE)
}

/// What keeps the Job's pods from running. `pods` is None while they are not worth a look ([`is_slow`]).
///
/// The Job controller tells why it cannot create pods in Events only, which the operator does not read: what is said
/// here is what can be seen, that there is no pod, and where the reason stands.
pub fn trouble(job: &Job, pods: Option<&[Pod]>, now: Timestamp) -> Option<Trouble> {
    let name = job.name_any();
    let namespace = job.namespace().unwrap_or_default();
    let waiting = |message| Some(Trouble { reason: JobReason::Waiting, message });
    if hold(job) == Hold::Foreign {
        return waiting(format!("Job {name} is suspended: the run goes on once its spec.suspend is false"));
    }
    let pods = pods?;
    if pods.is_empty() {
        return Some(Trouble {
            reason: JobReason::PodsNotCreated,
            message: format!(
                "Job {name} has no pod: one that was taken away is made anew soon, but a quota, Pod Security or a missing ServiceAccount may refuse it; kubectl describe job {name} -n {namespace} shows the reason"
            ),
        });
    }
    if let Some(words) = pods.iter().find_map(|pod| cannot_start(pod, now)) {
        return waiting(format!("{words}; kubectl describe pod {} -n {namespace} tells more", first_pending(pods)));
    }
    let failed = job.status.as_ref().and_then(|status| status.failed).unwrap_or_default();
    let last = last_failure(pods)?;
    Some(Trouble {
        reason: JobReason::Running,
        message: format!(
            "{failed} tries of Job {name} have failed so far, the last with {last}; it is tried again by itself; kubectl logs -n {namespace} job/{name} shows why"
        ),
    })
}

fn first_pending(pods: &[Pod]) -> String {
    pods.iter().find(|pod| is_pending(pod)).map(ResourceExt::name_any).unwrap_or_default()
}

fn is_pending(pod: &Pod) -> bool {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Pending")
}

/// Why a pending pod does not start. The kubelet's alternating reasons (`ErrImagePull`, `ImagePullBackOff`) become one
/// text, so that a status that says so rests.
fn cannot_start(pod: &Pod, now: Timestamp) -> Option<String> {
    if !is_pending(pod) {
        return None;
    }
    let name = pod.name_any();
    let status = pod.status.as_ref()?;
    let container = status.container_statuses.iter().flatten().find(|status| status.name == pods::CONTAINER);
    let waiting = container.and_then(|status| status.state.as_ref()?.waiting.as_ref());
    match waiting.and_then(|waiting| waiting.reason.as_deref()) {
        Some("ErrImagePull" | "ImagePullBackOff" | "ErrImageNeverPull" | "InvalidImageName") => {
            let image = container.map(|status| status.image.clone()).unwrap_or_default();
            return Some(format!(
                "pod {name} cannot start: its image {image} cannot be pulled; check spec.image, imagePullPolicy and imagePullSecrets"
            ));
        }
        Some(reason @ ("CreateContainerConfigError" | "CreateContainerError" | "RunContainerError")) => {
            let words = waiting.and_then(|waiting| waiting.message.as_deref()).unwrap_or_default();
            return Some(format!("pod {name} cannot start: {reason}: {words}"));
        }
        _ => {}
    }
    if let Some(condition) = pods::unscheduled(status) {
        let words = condition.message.as_deref().unwrap_or_default();
        return Some(format!("pod {name} has no node: {words}"));
    }
    let since = pod.metadata.creation_timestamp.as_ref()?;
    (now.duration_since(since.0) >= START_PATIENCE)
        .then(|| format!("pod {name} has not started yet: its volumes are being mounted or its image is being pulled"))
}

#[cfg(test)]
mod tests;
