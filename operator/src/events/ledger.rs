//! Which Events were published a short while ago, so that one that repeats is counted and not made anew.
//!
//! kube's own `Recorder` keeps every Event whole, and walks over all of them at each new one: with thousands of resources
//! that is the operator's largest memory and much of its time.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::EventType;

use super::{Note, SCALE};

/// How long an Event that repeats counts as the same; kube's and client-go's time.
const REPEATS_WITHIN: Duration = Duration::from_mins(6);

/// What makes two Events the same: everything but the words and the time. Where counts are what it is all about, the words
/// too: a step from 2 pods to 3 is no second step from 1 to 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(u64);

impl Key {
    /// The key of a note on `regarding`.
    pub fn of(regarding: &ObjectReference, note: &Note) -> Self {
        let mut hasher = DefaultHasher::new();
        for reference in [Some(regarding), note.secondary.as_ref()] {
            let parts = reference.map(|of| (&of.kind, &of.namespace, &of.name, &of.uid));
            parts.hash(&mut hasher);
        }
        let severity = match note.severity {
            EventType::Normal => "Normal",
            EventType::Warning => "Warning",
        };
        (severity, &note.reason, note.action).hash(&mut hasher);
        if note.action == SCALE {
            note.message.hash(&mut hasher);
        }
        Self(hasher.finish())
    }
}

/// An Event that was published: its name, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The Event's name.
    pub name: Box<str>,
    /// How often it has happened.
    pub count: i32,
}

/// The Events of the last minutes.
#[derive(Debug, Default)]
pub struct Ledger {
    told: Mutex<HashMap<Key, (Told, Instant)>>,
}

impl Ledger {
    /// The Event that says the same and was published a short while before `now`.
    pub fn last(&self, key: Key, now: Instant) -> Option<Told> {
        let all = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&key).filter(|(_, at)| is_fresh(*at, now)).map(|(told, _)| told.clone())
    }

    /// Notes what was published at `now`.
    pub fn note(&self, key: Key, told: Told, now: Instant) {
        let mut all = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        // It is as large as what was published within that time: it is swept when it would have to grow.
        if all.len() == all.capacity() {
            all.retain(|_, (_, at)| is_fresh(*at, now));
        }
        all.insert(key, (told, now));
    }
}

fn is_fresh(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) < REPEATS_WITHIN
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(name: &str) -> ObjectReference {
        serde_yaml::from_str(&format!("{{kind: AudioConverter, namespace: reels, name: {name}, uid: u-{name}}}"))
            .unwrap()
    }

    #[test]
    fn words_and_versions_do_not_tell_events_apart_and_everything_else_does() {
        let note = Note::normal("Created", "Apply", "one");
        let key = Key::of(&reference("tape"), &note);
        assert_eq!(key, Key::of(&reference("tape"), &Note { message: "two".to_owned(), ..note.clone() }));
        let later = ObjectReference { resource_version: Some("9".to_owned()), ..reference("tape") };
        assert_eq!(key, Key::of(&later, &note));
        for other in [
            Key::of(&reference("reel"), &note),
            Key::of(&reference("tape"), &note.clone().about(reference("tape"))),
            Key::of(&reference("tape"), &Note::warning("Created", "Apply", "one")),
            Key::of(&reference("tape"), &Note::normal("Updated", "Apply", "one")),
            Key::of(&reference("tape"), &Note::normal("Created", "Observe", "one")),
        ] {
            assert_ne!(key, other);
        }
    }

    #[test]
    fn each_step_of_a_count_is_an_event_of_its_own() {
        let key = |words: &str| Key::of(&reference("tape"), &Note::normal("ScaledOut", SCALE, words));
        assert_ne!(key("Scaled from 1 to 2"), key("Scaled from 2 to 3"));
        assert_eq!(key("Scaled from 1 to 2"), key("Scaled from 1 to 2"));
    }

    #[test]
    fn what_was_published_is_known_for_a_while_and_then_forgotten() {
        let ledger = Ledger::default();
        let (key, start) = (Key(1), Instant::now());
        let told = Told { name: "tape.1".into(), count: 1 };
        assert_eq!(ledger.last(key, start), None);
        ledger.note(key, told.clone(), start);
        assert_eq!(ledger.last(key, start + Duration::from_secs(359)), Some(told));
        assert_eq!(ledger.last(key, start + REPEATS_WITHIN), None);
        for number in 2..1000 {
            ledger.note(Key(number), Told { name: "x".into(), count: 1 }, start + REPEATS_WITHIN);
        }
        assert!(!ledger.told.lock().unwrap().contains_key(&key));
    }
}
