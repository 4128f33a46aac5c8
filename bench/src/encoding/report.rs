//! The figures in words and tables.

use std::fmt::Write as _;
use std::time::Duration;

use crate::corpus::{Category, Half};
use crate::encoding::encoders::{Encoder, NATIVE};
use crate::encoding::figures::{Figures, Results};
use crate::encoding::plan::LEVELS;
use crate::table::Table;
use crate::usage::{Usage, median};

/// A table of all, one for each category, one of the files, and one of the levels.
pub fn tables(results: &Results, half: Half) -> String {
    let mut text = format!(
        "\nThe {} half. Ratios are to libFLAC 1.5.0 at the same level, where verifying to libFLAC verifying; those of \
         time are medians of the ratios of runs by turns.\n",
        half.name()
    );
    let start =
        |(encoder, time): &(Encoder, Duration)| format!("{} {:.1}", encoder.name(), time.as_secs_f64() * 1000.0);
    let start = results.start.iter().map(start).collect::<Vec<_>>().join("; ");
    let _ = writeln!(text, "Part of every run is to start the program. CPU time on next to no audio, ms: {start}");
    let _ = writeln!(text, "\nall but the album, together\n\n{}", all_table(results));
    for (category, names) in &results.files {
        let count = names.len();
        let _ = writeln!(text, "{}, files: {count}\n\n{}", category.name(), category_table(results, *category));
    }
    let _ = writeln!(text, "native, bytes of each file\n\n{}", file_table(results));
    let _ = writeln!(text, "native, bytes at every level\n\n{}", ladder_table(results));
    text
}

fn all_table(results: &Results) -> Table {
    let mut table = Table::new(&["encoder", "level", "CPU x", "wall x", "bytes x", "worst file"]);
    for level in LEVELS {
        let mut encoders: Vec<_> =
            results.figures.iter().filter(|figures| figures.level == level && figures.category.counts()).collect();
        let Some(first) = encoders.first().map(|figures| figures.category) else { continue };
        encoders.retain(|figures| figures.category == first);
        for encoder in encoders.into_iter().map(|figures| figures.encoder) {
            let Some(ratios) = results.ratios(encoder, encoder.reference(), level, Category::counts) else { continue };
            let worst = results.worst(encoder, level, Category::counts);
            table.row(vec![
                encoder.name(),
                level.to_string(),
                format!("{:.3}", ratios.cpu),
                format!("{:.3}", ratios.wall),
                format!("{:.4}", ratios.bytes),
                worst
                    .map_or("?".to_owned(), |(category, name, ratio)| format!("{ratio:.4} {}/{name}", category.name())),
            ]);
        }
    }
    table
}

const COLUMNS: [&str; 12] = [
    "encoder",
    "level",
    "CPU x",
    "wall x",
    "instr x",
    "bytes x",
    "worst file",
    "instr/sample",
    "CPU s",
    "wall s",
    "peak MiB",
    "bytes",
];

fn category_table(results: &Results, category: Category) -> Table {
    let mut table = Table::new(&COLUMNS);
    for figures in results.figures.iter().filter(|figures| figures.category == category) {
        table.row(cells(results, figures));
    }
    table
}

#[allow(clippy::cast_precision_loss)] // for people to read
fn cells(results: &Results, figures: &Figures) -> Vec<String> {
    let Figures { category, encoder, level, .. } = *figures;
    let within = |one| one == category;
    let ratios = results.ratios(encoder, encoder.reference(), level, within);
    let reference = results.find(category, encoder.reference(), level);
    let instructions = figures.instructions.zip(reference.and_then(|reference| reference.instructions));
    let told = |value: Option<f64>, digits: usize| value.map_or("-".to_owned(), |value| format!("{value:.digits$}"));
    let seconds = |what: fn(&Usage) -> Duration| median(figures.runs.iter().map(|run| what(run).as_secs_f64()));
    vec![
        encoder.name(),
        level.to_string(),
        told(ratios.map(|ratios| ratios.cpu), 3),
        told(ratios.map(|ratios| ratios.wall), 3),
        told(instructions.map(|(of, to)| of / to), 3),
        told(ratios.map(|ratios| ratios.bytes), 4),
        results.worst(encoder, level, within).map_or("-".to_owned(), |(_, name, ratio)| format!("{ratio:.4} {name}")),
        told(figures.instructions, 0),
        format!("{:.2}", seconds(|run| run.cpu)),
        format!("{:.2}", seconds(|run| run.wall)),
        format!("{:.1}", figures.peak() as f64 / f64::from(1 << 20)),
        figures.bytes.iter().sum::<u64>().to_string(),
    ]
}

/// Each file's bytes beside libFLAC's, at the levels that are compared.
fn file_table(results: &Results) -> Table {
    let mut table = Table::new(&["file", "level 0", "level 5", "level 8"]);
    let levels = LEVELS.map(|level| results.per_file(NATIVE, level, Category::counts));
    for (category, names) in results.files.iter().filter(|(category, _)| category.counts()) {
        for file in names {
            let ratio = |files: &Vec<(Category, &str, f64)>| {
                let found = files.iter().find(|(one, name, _)| (one, name) == (category, &file.as_str()));
                found.map_or("-".to_owned(), |(.., ratio)| format!("{ratio:.4}"))
            };
            let mut row = vec![format!("{}/{file}", category.name())];
            row.extend(levels.iter().map(ratio));
            table.row(row);
        }
    }
    table
}

fn ladder_table(results: &Results) -> Table {
    let levels = results.ladder.iter().map(|(_, bytes)| bytes.len()).max().unwrap_or(0);
    let names: Vec<String> =
        std::iter::once("category".to_owned()).chain((0..levels).map(|level| level.to_string())).collect();
    let mut table = Table::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for (category, bytes) in &results.ladder {
        table.row(std::iter::once(category.name().to_owned()).chain(bytes.iter().map(u64::to_string)).collect());
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::encoders::LIBFLAC;

    fn figures(encoder: Encoder, millis: u64, bytes: u64, instructions: Option<f64>) -> Figures {
        let time = Duration::from_millis(millis);
        let runs = vec![Usage { cpu: time, wall: time, peak: 4 << 20 }];
        Figures { runs, bytes: vec![bytes], instructions, ..Figures::new(Category::Solo, encoder, 5) }
    }

    fn results() -> Results {
        Results {
            files: vec![(Category::Solo, vec!["flute".to_owned()])],
            figures: vec![figures(NATIVE, 2500, 975, Some(100.0)), figures(LIBFLAC, 1000, 1000, Some(200.0))],
            ladder: vec![(Category::Solo, vec![30, 20, 10])],
            start: vec![(NATIVE, Duration::from_micros(2340))],
            ..Results::default()
        }
    }

    #[test]
    fn every_figure_has_its_ratio_to_libflac() {
        let mut results = results();
        let expected =
            ["native", "5", "2.500", "2.500", "0.500", "0.9750", "0.9750 flute", "100", "2.50", "2.50", "4.0", "975"];
        assert_eq!(cells(&results, &results.figures[0]), expected);
        results.figures[1].instructions = None;
        assert_eq!(cells(&results, &results.figures[0])[4], "-");
    }

    #[test]
    fn the_report_has_every_table_and_says_which_half() {
        let text = tables(&results(), Half::Reported);
        for part in
            ["The reported half", "solo, files: 1", "ms: native 2.3", "| solo/flute |", "| solo     | 30 | 20 | 10 |"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
