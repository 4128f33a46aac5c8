//! Step 3: carries a step out: makes or deletes one Job, or changes two fields of one that runs.
//!
//! A Job is made once and not applied again: nearly all of a Job cannot change, so an operator of another release would
//! have its template refused in the middle of a run, and `parallelism`, which can, may be another's to write (Kueue, a
//! person). `suspend` and `activeDeadlineSeconds` are written where the resource asks for it, with a mark that tells our hold
//! from another's.

use crds::conversionjob::ConversionJob;
use k8s_openapi::api::batch::v1::Job;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::build::{HELD, SUSPENDED, build, job_name};
use super::observe::RunFacts;
use super::stage::{Control, Grip, StageName, Step};
use super::validate::ValidatedJob;
use crate::apply::{ApplyError, Change, Deletion, apply_child, delete_child};
use crate::context::Context;
use crate::errors::{CallError, call};
use crate::labels::MANAGER;
use crate::metrics::Verb;

/// HTTP status of what there is none of.
const NOT_FOUND: u16 = 404;
/// HTTP status of a write to an object that has changed since it was read.
const CONFLICT: u16 = 409;

/// What was carried out.
#[derive(Debug)]
pub enum Applied {
    /// Nothing had to be.
    Nothing,
    /// This Job was made.
    Made(StageName, Box<Job>),
}

/// Carries out `step` for `resource`, of which `job` is the checked form and `run` what was seen.
pub async fn apply(
    ctx: &Context,
    resource: &ConversionJob,
    job: &ValidatedJob,
    run: &RunFacts,
    step: &Step,
) -> Result<Applied, ApplyError> {
    match step {
        Step::Create(new, how) => {
            let made = apply_child(ctx, resource, build(job, new, how)).await?;
            Ok(Applied::Made(new.stage(), Box::new(made.object)))
        }
        Step::Rerun(new, how) => {
            let stage = new.stage();
            tracing::info!(
                stage = stage.component().as_str(),
                lost = how.lost,
                "The stage's result is gone with its pod: it runs again"
            );
            // In one go, as only the Job that goes says how many were lost before it.
            delete_child::<Job>(ctx, resource, &job_name(&job.name, stage)).await?;
            let made = apply_child(ctx, resource, build(job, new, how)).await?;
            Ok(match made.change {
                // A finalizer of somebody else's keeps it.
                Change::Terminating => Applied::Nothing,
                _ => Applied::Made(stage, Box::new(made.object)),
            })
        }
        Step::Adjust(stage, control) => {
            adjust(ctx, job, *stage, run.newest_uid.as_deref(), *control).await?;
            Ok(Applied::Nothing)
        }
        Step::AwaitVolumes
        | Step::AwaitSettings(_)
        | Step::AwaitResume(_)
        | Step::AwaitDeletion(_)
        | Step::Follow(..)
        | Step::Finish(_) => Ok(Applied::Nothing),
    }
}

/// Changes what can change of a Job that runs. One that has gone meanwhile, or is another, is left to the next look.
async fn adjust(
    ctx: &Context,
    job: &ValidatedJob,
    stage: StageName,
    uid: Option<&str>,
    control: Control,
) -> Result<(), CallError> {
    let name = job_name(&job.name, stage);
    let api: Api<Job> = Api::namespaced(ctx.client.clone(), &job.namespace);
    let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    let patch = Patch::Merge(control_patch(uid, control));
    match call(format!("change Job {name}"), api.patch_metadata(&name, &params, &patch)).await {
        Ok(_) => {
            ctx.metrics.wrote("Job", Verb::Patch);
            Ok(())
        }
        Err(error) if matches!(error.code(), Some(NOT_FOUND | CONFLICT)) => Ok(()),
        Err(error) => Err(error),
    }
}

fn control_patch(uid: Option<&str>, control: Control) -> Value {
    let Control { grip, deadline_seconds } = control;
    let mut patch = json!({"metadata": {}, "spec": {"activeDeadlineSeconds": deadline_seconds}});
    if let Some(uid) = uid {
        // The apiserver refuses the patch if another object has the name by now.
        patch["metadata"]["uid"] = json!(uid);
    }
    // A mark that goes is null.
    let (mark, suspend) = match grip {
        Grip::Leave => return patch,
        Grip::Hold => (json!(HELD), Some(true)),
        Grip::LetGo => (Value::Null, Some(false)),
        Grip::NoteUndone(seen) => (json!(seen.to_string()), None),
        Grip::Forget => (Value::Null, None),
    };
    patch["metadata"]["annotations"] = json!({SUSPENDED: mark});
    if let Some(suspend) = suspend {
        patch["spec"]["suspend"] = json!(suspend);
    }
    patch
}

/// Deletes a resource whose time is over, as it was read: one that was changed since is looked at again.
pub async fn remove(ctx: &Context, resource: &ConversionJob) -> Result<Deletion, CallError> {
    let (name, namespace) = (resource.name_any(), resource.namespace().unwrap_or_default());
    let api: Api<ConversionJob> = Api::namespaced(ctx.client.clone(), &namespace);
    let preconditions = Preconditions { uid: resource.uid(), resource_version: resource.resource_version() };
    let params = DeleteParams::background().preconditions(preconditions);
    match call(format!("delete ConversionJob {name}"), api.delete(&name, &params)).await {
        Ok(_) => {
            ctx.metrics.wrote("ConversionJob", Verb::Delete);
            Ok(Deletion::Deleted)
        }
        Err(error) if matches!(error.code(), Some(NOT_FOUND | CONFLICT)) => Ok(Deletion::Absent),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_is_marked_as_ours_and_the_mark_goes_with_it() {
        for (control, expected) in [
            (
                Control { grip: Grip::Hold, deadline_seconds: None },
                json!({"metadata": {"uid": "u-7", "annotations": {"flacship.dev/suspended": "true"}},
                       "spec": {"suspend": true, "activeDeadlineSeconds": null}}),
            ),
            (
                Control { grip: Grip::LetGo, deadline_seconds: Some(40) },
                json!({"metadata": {"uid": "u-7", "annotations": {"flacship.dev/suspended": null}},
                       "spec": {"suspend": false, "activeDeadlineSeconds": 40}}),
            ),
            // Whoever holds it goes on to.
            (
                Control { grip: Grip::Leave, deadline_seconds: Some(40) },
                json!({"metadata": {"uid": "u-7"}, "spec": {"activeDeadlineSeconds": 40}}),
            ),
            // Whoever has let it go may hold it again meanwhile: that is not undone.
            (
                Control { grip: Grip::NoteUndone("2026-11-22T10:00:00Z".parse().unwrap()), deadline_seconds: None },
                json!({"metadata": {"uid": "u-7", "annotations": {"flacship.dev/suspended": "2026-11-22T10:00:00Z"}},
                       "spec": {"activeDeadlineSeconds": null}}),
            ),
            (
                Control { grip: Grip::Forget, deadline_seconds: Some(40) },
                json!({"metadata": {"uid": "u-7", "annotations": {"flacship.dev/suspended": null}},
                       "spec": {"activeDeadlineSeconds": 40}}),
            ),
        ] {
            assert_eq!(control_patch(Some("u-7"), control), expected);
        }
    }
}
