//! The headless Service by which a ServiceMonitor finds the pods' admin port. It has no address of its own, so the port
//! stays out of reach of who uses the converter; a NetworkPolicy may close it further.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::deployment;
use crate::audioconverter::validate::ValidatedConverter;
use crate::labels::{self, Component};
use crate::names;

/// Ends its name.
const SUFFIX: &str = "-metrics";

/// Its name: a DNS-1035 label, with a hash, as the Service of a converter `a-metrics` has that very name.
pub fn name(converter: &ValidatedConverter) -> String {
    names::service_apart(&converter.name, SUFFIX)
}

/// The name that operators before this gave it, if that was another; what still has it goes.
pub fn old_name(converter: &ValidatedConverter) -> Option<String> {
    Some(names::service(&converter.name, SUFFIX)).filter(|old| *old != name(converter))
}

/// The labels that choose it.
pub(super) fn selector(converter: &ValidatedConverter) -> BTreeMap<String, String> {
    labels::selector(&converter.name, Component::Metrics)
}

/// There while a ServiceMonitor is asked for.
pub fn build(converter: &ValidatedConverter) -> Option<Service> {
    converter.service_monitor.as_ref().filter(|wanted| wanted.enabled)?;
    Some(Service {
        metadata: ObjectMeta {
            name: Some(name(converter)),
            labels: Some(labels::labels(&converter.name, Component::Metrics)),
            ..ObjectMeta::default()
        },
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            cluster_ip: Some("None".to_owned()),
            // A pod that drains its streams is not ready, and what it does is worth seeing.
            publish_not_ready_addresses: Some(true),
            selector: Some(labels::selector(&converter.name, Component::Converter)),
            ports: Some(vec![ServicePort {
                name: Some(deployment::ADMIN.to_owned()),
                port: deployment::ADMIN_PORT,
                protocol: Some("TCP".to_owned()),
                target_port: Some(IntOrString::String(deployment::ADMIN.to_owned())),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
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
    fn it_leads_to_the_admin_port_of_the_pods() {
        let service: Value = serde_json::to_value(build(&fixtures::valid("serviceMonitor: {}"))).unwrap();
        assert!(service["metadata"]["name"].as_str().unwrap().ends_with("-metrics"));
        assert_eq!(service["metadata"]["labels"]["app.kubernetes.io/component"], "metrics");
        assert_eq!(service["spec"]["clusterIP"], "None");
        assert_eq!(service["spec"]["selector"]["app.kubernetes.io/component"], "converter");
        assert_eq!(
            service["spec"]["ports"],
            json!([{"name": "admin", "port": 9090, "protocol": "TCP", "targetPort": "admin"}])
        );
    }

    #[test]
    fn it_never_has_the_name_of_another_converters_service() {
        let named = |name: &str| ValidatedConverter { name: name.to_owned(), ..fixtures::valid("serviceMonitor: {}") };
        let tape = named("tape");
        assert_eq!(old_name(&tape).as_deref(), Some("tape-metrics"));
        assert_eq!(super::super::service::name(&named("tape-metrics")), "tape-metrics");
        assert_ne!(name(&tape), "tape-metrics");
        assert_eq!(old_name(&named("tape.archive")), None);
    }

    #[test]
    fn it_comes_with_the_service_monitor_only() {
        for spec in ["{}", "serviceMonitor: {enabled: false}"] {
            assert_eq!(build(&fixtures::valid(spec)), None, "{spec}");
        }
    }
}
