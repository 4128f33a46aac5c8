//! Where clients reach a converter: its host name, the load balancer's or a node's address, else the Service's name in
//! the cluster. Pure.

use crds::audioconverter::exposure::{GatewaySpec, IngressSpec};
use crds::audioconverter::service::ServiceType;
use k8s_openapi::api::core::v1::LoadBalancerIngress;
use kube::ResourceExt;

use super::apply::AppliedChildren;
use super::build::service;
use super::validate::ValidatedConverter;

/// The port that goes without saying over HTTPS.
const HTTPS_PORT: i32 = 443;
/// The port that goes without saying over HTTP.
const HTTP_PORT: i32 = 80;

/// The address of the converter with these children, where the node at `node` runs a pod that is ready.
pub fn endpoint(valid: &ValidatedConverter, children: &AppliedChildren, node: Option<&str>) -> Option<String> {
    let by_ingress = || valid.ingress.as_ref().filter(|_| children.ingress.is_some()).and_then(through_ingress);
    let by_gateway = || valid.gateway.as_ref().filter(|_| children.http_route.is_some()).and_then(through_gateway);
    let live = children.service.as_ref()?;
    let scheme = service::scheme(valid);
    let by_node = || {
        let port = live.spec.as_ref()?.ports.as_ref()?.first()?.node_port?;
        let node = node.filter(|_| valid.service.type_ == ServiceType::NodePort)?;
        Some(format!("{scheme}://{}:{port}", host(node)))
    };
    let by_service = || {
        let balancer = live.status.as_ref().and_then(|status| status.load_balancer.as_ref());
        let balancer = balancer.and_then(|balancer| balancer.ingress.iter().flatten().find_map(balancer_address));
        let name = || format!("{}.{}.svc", service::name(valid), live.namespace().unwrap_or_default());
        url(scheme, &balancer.unwrap_or_else(name), valid.service.port)
    };
    Some(by_ingress().or_else(by_gateway).or_else(by_node).unwrap_or_else(by_service))
}

/// A host name that stands for many names no address.
fn is_one_host(host: &str) -> bool {
    !host.starts_with("*.")
}

fn through_ingress(ingress: &IngressSpec) -> Option<String> {
    let scheme = if ingress.tls_secret_name.is_some() { "https" } else { "http" };
    is_one_host(&ingress.host).then(|| format!("{scheme}://{}", ingress.host))
}

/// What the Gateway's listener speaks is the Gateway's secret, which the operator has no right to read: its port or its name
/// tells.
fn through_gateway(gateway: &GatewaySpec) -> Option<String> {
    let host = gateway.hostnames.iter().find(|host| is_one_host(host))?;
    let parent = gateway.parent_refs.first()?;
    let named = parent.section_name.as_deref().is_some_and(|name| name.starts_with("https"));
    let scheme = if parent.port == Some(HTTPS_PORT) || named { "https" } else { "http" };
    Some(match parent.port {
        Some(port) => url(scheme, host, port),
        None => format!("{scheme}://{host}"),
    })
}

fn balancer_address(ingress: &LoadBalancerIngress) -> Option<String> {
    ingress.hostname.clone().or_else(|| ingress.ip.as_deref().map(host))
}

/// An address as URLs have it.
fn host(address: &str) -> String {
    if address.contains(':') { format!("[{address}]") } else { address.to_owned() }
}

