//! What is known of each converter from one reconcile to the next, by its uid. Nothing of it has to survive: whoever begins
//! without it looks again, and waits a window before a pod goes.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::history::History;
use super::load::Load;
use super::plan::Verdict;
use super::pods::{PodView, Stage};

/// An entry that nobody has touched for so long belongs to an object that is gone.
const FORGET_AFTER: Duration = Duration::from_hours(1);
/// The streams of a status are written once in this time at most, if nothing else has changed.
const FIGURES_EVERY: Duration = Duration::from_secs(10);

/// So often in a row a pod may leave a question without an answer before it is asked more rarely.
const ASKED_AS_EVER: u32 = 2;
/// The longest pause between two questions to a pod that does not answer.
const LONGEST_PAUSE: Duration = Duration::from_mins(2);

/// Streams over all pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// That run; `None` if no pod has ever said so.
    pub active: Option<i64>,
    /// That the pods take at once.
    pub capacity: Option<i64>,
}

/// Questions in a row that a pod left without an answer.
#[derive(Clone, Copy, Debug)]
struct Unanswered {
    times: u32,
    /// When it was last asked.
    asked: Instant,
    /// How far it had come then.
    stage: Stage,
}

impl Unanswered {
    /// How long it is not asked: each question costs its whole time-out, in which the reconcile does nothing else.
    fn pause(&self, patience: Duration) -> Duration {
        match self.times.checked_sub(ASKED_AS_EVER) {
            Some(more) => patience.saturating_mul(1_u32.checked_shl(more).unwrap_or(u32::MAX)).min(LONGEST_PAUSE),
            None => Duration::ZERO,
        }
    }
}

/// What is known of one converter.
#[derive(Debug)]
pub struct Memory {
    /// How many pods were needed lately.
    pub history: History,
    /// When the pods were last asked, and how many were ready then.
    pub looked: Option<(Instant, i32)>,
    /// What each pod last said, by its uid.
    loads: HashMap<String, Load>,
    /// Since when a pod is silent that should answer, by its name.
    silent: HashMap<String, Instant>,
    /// Pods that did not answer when they were last asked, by their uid.
    unanswered: HashMap<String, Unanswered>,
    /// Pods that were reserved by us and have not been let go, by their uid.
    pub reserved: BTreeSet<String>,
    /// The count that the streams asked for, while it stands.
    pub asked: Option<i32>,
    /// The count that has to be restored, because pods that were to go have got streams.
    pub give_back: Option<i32>,
    /// How often in a row pods could not be marked.
    pub mark_failures: u32,
    /// What the last decision was.
    pub verdict: Option<Verdict>,
    told: Option<(Instant, Figures)>,
    /// Whether there are others by now.
    untold: bool,
    touched: Instant,
}

impl Memory {
    fn new(gap: Duration, now: Instant) -> Self {
        Self {
            history: History::new(gap),
            looked: None,
            loads: HashMap::new(),
            silent: HashMap::new(),
            unanswered: HashMap::new(),
            reserved: BTreeSet::new(),
            asked: None,
            give_back: None,
            mark_failures: 0,
            verdict: None,
            told: None,
            untold: false,
            touched: now,
        }
    }

    /// Gives `pods` what they last said.
    pub fn recall(&self, pods: &mut [PodView]) {
        for pod in pods {
            pod.load = self.loads.get(&pod.uid).cloned();
        }
    }

    /// Those of `pods` that are worth a question, by name: all, but for such as have left some without an answer and
    /// look as they did then.
    pub fn worth_asking(&self, pods: &[PodView], now: Instant, patience: Duration) -> BTreeSet<String> {
        let is_due = |pod: &&PodView| {
            self.unanswered.get(&pod.uid).is_none_or(|last| {
                last.stage != pod.stage || now.saturating_duration_since(last.asked) >= last.pause(patience)
            })
        };
        pods.iter().filter(is_due).map(|pod| pod.name.clone()).collect()
    }

    /// Keeps what `pods`, all that there are, have just said, of whom these were `asked`; so many of them were `ready`.
    pub fn remember(&mut self, pods: &[PodView], asked: &BTreeSet<String>, ready: i32, now: Instant) {
        self.looked = Some((now, ready));
        let before = std::mem::take(&mut self.unanswered);
        let mute = pods.iter().filter(|pod| !pod.fresh && (pod.started || pod.stopping));
        self.unanswered = mute
            .filter_map(|pod| {
                let last = before.get(&pod.uid).copied();
                let again = || {
                    let times = last.filter(|last| last.stage == pod.stage).map_or(0, |last| last.times);
                    Unanswered { times: times.saturating_add(1), asked: now, stage: pod.stage }
                };
                let entry = if asked.contains(&pod.name) { Some(again()) } else { last };
                Some((pod.uid.clone(), entry?))
            })
            .collect();
        self.loads = pods.iter().filter_map(|pod| Some((pod.uid.clone(), pod.load.clone()?))).collect();
        let silent = pods.iter().filter(|pod| pod.is_silent());
        let since = |name: &str| self.silent.get(name).copied().unwrap_or(now);
        self.silent = silent.map(|pod| (pod.name.clone(), since(&pod.name))).collect();
        self.reserved.retain(|uid| pods.iter().any(|pod| pod.uid == *uid));
    }

    /// The pod, first by name, that has been silent for `patience`: one lost answer is no trouble.
    pub fn long_silent(&self, now: Instant, patience: Duration) -> Option<&str> {
        let long = self.silent.iter().filter(|(_, since)| now.saturating_duration_since(**since) >= patience);
        long.map(|(name, _)| name.as_str()).min()
    }

