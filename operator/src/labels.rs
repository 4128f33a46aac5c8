//! Labels, annotations and field managers: the one place where their spellings stand.

use std::collections::BTreeMap;

use crate::names;

/// Field manager of every child object.
pub const MANAGER: &str = "flacship";
/// Field manager of `spec.replicas`, written through the scale subresource.
pub const SCALE_MANAGER: &str = "flacship-scale";
/// Field manager of the status of our own kinds.
pub const STATUS_MANAGER: &str = "flacship-status";

/// Annotation of every child: a hash of what was applied, so that a field which is no longer asked for is noticed.
pub const APPLIED_HASH: &str = "flacship.dev/applied-hash";
/// Annotation of every pod: the name of the resource that it belongs to, in full (a label may have to shorten it).
pub const OWNER_NAME: &str = "flacship.dev/owner";

/// Annotation of an AudioConverter, set by people: `autoscaling.streams` takes no pod away while it is `true`.
pub const PAUSED_SCALE_IN: &str = "flacship.dev/paused-scale-in";
/// Annotation of an AudioConverter, set by people: `autoscaling.streams` adds no pod while it is `true`.
pub const PAUSED_SCALE_OUT: &str = "flacship.dev/paused-scale-out";
/// Annotation of a pod, read by the ReplicaSet: of several ready pods the one with the lowest cost goes first.
/// Source: <https://kubernetes.io/docs/reference/labels-annotations-taints/#pod-deletion-cost>.
pub const POD_DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// Label: the program that runs.
pub const NAME: &str = "app.kubernetes.io/name";
/// Label: the resource that an object belongs to (shortened to 63 characters).
pub const INSTANCE: &str = "app.kubernetes.io/instance";
/// Label: the part that an object plays, see [`Component`].
pub const COMPONENT: &str = "app.kubernetes.io/component";
/// Label: who looks after an object.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Value of [`NAME`] on every child.
pub const APP: &str = "flacship-converter";
/// Value of [`MANAGED_BY`] on every child.
pub const OPERATOR: &str = "flacship-operator";

/// The part that an object plays for its resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// The service of an AudioConverter.
    Converter,
    /// What scrapes that service.
    Metrics,
    /// The first stage of a ConversionJob.
    Plan,
    /// The second stage of a ConversionJob.
    Convert,
    /// The last stage of a ConversionJob.
    Report,
}

impl Component {
    /// The label's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Converter => "converter",
            Self::Metrics => "metrics",
            Self::Plan => "plan",
            Self::Convert => "convert",
            Self::Report => "report",
        }
    }
}

/// The labels that choose the pods of `owner` that play `component`: name, instance and component. They never change
/// during an object's life, as a Deployment's and a Job's selector cannot.
pub fn selector(owner: &str, component: Component) -> BTreeMap<String, String> {
    [(NAME, APP), (INSTANCE, names::label_value(owner).as_str()), (COMPONENT, component.as_str())]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

/// All labels of a child of `owner`: those of [`selector`] and who looks after it.
pub fn labels(owner: &str, component: Component) -> BTreeMap<String, String> {
    let mut labels = selector(owner, component);
    labels.insert(MANAGED_BY.to_owned(), OPERATOR.to_owned());
    labels
}

/// A selector as `kubectl -l` and the scale subresource write it: `a=b,c=d`.
pub fn selector_text(selector: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join(",")
}

/// The label selector of everything that the operator makes, for watches.
pub fn managed_by_us() -> String {
    format!("{MANAGED_BY}={OPERATOR}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selector_is_a_part_of_the_labels() {
        let selector = selector("odd-name", Component::Plan);
        let labels = labels("odd-name", Component::Plan);
        assert!(selector.iter().all(|(key, value)| labels.get(key) == Some(value)));
        assert_eq!(labels[INSTANCE], "odd-name");
        assert_eq!(labels[NAME], "flacship-converter");
        assert_eq!(labels[COMPONENT], "plan");
        assert_eq!(labels[MANAGED_BY], "flacship-operator");
        assert_eq!(labels.len(), selector.len() + 1);
    }

    #[test]
    fn a_selector_reads_as_kubectl_takes_it() {
        assert_eq!(
            selector_text(&selector("x", Component::Converter)),
            "app.kubernetes.io/component=converter,app.kubernetes.io/instance=x,app.kubernetes.io/name=flacship-converter"
        );
    }
}
