//! Kubernetes Events: what `kubectl describe` lists below an object.
//!
//! They are published on transitions only, never in steady state, and are a courtesy: one that cannot be written is
//! logged and forgotten.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};

use crate::conditions::shorten;
use crate::labels;
use crate::leader::NotLeading;

/// Longest time to wait for an Event to be taken.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest note, in bytes (events.k8s.io/v1: 1 kB).
const MAX_NOTE: usize = 1024;
/// Longest name of an object that an Event, named `<object>.<time in hex>`, can be about.
const MAX_REGARDING: usize = crate::names::MAX_SUBDOMAIN - 17;

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
    recorder: Recorder,
}

impl Events {
    /// A publisher that reports as `flacship-operator`.
    pub fn new(client: Client) -> Self {
        let instance = std::env::var("POD_NAME").ok();
        let reporter = match instance {
            Some(_) => Reporter { controller: labels::OPERATOR.to_owned(), instance },
            None => labels::OPERATOR.into(),
        };
        Self { recorder: Recorder::new(client, reporter) }
    }

    /// Publishes `note` on the object `regarding`.
    pub async fn publish(&self, regarding: &ObjectReference, note: Note) {
        let name = regarding.name.as_deref().unwrap_or_default();
        if name.len() > MAX_REGARDING {
            tracing::debug!(name, reason = note.reason, "The object's name is too long for an Event");
            return;
        }
        let event = Event {
            type_: note.severity,
            reason: note.reason,
            note: Some(shorten(&note.message, MAX_NOTE)),
            action: note.action.to_owned(),
            secondary: note.secondary,
        };
        match tokio::time::timeout(PUBLISH_TIMEOUT, self.recorder.publish(&event, regarding)).await {
            Ok(Ok(())) => {}
            // Objects of a namespace that is being deleted go on changing for a while, and nobody will read of it.
            Ok(Err(error)) if is_namespace_terminating(&error) => tracing::debug!(name, %error, "Event not published"),
            // Whoever leads now tells of what it does.
            Ok(Err(error)) if NotLeading::caused(&error) => tracing::debug!(name, "Event not published: not leading"),
            Ok(Err(error)) => tracing::warn!(name, reason = event.reason, %error, "Event not published"),
            Err(_) => tracing::warn!(name, reason = event.reason, "Event not published: no answer in time"),
        }
    }
}

/// Whether the apiserver refused to create something because its namespace is being deleted.
fn is_namespace_terminating(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else { return false };
    status.details.iter().flat_map(|details| &details.causes).any(|cause| cause.reason == "NamespaceTerminating")
}

#[cfg(test)]
mod tests {
    use super::*;

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
