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
/// So often before the pauses grow: one that hung for a moment is known again soon, one that is away costs little.
const GROWS_AFTER: u32 = 4;
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

/// How far a pod has come, and how many runs of its container are over: one that changes may have something to say.
type Looks = (Stage, i32);

/// Questions in a row that a pod left without an answer.
#[derive(Clone, Copy, Debug)]
struct Unanswered {
    /// How many, since it looks as it does.
    times: u32,
    /// When the first of all was asked.
    since: Instant,
    /// When it was last asked.
    asked: Instant,
    /// How it looked then.
    looks: Looks,
}

fn looks(pod: &PodView) -> Looks {
    (pod.stage, pod.ended)
}

impl Unanswered {
    /// How long it is not asked: each question costs its whole time-out, in which the reconcile does nothing else.
    fn pause(&self, patience: Duration) -> Duration {
        if self.times < ASKED_AS_EVER {
            return Duration::ZERO;
        }
        let doubled = self.times.saturating_sub(GROWS_AFTER);
        patience.saturating_mul(1_u32.checked_shl(doubled).unwrap_or(u32::MAX)).min(LONGEST_PAUSE)
    }
}

/// What is known of one converter.
#[derive(Debug)]
pub struct Memory {
    /// How many pods were needed lately.
    pub history: History,
    /// When the pods were last asked, and how many were ready then.
    pub looked: Option<(Instant, i32)>,
    /// What each pod last said, by its uid, and how many runs of its container were over then.
    loads: HashMap<String, (i32, Load)>,
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

    /// Gives `pods` what they last said, unless that run of their container is over.
    pub fn recall(&self, pods: &mut [PodView]) {
        for pod in pods {
            let said = self.loads.get(&pod.uid).filter(|(ended, _)| *ended == pod.ended);
            pod.load = said.map(|(_, load)| load.clone());
        }
    }

    /// Those of `pods` that are worth a question, by name: all, but for such as have left some without an answer and
    /// look as they did then.
    pub fn worth_asking(&self, pods: &[PodView], now: Instant, patience: Duration) -> BTreeSet<String> {
        let is_due = |pod: &&PodView| {
            self.unanswered.get(&pod.uid).is_none_or(|last| {
                last.looks != looks(pod) || now.saturating_duration_since(last.asked) >= last.pause(patience)
            })
        };
        pods.iter().filter(is_due).map(|pod| pod.name.clone()).collect()
    }

    /// Keeps what `pods`, all that there are, have just said, of whom these were `asked`; so many of them were `ready`.
    ///
    /// A stopping pod that gives no answer for `patience` counts no longer: its node may be dead, and the apiserver keeps it
    /// for all its grace period, which may be days. No stream ends by that: nobody chooses a pod that stops already, and
    /// a stream that comes over from it counts where it goes.
    pub fn remember(
        &mut self,
        pods: &[PodView],
        asked: &BTreeSet<String>,
        ready: i32,
        now: Instant,
        patience: Duration,
    ) {
        self.looked = Some((now, ready));
        let before = std::mem::take(&mut self.unanswered);
        let mute = pods.iter().filter(|pod| !pod.fresh && (pod.started || pod.stopping));
        self.unanswered = mute
            .filter_map(|pod| {
                let last = before.get(&pod.uid).copied();
                let again = || {
                    let times = last.filter(|last| last.looks == looks(pod)).map_or(0, |last| last.times);
                    let since = last.map_or(now, |last| last.since);
                    Unanswered { times: times.saturating_add(1), since, asked: now, looks: looks(pod) }
                };
                let entry = if asked.contains(&pod.name) { Some(again()) } else { last };
                Some((pod.uid.clone(), entry?))
            })
            .collect();
        let is_lost = |pod: &PodView| {
            let last = self.unanswered.get(&pod.uid).filter(|_| pod.stopping);
            last.is_some_and(|last| now.saturating_duration_since(last.since) >= patience)
        };
        let said = pods.iter().filter(|pod| !is_lost(pod));
        self.loads = said.filter_map(|pod| Some((pod.uid.clone(), (pod.ended, pod.load.clone()?)))).collect();
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
    const PATIENCE: Duration = Duration::from_secs(15);

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
        memory.remember(&[ready("a", 3, 9), ready("b", 1, 9)], &asked, 2, start, PATIENCE);
        memory.reserved = ["uid-a".to_owned(), "uid-b".to_owned()].into();
        let mut now = [PodView { load: None, fresh: false, ..ready("a", 0, 0) }];
        memory.recall(&mut now);
        assert_eq!(now[0].streams(), Some(3));
        memory.remember(&now, &asked, 1, start + Duration::from_secs(5), PATIENCE);
        assert_eq!(memory.reserved, ["uid-a".to_owned()].into());
        assert_eq!(memory.loads.len(), 1);
        assert_eq!(memory.long_silent(start + Duration::from_secs(19), PATIENCE), None);
        memory.remember(&now, &asked, 1, start + Duration::from_secs(20), PATIENCE);
        assert_eq!(memory.long_silent(start + Duration::from_secs(20), PATIENCE), Some("a"));
        memory.remember(&[ready("a", 3, 9)], &asked, 1, start + Duration::from_secs(21), PATIENCE);
        assert_eq!(memory.long_silent(start + Duration::from_mins(9), PATIENCE), None);
    }

