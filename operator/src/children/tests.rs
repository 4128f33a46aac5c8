//! What is remembered after which events and calls.

use super::*;
use k8s_openapi::api::core::v1::{Service, ServiceAccount};

const NAME: &str = "tape";
const WANTED: WantedHash = WantedHash(1);

fn named(name: &str, version: &str) -> ObjectMeta {
    serde_yaml::from_str(&format!(
        "{{name: {name}, namespace: reels, resourceVersion: '{version}',
           ownerReferences: [{{apiVersion: v1, kind: X, name: tape, uid: u, controller: true}}]}}"
    ))
    .unwrap()
}

fn meta(version: &str) -> ObjectMeta {
    named(NAME, version)
}

fn list(feed: &Feed, objects: &[ObjectMeta]) -> Vec<Vanished> {
    feed.list_begins();
    for object in objects {
        feed.listed(object);
    }
    feed.list_ends()
}

/// Children of which the first list, complete, holds `objects`.
fn listed(objects: &[ObjectMeta]) -> (Children, Feed) {
    let children = Children::default();
    let feed = children.feed::<Service>();
    assert!(list(&feed, objects).is_empty());
    (children, feed)
}

fn plan(children: &Children) -> ChildPlan {
    children.plan::<Service>("reels", NAME, WANTED).0
}

#[test]
fn nothing_is_known_before_every_list_is_complete() {
    let children = Children::default();
    assert_eq!(plan(&children), ChildPlan::Look);
    let (first, second) = (children.feed::<Service>(), children.feed::<Service>());
    first.list_begins();
    assert_eq!(plan(&children), ChildPlan::Look);
    first.list_ends();
    assert_eq!(plan(&children), ChildPlan::Look);
    assert!(!children.is_absent::<Service>("reels", NAME));
    list(&second, &[]);
    assert_eq!(plan(&children), ChildPlan::Create);
    assert!(children.is_absent::<Service>("reels", NAME));
    assert_eq!(children.plan::<ServiceAccount>("reels", NAME, WANTED).0, ChildPlan::Look, "another kind");
}

#[test]
fn a_proof_holds_until_the_child_changes() {
    let (children, feed) = listed(&[meta("5")]);
    assert_eq!(plan(&children), ChildPlan::Look);
    children.prove::<Service>(&meta("5"), WANTED, Some("{}".into()));
    assert_eq!(children.plan::<Service>("reels", NAME, WANTED), (ChildPlan::Skip, Some("{}".into())));
    assert_eq!(children.plan::<Service>("reels", NAME, WantedHash(2)).0, ChildPlan::Look);
    feed.changed(&meta("6"));
    assert_eq!(plan(&children), ChildPlan::Look);
    feed.deleted(&meta("7"));
    assert_eq!(plan(&children), ChildPlan::Create);
}

#[test]
fn events_from_before_our_own_write_bring_nothing_new() {
    let (children, feed) = listed(&[meta("5")]);
    children.prove::<Service>(&meta("9"), WANTED, None);
    for old in ["6", "9"] {
        feed.changed(&meta(old));
        assert_eq!(plan(&children), ChildPlan::Skip, "{old}");
    }
    // The end of the object that ours took the place of.
    feed.deleted(&meta("8"));
    assert_eq!(plan(&children), ChildPlan::Skip);
    feed.deleted(&meta("10"));
    assert_eq!(plan(&children), ChildPlan::Create);
}

#[test]
fn what_was_deleted_before_our_call_is_noted_proves_nothing() {
    let (children, feed) = listed(&[]);
    // Made by a call of ours; its whole life is told before the answer is taken note of.
    feed.changed(&meta("11"));
    feed.deleted(&meta("12"));
    children.prove::<Service>(&meta("11"), WANTED, None);
    assert_eq!(plan(&children), ChildPlan::Create);
    // The next one, made by the next call, of which nothing is told yet.
    children.prove::<Service>(&meta("13"), WANTED, None);
    assert_eq!(plan(&children), ChildPlan::Skip);
    feed.deleted(&meta("14"));
    assert_eq!(plan(&children), ChildPlan::Create);
}

