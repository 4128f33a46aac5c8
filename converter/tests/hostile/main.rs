//! Hundreds of bad requests and streams against one real `converter serve` process: each has an end that is known, and after
//! all of them the server is as it was before.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

#[path = "../support/process.rs"]
#[allow(dead_code, reason = "shared with suites that use more of it")]
mod process;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "shared with suites that use more of it")]
#[allow(clippy::pedantic)]
mod support;

mod answer;
mod bodies;
mod case;
mod forms;
mod frames;
mod handshakes;
mod heads;
mod partings;
mod play;
mod probe;
mod sounds;
mod words;

use std::{collections::HashSet, time::Instant};

use futures::StreamExt;

use case::{Case, Expect, TOKEN};
use play::play;
use probe::Probe;

/// Cases that are played at the same time.
const AT_ONCE: usize = 48;
/// Most that the server's memory may grow from one run of all cases to the next, in KiB.
const GROWTH: u64 = 8 * 1024;
/// Most threads: a few for connections, those that encode, those that wait for the disk.
const THREADS: u64 = 64;

/// Bounds that are small, so that breaking them is quick; only as long as a client on a busy machine needs to be honest.
const FLAGS: [&str; 24] = [
    "--header-timeout",
    "4s",
    "--idle-timeout",
    "4s",
    "--min-upload-rate",
    "64Ki",
    "--max-upload-size",
    "12Mi",
    "--ws-max-message",
    "64Ki",
    "--ws-max-whole",
    "512Ki",
    "--ws-whole-memory",
    "16Mi",
    "--spool-memory",
    "16Ki",
    "--checkpoint-interval",
    "0s",
    "--close-timeout",
    "2s",
    "--max-metadata",
    "16Ki",
    "--block-size",
    "1024",
];

fn cases(token: &str) -> Vec<Case> {
    let http = [heads::cases(), bodies::cases(), forms::cases(), sounds::cases()];
    let streams = [handshakes::cases(), frames::cases(), words::cases(token), partings::cases()];
    http.into_iter().chain(streams).flatten().collect()
}

/// Plays all cases; names those that went wrong.
async fn run(cases: &[Case], probe: &Probe) -> Vec<String> {
    // Whoever counts what the server counts has to be alone.
    let (alone, together): (Vec<_>, Vec<_>) =
        cases.iter().partition(|case| matches!(case.expect, Expect::Counted(..) | Expect::GivenUp));
    let played = futures::stream::iter(together).map(|case| async move { (case, play(case, probe).await) });
    let mut results: Vec<_> = played.buffer_unordered(AT_ONCE).collect().await;
    for case in alone {
        results.push((case, play(case, probe).await));
    }
    results.into_iter().filter_map(|(case, result)| Some(format!("{}: {}", case.name, result.err()?))).collect()
}

#[tokio::test]
async fn nothing_that_a_client_does_harms_the_server() {
    let key = words::KEY;
    let probe = Probe::start(&FLAGS, &[("--token-file", TOKEN), ("--stream-key-file", key)]);
    let before = probe.at_rest;
    let token = words::honest_token(probe.address()).await;
    let cases = cases(&token);
    let mut names = HashSet::new();
    let twice = cases.iter().find(|case| !names.insert(&case.name));
    assert!(twice.is_none_or(|case| panic!("two cases are called {}", case.name)));
    println!("{} cases", cases.len());
    assert!(cases.len() >= 200);

    words::still_serves(&probe).await;
    let mut resident = Vec::new();
    for round in 1..=2 {
        let started = Instant::now();
        let wrong = run(&cases, &probe).await;
        assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
        words::still_serves(&probe).await;
        probe.until_quiet().await;
        resident.push(probe.resident());
        println!(
            "run {round}: {:.1} s, {before} descriptors before and after, {} KiB resident, {} threads",
            started.elapsed().as_secs_f64(),
            resident[round - 1],
            probe.threads()
        );
        assert!(probe.threads() <= THREADS);
    }
    assert!(resident[1] <= resident[0] + GROWTH, "memory grows: {resident:?} KiB");
    assert_eq!(probe.spooled(), 0, "files are left in the spool's folder");
    let deleted: Vec<_> = probe.descriptors().into_iter().filter(|link| link.contains("(deleted)")).collect();
    assert!(deleted.is_empty(), "{deleted:?}");
    let log = probe.log();
    assert!(!log.contains("panic"), "{log}");
    assert!(!log.contains("through the server's fault"), "{log}");
}
