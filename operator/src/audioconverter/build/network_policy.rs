//! The NetworkPolicy: who may reach the pods. What they may reach themselves is left to the cluster.

use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::deployment;
use crate::audioconverter::validate::ValidatedConverter;
use crate::labels::{self, Component};
use crate::names;

/// The label of every namespace that says its name.
/// Source: <https://kubernetes.io/docs/reference/labels-annotations-taints/#kubernetes-io-metadata-name>.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// Its name.
pub fn name(converter: &ValidatedConverter) -> String {
    names::child(&converter.name, "", names::MAX_SUBDOMAIN)
}

/// There while it is asked for. The kubelet's probes come through any policy.
pub fn build(converter: &ValidatedConverter) -> Option<NetworkPolicy> {
    let wanted = converter.network_policy.as_ref().filter(|wanted| wanted.enabled)?;
    let admin = [vec![operator(converter)], wanted.metrics_from.clone()].concat();
    Some(NetworkPolicy {
        metadata: super::meta(converter, name(converter)),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(labelled(labels::selector(&converter.name, Component::Converter))),
            policy_types: Some(vec!["Ingress".to_owned()]),
            ingress: Some(vec![
                rule(deployment::HTTP_PORT, super::non_empty(wanted.from.clone())),
                rule(deployment::ADMIN_PORT, Some(admin)),
            ]),
            egress: None,
        }),
    })
}

/// The operator's pods: they ask for the load, and reserve the pod that goes.
fn operator(converter: &ValidatedConverter) -> NetworkPolicyPeer {
    let one = |key: &str, value: &str| labelled([(key.to_owned(), value.to_owned())].into());
    NetworkPolicyPeer {
        namespace_selector: Some(one(NAMESPACE_NAME, &converter.operator_namespace)),
        pod_selector: Some(one(labels::NAME, labels::OPERATOR)),
        ip_block: None,
    }
}

/// Without `from`, everybody.
fn rule(port: i32, from: Option<Vec<NetworkPolicyPeer>>) -> NetworkPolicyIngressRule {
    NetworkPolicyIngressRule {
        ports: Some(vec![NetworkPolicyPort {
            port: Some(IntOrString::Int(port)),
            protocol: Some("TCP".to_owned()),
            end_port: None,
        }]),
        from,
    }
}

fn labelled(labels: std::collections::BTreeMap<String, String>) -> LabelSelector {
    LabelSelector { match_labels: Some(labels), ..LabelSelector::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audioconverter::fixtures;
    use serde_json::{Value, json};

    fn ingress(spec: &str) -> Value {
        let policy = build(&fixtures::valid(&format!("networkPolicy: {spec}"))).unwrap();
        let policy = serde_json::to_value(policy).unwrap();
        assert_eq!(policy["spec"]["policyTypes"], json!(["Ingress"]));
        assert_eq!(policy["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/instance"], "tape.archive-9");
        policy["spec"]["ingress"].clone()
    }

    fn operator() -> Value {
        json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "engine-room"}},
               "podSelector": {"matchLabels": {"app.kubernetes.io/name": "flacship-operator"}}})
    }

    #[test]
    fn everybody_uses_it_and_the_operator_alone_looks_after_it() {
        assert_eq!(
            ingress("{}"),
            json!([{"ports": [{"port": 8080, "protocol": "TCP"}]},
                   {"ports": [{"port": 9090, "protocol": "TCP"}], "from": [operator()]}])
        );
    }

    #[test]
    fn whom_the_spec_names_is_let_in_and_nobody_else() {
        let rules = ingress(
            "{from: [{podSelector: {matchLabels: {app: studio}}}, {ipBlock: {cidr: 192.0.2.0/24}}],
              metricsFrom: [{namespaceSelector: {matchLabels: {team: watch}}}]}",
        );
        assert_eq!(
            rules[0]["from"],
            json!([{"podSelector": {"matchLabels": {"app": "studio"}}}, {"ipBlock": {"cidr": "192.0.2.0/24"}}])
        );
        assert_eq!(rules[1]["from"], json!([operator(), {"namespaceSelector": {"matchLabels": {"team": "watch"}}}]));
    }

    #[test]
    fn there_is_none_unless_it_is_asked_for() {
        for spec in ["{}", "networkPolicy: {enabled: false}"] {
            assert_eq!(build(&fixtures::valid(spec)), None, "{spec}");
        }
    }
}
