//! The figures of ConversionJobs, read from the cache when somebody asks: how many stand where, and how far those under way
//! have come. A run that has ended has no series of its own, so their number is that of the runs under way.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobPhase {
    /// It waits for something.
    Pending,
    /// The source is walked.
    Plan,
    /// Files are converted.
    Convert,
    /// The results are merged.
    Report,
    /// It is held.
    Suspended,
    /// It has ended well.
    Complete,
    /// It has ended otherwise.
    Failed,
}

impl JobPhase {
    const ALL: [Self; 7] =
        [Self::Pending, Self::Plan, Self::Convert, Self::Report, Self::Suspended, Self::Complete, Self::Failed];

    /// The label's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Plan => "plan",
            Self::Convert => "convert",
            Self::Report => "report",
            Self::Suspended => "suspended",
            Self::Complete => "complete",
            Self::Failed => "failed",
        }
    }
}

/// The figures of one ConversionJob, as its status has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobFigures {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub phase: JobPhase,
    /// How far it has come, if it is planned and has not ended.
    pub underway: Option<Underway>,
}

/// Files of a run under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Underway {
    /// That the plan found.
    pub planned: i64,
    /// That are done, whatever came of them.
    pub done: i64,
    /// That could not be converted.
    pub failed: i64,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Phase {
    phase: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Job {
    namespace: String,
    name: String,
}

type Read = Box<dyn Fn() -> Vec<JobFigures> + Send + Sync>;

/// Where the figures are read from; nowhere at first. Clones are one.
#[derive(Clone, Default)]
pub struct Jobs(Arc<Mutex<Option<Read>>>);

impl Jobs {
    /// Reads them from here from now on.
    pub fn read_from(&self, read: impl Fn() -> Vec<JobFigures> + Send + Sync + 'static) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(read));
    }

    fn read(&self) -> Vec<JobFigures> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map_or_else(Vec::new, |read| read())
    }
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jobs").finish_non_exhaustive()
    }
}

/// A gauge's name, what it is, and its value.
type Gauge = (&'static str, &'static str, fn(&Underway) -> i64);

const GAUGES: [Gauge; 3] = [
    ("job_files_planned", "Files of a ConversionJob under way", |of| of.planned),
    ("job_files_done", "Files of a ConversionJob under way that are done, whatever came of them", |of| of.done),
    ("job_files_failed", "Files of a ConversionJob under way that could not be converted", |of| of.failed),
];

impl Collector for Jobs {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let jobs = self.read();
        let mut family =
            encoder.encode_descriptor("jobs", "ConversionJobs by where they stand", None, MetricType::Gauge)?;
        for phase in JobPhase::ALL {
            let count = jobs.iter().filter(|job| job.phase == phase).count();
            let count = ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX));
            count.encode(family.encode_family(&Phase { phase: phase.as_str() })?)?;
        }
        for (name, help, value) in GAUGES {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for figures in &jobs {
                let Some(underway) = &figures.underway else { continue };
                let labels = Job { namespace: figures.namespace.clone(), name: figures.name.clone() };
                ConstGauge::new(value(underway)).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
