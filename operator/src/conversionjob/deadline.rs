//! `activeDeadlineSeconds`: when a run's time is over, and what that means for the Job it has come to. Pure.
//!
//! The time of the run goes from its first Job on, and stands still while the run is suspended. The Job that runs then gets
//! the rest as its own `activeDeadlineSeconds`, so that the Job controller ends it even while no operator is there. A Job that
//! is held has none; its own clock begins anew when it is let go (batch/v1 resets `status.startTime`), so the rest is counted
//! from there again.
//! The report has no deadline: it tells what was done until then.

use crds::conditions::JobReason;
use crds::conversionjob::LONGEST_DEADLINE;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::result::Failure;

/// By how much a Job's own deadline may be off before it is set anew, in seconds: the Job controller begins to count a moment
/// after the Job was made.
const SLACK: i64 = 5;

/// The clock of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// When its first Job was made, if one was.
    pub started: Option<Timestamp>,
    /// For how many seconds it has been suspended before.
    pub suspended_seconds: i64,
    /// Since when it is suspended, if it is.
    pub suspended_since: Option<Timestamp>,
}

/// When a run's time is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deadline {
    /// Never.
    #[default]
    None,
    /// At this moment, if it is not suspended again before.
    At(Timestamp),
}

/// When the time of a run is over that may take `limit` seconds.
pub fn plan_deadline(limit: Option<i64>, clock: Clock, now: Timestamp) -> Deadline {
    let Some(limit) = limit else { return Deadline::None };
    let Clock { started, suspended_seconds, suspended_since } = clock;
    let held = suspended_since.map_or(0, |since| now.duration_since(since).as_secs().max(0));
    let seconds = limit.saturating_add(suspended_seconds.max(0)).saturating_add(held);
    // The schema has this bound; a resource may be older than that. A Job that was given more would be over at once.
    if seconds > LONGEST_DEADLINE {
        return Deadline::None;
    }
    let end = started.unwrap_or(now).checked_add(SignedDuration::from_secs(seconds));
    // A time that no calendar has never comes.
    end.map_or(Deadline::None, Deadline::At)
}

/// Why a run ends whose time is over.
pub fn exceeded() -> Failure {
    Failure {
        reason: JobReason::DeadlineExceeded,
        message: "The run took longer than activeDeadlineSeconds: what was converted stays; make another ConversionJob with more time, and it goes on where this one ended".to_owned(),
    }
}

impl Deadline {
    /// Whether it has passed.
    pub fn is_over(self, now: Timestamp) -> bool {
        matches!(self, Self::At(end) if end <= now)
    }

    /// The `activeDeadlineSeconds` of a Job whose own clock began at `from`: at least 1, as 0 is none.
    pub fn seconds_from(self, from: Timestamp) -> Option<i64> {
        match self {
            Self::None => None,
            Self::At(end) => {
                let left = end.duration_since(from);
                Some((left.as_secs() + i64::from(left.subsec_nanos() > 0)).max(1))
            }
        }
    }

    /// What a running Job's `activeDeadlineSeconds`, now `has`, should be; its clock began at `from`. What is near enough
    /// stays.
    pub fn adjusted(self, has: Option<i64>, from: Timestamp) -> Option<i64> {
        let wanted = self.seconds_from(from);
        match (has, wanted) {
            (Some(has), Some(wanted)) if has.saturating_sub(wanted).saturating_abs() <= SLACK => Some(has),
            _ => wanted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn clock(started: i64, suspended_seconds: i64, since: Option<i64>) -> Clock {
        Clock { started: Some(at(started)), suspended_seconds, suspended_since: since.map(at) }
    }

    #[test]
    fn suspended_time_does_not_count() {
        for (limit, clock, now, expected) in [
            (None, clock(100, 0, None), 200, Deadline::None),
            (Some(60), clock(100, 0, None), 130, Deadline::At(at(160))),
            (Some(60), clock(100, 30, None), 130, Deadline::At(at(190))),
            (Some(60), clock(100, 30, Some(150)), 170, Deadline::At(at(210))),
            (Some(60), clock(100, 0, Some(150)), 9150, Deadline::At(at(9160))),
            // A clock that was set back makes no time.
            (Some(60), clock(100, 0, Some(150)), 140, Deadline::At(at(160))),
            (Some(60), clock(100, -5, None), 140, Deadline::At(at(160))),
            (Some(60), Clock::default(), 500, Deadline::At(at(560))),
            (Some(LONGEST_DEADLINE), clock(100, 0, None), 200, Deadline::At(at(100 + LONGEST_DEADLINE))),
            // More than the Job controller can count never comes.
            (Some(LONGEST_DEADLINE + 1), clock(100, 0, None), 200, Deadline::None),
            (Some(LONGEST_DEADLINE), clock(100, 1, None), 200, Deadline::None),
            (Some(i64::MAX), clock(100, 0, None), 200, Deadline::None),
        ] {
            assert_eq!(plan_deadline(limit, clock, at(now)), expected, "{limit:?} {clock:?} at {now}");
        }
    }

    #[test]
    fn a_deadline_is_over_when_its_time_has_come() {
        let deadline = Deadline::At(at(160));
        assert!(!deadline.is_over(at(159)) && deadline.is_over(at(160)) && deadline.is_over(at(999)));
        assert!(!Deadline::None.is_over(at(i64::from(i32::MAX))));
    }

    #[test]
    fn a_job_gets_what_is_left_of_the_run() {
        let deadline = Deadline::At(at(160));
        for (from, left) in [(100, 60), (159, 1), (160, 1), (500, 1)] {
            assert_eq!(deadline.seconds_from(at(from)), Some(left), "from {from}");
        }
        let moment = Timestamp::from_millisecond(100_500).unwrap();
        assert_eq!(deadline.seconds_from(moment), Some(60), "half a second too much, not too little");
        assert_eq!(Deadline::None.seconds_from(at(100)), None);
        for (has, from, adjusted) in [
            (None, 100, Some(60)),
            (Some(60), 100, Some(60)),
            (Some(60), 103, Some(60)),
            (Some(60), 105, Some(60)),
            (Some(60), 106, Some(54)),
            (Some(20), 100, Some(60)),
            (Some(1), 900, Some(1)),
        ] {
            assert_eq!(deadline.adjusted(has, at(from)), adjusted, "{has:?} from {from}");
        }
        assert_eq!(Deadline::None.adjusted(Some(60), at(100)), None);
        assert_eq!(Deadline::None.adjusted(None, at(100)), None);
    }
}
