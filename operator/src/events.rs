//! Kubernetes Events: what `kubectl describe` lists below an object.
//!
//! They are published on transitions only, never in steady state, and are a courtesy: one that cannot be written is
//! logged and forgotten.

use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::{Event, EventSeries};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::events::EventType;
use kube::{Api, Client};
use serde_json::json;

use crate::conditions::shorten;
use crate::leader::NotLeading;
use crate::{labels, names};

mod ledger;

use ledger::{Key, Ledger, Told};

/// Longest time to wait for an Event to be taken.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest note, in bytes (events.k8s.io/v1: 1 kB).
const MAX_NOTE: usize = 1024;
/// The action of notes that tell of another count.
pub const SCALE: &str = "Scale";

/// Something that happened to an object.
#[derive(Clone, Debug)]
pub struct Note {
    /// Whether it is worth a look.
    pub severity: EventType,
    /// A CamelCase word for scripts: `Created`, `NameTaken`, …
    pub reason: String,
    /// What the operator was doing, CamelCase: `Apply`, `Observe`, …
    pub action: &'static str,
    /// A sentence for people.
    pub message: String,
    /// The other object it is about, for example the child.
    pub secondary: Option<ObjectReference>,
}

impl Note {
    /// A note that asks for nothing.
    pub fn normal(reason: impl Into<String>, action: &'static str, message: impl Into<String>) -> Self {
        Self { severity: EventType::Normal, reason: reason.into(), action, message: message.into(), secondary: None }
    }

    /// A note that somebody should look at.
    pub fn warning(reason: impl Into<String>, action: &'static str, message: impl Into<String>) -> Self {
        Self { severity: EventType::Warning, ..Self::normal(reason, action, message) }
    }

    /// The same note, about another object too.
    #[must_use]
    pub fn about(mut self, secondary: ObjectReference) -> Self {
        self.secondary = Some(secondary);
        self
    }
}

/// The publisher of one controller's Events.
#[derive(Clone)]
pub struct Events {
    client: Client,
    /// The pod, if there is one.
    instance: String,
    ledger: Arc<Ledger>,
}

impl Events {
    /// A publisher that reports as `flacship-operator`.
    pub fn new(client: Client) -> Self {
        let instance = std::env::var("POD_NAME").unwrap_or_else(|_| labels::OPERATOR.to_owned());
        Self { client, instance, ledger: Arc::default() }
    }

    /// Publishes `note` on the object `regarding`.
    pub async fn publish(&self, regarding: &ObjectReference, note: Note) {
        let name = regarding.name.as_deref().unwrap_or_default();
        // Boxed: the futures of a client's requests are kilobytes each.
        match tokio::time::timeout(PUBLISH_TIMEOUT, Box::pin(self.write(regarding, &note))).await {
            Ok(Ok(())) => {}
            // Objects of a namespace that is being deleted go on changing for a while, and nobody will read of it.
            Ok(Err(error)) if is_namespace_terminating(&error) => tracing::debug!(name, %error, "Event not published"),
            // Whoever leads now tells of what it does.
            Ok(Err(error)) if NotLeading::caused(&error) => tracing::debug!(name, "Event not published: not leading"),
            Ok(Err(error)) => tracing::warn!(name, reason = note.reason, %error, "Event not published"),
            Err(_) => tracing::warn!(name, reason = note.reason, "Event not published: no answer in time"),
        }
    }

    /// Makes the Event, or counts one more of it.
    async fn write(&self, regarding: &ObjectReference, note: &Note) -> Result<(), kube::Error> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), regarding.namespace.as_deref().unwrap_or("default"));
        let (key, now) = (Key::of(regarding, note), Timestamp::now());
        if let Some(Told { name, count }) = self.ledger.last(key, Instant::now()) {
            let count = count.saturating_add(1);
            let series = EventSeries { count, last_observed_time: MicroTime(now) };
            let patch = Patch::Merge(json!({ "series": series }));
            match api.patch(&name, &PatchParams::default(), &patch).await {
                Ok(_) => {
                    self.ledger.note(key, Told { name, count }, Instant::now());
                    return Ok(());
                }
                // Somebody deleted it.
                Err(kube::Error::Api(status)) if status.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        let event = self.event(regarding, note, now);
        let name = event.metadata.name.clone().unwrap_or_default().into_boxed_str();
        api.create(&PostParams::default(), &event).await?;
        self.ledger.note(key, Told { name, count: 1 }, Instant::now());
        Ok(())
    }

    fn event(&self, regarding: &ObjectReference, note: &Note, now: Timestamp) -> Event {
        let type_ = match note.severity {
            EventType::Normal => "Normal",
            EventType::Warning => "Warning",
        };
        Event {
            metadata: ObjectMeta {
                namespace: regarding.namespace.clone(),
                name: Some(name_of(regarding, now)),
                ..ObjectMeta::default()
            },
            action: Some(note.action.to_owned()),
            reason: Some(note.reason.clone()),
            event_time: Some(MicroTime(now)),
            regarding: Some(regarding.clone()),
            related: note.secondary.clone(),
            note: Some(shorten(&note.message, MAX_NOTE)),
            reporting_controller: Some(labels::OPERATOR.to_owned()),
            reporting_instance: Some(self.instance.clone()),
            type_: Some(type_.to_owned()),
            ..Event::default()
        }
    }
}

