//! Watches that end, and watches that begin at a version which the apiserver has no longer: nothing is missed.

use super::answer;
use super::bench::{Bench, Reference, Run};
use super::scenario::{self, Act, Scenario};
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
    for ending in [Side::Before, Side::After] {
        let what = format!("watches end, {ending:?} each change");
        let end = |run: &Run<'_>, side| {
            if side == ending {
                run.proxy.drop_watches();
            }
        };
        bench.compare_with(&what, &converter, &reference, vec![], end).await;
    }
    let lose = |run: &Run<'_>, side| {
        if side == Side::Before {
            lose_versions(run);
        }
    };
    let hit = bench.compare_with("watches lose their versions", &converter, &reference, vec![], lose).await;
    assert!(hit, "no watch was told that its version is gone");
    children_deleted_meanwhile_come_back(&bench, &converter, &reference).await;
}

/// The list that the operator makes anew does not have a child that was deleted meanwhile, and no event ever says so.
async fn children_deleted_meanwhile_come_back(bench: &Bench, converter: &Scenario, reference: &Reference) {
    let (Some(first), Some(wanted)) = (converter.steps.first(), reference.states.first()) else {
        panic!("a scenario has steps")
    };
    let run = bench.begin(converter, vec![]).await;
    first.act.carry_out(&bench.client, run.namespace.name()).await;
    run.reaches(first.what, wanted).await;
    for (kind, plural) in
        [("/v1/Service", "services"), ("/v1/ServiceAccount", "serviceaccounts"), ("apps/v1/Deployment", "deployments")]
    {
        run.comes_to_rest("before a child is deleted", wanted).await;
        run.proxy.obey(vec![Rule { which: Which::WatchesOf(plural), when: When::First(1), fault: answer(GONE) }]);
        assert_eq!(run.proxy.drop_watches_of(Some(plural)), 1, "{plural} are watched once");
        Act::Delete(kind, scenario::CONVERTER).carry_out(&bench.client, run.namespace.name()).await;
        run.reaches(&format!("one of the {plural} was deleted"), wanted).await;
        assert_eq!(run.proxy.hits(), 1, "the watch was told that its version is gone");
    }
    run.end().await;
}
