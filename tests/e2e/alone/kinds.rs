//! Children of kinds that other people's CRDs bring: what is said while the cluster lacks them, and all of them where it has
//! them. The CRDs are the real ones, which a cluster has once.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::foreign::Installed;
use crate::harness::object::{condition, condition_is, is_observed, owner_uids, uid, version, wanted};
use crate::harness::recorder::Recorder;
use crate::harness::wait::{self, STEP};
use crate::harness::{Namespace, converter, kubectl, operator, root};
use e2e::cluster::foreign::Foreign;

/// The children of [`ensemble`] that not every converter has.
const MORE: [&str; 6] = [
    "pdb/ensemble",
    "networkpolicy/ensemble",
    "ingress/ensemble",
    "httproutes.gateway.networking.k8s.io/ensemble",
    "service/ensemble-901bf84e-metrics",
    "servicemonitors.monitoring.coreos.com/ensemble",
];
/// How long nothing may be written while nothing changes. Any length will do.
const REST: Duration = Duration::from_secs(10);

/// A converter with every child that the API knows.
fn ensemble(namespace: &Namespace) {
    let spec = json!({
        "replicas": 1,
        "disruptionBudget": {},
        "networkPolicy": { "metricsFrom": [{ "namespaceSelector": { "matchLabels": { "team": "watch" } } }] },
        "ingress": { "host": "ensemble.example", "className": "none-here" },
        "gateway": { "parentRefs": [{ "name": "edge" }], "hostnames": ["ensemble.example"] },
        "serviceMonitor": { "interval": "30s", "labels": { "release": "prometheus" } },
    });
    converter::ready(namespace, "ensemble", &spec);
    for child in MORE {
        namespace.until("exists", child, STEP, |_| Some(()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_children_are_kept_as_they_are_and_go_when_they_are_not_asked_for() {
    let _kinds = Foreign::ALL.map(Installed::new);
    let namespace = Namespace::restricted("all-children");
    ensemble(&namespace);
    let owner = uid(&namespace.get("acv/ensemble"));
    for child in MORE {
        assert_eq!(owner_uids(&namespace.get(child)), [owner.as_str()], "{child}");
    }

    let edits: [(&str, Value); 6] = [
        ("pdb/ensemble", json!({ "spec": { "maxUnavailable": 3 } })),
        (
            "networkpolicy/ensemble",
            json!({ "spec": { "ingress": [{ "from": [{ "podSelector": {} }], "ports": [{ "port": 8080 }] }] } }),
        ),
        ("ingress/ensemble", json!({ "spec": { "rules": [{ "host": "other.example" }] } })),
        ("httproutes.gateway.networking.k8s.io/ensemble", json!({ "spec": { "hostnames": ["other.example"] } })),
        ("service/ensemble-901bf84e-metrics", json!({ "spec": { "publishNotReadyAddresses": false } })),
        ("servicemonitors.monitoring.coreos.com/ensemble", json!({ "spec": { "endpoints": [{ "port": "http" }] } })),
    ];
    for (child, edit) in edits {
        let before = namespace.get(child);
        namespace.patch(child, &edit);
        let healed =
            namespace.until("is as it was", child, STEP, |now| (wanted(now) == wanted(&before)).then(|| now.clone()));
        assert_eq!(uid(&healed), uid(&before), "{child} was not made anew");
        namespace.kubectl(&format!("delete {child}"));
        let again =
            namespace.until("is made again", child, STEP, |now| (uid(now) != uid(&before)).then(|| now.clone()));
        assert_eq!(wanted(&again), wanted(&before), "{child}");
    }
    at_rest(&namespace).await;

    namespace.patch(
        "acv/ensemble",
        &json!({ "spec": { "disruptionBudget": { "enabled": false }, "networkPolicy": null, "ingress": null,
            "gateway": null, "serviceMonitor": null } }),
    );
    for child in MORE {
        namespace.wait_for(child, "delete", STEP);
    }
    let left = namespace.until("is ready of this spec", "acv/ensemble", STEP, |now| {
        (is_observed(now) && condition(now, "Ready")?.status == "True").then(|| now.clone())
    });
    assert_eq!(condition(&left, "Degraded").unwrap().reason, "AsExpected");
}

/// Nothing is written to a child while only what does not concern it changes.
async fn at_rest(namespace: &Namespace) {
    namespace.until("has come to rest", "acv/ensemble", STEP, |now| {
        (is_observed(now) && condition(now, "Progressing")?.status == "False").then_some(())
    });
    let client = kube::Client::try_default().await.unwrap();
    let kinds = [
        ("networking.k8s.io/v1/NetworkPolicy", "networkpolicy/ensemble"),
        ("networking.k8s.io/v1/Ingress", "ingress/ensemble"),
        ("gateway.networking.k8s.io/v1/HTTPRoute", "httproutes.gateway.networking.k8s.io/ensemble"),
        ("monitoring.coreos.com/v1/ServiceMonitor", "servicemonitors.monitoring.coreos.com/ensemble"),
        ("/v1/Service", "service/ensemble-901bf84e-metrics"),
    ];
    let mut records = Vec::new();
    for (kind, object) in kinds {
        records.push((object, Recorder::start(&client, namespace.name(), kind).await));
    }
    // It wakes the operator and asks for nothing.
    namespace.kubectl("annotate acv/ensemble example.com/looked-at=yes");
    tokio::time::sleep(REST).await;
    for (object, record) in &mut records {
        namespace.kubectl(&format!("label {object} rest=over"));
        let changes = record.up_to(&version(&namespace.get(object))).await;
        assert_eq!(changes.len(), 1, "something was written before {object} was labelled: {changes:#?}");
    }
}

#[test]
fn the_gateway_sample_has_its_route_and_its_monitor() {
    let _kinds = Foreign::ALL.map(Installed::new);
    let namespace = Namespace::restricted("sample-gateway");
    namespace.kubectl(&format!("apply -f {}", converter::sample("audioconverter-gateway.yaml")));
    namespace.wait_for("acv/broadcast", "condition=Ready", STEP);
    converter::until_well(&namespace, "broadcast");
    namespace.get("httproutes.gateway.networking.k8s.io/broadcast");
    namespace.get("servicemonitors.monitoring.coreos.com/broadcast");
    assert_eq!(namespace.get("acv/broadcast")["status"]["endpoint"], "https://flac.example.com");
}

/// Waits until the converter says that the cluster lacks `kind`; all else of it is well.
fn lacks(namespace: &Namespace, name: &str, kind: &str) {
    let said = namespace.until(&format!("says that there is no {kind}"), &format!("acv/{name}"), STEP, |now| {
        condition_is(now, "Degraded", "True", "ApiNotFound").filter(|_| is_observed(now))
    });
    assert!(said.message.contains(kind) && said.message.contains("leave"), "{}", said.message);
    namespace.wait_for(&format!("acv/{name}"), "condition=Ready", STEP);
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
    converter::until_at(&namespace, "arch", &format!("http://arch.{}.svc", namespace.name()));
    {
        let _routes = Installed::new(Foreign::HttpRoutes);
        converter::until_well(&namespace, "arch");
        let route = namespace.get("httproutes.gateway.networking.k8s.io/arch");
        assert_eq!(route["spec"]["hostnames"], json!(["flac.example"]));
        assert_eq!(route["spec"]["parentRefs"][0]["sectionName"], "https");
        let rule = &route["spec"]["rules"][0];
        assert_eq!((&rule["backendRefs"][0]["name"], &rule["backendRefs"][0]["port"]), (&json!("arch"), &json!(80)));
        assert_eq!(rule["timeouts"], json!({ "request": "0s", "backendRequest": "0s" }));
        converter::until_at(&namespace, "arch", "https://flac.example");

        namespace.kubectl("delete httproutes.gateway.networking.k8s.io arch");
        namespace.until("is made again", "httproutes.gateway.networking.k8s.io/arch", STEP, |_| Some(()));
    }
    lacks(&namespace, "arch", "HTTPRoute");
    namespace.patch("acv/arch", &json!({ "spec": { "gateway": null } }));
    converter::until_well(&namespace, "arch");
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
        converter::until_well(&namespace, "meter");
        let monitor = namespace.get("servicemonitors.monitoring.coreos.com/meter");
        let endpoint = &monitor["spec"]["endpoints"][0];
        assert_eq!((&endpoint["port"], &endpoint["interval"]), (&json!("admin"), &json!("15s")));

        // As Prometheus would: the chosen Services, and of those the port of this name.
        let labels = monitor["spec"]["selector"]["matchLabels"].as_object().unwrap().iter();
        let selector: Vec<String> =
            labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
        let chosen = namespace.list_chosen("services", &selector.join(","));
        let names: Vec<&str> = chosen.iter().filter_map(|service| service["metadata"]["name"].as_str()).collect();
        assert_eq!(names, ["meter-5eff322a-metrics"]);
        assert_eq!(chosen[0]["spec"]["clusterIP"], "None");
        let pod = namespace.list("pods").remove(0)["status"]["podIP"].clone();
        namespace.until("has the pod", "endpoints/meter-5eff322a-metrics", STEP, |now| {
            let subset = now["subsets"].as_array()?.first()?;
            (subset["addresses"][0]["ip"] == pod && subset["ports"][0]["port"] == 9090).then_some(())
        });
        let ports = namespace.get("service/meter")["spec"]["ports"].clone();
        assert_eq!(ports.as_array().unwrap().len(), 1, "the admin port is on no Service that clients use: {ports}");
        the_operators_own_metrics_are_found();
    }
    lacks(&namespace, "meter", "ServiceMonitor");
    namespace.patch("acv/meter", &json!({ "spec": { "serviceMonitor": { "enabled": false } } }));
    converter::until_well(&namespace, "meter");
    namespace.wait_for("service/meter-5eff322a-metrics", "delete", STEP);
    assert_eq!(condition(&namespace.get("acv/meter"), "Ready").unwrap().status, "True");
}
