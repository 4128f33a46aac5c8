//! The controller of ConversionJobs: the driver of the five steps.
//!
//! `validate` (spec → job), `observe` (what the cluster says), `stage` (the decision, pure), `build` + `apply` (one Job
//! made or deleted), `status` (what is told). Observing comes before building here, as what is built depends on how far
//! the run is.
//!
//! Nothing that decides is kept in memory: the newest of a run's three Jobs says where it stands, so an operator that was away
//! goes on. What [`runs`] keeps is how far and how fast the conversion goes. A run that has ended costs nothing: its reconcile
//! makes no call, until `ttlSecondsAfterFinished` is over.
//!
//! API calls of this controller, for `config/rbac`:
//!
//! | resource | verbs | for |
//! |---|---|---|
//! | `flacship.dev` conversionjobs | get, list, watch, delete | the watch; get, by `invalid`, of one that cannot be read; delete: `ttlSecondsAfterFinished` |
//! | `flacship.dev` conversionjobs/status | patch | the status |
//! | `flacship.dev` audioconverters | get | the one that `converterRef` names |
//! | `batch` jobs | get, list, watch, create, patch, delete | the stages: server-side apply that creates, a patch of `suspend` and `activeDeadlineSeconds`, and a stage that runs again |
//! | `""` pods | list | the pods of a stage: which one told the result, why none starts, and which to ask for progress |
//! | `""` pods/log | get | the result of a stage |
//! | `""` persistentvolumeclaims | get | VolumesReady |
//! | `""` namespaces | get | the Pod Security label, for inline nfs and hostPath volumes only |
//! | `events.k8s.io` events | create, patch | Events |

mod apply;
mod build;
mod claims;
mod deadline;
mod facts;
#[cfg(test)]
pub(crate) mod fixtures;
mod indexes;
mod notes;
mod observe;
mod pace;
mod progress;
mod result;
pub mod runs;
mod settings;
mod stage;
mod status;
mod ttl;
mod validate;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crds::conditions::{JobCondition, JobReason};
use crds::conversionjob::{ByteCounts, FileCounts, Stage};
use crds::{ConversionJob, ConversionJobStatus};
use k8s_openapi::api::batch::v1::Job;
use kube::runtime::controller::Action;
use kube::{Resource, ResourceExt};
use tokio_util::sync::CancellationToken;

use crate::admin::Ready;
use crate::apply::{ApplyError, Deletion};
use crate::conditions::{Holds, Wanted, is_true, now};
use crate::context::Context;
use crate::driver::{self, Kind, Objects};
use crate::errors::{CallError, Categorised};
use crate::events::Note;
use crate::metrics::{JobFigures, JobPhase, Metrics, Underway};
use crate::status::{StatusWrite, patch_status};
use apply::Applied;
use result::Failure;
use runs::Runs;
use stage::{Hold, StageName, Step, plan_stage};
use status::Outcome;
use ttl::{Ttl, plan_ttl};
use validate::{Allowed, validate};

/// How soon to look again while a person or another program has to change something.
const WAIT: Duration = Duration::from_secs(10);
/// How soon to look again while pods have to start: a little more than the time after which that is worth a word.
const START: Duration = Duration::from_secs(16);

impl Kind for ConversionJob {
    const NAME: &'static str = "ConversionJob";

    fn unreadable(message: String) -> Vec<Wanted> {
        let reason = JobReason::InvalidSpec.as_str();
        vec![Wanted { type_: JobCondition::Accepted.as_str(), status: Holds::False, reason, message }]
    }

    fn measure(metrics: &Metrics, objects: Objects<Self>) {
        metrics.jobs.read_from(move || {
            objects().iter().filter_map(|object| object.0.as_ref().ok().and_then(figures)).collect()
        });
    }
}

fn figures(job: &ConversionJob) -> Option<JobFigures> {
    let status = job.status.as_ref()?;
    let phase = phase(status.stage?);
    let underway = match phase {
        JobPhase::Complete | JobPhase::Failed => None,
        _ => status.files.as_ref().map(|files| Underway {
            planned: files.total,
            done: progress::known_done(status).unwrap_or_default(),
            failed: files.failed,
        }),
    };
    Some(JobFigures { namespace: job.namespace()?, name: job.name_any(), phase, underway })
}

