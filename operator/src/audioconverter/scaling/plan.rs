//! How many pods there should be for the live streams. Pure: plain data in, a decision out.
//!
//! The rules, from the top: out at once, in only when fewer pods were enough for a whole window, all pods say how full they
//! are, nothing is rolling out, and a pod goes that has no stream. A count that somebody else set stands for one window.

use std::time::{Duration, Instant};

use super::history::History;
use super::pods::{PodView, Stage};
use super::victims::plan_victims;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Fewest pods.
    pub min: i32,
    /// Most pods.
    pub max: i32,
    /// How full they should be.
    pub target: Target,
    /// Streams that a pod takes which has not said so itself.
    pub slots: u32,
    /// How fast pods are added.
    pub up: Pace,
    /// How fast pods are taken away.
    pub down: Pace,
    /// An annotation keeps pods from being added.
    pub up_paused: bool,
    /// An annotation keeps pods from being taken away.
    pub down_paused: bool,
}

/// How full pods should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// At most so many streams a pod, on average.
    PerReplica(u32),
    /// So many streams more can come at any time.
    FreeSlots(u32),
}

/// How fast the count changes in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// For how long the change must have been right.
    pub window: Duration,
    /// Most pods in any minute.
    pub per_minute: Option<i32>,
}

/// What there is.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// The wanted count.
    pub count: i32,
    /// All pods that are not over.
    pub pods: &'a [PodView],
    /// Whether pods of an older template are being replaced.
    pub rolling: bool,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The count from now on.
    pub count: i32,
    /// What that is.
    pub verdict: Verdict,
    /// Why, as a sentence without its full stop.
    pub words: String,
}

/// Where a decision goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The count is right.
    Steady,
    /// More pods.
    Out(Cause),
    /// Fewer pods.
    In(Cause),
    /// Another count would be right, and something speaks against it.
    Held(Hold),
}

/// Why the count changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The live streams.
    Streams,
    /// The count is outside of `minReplicas` and `maxReplicas`.
    Bounds,
}

/// What keeps the count as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// `spec.replicas` is 0.
    Off,
    /// It was not right for long enough.
    Window,
    /// `maxPodsPerMinute` is used up.
    Pace,
    /// Pods are being replaced.
    Rollout,
    /// Pods of the last scale-in are still there.
    Settling,
    /// A pod does not say how full it is.
    LoadUnknown,
    /// Every pod has streams.
    Busy,
    /// The annotation.
    OutPaused,
    /// The annotation.
    InPaused,
}

impl Cause {
    /// A word for metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Streams => "streams",
            Self::Bounds => "bounds",
        }
    }
}

impl Hold {
    /// A word for metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Window => "window",
            Self::Pace => "pace",
            Self::Rollout => "rollout",
            Self::Settling => "settling",
            Self::LoadUnknown => "load_unknown",
            Self::Busy => "busy",
            Self::OutPaused => "out_paused",
            Self::InPaused => "in_paused",
        }
    }
}

impl Wish {
    fn clamp(&self, count: i64) -> i32 {
        let least = i64::from(self.min);
        let count = count.min(i64::from(self.max)).max(least);
        i32::try_from(count).unwrap_or(self.max)
    }

    /// For how long samples are of use.
    pub fn longest_window(&self) -> Duration {
        self.up.window.max(self.down.window)
    }
}

/// Live streams that somebody has or may still bring: those of stopping pods too, as they may come over to the others.
pub fn demand(pods: &[PodView]) -> i64 {
    pods.iter().filter_map(PodView::streams).map(i64::from).sum()
}

/// How many pods the present streams need, within the bounds, whatever else speaks for or against a change.
///
/// What is asked for is compared with what there is and will be, so pods that are still starting are not asked for
/// twice, and pods that take different numbers of streams each count with their own. A pod that takes no new streams
/// (reserved or stopping) is no room, and neither is one that has started, is not ready and is silent.
///
/// Considered and rejected for `freeSlots`: the sum of streams and slots divided by `limits.maxStreams`. While that
/// limit is being changed, or where a `podTemplate` sets another, it would be wrong for all pods.
pub fn plan_need(observed: &Observed<'_>, wish: &Wish) -> i32 {
    wish.clamp(need(observed, wish))
}

