//! What an apply and a deletion ask of an apiserver, against canned answers.

use std::sync::{Arc, Mutex};

use super::target::set_meta;
use super::*;
use crate::context::{Config, Context, Shared};
use crate::conversionjob::fixtures::{FakeCluster, failure};
use crate::leader::Gate;
use k8s_openapi::api::core::v1::{Service, ServiceAccount};
use serde_json::json;

fn meta(yaml: &str) -> ObjectMeta {
    serde_yaml::from_str(yaml).unwrap()
}

#[test]
fn an_object_is_ours_by_the_owners_uid_only() {
    assert_eq!(
        standing(&meta("ownerReferences: [{apiVersion: v1, kind: X, name: x, uid: u-1}]"), "u-1"),
        Standing::Ours
    );
    assert_eq!(
        standing(&meta("{name: x, labels: {app.kubernetes.io/managed-by: flacship-operator}}"), "u-1"),
        Standing::Foreign("does not belong to this resource".to_owned())
    );
    assert_eq!(
        standing(
            &meta("ownerReferences: [{apiVersion: v1, kind: Tape, name: old, uid: u-0, controller: true}]"),
            "u-1"
        ),
        Standing::Foreign("belongs to Tape \"old\"".to_owned())
    );
    assert_eq!(
        standing(
            &meta(
                "{deletionTimestamp: 2026-01-01T00:00:00Z, ownerReferences: [{apiVersion: v1, kind: X, name: x, uid: u-1}]}"
            ),
            "u-1"
        ),
        Standing::Terminating
    );
}

#[test]
fn what_is_applied_names_its_owner_and_its_hash() {
    let owner: crds::AudioConverter =
        serde_yaml::from_str("{apiVersion: flacship.dev/v1alpha1, kind: AudioConverter, metadata: {name: tape, namespace: reels, uid: u-7}, spec: {}}").unwrap();
    let child: ServiceAccount = serde_yaml::from_str("{metadata: {name: tape}}").unwrap();
    let json = prepare(child, &owner_reference(&owner).unwrap()).unwrap();
    assert_eq!(json["apiVersion"], "v1");
    assert_eq!(json["kind"], "ServiceAccount");
    assert_eq!(json["metadata"]["namespace"], "reels");
    assert_eq!(json["metadata"]["ownerReferences"][0]["uid"], "u-7");
    assert_eq!(json["metadata"]["ownerReferences"][0]["controller"], true);
    assert_eq!(json["metadata"]["ownerReferences"][0]["kind"], "AudioConverter");
    assert!(json["metadata"]["annotations"]["flacship.dev/applied-hash"].is_string());
}

const OWNER: &str = "{apiVersion: flacship.dev/v1alpha1, kind: AudioConverter,
    metadata: {name: tape, namespace: reels, uid: u-7}, spec: {}}";
const PATH: &str = "/api/v1/namespaces/reels/serviceaccounts/tape";

fn owner() -> crds::AudioConverter {
    serde_yaml::from_str(OWNER).unwrap()
}

fn account() -> ServiceAccount {
    serde_yaml::from_str("{metadata: {name: tape}, automountServiceAccountToken: false}").unwrap()
}

/// What the cluster holds after an apply, as JSON.
fn stored() -> Value {
    let mut json = prepare(account(), &owner_reference(&owner()).unwrap()).unwrap();
    set_meta(&mut json, "uid", Some("u-100"));
    json
}

/// Applies the account to a cluster that holds `live` (and says `code` to a write): the outcome, and what was asked.
async fn applied_to(live: Option<&Value>, code: u16) -> (Result<Change, ApplyError>, Vec<String>) {
    let body = if code == 200 { stored().to_string().into_bytes() } else { failure(code) };
    let mut cluster = FakeCluster::default().answer(&format!("PATCH {PATH}"), code, body);
    if let Some(live) = live {
        cluster = cluster.json(&format!("GET {PATH}"), live);
    }
    let ctx = cluster.context();
    let outcome = apply_child(&ctx, &owner(), account()).await.map(|applied| applied.change);
    (outcome, cluster.asked())
}

