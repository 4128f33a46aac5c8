//! What a decision needs to know of the time before it: how many pods were needed lately, and how many came and went.
//!
//! It lives in memory. Whoever begins without one (a restart, another leader) begins the windows anew, which only ever
//! keeps pods for longer.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Over which time `maxPodsPerMinute` counts.
pub const MINUTE: Duration = Duration::from_mins(1);
/// Looks within this time of each other are kept as one.
const GRAIN: Duration = Duration::from_secs(1);

/// How many pods were needed at one time, looks within [`GRAIN`] together.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Instant,
    fewest: i32,
    most: i32,
}

/// The past of one converter.
#[derive(Clone, Debug)]
pub struct History {
    /// After a longer silence than this nothing is known of the time between.
    gap: Duration,
    /// For how long samples are kept.
    keep: Duration,
    samples: VecDeque<Sample>,
    last: Option<Instant>,
    /// The count at the last look.
    count: Option<i32>,
    /// When we changed the count, and by how much.
    steps: VecDeque<(Instant, i32)>,
}

impl History {
    /// A past that nothing is known of. Looks that are `gap` apart or more do not belong together.
    pub fn new(gap: Duration) -> Self {
        Self { gap, keep: Duration::ZERO, samples: VecDeque::new(), last: None, count: None, steps: VecDeque::new() }
    }

    /// Notes that `needed` pods are needed while `count` are wanted. Samples are kept for `keep`, the longest window that
    /// somebody may ask for.
    ///
    /// At the beginning, after a gap, and when somebody else has set another count, that count is noted as needed: so it
    /// stands for one window, as with the HorizontalPodAutoscaler's first look.
    pub fn look(&mut self, now: Instant, count: i32, needed: i32, keep: Duration) {
        if self.last.is_some_and(|last| now.saturating_duration_since(last) >= self.gap) {
            self.samples.clear();
            self.count = None;
        }
        self.keep = keep;
        if self.count != Some(count) {
            self.push(now, count);
        }
        self.push(now, needed);
        self.count = Some(count);
        self.last = Some(now);
        while self.samples.front().is_some_and(|sample| now.saturating_duration_since(sample.at) > keep) {
            self.samples.pop_front();
        }
        while self.steps.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) >= MINUTE) {
            self.steps.pop_front();
        }
    }

    /// Notes that the count was changed.
    pub fn changed(&mut self, now: Instant, from: i32, to: i32) {
        self.steps.push_back((now, to.saturating_sub(from)));
        self.count = Some(to);
    }

    fn push(&mut self, at: Instant, needed: i32) {
        match self.samples.back_mut() {
            Some(last) if at.saturating_duration_since(last.at) < GRAIN => {
                last.fewest = last.fewest.min(needed);
                last.most = last.most.max(needed);
            }
            _ => self.samples.push_back(Sample { at, fewest: needed, most: needed }),
        }
    }

    fn within(&self, now: Instant, window: Duration) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(move |sample| {
            // A window of nothing looks at nothing.
            !window.is_zero() && now.saturating_duration_since(sample.at) <= window
        })
    }

    /// The most pods that were needed within `window`; `now_needed` if that is more.
    pub fn most(&self, now: Instant, window: Duration, now_needed: i32) -> i32 {
        self.within(now, window).map(|sample| sample.most).fold(now_needed, i32::max)
    }

    /// The fewest pods that were needed within `window`; `now_needed` if that is fewer.
    pub fn fewest(&self, now: Instant, window: Duration, now_needed: i32) -> i32 {
        self.within(now, window).map(|sample| sample.fewest).fold(now_needed, i32::min)
    }

    /// How many pods we added in the last minute.
    pub fn added(&self, now: Instant) -> i32 {
        self.stepped(now).filter(|step| *step > 0).fold(0, i32::saturating_add)
    }

    /// How many pods we took away in the last minute.
    pub fn taken(&self, now: Instant) -> i32 {
        self.stepped(now).filter(|step| *step < 0).fold(0, i32::saturating_sub)
    }

    fn stepped(&self, now: Instant) -> impl Iterator<Item = i32> {
        let recent = self.steps.iter().filter(move |(at, _)| now.saturating_duration_since(*at) < MINUTE);
        recent.map(|(_, step)| *step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(100);

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn the_window_holds_what_was_needed_and_forgets_it() {
        let (start, mut history) = (Instant::now(), History::new(Duration::from_mins(1)));
        for (second, needed) in [(0, 2), (30, 5), (60, 1), (90, 2), (120, 2)] {
            history.look(after(start, second), 2, needed, WINDOW);
        }
        assert_eq!(history.most(after(start, 120), WINDOW, 2), 5);
        assert_eq!(history.most(after(start, 120), Duration::from_secs(50), 2), 2);
        assert_eq!(history.fewest(after(start, 120), WINDOW, 2), 1);
        assert_eq!(history.most(after(start, 120), Duration::ZERO, 0), 0);
        history.look(after(start, 135), 2, 2, WINDOW);
        assert_eq!(history.most(after(start, 135), WINDOW, 2), 2);
    }

    #[test]
    fn a_beginning_a_gap_and_a_count_of_somebody_else_begin_the_window_anew() {
        let (start, mut history) = (Instant::now(), History::new(Duration::from_mins(1)));
        history.look(start, 4, 1, WINDOW);
        assert_eq!(history.most(start, WINDOW, 1), 4, "the beginning");
        for second in (10..=110).step_by(10) {
            history.look(after(start, second), 4, 1, WINDOW);
        }
        assert_eq!(history.most(after(start, 110), WINDOW, 1), 1);
        history.look(after(start, 120), 6, 1, WINDOW);
        assert_eq!(history.most(after(start, 120), WINDOW, 1), 6, "a person");
        for second in (130..=230).step_by(10) {
            history.look(after(start, second), 6, 1, WINDOW);
        }
        assert_eq!(history.most(after(start, 230), WINDOW, 1), 1);
        history.look(after(start, 290), 6, 1, WINDOW);
        assert_eq!(history.most(after(start, 290), WINDOW, 1), 6, "a gap");
        // What we set ourselves is no news.
        history.changed(after(start, 291), 6, 3);
        history.look(after(start, 400), 3, 1, WINDOW);
        history.look(after(start, 401), 3, 1, WINDOW);
        assert_eq!(history.most(after(start, 401), Duration::from_millis(500), 1), 1);
    }

    #[test]
    fn steps_count_for_a_minute_each_direction_by_itself() {
        let (start, mut history) = (Instant::now(), History::new(Duration::from_mins(1)));
        history.changed(start, 2, 5);
        history.changed(after(start, 20), 5, 4);
        history.changed(after(start, 30), 4, 6);
        assert_eq!((history.added(after(start, 40)), history.taken(after(start, 40))), (5, 1));
        assert_eq!((history.added(after(start, 70)), history.taken(after(start, 70))), (2, 1));
        assert_eq!((history.added(after(start, 90)), history.taken(after(start, 90))), (0, 0));
    }

    #[test]
    fn many_looks_take_little_room() {
        let (start, mut history) = (Instant::now(), History::new(Duration::from_mins(1)));
        for milli in 0..20_000 {
            history.look(start + Duration::from_millis(milli), 1, 1, WINDOW);
        }
        assert!(history.samples.len() <= 21, "{}", history.samples.len());
    }
}