const fn phase(stage: Stage) -> JobPhase {
    match stage {
        Stage::Pending => JobPhase::Pending,
        Stage::Plan => JobPhase::Plan,
        Stage::Convert => JobPhase::Convert,
        Stage::Report => JobPhase::Report,
        Stage::Suspended => JobPhase::Suspended,
        Stage::Done => JobPhase::Complete,
        Stage::Failed => JobPhase::Failed,
    }
}

/// A reconcile that did not come to its end.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("observing: {0}")]
    Observe(#[source] CallError),
    #[error("applying: {0}")]
    Apply(#[source] ApplyError),
    #[error("writing the status: {0}")]
    Status(#[source] CallError),
    #[error("removing what has had its time: {0}")]
    Remove(#[source] CallError),
}

impl Categorised for Error {
    fn category(&self) -> &'static str {
        match self {
            Self::Observe(error) | Self::Status(error) | Self::Remove(error) => error.category(),
            Self::Apply(error) => error.category(),
        }
    }
}

/// Runs the controller until `shutdown`.
pub async fn run(ctx: Arc<Context>, ready: Ready, shutdown: CancellationToken) {
    let (jobs, watch) = driver::children::<Job>(&ctx);
    let runs = Arc::new(Runs::new(&ctx.config.progress, ctx.config.load.load_timeout));
    let controller = driver::controller::<ConversionJob>(&ctx).owns(jobs, &watch);
    driver::drive(controller, ctx, ready, shutdown, move |resource, ctx| reconcile(resource, ctx, Arc::clone(&runs)))
        .await;
}

async fn reconcile(resource: Arc<ConversionJob>, ctx: Arc<Context>, runs: Arc<Runs>) -> Result<Action, Error> {
    let uid = resource.uid().unwrap_or_default();
    let ended = status::has_ended(&resource);
    let caught_up = if ended { status::caught_up(&resource) } else { None };
    if ended && caught_up.is_none() {
        runs.forget(&uid);
        return after_the_end(&ctx, &resource).await;
    }
    if let Some(pause) = runs.pause(&uid, resource.status.as_ref(), Instant::now()) {
        return Ok(Action::requeue(pause));
    }
    if let Some(new) = caught_up {
        // It comes back as a change of the resource.
        write(&ctx, &runs, &resource, &new).await?;
        return Ok(Action::requeue(WAIT));
    }
    // Boxed: it holds what was seen and what is to be made by value.
    let outcome = Box::pin(look(&ctx, &runs, &resource)).await?;
    let new = status::compute(&resource, &outcome, &now());
    let old = resource.status.as_ref();
    let next = plan_next_look(&outcome, runs.interval);
    if old != Some(&new)
        && status::is_progress_alone(old, &new)
        && let Some(wait) = runs.wait_to_write(&uid, Instant::now())
    {
        return Ok(Action::requeue(next.no_later_than(wait)));
    }
    if matches!(write(&ctx, &runs, &resource, &new).await?, StatusWrite::Written(_)) {
        count(&ctx.metrics, old, &new);
        let regarding = resource.object_ref(&());
        for note in notes::notes(old, &new, outcome.run()) {
            ctx.events.publish(&regarding, note).await;
        }
    }
    Ok(match next {
        NextLook::Never => Action::await_change(),
        NextLook::Rested => driver::at_rest(resource.as_ref()),
        NextLook::After(time) => Action::requeue(time),
    })
}

/// Writes the status, and remembers when.
async fn write(
    ctx: &Context,
    runs: &Runs,
    resource: &ConversionJob,
    new: &ConversionJobStatus,
) -> Result<StatusWrite, Error> {
    let written = patch_status(ctx, resource, resource.status.as_ref(), new).await;
    // One whose answer is lost may have been taken.
    if !matches!(written, Ok(StatusWrite::Unchanged)) {
        runs.wrote(&resource.uid().unwrap_or_default(), Instant::now());
    }
    written.map_err(Error::Status)
}

/// What is left to do for a run that has ended: to go when it is time.
async fn after_the_end(ctx: &Context, resource: &ConversionJob) -> Result<Action, Error> {
    match plan_ttl(resource, now().0) {
        Ttl::Stays => Ok(Action::await_change()),
        Ttl::In(time) => Ok(Action::requeue(time)),
        Ttl::Over { seconds, field } => {
            if apply::remove(ctx, resource).await.map_err(Error::Remove)? == Deletion::Deleted {
                let words = format!("Deleted {seconds} s after its run had ended, as {field} says; its records stay");
                ctx.events.publish(&resource.object_ref(&()), Note::normal("Expired", "Delete", words)).await;
            }
            Ok(Action::await_change())
        }
    }
}

/// Counts what has come with a status.
fn count(metrics: &Metrics, old: Option<&ConversionJobStatus>, new: &ConversionJobStatus) {
    let before = old.and_then(|status| status.files.clone()).unwrap_or_default();
    let now = new.files.clone().unwrap_or_default();
    let files = FileCounts {
        total: now.total - before.total,
        converted: now.converted - before.converted,
        skipped: now.skipped - before.skipped,
        failed: now.failed - before.failed,
    };
    let before = old.and_then(|status| status.bytes.clone()).unwrap_or_default();
    let now = new.bytes.clone().unwrap_or_default();
    let bytes = ByteCounts { input: now.input - before.input, output: now.output - before.output };
    metrics.converted(&files, &bytes);
    let ended = [JobCondition::Complete, JobCondition::Failed]
        .into_iter()
        .find(|condition| is_true(&new.conditions, condition.as_str()));
    if let Some(condition) = ended
        && let Some(told) = crate::conditions::find(&new.conditions, condition.as_str())
        && let Some(reason) = JobReason::from_name(&told.reason)
    {
        metrics.run_ended(new.stage.map_or(JobPhase::Failed, phase), reason);
    }
}

/// The first four steps.
async fn look(ctx: &Context, runs: &Runs, resource: &ConversionJob) -> Result<Outcome, Error> {
    let job = match validate(resource, Allowed::by(&ctx.config)) {
        Ok(job) => job,
        Err(invalid) => return Ok(Outcome::Invalid(invalid)),
    };
    let mut sight = observe::observe(ctx, runs, resource, &job).await.map_err(Error::Observe)?;
    if let (false, Some(forbidden)) = (sight.observed.begun, &job.forbidden) {
        return Ok(Outcome::Invalid(forbidden.clone()));
    }
    let step = plan_stage(&sight.observed);
    match apply::apply(ctx, resource, &job, &sight.run, &step).await {
        Ok(Applied::Nothing) => {}
        Ok(Applied::Made(stage, made)) => sight.run.note_created(stage, &made),
        Err(error) if error.needs_a_person() => {
            let reason = match &error {
                ApplyError::NameTaken { .. } => JobReason::NameTaken,
                _ => JobReason::ChildRefused,
            };
            return Ok(Outcome::Refused { sight, failure: Failure { reason, message: error.to_string() } });
        }
        Err(error) => return Err(Error::Apply(error)),
    }
    Ok(Outcome::Stepped { sight, step })
}

/// When to look again, if no watch says so before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NextLook {
    /// Not at all: the run has ended.
    Never,
    /// As at any object at rest: pods work, and the watch tells of their end.
    Rested,
    /// After this time, as what is waited for may make no watch event.
    After(Duration),
}

impl NextLook {
    /// The time until it, `most` at the latest.
    fn no_later_than(self, most: Duration) -> Duration {
        match self {
            Self::After(time) => time.min(most),
            Self::Never | Self::Rested => most,
        }
    }
}

/// When to look again; `interval` is how often workers are asked.
fn plan_next_look(outcome: &Outcome, interval: Duration) -> NextLook {
    match outcome {
        Outcome::Invalid(_) => NextLook::Never,
        Outcome::Refused { .. } => NextLook::After(WAIT),
        Outcome::Stepped { sight, step } => match step {
            Step::Finish(_) => NextLook::Never,
            // Only an operator that was started otherwise goes on.
            Step::AwaitSettings(_) if sight.observed.forbidden.is_some() => NextLook::Rested,
            // A change of the spec wakes it; until its pods have gone, the Job does.
            Step::AwaitResume(_) => NextLook::Rested,
            Step::Follow(..) if sight.run.hold == Hold::Foreign => NextLook::Rested,
            // It is to be held again.
            Step::Follow(..) if matches!(sight.run.hold, Hold::Undone(_)) => NextLook::After(WAIT),
            Step::AwaitVolumes | Step::AwaitSettings(_) | Step::AwaitDeletion(_) | Step::Adjust(..) => {
                NextLook::After(WAIT)
            }
            Step::Follow(StageName::Convert, None) if sight.run.pods_ready > 0 => NextLook::After(interval),
            Step::Follow(_, None) if sight.run.pods_ready > 0 => NextLook::Rested,
            Step::Create(..) | Step::Rerun(..) | Step::Follow(..) => NextLook::After(START),
        },
    }
}

#[cfg(test)]
mod tests;
