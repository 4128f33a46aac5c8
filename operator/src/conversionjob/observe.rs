//! Step 4: what the cluster says of a run. It asks and reads; what follows is decided in `stage`.

use std::time::Instant;

use crds::AudioConverter;
use crds::conditions::{JobCondition, JobReason};
use crds::conversionjob::{ConversionJob, ShardCounts};
use k8s_openapi::api::batch::v1::{Job, JobStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use super::build::{CONVERT_FAILURE_MESSAGE, CONVERT_FAILURE_REASON, PLAN};
use super::deadline::{Clock, plan_deadline};
use super::facts;
use super::pace::Rate;
use super::progress::{Progress, plan_progress};
use super::result::{Failure, PlanResult, ReportResult};
use super::runs::Runs;
use super::settings::{self, ConverterSeen, SETTINGS, SettingsState, plan_settings};
use super::stage::{ConvertJob, Hold, Newest, Observed, StageJob, StageName};
use super::validate::ValidatedJob;
use crate::conditions::{self, find};
use crate::context::Context;
use crate::errors::{CallError, call};
use crate::{labels, names};
use look::Look;

mod look;
mod volumes;
mod workers;

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
    /// How far the conversion has come.
    pub progress: Option<Progress>,
    /// How fast it goes.
    pub rate: Option<Rate>,
    /// The newest Job's uid.
    pub newest_uid: Option<String>,
    /// Pods of the newest Job that run.
    pub pods_ready: i32,
    /// Pods of the newest Job that are there, those on their way out too.
    pub pods: i32,
    /// Who holds the newest Job.
    pub hold: Hold,
    /// Why the conversion did not end well.
    pub convert_failure: Option<Failure>,
    /// What is known of pods that broke off since the status was written.
    pub broke_off: Option<String>,
    /// The shards that failed, as the Job lists them, and how often each was tried.
    pub failed_shards: Option<(String, i32)>,
}

impl RunFacts {
    /// Takes in a Job that was just made.
    pub fn note_created(&mut self, stage: StageName, job: &Job) {
        self.started = self.started.take().or_else(|| job.metadata.creation_timestamp.clone());
        self.pods_ready = 0;
        if stage == StageName::Convert {
            self.shards = Some(facts::shard_counts(job));
        }
    }
}

/// Looks at everything that a run's next step depends on, and asks its workers how far they have come if it is time.
pub async fn observe(
    ctx: &Context,
    runs: &Runs,
    resource: &ConversionJob,
    job: &ValidatedJob,
) -> Result<Sight, CallError> {
    let volumes = volumes::observe_volumes(ctx, job).await?;
    let jobs = StageJobs::list(ctx, job).await?;
    let settings = observe_settings(ctx, job, &jobs).await?;
    let look = Look { ctx, job };
    let newest = observe_newest(&look, &jobs).await?;
    let mut run = jobs.facts(&newest);
    if let (Some(convert), Some(plan)) = (&jobs.convert, &run.plan) {
        let at_work = matches!(&newest, Newest::Convert { job: ConvertJob::Running(_), .. });
        let now = Instant::now();
        let asked = at_work && !run.hold.is_held() && runs.with(&job.uid, now, |run| run.is_due(runs.interval, now));
        if asked {
            workers::ask(&look, runs, convert).await?;
        }
        let completed = facts::completed(convert);
        (run.progress, run.rate) = runs.with(&job.uid, now, |memory| {
            let progress = plan_progress(plan, &memory.readings, &completed);
            if asked {
                memory.asked(&progress, Instant::now());
            } else if run.hold.is_held() {
                memory.held();
            }
            (Some(progress), memory.rate())
        });
        run.broke_off = workers::news_of_broken(&look, convert, resource).await?;
    }
    let now = conditions::now().0;
    let clock = clock(resource, &run);
    let observed = Observed {
        volumes,
        settings,
        newest,
        suspend: job.suspend,
        forbidden: job.forbidden.as_ref().map(|why| Failure { reason: why.reason(), message: why.to_string() }),
        deadline: plan_deadline(job.deadline_seconds, clock, now),
        begun: clock.started.is_some(),
        now,
    };
    Ok(Sight { observed, run })
}

