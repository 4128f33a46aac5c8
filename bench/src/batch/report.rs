//! The figures in tables.

use std::fmt::Write as _;

use super::bars::times_as_fast;
use super::{Compared, Results};
use crate::table::Table;
use crate::usage::median;

#[allow(clippy::cast_precision_loss)] // for people to read
pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// A table for each kind of files.
pub fn tables(results: &Results) -> String {
    let mut text = String::new();
    for compared in &results.compared {
        let Compared { kind, files, bytes, seconds, .. } = compared;
        let _ = writeln!(
            text,
            "\n{files} {} files, {:.0} MiB, {seconds} s of CD audio; level 5, verified, until all is on the disk\n\n{}",
            kind.name(),
            mib(*bytes),
            table(compared)
        );
        let _ = writeln!(text, "converter batch is {:.2} times as fast (median of pairs)", times_as_fast(compared));
    }
    text + "\n"
}

/// What is held is of the largest process alone.
fn table(compared: &Compared) -> Table {
    let mut table =
        Table::new(&["who", "wall s", "all rounds", "CPU s", "files/s", "x real time", "MiB held", "MiB made"]);
    let sides = [
        ("converter batch", &compared.ours, compared.our_bytes),
        ("xargs flac", &compared.theirs, compared.their_bytes),
    ];
    for (name, runs, bytes) in sides {
        let wall = median(runs.iter().map(|run| run.wall.as_secs_f64()));
        let walls: Vec<String> = runs.iter().map(|run| format!("{:.1}", run.wall.as_secs_f64())).collect();
        #[allow(clippy::cast_precision_loss)] // thousands
        let (files, seconds) = (compared.files as f64, compared.seconds as f64);
        table.row(vec![
            name.to_owned(),
            format!("{wall:.2}"),
            walls.join(" "),
            format!("{:.2}", median(runs.iter().map(|run| run.cpu.as_secs_f64()))),
            format!("{:.0}", files / wall),
            format!("{:.0}", seconds / wall),
            format!("{:.1}", mib(runs.iter().map(|run| run.peak).max().unwrap_or(0))),
            format!("{:.1}", mib(bytes)),
        ]);
    }
    table
}
