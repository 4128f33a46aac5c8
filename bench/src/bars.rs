//! What must hold. Each bar is judged from the figures alone.

use crate::encoders::Encoder;
use crate::figures::{Results, paired_ratio};
use crate::plan::DEFAULT_LEVEL;

const MIB: u64 = 1 << 20;
/// Two cores against one, at the default level.
const SPEED_UP: f64 = 1.8;
/// Memory: so much, and so much more for each thread.
const MEMORY: u64 = 16 * MIB;
const MEMORY_A_THREAD: u64 = 2 * MIB;

/// One bar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bar {
    pub what: String,
    pub limit: String,
    pub measured: String,
    pub verdict: Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Holds,
    Missed,
    /// This machine, or a short run, cannot tell.
    NotMeasured,
}

impl Bar {
    fn new(what: String, limit: String, measured: String, holds: bool) -> Self {
        Self { what, limit, measured, verdict: if holds { Verdict::Holds } else { Verdict::Missed } }
    }

    fn not_measured(what: &str, limit: String, why: &str) -> Self {
        Self { what: what.to_owned(), limit, measured: why.to_owned(), verdict: Verdict::NotMeasured }
    }
}

/// Judges all bars.
pub fn judge(results: &Results) -> Vec<Bar> {
    let mut bars = Vec::new();
    let music: Vec<&str> = results.sets().into_iter().filter(|set| set.starts_with("music")).collect();
    for set in &music {
        bars.push(speed_up(results, set));
    }
    bars.extend(memory(results));
    bars.push(long_file(results));
    for set in &music {
        bars.extend(bytes(results, set));
    }
    bars.extend(results.ladder.iter().map(|(set, bytes)| levels(set, bytes)));
    bars
}

fn speed_up(results: &Results, set: &str) -> Bar {
    let what = format!("two cores against one, {set}");
    let limit = format!("at least {SPEED_UP} x");
    let runs = |threads| results.find(set, Encoder::Converter { threads }, DEFAULT_LEVEL).map(|figures| &figures.runs);
    let (Some(one), Some(two)) = (runs(1), runs(2)) else {
        return Bar::not_measured(&what, limit, "this machine has one core");
    };
    let ratio = paired_ratio(one, two, |run| run.wall);
    Bar::new(what, limit, format!("{ratio:.2} x"), ratio >= SPEED_UP)
}

fn room(threads: usize) -> u64 {
    MEMORY + MEMORY_A_THREAD * threads as u64
}

/// Of all runs of the converter, for each number of threads the hungriest.
fn memory(results: &Results) -> Vec<Bar> {
    let mut worst: Vec<(usize, &str, u8, u64)> = Vec::new();
    for figures in &results.figures {
        let Encoder::Converter { threads } = figures.encoder else { continue };
        let now = (threads, figures.set.as_str(), figures.level, figures.peak());
        match worst.iter_mut().find(|worst| worst.0 == threads) {
            Some(worst) if worst.3 < now.3 => *worst = now,
            Some(_) => {}
            None => worst.push(now),
        }
    }
    let bar = |(threads, set, level, peak): (usize, &str, u8, u64)| {
        let what = format!("peak memory, threads: {threads} (most: {set}, level {level})");
        Bar::new(what, format!("at most {}", mib(room(threads))), mib(peak), peak <= room(threads))
    };
    worst.into_iter().map(bar).collect()
}

fn long_file(results: &Results) -> Bar {
    let what = "peak memory, RF64 of 4.5 GiB";
    let Some(long) = results.long_file else {
        return Bar::not_measured(what, format!("at most {}", mib(room(1))), "not in a quick run");
    };
    let limit = room(long.threads);
    let measured = format!("{}, in {:.1} s", mib(long.usage.peak), long.usage.wall.as_secs_f64());
    let what = format!("{what}, threads: {}", long.threads);
    Bar::new(what, format!("at most {}", mib(limit)), measured, long.usage.peak <= limit)
}

