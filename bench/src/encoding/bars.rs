//! What must hold. Each bar is judged from the figures alone.

use crate::bar::{Bar, Verdict};
use crate::corpus::Category;
use crate::encoding::encoders::{Encoder, Engine, LIBFLAC, LIBFLAC_VERIFIED, NATIVE, PORTABLE, VERIFIED, native};
use crate::encoding::figures::{Ratios, Results};
use crate::encoding::plan::{DEFAULT_LEVEL, LEVELS};
use crate::usage::paired_ratio;

const MIB: u64 = 1 << 20;
/// Memory: so much, and so much more for each thread.
const MEMORY: u64 = 16 * MIB;
const MEMORY_A_THREAD: u64 = 2 * MIB;

/// CPU time beside libFLAC's, by level.
const NATIVE_CPU: [(u8, f64); 3] = [(0, 0.75), (5, 0.55), (8, 0.30)];
const PORTABLE_CPU: [(u8, f64); 2] = [(5, 0.85), (8, 0.45)];
/// With verification, at the default level, beside libFLAC's with it.
const VERIFIED_CPU: f64 = 0.75;
/// Time that passes with two threads beside one thread's, by level.
const TWO_CORES: [(u8, f64); 2] = [(5, 0.60), (8, 0.55)];
/// Bytes of each file beside libFLAC's at the levels that are compared file by file.
const FILE_LEVELS: [u8; 2] = [5, 8];
const MUSIC_FILE: f64 = 1.003;
const OTHER_FILE: f64 = 1.01;

/// A bar on time, which a quick run cannot judge.
fn time(results: &Results, bar: Bar) -> Bar {
    if !results.quick || bar.verdict == Verdict::NotMeasured {
        return bar;
    }
    Bar { measured: format!("{}, but in a quick run", bar.measured), verdict: Verdict::NotMeasured, ..bar }
}

/// Judges all bars.
pub fn judge(results: &Results) -> Vec<Bar> {
    let mut bars: Vec<Bar> = NATIVE_CPU.map(|(level, limit)| cpu(results, NATIVE, level, limit)).into();
    bars.extend(PORTABLE_CPU.map(|(level, limit)| cpu(results, PORTABLE, level, limit)));
    bars.push(cpu(results, VERIFIED, DEFAULT_LEVEL, VERIFIED_CPU));
    bars.extend(LEVELS.map(|level| bytes(results, level, "all frames", Category::counts)));
    // Sines alone could make up for much.
    bars.extend(FILE_LEVELS.map(|level| bytes(results, level, "the frames of music and speech", is_music)));
    for level in FILE_LEVELS {
        bars.push(worst_file(results, level, "music or speech", is_music, MUSIC_FILE));
        bars.push(worst_file(results, level, "quiet, clipped or synthetic", is_other, OTHER_FILE));
    }
    bars.push(levels(results));
    bars.push(same_bytes(results));
    bars.extend(TWO_CORES.map(|(level, limit)| two_cores(results, level, limit)));
    bars.extend(memory(results));
    bars.push(long_file(results));
    bars
}

/// Single instruments and 5.1 count as music.
fn is_music(category: Category) -> bool {
    category.counts() && !is_other(category)
}

fn is_other(category: Category) -> bool {
    matches!(category, Category::Quiet | Category::Clipped | Category::Synthetic)
}

/// Of all files together.
fn ratios(results: &Results, of: Encoder, level: u8) -> Option<Ratios> {
    results.ratios(of, of.reference(), level, Category::counts)
}

fn cpu(results: &Results, encoder: Encoder, level: u8, limit: f64) -> Bar {
    let to = if encoder.reference() == LIBFLAC_VERIFIED { format!("-{level} -V") } else { format!("-{level}") };
    let what = format!("CPU, {}, level {level}, to libFLAC's {to}", encoder.name());
    let ratio = ratios(results, encoder, level).map(|ratios| ratios.cpu);
    time(results, Bar::at_most(what, limit, ratio, 3, "not run"))
}