fn url(scheme: &str, host: &str, port: i32) -> String {
    match (scheme, port) {
        ("http", HTTP_PORT) | ("https", HTTPS_PORT) => format!("{scheme}://{host}"),
        _ => format!("{scheme}://{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audioconverter::build::build;
    use crate::audioconverter::fixtures;
    use k8s_openapi::api::core::v1::Service;

    fn live(status: &str) -> Service {
        serde_yaml::from_str(&format!(
            "{{metadata: {{name: s, namespace: reels}}, spec: {{ports: [{{port: 80, nodePort: 30123}}]}}, status: {status}}}"
        ))
        .unwrap()
    }

    /// The endpoint where all children that the spec asks for are there.
    fn of(spec: &str, status: &str, node: Option<&str>) -> String {
        let valid = fixtures::valid(spec);
        let built = build(&valid, 1);
        let children = AppliedChildren {
            service: Some(live(status)),
            ingress: built.ingress,
            http_route: built.http_route,
            ..AppliedChildren::default()
        };
        endpoint(&valid, &children, node).unwrap()
    }

    fn in_cluster() -> String {
        format!("{}.reels.svc", service::name(&fixtures::valid("{}")))
    }

    #[test]
    fn inside_the_cluster_it_is_the_services_name() {
        let name = in_cluster();
        for (spec, says) in [
            ("{}", format!("http://{name}")),
            ("service: {port: 8000}", format!("http://{name}:8000")),
            ("{tls: {secretRef: {name: c}}}", format!("https://{name}:80")),
            ("{tls: {secretRef: {name: c}}, service: {port: 443}}", format!("https://{name}")),
        ] {
            assert_eq!(of(spec, "{}", Some("10.0.0.7")), says, "{spec}");
        }
    }

    #[test]
    fn a_load_balancer_has_an_address_of_its_own_once_it_is_there() {
        let name = in_cluster();
        for (spec, status, says) in [
            ("{type: LoadBalancer}", "{}", format!("http://{name}")),
            ("{type: LoadBalancer}", "{loadBalancer: {}}", format!("http://{name}")),
            ("{type: LoadBalancer}", "{loadBalancer: {ingress: [{ip: 192.0.2.7}]}}", "http://192.0.2.7".to_owned()),
            (
                "{type: LoadBalancer, port: 81}",
                "{loadBalancer: {ingress: [{ip: '2001:db8::1'}]}}",
                "http://[2001:db8::1]:81".to_owned(),
            ),
            (
                "{type: LoadBalancer}",
                "{loadBalancer: {ingress: [{hostname: lb.example, ip: 192.0.2.7}]}}",
                "http://lb.example".to_owned(),
            ),
        ] {
            assert_eq!(of(&format!("service: {spec}"), status, None), says);
        }
    }

    #[test]
    fn a_node_port_is_reached_at_a_node_that_runs_a_pod() {
        let spec = "service: {type: NodePort, port: 8000}";
        assert_eq!(of(spec, "{}", Some("10.0.0.7")), "http://10.0.0.7:30123");
        assert_eq!(of(spec, "{}", Some("fd00::7")), "http://[fd00::7]:30123");
        assert_eq!(of(spec, "{}", None), format!("http://{}:8000", in_cluster()));
        let tls = "{service: {type: NodePort}, tls: {secretRef: {name: c}}}";
        assert_eq!(of(tls, "{}", Some("10.0.0.7")), "https://10.0.0.7:30123");
    }

    #[test]
    fn a_host_name_comes_first() {
        let balanced = "{loadBalancer: {ingress: [{ip: 192.0.2.7}]}}";
        for (spec, says) in [
            ("ingress: {host: a.example}", "http://a.example"),
            ("ingress: {host: a.example, tlsSecretName: c}", "https://a.example"),
            ("ingress: {host: '*.example'}", "http://192.0.2.7"),
            ("gateway: {parentRefs: [{name: g}], hostnames: ['*.a', b.example]}", "http://b.example"),
            ("gateway: {parentRefs: [{name: g, port: 443}], hostnames: [b.example]}", "https://b.example"),
            ("gateway: {parentRefs: [{name: g, sectionName: https-1}], hostnames: [b.example]}", "https://b.example"),
            ("gateway: {parentRefs: [{name: g, port: 8080}], hostnames: [b.example]}", "http://b.example:8080"),
            ("gateway: {parentRefs: [{name: g}]}", "http://192.0.2.7"),
            (
                "{ingress: {host: a.example}, gateway: {parentRefs: [{name: g}], hostnames: [b.example]}}",
                "http://a.example",
            ),
        ] {
            assert_eq!(of(spec, balanced, None), says, "{spec}");
        }
    }

    #[test]
    fn a_route_that_could_not_be_made_leads_nowhere() {
        let valid = fixtures::valid("ingress: {host: a.example}");
        let children = AppliedChildren { service: Some(live("{}")), ..AppliedChildren::default() };
        assert_eq!(endpoint(&valid, &children, None), Some(format!("http://{}", in_cluster())));
        assert_eq!(endpoint(&valid, &AppliedChildren::default(), None), None);
    }
}
