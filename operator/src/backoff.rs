//! The pace of tries after errors: each object has its own, doubling from a second to five minutes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(5);
/// An entry that nobody has touched for so long belongs to an object that is gone.
const FORGET_AFTER: Duration = Duration::from_hours(1);

#[derive(Debug)]
struct Entry {
    failures: u32,
    last: Instant,
}

/// How often each object has failed in a row.
#[derive(Debug, Default)]
pub struct Backoff {
    entries: Mutex<HashMap<String, Entry>>,
}

impl Backoff {
    /// Notes a failure of the object `key` and says how long to wait before the next try.
    pub fn failed(&self, key: &str) -> Duration {
        let now = Instant::now();
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|_, entry| now.duration_since(entry.last) < FORGET_AFTER);
        let entry = entries.entry(key.to_owned()).or_insert(Entry { failures: 0, last: now });
        let delay = plan_delay(entry.failures);
        entry.failures = entry.failures.saturating_add(1);
        entry.last = now;
        delay
    }

    /// Notes that the object `key` went well.
    pub fn succeeded(&self, key: &str) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

/// The wait after `failures` earlier failures in a row.
fn plan_delay(failures: u32) -> Duration {
    FIRST.saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_its_bound() {
        let seconds: Vec<u64> = [0, 1, 2, 8, 9, 31, 32, u32::MAX].map(|n| plan_delay(n).as_secs()).into();
        assert_eq!(seconds, [1, 2, 4, 256, 300, 300, 300, 300]);
    }

    #[test]
    fn each_object_has_its_own_and_success_resets_it() {
        let backoff = Backoff::default();
        assert_eq!(backoff.failed("a").as_secs(), 1);
        assert_eq!(backoff.failed("a").as_secs(), 2);
        assert_eq!(backoff.failed("b").as_secs(), 1);
        backoff.succeeded("a");
        assert_eq!(backoff.failed("a").as_secs(), 1);
    }
}