/// The same without the bounds.
fn need(observed: &Observed<'_>, wish: &Wish) -> i64 {
    let demand = demand(observed.pods);
    match wish.target {
        Target::PerReplica(target) => demand.div_euclid(i64::from(target.max(1))) + rest(demand, target),
        Target::FreeSlots(free) => {
            let slots = i64::from(wish.slots.max(1));
            let live = observed.pods.iter().filter(|pod| !pod.stopping).count();
            let wanted = usize::try_from(observed.count).unwrap_or_default();
            // In the order in which they would go; those that go already are passed over.
            let order = plan_victims(observed.pods, live);
            let staying = order.into_iter().skip(live.saturating_sub(wanted)).map(|pod| room(pod, slots));
            // Those that are still to be made would go first.
            let rooms: Vec<i64> = std::iter::repeat_n(slots, wanted.saturating_sub(live)).chain(staying).collect();
            let mut spare = rooms.iter().sum::<i64>() - demand - i64::from(free);
            if spare < 0 {
                let missing = (-spare).div_euclid(slots) + i64::from((-spare).rem_euclid(slots) > 0);
                return i64::from(observed.count).saturating_add(missing);
            }
            let not_needed = rooms.iter().take_while(|room| {
                spare -= **room;
                spare >= 0
            });
            i64::from(observed.count) - i64::try_from(not_needed.count()).unwrap_or_default()
        }
    }
}

/// 1 where the division leaves a rest.
fn rest(demand: i64, target: u32) -> i64 {
    i64::from(demand.rem_euclid(i64::from(target.max(1))) > 0)
}

/// How many streams a pod takes, or will take.
fn room(pod: &PodView, slots: i64) -> i64 {
    match &pod.load {
        Some(load) if load.draining || load.reserved => 0,
        _ if pod.stage == Stage::Unready && pod.is_silent() => 0,
        Some(load) => i64::from(load.streams.max),
        None => slots,
    }
}

/// Decides the count. `history` knows this look already ([`History::look`] with [`plan_need`]).
pub fn plan_scale(observed: &Observed<'_>, wish: &Wish, history: &History, now: Instant) -> Decision {
    let count = observed.count;
    let stay = |verdict, words: String| Decision { count, verdict, words };
    if count == 0 {
        return stay(Verdict::Held(Hold::Off), "spec.replicas is 0".to_owned());
    }
    let need = plan_need(observed, wish);
    let more = wish.clamp(history.fewest(now, wish.up.window, need).into());
    let fewer = wish.clamp(history.most(now, wish.down.window, need).into());
    if more > count {
        return plan_out(observed, wish, more, wish.up.per_minute.map(|most| most - history.added(now)));
    }
    if fewer < count {
        return plan_in(observed, wish, fewer, wish.down.per_minute.map(|most| most - history.taken(now)));
    }
    if need == count {
        stay(Verdict::Steady, format!("{} need{} this count", asked(observed, wish), s_of(observed, wish)))
    } else {
        stay(Verdict::Held(Hold::Window), format!("{} would be right, and have to be for longer", pods_of(need)))
    }
}