    /// The figures to write: the present ones, or, where the streams alone are others than a moment ago, those of then.
    pub fn tell(&mut self, present: Figures, now: Instant) -> Figures {
        let told = match self.told {
            Some((_, told)) if told == present => told,
            Some((at, told))
                if told.capacity == present.capacity && now.saturating_duration_since(at) < FIGURES_EVERY =>
            {
                told
            }
            _ => {
                self.told = Some((now, present));
                present
            }
        };
        self.untold = told != present;
        told
    }

    /// Whether figures wait for being written.
    pub fn is_untold(&self) -> bool {
        self.untold
    }
}

/// What is known of all converters.
#[derive(Debug, Default)]
pub struct Memories(Mutex<HashMap<String, Memory>>);

impl Memories {
    /// Works on what is known of the converter with this uid. Looks that are `gap` apart or more do not belong together.
    pub fn with<T>(&self, uid: &str, gap: Duration, now: Instant, work: impl FnOnce(&mut Memory) -> T) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains_key(uid) {
            all.retain(|_, memory| now.saturating_duration_since(memory.touched) < FORGET_AFTER);
        }
        let memory = all.entry(uid.to_owned()).or_insert_with(|| Memory::new(gap, now));
        memory.touched = now;
        work(memory)
    }
}

#[cfg(test)]
mod tests {
    use super::super::pods::tests::{ready, starting};
    use super::*;

    const GAP: Duration = Duration::from_mins(1);

    fn figures(active: i64) -> Figures {
        Figures { active: Some(active), capacity: Some(9) }
    }

    #[test]
    fn figures_are_told_now_and_then() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut memory = Memory::new(GAP, start);
        assert_eq!(memory.tell(figures(1), start), figures(1));
        assert_eq!(memory.tell(figures(2), start + second), figures(1));
        assert_eq!(memory.tell(figures(1), start + 9 * second), figures(1));
        assert_eq!(memory.tell(figures(3), start + 10 * second), figures(3));
        assert_eq!(memory.tell(figures(4), start + 19 * second), figures(3));
        assert_eq!(memory.tell(figures(4), start + 20 * second), figures(4));
        // With another pod the status is another anyway.
        let more = Figures { active: Some(5), capacity: Some(18) };
        assert_eq!(memory.tell(more, start + 21 * second), more);
    }

    #[test]
    fn what_a_pod_said_is_kept_as_long_as_the_pod() {
        let start = Instant::now();
        let mut memory = Memory::new(GAP, start);
        let asked = ["a".to_owned(), "b".to_owned()].into();
        memory.remember(&[ready("a", 3, 9), ready("b", 1, 9)], &asked, 2, start);
        memory.reserved = ["uid-a".to_owned(), "uid-b".to_owned()].into();
        let mut now = [PodView { load: None, fresh: false, ..ready("a", 0, 0) }];
        memory.recall(&mut now);
        assert_eq!(now[0].streams(), Some(3));
        memory.remember(&now, &asked, 1, start + Duration::from_secs(5));
        assert_eq!(memory.reserved, ["uid-a".to_owned()].into());
        assert_eq!(memory.loads.len(), 1);
        assert_eq!(memory.long_silent(start + Duration::from_secs(19), Duration::from_secs(15)), None);
        memory.remember(&now, &asked, 1, start + Duration::from_secs(20));
        assert_eq!(memory.long_silent(start + Duration::from_secs(20), Duration::from_secs(15)), Some("a"));
        memory.remember(&[ready("a", 3, 9)], &asked, 1, start + Duration::from_secs(21));
        assert_eq!(memory.long_silent(start + Duration::from_mins(9), Duration::from_secs(15)), None);
    }

    #[test]
    fn a_pod_that_does_not_answer_is_asked_more_and_more_rarely() {
        let (start, patience) = (Instant::now(), Duration::from_secs(15));
        let mut memory = Memory::new(GAP, start);
        let mute = PodView { fresh: false, ..ready("mute", 3, 9) };
        let pods = [mute.clone(), ready("well", 1, 9), PodView { fresh: false, ..starting("new") }];
        let mut asked_at = Vec::new();
        for second in (0..400).step_by(5) {
            let now = start + Duration::from_secs(second);
            let asked = memory.worth_asking(&pods, now, patience);
            assert!(asked.contains("well") && asked.contains("new"));
            if asked.contains("mute") {
                asked_at.push(second);
            }
            memory.remember(&pods, &asked, 1, now);
        }
        assert_eq!(asked_at, [0, 5, 20, 50, 110, 230, 350]);
        // Whoever changes may have something to say.
        let now = start + Duration::from_secs(400);
        let unready = [PodView { stage: Stage::Unready, ..mute.clone() }];
        assert_eq!(memory.worth_asking(&unready, now, patience).len(), 1);
        assert_eq!(memory.worth_asking(&[mute], now, patience).len(), 0);
        // And one that answers is asked as ever.
        memory.remember(&[ready("mute", 3, 9)], &["mute".to_owned()].into(), 1, now);
        assert_eq!(memory.worth_asking(&[ready("mute", 3, 9)], now, patience).len(), 1);
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let (start, memories) = (Instant::now(), Memories::default());
        memories.with("u-1", GAP, start, |memory| memory.asked = Some(3));
        assert_eq!(memories.with("u-1", GAP, start, |memory| memory.asked), Some(3));
        memories.with("u-2", GAP, start + FORGET_AFTER, |_| ());
        assert_eq!(memories.0.lock().unwrap().len(), 1);
    }
}
