//! The PodDisruptionBudget: how many pods a node drain may take away at once.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::audioconverter::validate::ValidatedConverter;
use crate::labels::{self, Component};
use crate::names;

/// Its name.
pub fn name(converter: &ValidatedConverter) -> String {
    names::child(&converter.name, "", names::MAX_SUBDOMAIN)
}

/// There while it is asked for. Without a number, one pod at a time may go: a bound that no count of pods turns into a
/// drain that never ends.
pub fn build(converter: &ValidatedConverter) -> Option<PodDisruptionBudget> {
    let wanted = converter.disruption_budget.as_ref().filter(|wanted| wanted.enabled)?;
    let max_unavailable = match wanted.min_available {
        Some(_) => None,
        None => Some(wanted.max_unavailable.clone().unwrap_or(IntOrString::Int(1))),
    };
    Some(PodDisruptionBudget {
        metadata: super::meta(converter, name(converter)),
        spec: Some(PodDisruptionBudgetSpec {
            min_available: wanted.min_available.clone(),
            max_unavailable,
            selector: Some(LabelSelector {
                match_labels: Some(labels::selector(&converter.name, Component::Converter)),
                ..LabelSelector::default()
            }),
            // A pod that cannot start must not keep a node from being emptied.
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
        }),
        status: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audioconverter::fixtures;
    use serde_json::{Value, json};

    #[test]
    fn it_bounds_what_the_spec_says() {
        for (spec, min, max) in [
            ("{}", Value::Null, json!(1)),
            ("{maxUnavailable: 2}", Value::Null, json!(2)),
            ("{maxUnavailable: 25%}", Value::Null, json!("25%")),
            ("{minAvailable: 50%}", json!("50%"), Value::Null),
            ("{minAvailable: 0}", json!(0), Value::Null),
        ] {
            let budget = build(&fixtures::valid(&format!("disruptionBudget: {spec}"))).unwrap();
            let budget = serde_json::to_value(budget).unwrap();
            assert_eq!((&budget["spec"]["minAvailable"], &budget["spec"]["maxUnavailable"]), (&min, &max), "{spec}");
            assert_eq!(budget["spec"]["unhealthyPodEvictionPolicy"], "AlwaysAllow");
            assert_eq!(budget["spec"]["selector"]["matchLabels"]["app.kubernetes.io/instance"], "tape.archive-9");
        }
    }

    #[test]
    fn there_is_none_unless_it_is_asked_for() {
        for spec in ["{}", "disruptionBudget: {enabled: false}"] {
            assert_eq!(build(&fixtures::valid(spec)), None, "{spec}");
        }
    }
}
