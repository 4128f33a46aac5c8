//! A bar: what must hold, what was measured, and whether it holds.

use crate::table::Table;

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
    /// A bar of which is known whether it holds.
    pub fn new(what: String, limit: String, measured: String, holds: bool) -> Self {
        Self { what, limit, measured, verdict: if holds { Verdict::Holds } else { Verdict::Missed } }
    }

    /// A bar that could not be judged, and why.
    pub fn not_measured(what: String, limit: String, why: &str) -> Self {
        Self { what, limit, measured: why.to_owned(), verdict: Verdict::NotMeasured }
    }

    /// A ratio that must not be above a limit, shown with so many digits.
    pub fn at_most(what: String, limit: f64, ratio: Option<f64>, digits: usize, why_not: &str) -> Self {
        let told = format!("at most {limit} x");
        match ratio {
            Some(ratio) => Self::new(what, told, format!("{ratio:.digits$} x"), ratio <= limit),
            None => Self::not_measured(what, told, why_not),
        }
    }
}

/// A table of the bars, and one line that sums them up. `on` tells what they were measured on.
pub fn table(bars: &[Bar], on: &str) -> String {
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
    format!("bars, on {on}\n\n{table}\n{sum}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missed_bars_are_counted() {
        let bar = |verdict| Bar { what: "a".to_owned(), limit: "b".to_owned(), measured: "c".to_owned(), verdict };
        let none = table(&[bar(Verdict::Holds), bar(Verdict::NotMeasured)], "the reported half");
        assert!(none.ends_with("no bar is missed\n"));
        let one = table(&[bar(Verdict::Holds), bar(Verdict::Missed)], "the tuning half");
        assert!(one.contains("the tuning half") && one.ends_with("1 of 2 bars MISSED\n"));
    }
}
