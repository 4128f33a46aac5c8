//! The controller of ConversionJobs: the driver of the five steps.
//!
//! `validate` (spec → job), `observe` (what the cluster says), `stage` (the decision, pure), `build` + `apply` (one Job
//! made or deleted), `status` (what is told). Observing comes before building here, as what is built depends on how far
//! the run is.
//!
//! Nothing is kept in memory: the newest of a run's three Jobs says where it stands, so an operator that was away goes on.
//! A run that has ended costs nothing: its reconcile makes no call.
//!
//! API calls of this controller, for `config/rbac`:
//!
//! | resource | verbs | for |
//! |---|---|---|
//! | `flacship.dev` conversionjobs | get, list, watch | the watch; get, by `invalid`, of one that cannot be read |
//! | `flacship.dev` conversionjobs/status | patch | the status |
//! | `batch` jobs | get, list, watch, create, patch, delete | the stages: server-side apply that creates, and a stage that runs again |
//! | `""` pods | list | the pods of a stage: which one told the result, and why none starts |
//! | `""` pods/log | get | the result of a stage |
//! | `""` persistentvolumeclaims | get | VolumesReady |
//! | `""` namespaces | get | the Pod Security label, for inline nfs and hostPath volumes only |
//! | `events.k8s.io` events | create, patch | Events |

mod apply;
mod build;
mod claims;
mod facts;
#[cfg(test)]
pub(crate) mod fixtures;
mod indexes;
mod notes;
mod observe;
mod result;
mod stage;
mod status;
mod validate;

use std::sync::Arc;
use std::time::Duration;

use crds::ConversionJob;
use crds::conditions::{JobCondition, JobReason};
use k8s_openapi::api::batch::v1::Job;
use kube::Resource;
use kube::runtime::controller::Action;
use tokio_util::sync::CancellationToken;

use crate::admin::Ready;
use crate::apply::ApplyError;
use crate::conditions::{Holds, Wanted, now};
use crate::context::Context;
use crate::driver::{self, Kind};
use crate::errors::{CallError, Categorised};
use crate::status::{StatusWrite, patch_status};
use apply::Applied;
use result::Failure;
use stage::{Step, plan_stage};
use status::Outcome;
use validate::validate;

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
}

impl Categorised for Error {
    fn category(&self) -> &'static str {
        match self {
            Self::Observe(error) | Self::Status(error) => error.category(),
            Self::Apply(error) => error.category(),
        }
    }
}

/// Runs the controller until `shutdown`.
pub async fn run(ctx: Arc<Context>, ready: Ready, shutdown: CancellationToken) {
    let (jobs, watch) = driver::children::<Job>(&ctx);
    let controller = driver::controller::<ConversionJob>(&ctx).owns(jobs, &watch);
    driver::drive(controller, ctx, ready, shutdown, reconcile).await;
}

async fn reconcile(resource: Arc<ConversionJob>, ctx: Arc<Context>) -> Result<Action, Error> {
    if status::has_ended(&resource) {
        return Ok(Action::await_change());
    }
    let outcome = look(&ctx, &resource).await?;
    let new = status::compute(&resource, &outcome, &now());
    let old = resource.status.as_ref();
    let written = patch_status(&ctx, resource.as_ref(), old, &new).await.map_err(Error::Status)?;
    if matches!(written, StatusWrite::Written(_)) {
        let regarding = resource.object_ref(&());
        for note in notes::notes(old, &new) {
            ctx.events.publish(&regarding, note).await;
        }
    }
    Ok(match plan_next_look(&outcome) {
        NextLook::Never => Action::await_change(),
        NextLook::Rested => driver::at_rest(resource.as_ref()),
        NextLook::After(time) => Action::requeue(time),
    })
}

/// The first four steps.
async fn look(ctx: &Context, resource: &ConversionJob) -> Result<Outcome, Error> {
    let job = match validate(resource) {
        Ok(job) => job,
        Err(invalid) => return Ok(Outcome::Invalid(invalid)),
    };
    let mut sight = observe::observe(ctx, &job).await.map_err(Error::Observe)?;
    let step = plan_stage(&sight.observed);
    match apply::apply(ctx, resource, &job, &step).await {
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

fn plan_next_look(outcome: &Outcome) -> NextLook {
    match outcome {
        Outcome::Invalid(_) => NextLook::Never,
        Outcome::Refused { .. } => NextLook::After(WAIT),
        Outcome::Stepped { sight, step } => match step {
            Step::Finish(_) => NextLook::Never,
            Step::AwaitVolumes | Step::AwaitDeletion(_) | Step::Rerun(_) => NextLook::After(WAIT),
            Step::Follow(_, None) if sight.run.pods_ready > 0 => NextLook::Rested,
            Step::Create(_) | Step::Follow(..) => NextLook::After(START),
        },
    }
}

#[cfg(test)]
mod tests;
