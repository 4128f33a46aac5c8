//! What must hold. Each bar is judged from the figures alone.

use std::time::Duration;

use super::{MIB, Results};
use crate::bar::{Bar, Verdict};

const KIB: u64 = 1 << 10;
/// Live streams in real time that one core bears.
const STREAMS_A_CORE: f64 = 600.0;
/// From sending a block's last sample to receiving its frame, for 99 of 100, while four fifths of a core are busy.
const LATENCY: Duration = Duration::from_millis(25);
/// What a stream more makes a warm server hold.
const MEMORY_A_STREAM: u64 = 256 * KIB;
/// Of `/convert`, beside the command line on the same file.
const CONVERT_CPU: f64 = 1.35;
const CONVERT_RATE: f64 = 0.55;
/// Resident, with a large upload; with idle connections.
const LARGE: u64 = 32 * MIB;
const IDLE: u64 = 32 * MIB;

/// Judges all bars.
pub fn judge(results: &Results) -> Vec<Bar> {
    let bars = vec![
        capacity(results),
        latency(results),
        memory(results),
        cpu(results),
        rate(results),
        large(results),
        idle(results),
    ];
    bars.into_iter().map(|bar| if results.quick { only_tried(bar) } else { bar }).collect()
}

/// A quick run shows that the bench works, and no more.
fn only_tried(bar: Bar) -> Bar {
    Bar { measured: format!("{}, but in a quick run", bar.measured), verdict: Verdict::NotMeasured, ..bar }
}

const NOT_RUN: &str = "not run";

fn capacity(results: &Results) -> Bar {
    let (what, limit) = ("live streams at real time on one full core".to_owned(), format!("at least {STREAMS_A_CORE}"));
    let Some(full) = &results.streams else { return Bar::not_measured(what, limit, NOT_RUN) };
    let capacity = full.streams_a_core();
    let busy = results.busy.as_ref();
    let clean = full.is_clean() && busy.is_some_and(super::Outcome::is_clean);
    let told = if clean { "" } else { "; not all kept up and were right" };
    let measured = format!("{capacity:.0} ({} took {:.3} of it){told}", full.streams, full.share);
    Bar::new(what, limit, measured, clean && capacity >= STREAMS_A_CORE)
}

fn latency(results: &Results) -> Bar {
    let what = "from a block's last sample to its frame, p99 at 80 % of that".to_owned();
    let limit = format!("at most {} ms", LATENCY.as_millis());
    let Some(busy) = &results.busy else { return Bar::not_measured(what, limit, NOT_RUN) };
    let p99 = busy.percentile(99);
    let echo = results.echo.as_ref().map(|echo| echo.percentile(99)).unwrap_or_default();
    let measured = format!("{:.1} ms (a bare echo: {:.1})", millis(p99), millis(echo));
    Bar::new(what, limit, measured, p99 <= LATENCY)
}

fn memory(results: &Results) -> Bar {
    let (what, limit) = ("memory, each further stream".to_owned(), format!("at most {} KiB", MEMORY_A_STREAM / KIB));
    match grown(results) {
        Some(grown) => Bar::new(what, limit, format!("{} KiB", grown / KIB), grown <= MEMORY_A_STREAM),
        None => Bar::not_measured(what, limit, NOT_RUN),
    }
}

/// What each of the streams that came after the server was warm made it hold, in bytes.
pub fn grown(results: &Results) -> Option<u64> {
    let (few, full) = (results.few.as_ref()?, results.streams.as_ref()?);
    let more = u64::try_from(full.streams - few.streams).ok()?;
    Some(full.memory.saturating_sub(few.memory) / more)
}

fn cpu(results: &Results) -> Bar {
    let ratio = results.convert.as_ref().map(super::Compared::cpu);
    Bar::at_most("CPU of /convert, to the command's".to_owned(), CONVERT_CPU, ratio, 3, NOT_RUN)
}

fn rate(results: &Results) -> Bar {
    let (what, limit) = ("rate of /convert, to the command's".to_owned(), format!("at least {CONVERT_RATE} x"));
    let Some(compared) = &results.convert else { return Bar::not_measured(what, limit, NOT_RUN) };
    Bar::new(what, limit, format!("{:.3} x", compared.rate()), compared.rate() >= CONVERT_RATE)
}

fn large(results: &Results) -> Bar {
    let (what, limit) = ("peak memory, one upload of 2 GiB".to_owned(), format!("at most {} MiB", LARGE / MIB));
    let Some(large) = results.large else { return Bar::not_measured(what, limit, NOT_RUN) };
    Bar::new(what, limit, mib(large.peak), large.peak <= LARGE)
}

fn idle(results: &Results) -> Bar {
    let (what, limit) = ("memory, 1,000 idle connections".to_owned(), format!("at most {} MiB", IDLE / MIB));
    let Some(idle) = results.idle else { return Bar::not_measured(what, limit, NOT_RUN) };
    Bar::new(what, limit, mib(idle.http), idle.http <= IDLE)
}

pub fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[allow(clippy::cast_precision_loss)] // for people
pub fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / MIB as f64)
}

#[cfg(test)]
mod tests {
    use Verdict::{Holds, Missed, NotMeasured};

    use super::*;
    use crate::service::{Idle, Outcome};

    fn outcome(streams: usize, share: f64, mib: u64, millis: u64) -> Outcome {
        Outcome {
            streams,
            share,
            memory: mib * MIB,
            latencies: vec![Duration::from_millis(millis); 100],
            kept_up: streams,
            right: streams,
        }
    }

    fn results() -> Results {
        Results {
            few: Some(outcome(50, 0.1, 20, 1)),
            streams: Some(outcome(600, 0.75, 75, 2)),
            busy: Some(outcome(640, 0.8, 75, 25)),
            ..Results::default()
        }
    }

    #[test]
    fn streams_are_judged_by_capacity_latency_and_memory() {
        let results = results();
        let verdicts = |results: &Results| judge(results).into_iter().map(|bar| bar.verdict).collect::<Vec<_>>();
        let rest = [NotMeasured; 4];
        assert_eq!(verdicts(&results)[..3], [Holds, Holds, Holds]);
        assert_eq!(verdicts(&results)[3..], rest);
        assert_eq!(grown(&results), Some(MIB / 10));
        let mut worse = results;
        worse.streams = Some(outcome(600, 1.01, 170, 2));
        worse.busy = Some(outcome(600, 0.8, 75, 26));
        assert_eq!(verdicts(&worse)[..3], [Missed, Missed, Missed]);
        worse.quick = true;
        assert_eq!(verdicts(&worse)[..3], [NotMeasured, NotMeasured, NotMeasured]);
    }

    #[test]
    fn one_wrong_stream_is_no_capacity() {
        let mut results = results();
        if let Some(busy) = &mut results.busy {
            busy.right -= 1;
        }
        assert_eq!(capacity(&results).verdict, Verdict::Missed);
    }

    #[test]
    fn idle_connections_are_judged_without_the_streams_beside_them() {
        let idle = Idle { connections: 1000, before: 6 * MIB, http: 30 * MIB, streams: 90 * MIB };
        let results = Results { idle: Some(idle), ..Results::default() };
        assert_eq!(judge(&results)[6].verdict, Verdict::Holds);
    }
}
