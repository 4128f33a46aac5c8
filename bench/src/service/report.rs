//! The figures in tables.

use std::fmt::Write as _;
use std::path::Path;

use super::bars::{grown, mib, millis};
use super::{Outcome, Results, convert};
use crate::table::Table;
use crate::usage::{Usage, median};

/// What was measured, and on what.
pub fn machine(converter: &Path) -> String {
    crate::machine(&[(converter, "--version"), (Path::new("flac"), "--version"), (Path::new("ffmpeg"), "-version")])
}

/// A table of the streams, and one of `/convert`.
pub fn tables(results: &Results) -> String {
    let mut text = String::new();
    if results.streams.is_some() {
        let _ =
            writeln!(text, "\nlive streams: CD audio in real time, messages of 50 ms, level 5\n\n{}", streams(results));
    }
    if let Some(grown) = grown(results) {
        let _ = writeln!(text, "each further stream holds {} KiB", grown / 1024);
    }
    if let Some(compared) = &results.convert {
        let _ = writeln!(text, "\n/convert: one file at a time, level 5\n\n{}", converted(compared));
    }
    if let Some(large) = results.large {
        let seconds = large.wall.as_secs_f64();
        let _ =
            writeln!(text, "an upload of {}: {seconds:.1} s, at most {} resident", mib(large.bytes), mib(large.peak));
    }
    if let Some(idle) = results.idle {
        let _ = writeln!(
            text,
            "a server holds {}; with {} idle connections {}, and with as many silent streams beside them {}",
            mib(idle.before),
            idle.connections,
            mib(idle.http),
            mib(idle.streams)
        );
    }
    text + "\n"
}

fn streams(results: &Results) -> Table {
    let mut table = Table::new(&[
        "server",
        "streams",
        "of a core",
        "streams a core",
        "p50 ms",
        "p99 ms",
        "worst ms",
        "memory",
        "kept up",
        "right",
    ]);
    let ours = [&results.few, &results.streams, &results.busy].into_iter().flatten();
    let ours = ours.map(|outcome| ("converter serve", outcome));
    let echo = results.echo.iter().map(|outcome| ("bare echo", outcome));
    let peers = results.peers.iter().map(|(name, outcome)| (*name, outcome));
    for (name, outcome) in ours.chain(echo).chain(peers) {
        table.row(row(name, outcome));
    }
    table
}

fn row(name: &str, outcome: &Outcome) -> Vec<String> {
    let latency = |percent| match outcome.latencies.len() {
        0 => "-".to_owned(),
        _ => format!("{:.1}", millis(outcome.percentile(percent))),
    };
    vec![
        name.to_owned(),
        outcome.streams.to_string(),
        format!("{:.3}", outcome.share),
        format!("{:.0}", outcome.streams_a_core()),
        latency(50),
        latency(99),
        latency(100),
        mib(outcome.memory),
        outcome.kept_up.to_string(),
        outcome.right.to_string(),
    ]
}

fn converted(compared: &convert::Compared) -> Table {
    let mut table = Table::new(&["way", "CPU s", "wall s", "CPU x", "rate x"]);
    let mut row = |name: &str, runs: &[Usage]| {
        let seconds = |what: fn(&Usage) -> f64| median(runs.iter().map(what));
        let cpu = crate::usage::paired_ratio(runs, &compared.command, |run| run.cpu);
        let rate = crate::usage::paired_ratio(&compared.command, runs, |run| run.wall);
        table.row(vec![
            name.to_owned(),
            format!("{:.3}", seconds(|run| run.cpu.as_secs_f64())),
            format!("{:.3}", seconds(|run| run.wall.as_secs_f64())),
            format!("{cpu:.3}"),
            format!("{rate:.3}"),
        ]);
    };
    row("converter convert", &compared.command);
    row("converter serve", &compared.server);
    for (name, runs) in convert::PEERS.iter().zip(&compared.peers) {
        row(name, runs);
    }
    table
}