fn plan_out(observed: &Observed<'_>, wish: &Wish, target: i32, budget: Option<i32>) -> Decision {
    let count = observed.count;
    let stay = |hold, words: &str| Decision { count, verdict: Verdict::Held(hold), words: words.to_owned() };
    if wish.up_paused {
        return stay(Hold::OutPaused, "an annotation keeps the count from being raised");
    }
    let paced = budget.map_or(target, |budget| target.min(count.saturating_add(budget.max(0))));
    // The bound is not a matter of pace.
    let to = paced.max(wish.min);
    if to <= count {
        return stay(Hold::Pace, "scaleUp.maxPodsPerMinute is used up");
    }
    if count < wish.min && to == wish.min {
        let words = format!("scaled from {count} to {to}: autoscaling.minReplicas is {to}");
        return Decision { count: to, verdict: Verdict::Out(Cause::Bounds), words };
    }
    let rest = if to < target {
        format!("{}, and scaleUp.maxPodsPerMinute lets so many come now", pods_of(target))
    } else if need(observed, wish) > i64::from(wish.max) {
        format!("more pods, and autoscaling.maxReplicas is {}", wish.max)
    } else {
        pods_of(to)
    };
    let words = format!("scaled from {count} to {to}: {} need{} {rest}", asked(observed, wish), s_of(observed, wish));
    Decision { count: to, verdict: Verdict::Out(Cause::Streams), words }
}

fn plan_in(observed: &Observed<'_>, wish: &Wish, target: i32, budget: Option<i32>) -> Decision {
    let count = observed.count;
    let stay = |hold, words: String| Decision { count, verdict: Verdict::Held(hold), words };
    if wish.down_paused {
        return stay(Hold::InPaused, "an annotation keeps the count from being lowered".to_owned());
    }
    if observed.rolling {
        return stay(Hold::Rollout, "pods are being replaced; none is taken away meanwhile".to_owned());
    }
    if let Some(silent) = observed.pods.iter().find(|pod| pod.is_silent()) {
        return stay(Hold::LoadUnknown, format!("pod {} does not say how many streams it has", silent.name));
    }
    let live = observed.pods.iter().filter(|pod| !pod.stopping).count();
    let live = i32::try_from(live).unwrap_or(i32::MAX);
    if live > count {
        return stay(Hold::Settling, "pods of the last scale-in are still there".to_owned());
    }
    let paced = budget.map_or(target, |budget| target.max(count.saturating_sub(budget.max(0))));
    // Pods that are not there yet cost nobody a stream.
    let order = plan_victims(observed.pods, usize::MAX);
    let streamless = order.iter().take_while(|pod| pod.is_streamless()).count();
    let free = (count - live).saturating_add(i32::try_from(streamless).unwrap_or(i32::MAX));
    let spared = paced.max(count.saturating_sub(free));
    // Whoever lowered the bound asked for it: pace and streams do not matter.
    let to = spared.min(wish.max);
    if to < spared {
        let words = format!("scaled from {count} to {to}: autoscaling.maxReplicas is {to}");
        return Decision { count: to, verdict: Verdict::In(Cause::Bounds), words };
    }
    if to >= count {
        if paced >= count {
            return stay(Hold::Pace, "scaleDown.maxPodsPerMinute is used up".to_owned());
        }
        let words = format!("{} would be enough, and each pod that is there has streams", pods_of(target));
        return stay(Hold::Busy, words);
    }
    let window = wish.down.window.as_secs();
    let words = format!(
        "scaled from {count} to {to}: for {window} s, {} {} enough for {}",
        pods_of(target),
        if target == 1 { "was" } else { "were" },
        asked(observed, wish)
    );
    Decision { count: to, verdict: Verdict::In(Cause::Streams), words }
}

/// What needs pods, in words.
fn asked(observed: &Observed<'_>, wish: &Wish) -> String {
    let streams = demand(observed.pods);
    let streams = format!("{streams} live {}", if streams == 1 { "stream" } else { "streams" });
    match wish.target {
        Target::PerReplica(target) => format!("{streams} at {target} a pod"),
        Target::FreeSlots(1) => format!("{streams} and 1 free slot"),
        Target::FreeSlots(free) => format!("{streams} and {free} free slots"),
    }
}

/// The `s` of what needs pods.
fn s_of(observed: &Observed<'_>, wish: &Wish) -> &'static str {
    if demand(observed.pods) == 1 && matches!(wish.target, Target::PerReplica(_)) { "s" } else { "" }
}

fn pods_of(count: i32) -> String {
    format!("{count} {}", if count == 1 { "pod" } else { "pods" })
}

#[cfg(test)]
mod tests;
