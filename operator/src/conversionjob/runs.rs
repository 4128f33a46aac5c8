//! What is known of each run from one look to the next, by its uid: what workers said, how fast it goes, and when its status
//! was last written. Nothing of it has to survive: whoever begins without it asks again, after a second's pause.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;
use crds::ConversionJobStatus;

use super::pace::{Pace, Rate};
use super::progress::{Progress, Readings};
use crate::args::at_least_a_second;
use crate::ask::PodClient;

/// An entry that nobody has touched for so long belongs to an object that is gone.
const FORGET_AFTER: Duration = Duration::from_hours(1);
/// How far the writes of one status are apart at least, whatever they tell.
const APART: Duration = Duration::from_secs(1);
/// How much sooner than the interval pods may be asked again: a timer is never exact.
const EARLY: Duration = Duration::from_millis(200);

/// How the progress of batch runs is told.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Batch runs")]
pub struct ProgressArgs {
    /// How often the pods of a running ConversionJob are asked how far they have come, and how often its status is written
    /// for that alone. What else changes is told at once, or a second after the last write
    #[arg(long, env = "FLACSHIP_PROGRESS_INTERVAL", value_name = "DURATION", default_value = "5s", value_parser = at_least_a_second)]
    pub progress_interval: Duration,
}

impl Default for ProgressArgs {
    fn default() -> Self {
        Self { progress_interval: Duration::from_secs(5) }
    }
}

/// What is known of one run.
#[derive(Debug)]
pub struct Memory {
    /// What workers said.
    pub readings: Readings,
    /// How fast it goes.
    pace: Pace,
    asked: Option<Instant>,
    written: Option<Instant>,
    touched: Instant,
}

impl Memory {
    /// Whether it is time to ask the pods again.
    pub fn is_due(&self, interval: Duration, now: Instant) -> bool {
        self.asked.is_none_or(|at| now.saturating_duration_since(at) + EARLY >= interval)
    }

    /// The pods have just been asked, and the run has come so far; gives how fast it goes.
    pub fn asked(&mut self, progress: &Progress, now: Instant) {
        self.asked = Some(now);
        self.pace.note(progress.bytes_done, now);
    }

    /// How fast it goes.
    pub fn rate(&self) -> Option<Rate> {
        self.pace.rate()
    }

    /// The run stands still because it is held.
    pub fn held(&mut self) {
        self.pace.forget();
        self.asked = None;
    }
}

/// What is known of all runs.
#[derive(Debug)]
pub struct Runs {
    /// How often progress is told.
    pub interval: Duration,
    /// Who asks pods.
    pub pods: PodClient,
    memories: Mutex<HashMap<String, Memory>>,
}

impl Runs {
    /// Knows nothing yet. A pod has `timeout` for its answer.
    pub fn new(settings: &ProgressArgs, timeout: Duration) -> Self {
        Self { interval: settings.progress_interval, pods: PodClient::new(timeout), memories: Mutex::default() }
    }

    /// Works on what is known of the run with this uid.
    pub fn with<T>(&self, uid: &str, now: Instant, work: impl FnOnce(&mut Memory) -> T) -> T {
        let mut all = self.memories.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains_key(uid) {
            all.retain(|_, memory| now.saturating_duration_since(memory.touched) < FORGET_AFTER);
        }
        let memory = all.entry(uid.to_owned()).or_insert_with(|| Memory {
            readings: Readings::default(),
            pace: Pace::default(),
            asked: None,
            written: None,
            touched: now,
        });
        memory.touched = now;
        work(memory)
    }

    /// How long the run is left alone because its status, as it is now, was written less than a second ago; nothing if it
    /// need not be. All of a look is put off by that, as what it does and what it tells of that belong together.
    ///
    /// A status of which it is not known when it was written, as another operator wrote it, counts as written just now.
    pub fn pause(&self, uid: &str, status: Option<&ConversionJobStatus>, now: Instant) -> Option<Duration> {
        let written = self.with(uid, now, |memory| {
            memory.written = memory.written.or_else(|| status.map(|_| now));
            memory.written
        })?;
        let left = APART.saturating_sub(now.saturating_duration_since(written));
        (!left.is_zero()).then_some(left)
    }

