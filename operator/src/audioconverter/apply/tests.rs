//! Which requests an apply makes, against an apiserver of canned answers.

use serde_json::{Value, json};

use super::*;
use crate::apis::{Apis, HTTP_ROUTE, SERVICE_MONITOR};
use crate::audioconverter::build::build;
use crate::audioconverter::fixtures;
use crate::conversionjob::fixtures::{FakeCluster, failure};

const ROUTES: &str = "/apis/gateway.networking.k8s.io/v1/namespaces/reels/httproutes/tape.archive-9";

/// The live objects that every converter has, as the apiserver gives them.
fn cluster(spec: &str) -> FakeCluster {
    let children = build(&fixtures::valid(spec), 1);
    let live = |child: Value| {
        let mut child = child;
        child["metadata"]["uid"] = json!("u-1");
        child["metadata"]["namespace"] = json!("reels");
        child["metadata"]["ownerReferences"] = json!([{"apiVersion": "flacship.dev/v1alpha1", "kind": "AudioConverter", "name": "tape.archive-9",
                    "uid": "u-42", "controller": true}]);
        child
    };
    let answer = |child: Value| live(child);
    let service = answer(serde_json::to_value(&children.service).unwrap());
    let deployment = answer(serde_json::to_value(&children.deployment).unwrap());
    let account = answer(serde_json::to_value(&children.service_account).unwrap());
    let name = service["metadata"]["name"].as_str().unwrap().to_owned();
    let key = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "tape.archive-9-stream-key"}});
    let mut fake = FakeCluster::default().json("POST /api/v1/namespaces/reels/secrets", &key);
    for (path, object) in [
        (format!("/api/v1/namespaces/reels/services/{name}"), service),
        ("/apis/apps/v1/namespaces/reels/deployments/tape.archive-9".to_owned(), deployment),
        ("/api/v1/namespaces/reels/serviceaccounts/tape.archive-9".to_owned(), account.clone()),
        ("/api/v1/namespaces/reels/secrets/tape.archive-9-stream-key".to_owned(), account),
    ] {
        fake = fake.json(&format!("GET {path}"), &object).json(&format!("PATCH {path}"), &object);
    }
    fake
}

/// Applies the children of `spec` and tells what came of it and what was asked.
async fn applied(fake: &FakeCluster, spec: &str, status: Value, apis: Apis) -> (AppliedChildren, Vec<String>) {
    let mut converter = fixtures::converter(spec);
    converter.status = serde_json::from_value(status).unwrap();
    let valid = fixtures::valid(spec);
    let ctx = fake.context_with(apis);
    let scaler = Scaler::new(ctx.config.load.clone());
    let applied = Box::pin(apply(&ctx, &converter, &valid, build(&valid, 1), &scaler)).await.unwrap();
    (applied, fake.asked())
}

fn asked_for(asked: &[String], path: &str) -> Vec<String> {
    asked.iter().filter(|request| request.contains(path)).map(|request| request.replace(path, "…")).collect()
}

fn settled() -> Value {
    json!({"observedGeneration": 3, "conditions": []})
}

#[tokio::test]
async fn a_route_that_is_not_asked_for_is_looked_for_when_the_spec_has_changed_only() {
    for (status, looks) in [
        (Value::Null, 1),
        (json!({"observedGeneration": 2, "conditions": []}), 1),
        (settled(), 0),
        (condition("Paused", "True", "PausedBySpec"), 1),
        (condition("Paused", "False", "NotPaused"), 0),
        (condition("Degraded", "True", "NotAllowed"), 1),
        (condition("Degraded", "True", "InvalidSpec"), 1),
        (condition("Degraded", "True", "ChildRefused"), 0),
    ] {
        let apis = Apis::with([HTTP_ROUTE]);
        let (_, asked) = applied(&cluster("{}"), "{}", status.clone(), apis).await;
        assert_eq!(asked_for(&asked, ROUTES).len(), looks, "{status}: {asked:?}");
    }
}

