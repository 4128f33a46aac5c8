//! Faults of the cluster itself: an apiserver that restarts, an etcd that stands still again and again.

use std::time::Duration;

use super::bench::Bench;
use super::scenario;
use crate::harness::control_plane::{self, Halting};

/// etcd answers for a while and then not for longer than that.
const HALT: Duration = Duration::from_millis(1500);
const RUN: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread")]
async fn an_apiserver_that_restarts_and_a_slow_etcd_change_nothing_of_the_end() {
    let bench = Bench::set_up().await;
    let converter = scenario::converter();
    let reference = bench.reference(&converter).await;

    let run = bench.begin(&converter, vec![]).await;
    for (number, (step, wanted)) in converter.steps.iter().zip(&reference.states).enumerate() {
        step.act.carry_out(&bench.client, run.namespace.name()).await;
        // In the middle of the work for this change.
        if number == 1 {
            tokio::task::block_in_place(|| control_plane::restart("kube-apiserver"));
        }
        run.reaches(&format!("the apiserver restarts: {}", step.what), wanted).await;
    }
    run.end().await;

    let halting = Halting::begin("etcd", HALT, RUN);
    bench.compare("etcd stands still in turns", &converter, &reference, vec![]).await;
    drop(halting);
}
