//! An operator that runs otherwise than the shipped one: for one namespace with rights in no other, for one share of the
//! resources, with the dangerous parts of pods switched off, and with its traces sent to a collector.

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
use crate::harness::{Namespace, converter};

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
async fn an_operator_keeps_to_its_namespace_its_share_and_what_it_allows() {
    let _absent = Absent::begin();
    let (namespace, elsewhere) = (Namespace::restricted("modes"), Namespace::restricted("elsewhere"));
    let identity = Identity::in_namespace(namespace.name());
    let collector = Collector::open().await;
    let proxy = Arc::new(Proxy::open(identity.client().await).await);
    let ours = json!({ "shard": "a" });
    // Those that it is to leave alone come first.
    namespace.apply(&manifest("theirs", &json!({ "shard": "b" }), json!({})));
    elsewhere.apply(&manifest("abroad", &ours, json!({})));
    let arguments = [
        format!("--namespaces={}", namespace.name()),
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
}
