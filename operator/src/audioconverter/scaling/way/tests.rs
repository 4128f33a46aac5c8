//! The way in against fake pods.

use std::net::SocketAddr;

use super::super::load::tests::{FakePod, asker, nowhere, silence};
use super::super::pods::Stage;
use super::super::pods::tests::{ready, starting};
use super::*;

async fn fleet(streams: &[u32]) -> Vec<FakePod> {
    let mut pods = Vec::new();
    for (n, active) in streams.iter().enumerate() {
        pods.push(FakePod::start(&format!("p{n}"), *active, 8).await);
    }
    pods
}

fn views(fleet: &[FakePod]) -> Vec<PodView> {
    fleet.iter().map(FakePod::view).collect()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn the_idle_ones_go_and_take_no_more_streams() {
    let fleet = fleet(&[2, 0, 3, 0, 1]).await;
    let chosen = choose(&asker(), views(&fleet), 2, Busy::Stay).await;
    assert_eq!(chosen.victims, ["p1", "p3"]);
    assert_eq!(chosen.reserved, names(&["p1", "p3"]));
    assert!(chosen.spared().is_empty());
    for (pod, reserved) in fleet.iter().zip([false, true, false, true, false]) {
        assert_eq!(pod.is_reserved(), reserved, "{}", pod.name);
    }
    let costs: Vec<_> = chosen.costs(false).into_iter().map(|(pod, cost)| (pod.name.as_str(), cost)).collect();
    assert_eq!(costs, [("p1", Some(i32::MIN)), ("p3", Some(i32::MIN + 1))]);
    assert_eq!(chosen.words(5, 3), "from 5 to 3: p1 (idle), p3 (idle) go");
}

#[tokio::test]
async fn who_got_a_stream_meanwhile_gives_way() {
    let fleet = fleet(&[2, 0, 0]).await;
    fleet[1].inside.lock().unwrap().late = 1;
    let chosen = choose(&asker(), views(&fleet), 1, Busy::Stay).await;
    assert_eq!(chosen.victims, ["p2"]);
    assert_eq!(chosen.spared(), names(&["p1"]));
}

#[tokio::test]
async fn when_all_got_streams_a_person_is_followed_and_our_own_count_is_not() {
    for (busy, victims) in [(Busy::MayGo, vec!["p1"]), (Busy::Stay, vec![])] {
        let fleet = fleet(&[4, 0, 0]).await;
        fleet[1].inside.lock().unwrap().late = 1;
        fleet[2].inside.lock().unwrap().late = 2;
        let chosen = choose(&asker(), views(&fleet), 1, busy).await;
        assert_eq!(chosen.victims, victims);
        let spared = if busy == Busy::Stay { names(&["p1", "p2"]) } else { names(&["p2"]) };
        assert_eq!(chosen.spared(), spared);
    }
}

#[tokio::test]
async fn many_at_once_the_fewest_streams_first() {
    let fleet = fleet(&[5, 0, 9, 1, 0, 3, 7, 0, 2, 8]).await;
    let chosen = choose(&asker(), views(&fleet), 8, Busy::MayGo).await;
    assert_eq!(chosen.victims, ["p1", "p4", "p7", "p3", "p8", "p5", "p0", "p6"]);
    assert_eq!(chosen.reserved.len(), 8);
    assert_eq!(
        chosen.words(10, 2),
        "from 10 to 2: p1 (idle), p4 (idle), p7 (idle), p3 (finishes 1 stream), p8 (finishes 2 streams), 3 more go"
    );
    assert!(!fleet[2].is_reserved() && !fleet[9].is_reserved());
}

fn at(address: SocketAddr, pod: PodView) -> PodView {
    PodView { address: Some(address), ..pod }
}

#[tokio::test]
async fn pods_that_do_not_answer_hang_nothing_up() {
    let fleet = fleet(&[1]).await;
    let quick = Asker::new(Duration::from_millis(200));
    let (hangs, _listener) = silence().await;
    let silent = |name: &str| PodView { load: None, fresh: false, ..ready(name, 0, 0) };
    let broken = PodView { stage: Stage::Unready, started: false, ..silent("broken") };
    let pods = vec![fleet[0].view(), at(hangs, silent("hangs")), at(nowhere().await, broken), starting("starts")];
    let begin = Instant::now();
    let chosen = choose(&quick, pods.clone(), 2, Busy::Stay).await;
    assert_eq!(chosen.victims, ["starts", "broken"], "they have no streams");
    let chosen = choose(&quick, pods, 4, Busy::MayGo).await;
    assert_eq!(chosen.victims, ["starts", "broken", "p0", "hangs"]);
    assert_eq!(chosen.reserved, names(&["p0"]));
    assert!(begin.elapsed() < BUDGET);
}

#[tokio::test]
async fn a_second_try_takes_the_same_pods() {
    let fleet = fleet(&[0, 0, 0]).await;
    let first = choose(&asker(), views(&fleet), 1, Busy::Stay).await;
    let second = choose(&asker(), views(&fleet), 1, Busy::Stay).await;
    assert_eq!(first.victims, second.victims);
    // Another one, even if it would come first otherwise: the cost that was written decides.
    let mut pods = views(&fleet);
    pods[2].cost = Some(i32::MIN);
    fleet[0].inside.lock().unwrap().reserved = false;
    let third = choose(&asker(), pods, 1, Busy::Stay).await;
    assert_eq!(third.victims, ["p2"]);
    assert!(third.costs(false).is_empty(), "it is written already");
}

#[test]
fn costs_go_from_those_that_stay() {
    let pod = |name: &str, active, cost| PodView { cost, ..ready(name, active, 8) };
    let chosen = Chosen {
        pods: vec![pod("a", 0, None), pod("b", 2, Some(i32::MIN)), pod("c", 1, None)],
        victims: vec!["a".to_owned()],
        reserved: names(&["a"]),
    };
    let costs = |rolling| -> Vec<(String, Option<i32>)> {
        chosen.costs(rolling).into_iter().map(|(pod, cost)| (pod.name.clone(), cost)).collect()
    };
    let cost = |name: &str, cost| (name.to_owned(), cost);
    assert_eq!(costs(false), [cost("a", Some(i32::MIN)), cost("b", None)]);
    let all = [cost("a", Some(i32::MIN)), cost("b", Some(i32::MIN + 2)), cost("c", Some(i32::MIN + 1))];
    assert_eq!(costs(true), all);
}
