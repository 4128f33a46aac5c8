//! The figures of one count, and whether they meet the bars.

use std::fmt;
use std::time::Duration;

use crate::audit::Counts;
use crate::program::Memory;

/// Most time that the operator may take, as a multiple of the bare client's.
const MOST_TIME: f64 = 1.5;
/// Most memory that it may ever hold, in MiB.
const MOST_MEMORY: f64 = 128.0;

/// Most time that 95 of 100 changed or deleted children may wait.
const MOST_HEALING: Duration = Duration::from_secs(1);

/// What was measured for one count.
#[derive(Clone, Debug)]
pub struct Report {
    pub count: usize,
    pub driven: Driven,
    /// The bare client's run.
    pub replayed: Cost,
}

/// What it took to make all children.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// From the first create of a converter to the last child and status.
    pub took: Duration,
    /// Processor time of all that took part: etcd, the API server, and who wrote. Other programs on the machine do not
    /// show in it.
    pub processor_time: Duration,
}

/// The operator's run.
#[derive(Clone, Debug)]
pub struct Driven {
    /// Until all was there.
    pub cost: Cost,
    /// Writes until then.
    pub creation: Counts,
    /// Reads until then.
    pub creation_reads: Counts,
    /// Writes at rest.
    pub at_rest: Counts,
    /// How long that was.
    pub rest: Duration,
    /// How long children were not as they should be after others had changed or deleted them, the shortest first.
    pub healed: Vec<Duration>,
    /// After that.
    pub memory: Memory,
    /// The operator started anew.
    pub restart: Restart,
}

/// What a start over existing resources asked for.
#[derive(Clone, Debug)]
pub struct Restart {
    pub writes: Counts,
    pub reads: Counts,
    pub memory: Memory,
}

impl Report {
    fn ratio(&self) -> f64 {
        self.driven.cost.took.as_secs_f64() / self.replayed.took.as_secs_f64()
    }

    fn processor_ratio(&self) -> f64 {
        self.driven.cost.processor_time.as_secs_f64() / self.replayed.processor_time.as_secs_f64()
    }

    fn peak(&self) -> f64 {
        self.driven.memory.peak.max(self.driven.restart.memory.peak)
    }

    /// Each bar: what it is about, the figure, and whether it is met.
    fn bars(&self) -> [(&'static str, String, bool); 5] {
        let nothing = |counts: &Counts| !counts.keys().any(|what| !is_a_lease(what));
        let healed = &self.driven.healed;
        let [half, most, all] = [50, 95, 100].map(|percent| percentile(healed, percent).as_millis());
        [
            (
                "time against a bare client",
                format!("{:.2}× (at most {MOST_TIME}×)", self.ratio()),
                self.ratio() <= MOST_TIME,
            ),
            (
                "most memory of the operator",
                format!("{:.0} MiB (at most {MOST_MEMORY:.0} MiB)", self.peak()),
                self.peak() <= MOST_MEMORY,
            ),
            (
                "writes at rest",
                format!("{} in {} s", text(&self.driven.at_rest), self.driven.rest.as_secs()),
                nothing(&self.driven.at_rest),
            ),
            (
                "children changed or deleted by others are healed",
                format!("{} of them, p50 {half} ms, p95 {most} ms, all {all} ms (p95 at most 1 s)", healed.len()),
                !healed.is_empty() && percentile(healed, 95) <= MOST_HEALING,
            ),
            ("writes of a restart", text(&self.driven.restart.writes), nothing(&self.driven.restart.writes)),
        ]
    }

    /// Whether every bar is met.
    pub fn meets_every_bar(&self) -> bool {
        self.bars().iter().all(|(_, _, met)| *met)
    }
}

/// The least of the sorted `times` that `percent` of them do not exceed.
fn percentile(times: &[Duration], percent: usize) -> Duration {
    let rank = (times.len() * percent).div_ceil(100);
    rank.checked_sub(1).and_then(|last| times.get(last)).copied().unwrap_or_default()
}

/// Only the leader's Lease may be written at any time.
fn is_a_lease(what: &str) -> bool {
    what.split_whitespace().nth(1) == Some("leases")
}

fn text(counts: &Counts) -> String {
    if counts.is_empty() {
        return "none".to_owned();
    }
    let parts: Vec<String> = counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
    parts.join(", ")
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, driven, replayed } = self;
        let Driven { cost, creation, creation_reads, memory, restart, .. } = driven;
        writeln!(f, "\n{count} AudioConverters created at once")?;
        let line = |cost: &Cost| {
            format!("{:.1} s ({:.1} s of processors)", cost.took.as_secs_f64(), cost.processor_time.as_secs_f64())
        };
        writeln!(f, "  operator     {}", line(cost))?;
        writeln!(f, "  bare client  {}", line(replayed))?;
        writeln!(f, "  in processor time {:.2}×, whatever else runs on the machine", self.processor_ratio())?;
        writeln!(f, "  its writes   {}", text(creation))?;
        writeln!(f, "  its reads    {}", text(creation_reads))?;
        writeln!(f, "  its memory   {:.0} MiB at most, {:.0} MiB at rest", memory.peak, memory.now)?;
        writeln!(f, "  a restart    reads {}", text(&restart.reads))?;
        writeln!(f, "               {:.0} MiB at most, {:.0} MiB then", restart.memory.peak, restart.memory.now)?;
        for (what, figure, met) in self.bars() {
            writeln!(f, "  {} {what}: {figure}", if met { "ok    " } else { "MISSED" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(counts: &[(&str, usize)]) -> Counts {
        counts.iter().map(|(what, count)| ((*what).to_owned(), *count)).collect()
    }

    fn report() -> Report {
        let memory = Memory { peak: 60.0, now: 50.0 };
        let restart = Restart { writes: Counts::new(), reads: Counts::new(), memory };
        let cost = |seconds| Cost { took: Duration::from_secs(seconds), processor_time: Duration::from_secs(seconds) };
        let driven = Driven {
            cost: cost(12),
            creation: Counts::new(),
            creation_reads: Counts::new(),
            at_rest: counts(&[("patch leases", 12)]),
            rest: Duration::from_mins(1),
            healed: vec![Duration::from_millis(100); 50],
            memory,
            restart,
        };
        Report { count: 1000, driven, replayed: cost(10) }
    }

    #[test]
    fn the_lease_alone_is_no_write_at_rest() {
        assert!(report().meets_every_bar(), "{}", report());
        let mut busy = report();
        busy.driven.at_rest.insert("patch audioconverters/status".to_owned(), 1);
        assert!(!busy.meets_every_bar());
    }

    #[test]
    fn percentiles_are_of_the_sorted_times() {
        let times: Vec<Duration> = (1..=50).map(Duration::from_secs).collect();
        let seconds = |percent| percentile(&times, percent).as_secs();
        assert_eq!([50, 95, 100].map(seconds), [25, 48, 50]);
        assert_eq!(percentile(&[], 95), Duration::ZERO);
    }

    #[test]
    fn each_bar_can_be_missed() {
        let mut slow = report();
        slow.driven.cost.took = Duration::from_secs(16);
        let mut large = report();
        large.driven.restart.memory.peak = 129.0;
        let mut patient = report();
        patient.driven.healed[46..].fill(Duration::from_secs(2));
        let mut restless = report();
        restless.driven.restart.writes = counts(&[("create events", 3)]);
        for report in [slow, large, patient, restless] {
            assert_eq!(report.bars().iter().filter(|(_, _, met)| !met).count(), 1, "{report}");
        }
    }
}