    #[test]
    fn a_pod_that_does_not_answer_is_asked_more_and_more_rarely() {
        let start = Instant::now();
        let mut memory = Memory::new(GAP, start);
        let mute = PodView { fresh: false, ..ready("mute", 3, 9) };
        let pods = [mute.clone(), ready("well", 1, 9), PodView { fresh: false, ..starting("new") }];
        let mut asked_at = Vec::new();
        for second in (0..405).step_by(5) {
            let now = start + Duration::from_secs(second);
            let asked = memory.worth_asking(&pods, now, PATIENCE);
            assert!(asked.contains("well") && asked.contains("new"));
            if asked.contains("mute") {
                asked_at.push(second);
            }
            memory.remember(&pods, &asked, 1, now, PATIENCE);
        }
        assert_eq!(asked_at, [0, 5, 20, 35, 50, 80, 140, 260, 380]);
        // Whoever changes may have something to say.
        let now = start + Duration::from_secs(405);
        for (what, pod, asked) in [
            ("as it was", mute.clone(), 0),
            ("not ready any more", PodView { stage: Stage::Unready, ..mute.clone() }, 1),
            ("restarted", PodView { ended: 1, ..mute.clone() }, 1),
            ("it stops, which makes it say no more", PodView { stopping: true, ..mute }, 0),
        ] {
            assert_eq!(memory.worth_asking(&[pod], now, PATIENCE).len(), asked, "{what}");
        }
        // And one that answers is asked as ever.
        memory.remember(&[ready("mute", 3, 9)], &["mute".to_owned()].into(), 1, now, PATIENCE);
        assert_eq!(memory.worth_asking(&[ready("mute", 3, 9)], now, PATIENCE).len(), 1);
    }

    #[test]
    fn streams_of_a_pod_that_is_away_count_until_it_stops_or_is_another() {
        let mute = PodView { fresh: false, ..ready("a", 3, 9) };
        let stopping = PodView { stopping: true, ..mute.clone() };
        // A look every 5 s, the first of which it answers: what it is in each of the others, and what is known after them.
        for (what, views, known) in [
            ("it hangs", vec![mute.clone(); 40], Some(3)),
            ("it hangs and is not ready", vec![PodView { stage: Stage::Unready, ..mute.clone() }; 40], Some(3)),
            ("it has just begun to stop", vec![stopping.clone(); 3], Some(3)),
            ("it stops, and nobody hears of it", vec![stopping.clone(); 4], None),
            ("it was away before it stopped", [vec![mute.clone(); 3], vec![stopping.clone()]].concat(), None),
            (
                "it stops and says so",
                [vec![stopping.clone(); 9], vec![PodView { fresh: true, ..stopping }]].concat(),
                Some(3),
            ),
            ("its container has been restarted", vec![PodView { ended: 1, ..mute.clone() }], None),
            ("and says so", vec![PodView { ended: 1, ..ready("a", 1, 9) }], Some(1)),
        ] {
            let (start, step) = (Instant::now(), Duration::from_secs(5));
            let mut memory = Memory::new(GAP, start);
            memory.remember(&[ready("a", 3, 9)], &["a".to_owned()].into(), 1, start, PATIENCE);
            let (mut now, mut last) = (start, [mute.clone()]);
            for view in views {
                now += step;
                last = [view];
                let said = last[0].load.take().filter(|_| last[0].fresh);
                memory.recall(&mut last);
                last[0].load = said.or(last[0].load.take());
                let asked = memory.worth_asking(&last, now, PATIENCE);
                memory.remember(&last, &asked, 1, now, PATIENCE);
            }
            memory.recall(&mut last);
            assert_eq!(last[0].streams(), known, "{what}");
        }
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
