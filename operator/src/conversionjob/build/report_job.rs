//! The Job that merges the shards' results.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{Job, JobSpec};

use super::{CONVERT_FAILURE_MESSAGE, CONVERT_FAILURE_REASON, RETRIES, Stage, stage_job};
use crate::conversionjob::result::Failure;
use crate::conversionjob::stage::StageName;
use crate::conversionjob::validate::ValidatedJob;

/// One pod, tried again up to [`RETRIES`] times. What went wrong in the conversion is kept on the Job, as the convert
/// Job's pods may be gone when the report is done.
pub fn build_report_job(job: &ValidatedJob, convert_failure: Option<&Failure>, default_image: &str) -> Job {
    let annotations = convert_failure.map_or_else(BTreeMap::new, |failure| {
        BTreeMap::from([
            (CONVERT_FAILURE_REASON.to_owned(), failure.reason.to_string()),
            (CONVERT_FAILURE_MESSAGE.to_owned(), failure.message.clone()),
        ])
    });
    let spec = JobSpec { backoff_limit: Some(RETRIES), ..JobSpec::default() };
    let stage = Stage { name: StageName::Report, args: Vec::new(), annotations, spec, cpu: "50m" };
    stage_job(job, stage, default_image)
}
