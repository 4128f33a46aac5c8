//! The one way in which pods go: whoever lowered the count, a person, a HorizontalPodAutoscaler or the streams, the pods that
//! are to go are chosen, reserved, looked at once more and given a low cost, and only then the Deployment's count falls.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::load::{ALTOGETHER, Asker};
use super::pods::{PodView, cost_of};
use super::victims::plan_victims;

/// How long a chosen pod takes no new streams: until it is told to stop, which a busy cluster may take a while for. It ends
/// by itself, should the operator end before it lets the pod go or releases it.
const RESERVATION: Duration = Duration::from_secs(30);
/// How long the choice may take. After it, what is known then decides.
const BUDGET: Duration = ALTOGETHER;
/// How many names a sentence holds.
const NAMES: usize = 5;

/// Whether pods with streams may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Busy {
    /// Somebody wants the count: those with the fewest streams go, and finish them first.
    MayGo,
    /// The count is ours: it can rise again instead.
    Stay,
}

/// The pods after the choice.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// All pods, as they were last seen.
    pub pods: Vec<PodView>,
    /// Those that go, by name, in their order.
    pub victims: Vec<String>,
    /// Those that take no new streams for now, by name.
    pub reserved: BTreeSet<String>,
}

/// Chooses `how_many` of `pods` and reserves them. One that got streams before its reservation held gives way to a pod with
/// fewer, if there is one. Pods that do not answer are chosen without.
pub async fn choose(asker: &Asker, mut pods: Vec<PodView>, how_many: usize, busy: Busy) -> Chosen {
    let start = Instant::now();
    asker.look(&mut pods, BUDGET).await;
    let (mut reserved, mut tried) = (BTreeSet::new(), BTreeSet::new());
    let mut victims = loop {
        let victims: Vec<String> = plan_victims(&pods, how_many).into_iter().map(|pod| pod.name.clone()).collect();
        let next: BTreeSet<String> = victims.iter().filter(|name| !tried.contains(*name)).cloned().collect();
        let rest = BUDGET.saturating_sub(start.elapsed());
        if next.is_empty() || rest.is_zero() {
            break victims;
        }
        // The answer is the second look: it counts every stream that came before the reservation held.
        asker.reserve_all(&mut pods, &next, RESERVATION, rest).await;
        let holds = |pod: &&PodView| pod.fresh && pod.load.as_ref().is_some_and(|load| load.reserved);
        let held = pods.iter().filter(|pod| next.contains(&pod.name)).filter(holds).map(|pod| pod.name.clone());
        reserved.extend(held);
        tried.extend(next);
    };
    if busy == Busy::Stay {
        let goes = |name: &String| pods.iter().any(|pod| pod.name == *name && pod.is_streamless());
        victims.retain(goes);
    }
    Chosen { pods, victims, reserved }
}

impl Chosen {
    /// Those that are reserved and do not go, by name.
    pub fn spared(&self) -> BTreeSet<String> {
        self.reserved.iter().filter(|name| !self.victims.contains(name)).cloned().collect()
    }

    /// The costs to write: low ones for those that go, none for the others that have one of ours. While pods are being
    /// replaced, several ReplicaSets shrink, each by a number of its own: then every pod gets a cost in the order in which
    /// they should go.
    pub fn costs(&self, rolling: bool) -> Vec<(&PodView, Option<i32>)> {
        let order = plan_victims(&self.pods, usize::MAX);
        let others = order.iter().filter(|pod| !self.victims.contains(&pod.name)).map(|pod| &pod.name);
        let ranks: Vec<&String> = self.victims.iter().chain(others.filter(|_| rolling)).collect();
        let wanted = |pod: &PodView| ranks.iter().position(|name| **name == pod.name).map(cost_of);
        let live = self.pods.iter().filter(|pod| !pod.stopping);
        live.map(|pod| (pod, wanted(pod))).filter(|(pod, cost)| pod.cost != *cost).collect()
    }

    /// Who goes, as a sentence.
    pub fn words(&self, from: i32, to: i32) -> String {
        let going = self.victims.iter().filter_map(|name| self.pods.iter().find(|pod| pod.name == *name));
        let mut texts: Vec<String> = going
            .take(NAMES)
            .map(|pod| match pod.streams() {
                Some(0) => format!("{} (idle)", pod.name),
                Some(1) => format!("{} (finishes 1 stream)", pod.name),
                Some(streams) => format!("{} (finishes {streams} streams)", pod.name),
                None if pod.started => format!("{} (does not say what it has)", pod.name),
                None => format!("{} (not started)", pod.name),
            })
            .collect();
        match self.victims.len().saturating_sub(NAMES) {
            0 => {}
            more => texts.push(format!("{more} more")),
        }
        let verb = if self.victims.len() == 1 { "goes" } else { "go" };
        if texts.is_empty() {
            return format!("from {from} to {to}: no pod is there yet that would have to go");
        }
        format!("from {from} to {to}: {} {verb}", texts.join(", "))
    }
}

#[cfg(test)]
mod tests;