fn bytes(results: &Results, level: u8, kind: &str, within: fn(Category) -> bool) -> Bar {
    let what = format!("bytes of {kind}, level {level}");
    let ratios = results.ratios(NATIVE, LIBFLAC, level, within);
    Bar::at_most(what, 1.0, ratios.map(|ratios| ratios.bytes), 5, "not run")
}

fn worst_file(results: &Results, level: u8, kind: &str, within: fn(Category) -> bool, limit: f64) -> Bar {
    let what = format!("largest {kind} file, level {level}");
    let worst = results.worst(NATIVE, level, within);
    let mut bar = Bar::at_most(what, limit, worst.map(|(.., ratio)| ratio), 5, "no such file");
    if let Some((category, name, _)) = worst {
        bar.measured = format!("{}, {}/{name}", bar.measured, category.name());
    }
    bar
}

/// All files together: single ones may well be larger at a higher level.
fn levels(results: &Results) -> Bar {
    let levels = results.ladder.iter().map(|(_, bytes)| bytes.len()).min().unwrap_or(0);
    let bytes = |level: usize| results.ladder.iter().filter_map(|(_, bytes)| bytes.get(level)).sum();
    let bytes: Vec<u64> = (0..levels).map(bytes).collect();
    let what = "no level larger than the one below".to_owned();
    if bytes.is_empty() {
        return Bar::not_measured(what, "none".to_owned(), "not run");
    }
    let grows = bytes.windows(2).position(|pair| matches!(pair, [below, this] if this > below));
    let measured = grows.map_or("none is".to_owned(), |below| format!("level {} is", below + 1));
    Bar::new(what, "none".to_owned(), measured, grows.is_none())
}

/// Plain, vector, with any number of threads, with verification.
fn same_bytes(results: &Results) -> Bar {
    let differing: usize = results.figures.iter().map(|figures| figures.differing).sum();
    let what = "files that another way to run our encoder writes otherwise".to_owned();
    Bar::new(what, "0".to_owned(), differing.to_string(), differing == 0)
}

fn two_cores(results: &Results, level: u8, limit: f64) -> Bar {
    let what = format!("wall, two threads to one, level {level}, one long file");
    let runs = |threads| results.find(Category::Album, native(threads), level).map(|figures| &figures.runs);
    let ratio = runs(2).zip(runs(1)).map(|(two, one)| paired_ratio(two, one, |run| run.wall));
    time(results, Bar::at_most(what, limit, ratio, 3, "not run, or this machine has one core"))
}

fn room(threads: usize) -> u64 {
    MEMORY + MEMORY_A_THREAD * threads as u64
}

/// Of all runs of our encoder that do not verify, for each number of threads the hungriest.
fn memory(results: &Results) -> Vec<Bar> {
    let mut worst: Vec<(usize, Category, u8, u64)> = Vec::new();
    for figures in &results.figures {
        let Encoder::Converter { threads, engine: Engine::Native | Engine::Portable, verify: false } = figures.encoder
        else {
            continue;
        };
        let now = (threads, figures.category, figures.level, figures.peak());
        match worst.iter_mut().find(|worst| worst.0 == threads) {
            Some(worst) if worst.3 < now.3 => *worst = now,
            Some(_) => {}
            None => worst.push(now),
        }
    }
    let bar = |(threads, category, level, peak): (usize, Category, u8, u64)| {
        let what = format!("peak memory, threads: {threads} (most: {}, level {level})", category.name());
        Bar::new(what, format!("at most {}", mib(room(threads))), mib(peak), peak <= room(threads))
    };
    worst.into_iter().map(bar).collect()
}

