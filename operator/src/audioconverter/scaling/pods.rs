//! A pod as scaling sees it: plain data, so that every decision is a function of it.

use std::net::SocketAddr;

use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::load::Load;
use crate::ask;
use crate::labels::POD_DELETION_COST;
use crate::pods::CONTAINER;

/// The lowest cost there is: the first of the pods that were chosen to go.
const LOWEST_COST: i32 = i32::MIN;
/// Costs below it are ours: no person sets such a one.
const OUR_COSTS: i32 = LOWEST_COST + 100_000;

/// A pod whose time to stop has been over for so long has no stream any more, whatever the cluster says: its node is dead.
const OVERDUE: SignedDuration = SignedDuration::from_secs(30);

/// How far a pod has come. The order is the one in which a ReplicaSet takes pods away before it looks at their cost
/// (Kubernetes 1.35, pkg/controller/controller_utils.go, `ActivePodsWithRanks.Less`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It has no node.
    Unassigned,
    /// Its containers are not all there.
    Pending,
    /// It runs, and is not ready.
    Unready,
    /// It takes requests.
    Ready,
}

/// A pod that is not over.
#[derive(Clone, Debug, PartialEq)]
pub struct PodView {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// How far it has come.
    pub stage: Stage,
    /// Whether it has started, so that an answer can be expected of it.
    pub started: bool,
    /// How many runs of its container are over, with their streams. What one said is not true of the next.
    pub ended: i32,
    /// Whether it is on its way out.
    pub stopping: bool,
    /// Its `pod-deletion-cost`, if that is one of ours.
    pub cost: Option<i32>,
    /// Where it says how full it is; `None` before it has an address.
    pub address: Option<SocketAddr>,
    /// What it last said, if it ever said something.
    pub load: Option<Load>,
    /// Whether it said so just now.
    pub fresh: bool,
}

impl PodView {
    /// Reads those that a ReplicaSet counts.
    pub fn from_pods(pods: &[Pod], now: Timestamp) -> Vec<Self> {
        pods.iter().filter_map(|pod| Self::from_pod(pod, now)).collect()
    }

    /// Reads it; `None` for a pod that is over, or should be by `now`: no ReplicaSet counts it.
    fn from_pod(pod: &Pod, now: Timestamp) -> Option<Self> {
        let status = pod.status.as_ref();
        let phase = status.and_then(|status| status.phase.as_deref()).unwrap_or("Pending");
        if matches!(phase, "Succeeded" | "Failed") {
            return None;
        }
        // The time of the deletion has the grace period in it.
        let ends = pod.metadata.deletion_timestamp.as_ref();
        if ends.is_some_and(|ends| now.duration_since(ends.0) > OVERDUE) {
            return None;
        }
        let conditions = status.and_then(|status| status.conditions.as_deref()).unwrap_or_default();
        let ready = conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
        let assigned = pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
        let containers = status.and_then(|status| status.container_statuses.as_deref()).unwrap_or_default();
        Some(Self {
            name: pod.name_any(),
            uid: pod.uid().unwrap_or_default(),
            created: pod.metadata.creation_timestamp.as_ref().map_or(0, |time| time.0.as_second()),
            stage: match (assigned, phase, ready) {
                (false, ..) => Stage::Unassigned,
                (true, "Running", true) => Stage::Ready,
                (true, "Running", false) => Stage::Unready,
                (true, ..) => Stage::Pending,
            },
            started: ready || containers.iter().any(has_started),
            ended: containers.iter().find(|container| container.name == CONTAINER).map_or(0, runs_over),
            stopping: ends.is_some(),
            cost: pod
                .annotations()
                .get(POD_DELETION_COST)
                .and_then(|cost| cost.parse().ok())
                .filter(|cost| *cost < OUR_COSTS),
            address: ask::address(pod),
            load: None,
            fresh: false,
        })
    }

    /// Live streams that it has, as far as is known.
    pub fn streams(&self) -> Option<u32> {
        self.load.as_ref().map(|load| load.streams.active)
    }

    /// Whether it should have answered and did not, so that nobody knows what it has now.
    pub fn is_silent(&self) -> bool {
        !self.stopping && !self.fresh && (self.started || self.streams().unwrap_or_default() > 0)
    }

    /// Whether it is certain, or as good as, that no stream ends with it: it says so, or has not started yet.
    pub fn is_streamless(&self) -> bool {
        if self.fresh { self.streams() == Some(0) } else { !self.is_silent() }
    }
}

/// Past its startup probe.
fn has_started(container: &ContainerStatus) -> bool {
    let running = container.state.as_ref().is_some_and(|state| state.running.is_some());
    container.name == CONTAINER && running && container.started == Some(true)
}

/// The kubelet counts a restart when the next run begins: the run that waits for it is over already.
fn runs_over(container: &ContainerStatus) -> i32 {
    let last = container.last_state.as_ref().is_some_and(|last| last.terminated.is_some());
    let is_over = |state: &ContainerState| state.terminated.is_some() || (state.waiting.is_some() && last);
    container.restart_count.saturating_add(container.state.as_ref().is_some_and(is_over).into())
}

