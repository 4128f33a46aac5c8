//! An operator that runs otherwise than the shipped one: for two namespaces with rights in no other, for one share of the
//! resources, with the dangerous parts of pods switched off, with its traces sent to a collector, and with logs in JSON.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::task::block_in_place;

use crate::harness::collector::{self, Collector};
use crate::harness::identity::{self, Identity};
use crate::harness::object::{condition, condition_is, is_observed};
use crate::harness::operator::{self, Absent};
use crate::harness::process::Process;
use crate::harness::proxy::Proxy;
use crate::harness::wait::{self, STEP};
use crate::harness::{Namespace, converter, json_lines, kubectl, root};

fn manifest(name: &str, labels: &Value, mut spec: Value) -> Value {
    // Without pods: they would add nothing but time.
    spec["replicas"] = json!(0);
    let mut manifest = converter::manifest(name, &spec);
    manifest["metadata"]["labels"] = labels.clone();
    manifest
}

fn is_followed(namespace: &Namespace, name: &str) {
    block_in_place(|| {
        namespace.until("is followed", &format!("acv/{name}"), STEP, |now| {
            (is_observed(now) && condition(now, "Progressing")?.status == "False").then_some(())
        });
    });
    namespace.get(&format!("deployment/{name}"));
}

fn is_left_alone(namespace: &Namespace, name: &str) {
    assert_eq!(namespace.get(&format!("acv/{name}"))["status"], Value::Null, "{name}");
    assert!(namespace.find(&format!("deployment/{name}")).is_none(), "{name}");
}

fn is_not_allowed(namespace: &Namespace, name: &str, part: &str) {
    let said = block_in_place(|| {
        namespace.until("says what is not allowed", &format!("acv/{name}"), STEP, |now| {
            condition_is(now, "Degraded", "True", "NotAllowed").filter(|_| is_observed(now))
        })
    });
    assert!(said.message.contains(part) && said.message.contains("--allow-"), "{}", said.message);
    assert!(namespace.find(&format!("deployment/{name}")).is_none(), "no pod is made of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_keeps_to_its_namespaces_its_share_and_what_it_allows() {
    let _absent = Absent::begin();
    let (namespace, second) = (Namespace::restricted("modes"), Namespace::restricted("second"));
    let elsewhere = Namespace::restricted("elsewhere");
    let identity = Identity::in_namespaces(&[namespace.name(), second.name()]);
    let collector = Collector::open().await;
    let proxy = Arc::new(Proxy::open(identity.client().await).await);
    let ours = json!({ "shard": "a" });
    // Those that it is to leave alone come first.
    namespace.apply(&manifest("theirs", &json!({ "shard": "b" }), json!({})));
    elsewhere.apply(&manifest("abroad", &ours, json!({})));
    let arguments = [
        format!("--namespaces={},{}", namespace.name(), second.name()),
        "--log-format=json".to_owned(),
        "--selector=shard=a".to_owned(),
        format!("--lease-name={}", namespace.name()),
        format!("--lease-namespace={}", operator::NAMESPACE),
        "--allow-service-account-name=false".to_owned(),
        "--allow-host-path=false".to_owned(),
        format!("--otlp-endpoint={}", collector.url()),
    ];
    let mut process = Process::start("modes", &proxy, &arguments);

    namespace.apply(&manifest("solo", &ours, json!({ "disruptionBudget": { "maxUnavailable": 1 } })));
    is_followed(&namespace, "solo");
    second.apply(&manifest("duet", &ours, json!({ "disruptionBudget": { "maxUnavailable": 1 } })));
    is_followed(&second, "duet");
    namespace.kubectl("delete service solo");
    namespace.until("is made again", "service/solo", STEP, |_| Some(()));
    is_left_alone(&namespace, "theirs");
    is_left_alone(&elsewhere, "abroad");
    namespace.kubectl("label acv/theirs shard=a --overwrite");
    is_followed(&namespace, "theirs");

    let account = json!({ "podTemplate": { "serviceAccountName": "default" } });
    namespace.apply(&manifest("servant", &ours, account));
    is_not_allowed(&namespace, "servant", "serviceAccountName");
    let folder = json!({ "podTemplate": { "volumes": [{ "name": "tapes", "hostPath": { "path": "/srv" } }] } });
    namespace.apply(&manifest("digger", &ours, folder));
    is_not_allowed(&namespace, "digger", "hostPath");
    for name in ["servant", "digger"] {
        namespace.patch(&format!("acv/{name}"), &json!({ "spec": { "podTemplate": null } }));
        is_followed(&namespace, name);
    }

    wait::until_async("traces come", STEP, async || {
        let spans = collector.spans();
        let reconcile = spans.iter().find(|span| {
            span.name == "reconcile" && collector::text(span, "resource").is_some_and(|name| name == "solo")
        });
        let reconcile = reconcile.ok_or_else(|| format!("{} spans", spans.len()))?;
        let asked = spans.iter().filter(|span| span.parent_span_id == reconcile.span_id);
        let asked = asked.filter(|span| collector::text(span, "http.request.method").is_some()).count();
        if asked > 0 { Ok(()) } else { Err("no request belongs to the reconcile".to_owned()) }
    })
    .await;
    assert!(process.runs());
    identity::nothing_was_lacking(identity.rights(), &proxy.entries());
    is_left_alone(&elsewhere, "abroad");
    tells_machines(&process.log(), &[(&namespace, "solo"), (&second, "duet")]);
}

/// Every line is JSON, and one of a reconcile says which object it is about and which reconcile it was.
fn tells_machines(log: &str, followed: &[(&Namespace, &str)]) {
    let lines: Vec<Value> = json_lines(log).collect();
    for line in &lines {
        for field in ["timestamp", "level", "message"] {
            assert!(line[field].is_string(), "{field} in {line}");
        }
    }
    let reconciles: Vec<&Value> =
        lines.iter().map(|line| &line["span"]).filter(|span| span["name"] == "reconcile").collect();
    for span in &reconciles {
        assert!(span["reconcile"].is_u64() && span["namespace"].is_string() && span["resource"].is_string(), "{span}");
    }
    let mut numbers = BTreeSet::new();
    for (namespace, name) in followed {
        let of = |span: &&&Value| {
            span["kind"] == "AudioConverter" && span["namespace"] == namespace.name() && span["resource"] == *name
        };
        let own: BTreeSet<u64> = reconciles.iter().filter(of).filter_map(|span| span["reconcile"].as_u64()).collect();
        assert!(!own.is_empty(), "no line of a reconcile of {name} in {log}");
        assert!(numbers.is_disjoint(&own), "a number names one reconcile: {own:?}");
        numbers.extend(own);
    }
}

#[test]
fn the_manifests_for_some_namespaces_are_admitted() {
    let _recordings = Namespace::called(identity::EXAMPLE);
    let folder = root().join("config/namespaced");
    // As README says it, and without a change to the cluster, whose operator is another.
    let said =
        kubectl::run(&format!("apply --server-side --force-conflicts --dry-run=server -k {}", folder.display()), None)
            .unwrap();
    for object in ["role.rbac.authorization.k8s.io/flacship-operator", "deployment.apps/flacship-operator"] {
        assert!(said.lines().any(|line| line.starts_with(object)), "{object} in {said}");
    }
    assert!(!said.contains("clusterrole.rbac.authorization.k8s.io/flacship-operator"), "{said}");
}
