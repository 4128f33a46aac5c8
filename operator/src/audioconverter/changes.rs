//! What one reconcile did to the children, as it is told: one Event for all that was created, not one a child.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource;

use crate::apply::{Change, Child};
use crate::events::Note;

/// What was done to the children in one reconcile.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    created: Vec<ObjectReference>,
    updated: Vec<ObjectReference>,
    deleted: Vec<ObjectReference>,
}

impl Changes {
    /// Takes note of what an apply did to `child`.
    pub fn note<K: Child>(&mut self, child: &K, change: Change) {
        // The version differs from one change to the next and would keep repeated Events from being counted as one.
        let reference = || ObjectReference { resource_version: None, ..child.object_ref(&()) };
        match change {
            Change::Created => self.created.push(reference()),
            Change::Updated => self.updated.push(reference()),
            Change::Unchanged | Change::Terminating => {}
        }
    }

    /// Takes note of a deletion.
    pub fn note_deleted<K: Resource<DynamicType = ()>>(&mut self, namespace: Option<String>, name: &str) {
        self.deleted.push(ObjectReference {
            api_version: Some(K::api_version(&()).into_owned()),
            kind: Some(K::kind(&()).into_owned()),
            name: Some(name.to_owned()),
            namespace,
            ..ObjectReference::default()
        });
    }

    /// An Event for each of the three, where there was any. One about a single child says which.
    pub fn notes(&self) -> Vec<Note> {
        [("Created", &self.created), ("Updated", &self.updated), ("Deleted", &self.deleted)]
            .into_iter()
            .filter_map(|(done, children)| note(done, children))
            .collect()
    }
}

fn note(done: &str, children: &[ObjectReference]) -> Option<Note> {
    let kind = |child: &ObjectReference| child.kind.clone().unwrap_or_default();
    match children {
        [] => None,
        [one] => {
            let message = format!("{done} {} {}", kind(one), one.name.as_deref().unwrap_or_default());
            Some(Note::normal(done, "Apply", message).about(one.clone()))
        }
        [most @ .., last] => {
            let most: Vec<String> = most.iter().map(kind).collect();
            Some(Note::normal(done, "Apply", format!("{done} {} and {}", most.join(", "), kind(last))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::apps::v1::Deployment;
    use k8s_openapi::api::core::v1::{Secret, Service};

    fn child<K: Child>() -> K {
        serde_yaml::from_str("{metadata: {name: tape, namespace: reels, uid: u-1, resourceVersion: '7'}}").unwrap()
    }

    #[test]
    fn what_was_created_is_one_event() {
        let mut changes = Changes::default();
        changes.note(&child::<Secret>(), Change::Created);
        changes.note(&child::<Deployment>(), Change::Created);
        changes.note(&child::<Service>(), Change::Created);
        let notes = changes.notes();
        assert_eq!(notes.len(), 1);
        assert_eq!(notes[0].message, "Created Secret, Deployment and Service");
        assert_eq!((notes[0].reason.as_str(), &notes[0].secondary), ("Created", &None));
    }

    #[test]
    fn a_single_child_is_named_without_its_version() {
        let mut changes = Changes::default();
        changes.note(&child::<Deployment>(), Change::Updated);
        changes.note_deleted::<Service>(Some("reels".to_owned()), "tape");
        let notes = changes.notes();
        let messages: Vec<&str> = notes.iter().map(|note| note.message.as_str()).collect();
        assert_eq!(messages, ["Updated Deployment tape", "Deleted Service tape"]);
        let about = notes[0].secondary.clone().unwrap();
        assert_eq!((about.uid.as_deref(), about.resource_version), (Some("u-1"), None));
        assert_eq!(notes[1].secondary.as_ref().and_then(|about| about.kind.as_deref()), Some("Service"));
    }

    #[test]
    fn nothing_done_is_nothing_told() {
        let mut changes = Changes::default();
        changes.note(&child::<Deployment>(), Change::Unchanged);
        changes.note(&child::<Deployment>(), Change::Terminating);
        assert!(changes.notes().is_empty());
    }
}
