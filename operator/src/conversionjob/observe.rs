//! Step 4: what the cluster says of a run. It asks and reads; what follows is decided in `stage`.

use crds::conversionjob::ShardCounts;
use futures::AsyncReadExt;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{ListParams, LogParams};
use kube::{Api, ResourceExt};

use super::build::{CONVERT_FAILURE_MESSAGE, CONVERT_FAILURE_REASON, PLAN, RETRIES};
use super::claims::{ClaimState, ENFORCE_LABEL, VolumeFacts, plan_volumes};
use super::facts::{self, CONFIGURATION_ERROR, JobEnd};
use super::result::{self, Failure, PlanResult, ReportResult, StageResult, Told, Worked};
use super::stage::{ConvertJob, Newest, Observed, StageJob, StageName, Trouble, VolumesState};
use super::validate::ValidatedJob;
use crate::conditions;
use crate::context::Context;
use crate::errors::{CallError, call};
use crate::{labels, names, pods};
use crds::conditions::JobReason;

/// Label that the Job controller puts on its pods: the Job's uid, so that pods of an earlier Job of the name are out.
const JOB_UID_LABEL: &str = "batch.kubernetes.io/controller-uid";
/// Lines of a log that are read. The container runtime stores a line of 64 KiB as up to nine of its own, and the
/// kubelet counts those.
const LOG_LINES: i64 = 64;
/// Most bytes of a log that are read.
const LOG_BYTES: u64 = 1 << 20;
/// How logs begin that the kubelet has no longer; it answers these with 200.
const LOST_LOGS: [&str; 2] = ["unable to retrieve container logs", "failed to try resolving symlinks"];

/// What was seen of a run: what decides about the next step, and what the status tells besides.
#[derive(Clone, Debug)]
pub struct Sight {
    /// What decides.
    pub observed: Observed,
    /// What the status tells besides.
    pub run: RunFacts,
}

/// What the status tells of a run besides its stage. What is None was not to be seen at this look.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunFacts {
    /// When the first Job was made.
    pub started: Option<Time>,
    /// When the newest Job ended.
    pub ended: Option<Time>,
    /// What the plan says.
    pub plan: Option<PlanResult>,
    /// The shards.
    pub shards: Option<ShardCounts>,
    /// Files of the shards that are done.
    pub files_done: Option<u64>,
    /// Pods of the newest Job that run.
    pub pods_ready: i32,
}

impl RunFacts {
    /// Takes in a Job that was just made.
    pub fn note_created(&mut self, stage: StageName, job: &Job) {
        self.started = self.started.take().or_else(|| job.metadata.creation_timestamp.clone());
        self.pods_ready = 0;
        if stage == StageName::Convert {
            self.shards = Some(facts::shard_counts(job));
            self.files_done = Some(0);
        }
    }
}

/// Looks at everything that a run's next step depends on.
pub async fn observe(ctx: &Context, job: &ValidatedJob) -> Result<Sight, CallError> {
    let volumes = observe_volumes(ctx, job).await?;
    let jobs = StageJobs::list(ctx, job).await?;
    let newest = observe_newest(ctx, job, &jobs).await?;
    let run = jobs.facts(&newest);
    Ok(Sight { observed: Observed { volumes, newest }, run })
}

async fn observe_volumes(ctx: &Context, job: &ValidatedJob) -> Result<VolumesState, CallError> {
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(ctx.client.clone(), &job.namespace);
    let mut seen = Vec::new();
    let mut inline = false;
    for volume in job.volumes.iter() {
        seen.push(if let Some(claim) = &volume.persistent_volume_claim {
            let name = claim.claim_name.clone();
            let claim = call(format!("get PersistentVolumeClaim {name}"), claims.get_opt(&name)).await?;
            VolumeFacts::Claim { name, state: claim_state(claim.as_ref()) }
        } else if volume.csi.is_some() {
            VolumeFacts::Csi
        } else {
            inline = true;
            if volume.nfs.is_some() { VolumeFacts::Nfs } else { VolumeFacts::HostPath }
        });
    }
    let enforced = if inline { enforced_standard(ctx, &job.namespace).await? } else { None };
    Ok(plan_volumes(&seen, &job.namespace, enforced.as_deref()))
}