fn writes(asked: &[String]) -> Vec<&String> {
    asked.iter().filter(|request| !request.starts_with("GET")).collect()
}

#[tokio::test]
async fn what_is_missing_is_made_under_our_manager() {
    let (outcome, asked) = applied_to(None, 200).await;
    assert_eq!(outcome.unwrap(), Change::Created);
    let [write] = writes(&asked)[..] else { panic!("{asked:?}") };
    assert!(write.contains("fieldManager=flacship") && write.contains("force=true"), "{write}");
}

#[tokio::test]
async fn what_is_as_wanted_is_not_written() {
    let mut live = stored();
    live["metadata"]["labels"] = json!({"foreign": "1"});
    let (outcome, asked) = applied_to(Some(&live), 200).await;
    assert_eq!(outcome.unwrap(), Change::Unchanged);
    assert_eq!(writes(&asked), Vec::<&String>::new());
}

#[tokio::test]
async fn what_was_edited_is_written_once() {
    let mut live = stored();
    live["automountServiceAccountToken"] = json!(true);
    let (outcome, asked) = applied_to(Some(&live), 200).await;
    assert_eq!(outcome.unwrap(), Change::Updated);
    assert_eq!(writes(&asked).len(), 1);
}

#[tokio::test]
async fn what_belongs_to_another_or_is_going_is_not_touched() {
    let mut foreign = stored();
    foreign["metadata"]["ownerReferences"] = json!([]);
    let (outcome, asked) = applied_to(Some(&foreign), 200).await;
    assert!(matches!(outcome, Err(ApplyError::NameTaken { .. })));
    assert_eq!(writes(&asked), Vec::<&String>::new());
    let mut going = stored();
    set_meta(&mut going, "deletionTimestamp", Some("2026-01-01T00:00:00Z"));
    let (outcome, asked) = applied_to(Some(&going), 200).await;
    assert_eq!(outcome.unwrap(), Change::Terminating);
    assert_eq!(writes(&asked), Vec::<&String>::new());
}

#[tokio::test]
async fn an_answer_that_stays_is_told_apart_from_one_that_may_pass() {
    for (code, category, stays) in
        [(422, "refused", true), (403, "refused", true), (409, "conflict", false), (500, "apiserver", false)]
    {
        let error = applied_to(None, code).await.0.unwrap_err();
        assert_eq!((error.category(), error.needs_a_person()), (category, stays), "{error}");
    }
}

#[tokio::test]
async fn what_others_set_is_claimed_only_where_that_brings_what_is_wanted() {
    const SERVICE: &str = "/api/v1/namespaces/reels/services/tape";
    let service = |port: u16| -> Service {
        serde_json::from_value(
            json!({"metadata": {"name": "tape"}, "spec": {"ports": [{"name": "http", "port": port}]}}),
        )
        .unwrap()
    };
    let mut live = prepare(service(81), &owner_reference(&owner()).unwrap()).unwrap();
    set_meta(&mut live, "uid", Some("u-100"));
    let foreign = json!([{"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:spec": {"f:ports": {}}}}]);
    let (dry, apply) = (format!("PATCH {SERVICE}?&dryRun=All"), format!("PATCH {SERVICE}?&force=true"));
    for (what, fields, tried, asks) in [
        ("nobody else set anything", json!([]), 200, vec!["apply"]),
        ("what is wanted is invalid in itself", foreign.clone(), 422, vec!["apply", "dry"]),
        ("a webhook takes no dry run", foreign.clone(), 400, vec!["apply", "dry"]),
        ("it stands in the way", foreign, 200, vec!["apply", "dry", "claim", "apply"]),
    ] {
        live["metadata"]["managedFields"] = fields;
        let body = if tried == 200 { live.to_string().into_bytes() } else { failure(tried) };
        let cluster = FakeCluster::default()
            .json(&format!("GET {SERVICE}"), &live)
            .json(&format!("PATCH {SERVICE}"), &live)
            .answer(&dry, tried, body)
            .answer(&apply, 422, failure(422));
        let error = apply_child(&cluster.context(), &owner(), service(80)).await.unwrap_err();
        assert_eq!(error.category(), "refused", "{what}");
        let asked = cluster.asked();
        let asked: Vec<&str> = writes(&asked)
            .into_iter()
            .map(|write| match write {
                dried if dried.starts_with(&dry) => "dry",
                applied if applied.starts_with(&apply) => "apply",
                _ => "claim",
            })
            .collect();
        assert_eq!(asked, asks, "{what}");
    }
}

