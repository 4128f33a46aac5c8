//! What a status says of time: how long the run was held, how fast it goes and when it will be done.

use std::time::Duration;

use crds::ConversionJobStatus;
use crds::conditions::JobCondition;
use crds::conversionjob::Stage;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::conditions::{Holds, find};
use crate::conversionjob::observe::RunFacts;
use crate::conversionjob::pace::{Rate, rate};
use crate::conversionjob::progress::number;

/// For how long the run has been held, where a hold ends with this status. The hold's begin is the condition's, which is
/// written together with this number.
pub fn suspended_seconds(status: &ConversionJobStatus, now_held: Holds, now: &Time) -> Option<i64> {
    let before = status.suspended_seconds;
    let held = find(&status.conditions, JobCondition::Suspended.as_str()).filter(|held| held.status == "True");
    match (held, &status.start_time) {
        // What was held before it began has no time of its own.
        (Some(held), Some(start)) if now_held != Holds::True && held.last_transition_time >= *start => {
            let seconds = now.0.duration_since(held.last_transition_time.0).as_secs().max(0);
            Some(before.unwrap_or_default().saturating_add(seconds))
        }
        _ => before,
    }
}

/// How fast it goes, and when it will be done, while files are converted; and how fast it went in all, in the end.
pub fn take_pace(status: &mut ConversionJobStatus, stage: Stage, run: Option<&RunFacts>, now: &Time) {
    let known = match stage {
        Stage::Convert => match run.and_then(|run| run.rate) {
            Some(rate) => Some(rate),
            // What was written stands until it is known anew, by an operator that has just come.
            None if status.stage == Some(Stage::Convert) => return,
            None => None,
        },
        Stage::Done | Stage::Failed => whole_rate(status),
        Stage::Pending | Stage::Plan | Stage::Report | Stage::Suspended => None,
    };
    let left = || {
        let run = run?;
        Some(run.plan.as_ref()?.bytes.saturating_sub(run.progress?.bytes_done))
    };
    let eta = |rate: Rate| {
        let time = rate.time_for(left()?)?;
        now.0.checked_add(time).ok().map(Time)
    };
    status.estimated_completion_time = known.filter(|_| stage == Stage::Convert).and_then(eta);
    status.throughput = known.map(|rate| rate.to_string());
    status.bytes_per_second = known.map(|Rate(bytes)| number(bytes));
}

/// Bytes of converted sources a second, over all of a run that has ended, its holds not counted.
fn whole_rate(status: &ConversionJobStatus) -> Option<Rate> {
    let (start, end) = (status.start_time.as_ref()?, status.completion_time.as_ref()?);
    let seconds = end.0.duration_since(start.0).as_secs().saturating_sub(status.suspended_seconds.unwrap_or_default());
    let bytes = u64::try_from(status.bytes.as_ref()?.input).ok().filter(|bytes| *bytes > 0)?;
    rate(bytes, Duration::from_secs(u64::try_from(seconds).ok()?))
}