fn claim_state(claim: Option<&PersistentVolumeClaim>) -> ClaimState {
    match claim {
        None => ClaimState::Missing,
        Some(claim) if claim.metadata.deletion_timestamp.is_some() => ClaimState::Leaving,
        Some(claim) => ClaimState::of_phase(claim.status.as_ref().and_then(|status| status.phase.as_deref())),
    }
}

/// The Pod Security Standard that the namespace enforces by its label.
async fn enforced_standard(ctx: &Context, namespace: &str) -> Result<Option<String>, CallError> {
    let namespaces: Api<Namespace> = Api::all(ctx.client.clone());
    let found = match call(format!("get Namespace {namespace}"), namespaces.get_metadata_opt(namespace)).await {
        // An operator for some namespaces may lack this right. Pods that are not admitted say so in the Job's Events.
        Err(error) if error.code() == Some(403) => None,
        found => found?,
    };
    Ok(found.and_then(|mut found| found.labels_mut().remove(ENFORCE_LABEL)))
}

/// The Jobs of a run.
#[derive(Debug, Default)]
struct StageJobs {
    plan: Option<Job>,
    convert: Option<Job>,
    report: Option<Job>,
}

impl StageJobs {
    /// The Jobs that belong to the resource: those with its labels that are controlled by its uid.
    async fn list(ctx: &Context, job: &ValidatedJob) -> Result<Self, CallError> {
        let api: Api<Job> = Api::namespaced(ctx.client.clone(), &job.namespace);
        let selector = format!("{},{}={}", labels::managed_by_us(), labels::INSTANCE, names::label_value(&job.name));
        let found = call("list Jobs", api.list(&ListParams::default().labels(&selector))).await?;
        let mut jobs = Self::default();
        for found in found.items.into_iter().filter(|found| facts::belongs_to(found, &job.uid)) {
            let component = found.labels().get(labels::COMPONENT).map(String::as_str).unwrap_or_default();
            match StageName::of_component(component) {
                Some(StageName::Plan) => jobs.plan = Some(found),
                Some(StageName::Convert) => jobs.convert = Some(found),
                Some(StageName::Report) => jobs.report = Some(found),
                None => {}
            }
        }
        Ok(jobs)
    }

    fn facts(&self, newest: &Newest) -> RunFacts {
        let all = [self.plan.as_ref(), self.convert.as_ref(), self.report.as_ref()];
        let last = all.iter().rev().find_map(|job| *job);
        let plan = match newest {
            Newest::Plan(StageJob::Succeeded(plan)) => Some(plan.clone()),
            _ => self.convert.as_ref().and_then(planned),
        };
        let done = self.convert.as_ref().zip(plan.as_ref()).map(|(convert, plan)| facts::files_done(convert, plan));
        RunFacts {
            started: all.iter().flatten().filter_map(|job| job.metadata.creation_timestamp.clone()).min(),
            ended: last.and_then(facts::end_time),
            files_done: done,
            plan,
            shards: self.convert.as_ref().map(facts::shard_counts),
            pods_ready: last.and_then(|job| job.status.as_ref()?.ready).unwrap_or_default(),
        }
    }
}

/// The plan that a convert Job was made from.
fn planned(convert: &Job) -> Option<PlanResult> {
    serde_json::from_str(convert.annotations().get(PLAN)?).ok()
}

/// Why the conversion before a report Job did not end well.
fn noted_failure(report: &Job) -> Option<Failure> {
    let reason = JobReason::from_name(report.annotations().get(CONVERT_FAILURE_REASON)?)?;
    let message = report.annotations().get(CONVERT_FAILURE_MESSAGE).cloned().unwrap_or_default();
    Some(Failure { reason, message })
}