#[tokio::test]
async fn only_what_is_ours_is_deleted() {
    for (owner_uid, outcome, count) in [("u-7", Deletion::Deleted, 1), ("u-6", Deletion::NotOurs, 0)] {
        let mut live = stored();
        live["metadata"]["ownerReferences"][0]["uid"] = json!(owner_uid);
        let cluster = FakeCluster::default().json(&format!("GET {PATH}"), &live).json(&format!("DELETE {PATH}"), &live);
        let done = delete_child::<ServiceAccount>(&cluster.context(), &owner(), "tape").await.unwrap();
        assert_eq!(done, outcome);
        assert_eq!(writes(&cluster.asked()).len(), count);
    }
    let nothing = FakeCluster::default();
    let done = delete_child::<ServiceAccount>(&nothing.context(), &owner(), "tape").await.unwrap();
    assert_eq!(done, Deletion::Absent);
}

#[test]
fn an_owner_that_is_not_in_the_cluster_is_an_error() {
    let owner: crds::AudioConverter = serde_yaml::from_str(
        "{apiVersion: flacship.dev/v1alpha1, kind: AudioConverter, metadata: {name: tape}, spec: {}}",
    )
    .unwrap();
    assert!(matches!(owner_reference(&owner), Err(ApplyError::Internal(_))));
}

/// Makes the account once in a cluster that holds `live` (and says `code` to a write): whether it was made, and what was
/// asked.
async fn made_once(expect: Expect, live: Option<&Value>, code: u16) -> (Result<bool, ApplyError>, Vec<String>) {
    const ALL: &str = "/api/v1/namespaces/reels/serviceaccounts";
    let body = if code == 201 { stored().to_string().into_bytes() } else { failure(code) };
    let mut cluster = FakeCluster::default().answer(&format!("POST {ALL}"), code, body);
    if let Some(live) = live {
        cluster = cluster.json(&format!("GET {PATH}"), live);
    }
    let ctx = cluster.context();
    let made = make_child(&ctx, &owner(), "tape", expect, || Ok(account())).await.map(|made| made.is_some());
    (made, cluster.asked())
}

#[tokio::test]
async fn what_is_made_once_is_not_looked_into_again() {
    let (made, asked) = made_once(Expect::Present, None, 201).await;
    assert!(made.unwrap());
    assert_eq!(writes(&asked).len(), 1);
    let mut edited = stored();
    edited["automountServiceAccountToken"] = json!(true);
    let mut going = stored();
    set_meta(&mut going, "deletionTimestamp", Some("2026-01-01T00:00:00Z"));
    for live in [edited, going] {
        let (made, asked) = made_once(Expect::Present, Some(&live), 201).await;
        assert!(!made.unwrap());
        assert_eq!(writes(&asked), Vec::<&String>::new());
        let (made, asked) = made_once(Expect::Absent, Some(&live), 409).await;
        assert!(!made.unwrap());
        assert_eq!(asked.len(), 2, "{asked:?}");
    }
    let mut foreign = stored();
    foreign["metadata"]["ownerReferences"] = json!([]);
    for (expect, code) in [(Expect::Present, 201), (Expect::Absent, 409)] {
        assert!(matches!(made_once(expect, Some(&foreign), code).await.0, Err(ApplyError::NameTaken { .. })));
    }
    assert!(made_once(Expect::Present, None, 403).await.0.unwrap_err().needs_a_person());
    let conflict = made_once(Expect::Present, None, 409).await.0.unwrap_err();
    assert!(!conflict.needs_a_person(), "somebody made it at the same time");
}

