//! The Job that merges the shards' results.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{Job, JobSpec};

use super::{CONVERT_FAILURE_MESSAGE, CONVERT_FAILURE_REASON, RETRIES, Stage, option_of, stage_job};
use crate::conversionjob::result::Failure;
use crate::conversionjob::stage::{How, StageName};
use crate::conversionjob::validate::ValidatedJob;

/// One pod, tried again up to [`RETRIES`] times, without a deadline: it comes after the run's time too. What went wrong in
/// the conversion is kept on the Job, as the convert Job's pods may be gone when the report is done.
pub fn build_report_job(job: &ValidatedJob, convert_failure: Option<&Failure>, how: &How) -> Job {
    let annotations = convert_failure.map_or_else(BTreeMap::new, |failure| {
        BTreeMap::from([
            (CONVERT_FAILURE_REASON.to_owned(), failure.reason.to_string()),
            (CONVERT_FAILURE_MESSAGE.to_owned(), failure.message.clone()),
        ])
    });
    let mut args = vec![option_of("title", &job.name)];
    args.extend(convert_failure.map(|failure| option_of("ended", &failure.message)));
    // Part of a second is a whole one: records are not to go before their time.
    let seconds = job.records_ttl.map(|stay| stay.as_secs() + u64::from(stay.subsec_nanos() > 0));
    args.extend(seconds.map(|seconds| option_of("keep-for", &seconds.to_string())));
    let spec = JobSpec { backoff_limit: Some(RETRIES), ..JobSpec::default() };
    let stage = Stage { name: StageName::Report, args, annotations, spec, cpu: "50m", ports: Vec::new() };
    stage_job(job, stage, how)
}
