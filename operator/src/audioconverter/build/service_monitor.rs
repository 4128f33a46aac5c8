//! The ServiceMonitor by which the Prometheus operator scrapes the pods.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::Serialize;

use super::{deployment, metrics_service};
use crate::apis::{OptionalKind, SERVICE_MONITOR};
use crate::audioconverter::validate::ValidatedConverter;
use crate::foreign::{Foreign, ForeignSpec};
use crate::names;

/// What the Prometheus operator scrapes.
/// Source: <https://prometheus-operator.dev/docs/api-reference/api/#monitoring.coreos.com/v1.ServiceMonitor>.
pub type ServiceMonitor = Foreign<ServiceMonitorSpec>;

/// What we set of its spec.
#[derive(Serialize, Clone, Debug, PartialEq)]
pub struct ServiceMonitorSpec {
    /// Which Services.
    pub selector: LabelSelector,
    /// Which of their ports.
    pub endpoints: Vec<Endpoint>,
}

/// A port that is scraped.
#[derive(Serialize, Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// The name of the Service's port.
    pub port: String,
    /// Where the metrics are.
    pub path: String,
    /// How often.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<String>,
}

impl ForeignSpec for ServiceMonitorSpec {
    const KIND: OptionalKind = SERVICE_MONITOR;
}

/// Its name.
pub fn name(converter: &ValidatedConverter) -> String {
    names::child(&converter.name, "", names::MAX_SUBDOMAIN)
}

/// There while it is asked for.
pub fn build(converter: &ValidatedConverter) -> Option<ServiceMonitor> {
    let wanted = converter.service_monitor.as_ref().filter(|wanted| wanted.enabled)?;
    let metadata = super::meta_with(converter, name(converter), &wanted.labels, &BTreeMap::new());
    let selector =
        LabelSelector { match_labels: Some(metrics_service::selector(converter)), ..LabelSelector::default() };
    let endpoint =
        Endpoint { port: deployment::ADMIN.to_owned(), path: "/metrics".to_owned(), interval: wanted.interval.clone() };
    Some(Foreign::new(metadata, &ServiceMonitorSpec { selector, endpoints: vec![endpoint] }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audioconverter::fixtures;
    use serde_json::json;

    #[test]
    fn it_chooses_the_metrics_service_and_no_other() {
        let valid = fixtures::valid("serviceMonitor: {interval: 15s, labels: {release: prometheus}}");
        let monitor = serde_json::to_value(build(&valid)).unwrap();
        assert_eq!(monitor["kind"], "ServiceMonitor");
        assert_eq!(monitor["metadata"]["labels"]["release"], "prometheus");
        assert_eq!(monitor["metadata"]["labels"]["app.kubernetes.io/managed-by"], "flacship-operator");
        assert_eq!(monitor["spec"]["endpoints"], json!([{"port": "admin", "path": "/metrics", "interval": "15s"}]));
        let chosen = |service: &k8s_openapi::api::core::v1::Service| {
            let wanted = monitor["spec"]["selector"]["matchLabels"].as_object().unwrap();
            let labels = service.metadata.labels.as_ref().unwrap();
            wanted.iter().all(|(key, value)| labels.get(key).map(String::as_str) == value.as_str())
        };
        let metrics = metrics_service::build(&valid).unwrap();
        assert!(chosen(&metrics));
        assert!(!chosen(&super::super::service::build(&valid)));
        assert_eq!(metrics.spec.unwrap().ports.unwrap()[0].name.as_deref(), Some("admin"));
    }

    #[test]
    fn there_is_none_unless_it_is_asked_for() {
        for spec in ["{}", "serviceMonitor: {enabled: false}"] {
            assert_eq!(build(&fixtures::valid(spec)), None, "{spec}");
        }
        let monitor = serde_json::to_value(build(&fixtures::valid("serviceMonitor: {}"))).unwrap();
        assert!(monitor["spec"]["endpoints"][0].get("interval").is_none());
    }
}
