//! Writes to our own objects that the watch has not brought back yet.
//!
//! A reconcile that begins before then sees the object as it was, and would write the same once more. It is put off: the
//! event that is on its way wakes the object again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::children::Version;

/// Longest time to wait for a write to come back. A cluster that was restored from a backup never brings it.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// The last write to each object that has not come back.
#[derive(Debug, Default)]
pub struct OwnWrites {
    pending: Mutex<HashMap<String, Pending>>,
}

#[derive(Debug)]
struct Pending {
    uid: Option<String>,
    version: Version,
    at: Instant,
}

impl Pending {
    fn is_awaited(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.at) < PATIENCE
    }
}

impl OwnWrites {
    /// The apiserver answered a write of ours, at `now`, with `answer`.
    pub fn wrote(&self, answer: &ObjectMeta, now: Instant) {
        let Some(version) = Version::of(answer) else { return };
        let mut all = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        // What was never seen again is swept when the map would have to grow.
        if all.len() == all.capacity() {
            all.retain(|_, pending| pending.is_awaited(now));
        }
        all.insert(key(answer), Pending { uid: answer.uid.clone(), version, at: now });
    }

    /// Whether `seen` is from before our last write to the object.
    pub fn are_ahead_of(&self, seen: &ObjectMeta, now: Instant) -> bool {
        let mut all = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let key = key(seen);
        let Some(pending) = all.get(&key) else { return false };
        let ahead = pending.uid == seen.uid
            && Version::of(seen).is_some_and(|version| version < pending.version)
            && pending.is_awaited(now);
        if !ahead {
            all.remove(&key);
        }
        ahead
    }
}

fn key(meta: &ObjectMeta) -> String {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    format!("{}/{}", text(&meta.namespace), text(&meta.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(uid: &str, version: &str) -> ObjectMeta {
        serde_yaml::from_str(&format!("{{name: tape, namespace: reels, uid: {uid}, resourceVersion: '{version}'}}"))
            .unwrap()
    }

    #[test]
    fn an_object_from_before_our_write_is_put_off_until_the_write_is_seen() {
        let start = Instant::now();
        for (what, seen, after, ahead) in [
            ("before it", meta("u-1", "6"), 0, true),
            ("the write itself", meta("u-1", "7"), 0, false),
            ("a later one", meta("u-1", "10"), 0, false),
            ("another object of the name", meta("u-2", "6"), 0, false),
            ("a version that is no number", meta("u-1", "six"), 0, false),
            ("a write that never comes", meta("u-1", "6"), 5, false),
        ] {
            let writes = OwnWrites::default();
            writes.wrote(&meta("u-1", "7"), start);
            let now = start + Duration::from_secs(after);
            assert_eq!(writes.are_ahead_of(&seen, now), ahead, "{what}");
            assert_eq!(writes.pending.lock().unwrap().is_empty(), !ahead, "{what}");
        }
    }

    #[test]
    fn without_a_write_nothing_is_put_off() {
        assert!(!OwnWrites::default().are_ahead_of(&meta("u-1", "6"), Instant::now()));
    }

    #[test]
    fn what_is_never_seen_again_is_forgotten_in_time() {
        let writes = OwnWrites::default();
        let start = Instant::now();
        writes.wrote(&meta("u-1", "7"), start);
        for number in 0..1000 {
            writes.wrote(&ObjectMeta { name: Some(format!("x-{number}")), ..meta("u-2", "8") }, start + PATIENCE);
        }
        assert!(!writes.pending.lock().unwrap().contains_key("reels/tape"));
    }
}
