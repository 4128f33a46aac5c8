//! The figures in words and tables.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use crate::bars::{Bar, Verdict};
use crate::encoders::Encoder;
use crate::figures::{Figures, Results, paired_ratio};
use crate::plan::LEVELS;
use crate::table::Table;

/// What was measured with what, and on what.
pub fn machine(converter: &Path) -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("", |model| model.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    format!(
        "{cpu}, {cores} cores, load {load} before the start\n{}\n{}\n{}",
        first_line(Command::new(converter).arg("--version")),
        first_line(Command::new("flac").arg("--version")),
        first_line(Command::new("ffmpeg").arg("-version")),
    )
}

fn first_line(command: &mut Command) -> String {
    let output = command.output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).lines().next().unwrap_or("?").to_owned()
}

/// A table for each set, and one of the levels.
pub fn tables(results: &Results) -> String {
    let mut text = String::new();
    for set in results.sets() {
        let seconds = results.figures.iter().find(|figures| figures.set == set).map_or(0.0, |figures| figures.seconds);
        let runs = |level| results.find(set, Encoder::Flac, level).map_or(0, |figures| figures.runs.len()).to_string();
        let runs = LEVELS.map(runs).join(", ");
        let _ =
            writeln!(text, "\n{set}, {seconds:.0} s (medians of {runs} runs by turns; ratios: to flac, run by run)\n");
        let _ = write!(text, "{}", set_table(results, set));
    }
    let _ = writeln!(text, "\nthe converter's levels, bytes\n\n{}", ladder_table(results));
    text
}

const COLUMNS: [&str; 12] = [
    "encoder",
    "level",
    "CPU s",
    "wall s",
    "peak MiB",
    "bytes",
    "instr/sample",
    "CPU",
    "wall",
    "peak",
    "bytes",
    "instr",
];

fn set_table(results: &Results, set: &str) -> Table {
    let mut table = Table::new(&COLUMNS);
    for figures in results.figures.iter().filter(|figures| figures.set == set) {
        table.row(cells(figures, results.find(set, Encoder::Flac, figures.level)));
    }
    table
}

/// The figures, and their ratios to the reference's.
#[allow(clippy::cast_precision_loss)] // for people to read
fn cells(figures: &Figures, flac: Option<&Figures>) -> Vec<String> {
    let mut cells = vec![
        figures.encoder.name(),
        figures.level.to_string(),
        format!("{:.2}", figures.cpu()),
        format!("{:.2}", figures.wall()),
        format!("{:.1}", figures.peak() as f64 / f64::from(1 << 20)),
        figures.bytes.to_string(),
        figures.instructions.map_or("n/a".to_owned(), |count| format!("{count:.0}")),
    ];
    let ratio = |of: f64, to: f64, digits: usize| {
        let ratio = of / to;
        if ratio.is_finite() { format!("{ratio:.digits$}") } else { "n/a".to_owned() }
    };
    match flac {
        Some(flac) => cells.extend([
            ratio(paired_ratio(&figures.runs, &flac.runs, |run| run.cpu), 1.0, 2),
            ratio(paired_ratio(&figures.runs, &flac.runs, |run| run.wall), 1.0, 2),
            ratio(figures.peak() as f64, flac.peak() as f64, 2),
            ratio(figures.bytes as f64, flac.bytes as f64, 4),
            ratio(figures.instructions.unwrap_or(f64::NAN), flac.instructions.unwrap_or(f64::NAN), 2),
        ]),
        None => cells.resize(COLUMNS.len(), "n/a".to_owned()),
    }
    cells
}

fn ladder_table(results: &Results) -> Table {
    let levels = results.ladder.iter().map(|(_, bytes)| bytes.len()).max().unwrap_or(0);
    let names: Vec<String> =
        std::iter::once("set".to_owned()).chain((0..levels).map(|level| level.to_string())).collect();
    let mut table = Table::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for (set, bytes) in &results.ladder {
        table.row(std::iter::once(set.clone()).chain(bytes.iter().map(u64::to_string)).collect());
    }
    table
}

/// A table of the bars, and one line that sums them up.
pub fn bars(bars: &[Bar]) -> String {
    let mut table = Table::new(&["bar", "limit", "measured", ""]);
    for bar in bars {
        let verdict = match bar.verdict {
            Verdict::Holds => "holds",
            Verdict::Missed => "MISSED",
            Verdict::NotMeasured => "not measured",
        };
        table.row(vec![bar.what.clone(), bar.limit.clone(), bar.measured.clone(), verdict.to_owned()]);
    }
    let missed = bars.iter().filter(|bar| bar.verdict == Verdict::Missed).count();
    let sum =
        if missed == 0 { "no bar is missed".to_owned() } else { format!("{missed} of {} bars MISSED", bars.len()) };
    format!("\n{table}\n{sum}\n")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::figures::Usage;

    fn figures(encoder: Encoder, millis: u64, bytes: u64, instructions: Option<f64>) -> Figures {
        let time = Duration::from_millis(millis);
        let runs = vec![Usage { cpu: time, wall: time, peak: 4 << 20 }];
        Figures { set: "music".to_owned(), seconds: 60.0, encoder, level: 5, runs, bytes, instructions }
    }

    #[test]
    fn every_figure_has_its_ratio_to_flac() {
        let flac = figures(Encoder::Flac, 1000, 1000, Some(200.0));
        let ours = figures(Encoder::Converter { threads: 1 }, 2500, 975, Some(100.0));
        let expected =
            ["converter, 1 thread", "5", "2.50", "2.50", "4.0", "975", "100", "2.50", "2.50", "1.00", "0.9750", "0.50"];
        assert_eq!(cells(&ours, Some(&flac)), expected);
        assert_eq!(cells(&ours, None).len(), COLUMNS.len());
        let uncounted = figures(Encoder::Ffmpeg, 1, 1, None);
        assert_eq!(cells(&uncounted, Some(&flac)).last().map(String::as_str), Some("n/a"));
    }

    #[test]
    fn the_report_has_a_table_for_each_set_and_the_levels() {
        let results = Results {
            figures: vec![figures(Encoder::Flac, 1, 1, None)],
            ladder: vec![("music".to_owned(), vec![30, 20, 10])],
            long_file: None,
        };
        let text = tables(&results);
        assert!(
            text.contains("music, 60 s (medians of 0, 1, 0 runs") && text.contains("| music | 30 | 20 | 10 |"),
            "{text}"
        );
    }

    #[test]
    fn missed_bars_are_counted() {
        let bar = |verdict| Bar { what: "a".to_owned(), limit: "b".to_owned(), measured: "c".to_owned(), verdict };
        assert!(bars(&[bar(Verdict::Holds), bar(Verdict::NotMeasured)]).ends_with("no bar is missed\n"));
        assert!(bars(&[bar(Verdict::Holds), bar(Verdict::Missed)]).ends_with("1 of 2 bars MISSED\n"));
    }
}
