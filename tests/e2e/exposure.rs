//! How clients reach a converter from outside, and where its status says so: node port, load balancer, Ingress. A Gateway
//! is among `alone::kinds`.

use serde_json::{Value, json};

use crate::harness::wait::STEP;
use crate::harness::{Namespace, converter, kubectl};

#[tokio::test(flavor = "multi_thread")]
async fn a_node_port_is_told_with_a_node_that_answers() {
    let namespace = Namespace::restricted("node-port");
    let url = converter::reachable(&namespace, "booth", json!({ "replicas": 1 })).await;
    converter::until_at(&namespace, "booth", &url);
    let name = format!("http://booth.{}.svc", namespace.name());
    namespace.patch("acv/booth", &json!({ "spec": { "service": { "type": "ClusterIP" } } }));
    converter::until_at(&namespace, "booth", &name);
}

/// Plays the cloud's controller, which gives a Service its address.
fn balance(namespace: &Namespace, service: &str, ingress: &Value) {
    let patch = json!({ "status": { "loadBalancer": { "ingress": ingress } } }).to_string();
    let words = ["-n", namespace.name(), "patch", service, "--subresource=status", "--type=merge", "-p", &patch];
    kubectl::run_words(&words, None).unwrap();
}

#[test]
fn a_load_balancer_gives_its_address() {
    let namespace = Namespace::restricted("balancer");
    let service = json!({
        "type": "LoadBalancer", "port": 8080, "loadBalancerClass": "example.com/none",
        "loadBalancerSourceRanges": ["192.0.2.0/24"], "externalTrafficPolicy": "Local",
        "labels": { "team": "radio" }, "annotations": { "example.com/pool": "a" },
    });
    converter::ready(&namespace, "stage", &json!({ "replicas": 1, "service": service }));
    converter::until_at(&namespace, "stage", &format!("http://stage.{}.svc:8080", namespace.name()));
    let made = namespace.get("service/stage");
    assert_eq!(made["spec"]["loadBalancerClass"], "example.com/none");
    assert_eq!(made["spec"]["loadBalancerSourceRanges"], json!(["192.0.2.0/24"]));
    assert_eq!(made["spec"]["externalTrafficPolicy"], "Local");
    assert_eq!(made["metadata"]["labels"]["team"], "radio");

    balance(&namespace, "service/stage", &json!([{ "ip": "198.51.100.7" }]));
    converter::until_at(&namespace, "stage", "http://198.51.100.7:8080");
    balance(&namespace, "service/stage", &json!([{ "hostname": "stage.lb.example" }]));
    converter::until_at(&namespace, "stage", "http://stage.lb.example:8080");

    namespace.patch(
        "acv/stage",
        &json!({ "spec": { "service": { "type": "ClusterIP", "loadBalancerClass": null,
            "loadBalancerSourceRanges": null, "externalTrafficPolicy": null, "labels": null } } }),
    );
    converter::until_at(&namespace, "stage", &format!("http://stage.{}.svc:8080", namespace.name()));
    let made = namespace.get("service/stage");
    for field in ["loadBalancerClass", "loadBalancerSourceRanges", "externalTrafficPolicy"] {
        assert_eq!(made["spec"][field], Value::Null, "{field}");
    }
    assert_eq!(made["metadata"]["labels"]["team"], Value::Null);
}

#[test]
fn an_ingress_lets_streams_and_large_uploads_through() {
    let namespace = Namespace::restricted("ingress");
    let spec = json!({
        "replicas": 1,
        "limits": { "maxUploadSize": "512Mi" },
        "ingress": { "host": "flac.example", "className": "none-here",
            "annotations": { "example.com/a": "b", "nginx.ingress.kubernetes.io/proxy-read-timeout": "7200" } },
    });
    converter::ready(&namespace, "foyer", &spec);
    converter::until_at(&namespace, "foyer", "http://flac.example");
    let ingress = namespace.get("ingress/foyer");
    let nginx = |name: &str| ingress["metadata"]["annotations"][format!("nginx.ingress.kubernetes.io/{name}")].clone();
    assert_eq!(nginx("proxy-read-timeout"), "7200");
    assert_eq!(nginx("proxy-send-timeout"), "3600");
    assert_eq!(nginx("proxy-body-size"), (513_u64 << 20).to_string());
    assert_eq!(nginx("proxy-request-buffering"), "off");
    assert_eq!(ingress["spec"]["ingressClassName"], "none-here");
    let backend = &ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"];
    assert_eq!(*backend, json!({ "name": "foyer", "port": { "number": 80 } }));

    namespace.patch("acv/foyer", &json!({ "spec": { "ingress": null } }));
    namespace.wait_for("ingress/foyer", "delete", STEP);
    converter::until_at(&namespace, "foyer", &format!("http://foyer.{}.svc", namespace.name()));
}