/// The cost of the pod that goes as number `rank`.
pub fn cost_of(rank: usize) -> i32 {
    LOWEST_COST.saturating_add(i32::try_from(rank).unwrap_or(i32::MAX)).min(OUR_COSTS - 1)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::load::{Conversions, Streams};
    use super::*;

    /// A ready pod with `active` of `max` streams, that says so.
    pub fn ready(name: &str, active: u32, max: u32) -> PodView {
        PodView {
            name: name.to_owned(),
            uid: format!("uid-{name}"),
            created: 100,
            stage: Stage::Ready,
            started: true,
            ended: 0,
            stopping: false,
            cost: None,
            address: None,
            load: Some(load(active, max)),
            fresh: true,
        }
    }

    /// A pod that has not started yet.
    pub fn starting(name: &str) -> PodView {
        PodView { stage: Stage::Pending, started: false, load: None, fresh: false, ..ready(name, 0, 0) }
    }

    pub fn load(active: u32, max: u32) -> Load {
        Load { streams: Streams { active, max }, conversions: Conversions::default(), draining: false, reserved: false }
    }

    fn view(yaml: &str) -> Option<PodView> {
        PodView::from_pod(&serde_yaml::from_str(yaml).unwrap(), "2026-01-01T00:00:30Z".parse().unwrap())
    }

    #[test]
    fn how_far_a_pod_has_come() {
        let running = |ready: &str, started: bool| {
            format!(
                "{{metadata: {{name: p}}, spec: {{nodeName: n, containers: []}}, status: {{phase: Running, podIP: 10.0.0.7,
                  conditions: [{{type: Ready, status: '{ready}'}}],
                  containerStatuses: [{{name: converter, image: x, imageID: '', ready: false, restartCount: 0,
                    started: {started}, state: {{running: {{}}}}}}]}}}}"
            )
        };
        for (what, yaml, stage, started) in [
            ("no node", "{metadata: {name: p}, status: {phase: Pending}}".to_owned(), Stage::Unassigned, false),
            ("no status", "{metadata: {name: p}}".to_owned(), Stage::Unassigned, false),
            (
                "being pulled",
                "{metadata: {name: p}, spec: {nodeName: n, containers: []}, status: {phase: Pending}}".to_owned(),
                Stage::Pending,
                false,
            ),
            ("starting", running("False", false), Stage::Unready, false),
            ("not ready any more", running("False", true), Stage::Unready, true),
            ("ready", running("True", true), Stage::Ready, true),
        ] {
            let view = view(&yaml).unwrap();
            assert_eq!((view.stage, view.started, view.stopping), (stage, started, false), "{what}");
        }
        assert_eq!(view(&running("True", true)).unwrap().address, "10.0.0.7:9090".parse().ok());
        assert!(view("{metadata: {name: p, deletionTimestamp: 2026-01-01T00:00:00Z}}").unwrap().stopping);
        assert_eq!(view("{metadata: {name: p}, status: {phase: Failed}}"), None);
        assert_eq!(view("{metadata: {name: p, deletionTimestamp: 2025-12-31T23:59:59Z}}"), None, "its node is dead");
    }

    #[test]
    fn a_run_is_over_when_it_ends_and_not_only_when_the_next_begins() {
        let ended = "{terminated: {exitCode: 1}}";
        for (what, name, restarts, state, last, over) in [
            ("its first image is pulled", CONTAINER, 0, "{waiting: {}}", "{}", 0),
            ("nothing is said", CONTAINER, 0, "{}", "{}", 0),
            ("the first runs", CONTAINER, 0, "{running: {}}", "{}", 0),
            ("the first has ended", CONTAINER, 0, ended, "{}", 1),
            ("the second waits", CONTAINER, 0, "{waiting: {reason: CrashLoopBackOff}}", ended, 1),
            ("the second runs", CONTAINER, 1, "{running: {}}", ended, 1),
            ("the second has ended", CONTAINER, 1, ended, ended, 2),
            ("another container's", "sidecar", 7, ended, ended, 0),
        ] {
            let yaml = format!(
                "{{metadata: {{name: p}}, status: {{phase: Running, containerStatuses: [{{name: {name}, image: x,
                  imageID: '', ready: false, restartCount: {restarts}, state: {state}, lastState: {last}}}]}}}}"
            );
            assert_eq!(view(&yaml).unwrap().ended, over, "{what}");
        }
    }

    #[test]
    fn only_a_cost_of_ours_is_one() {
        let cost = |cost: &str| {
            let key = POD_DELETION_COST;
            view(&format!("{{metadata: {{name: p, annotations: {{{key}: '{cost}'}}}}}}")).unwrap().cost
        };
        assert_eq!(cost(&cost_of(0).to_string()), Some(i32::MIN));
        assert_eq!(cost(&cost_of(3).to_string()), Some(i32::MIN + 3));
        assert_eq!(cost(&cost_of(usize::MAX).to_string()), Some(cost_of(1 << 40)));
        assert_eq!((cost("-100"), cost("5"), cost("much")), (None, None, None));
    }

    #[test]
    fn silence_is_not_the_same_as_nothing_to_say() {
        let silent = PodView { fresh: false, ..ready("p", 0, 9) };
        assert!(silent.is_silent() && !silent.is_streamless());
        assert!(!starting("p").is_silent() && starting("p").is_streamless());
        // It had streams and has lost its readiness: they may still run.
        let lost = PodView { stage: Stage::Unready, started: false, fresh: false, ..ready("p", 2, 9) };
        assert!(lost.is_silent() && !lost.is_streamless());
        assert!(ready("p", 0, 9).is_streamless() && !ready("p", 1, 9).is_streamless());
        assert!(!PodView { stopping: true, ..silent }.is_silent());
    }
}