fn bytes(results: &Results, set: &str) -> Option<Bar> {
    let ours = results.find(set, Encoder::Converter { threads: 1 }, DEFAULT_LEVEL)?.bytes;
    let theirs = results.find(set, Encoder::Flac, DEFAULT_LEVEL)?.bytes;
    let what = format!("bytes at level 5, {set}");
    Some(Bar::new(what, format!("at most flac -5's {theirs}"), ours.to_string(), ours <= theirs))
}

fn levels(set: &str, bytes: &[u64]) -> Bar {
    let what = format!("no level larger than the one below, {set}");
    let grows = bytes.windows(2).position(|pair| matches!(pair, [below, this] if this > below));
    let measured = grows.map_or("none is".to_owned(), |below| format!("level {} is", below + 1));
    Bar::new(what, "none".to_owned(), measured, grows.is_none())
}

#[allow(clippy::cast_precision_loss)] // for people to read
fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / MIB as f64)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::figures::{Figures, LongFile, Usage};

    fn run(wall: u64, peak: u64) -> Usage {
        Usage { cpu: Duration::from_millis(1), wall: Duration::from_millis(wall), peak: peak * MIB }
    }

    fn figures(encoder: Encoder, wall: u64, peak: u64, bytes: u64) -> Figures {
        let runs = vec![run(wall, peak); 3];
        Figures { set: "music, 16 bits".to_owned(), seconds: 1.0, encoder, level: 5, runs, bytes, instructions: None }
    }

    /// On each bar exactly.
    fn good() -> Results {
        Results {
            figures: vec![
                figures(Encoder::Converter { threads: 1 }, 1800, 18, 100),
                figures(Encoder::Converter { threads: 2 }, 1000, 20, 100),
                figures(Encoder::Flac, 1, 999, 100),
            ],
            ladder: vec![("music, 16 bits".to_owned(), vec![9, 8, 8, 7])],
            long_file: Some(LongFile { threads: 2, usage: run(1, 20) }),
        }
    }

    fn missed(results: &Results) -> Vec<String> {
        let bars = judge(results).into_iter().filter(|bar| bar.verdict == Verdict::Missed);
        bars.map(|bar| bar.what).collect()
    }

    #[test]
    fn what_is_exactly_on_the_bar_holds() {
        let bars = judge(&good());
        assert_eq!(bars.len(), 6, "{bars:?}");
        assert!(bars.iter().all(|bar| bar.verdict == Verdict::Holds), "{bars:?}");
    }

    #[test]
    fn each_bar_is_missed_by_a_little() {
        type Spoil = fn(&mut Results);
        let cases: [(&str, Spoil); 6] = [
            ("two cores", |results| results.figures[1].runs = vec![run(1001, 20); 3]),
            ("threads: 1", |results| results.figures[0].runs[2].peak += 1),
            ("threads: 2 (most", |results| results.figures[1].runs[0].peak += 1),
            ("bytes", |results| results.figures[0].bytes += 1),
            ("larger than the one below", |results| results.ladder[0].1 = vec![9, 8, 9, 7]),
            ("RF64", |results| results.long_file = Some(LongFile { threads: 1, usage: run(1, 19) })),
        ];
        for (name, spoil) in cases {
            let mut results = good();
            spoil(&mut results);
            let missed = missed(&results);
            assert!(missed.len() == 1 && missed[0].contains(name), "{name}: {missed:?}");
        }
    }

    #[test]
    fn what_cannot_be_measured_is_neither_held_nor_missed() {
        let mut results = good();
        results.long_file = None;
        results.figures.remove(1);
        let open: Vec<String> = judge(&results)
            .into_iter()
            .filter(|bar| bar.verdict == Verdict::NotMeasured)
            .map(|bar| bar.measured)
            .collect();
        assert_eq!(open, ["this machine has one core", "not in a quick run"]);
        assert!(missed(&results).is_empty());
    }
}
