//! The pace of tries after errors: each object has its own, doubling, from a second to five minutes unless told otherwise.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// An entry that nobody has touched for so long, beyond the longest wait, belongs to an object that is gone.
const FORGET_AFTER: Duration = Duration::from_hours(1);

/// The waits between tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The first.
    pub first: Duration,
    /// The longest.
    pub longest: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), longest: Duration::from_mins(5) }
    }
}

impl Pace {
    /// The wait after `failures` earlier failures in a row.
    fn plan_delay(self, failures: u32) -> Duration {
        self.first.saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX)).min(self.longest)
    }
}

#[derive(Debug)]
struct Entry {
    failures: u32,
    last: Instant,
}

/// How often each object has failed in a row.
#[derive(Debug, Default)]
pub struct Backoff {
    pace: Pace,
    entries: Mutex<HashMap<String, Entry>>,
}

impl Backoff {
    /// At this pace.
    pub fn new(pace: Pace) -> Self {
        Self { pace, entries: Mutex::default() }
    }

    /// Notes a failure of the object `key` and says how long to wait before the next try.
    pub fn failed(&self, key: &str) -> Duration {
        let now = Instant::now();
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|_, entry| now.duration_since(entry.last) < FORGET_AFTER + self.pace.longest);
        let entry = entries.entry(key.to_owned()).or_insert(Entry { failures: 0, last: now });
        let delay = self.pace.plan_delay(entry.failures);
        entry.failures = entry.failures.saturating_add(1);
        entry.last = now;
        delay
    }

    /// How often the object `key` has failed in a row.
    pub fn failures(&self, key: &str) -> u32 {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get(key).map_or(0, |entry| entry.failures)
    }

    /// Notes that the object `key` went well.
    pub fn succeeded(&self, key: &str) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_its_bound() {
        let pace = Pace::default();
        let seconds: Vec<u64> = [0, 1, 2, 8, 9, 31, 32, u32::MAX].map(|n| pace.plan_delay(n).as_secs()).into();
        assert_eq!(seconds, [1, 2, 4, 256, 300, 300, 300, 300]);
    }

    #[test]
    fn each_object_has_its_own_and_success_resets_it() {
        let backoff = Backoff::default();
        assert_eq!(backoff.failed("a").as_secs(), 1);
        assert_eq!(backoff.failed("a").as_secs(), 2);
        assert_eq!(backoff.failed("b").as_secs(), 1);
        assert_eq!([backoff.failures("a"), backoff.failures("b"), backoff.failures("c")], [2, 1, 0]);
        backoff.succeeded("a");
        assert_eq!(backoff.failed("a").as_secs(), 1);
    }
}