#[test]
fn a_proof_from_before_an_event_is_none() {
    let (children, _) = listed(&[meta("9")]);
    children.prove::<Service>(&meta("7"), WANTED, None);
    assert_eq!(plan(&children), ChildPlan::Look);
}

#[test]
fn a_new_list_stands_for_all_before_it_and_tells_what_vanished() {
    let (children, feed) = listed(&[meta("5"), named("reel", "6")]);
    children.prove::<Service>(&meta("5"), WANTED, None);
    let gone = |name: &str| Vanished { namespace: "reels".into(), name: name.into(), owner: NAME.into() };
    assert_eq!(list(&feed, &[meta("5")]), [gone("reel")]);
    assert_eq!(plan(&children), ChildPlan::Skip);
    // A cluster that was restored from a backup goes back in versions.
    assert!(list(&feed, &[meta("3")]).is_empty());
    assert_eq!(plan(&children), ChildPlan::Look);
    assert_eq!(list(&feed, &[]), [gone(NAME)]);
    assert_eq!(plan(&children), ChildPlan::Create);
}

#[test]
fn a_list_is_about_its_own_watch_only() {
    let children = Children::default();
    let (here, there) = (children.feed::<Service>(), children.feed::<Service>());
    list(&here, &[meta("5")]);
    list(&there, &[named("reel", "6")]);
    assert!(list(&there, &[named("reel", "6")]).is_empty());
    assert!(!children.is_absent::<Service>("reels", NAME));
    // What we made, and what no event has told of yet, is made again rather than believed.
    children.prove::<Service>(&named("new", "7"), WANTED, None);
    assert!(!children.is_absent::<Service>("reels", "new"));
    assert_eq!(list(&there, &[named("reel", "6")]).len(), 1);
    assert!(children.is_absent::<Service>("reels", "new"));
}

#[test]
fn versions_that_are_no_numbers_prove_nothing() {
    let (children, feed) = listed(&[meta("five")]);
    children.prove::<Service>(&meta("five"), WANTED, None);
    assert_eq!(plan(&children), ChildPlan::Look);
    feed.deleted(&meta("six"));
    assert_eq!(plan(&children), ChildPlan::Create);
}

#[test]
fn what_the_watch_does_not_carry_is_looked_at_while_it_is_there() {
    let (children, feed) = listed(&[]);
    children.found::<Service>("reels", NAME);
    assert_eq!(plan(&children), ChildPlan::Look);
    assert!(!children.is_absent::<Service>("reels", NAME));
    children.found_nothing::<Service>("reels", NAME);
    assert_eq!(plan(&children), ChildPlan::Create);
    children.found::<Service>("reels", NAME);
    feed.changed(&meta("5"));
    feed.deleted(&meta("6"));
    assert_eq!(plan(&children), ChildPlan::Create);
    for number in 0..=MOST_STRANGERS {
        children.found::<Service>("reels", &format!("x-{number}"));
    }
    assert!(children.is_absent::<Service>("reels", "x-0"), "their number is bounded");
}

#[test]
fn an_unwatched_child_counts_as_there_for_a_while_and_for_its_owner() {
    let children = Children::default();
    let start = Instant::now();
    children.saw::<Service>("reels", NAME, "u-1", start);
    for (owner, after, seen) in [("u-1", 0, true), ("u-1", 59, true), ("u-1", 60, false), ("u-2", 0, false)] {
        let now = start + Duration::from_secs(after);
        assert_eq!(children.was_seen::<Service>("reels", NAME, owner, now), seen, "{owner} {after}");
    }
    let late = start + SEEN_FOR;
    for number in 0..10_000 {
        children.saw::<Service>("reels", &format!("x-{number}"), "u-1", late);
    }
    let held = children.unwatched.lock().unwrap().contains_key(&(TypeId::of::<Service>(), key("reels", NAME)));
    assert!(!held, "it is forgotten in time");
}