fn long_file(results: &Results) -> Bar {
    let what = "peak memory, RF64 of 4.5 GiB";
    let Some(long) = results.long_file else {
        return Bar::not_measured(what.to_owned(), format!("at most {}", mib(room(1))), "not in this run");
    };
    let limit = room(long.threads);
    let measured = format!("{}, in {:.1} s", mib(long.usage.peak), long.usage.wall.as_secs_f64());
    let what = format!("{what}, threads: {}", long.threads);
    Bar::new(what, format!("at most {}", mib(limit)), measured, long.usage.peak <= limit)
}

#[allow(clippy::cast_precision_loss)] // for people to read
fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / MIB as f64)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::encoding::figures::{Figures, LongFile};
    use crate::usage::Usage;

    fn run(cpu: u64, wall: u64, peak: u64) -> Usage {
        Usage { cpu: Duration::from_millis(cpu), wall: Duration::from_millis(wall), peak: peak * MIB }
    }

    fn figures(category: Category, encoder: Encoder, level: u8, run: Usage, bytes: &[u64]) -> Figures {
        Figures { runs: vec![run; 3], bytes: bytes.into(), ..Figures::new(category, encoder, level) }
    }

    /// On each bar exactly. The music file is as large as it may be, and the others make up for it.
    fn good() -> Results {
        let mut all = Vec::new();
        for (level, native_cpu, portable_cpu, two) in [(0, 750, 999, 999), (5, 550, 850, 600), (8, 300, 450, 550)] {
            for (encoder, cpu, peak) in [(NATIVE, native_cpu, 18), (PORTABLE, portable_cpu, 18), (LIBFLAC, 1000, 999)] {
                let theirs = encoder == LIBFLAC;
                let (music, quiet) =
                    if theirs { ([10_000, 10_000], [5000, 5000]) } else { ([10_030, 9970], [5050, 4950]) };
                all.push(figures(Category::Music16, encoder, level, run(cpu, 1, peak), &music));
                all.push(figures(Category::Quiet, encoder, level, run(cpu, 1, peak), &quiet));
            }
            // It is no part of the sums.
            all.push(figures(Category::Album, native(1), level, run(9000, 1000, 18), &[9]));
            all.push(figures(Category::Album, native(2), level, run(9000, two, 20), &[9]));
            all.push(figures(Category::Album, LIBFLAC, level, run(1, 1, 1), &[1]));
        }
        all.push(figures(Category::Music16, VERIFIED, 5, run(1500, 1, 18), &[1, 1]));
        all.push(figures(Category::Music16, LIBFLAC_VERIFIED, 5, run(2000, 1, 1), &[1]));
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Results {
            files: vec![(Category::Music16, names(&["song", "dance"])), (Category::Quiet, names(&["one", "two"]))],
            figures: all,
            ladder: vec![(Category::Music16, vec![9, 8, 8, 7]), (Category::Quiet, vec![3, 3, 1, 2])],
            long_file: Some(LongFile { threads: 2, usage: run(1, 1, 20) }),
            ..Results::default()
        }
    }

    fn missed(results: &Results) -> Vec<String> {
        let bars = judge(results).into_iter().filter(|bar| bar.verdict == Verdict::Missed);
        bars.map(|bar| bar.what).collect()
    }

    #[test]
    fn what_is_exactly_on_the_bar_holds() {
        let bars = judge(&good());
        assert_eq!(bars.len(), 22, "{bars:#?}");
        assert!(bars.iter().all(|bar| bar.verdict == Verdict::Holds), "{bars:#?}");
    }

    #[test]
    fn each_bar_is_missed_by_a_little() {
        fn of(results: &mut Results, category: Category, encoder: Encoder, level: u8) -> &mut Figures {
            let found = results.figures.iter_mut();
            found.into_iter().find(|f| (f.category, f.encoder, f.level) == (category, encoder, level)).unwrap()
        }
        fn slower(results: &mut Results, encoder: Encoder, level: u8) {
            let figures = of(results, Category::Music16, encoder, level);
            figures.runs.iter_mut().for_each(|run| run.cpu += Duration::from_millis(3));
        }
        type Spoil = fn(&mut Results);
        use Category::{Album, Music16, Quiet};
        let cases: [(&str, Spoil); 22] = [
            ("CPU, native, level 0", |results| slower(results, NATIVE, 0)),
            ("CPU, native, level 5", |results| slower(results, NATIVE, 5)),
            ("CPU, native, level 8", |results| slower(results, NATIVE, 8)),
            ("CPU, portable, level 5", |results| slower(results, PORTABLE, 5)),
            ("CPU, portable, level 8", |results| slower(results, PORTABLE, 8)),
            ("CPU, native, verifying, level 5", |results| slower(results, VERIFIED, 5)),
            ("bytes of all frames, level 0", |results| of(results, Quiet, NATIVE, 0).bytes[1] += 1),
            ("bytes of all frames, level 5", |results| of(results, Quiet, NATIVE, 5).bytes[1] += 1),
            ("bytes of all frames, level 8", |results| of(results, Quiet, NATIVE, 8).bytes[1] += 1),
            ("bytes of the frames of music and speech, level 5", |results| {
                of(results, Music16, NATIVE, 5).bytes[1] += 1;
                of(results, Quiet, NATIVE, 5).bytes[1] -= 1;
            }),
            ("bytes of the frames of music and speech, level 8", |results| {
                of(results, Music16, NATIVE, 8).bytes[1] += 1;
                of(results, Quiet, NATIVE, 8).bytes[1] -= 1;
            }),
            ("largest music or speech file, level 5", |results| {
                of(results, Music16, NATIVE, 5).bytes = vec![10_031, 9969];
            }),
            ("largest music or speech file, level 8", |results| {
                of(results, Music16, NATIVE, 8).bytes = vec![10_031, 9969];
            }),
            ("largest quiet, clipped or synthetic file, level 5", |results| {
                of(results, Quiet, NATIVE, 5).bytes = vec![5051, 4949];
            }),
            ("largest quiet, clipped or synthetic file, level 8", |results| {
                of(results, Quiet, NATIVE, 8).bytes = vec![5051, 4949];
            }),
            ("larger than the one below", |results| results.ladder[0].1 = vec![9, 9, 9, 9]),
            ("writes otherwise", |results| of(results, Quiet, PORTABLE, 8).differing = 1),
            ("wall, two threads to one, level 5", |results| {
                of(results, Album, native(2), 5).runs = vec![run(1, 601, 1)];
            }),
            ("wall, two threads to one, level 8", |results| {
                of(results, Album, native(2), 8).runs = vec![run(1, 551, 1)];
            }),
            ("threads: 1 (most: quiet", |results| of(results, Quiet, PORTABLE, 0).runs[2].peak += 1),
            ("threads: 2 (most", |results| of(results, Album, native(2), 5).runs[0].peak += 1),
            ("RF64", |results| results.long_file = Some(LongFile { threads: 1, usage: run(1, 1, 19) })),
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
        let bars = judge(&Results::default());
        let open = bars.iter().filter(|bar| bar.verdict == Verdict::NotMeasured).count();
        assert_eq!(open, bars.len() - 1, "but no files differ: {bars:#?}");
        let quick = judge(&Results { quick: true, ..good() });
        let open = |bar: &&Bar| bar.verdict == Verdict::NotMeasured;
        assert_eq!(quick.iter().filter(open).count(), 8, "six of CPU time, two of wall time: {quick:#?}");
        let mut results = good();
        results.long_file = None;
        results.figures.retain(|figures| figures.encoder != native(2));
        let open: Vec<String> =
            judge(&results).into_iter().filter(|bar| bar.verdict == Verdict::NotMeasured).map(|bar| bar.what).collect();
        assert_eq!(open.len(), 3, "{open:?}");
        assert!(missed(&results).is_empty());
    }
}