#[tokio::test]
async fn a_route_that_the_watch_finds_goes_however_long_ago_it_was_asked_for() {
    let route = json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "tape.archive-9",
        "namespace": "reels", "uid": "u-3", "resourceVersion": "5", "ownerReferences": [{"apiVersion": "flacship.dev/v1alpha1",
            "kind": "AudioConverter", "name": "tape.archive-9", "uid": "u-42"}]}});
    let fake = cluster("{}").json(&format!("GET {ROUTES}"), &route).json(&format!("DELETE {ROUTES}"), &route);
    let ctx = fake.context_with(Apis::with([HTTP_ROUTE]));
    let feed = ctx.children.feed::<HttpRoute>();
    let mut converter = fixtures::converter("{}");
    converter.status = serde_json::from_value(settled()).unwrap();
    let valid = fixtures::valid("{}");
    let scaler = Scaler::new(ctx.config.load.clone());
    let asked = async || {
        let before = fake.asked().len();
        Box::pin(apply(&ctx, &converter, &valid, build(&valid, 1), &scaler)).await.unwrap();
        asked_for(&fake.asked()[before..], ROUTES)
    };
    let nothing = Vec::<String>::new();
    assert_eq!(asked().await, nothing, "the watch has no list yet");
    feed.list_begins();
    feed.listed(&serde_json::from_value(route["metadata"].clone()).unwrap());
    feed.list_ends();
    assert_eq!(asked().await, ["GET …", "DELETE …?"]);
    feed.deleted(&serde_json::from_value(route["metadata"].clone()).unwrap());
    assert_eq!(asked().await, nothing);
    feed.begins();
    assert_eq!(asked().await, nothing, "the kind has come anew");
}

const ACCOUNT: &str = "/api/v1/namespaces/reels/serviceaccounts/tape.archive-9";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/reels/deployments/tape.archive-9";

/// `fake`, where somebody else has an object at `path`.
fn foreign(fake: FakeCluster, path: &str, api_version: &str, kind: &str) -> FakeCluster {
    let object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x", "uid": "u-7"}});
    fake.json(&format!("GET {path}"), &object)
}

#[tokio::test]
async fn no_pod_runs_as_somebody_elses_account() {
    // The live Deployment is another than the wanted one, which would be written.
    for (spec, writes) in
        [("{drainSeconds: 7}", 0), ("{drainSeconds: 7, podTemplate: {serviceAccountName: reader}}", 1)]
    {
        let fake = foreign(cluster("{}"), ACCOUNT, "v1", "ServiceAccount");
        let (applied, asked) = applied(&fake, spec, settled(), Apis::default()).await;
        let reasons: Vec<_> = applied.refusals.iter().map(|refusal| refusal.reason).collect();
        assert_eq!(reasons, [ConverterReason::NameTaken], "{spec}");
        assert_eq!(asked.iter().filter(|request| request.starts_with(&format!("PATCH {DEPLOYMENT}"))).count(), writes);
        assert!(applied.deployment.is_some(), "what runs is told of");
        assert!(applied.service.is_some());
    }
}

#[tokio::test]
async fn no_pod_is_made_or_changed_without_its_network_policy() {
    const POLICY: &str = "/apis/networking.k8s.io/v1/namespaces/reels/networkpolicies/tape.archive-9";
    let spec = "{drainSeconds: 7, networkPolicy: {}}";
    let taken = foreign(cluster("{}"), POLICY, "networking.k8s.io/v1", "NetworkPolicy");
    let refused = cluster("{}").answer(&format!("PATCH {POLICY}"), 403, failure(403));
    let made = cluster("{}").json(&format!("PATCH {POLICY}"), &json!({"metadata": {"name": "tape.archive-9"}}));
    for (fake, reason, writes) in [
        (taken, Some(ConverterReason::NameTaken), 0),
        (refused, Some(ConverterReason::ChildRefused), 0),
        (made, None, 1),
    ] {
        let (applied, asked) = applied(&fake, spec, settled(), Apis::default()).await;
        let reasons: Vec<_> = applied.refusals.iter().map(|refusal| refusal.reason).collect();
        assert_eq!(reasons, reason.into_iter().collect::<Vec<_>>());
        let written = asked.iter().filter(|request| request.starts_with(&format!("PATCH {DEPLOYMENT}"))).count();
        assert_eq!(written, writes, "{reason:?}");
        assert!(applied.deployment.is_some(), "what runs is told of");
    }
}

