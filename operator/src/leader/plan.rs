//! What to do with the Lease, decided from plain values.
//!
//! The rules are those of Kubernetes' own controllers (client-go's `leaderelection`): times that stand in the Lease are
//! never compared with a clock of this machine. A Lease has run out when it has not changed for its duration *as seen from
//! here*.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::LeaseSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

/// What to do with the Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeasePlan {
    /// There is none: make it.
    Create,
    /// It is free or has run out: take it.
    Take,
    /// It is ours: renew it.
    Renew,
    /// It is another's, which may hold it for so long at least.
    Wait(Duration),
}

/// What the candidate `me` does with the Lease `live`, which has stood unchanged for `stood`. `duration` counts where
/// the Lease names none.
pub fn plan_lease(me: &str, live: Option<&LeaseSpec>, stood: Duration, duration: Duration) -> LeasePlan {
    let Some(live) = live else { return LeasePlan::Create };
    match holder(live) {
        None => LeasePlan::Take,
        Some(holder) if holder == me => LeasePlan::Renew,
        Some(_) => {
            let named = live.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
            let lasts = named.filter(|seconds| *seconds > 0).map_or(duration, Duration::from_secs);
            let rest = lasts.saturating_sub(stood);
            if rest.is_zero() { LeasePlan::Take } else { LeasePlan::Wait(rest) }
        }
    }
}

/// Who holds the Lease, if anybody does.
pub fn holder(lease: &LeaseSpec) -> Option<&str> {
    lease.holder_identity.as_deref().filter(|holder| !holder.is_empty())
}

/// The Lease as `me` writes it at `now`, over `live`.
pub fn held(me: &str, live: Option<&LeaseSpec>, now: Timestamp, duration: Duration) -> LeaseSpec {
    let mine = live.filter(|live| holder(live) == Some(me));
    let transitions = live.and_then(|live| live.lease_transitions);
    LeaseSpec {
        holder_identity: Some(me.to_owned()),
        // Whole seconds are all that it can say: rather too long than too short.
        lease_duration_seconds: Some(i32::try_from(duration.as_millis().div_ceil(1000)).unwrap_or(i32::MAX)),
        acquire_time: mine.and_then(|mine| mine.acquire_time.clone()).or(Some(MicroTime(now))),
        renew_time: Some(MicroTime(now)),
        lease_transitions: match (live, mine) {
            (None, _) => Some(0),
            (Some(_), Some(_)) => transitions,
            (Some(_), None) => Some(transitions.unwrap_or(0).saturating_add(1)),
        },
        ..live.cloned().unwrap_or_default()
    }
}

/// The Lease as its holder gives it back at `now`: anybody may take it at once.
pub fn released(live: &LeaseSpec, now: Timestamp) -> LeaseSpec {
    LeaseSpec {
        holder_identity: Some(String::new()),
        lease_duration_seconds: Some(1),
        renew_time: Some(MicroTime(now)),
        ..live.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DURATION: Duration = Duration::from_secs(10);

    fn lease(yaml: &str) -> LeaseSpec {
        serde_yaml::from_str(yaml).unwrap()
    }

    #[test]
    fn who_may_have_it() {
        let other = "{holderIdentity: other, leaseDurationSeconds: 10, renewTime: '2000-01-01T00:00:00.000000Z'}";
        for (live, stood, plan) in [
            (None, 0, LeasePlan::Create),
            (Some("{}"), 0, LeasePlan::Take),
            (Some("{holderIdentity: ''}"), 0, LeasePlan::Take),
            (Some("{holderIdentity: me}"), 0, LeasePlan::Renew),
            // Ours is ours however long we were away, if nobody has taken it.
            (Some("{holderIdentity: me, leaseDurationSeconds: 10}"), 3600, LeasePlan::Renew),
            // A renewal of years ago, by that machine's clock, says nothing.
            (Some(other), 0, LeasePlan::Wait(DURATION)),
            (Some(other), 9, LeasePlan::Wait(Duration::from_secs(1))),
            (Some(other), 10, LeasePlan::Take),
            (Some(other), 3600, LeasePlan::Take),
            (Some("{holderIdentity: other, leaseDurationSeconds: 60}"), 10, LeasePlan::Wait(Duration::from_secs(50))),
            (Some("{holderIdentity: other}"), 4, LeasePlan::Wait(Duration::from_secs(6))),
            (Some("{holderIdentity: other, leaseDurationSeconds: -5}"), 4, LeasePlan::Wait(Duration::from_secs(6))),
        ] {
            let live = live.map(lease);
            let got = plan_lease("me", live.as_ref(), Duration::from_secs(stood), DURATION);
            assert_eq!(got, plan, "{live:?} after {stood} s");
        }
    }

    #[test]
    fn what_is_written() {
        let now: Timestamp = "2026-03-04T05:06:07Z".parse().unwrap();
        let first = held("me", None, now, DURATION);
        assert_eq!((holder(&first), first.lease_transitions), (Some("me"), Some(0)));
        assert_eq!(first.lease_duration_seconds, Some(10));
        assert_eq!(first.acquire_time, first.renew_time);

        let later = "2026-03-04T05:06:09Z".parse().unwrap();
        let renewed = held("me", Some(&first), later, Duration::from_millis(9001));
        assert_eq!(renewed.acquire_time, first.acquire_time);
        assert_eq!(renewed.renew_time, Some(MicroTime(later)));
        assert_eq!((renewed.lease_transitions, renewed.lease_duration_seconds), (Some(0), Some(10)));

        let free = released(&renewed, later);
        assert_eq!(plan_lease("other", Some(&free), Duration::ZERO, DURATION), LeasePlan::Take);
        let taken = held("other", Some(&free), later, DURATION);
        assert_eq!((holder(&taken), taken.lease_transitions), (Some("other"), Some(1)));
        assert_eq!(taken.acquire_time, Some(MicroTime(later)));
    }
}
