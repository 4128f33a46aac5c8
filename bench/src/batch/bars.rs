//! What must hold. Each bar is judged from the figures alone.

use super::files::Kind;
use super::report::mib;
use super::{Compared, Results};
use crate::bar::{Bar, Verdict};
use crate::usage::paired_ratio;

/// So many times as fast as flac.
const SHORT: f64 = 2.0;
const LONG: f64 = 1.5;
/// What a pod of each stage may hold, if its job does not say otherwise.
const MEMORY: u64 = 512 << 20;

/// Judges all bars.
pub fn judge(results: &Results) -> Vec<Bar> {
    let mut bars: Vec<Bar> =
        [(Kind::Short, SHORT), (Kind::Long, LONG)].map(|(kind, limit)| speed(results, kind, limit)).into();
    bars.push(memory(results));
    bars
}

/// The peak of the largest stage over all runs, which counts in a quick run too: few files are held at a time.
fn memory(results: &Results) -> Bar {
    let what = "peak memory of converter batch, whatever the stage".to_owned();
    let told = format!("at most {} MiB", MEMORY >> 20);
    let Some(peak) = results.compared.iter().flat_map(|compared| &compared.ours).map(|run| run.peak).max() else {
        return Bar::not_measured(what, told, "not run");
    };
    Bar::new(what, told, format!("{:.1} MiB", mib(peak)), peak <= MEMORY)
}

fn speed(results: &Results, kind: Kind, limit: f64) -> Bar {
    let what = format!("speed on {} files to xargs flac's", kind.name());
    let told = format!("at least {limit} x");
    let Some(compared) = results.compared.iter().find(|compared| compared.kind == kind) else {
        return Bar::not_measured(what, told, "not run");
    };
    let ratio = times_as_fast(compared);
    let bar = Bar::new(what, told, format!("{ratio:.2} x"), ratio >= limit);
    if !results.quick {
        return bar;
    }
    Bar { measured: format!("{}, but in a quick run", bar.measured), verdict: Verdict::NotMeasured, ..bar }
}

/// The median over the pairs.
pub fn times_as_fast(compared: &Compared) -> f64 {
    paired_ratio(&compared.theirs, &compared.ours, |run| run.wall)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::usage::Usage;

    fn results(short: u64, long: u64) -> Results {
        let run = |wall| Usage { wall: Duration::from_millis(wall), peak: MEMORY, ..Usage::default() };
        let compared = |kind, theirs| Compared {
            kind,
            files: 1,
            bytes: 1,
            seconds: 1,
            ours: vec![run(1000); 3],
            theirs: vec![run(1), run(theirs), run(99_999)],
            our_bytes: 1,
            their_bytes: 1,
        };
        Results { compared: vec![compared(Kind::Short, short), compared(Kind::Long, long)], quick: false }
    }

    fn verdicts(results: &Results) -> Vec<Verdict> {
        judge(results).into_iter().map(|bar| bar.verdict).collect()
    }

    #[test]
    fn on_the_bar_holds_and_below_is_missed() {
        assert_eq!(verdicts(&results(2000, 1500)), [Verdict::Holds; 3]);
        assert_eq!(verdicts(&results(1999, 1500)), [Verdict::Missed, Verdict::Holds, Verdict::Holds]);
        assert_eq!(verdicts(&results(2000, 1499)), [Verdict::Holds, Verdict::Missed, Verdict::Holds]);
        let mut large = results(2000, 1500);
        large.compared[1].ours[2].peak += 1;
        assert_eq!(verdicts(&large), [Verdict::Holds, Verdict::Holds, Verdict::Missed]);
        let quick = Results { quick: true, ..results(1, 1) };
        assert_eq!(verdicts(&quick), [Verdict::NotMeasured, Verdict::NotMeasured, Verdict::Holds]);
        assert_eq!(verdicts(&Results::default()), [Verdict::NotMeasured; 3]);
    }
}
