//! The Indexed Job that works on the shards, an index each.

use k8s_openapi::api::batch::v1::{Job, JobSpec};

use super::{PLAN, RETRIES, Stage, option_of, stage_job};
use crate::conversionjob::result::PlanResult;
use crate::conversionjob::stage::StageName;
use crate::conversionjob::validate::{ValidatedJob, Verify};
use crate::encoding;

/// As many indexes as shards have files, each tried again up to [`RETRIES`] times on its own. The worker reads its
/// index from `JOB_COMPLETION_INDEX`, which the Job controller sets.
pub fn build_convert_job(job: &ValidatedJob, plan: &PlanResult, default_image: &str) -> Job {
    let completions = i32::try_from(plan.shards_with_files()).unwrap_or(job.shards).min(job.shards);
    let verify = match job.verify {
        Verify::Yes => "true",
        Verify::No => "false",
    };
    let mut args = vec![option_of("overwrite", job.overwrite.as_str())];
    args.extend(encoding::settings(&job.encoding).into_iter().map(|(name, value)| option_of(name, &value)));
    args.push(option_of("verify", verify));
    // A plan of plain numbers has always a JSON form; without one, progress would not be counted, no more.
    let annotations = serde_json::to_string(plan).map(|json| [(PLAN.to_owned(), json)].into()).unwrap_or_default();
    let spec = JobSpec {
        completion_mode: Some("Indexed".to_owned()),
        completions: Some(completions),
        parallelism: Some(job.parallelism.min(completions)),
        backoff_limit_per_index: Some(RETRIES),
        ..JobSpec::default()
    };
    let stage = Stage { name: StageName::Convert, args, annotations, spec, cpu: "100m" };
    stage_job(job, stage, default_image)
}
