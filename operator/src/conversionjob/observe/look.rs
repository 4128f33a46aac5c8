//! Reading a stage's Job: how it ended, what its pods told, and what keeps them from running.

use crds::conditions::JobReason;
use futures::AsyncReadExt;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, LogParams};
use kube::{Api, ResourceExt};

use crate::context::Context;
use crate::conversionjob::deadline::exceeded;
use crate::conversionjob::facts::{self, CONFIGURATION_ERROR, JobEnd};
use crate::conversionjob::result::{self, Failure, StageResult, Told, Worked};
use crate::conversionjob::stage::{ConvertJob, Running, StageJob, StageName, Trouble};
use crate::conversionjob::validate::ValidatedJob;
use crate::errors::{CallError, call};
use crate::{conditions, pods};

/// Label that the Job controller puts on its pods: the Job's uid, so that pods of an earlier Job of the name are out.
const JOB_UID_LABEL: &str = "batch.kubernetes.io/controller-uid";
/// Lines of a log that are read. The container runtime stores a line of 64 KiB as up to nine of its own, and the
/// kubelet counts those.
const LOG_LINES: i64 = 64;
/// Most bytes of a log that are read.
const LOG_BYTES: u64 = 1 << 20;
/// How logs begin that the kubelet has no longer; it answers these with 200.
const LOST_LOGS: [&str; 2] = ["unable to retrieve container logs", "failed to try resolving symlinks"];

/// The Job controller's reason where a Job took longer than its `activeDeadlineSeconds`.
const DEADLINE: &str = "DeadlineExceeded";

/// How often a stage runs again because its result is lost. A log that is never to be read is no reason to run for ever.
const MOST_LOST: u32 = 3;

/// What the pod that ended a stage told.
enum Word<R> {
    Told(Told<R>),
    /// There is no such pod, or its log is gone.
    Gone,
}

/// What is needed to look at the Jobs and pods of a run.
pub struct Look<'a> {
    /// The client.
    pub ctx: &'a Context,
    /// The run.
    pub job: &'a ValidatedJob,
}

