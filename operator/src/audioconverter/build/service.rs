//! The Service in front of the pods. Only the public port is exposed; the admin port stays inside the pod's network.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::deployment;
use crate::audioconverter::validate::ValidatedConverter;
use crate::labels::{self, Component};
use crate::names;

/// Its name: a DNS-1035 label.
pub fn name(converter: &ValidatedConverter) -> String {
    names::service(&converter.name)
}

/// Always there.
pub fn build(converter: &ValidatedConverter) -> Service {
    let wanted = &converter.service;
    let mut metadata = super::meta(converter, name(converter));
    if !wanted.annotations.is_empty() {
        metadata.annotations = Some(wanted.annotations.clone());
    }
    Service {
        metadata,
        spec: Some(ServiceSpec {
            type_: Some(wanted.type_.as_str().to_owned()),
            selector: Some(labels::selector(&converter.name, Component::Converter)),
            ports: Some(vec![ServicePort {
                name: Some(deployment::HTTP.to_owned()),
                port: wanted.port,
                protocol: Some("TCP".to_owned()),
                target_port: Some(IntOrString::String(deployment::HTTP.to_owned())),
                node_port: wanted.node_port,
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audioconverter::fixtures;
    use serde_json::{Value, json};

    fn built(spec: &str) -> Value {
        serde_json::to_value(build(&fixtures::valid(spec))).unwrap()
    }

    #[test]
    fn an_empty_spec_is_reachable_inside_the_cluster() {
        let service = built("{}");
        // A Service's name takes no dot.
        assert!(service["metadata"]["name"].as_str().unwrap().starts_with("tape-archive-9-"));
        assert_eq!(service["spec"]["type"], "ClusterIP");
        assert_eq!(
            service["spec"]["ports"],
            json!([{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"}])
        );
        assert_eq!(service["spec"]["selector"]["app.kubernetes.io/instance"], "tape.archive-9");
        assert!(service["metadata"].get("annotations").is_none());
    }

    #[test]
    fn type_ports_and_annotations_follow_the_spec() {
        let service = built("service: {type: NodePort, port: 8000, nodePort: 30080, annotations: {cloud: inner}}");
        assert_eq!(service["spec"]["type"], "NodePort");
        assert_eq!(service["spec"]["ports"][0]["port"], 8000);
        assert_eq!(service["spec"]["ports"][0]["nodePort"], 30080);
        assert_eq!(service["metadata"]["annotations"], json!({"cloud": "inner"}));
    }
}
