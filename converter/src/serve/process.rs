//! What the kernel lets this process have, and what it says of it, under the names that Prometheus' own client libraries use
//! (<https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>). Read anew for each scrape; what cannot be
//! read is left out.

use std::{
    fmt::Error,
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use nix::sys::{
    resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit},
    time::TimeValLike,
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};

/// This process.
#[derive(Debug)]
pub(super) struct Process {
    /// Unix seconds when the server began, a moment after the process.
    started: f64,
}

impl Process {
    pub(super) fn new() -> Self {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: started.as_secs_f64() }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut tell = |name: &str, help: &str, unit: Option<Unit>, metric: &dyn EncodeMetric| {
            metric.encode(encoder.encode_descriptor(name, help, unit.as_ref(), metric.metric_type())?)
        };
        tell(
            "process_start_time",
            "When the process started, in Unix time",
            Some(Unit::Seconds),
            &ConstGauge::new(self.started),
        )?;
        if let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) {
            let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
            #[allow(clippy::cast_precision_loss, reason = "exact for 285 years of a core")]
            let seconds = micros as f64 / 1e6;
            tell("process_cpu", "CPU time spent", Some(Unit::Seconds), &ConstCounter::new(seconds))?;
        }
        if let Some(bytes) = resident() {
            tell("process_resident_memory", "Memory held", Some(Unit::Bytes), &ConstGauge::new(bytes))?;
        }
        if let Some(count) = open_files() {
            tell("process_open_fds", "File descriptors open", None, &ConstGauge::new(count))?;
        }
        if let Ok((limit, _)) = getrlimit(Resource::RLIMIT_NOFILE) {
            tell("process_max_fds", "File descriptors that may be open", None, &ConstGauge::new(number(limit)))?;
        }
        Ok(())
    }
}

/// Lets the process open as many files as it may: each connection is one, and the limit that most systems start programs with
/// is there for those that use `select`, which we do not (setrlimit(2), select(2)).
pub(super) fn open_as_many_files_as_may_be(max_streams: u32) {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        if soft < hard {
            setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
        }
        Ok(hard)
    });
    match raised {
        Ok(limit) if limit <= max_streams.into() => tracing::warn!(
            limit,
            max_streams,
            "this process may have fewer open files than streams: raise its hard limit (ulimit -H -n) or lower --max-streams"
        ),
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "the limit of open files could not be raised"),
    }
}

/// Bytes of memory held, as `VmRSS` of proc(5) has them in KiB.
fn resident() -> Option<i64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<i64>().ok()? * 1024)
}

/// Open file descriptors, less the one that looks.
fn open_files() -> Option<i64> {
    let count = fs::read_dir("/proc/self/fd").ok()?.count();
    Some(number(count as u64) - 1)
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
