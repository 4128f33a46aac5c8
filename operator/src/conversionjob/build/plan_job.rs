//! The Job that walks the source and deals its files to shards.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{Job, JobSpec};

use super::{RETRIES, Stage, option_of, stage_job};
use crate::conversionjob::stage::StageName;
use crate::conversionjob::validate::ValidatedJob;

/// One pod, tried again up to [`RETRIES`] times.
pub fn build_plan_job(job: &ValidatedJob, default_image: &str) -> Job {
    let globs = |option: &'static str, globs: &[String]| -> Vec<String> {
        globs.iter().map(|glob| option_of(option, glob)).collect()
    };
    let mut args = vec![option_of("shards", &job.shards.to_string())];
    args.extend(globs("include", &job.include));
    args.extend(globs("exclude", &job.exclude));
    let spec = JobSpec { backoff_limit: Some(RETRIES), ..JobSpec::default() };
    let stage = Stage { name: StageName::Plan, args, annotations: BTreeMap::new(), spec, cpu: "50m" };
    stage_job(job, stage, default_image)
}