/// `<object>.<time in hex>`, as client-go names Events; the object's part is shortened where that is too long.
fn name_of(regarding: &ObjectReference, now: Timestamp) -> String {
    let time = format!(".{:x}", now.as_nanosecond());
    names::child(regarding.name.as_deref().unwrap_or_default(), &time, names::MAX_SUBDOMAIN)
}

/// Whether the apiserver refused to create something because its namespace is being deleted.
fn is_namespace_terminating(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else { return false };
    status.details.iter().flat_map(|details| &details.causes).any(|cause| cause.reason == "NamespaceTerminating")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversionjob::fixtures::failure;

    #[tokio::test]
    async fn what_repeats_is_counted_and_what_was_deleted_made_anew() {
        use crate::conversionjob::fixtures::FakeCluster;
        const ALL: &str = "/apis/events.k8s.io/v1/namespaces/reels/events";
        let regarding: ObjectReference =
            serde_yaml::from_str("{kind: AudioConverter, namespace: reels, name: tape, uid: u-1}").unwrap();
        for (patched, asks) in [
            (200, vec!["POST", "PATCH", "PATCH", "POST"]),
            (404, vec!["POST", "PATCH", "POST", "PATCH", "POST", "POST"]),
        ] {
            let event = json!({"metadata": {"name": "tape.1"}, "eventTime": null}).to_string();
            let body = if patched == 200 { event.clone().into_bytes() } else { failure(patched) };
            let cluster = FakeCluster::default().answer(&format!("POST {ALL}"), 201, event).answer(
                &format!("PATCH {ALL}/tape."),
                patched,
                body,
            );
            let ctx = cluster.context();
            for message in ["one", "two", "three"] {
                ctx.events.publish(&regarding, Note::normal("Created", "Apply", message)).await;
            }
            ctx.events.publish(&regarding, Note::warning("Refused", "Apply", "four")).await;
            let asked = cluster.asked();
            let methods: Vec<&str> =
                asked.iter().filter_map(|ask| ask.split_once(' ')).map(|(method, _)| method).collect();
            assert_eq!(methods, asks, "{patched}");
        }
    }

    #[test]
    fn an_event_is_about_an_object_with_the_longest_name_as_well() {
        let about = |name: &str| ObjectReference { name: Some(name.to_owned()), ..ObjectReference::default() };
        let now = Timestamp::from_nanosecond(0x18a0_0000_0000_0001).unwrap();
        assert_eq!(name_of(&about("tape.a"), now), "tape.a.18a0000000000001");
        let (long, other) = ("a".repeat(253), "a".repeat(252) + "b");
        let name = name_of(&about(&long), now);
        assert!(names::is_subdomain(&name) && name.ends_with(".18a0000000000001"), "{name}");
        assert_ne!(name, name_of(&about(&other), now));
    }

    fn refused(status: &str) -> kube::Error {
        kube::Error::Api(Box::new(serde_yaml::from_str(status).unwrap()))
    }

    #[test]
    fn a_dying_namespace_is_told_apart_from_a_missing_right() {
        let dying = "{status: Failure, code: 403, reason: Forbidden, message: no, \
                     details: {causes: [{reason: NamespaceTerminating, message: gone, field: metadata.namespace}]}}";
        assert!(is_namespace_terminating(&refused(dying)));
        assert!(!is_namespace_terminating(&refused("{status: Failure, code: 403, reason: Forbidden, message: no}")));
    }
}