#[tokio::test]
async fn what_a_new_owner_lacks_is_made_without_a_look_and_not_looked_for_soon_after() {
    let (made, asked) = made_once(Expect::Absent, None, 201).await;
    assert!(made.unwrap());
    assert_eq!(asked.len(), 1, "{asked:?}");
    let cluster = FakeCluster::default().json(&format!("GET {PATH}"), &stored());
    let ctx = cluster.context();
    for _ in 0..2 {
        let made = make_child(&ctx, &owner(), "tape", Expect::Present, || Ok(account())).await.unwrap();
        assert!(made.is_none());
    }
    assert_eq!(cluster.asked().len(), 1);
}

/// The account as it is stored at a version.
fn at(version: u64) -> Value {
    let mut json = stored();
    set_meta(&mut json, "resourceVersion", Some(&version.to_string()));
    json
}

/// A context in which accounts are watched, and the watch has told of `live`.
fn watching(cluster: &FakeCluster, live: &[Value]) -> (Arc<Context>, crate::children::Feed) {
    let ctx = cluster.context();
    let feed = ctx.children.feed::<ServiceAccount>();
    feed.list_begins();
    for object in live {
        feed.listed(&serde_json::from_value(object["metadata"].clone()).unwrap());
    }
    feed.list_ends();
    (ctx, feed)
}

fn methods(asked: &[String]) -> Vec<&str> {
    asked.iter().filter_map(|request| request.split_once(' ')).map(|(method, _)| method).collect()
}

#[tokio::test]
async fn each_way_to_a_child_asks_for_no_more_than_it_must() {
    let mut foreign = at(5);
    foreign["metadata"]["ownerReferences"] = json!([]);
    let mut edited = at(5);
    edited["automountServiceAccountToken"] = json!(true);
    let (get, patch) = (format!("GET {PATH}"), format!("PATCH {PATH}"));
    let taken = || FakeCluster::default().answer(&patch, 409, failure(409));
    for (what, cluster, told, outcome, asks) in [
        ("known to be absent", FakeCluster::default().json(&patch, &at(5)), vec![], Ok(Change::Created), vec!["PATCH"]),
        ("there, without our label", taken().json(&get, &at(5)), vec![], Ok(Change::Unchanged), vec!["PATCH", "GET"]),
        ("somebody else's", taken().json(&get, &foreign), vec![], Err("name_taken"), vec!["PATCH", "GET"]),
        (
            "somebody else's, and no sense in both together",
            FakeCluster::default().answer(&patch, 422, failure(422)).json(&get, &foreign),
            vec![],
            Err("name_taken"),
            vec!["PATCH", "GET"],
        ),
        (
            "refused, though nothing is there",
            FakeCluster::default().answer(&patch, 422, failure(422)),
            vec![],
            Err("refused"),
            vec!["PATCH", "GET", "PATCH"],
        ),
        (
            "seen, never compared",
            FakeCluster::default().json(&get, &at(5)),
            vec![at(5)],
            Ok(Change::Unchanged),
            vec!["GET"],
        ),
        (
            "seen and edited",
            FakeCluster::default().json(&get, &edited).json(&patch, &at(6)),
            vec![edited.clone()],
            Ok(Change::Updated),
            vec!["GET", "PATCH"],
        ),
        (
            "seen and gone since",
            FakeCluster::default().json(&patch, &at(6)),
            vec![at(5)],
            Ok(Change::Created),
            vec!["GET", "PATCH"],
        ),
    ] {
        let (ctx, _) = watching(&cluster, &told);
        let done = apply_child(&ctx, &owner(), account()).await;
        let done = done.map(|applied| applied.change).map_err(|error| error.category());
        assert_eq!(done, outcome, "{what}");
        assert_eq!(methods(&cluster.asked()), asks, "{what}");
    }
}

