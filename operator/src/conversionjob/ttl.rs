//! `ttlSecondsAfterFinished`: when a resource goes whose run has ended. Pure.

use std::time::Duration;

use crds::conditions::JobCondition;
use crds::conversionjob::ConversionJob;
use k8s_openapi::jiff::Timestamp;

use crate::conditions::is_true;

/// When a resource goes whose run has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ttl {
    /// When somebody deletes it.
    Stays,
    /// After this time.
    In(Duration),
    /// Now; it stayed for so many seconds, as this field asks for.
    Over {
        /// What the spec says.
        seconds: i64,
        /// Where it says so.
        field: &'static str,
    },
}

/// When a resource whose run has ended goes.
pub fn plan_ttl(job: &ConversionJob, now: Timestamp) -> Ttl {
    let status = job.status.as_ref();
    let Some((wanted, ended)) =
        job.spec.ttl_seconds_after_finished.as_ref().zip(status.and_then(|status| status.completion_time.as_ref()))
    else {
        return Ttl::Stays;
    };
    let conditions = status.map(|status| status.conditions.as_slice()).unwrap_or_default();
    let (seconds, field) = if is_true(conditions, JobCondition::Complete.as_str()) {
        (wanted.succeeded, "ttlSecondsAfterFinished.succeeded")
    } else {
        (wanted.failed, "ttlSecondsAfterFinished.failed")
    };
    let Some(seconds) = seconds else { return Ttl::Stays };
    let left = seconds.saturating_sub(now.duration_since(ended.0).as_secs());
    match u64::try_from(left) {
        Ok(left) if left > 0 => Ttl::In(Duration::from_secs(left)),
        _ => Ttl::Over { seconds, field },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversionjob::fixtures::job;

    const NOON: &str = "2026-11-22T12:00:00Z";

    fn plan(ttl: &str, ended: &str, condition: &str) -> Ttl {
        let mut job = job(&format!("{{source: {{volume: {{csi: {{driver: d}}}}}}{ttl}}}"));
        job.status = Some(
            serde_yaml::from_str(&format!(
                "{{completionTime: '{ended}', conditions: [{{type: {condition}, status: 'True', reason: R, message: m, lastTransitionTime: '{ended}'}}]}}"
            ))
            .unwrap(),
        );
        plan_ttl(&job, NOON.parse().unwrap())
    }

    #[test]
    fn a_resource_stays_as_long_as_its_outcome_asks_for() {
        let both = ", ttlSecondsAfterFinished: {succeeded: 60, failed: 600}";
        let minute_ago = "2026-11-22T11:59:00Z";
        let (succeeded, failed) = ("ttlSecondsAfterFinished.succeeded", "ttlSecondsAfterFinished.failed");
        let over = |seconds, field| Ttl::Over { seconds, field };
        for (ttl, ended, condition, expected) in [
            ("", minute_ago, "Complete", Ttl::Stays),
            (", ttlSecondsAfterFinished: {}", minute_ago, "Complete", Ttl::Stays),
            (", ttlSecondsAfterFinished: {failed: 0}", minute_ago, "Complete", Ttl::Stays),
            (", ttlSecondsAfterFinished: {succeeded: 0}", minute_ago, "Failed", Ttl::Stays),
            (both, minute_ago, "Complete", over(60, succeeded)),
            (both, "2026-11-22T11:59:01Z", "Complete", Ttl::In(Duration::from_secs(1))),
            (both, minute_ago, "Failed", Ttl::In(Duration::from_mins(9))),
            (both, "2026-11-22T10:00:00Z", "Failed", over(600, failed)),
            (", ttlSecondsAfterFinished: {succeeded: 0}", NOON, "Complete", over(0, succeeded)),
            // An operator whose clock is behind waits, and no longer than that.
            (
                ", ttlSecondsAfterFinished: {succeeded: 0}",
                "2026-11-22T12:00:05Z",
                "Complete",
                Ttl::In(Duration::from_secs(5)),
            ),
        ] {
            assert_eq!(plan(ttl, ended, condition), expected, "{ttl} {condition} at {ended}");
        }
        assert_eq!(plan_ttl(&job("source: {volume: {}}"), NOON.parse().unwrap()), Ttl::Stays);
    }
}
