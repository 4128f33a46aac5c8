//! What holds for all children together.

use serde_json::Value;

use super::build;
use crate::audioconverter::fixtures;

/// The children that the operator of commit 1c51685, the last before this API grew, made of some specs: written by that
/// commit's own code, `serde_json::to_string_pretty` of what `build` gave.
const GOLDEN: &str = include_str!("golden.json");

#[test]
fn a_newer_operator_restarts_nothing_and_changes_nothing() {
    let golden: Vec<Value> = serde_json::from_str(GOLDEN).unwrap();
    assert_eq!(golden.len(), 6);
    for before in golden {
        let spec = before["spec"].as_str().unwrap();
        let now = build(&fixtures::valid(spec), 1);
        let template = |deployment: &Value| deployment["spec"]["template"].clone();
        let deployment = serde_json::to_value(&now.deployment).unwrap();
        assert_eq!(template(&deployment), template(&before["deployment"]), "{spec}");
        assert_eq!(deployment, before["deployment"], "{spec}");
        assert_eq!(serde_json::to_value(&now.service).unwrap(), before["service"], "{spec}");
        assert_eq!(serde_json::to_value(&now.service_account).unwrap(), before["serviceAccount"], "{spec}");
        assert_eq!(serde_json::to_value(&now.hpa).unwrap(), before["hpa"], "{spec}");
    }
}

/// A spec that asks for every child.
const ALL: &str =
    "{autoscaling: {maxReplicas: 3, cpu: {averageUtilization: 50}}, disruptionBudget: {}, networkPolicy: {},
    serviceMonitor: {}, ingress: {host: a.example}, gateway: {parentRefs: [{name: g}]}}";

#[test]
fn every_name_fits_whatever_the_converters_is() {
    let names = [
        "n".repeat(63),
        "n".repeat(64),
        "n".repeat(253),
        "a.b".to_owned(),
        "0.0".to_owned(),
        format!("{}.{}", "a".repeat(126), "b".repeat(126)),
        "9.".repeat(126) + "9",
    ];
    let mut seen = std::collections::BTreeSet::new();
    for name in &names {
        let mut valid = fixtures::valid(ALL);
        valid.name.clone_from(name);
        let children = build(&valid, 1);
        let all = serde_json::json!([
            children.service_account,
            children.network_policy,
            children.deployment,
            children.service,
            children.hpa,
            children.disruption_budget,
            children.ingress,
            children.http_route,
            children.metrics_service,
            children.service_monitor,
        ]);
        for child in all.as_array().unwrap() {
            let (kind, meta) = (child["kind"].as_str().unwrap(), &child["metadata"]);
            let found = meta["name"].as_str().unwrap();
            let limit = match kind {
                "Service" => 63,
                "Deployment" => 242,
                _ => 253,
            };
            assert!(found.len() <= limit, "{kind} {found}");
            assert!(found.starts_with(|c: char| c.is_ascii_alphanumeric()), "{kind} {found}");
            assert!(found.ends_with(|c: char| c.is_ascii_alphanumeric()), "{kind} {found}");
            assert!(kind != "Service" || !found.contains('.'), "{found}");
            assert!(seen.insert((kind.to_owned(), found.to_owned())), "two have the name: {kind} {found}");
            for value in meta["labels"].as_object().unwrap().values() {
                assert!(value.as_str().unwrap().len() <= 63, "{kind} {value}");
            }
        }
        let route = &children.http_route.unwrap().spec["rules"][0]["backendRefs"][0]["name"];
        assert_eq!(route.as_str(), children.service.metadata.name.as_deref(), "the route leads to the Service");
    }
}
