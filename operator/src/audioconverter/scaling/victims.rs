//! Which pods go, and in which order. Pure.

use std::cmp::Reverse;

use super::pods::{PodView, Stage};

/// The `how_many` pods that go, the first to go first: those that are not ready, then those without streams, then those
/// with fewest, then the newest. Pods that stop already are none of them.
///
/// A pod that is not ready goes first even if it has streams, because the ReplicaSet looks at readiness before it looks
/// at the cost that we set: an order of ours that differed would be a wish. Whoever must not end streams looks at what
/// is chosen and waits, see [`super::plan`].
///
/// What breaks ties: uploads under way (they are finished, but later than never begun), an answer that is old, and
/// whether the pod was chosen before, so that a second try takes the same pods as the first.
pub fn plan_victims(pods: &[PodView], how_many: usize) -> Vec<&PodView> {
    let mut order: Vec<&PodView> = pods.iter().filter(|pod| !pod.stopping).collect();
    order.sort_by_key(|pod| rank(pod));
    order.truncate(how_many);
    order
}

type Rank<'a> = (Stage, u32, usize, bool, bool, Reverse<i64>, &'a str);

fn rank(pod: &PodView) -> Rank<'_> {
    let unknown = if pod.started { u32::MAX } else { 0 };
    let work = pod.load.as_ref().map_or(0, |load| load.conversions.active + load.conversions.queued);
    let chosen = pod.cost.is_some() || pod.load.as_ref().is_some_and(|load| load.reserved);
    (pod.stage, pod.streams().unwrap_or(unknown), work, !pod.fresh, !chosen, Reverse(pod.created), &pod.name)
}

#[cfg(test)]
mod tests {
    use super::super::load::{Conversions, Load};
    use super::super::pods::tests::{load, ready, starting};
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn names(pods: &[PodView], how_many: usize) -> Vec<&str> {
        plan_victims(pods, how_many).into_iter().map(|pod| pod.name.as_str()).collect()
    }

    #[test]
    fn the_order() {
        let aged = |pod: PodView, created| PodView { created, ..pod };
        let unready = PodView { stage: Stage::Unready, ..ready("unready-with-1", 1, 9) };
        let silent = PodView { load: None, fresh: false, ..ready("silent", 0, 0) };
        let converting = PodView {
            load: Some(Load { conversions: Conversions { active: 1, queued: 1 }, ..load(0, 9) }),
            ..ready("converting", 0, 9)
        };
        let pods = [
            silent,
            aged(ready("busy-3-new", 3, 9), 900),
            aged(ready("busy-3-old", 3, 9), 100),
            ready("busy-1", 1, 9),
            converting,
            PodView { stopping: true, ..ready("stopping", 0, 9) },
            aged(ready("idle-old", 0, 9), 100),
            aged(ready("idle-new", 0, 9), 900),
            PodView { cost: Some(i32::MIN), ..aged(ready("idle-chosen", 0, 9), 50) },
            unready,
            starting("starting"),
            PodView { stage: Stage::Unassigned, ..starting("unassigned") },
        ];
        let order = [
            "unassigned",
            "starting",
            "unready-with-1",
            "idle-chosen",
            "idle-new",
            "idle-old",
            "converting",
            "busy-1",
            "busy-3-new",
            "busy-3-old",
            "silent",
        ];
        assert_eq!(names(&pods, usize::MAX), order);
        for how_many in 0..=order.len() {
            assert_eq!(names(&pods, how_many), order[..how_many]);
        }
    }

    prop_compose! {
        fn any_pod()(
            stage in prop::sample::select(vec![Stage::Unassigned, Stage::Pending, Stage::Unready, Stage::Ready]),
            streams in prop::option::of(0_u32..4),
            stopping in any::<bool>(),
            fresh in any::<bool>(),
            created in 0_i64..5,
        ) -> PodView {
            PodView {
                stage,
                stopping,
                created,
                started: stage == Stage::Ready,
                fresh: fresh && streams.is_some(),
                load: streams.map(|active| load(active, 4)),
                ..ready("p", 0, 4)
            }
        }
    }

    proptest! {
        #[test]
        fn nobody_goes_while_a_better_one_stays(pods in vec(any_pod(), 0..12), how_many in 0_usize..14) {
            let pods: Vec<PodView> =
                pods.into_iter().enumerate().map(|(n, pod)| PodView { name: format!("p{n}"), ..pod }).collect();
            let victims = plan_victims(&pods, how_many);
            let live = pods.iter().filter(|pod| !pod.stopping).count();
            prop_assert_eq!(victims.len(), how_many.min(live));
            let stays = |pod: &&PodView| !pod.stopping && !victims.iter().any(|victim| victim.name == pod.name);
            for victim in &victims {
                prop_assert!(!victim.stopping);
                for pod in pods.iter().filter(stays) {
                    prop_assert!(victim.stage <= pod.stage, "{} goes before {}", victim.name, pod.name);
                    let busy = victim.stage == Stage::Ready && victim.streams() != Some(0);
                    prop_assert!(!busy || pod.streams() != Some(0), "{} is idle and stays", pod.name);
                }
            }
        }
    }
}