#[tokio::test]
async fn a_child_that_fails_again_and_again_holds_up_no_other() {
    const SERVICE: &str = "/api/v1/namespaces/reels/services/tape-archive-9-b770de5a";
    let spec = "disruptionBudget: {maxUnavailable: 1}";
    let budget = json!({"metadata": {"name": "tape.archive-9", "namespace": "reels"}});
    let fake = cluster(spec)
        .answer(&format!("GET {SERVICE}"), 500, failure(500))
        .json("PATCH /apis/policy/v1/namespaces/reels/poddisruptionbudgets/tape.archive-9", &budget);
    let (converter, valid) = (fixtures::converter(spec), fixtures::valid(spec));
    let ctx = fake.context();
    let scaler = Scaler::new(ctx.config.load.clone());
    for failures in 0..FAILURES {
        let outcome = Box::pin(apply(&ctx, &converter, &valid, build(&valid, 1), &scaler)).await;
        assert!(matches!(outcome, Err(ApplyError::Call(_))), "after {failures}: {outcome:?}");
        ctx.backoff.failed(&driver::key_of(&converter));
    }
    let applied = async |converter: &AudioConverter| {
        let before = fake.asked().len();
        let applied = Box::pin(apply(&ctx, converter, &valid, build(&valid, 1), &scaler)).await.unwrap();
        // The metrics Service's name begins like the Service's.
        let of = |refusal: &Refusal| {
            let (what, _) = refusal.message.split_once(": the apiserver answers again and again").unwrap();
            (refusal.reason, what.to_owned())
        };
        let told: Vec<_> = applied.refusals.iter().map(of).collect();
        let services = ["", "-metrics"].map(|end| format!("get Service tape-archive-9-b770de5a{end}"));
        assert_eq!(told, services.map(|what| (ConverterReason::ChildRefused, what)));
        assert!(applied.deployment.is_some() && applied.service.is_none());
        assert!(!asked_for(&fake.asked()[before..], "poddisruptionbudgets").is_empty(), "{:?}", fake.asked());
    };
    applied(&converter).await;
    // Then the status says so, and nothing has to fail first any more.
    ctx.backoff.succeeded(&driver::key_of(&converter));
    let mut told = converter;
    told.status = serde_json::from_value(condition("Degraded", "True", "ChildRefused")).unwrap();
    applied(&told).await;
}

fn condition(type_: &str, status: &str, reason: &str) -> Value {
    json!({"observedGeneration": 3, "conditions": [{"type": type_, "status": status, "reason": reason, "message": "",
        "lastTransitionTime": "2026-11-30T00:00:00Z"}]})
}

#[tokio::test]
async fn a_kind_that_is_not_served_is_not_asked_for_and_said() {
    let spec = "{gateway: {parentRefs: [{name: gate}]}, serviceMonitor: {}}";
    let metrics = "/api/v1/namespaces/reels/services/tape-archive-9";
    let fake = cluster(spec).json(&format!("PATCH {metrics}"), &json!({"metadata": {"name": "m"}}));
    let (applied, asked) = applied(&fake, spec, settled(), Apis::default()).await;
    assert_eq!(asked_for(&asked, ROUTES), Vec::<String>::new());
    assert!(applied.http_route.is_none() && applied.refusals.is_empty() && applied.deployment.is_some());
    let said: Vec<&str> = applied.lacks.iter().map(|lack| lack.message.as_str()).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("no HTTPRoute (gateway.networking.k8s.io/v1)") && said[0].contains("leave gateway out"));
    assert!(said[1].contains("no ServiceMonitor") && said[1].contains("leave serviceMonitor out"));
    assert!(applied.lacks.iter().all(|lack| lack.reason == ConverterReason::ApiNotFound));
}

#[tokio::test]
async fn a_metrics_service_of_an_older_operator_goes_and_no_other() {
    const OLD: &str = "/api/v1/namespaces/reels/services/tape-metrics";
    for (owner, deletes) in [("u-42", 1), ("u-43", 0)] {
        let old = json!({"metadata": {"name": "tape-metrics", "uid": "u-2", "ownerReferences": [{"apiVersion": "flacship.dev/v1alpha1",
            "kind": "AudioConverter", "name": "x", "uid": owner}]}});
        let fake = FakeCluster::default()
            .json(&format!("GET {OLD}"), &old)
            .json(&format!("DELETE {OLD}"), &old)
            .json("PATCH /api", &json!({"metadata": {"name": "x"}}))
            .json("POST /api", &json!({"metadata": {"name": "x"}}));
        let mut converter = fixtures::converter("{}");
        converter.metadata.name = Some("tape".to_owned());
        let valid = ValidatedConverter { name: "tape".to_owned(), ..fixtures::valid("{}") };
        let ctx = fake.context();
        let scaler = Scaler::new(ctx.config.load.clone());
        Box::pin(apply(&ctx, &converter, &valid, build(&valid, 1), &scaler)).await.unwrap();
        assert_eq!(asked_for(&fake.asked(), &format!("DELETE {OLD}")).len(), deletes, "{owner}");
    }
}

#[tokio::test]
async fn a_kind_that_has_just_gone_is_said_as_well() {
    let spec = "gateway: {parentRefs: [{name: gate}]}";
    let apis = Apis::with([HTTP_ROUTE, SERVICE_MONITOR]);
    let (applied, asked) = applied(&cluster(spec), spec, settled(), apis).await;
    assert_eq!(asked_for(&asked, ROUTES).len(), 2, "a GET and a PATCH: {asked:?}");
    assert_eq!(applied.lacks.len(), 1);
    assert!(applied.service.is_some());
}
