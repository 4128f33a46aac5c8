//! Decisions of the AudioConverter controller: pure functions over plain numbers.

/// What `spec.replicas` is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicasPlan {
    /// It is set: the Deployment follows it.
    Follow(i32),
    /// It is absent: this count is written into it.
    Fill(i32),
}

/// The bounds of an autoscaler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Fewest pods.
    pub min: i32,
    /// Most pods.
    pub max: i32,
}

/// Decides the wanted count from `spec.replicas`, the count of the Deployment that runs (if ours does) and the bounds of
/// the autoscaler (if there is one).
///
/// A count that is set always stands: it is what a person or the autoscaler wrote, and the autoscaler brings it into its
/// bounds by itself; what the pods are until then says [`plan_pods`]. Left out, what runs goes on running, so that no edit of a manifest passes through one pod.
///
/// Considered and rejected: a default of 1 in the schema (`kubectl replace` without the field would cut a running
/// service down to one pod), and leaving the field empty while there is an autoscaler (the HorizontalPodAutoscaler
/// takes a missing count as 0, which switches it off).
pub fn plan_replicas(spec: Option<i32>, running: Option<i32>, bounds: Option<Bounds>) -> ReplicasPlan {
    match (spec, running, bounds) {
        (Some(count), _, _) => ReplicasPlan::Follow(count),
        (None, Some(running), Some(Bounds { min, max })) => ReplicasPlan::Fill(running.min(max).max(min)),
        (None, Some(running), None) => ReplicasPlan::Fill(running),
        (None, None, Some(Bounds { min, .. })) => ReplicasPlan::Fill(min),
        (None, None, None) => ReplicasPlan::Fill(1),
    }
}

/// How many pods the Deployment gets while `count` is wanted, where we see to it that there are `least` at least.
///
/// A count below that is raised in this very reconcile, once the status says why. Followed until then, it would send away
/// busy pods first, for new ones to come a moment later. 0 is how scaling is switched off, and stands.
pub fn plan_pods(count: i32, least: Option<i32>) -> i32 {
    if count == 0 { 0 } else { count.max(least.unwrap_or(count)) }
}

/// Smallest spool.
const LEAST_SPOOL: u64 = 4 << 30;
/// Largest number of bytes that a Kubernetes quantity can say, with room for the tenth on top.
const MOST_SPOOL: u64 = (i64::MAX as u64) / 11 * 10;

/// The room, in bytes, for results that wait for their clients: at least 4 GiB, and always two results of the largest
/// upload (a FLAC is never larger than its WAV by more than a few bytes a block).
pub fn plan_spool(max_upload_size: u64) -> u64 {
    max_upload_size.saturating_mul(2).clamp(LEAST_SPOOL, MOST_SPOOL)
}

/// The size, in bytes, of the volume that holds a spool: a tenth above it, so that a pod is never evicted for it.
pub fn plan_spool_volume(spool_size: u64) -> u64 {
    spool_size.saturating_add(spool_size / 10)
}

#[cfg(test)]
mod tests {
    use super::ReplicasPlan::{Fill, Follow};
    use super::*;

    #[test]
    fn replicas() {
        let bounds = Some(Bounds { min: 2, max: 6 });
        for (what, spec, running, bounds, plan) in [
            ("new", None, None, None, Fill(1)),
            ("new, autoscaled", None, None, bounds, Fill(2)),
            ("set", Some(3), None, None, Follow(3)),
            ("set to zero", Some(0), Some(4), None, Follow(0)),
            ("scaled by a person or the autoscaler", Some(5), Some(3), bounds, Follow(5)),
            ("set outside the bounds: the autoscaler's to change", Some(9), Some(9), bounds, Follow(9)),
            ("taken out of the manifest", None, Some(4), None, Fill(4)),
            ("taken out while at zero", None, Some(0), None, Fill(0)),
            ("taken out, autoscaled", None, Some(4), bounds, Fill(4)),
            ("taken out as the autoscaler comes, below", None, Some(1), bounds, Fill(2)),
            ("taken out as the autoscaler comes, above", None, Some(9), bounds, Fill(6)),
        ] {
            assert_eq!(plan_replicas(spec, running, bounds), plan, "{what}");
        }
    }

    #[test]
    fn a_count_below_the_bound_takes_no_pod_away() {
        for (count, least, pods) in
            [(1, Some(3), 3), (3, Some(3), 3), (9, Some(3), 9), (0, Some(3), 0), (1, None, 1), (0, None, 0)]
        {
            assert_eq!(plan_pods(count, least), pods, "{count} with {least:?}");
        }
    }

    #[test]
    fn the_spool_holds_two_of_the_largest_uploads() {
        for (upload, spool) in [(1, 4 << 30), (2 << 30, 4 << 30), (3 << 30, 6 << 30), (u64::MAX, MOST_SPOOL)] {
            assert_eq!(plan_spool(upload), spool, "{upload}");
        }
        assert!(i64::try_from(plan_spool_volume(plan_spool(u64::MAX))).is_ok());
        assert_eq!(plan_spool_volume(1000), 1100);
    }
}