impl Look<'_> {
    /// A Job that tells a result.
    pub async fn stage_job<R: StageResult>(&self, job: &Job, stage: StageName) -> Result<StageJob<R>, CallError> {
        if facts::is_leaving(job) {
            return Ok(StageJob::Leaving);
        }
        let Some(end) = facts::end(job) else { return Ok(StageJob::Running(self.running(job).await?)) };
        let pods = self.pods(job, "").await?;
        let (exit_code, otherwise) = match &end {
            JobEnd::Complete => (0, self.told_nothing(job)),
            JobEnd::Failed { reason, .. } if reason == "PodFailurePolicy" => {
                (CONFIGURATION_ERROR, self.told_nothing(job))
            }
            JobEnd::Failed { reason, .. } if reason == DEADLINE => return Ok(StageJob::Failed(exceeded())),
            JobEnd::Failed { message, .. } => {
                return Ok(StageJob::Failed(self.stage_failed(job, stage, message, &pods)));
            }
        };
        let lost = |otherwise: &dyn Fn(u32) -> Failure| match facts::lost_before(job) {
            before @ 0..MOST_LOST => StageJob::Lost { before },
            before => StageJob::Failed(otherwise(before)),
        };
        Ok(match self.last_word(&pods, exit_code).await? {
            Word::Gone => lost(&|before| self.never_read(job, before)),
            // A stage that did its work has said so: containerd that restarts, or a full disk, can cost the line.
            Word::Told(Told::Nothing) if end == JobEnd::Complete => lost(&|_| otherwise.clone()),
            Word::Told(Told::Error(failure)) => StageJob::Failed(failure),
            // A result beside the exit code of an error contradicts itself, and cannot be relied on.
            Word::Told(Told::Result(result)) if end == JobEnd::Complete => StageJob::Succeeded(result),
            Word::Told(_) => StageJob::Failed(otherwise),
        })
    }

    /// The Indexed Job.
    pub async fn convert_job(&self, job: &Job) -> Result<ConvertJob, CallError> {
        if facts::is_leaving(job) {
            return Ok(ConvertJob::Leaving);
        }
        let Some(end) = facts::end(job) else { return Ok(ConvertJob::Running(self.running(job).await?)) };
        let (reason, message) = match &end {
            // Field documentation and KEP differ on whether a Job with failed indexes can be Complete: look at both.
            JobEnd::Complete if facts::failed_indexes(job).is_empty() => return Ok(ConvertJob::Ended(None)),
            JobEnd::Complete => ("", ""),
            JobEnd::Failed { reason, message } => (reason.as_str(), message.as_str()),
        };
        if reason == DEADLINE {
            return Ok(ConvertJob::Ended(Some(exceeded())));
        }
        let pods = self.pods(job, "").await?;
        if reason == "PodFailurePolicy"
            && let Word::Told(Told::Error(failure)) = self.last_word::<Worked>(&pods, CONFIGURATION_ERROR).await?
        {
            return Ok(ConvertJob::Ended(Some(failure)));
        }
        Ok(ConvertJob::Ended(Some(self.stage_failed(job, StageName::Convert, message, &pods))))
    }

    /// What the last pod with this exit code told.
    async fn last_word<R: StageResult>(&self, pods: &[Pod], exit_code: i32) -> Result<Word<R>, CallError> {
        let Some(pod) = facts::ended_with(pods, exit_code) else { return Ok(Word::Gone) };
        let log = self.log(&pod.name_any()).await?;
        Ok(log.map_or(Word::Gone, |log| Word::Told(result::read(&log))))
    }

    async fn running(&self, job: &Job) -> Result<Running, CallError> {
        Ok(Running {
            trouble: self.trouble(job).await?,
            hold: facts::hold(job),
            deadline_seconds: job.spec.as_ref().and_then(|spec| spec.active_deadline_seconds),
            started: facts::started(job),
        })
    }

    async fn trouble(&self, job: &Job) -> Result<Option<Trouble>, CallError> {
        let now = conditions::now().0;
        let pods = if facts::is_slow(job, now) { Some(self.pods(job, "").await?) } else { None };
        Ok(facts::trouble(job, pods.as_deref(), now))
    }

    /// The Job's pods that match `fields` too.
    pub async fn pods(&self, job: &Job, fields: &str) -> Result<Vec<Pod>, CallError> {
        self.list(job, ListParams::default().labels(&of_job(job)).fields(fields)).await
    }

    /// The Job's pods that work on these shards or did, and match `fields` too.
    pub async fn pods_of(&self, job: &Job, shards: &[usize], fields: &str) -> Result<Vec<Pod>, CallError> {
        let shards: Vec<String> = shards.iter().map(ToString::to_string).collect();
        let selector = format!("{},{} in ({})", of_job(job), facts::INDEX_LABEL, shards.join(","));
        self.list(job, ListParams::default().labels(&selector).fields(fields)).await
    }

    async fn list(&self, job: &Job, which: ListParams) -> Result<Vec<Pod>, CallError> {
        let api: Api<Pod> = Api::namespaced(self.ctx.client.clone(), &self.job.namespace);
        Ok(call(format!("list the pods of Job {}", job.name_any()), api.list(&which)).await?.items)
    }

    /// The end of a pod's log; None if it is gone.
    async fn log(&self, pod: &str) -> Result<Option<String>, CallError> {
        let api: Api<Pod> = Api::namespaced(self.ctx.client.clone(), &self.job.namespace);
        let params = LogParams {
            container: Some(pods::CONTAINER.to_owned()),
            tail_lines: Some(LOG_LINES),
            ..LogParams::default()
        };
        let read = async {
            let mut bytes = Vec::new();
            let stream = api.log_stream(pod, &params).await?;
            stream.take(LOG_BYTES).read_to_end(&mut bytes).await.map_err(|error| kube::Error::Service(error.into()))?;
            Ok(bytes)
        };
        match call(format!("read the log of Pod {pod}"), read).await {
            Ok(bytes) => Ok(present(String::from_utf8_lossy(&bytes).into_owned())),
            // The kubelet says 400 of a container that it has forgotten.
            Err(error) if matches!(error.code(), Some(400 | 404)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Of a Job that was lost, as were so many before it.
    fn never_read(&self, job: &Job, before: u32) -> Failure {
        let (name, namespace, times) = (job.name_any(), &self.job.namespace, before.saturating_add(1));
        Failure {
            reason: JobReason::StageFailed,
            message: format!(
                "Job {name} ended {times} times, and each time its pod or the pod's log was gone before its result was read: see whether kubectl logs -n {namespace} job/{name} shows one, and what removes pods or logs on its node; make a new ConversionJob once that is mended"
            ),
        }
    }

    fn told_nothing(&self, job: &Job) -> Failure {
        let (name, namespace) = (job.name_any(), &self.job.namespace);
        Failure {
            reason: JobReason::StageFailed,
            message: format!(
                "Job {name} ended, and its log has no result of this stage: is spec.image a converter of this operator's release? kubectl logs -n {namespace} job/{name} shows what it says"
            ),
        }
    }

    fn stage_failed(&self, job: &Job, stage: StageName, message: &str, pods: &[Pod]) -> Failure {
        Failure {
            reason: JobReason::StageFailed,
            message: failed_words(job, stage, message, pods, &self.job.namespace),
        }
    }
}

fn of_job(job: &Job) -> String {
    format!("{JOB_UID_LABEL}={}", job.uid().unwrap_or_default())
}

/// The log, unless it is the kubelet's word that there is none.
fn present(log: String) -> Option<String> {
    (!LOST_LOGS.iter().any(|lost| log.starts_with(lost))).then_some(log)
}

/// What failed, how, and where to look.
fn failed_words(job: &Job, stage: StageName, message: &str, pods: &[Pod], namespace: &str) -> String {
    let name = job.name_any();
    let last = facts::last_failure(pods).map(|last| format!(", the last try with {last}")).unwrap_or_default();
    let failed = facts::failed_indexes(job);
    let (what, logs) = if stage == StageName::Convert && !failed.is_empty() {
        let shards = facts::shard_counts(job);
        (
            format!(
                "{} of {} shards ({}) failed {} times each",
                shards.failed,
                shards.total,
                conditions::shorten(failed, 200),
                facts::tries(job)
            ),
            format!("kubectl logs -n {namespace} -l batch.kubernetes.io/job-name={name} --prefix --tail=20"),
        )
    } else {
        let message = if message.is_empty() { "its Job failed" } else { message };
        (
            format!("the {} stage failed: {message}", stage.component().as_str()),
            format!("kubectl logs -n {namespace} job/{name}"),
        )
    };
    format!("{what}{last}: {logs} shows why; make a new ConversionJob once that is mended")
}
