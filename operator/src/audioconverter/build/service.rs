//! The Service in front of the pods. Only the public port is exposed; the admin port stays inside the pod's network.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::deployment;
use crate::audioconverter::validate::ValidatedConverter;
use crate::labels::{self, Component};
use crate::names;

/// Its name: a DNS-1035 label.
pub fn name(converter: &ValidatedConverter) -> String {
    names::service(&converter.name, "")
}

/// How clients speak with the pods, which is the port's name too.
pub fn scheme(converter: &ValidatedConverter) -> &'static str {
    if converter.tls.is_some() { "https" } else { deployment::HTTP }
}

/// Always there.
pub fn build(converter: &ValidatedConverter) -> Service {
    let wanted = &converter.service;
    let scheme = scheme(converter);
    Service {
        metadata: super::meta_with(converter, name(converter), &wanted.labels, &wanted.annotations),
        spec: Some(ServiceSpec {
            external_traffic_policy: wanted.external_traffic_policy.map(|policy| policy.as_str().to_owned()),
            load_balancer_class: wanted.load_balancer_class.clone(),
            load_balancer_source_ranges: super::non_empty(wanted.load_balancer_source_ranges.clone()),
            type_: Some(wanted.type_.as_str().to_owned()),
            selector: Some(labels::selector(&converter.name, Component::Converter)),
            ports: Some(vec![ServicePort {
                name: Some(scheme.to_owned()),
                // Plain HTTP goes without saying; proxies that know TLS to backends go by this.
                app_protocol: converter.tls.as_ref().map(|_| scheme.to_owned()),
                port: wanted.port,
                protocol: Some("TCP".to_owned()),
                target_port: Some(IntOrString::String(deployment::HTTP.to_owned())),
                node_port: wanted.node_port,
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

    #[test]
    fn a_load_balancer_is_told_what_the_spec_says() {
        let service = built(
            "service: {type: LoadBalancer, externalTrafficPolicy: Local, loadBalancerClass: example.com/inner,
              loadBalancerSourceRanges: [192.0.2.0/24], labels: {team: radio, app.kubernetes.io/name: stolen}}",
        );
        let spec = &service["spec"];
        assert_eq!(spec["type"], "LoadBalancer");
        assert_eq!(spec["externalTrafficPolicy"], "Local");
        assert_eq!(spec["loadBalancerClass"], "example.com/inner");
        assert_eq!(spec["loadBalancerSourceRanges"], json!(["192.0.2.0/24"]));
        assert_eq!(service["metadata"]["labels"]["team"], "radio");
        assert_eq!(service["metadata"]["labels"]["app.kubernetes.io/name"], "flacship-converter");
        for field in ["externalTrafficPolicy", "loadBalancerClass", "loadBalancerSourceRanges"] {
            assert!(built("{}")["spec"].get(field).is_none(), "{field}");
        }
    }

    #[test]
    fn with_tls_the_port_says_so() {
        let service = built("{tls: {secretRef: {name: cert}}, service: {port: 443}}");
        assert_eq!(
            service["spec"]["ports"],
            json!([{"name": "https", "appProtocol": "https", "port": 443, "protocol": "TCP", "targetPort": "http"}])
        );
    }
}
