//! The audit log: what the API server was asked, by whom and when.
//! Format: <https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/>.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::plane::USER_AGENT;

/// What is kept of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// What, by whom, when.
    Metadata,
    /// Its body too.
    Request,
}

/// The policy: every request once, when it has been answered, but not what the API server asks itself.
pub fn policy(level: Level) -> String {
    let level = match level {
        Level::Metadata => "Metadata",
        Level::Request => "Request",
    };
    format!(
        "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived, ResponseStarted]\nomitManagedFields: true\n\
         rules:\n- {{level: None, users: ['system:apiserver', 'system:anonymous']}}\n- {{level: None, nonResourceURLs: ['*']}}\n\
         - {{level: {level}}}\n"
    )
}

/// Whether a line, not parsed, is about the Lease of a leader.
pub fn is_about_a_lease(line: &[u8]) -> bool {
    const LEASES: &[u8] = b"\"resource\":\"leases\"";
    line.windows(LEASES.len()).any(|window| window == LEASES)
}

/// A request that was answered.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// `get`, `patch`, …
    pub verb: String,
    /// Path and query.
    #[serde(rename = "requestURI")]
    pub uri: String,
    #[serde(default)]
    user_agent: String,
    #[serde(default)]
    object_ref: Option<ObjectRef>,
    #[serde(default)]
    response_status: ResponseStatus,
    /// The body, at [`Level::Request`].
    #[serde(default)]
    pub request_object: Value,
    /// When it came.
    pub request_received_timestamp: Timestamp,
    /// When it was answered.
    pub stage_timestamp: Timestamp,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct ObjectRef {
    resource: String,
    subresource: String,
    name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct ResponseStatus {
    code: u16,
}

impl Event {
    /// `deployments`, `audioconverters/status`, …
    pub fn resource(&self) -> String {
        let Some(object) = &self.object_ref else { return String::new() };
        if object.subresource.is_empty() {
            object.resource.clone()
        } else {
            format!("{}/{}", object.resource, object.subresource)
        }
    }

    /// Name of the object, where the request's path has one.
    pub fn name(&self) -> &str {
        self.object_ref.as_ref().map_or("", |object| object.name.as_str())
    }

    /// Whether the answer was a success.
    pub fn succeeded(&self) -> bool {
        (200..300).contains(&self.response_status.code)
    }

    /// Whether it asked for a change.
    pub fn is_write(&self) -> bool {
        matches!(self.verb.as_str(), "create" | "update" | "patch" | "delete" | "deletecollection")
    }

    /// Whether it was neither ours nor kubectl's.
    pub fn is_operators(&self) -> bool {
        !self.user_agent.starts_with(USER_AGENT) && !self.user_agent.starts_with("kubectl")
    }
}

/// How often each was asked: `patch deployments` → 1000. Refused requests bear their code: `patch deployments (409)`.
pub type Counts = BTreeMap<String, usize>;

/// All requests, in the order in which they were answered.
pub struct Log {
    events: Vec<Event>,
}

impl Log {
    /// Reads a log.
    pub fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
        let parse = |line: std::io::Result<String>| Ok(serde_json::from_str(&line?)?);
        let events: Result<Vec<Event>> = BufReader::new(file).lines().map(parse).collect();
        Ok(Self { events: events.with_context(|| format!("read {}", path.display()))? })
    }

    /// The time of the log's clock.
    pub fn now() -> Timestamp {
        Timestamp::now()
    }

    /// The requests.
    pub fn into_events(self) -> Vec<Event> {
        self.events
    }

    fn count(&self, from: Option<&Timestamp>, to: &Timestamp, want: impl Fn(&Event) -> bool) -> Counts {
        let mut counts = Counts::new();
        for event in &self.events {
            let when = event.request_received_timestamp;
            if event.is_operators() && want(event) && from.is_none_or(|from| when >= *from) && when <= *to {
                let code = event.response_status.code;
                let refused = if event.succeeded() { String::new() } else { format!(" ({code})") };
                *counts.entry(format!("{} {}{refused}", event.verb, event.resource())).or_default() += 1;
            }
        }
        counts
    }

    /// What the operator wrote, or tried to.
    pub fn writes_of_operator(&self, from: Option<&Timestamp>, to: &Timestamp) -> Counts {
        self.count(from, to, Event::is_write)
    }

    /// What the operator read. Watches are told when they end, and not counted.
    pub fn reads_of_operator(&self, from: Option<&Timestamp>, to: &Timestamp) -> Counts {
        self.count(from, to, |event| matches!(event.verb.as_str(), "get" | "list"))
    }

    /// How long each child that we changed or deleted after `from` was not as the operator wants it, the shortest first:
    /// from our answer to that of the operator's next write of the child.
    pub fn healed_after(&self, from: &Timestamp) -> Result<Vec<Duration>> {
        let mut took = Vec::new();
        let harmed = |event: &&Event| {
            let child = matches!(event.resource().as_str(), "deployments" | "services" | "serviceaccounts");
            !event.is_operators() && event.is_write() && child && event.request_received_timestamp >= *from
        };
        for harm in self.events.iter().filter(harmed) {
            let heals = |event: &&Event| {
                let same = (event.resource(), event.name()) == (harm.resource(), harm.name());
                let later = event.stage_timestamp > harm.stage_timestamp;
                same && later && event.is_operators() && event.is_write() && event.succeeded()
            };
            let healed = self.events.iter().filter(heals).map(|event| event.stage_timestamp).min();
            let healed = healed.with_context(|| format!("{} {} was not healed", harm.resource(), harm.name()))?;
            took.push(Duration::try_from(healed.duration_since(harm.stage_timestamp))?);
        }
        took.sort();
        Ok(took)
    }

    /// The time from the first create of a converter until `count` of them had every child and a status, which was before
    /// `to`: children that somebody harms later are written again.
    pub fn time_to_make(&self, count: usize, to: &Timestamp) -> Result<Duration> {
        let created = |event: &&Event| event.verb == "create" && event.resource() == "audioconverters";
        let start = self.events.iter().filter(created).map(|event| event.request_received_timestamp).min();
        let start = start.context("no AudioConverter was created")?;
        let mut told = HashSet::new();
        let mut end = start;
        let made = |event: &&Event| event.is_write() && event.succeeded() && event.stage_timestamp <= *to;
        for event in self.events.iter().filter(made) {
            let first = match event.resource().as_str() {
                "audioconverters/status" => told.insert(event.name().to_owned()),
                "deployments" | "services" | "serviceaccounts" | "secrets" => true,
                _ => false,
            };
            if first {
                end = end.max(event.stage_timestamp);
            }
        }
        ensure!(told.len() == count, "{} statuses were written, and {count} are expected", told.len());
        Ok(Duration::try_from(end.duration_since(start))?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn event(second: u32, verb: &str, resource: &str, subresource: &str, agent: &str, code: u16) -> Event {
        serde_json::from_value(json!({
            "verb": verb, "requestURI": "/x", "userAgent": agent,
            "objectRef": {"resource": resource, "subresource": subresource, "name": "one"},
            "responseStatus": {"code": code},
            "requestReceivedTimestamp": format!("2026-01-01T00:00:{second:02}.000000Z"),
            "stageTimestamp": format!("2026-01-01T00:00:{second:02}.500000Z"),
        }))
        .unwrap()
    }

    fn log() -> Log {
        let events = vec![
            event(1, "create", "audioconverters", "", USER_AGENT, 201),
            event(2, "patch", "deployments", "", "", 201),
            event(3, "patch", "audioconverters", "status", "", 200),
            event(4, "patch", "services", "", "", 409),
            event(4, "get", "services", "", "", 200),
            event(6, "patch", "leases", "", "", 200),
        ];
        Log { events }
    }

    fn second(second: u32) -> Timestamp {
        format!("2026-01-01T00:00:{second:02}.2Z").parse().unwrap()
    }

    #[test]
    fn the_time_ends_with_the_last_child_or_status() {
        assert_eq!(log().time_to_make(1, &second(9)).unwrap(), Duration::from_millis(2500));
        assert!(log().time_to_make(2, &second(9)).is_err());
        let mut healed = log();
        healed.events.push(event(8, "patch", "deployments", "", "", 200));
        assert_eq!(healed.time_to_make(1, &second(7)).unwrap(), Duration::from_millis(2500));
    }

    #[test]
    fn only_the_operators_requests_of_the_time_are_counted() {
        let writes = log().writes_of_operator(None, &second(5));
        let expected = [("patch audioconverters/status", 1), ("patch deployments", 1), ("patch services (409)", 1)];
        assert_eq!(writes, expected.map(|(what, count)| (what.to_owned(), count)).into());
        assert_eq!(log().writes_of_operator(Some(&second(5)), &second(9)), [("patch leases".to_owned(), 1)].into());
        assert_eq!(log().reads_of_operator(None, &second(9)), [("get services".to_owned(), 1)].into());
    }

    #[test]
    fn a_child_is_harmed_until_the_operator_has_written_it() {
        let mut log = log();
        log.events.extend([
            event(11, "delete", "services", "", USER_AGENT, 200),
            event(11, "patch", "deployments", "", "", 200),
            event(12, "patch", "services", "", "", 409),
            event(13, "patch", "services", "", "", 201),
            event(15, "patch", "services", "", "", 200),
        ]);
        assert_eq!(log.healed_after(&second(10)).unwrap(), [Duration::from_secs(2)]);
        log.events.push(event(16, "patch", "deployments", "", USER_AGENT, 200));
        assert!(log.healed_after(&second(10)).is_err(), "nobody healed the second");
    }

    #[test]
    fn leases_are_told_by_their_line() {
        assert!(is_about_a_lease(br#"{"objectRef":{"resource":"leases","name":"x"}}"#));
        assert!(!is_about_a_lease(br#"{"objectRef":{"resource":"deployments","name":"leases"}}"#));
    }
}
