//! The HTTPRoute of the Gateway API: from a Gateway to the Service.

use std::collections::BTreeMap;

use crds::audioconverter::exposure::ParentRef;
use serde::Serialize;

use super::service;
use crate::apis::{HTTP_ROUTE, OptionalKind};
use crate::audioconverter::validate::ValidatedConverter;
use crate::foreign::{Foreign, ForeignSpec};
use crate::names;

/// A route of the Gateway API.
/// Source: <https://gateway-api.sigs.k8s.io/reference/spec/#httproute>.
pub type HttpRoute = Foreign<HttpRouteSpec>;

/// What we set of its spec.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteSpec {
    /// The Gateways that it hangs on.
    pub parent_refs: Vec<ParentRef>,
    /// Host names that clients use.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hostnames: Vec<String>,
    /// Where requests go.
    pub rules: Vec<Rule>,
}

/// Where requests go, and how long they may last.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// The Service.
    pub backend_refs: Vec<BackendRef>,
    /// How long a request may last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<Timeouts>,
}

/// A Service's port.
#[derive(Serialize, Clone, Debug, PartialEq)]
pub struct BackendRef {
    /// Name of the Service.
    pub name: String,
    /// Number of its port.
    pub port: i32,
}

/// How long a request may last.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Timeouts {
    /// For the client.
    pub request: String,
    /// For one try with a pod.
    pub backend_request: String,
}

impl ForeignSpec for HttpRouteSpec {
    const KIND: OptionalKind = HTTP_ROUTE;
}

/// No limit: a stream may last for hours, and the converter has limits of its own.
const FOR_EVER: &str = "0s";

/// Its name.
pub fn name(converter: &ValidatedConverter) -> String {
    names::child(&converter.name, "", names::MAX_SUBDOMAIN)
}

/// There while it is asked for.
pub fn build(converter: &ValidatedConverter) -> Option<HttpRoute> {
    let wanted = converter.gateway.as_ref()?;
    let metadata = super::meta_with(converter, name(converter), &BTreeMap::new(), &wanted.annotations);
    let rule = Rule {
        backend_refs: vec![BackendRef { name: service::name(converter), port: converter.service.port }],
        timeouts: Some(Timeouts { request: FOR_EVER.to_owned(), backend_request: FOR_EVER.to_owned() }),
    };
    let spec = HttpRouteSpec {
        parent_refs: wanted.parent_refs.clone(),
        hostnames: wanted.hostnames.clone(),
        rules: vec![rule],
    };
    Some(Foreign::new(metadata, &spec))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audioconverter::fixtures;
    use serde_json::json;

    #[test]
    fn it_leads_from_the_gateways_to_the_service() {
        let spec = "{service: {port: 8000}, gateway: {hostnames: [flac.example], annotations: {a: b},
            parentRefs: [{name: gate, namespace: edge, sectionName: https, port: 443}, {name: inner}]}}";
        let valid = fixtures::valid(spec);
        let route = serde_json::to_value(build(&valid)).unwrap();
        assert_eq!(route["apiVersion"], "gateway.networking.k8s.io/v1");
        assert_eq!(route["metadata"]["annotations"], json!({"a": "b"}));
        assert_eq!(
            route["spec"],
            json!({
                "parentRefs": [{"name": "gate", "namespace": "edge", "sectionName": "https", "port": 443},
                               {"name": "inner"}],
                "hostnames": ["flac.example"],
                "rules": [{"backendRefs": [{"name": service::name(&valid), "port": 8000}],
                           "timeouts": {"request": "0s", "backendRequest": "0s"}}],
            })
        );
    }

    #[test]
    fn there_is_none_unless_it_is_asked_for() {
        assert_eq!(build(&fixtures::valid("{}")), None);
        let route = serde_json::to_value(build(&fixtures::valid("gateway: {parentRefs: [{name: g}]}"))).unwrap();
        assert!(route["spec"].get("hostnames").is_none());
    }
}
