//! How clients reach a converter from outside, and where its status says so: node port, load balancer, Ingress, Gateway;
//! and who scrapes it. A kind that the cluster lacks is said, and heals when it comes.

use serde_json::{Value, json};

use crate::harness::foreign::Installed;
use crate::harness::object::{condition, condition_is, is_observed};
use crate::harness::wait::{self, STEP};
use crate::harness::{Namespace, converter, kubectl, operator, root};
use e2e::cluster::foreign::Foreign;

/// Waits until the status says this endpoint of the present spec.
fn answers_at(namespace: &Namespace, name: &str, endpoint: &str) {
    namespace.until(&format!("is reached at {endpoint}"), &format!("acv/{name}"), STEP, |now| {
        (is_observed(now) && now["status"]["endpoint"] == endpoint).then_some(())
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_port_is_told_with_a_node_that_answers() {
    let namespace = Namespace::restricted("node-port");
    let url = converter::reachable(&namespace, "booth", json!({ "replicas": 1 })).await;
    answers_at(&namespace, "booth", &url);
    let name = format!("http://booth.{}.svc", namespace.name());
    namespace.patch("acv/booth", &json!({ "spec": { "service": { "type": "ClusterIP" } } }));
    answers_at(&namespace, "booth", &name);
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
    answers_at(&namespace, "stage", &format!("http://stage.{}.svc:8080", namespace.name()));
    let made = namespace.get("service/stage");
    assert_eq!(made["spec"]["loadBalancerClass"], "example.com/none");
    assert_eq!(made["spec"]["loadBalancerSourceRanges"], json!(["192.0.2.0/24"]));
    assert_eq!(made["spec"]["externalTrafficPolicy"], "Local");
    assert_eq!(made["metadata"]["labels"]["team"], "radio");

    balance(&namespace, "service/stage", &json!([{ "ip": "198.51.100.7" }]));
    answers_at(&namespace, "stage", "http://198.51.100.7:8080");
    balance(&namespace, "service/stage", &json!([{ "hostname": "stage.lb.example" }]));
    answers_at(&namespace, "stage", "http://stage.lb.example:8080");

    namespace.patch(
        "acv/stage",
        &json!({ "spec": { "service": { "type": "ClusterIP", "loadBalancerClass": null,
            "loadBalancerSourceRanges": null, "externalTrafficPolicy": null, "labels": null } } }),
    );
    answers_at(&namespace, "stage", &format!("http://stage.{}.svc:8080", namespace.name()));
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
    answers_at(&namespace, "foyer", "http://flac.example");
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
    answers_at(&namespace, "foyer", &format!("http://foyer.{}.svc", namespace.name()));
}

/// Waits until the converter says that the cluster lacks `kind`; all else of it is well.
fn lacks(namespace: &Namespace, name: &str, kind: &str) {
    let said = namespace.until(&format!("says that there is no {kind}"), &format!("acv/{name}"), STEP, |now| {
        condition_is(now, "Degraded", "True", "ApiNotFound").filter(|_| is_observed(now))
    });
    assert!(said.message.contains(kind) && said.message.contains("leave"), "{}", said.message);
    namespace.wait_for(&format!("acv/{name}"), "condition=Ready", STEP);
}

fn is_well(namespace: &Namespace, name: &str) {
    namespace.until("is well", &format!("acv/{name}"), STEP, |now| {
        condition_is(now, "Degraded", "False", "AsExpected").filter(|_| is_observed(now))
    });
}

#[test]
fn a_gateway_is_said_to_be_missing_and_used_when_it_comes() {
    let namespace = Namespace::restricted("gateway");
    let spec = json!({
        "replicas": 1,
        "gateway": { "parentRefs": [{ "name": "edge", "namespace": "edge-system", "sectionName": "https" }],
            "hostnames": ["flac.example"] },
    });
    namespace.apply(&converter::manifest("arch", &spec));
    lacks(&namespace, "arch", "HTTPRoute");
    answers_at(&namespace, "arch", &format!("http://arch.{}.svc", namespace.name()));
    {
        let _routes = Installed::new(Foreign::HttpRoutes);
        is_well(&namespace, "arch");
        let route = namespace.get("httproutes.gateway.networking.k8s.io/arch");
        assert_eq!(route["spec"]["hostnames"], json!(["flac.example"]));
        assert_eq!(route["spec"]["parentRefs"][0]["sectionName"], "https");
        let rule = &route["spec"]["rules"][0];
        assert_eq!((&rule["backendRefs"][0]["name"], &rule["backendRefs"][0]["port"]), (&json!("arch"), &json!(80)));
        assert_eq!(rule["timeouts"], json!({ "request": "0s", "backendRequest": "0s" }));
        answers_at(&namespace, "arch", "https://flac.example");

        namespace.kubectl("delete httproutes.gateway.networking.k8s.io arch");
        namespace.until("is made again", "httproutes.gateway.networking.k8s.io/arch", STEP, |_| Some(()));
    }
    lacks(&namespace, "arch", "HTTPRoute");
    namespace.patch("acv/arch", &json!({ "spec": { "gateway": null } }));
    is_well(&namespace, "arch");
}

/// By the way that `config/prometheus` names.
fn the_operators_own_metrics_are_found() {
    let folder = root().join("config/prometheus");
    let folder = folder.display();
    kubectl::run(&format!("apply --server-side -k {folder}"), None).unwrap();
    let address = wait::until("the operator is behind the Service of its metrics", STEP, || {
        let line = ["-n", operator::NAMESPACE, "get", "endpoints/flacship-operator-metrics", "-o", "json"];
        let said = kubectl::run_quietly(&line, None);
        let now: Value = serde_json::from_str(&said.stdout).map_err(|_| said.stderr)?;
        let subset = &now["subsets"][0];
        let address = subset["addresses"][0]["ip"].as_str().ok_or_else(|| now.to_string())?;
        Ok::<_, String>(format!("{address}:{}", subset["ports"][0]["port"]))
    });
    let read = async { reqwest::get(format!("http://{address}/metrics")).await?.text().await };
    let metrics = tokio::runtime::Runtime::new().unwrap().block_on(read).unwrap();
    assert!(metrics.contains("flacship_"), "{metrics}");
    kubectl::run(&format!("delete -k {folder}"), None).unwrap();
}

#[test]
fn a_service_monitor_is_said_to_be_missing_and_made_when_it_can_be() {
    let namespace = Namespace::restricted("monitor");
    namespace.apply(&converter::manifest("meter", &json!({ "replicas": 1, "serviceMonitor": { "interval": "15s" } })));
    lacks(&namespace, "meter", "ServiceMonitor");
    {
        let _monitors = Installed::new(Foreign::ServiceMonitors);
        is_well(&namespace, "meter");
        let monitor = namespace.get("servicemonitors.monitoring.coreos.com/meter");
        let endpoint = &monitor["spec"]["endpoints"][0];
        assert_eq!((&endpoint["port"], &endpoint["interval"]), (&json!("admin"), &json!("15s")));

        // As Prometheus would: the chosen Services, and of those the port of this name.
        let labels = monitor["spec"]["selector"]["matchLabels"].as_object().unwrap().iter();
        let selector: Vec<String> =
            labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
        let chosen = namespace.list_chosen("services", &selector.join(","));
        let names: Vec<&str> = chosen.iter().filter_map(|service| service["metadata"]["name"].as_str()).collect();
        assert_eq!(names, ["meter-metrics"]);
        assert_eq!(chosen[0]["spec"]["clusterIP"], "None");
        let pod = namespace.list("pods").remove(0)["status"]["podIP"].clone();
        namespace.until("has the pod", "endpoints/meter-metrics", STEP, |now| {
            let subset = now["subsets"].as_array()?.first()?;
            (subset["addresses"][0]["ip"] == pod && subset["ports"][0]["port"] == 9090).then_some(())
        });
        let ports = namespace.get("service/meter")["spec"]["ports"].clone();
        assert_eq!(ports.as_array().unwrap().len(), 1, "the admin port is on no Service that clients use: {ports}");
        the_operators_own_metrics_are_found();
    }
    lacks(&namespace, "meter", "ServiceMonitor");
    namespace.patch("acv/meter", &json!({ "spec": { "serviceMonitor": { "enabled": false } } }));
    is_well(&namespace, "meter");
    namespace.wait_for("service/meter-metrics", "delete", STEP);
    assert_eq!(condition(&namespace.get("acv/meter"), "Ready").unwrap().status, "True");
}
