//! Watches that end, and watches that begin at a version which the apiserver has no longer: nothing is missed.

use super::answer;
use super::bench::{Bench, Run};
use super::scenario::{self, Act};
use crate::harness::proxy::GONE;
use e2e::proxy::{Rule, Side, When, Which};

/// Ends all watches; the next of each is told that its version is gone.
fn lose_versions(run: &Run<'_>) {
    let open = u64::try_from(run.proxy.watches()).expect("a count");
    run.proxy.obey(vec![Rule { which: Which::Watches, when: When::First(open), fault: answer(GONE) }]);
    run.proxy.drop_watches();
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_that_end_miss_nothing() {
    let bench = Bench::set_up().await;
    let converter = scenario::converter();
    let reference = bench.reference(&converter).await;
    bench
        .compare_with("watches end before each change", &converter, &reference, vec![], |run, side| {
            if side == Side::Before {
                run.proxy.drop_watches();
            }
        })
        .await;
    bench
        .compare_with("watches end after each change", &converter, &reference, vec![], |run, side| {
            if side == Side::After {
                run.proxy.drop_watches();
            }
        })
        .await;
    let hit = bench
        .compare_with("watches lose their version before each change", &converter, &reference, vec![], |run, side| {
            if side == Side::Before {
                lose_versions(run);
            }
        })
        .await;
    assert!(hit, "no watch was told that its version is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_deleted_while_its_watch_was_away_comes_back() {
    let bench = Bench::set_up().await;
    let converter = scenario::converter();
    let reference = bench.reference(&converter).await;
    let run = bench.begin(&converter, vec![]).await;
    let (Some(first), Some(wanted)) = (converter.steps.first(), reference.states.first()) else {
        panic!("a scenario has steps")
    };
    first.act.carry_out(&bench.client, run.namespace.name()).await;
    run.reaches(first.what, wanted).await;
    for (kind, plural) in
        [("/v1/Service", "services"), ("/v1/ServiceAccount", "serviceaccounts"), ("apps/v1/Deployment", "deployments")]
    {
        run.settles().await;
        run.proxy.obey(vec![Rule { which: Which::WatchesOf(plural), when: When::First(1), fault: answer(GONE) }]);
        assert_eq!(run.proxy.drop_watches_of(Some(plural)), 1, "{plural} are watched once");
        // The list that the operator makes anew does not have it, and no event ever says so.
        Act::Delete(kind, scenario::CONVERTER).carry_out(&bench.client, run.namespace.name()).await;
        run.reaches(&format!("the deleted {plural}"), wanted).await;
        assert_eq!(run.proxy.hits(), 1, "the watch was told that its version is gone");
    }
    run.end().await;
}
