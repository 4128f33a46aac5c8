//! Which objects have been woken and wait for their reconcile, and since when. It only counts: the queue itself is kube's.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The objects of one controller that wait.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: Mutex<HashMap<String, Instant>>,
}

impl Queue {
    /// Notes that an object has been woken; gives how many wait.
    pub fn woken(&self, namespace: Option<&str>, name: &str) -> usize {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.entry(key(namespace, name)).or_insert_with(Instant::now);
        waiting.len()
    }

    /// Notes that an object's reconcile begins or will not come; gives how long it waited, if it did, and how many still do.
    pub fn left(&self, namespace: Option<&str>, name: &str) -> (Option<Duration>, usize) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let since = waiting.remove(&key(namespace, name));
        (since.map(|since| since.elapsed()), waiting.len())
    }
}

fn key(namespace: Option<&str>, name: &str) -> String {
    format!("{}/{name}", namespace.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_waits_once_however_often_it_is_woken() {
        let queue = Queue::default();
        assert_eq!(queue.woken(Some("attic"), "tape"), 1);
        assert_eq!(queue.woken(Some("attic"), "tape"), 1);
        assert_eq!(queue.woken(Some("cellar"), "tape"), 2);
        let (waited, rest) = queue.left(Some("attic"), "tape");
        assert!(waited.is_some());
        assert_eq!(rest, 1);
        assert_eq!(queue.left(Some("attic"), "tape"), (None, 1));
    }
}
