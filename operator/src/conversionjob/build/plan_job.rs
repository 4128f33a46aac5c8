//! The Job that walks the source and deals its files to shards.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{Job, JobSpec};

use super::{RETRIES, Stage, option_of, stage_job};
use crate::conversionjob::stage::{How, StageName};
use crate::conversionjob::validate::{OnSource, ValidatedJob};

/// One pod, tried again up to [`RETRIES`] times.
pub fn build_plan_job(job: &ValidatedJob, how: &How) -> Job {
    let globs = |option: &'static str, globs: &[String]| -> Vec<String> {
        globs.iter().map(|glob| option_of(option, glob)).collect()
    };
    let mut args = vec![option_of("shards", &job.shards.to_string()), option_of("layout", job.layout.as_str())];
    args.extend(globs("include", &job.include));
    args.extend(globs("exclude", &job.exclude));
    args.extend(moved(job).map(|folder| option_of("exclude", &folder)));
    let spec =
        JobSpec { backoff_limit: Some(RETRIES), active_deadline_seconds: how.deadline_seconds, ..JobSpec::default() };
    let stage =
        Stage { name: StageName::Plan, args, annotations: BTreeMap::new(), spec, cpu: "50m", ports: Vec::new() };
    stage_job(job, stage, how)
}

/// The folder that sources are moved to, as a glob, if it lies below the source folder: what is done is not taken again.
fn moved(job: &ValidatedJob) -> Option<String> {
    let OnSource::MoveTo(folder) = &job.on_source else { return None };
    let below = if job.source_path.is_empty() {
        folder.as_str()
    } else {
        folder.strip_prefix(&job.source_path)?.strip_prefix('/')?
    };
    Some(below.chars().flat_map(|c| r"\*?[]{}!".contains(c).then_some('\\').into_iter().chain([c])).collect())
}
