//! Which converters have pods that stop: known from the watch on pods, so that nobody lists pods to find out that there
//! are none.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A mark that no reconcile took in this time is of a converter that no longer exists.
const FORGOTTEN: Duration = Duration::from_hours(1);
/// Up to how many marks nobody looks for forgotten ones.
const FEW: usize = 1024;

/// The converters of which a stopping pod was seen since they were last looked at.
#[derive(Debug, Default)]
pub struct Stopping(Mutex<HashMap<Key, Instant>>);

/// Namespace and name.
type Key = (String, String);

impl Stopping {
    /// A stopping pod of this converter was seen.
    pub fn seen(&self, namespace: &str, name: &str) {
        let now = Instant::now();
        let mut marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if marks.len() >= FEW {
            marks.retain(|_, since| now.duration_since(*since) < FORGOTTEN);
        }
        marks.insert((namespace.to_owned(), name.to_owned()), now);
    }

    /// Whether one was seen since this was last asked. Ask before listing pods: one that begins to stop meanwhile leaves a
    /// new mark, and wakes its converter.
    pub fn take(&self, namespace: &str, name: &str) -> bool {
        let mut marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        marks.remove(&(namespace.to_owned(), name.to_owned())).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_taken_once_by_its_own_converter() {
        let stopping = Stopping::default();
        stopping.seen("reels", "tape");
        stopping.seen("reels", "tape");
        assert!(!stopping.take("reels", "other") && !stopping.take("attic", "tape"));
        assert!(stopping.take("reels", "tape"));
        assert!(!stopping.take("reels", "tape"));
    }
}