/// The clock of a run: its start and its holds stand in the status, where they are written together.
fn clock(resource: &ConversionJob, run: &RunFacts) -> Clock {
    let status = resource.status.as_ref();
    let started = status.and_then(|status| status.start_time.as_ref()).or(run.started.as_ref());
    let conditions = status.map(|status| status.conditions.as_slice()).unwrap_or_default();
    let held = find(conditions, JobCondition::Suspended.as_str()).filter(|condition| condition.status == "True");
    Clock {
        started: started.map(|time| time.0),
        suspended_seconds: status.and_then(|status| status.suspended_seconds).unwrap_or_default(),
        suspended_since: held.map(|condition| condition.last_transition_time.0),
    }
}

/// Image and encoding: those that the run has begun with, else those of now.
async fn observe_settings(ctx: &Context, job: &ValidatedJob, jobs: &StageJobs) -> Result<SettingsState, CallError> {
    let kept = jobs.newest_first().find_map(|job| settings::kept(job.annotations().get(SETTINGS)?));
    if let Some(kept) = kept {
        return Ok(SettingsState::Known(Box::new(kept)));
    }
    let converter = match &job.converter {
        None => None,
        Some(name) => Some(observe_converter(ctx, &job.namespace, name).await?),
    };
    Ok(plan_settings(job, converter.as_ref(), &ctx.config.converter_image))
}

/// One AudioConverter. Nothing is asked of a name that none can have: in a URL it may be another.
async fn observe_converter(ctx: &Context, namespace: &str, name: &str) -> Result<ConverterSeen, CallError> {
    if !names::is_subdomain(name) {
        return Ok(ConverterSeen::Impossible);
    }
    let converters: Api<AudioConverter> = Api::namespaced(ctx.client.clone(), namespace);
    match call(format!("get AudioConverter {name}"), converters.get_opt(name)).await {
        Ok(Some(converter)) => Ok(ConverterSeen::There(Box::new(converter))),
        Ok(None) => Ok(ConverterSeen::Missing),
        Err(CallError::Kube { source, .. }) if matches!(*source, kube::Error::SerdeError(_)) => {
            Ok(ConverterSeen::Unreadable(source.to_string()))
        }
        Err(error) => Err(error),
    }
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

    /// The Jobs that there are.
    fn newest_first(&self) -> impl Iterator<Item = &Job> {
        [&self.report, &self.convert, &self.plan].into_iter().flatten()
    }

    fn facts(&self, newest: &Newest) -> RunFacts {
        let last = self.newest_first().next();
        let plan = match newest {
            Newest::Plan(StageJob::Succeeded(plan)) => Some(plan.clone()),
            _ => self.convert.as_ref().and_then(planned),
        };
        let of_last = |count: fn(&JobStatus) -> Option<i32>| {
            last.and_then(|job| job.status.as_ref()).and_then(count).unwrap_or_default()
        };
        let convert_failure = match newest {
            Newest::Convert { job: ConvertJob::Ended(failure), .. } => failure.clone(),
            Newest::Report { convert_failure, .. } => convert_failure.clone(),
            _ => None,
        };
        let failed = self.convert.as_ref().filter(|job| !facts::failed_indexes(job).is_empty());
        RunFacts {
            started: self.newest_first().filter_map(|job| job.metadata.creation_timestamp.clone()).min(),
            ended: if ends_run(newest) { last.and_then(facts::end_time) } else { None },
            progress: plan.as_ref().map(|_| Progress::default()),
            plan,
            shards: self.convert.as_ref().map(facts::shard_counts),
            rate: None,
            newest_uid: last.and_then(ResourceExt::uid),
            pods_ready: of_last(|status| status.ready),
            pods: of_last(|status| status.active).saturating_add(of_last(|status| status.terminating)),
            hold: last.map(facts::hold).unwrap_or_default(),
            convert_failure,
            broke_off: None,
            failed_shards: failed.map(|job| (facts::failed_indexes(job).to_owned(), facts::tries(job))),
        }
    }
}

/// Whether the end of the newest Job is that of the run. Another stage may have been waited for since any other Job's end.
fn ends_run(newest: &Newest) -> bool {
    matches!(
        newest,
        Newest::Plan(StageJob::Failed(_)) | Newest::Report { job: StageJob::Succeeded(_) | StageJob::Failed(_), .. }
    )
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

async fn observe_newest(look: &Look<'_>, jobs: &StageJobs) -> Result<Newest, CallError> {
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

#[cfg(test)]
mod tests;
