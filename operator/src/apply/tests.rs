//! What an apply and a deletion ask of an apiserver, against canned answers.

use super::*;
use crate::conversionjob::fixtures::{FakeCluster, failure};
use k8s_openapi::api::core::v1::ServiceAccount;

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
    set_meta(&mut json, "uid", "u-100");
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
    set_meta(&mut going, "deletionTimestamp", "2026-01-01T00:00:00Z");
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
async fn made_once(live: Option<&Value>, code: u16) -> (Result<bool, ApplyError>, Vec<String>) {
    const ALL: &str = "/api/v1/namespaces/reels/serviceaccounts";
    let body = if code == 201 { stored().to_string().into_bytes() } else { failure(code) };
    let mut cluster = FakeCluster::default().answer(&format!("POST {ALL}"), code, body);
    if let Some(live) = live {
        cluster = cluster.json(&format!("GET {PATH}"), live);
    }
    let ctx = cluster.context();
    let made = make_child(&ctx, &owner(), "tape", || Ok(account())).await.map(|made| made.is_some());
    (made, cluster.asked())
}

#[tokio::test]
async fn what_is_made_once_is_not_looked_into_again() {
    let (made, asked) = made_once(None, 201).await;
    assert!(made.unwrap());
    assert_eq!(writes(&asked).len(), 1);
    let mut edited = stored();
    edited["automountServiceAccountToken"] = json!(true);
    let mut going = stored();
    set_meta(&mut going, "deletionTimestamp", "2026-01-01T00:00:00Z");
    for live in [edited, going] {
        let (made, asked) = made_once(Some(&live), 201).await;
        assert!(!made.unwrap());
        assert_eq!(writes(&asked), Vec::<&String>::new());
    }
    let mut foreign = stored();
    foreign["metadata"]["ownerReferences"] = json!([]);
    assert!(matches!(made_once(Some(&foreign), 201).await.0, Err(ApplyError::NameTaken { .. })));
    assert!(made_once(None, 403).await.0.unwrap_err().needs_a_person());
    assert!(!made_once(None, 409).await.0.unwrap_err().needs_a_person(), "somebody made it at the same time");
}