#[tokio::test]
async fn what_is_proven_is_not_asked_for_until_something_changes() {
    let cluster = FakeCluster::default().json(&format!("GET {PATH}"), &at(7)).json(&format!("PATCH {PATH}"), &at(5));
    let (ctx, feed) = watching(&cluster, &[]);
    let apply = async |child| apply_child(&ctx, &owner(), child).await.unwrap().change;
    let meta = |version| serde_json::from_value::<ObjectMeta>(at(version)["metadata"].clone()).unwrap();
    assert_eq!(apply(account()).await, Change::Created);
    for _ in 0..2 {
        let again = apply_child(&ctx, &owner(), account()).await.unwrap();
        assert_eq!((again.change, again.object.metadata.name.as_deref()), (Change::Unchanged, Some("tape")));
        // The event of our own write.
        feed.changed(&meta(5));
    }
    assert_eq!(methods(&cluster.asked()), ["PATCH"]);
    feed.changed(&meta(7));
    assert_eq!(apply(account()).await, Change::Unchanged);
    assert_eq!(apply(account()).await, Change::Unchanged);
    assert_eq!(methods(&cluster.asked()), ["PATCH", "GET"]);
    let mut other = account();
    other.automount_service_account_token = Some(true);
    assert_eq!(apply(other).await, Change::Updated);
    assert_eq!(methods(&cluster.asked()), ["PATCH", "GET", "GET", "PATCH"]);
    feed.deleted(&meta(8));
    assert_eq!(apply(account()).await, Change::Created);
    assert_eq!(methods(&cluster.asked()), ["PATCH", "GET", "GET", "PATCH", "PATCH"]);
}

#[tokio::test]
async fn what_is_made_names_a_version_that_nothing_has() {
    let bodies = Arc::<Mutex<Vec<Value>>>::default();
    let keep = Arc::clone(&bodies);
    let answer = move |request: axum::http::Request<kube::client::Body>| {
        let keep = Arc::clone(&keep);
        async move {
            let body = request.into_body().collect_bytes().await.unwrap();
            keep.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
            Ok::<_, std::convert::Infallible>(axum::http::Response::new(axum::body::Body::from(at(5).to_string())))
        }
    };
    let ctx = Context::new(Shared {
        client: kube::Client::new(tower::service_fn(answer), "default"),
        config: Config::with_image("registry.example/converter:1"),
        metrics: Arc::default(),
        gate: Gate::open(),
        apis: Arc::default(),
    });
    let feed = ctx.children.feed::<ServiceAccount>();
    feed.list_begins();
    feed.list_ends();
    apply_child(&ctx, &owner(), account()).await.unwrap();
    // Not 0, which most kinds take for any version: the object of somebody else would become ours.
    assert_eq!(bodies.lock().unwrap()[0]["metadata"]["resourceVersion"], "1");
}

#[tokio::test]
async fn somebody_elses_object_costs_one_refused_write() {
    let mut foreign = at(5);
    foreign["metadata"]["ownerReferences"] = json!([]);
    let cluster = FakeCluster::default().json(&format!("GET {PATH}"), &foreign).answer(
        &format!("PATCH {PATH}"),
        409,
        failure(409),
    );
    let (ctx, _) = watching(&cluster, &[]);
    for _ in 0..3 {
        assert!(matches!(apply_child(&ctx, &owner(), account()).await, Err(ApplyError::NameTaken { .. })));
    }
    assert_eq!(methods(&cluster.asked()), ["PATCH", "GET", "GET", "GET"]);
}

#[tokio::test]
async fn what_the_watch_does_not_carry_is_not_asked_for_to_delete_it() {
    let nothing = FakeCluster::default();
    let (ctx, _) = watching(&nothing, &[]);
    let done = delete_child::<ServiceAccount>(&ctx, &owner(), "tape").await.unwrap();
    assert_eq!((done, nothing.asked().len()), (Deletion::Absent, 0));
    let there = FakeCluster::default().json(&format!("GET {PATH}"), &at(5)).json(&format!("DELETE {PATH}"), &at(6));
    let (ctx, _) = watching(&there, &[at(5)]);
    let done = delete_child::<ServiceAccount>(&ctx, &owner(), "tape").await.unwrap();
    assert_eq!((done, methods(&there.asked())), (Deletion::Deleted, vec!["GET", "DELETE"]));
}
