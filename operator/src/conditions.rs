//! Conditions (`metav1.Condition`): wanted ones as plain data, and how they are merged into those that stand.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// Longest message that we write, in bytes (the API's limit is 32 KiB).
const MAX_MESSAGE: usize = 2048;

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// It does.
    True,
    /// It does not.
    False,
    /// Nobody knows yet.
    Unknown,
}

impl Holds {
    /// The spelling in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for Holds {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// A condition as a `status` step wants it: without times, so that it can be compared in a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The condition's type.
    pub type_: &'static str,
    /// Whether it holds.
    pub status: Holds,
    /// Why, for scripts: a member of the kind's closed set.
    pub reason: &'static str,
    /// Why, for people; it says what to change where something is to be changed.
    pub message: String,
}

/// The conditions that replace `previous`: exactly the wanted ones, in their order, each with its old
/// `lastTransitionTime` if its status is what it was, else with `now`.
pub fn merge(previous: &[Condition], wanted: Vec<Wanted>, generation: Option<i64>, now: &Time) -> Vec<Condition> {
    wanted
        .into_iter()
        .map(|want| {
            let since = find(previous, want.type_)
                .filter(|old| old.status == want.status.as_str())
                .map_or_else(|| now.clone(), |old| old.last_transition_time.clone());
            Condition {
                type_: want.type_.to_owned(),
                status: want.status.as_str().to_owned(),
                reason: want.reason.to_owned(),
                message: shorten(&want.message, MAX_MESSAGE),
                observed_generation: generation,
                last_transition_time: since,
            }
        })
        .collect()
}

/// The condition of this type.
pub fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// Whether the condition of this type stands and holds.
pub fn is_true(conditions: &[Condition], type_: &str) -> bool {
    find(conditions, type_).is_some_and(|condition| condition.status == "True")
}

/// The conditions of `current` whose status or reason is another than in `previous`, or that are new: what an Event
/// may be worth.
pub fn transitions<'a>(previous: &[Condition], current: &'a [Condition]) -> Vec<&'a Condition> {
    current
        .iter()
        .filter(|new| find(previous, &new.type_).is_none_or(|old| old.status != new.status || old.reason != new.reason))
        .collect()
}

/// The time of now, in the whole seconds that the API keeps.
pub fn now() -> Time {
    let now = jiff::Timestamp::now();
    Time(jiff::Timestamp::from_second(now.as_second()).unwrap_or(now))
}

/// `text` in at most `limit` bytes, cut between characters and marked with `…` where it was cut.
pub fn shorten(text: &str, limit: usize) -> String {
    const MARK: &str = "…";
    if text.len() <= limit {
        return text.to_owned();
    }
    let room = limit.saturating_sub(MARK.len());
    let end = text.char_indices().map(|(start, _)| start).take_while(|start| *start <= room).last().unwrap_or(0);
    format!("{}{MARK}", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Time {
        Time(jiff::Timestamp::from_second(second).unwrap())
    }

    fn want(type_: &'static str, status: Holds, reason: &'static str) -> Wanted {
        Wanted { type_, status, reason, message: format!("{type_} {reason}") }
    }

    #[test]
    fn the_time_moves_with_the_status_only() {
        let first = merge(&[], vec![want("Ready", Holds::False, "Starting")], Some(1), &at(10));
        assert_eq!(first[0].last_transition_time, at(10));
        let second = merge(&first, vec![want("Ready", Holds::False, "Pulling")], Some(2), &at(20));
        assert_eq!(second[0].last_transition_time, at(10));
        assert_eq!(second[0].reason, "Pulling");
        assert_eq!(second[0].observed_generation, Some(2));
        let third = merge(&second, vec![want("Ready", Holds::True, "Pulling")], Some(2), &at(30));
        assert_eq!(third[0].last_transition_time, at(30));
        assert_eq!(merge(&third, vec![want("Ready", Holds::True, "Pulling")], Some(2), &at(40)), third);
    }

    #[test]
    fn a_condition_that_is_no_longer_wanted_goes() {
        let both = merge(&[], vec![want("A", Holds::True, "R"), want("B", Holds::True, "R")], None, &at(1));
        let one = merge(&both, vec![want("B", Holds::True, "R")], None, &at(2));
        assert_eq!(one.len(), 1);
        assert_eq!(one[0].last_transition_time, at(1));
    }

    #[test]
    fn transitions_are_changes_of_status_or_reason() {
        let old = merge(&[], vec![want("A", Holds::True, "R"), want("B", Holds::True, "R")], None, &at(1));
        let mut next = vec![want("A", Holds::True, "R"), want("B", Holds::True, "Other"), want("C", Holds::False, "R")];
        next[0].message = "new words".to_owned();
        let new = merge(&old, next, None, &at(2));
        let changed: Vec<&str> = transitions(&old, &new).iter().map(|condition| condition.type_.as_str()).collect();
        assert_eq!(changed, ["B", "C"]);
    }

    #[test]
    fn shortening_keeps_characters_whole() {
        assert_eq!(shorten("short", 5), "short");
        assert_eq!(shorten("abcdefgh", 6), "abc…");
        for limit in 0..12 {
            assert!(shorten("äöüäöü…", limit.max(3)).len() <= limit.max(3));
        }
    }
}
