//! Step 3: carries a step out: makes or deletes one Job, and never touches one that runs.
//!
//! A Job is made once and not applied again: nearly all of a Job cannot change, so an operator of another release would
//! have its template refused in the middle of a run, and `suspend` and `parallelism`, which can, may be another's to
//! write (Kueue, a person).

use crds::conversionjob::ConversionJob;
use k8s_openapi::api::batch::v1::Job;

use super::build::{build, job_name};
use super::stage::{StageName, Step};
use super::validate::ValidatedJob;
use crate::apply::{ApplyError, apply_child, delete_child};
use crate::context::Context;

/// What was carried out.
#[derive(Debug)]
pub enum Applied {
    /// Nothing had to be.
    Nothing,
    /// This Job was made.
    Made(StageName, Box<Job>),
}

/// Carries out `step` for `resource`, of which `job` is the checked form.
pub async fn apply(
    ctx: &Context,
    resource: &ConversionJob,
    job: &ValidatedJob,
    step: &Step,
) -> Result<Applied, ApplyError> {
    match step {
        Step::Create(new) => {
            let made = apply_child(ctx, resource, build(job, new, &ctx.config.converter_image)).await?;
            Ok(Applied::Made(new.stage(), Box::new(made.object)))
        }
        Step::Rerun(stage) => {
            tracing::info!(
                stage = stage.component().as_str(),
                "The stage's result is gone with its pod: it runs again"
            );
            delete_child::<Job>(ctx, resource, &job_name(&job.name, *stage)).await?;
            Ok(Applied::Nothing)
        }
        Step::AwaitVolumes | Step::AwaitDeletion(_) | Step::Follow(..) | Step::Finish(_) => Ok(Applied::Nothing),
    }
}