    /// How long a status has to wait that differs in its progress alone; nothing if it need not.
    pub fn wait_to_write(&self, uid: &str, now: Instant) -> Option<Duration> {
        let written = self.with(uid, now, |memory| memory.written)?;
        let left = self.interval.saturating_sub(now.saturating_duration_since(written));
        (left > EARLY).then_some(left)
    }

    /// The status was written, or may have been: its answer came at `now`, or its failure.
    pub fn wrote(&self, uid: &str, now: Instant) {
        self.with(uid, now, |memory| memory.written = Some(now));
    }

    /// The run has ended: nothing has to be known of it any more.
    pub fn forget(&self, uid: &str) {
        self.memories.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        progress: ProgressArgs,
    }

    fn runs() -> Runs {
        Runs::new(&ProgressArgs::default(), Duration::from_secs(1))
    }

    #[test]
    fn the_defaults_are_one_thing_and_no_pace_is_hot() {
        let parsed = Cli::parse_from(["operator"]).progress;
        assert_eq!(parsed.progress_interval, ProgressArgs::default().progress_interval);
        assert!(Cli::try_parse_from(["operator", "--progress-interval=1s"]).is_ok());
        for text in ["999ms", "0s", "often"] {
            assert!(Cli::try_parse_from(["operator", &format!("--progress-interval={text}")]).is_err(), "{text}");
        }
    }

    #[test]
    fn progress_alone_is_written_once_an_interval() {
        let (runs, start, second) = (runs(), Instant::now(), Duration::from_secs(1));
        assert_eq!(runs.wait_to_write("u", start), None);
        runs.wrote("u", start);
        assert_eq!(runs.wait_to_write("u", start), Some(5 * second));
        assert_eq!(runs.wait_to_write("u", start + 3 * second), Some(2 * second));
        assert_eq!(runs.wait_to_write("u", start + 5 * second), None);
        assert_eq!(runs.wait_to_write("other", start), None);
    }

    #[test]
    fn nothing_is_done_within_a_second_of_a_write() {
        let (milli, told) = (Duration::from_millis, Some(ConversionJobStatus::default()));
        for (what, written, status, looks) in [
            ("the first of a run", None, None, &[(0, None), (1, None)][..]),
            (
                "our own",
                Some(0),
                told.clone(),
                &[(0, Some(1000)), (200, Some(800)), (999, Some(1)), (1000, None), (9000, None)],
            ),
            ("our own, which somebody took away", Some(0), None, &[(200, Some(800)), (1000, None)]),
            ("another operator's", None, told, &[(5000, Some(1000)), (5300, Some(700)), (6000, None), (6001, None)]),
        ] {
            let (runs, start) = (runs(), Instant::now());
            if let Some(at) = written {
                runs.wrote("u", start + milli(at));
            }
            for (at, left) in looks {
                let pause = runs.pause("u", status.as_ref(), start + milli(*at));
                assert_eq!(pause, left.map(milli), "{what}, {at} ms later");
            }
        }
        // One run's pause is not another's.
        let (runs, start) = (runs(), Instant::now());
        runs.wrote("u", start);
        assert_eq!(runs.pause("other", None, start), None);
    }

    #[test]
    fn pods_are_asked_once_an_interval() {
        let (runs, start, second) = (runs(), Instant::now(), Duration::from_secs(1));
        let is_due = |at| runs.with("u", at, |memory| memory.is_due(runs.interval, at));
        let note = |bytes_done, at| {
            runs.with("u", at, |memory| memory.asked(&Progress { bytes_done, ..Progress::default() }, at));
        };
        assert!(is_due(start));
        note(0, start);
        assert!(!is_due(start + 4 * second) && is_due(start + 5 * second));
        note(5000, start + 5 * second);
        assert_eq!(runs.with("u", start, |memory| memory.rate()), Some(Rate(1000)));
        runs.with("u", start, Memory::held);
        assert!(is_due(start + 5 * second));
        assert_eq!(runs.with("u", start, |memory| memory.rate()), None);
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let (runs, start) = (runs(), Instant::now());
        runs.wrote("a", start);
        runs.wrote("b", start);
        runs.forget("a");
        assert_eq!(runs.memories.lock().unwrap().len(), 1);
        runs.wrote("c", start + FORGET_AFTER);
        assert_eq!(runs.memories.lock().unwrap().len(), 1);
    }
}