async fn observe_newest(ctx: &Context, job: &ValidatedJob, jobs: &StageJobs) -> Result<Newest, CallError> {
    let look = Look { ctx, job };
    Ok(if let Some(report) = &jobs.report {
        let job = look.stage_job::<ReportResult>(report, StageName::Report).await?;
        Newest::Report { job, convert_failure: noted_failure(report) }
    } else if let Some(convert) = &jobs.convert {
        Newest::Convert { job: look.convert_job(convert).await?, plan: planned(convert) }
    } else if let Some(plan) = &jobs.plan {
        Newest::Plan(look.stage_job(plan, StageName::Plan).await?)
    } else {
        Newest::None
    })
}

/// What the pod that ended a stage told.
enum Word<R> {
    Told(Told<R>),
    /// There is no such pod, or its log is gone.
    Gone,
}

struct Look<'a> {
    ctx: &'a Context,
    job: &'a ValidatedJob,
}

impl Look<'_> {
    async fn stage_job<R: StageResult>(&self, job: &Job, stage: StageName) -> Result<StageJob<R>, CallError> {
        if facts::is_leaving(job) {
            return Ok(StageJob::Leaving);
        }
        let Some(end) = facts::end(job) else { return Ok(StageJob::Running(self.trouble(job).await?)) };
        let pods = self.pods(job).await?;
        let (exit_code, otherwise) = match &end {
            JobEnd::Complete => (0, self.told_nothing(job)),
            JobEnd::Failed { reason, .. } if reason == "PodFailurePolicy" => {
                (CONFIGURATION_ERROR, self.told_nothing(job))
            }
            JobEnd::Failed { message, .. } => {
                return Ok(StageJob::Failed(self.stage_failed(job, stage, message, &pods)));
            }
        };
        Ok(match self.last_word(&pods, exit_code).await? {
            Word::Gone => StageJob::Lost,
            Word::Told(Told::Error(failure)) => StageJob::Failed(failure),
            // A result beside the exit code of an error contradicts itself, and cannot be relied on.
            Word::Told(Told::Result(result)) if end == JobEnd::Complete => StageJob::Succeeded(result),
            Word::Told(_) => StageJob::Failed(otherwise),
        })
    }

    async fn convert_job(&self, job: &Job) -> Result<ConvertJob, CallError> {
        if facts::is_leaving(job) {
            return Ok(ConvertJob::Leaving);
        }
        let Some(end) = facts::end(job) else { return Ok(ConvertJob::Running(self.trouble(job).await?)) };
        let (reason, message) = match &end {
            // Field documentation and KEP differ on whether a Job with failed indexes can be Complete: look at both.
            JobEnd::Complete if facts::failed_indexes(job).is_empty() => return Ok(ConvertJob::Ended(None)),
            JobEnd::Complete => ("", ""),
            JobEnd::Failed { reason, message } => (reason.as_str(), message.as_str()),
        };
        let pods = self.pods(job).await?;
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

    async fn trouble(&self, job: &Job) -> Result<Option<Trouble>, CallError> {
        let now = conditions::now().0;
        let pods = if facts::is_slow(job, now) { Some(self.pods(job).await?) } else { None };
        Ok(facts::trouble(job, pods.as_deref(), now))
    }

    async fn pods(&self, job: &Job) -> Result<Vec<Pod>, CallError> {
        let api: Api<Pod> = Api::namespaced(self.ctx.client.clone(), &self.job.namespace);
        let selector = format!("{JOB_UID_LABEL}={}", job.uid().unwrap_or_default());
        let what = format!("list the pods of Job {}", job.name_any());
        Ok(call(what, api.list(&ListParams::default().labels(&selector))).await?.items)
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
                RETRIES + 1
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

#[cfg(test)]
mod tests;
