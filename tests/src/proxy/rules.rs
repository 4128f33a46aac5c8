//! Which requests meet a fault, and which fault: rules that count, and one judge that asks them in order.

use std::fmt;
use std::time::Duration;

use super::request::{Request, Verb};

/// The requests that a rule counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// All of them, those that are no requests for objects too.
    All,
    /// Requests that change something.
    Writes,
    /// Gets and lists.
    Reads,
    /// Watches.
    Watches,
    /// Watches of one resource, by its plural.
    WatchesOf(&'static str),
    /// Requests for one resource other than watches, by its plural and subresource.
    CallsOf(&'static str),
}

impl Which {
    fn holds(&self, request: Option<&Request>) -> bool {
        let Some(request) = request else { return *self == Self::All };
        match self {
            Self::All => true,
            Self::Writes => request.verb.writes(),
            Self::Reads => matches!(request.verb, Verb::Get | Verb::List),
            Self::Watches => request.verb == Verb::Watch,
            Self::CallsOf(resource) => request.verb != Verb::Watch && request.kind.resource == *resource,
            Self::WatchesOf(resource) => request.verb == Verb::Watch && request.kind.resource == *resource,
        }
    }
}

/// Which of the requests that a rule counts it hits; the first is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// This one.
    Nth(u64),
    /// The first ones, this many.
    First(u64),
    /// Each whose number divides by this.
    Every(u64),
    /// Each.
    Always,
}

impl When {
    fn hits(self, number: u64) -> bool {
        match self {
            Self::Nth(nth) => number == nth,
            Self::First(count) => number <= count,
            Self::Every(step) => step > 0 && number.is_multiple_of(step),
            Self::Always => true,
        }
    }
}

/// On which side of the apiserver's work a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The apiserver never sees the request.
    Before,
    /// The apiserver has done what was asked; its answer gets lost.
    After,
}

/// An answer that the apiserver did not give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub code: u16,
    /// The header of this name.
    pub retry_after: Option<Duration>,
}

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It takes this much longer.
    Delay(Duration),
    /// The connection ends without an answer.
    Cut(Side),
    /// The connection ends without an answer, and the request reaches the apiserver this much later all the same.
    Late(Duration),
    /// The process that asks ends at once.
    Kill(Side),
    /// The process that asks stands still (SIGSTOP) once the apiserver has done what was asked; its answer waits for it.
    Halt,
    /// It is answered in the apiserver's place.
    Answer(Answer),
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |side: &Side| match side {
            Side::Before => "before the apiserver sees it",
            Side::After => "after the apiserver took it",
        };
        match self {
            Self::Delay(time) => write!(out, "delayed by {time:?}"),
            Self::Cut(at) => write!(out, "cut {}", side(at)),
            Self::Late(time) => write!(out, "cut, and {time:?} late"),
            Self::Kill(at) => write!(out, "killed {}", side(at)),
            Self::Halt => write!(out, "halted after the apiserver took it"),
            Self::Answer(answer) => write!(out, "answered {}", answer.code),
        }
    }
}

/// A fault and the requests that meet it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The requests that count.
    pub which: Which,
    /// Those of them that it hits.
    pub when: When,
    /// What happens to these.
    pub fault: Fault,
}

impl Rule {
    /// The `nth` write meets this fault.
    pub fn nth_write(nth: u64, fault: Fault) -> Self {
        Self { which: Which::Writes, when: When::Nth(nth), fault }
    }

    /// All requests take this much longer.
    pub fn slow(time: Duration) -> Self {
        Self { which: Which::All, when: When::Always, fault: Fault::Delay(time) }
    }
}

/// Asks the rules about each request.
#[derive(Clone, Debug, Default)]
pub struct Judge {
    rules: Vec<(Rule, u64)>,
    hits: u64,
}

impl Judge {
    /// One that counts from now on.
    pub fn new(rules: Vec<Rule>) -> Self {
        Self { rules: rules.into_iter().map(|rule| (rule, 0)).collect(), hits: 0 }
    }

    /// What happens to this request: the fault of the first rule that hits it. Every rule counts it all the same.
    pub fn judge(&mut self, request: Option<&Request>) -> Option<Fault> {
        let mut verdict = None;
        for (rule, seen) in &mut self.rules {
            if rule.which.holds(request) {
                *seen += 1;
                if rule.when.hits(*seen) {
                    verdict = verdict.or(Some(rule.fault));
                }
            }
        }
        self.hits += u64::from(verdict.is_some());
        verdict
    }

    /// How many requests have met a fault.
    pub fn hits(&self) -> u64 {
        self.hits
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn requests() -> Vec<Option<Request>> {
        [
            ("GET", "/version"),
            ("GET", "/api/v1/services?watch=true"),
            ("GET", "/api/v1/namespaces/a/services/x"),
            ("PATCH", "/api/v1/namespaces/a/services/x"),
            ("POST", "/api/v1/namespaces/a/secrets"),
            ("DELETE", "/api/v1/namespaces/a/secrets/y"),
            ("GET", "/api/v1/pods?watch=true"),
            ("PATCH", "/api/v1/namespaces/a/services/x"),
        ]
        .map(|(method, path)| Request::read(method, path))
        .into()
    }

    /// The places, from 0, of the requests that the rules hit.
    fn hit(rules: Vec<Rule>) -> Vec<usize> {
        let mut judge = Judge::new(rules);
        let places: Vec<usize> = requests()
            .iter()
            .enumerate()
            .filter(|(_, request)| judge.judge(request.as_ref()).is_some())
            .map(|(place, _)| place)
            .collect();
        assert_eq!(judge.hits(), places.len() as u64);
        places
    }

    #[test]
    fn rules_hit_what_they_count() {
        let fault = Fault::Cut(Side::Before);
        for (which, when, places) in [
            (Which::All, When::Always, vec![0, 1, 2, 3, 4, 5, 6, 7]),
            (Which::All, When::First(2), vec![0, 1]),
            (Which::Writes, When::Always, vec![3, 4, 5, 7]),
            (Which::Writes, When::Nth(2), vec![4]),
            (Which::Writes, When::Nth(5), vec![]),
            (Which::Writes, When::Every(2), vec![4, 7]),
            (Which::Reads, When::Always, vec![2]),
            (Which::Watches, When::Always, vec![1, 6]),
            (Which::WatchesOf("pods"), When::First(1), vec![6]),
            (Which::CallsOf("services"), When::Always, vec![2, 3, 7]),
        ] {
            assert_eq!(hit(vec![Rule { which: which.clone(), when, fault }]), places, "{which:?} {when:?}");
        }
    }

    #[test]
    fn the_first_rule_that_hits_decides_and_all_count() {
        let kill = Fault::Kill(Side::After);
        let mut judge = Judge::new(vec![Rule::nth_write(2, kill), Rule::slow(Duration::from_millis(5))]);
        let verdicts: Vec<Option<Fault>> = requests().iter().map(|request| judge.judge(request.as_ref())).collect();
        let slow = Some(Fault::Delay(Duration::from_millis(5)));
        assert_eq!(verdicts, [slow, slow, slow, slow, Some(kill), slow, slow, slow]);
    }
}
