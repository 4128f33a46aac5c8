//! What the operator counts, and its text for Prometheus.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use crds::conditions::JobReason;
use crds::conversionjob::{ByteCounts, FileCounts};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::transport::Call;

mod converters;
mod jobs;

pub use converters::{ConverterFigures, Converters};
pub use jobs::{JobFigures, JobPhase, Jobs, Underway};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Watched {
    kind: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Error {
    kind: &'static str,
    category: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Write {
    kind: String,
    verb: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Request {
    verb: &'static str,
    resource: String,
    code: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestKind {
    verb: &'static str,
    resource: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Files {
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Bytes {
    direction: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Ended {
    phase: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Scaled {
    direction: &'static str,
    reason: &'static str,
}

/// Where a scaling decision goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// More pods.
    Out,
    /// Fewer pods.
    In,
    /// As many: something kept it from being changed.
    Hold,
}

impl Direction {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Out => "out",
            Self::In => "in",
            Self::Hold => "hold",
        }
    }
}

/// A write to the apiserver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Server-side apply of a child.
    Apply,
    /// Deletion of a child.
    Delete,
    /// Server-side apply of a status.
    Status,
    /// Patch of a scale subresource.
    Scale,
    /// Patch of two fields of a child that runs.
    Patch,
}

impl Verb {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Delete => "delete",
            Self::Status => "status",
            Self::Scale => "scale",
            Self::Patch => "patch",
        }
    }
}

/// Everything the operator counts. But for the figures of AudioConverters and of ConversionJobs under way no label holds a
/// name, so the number of series is bounded.
pub struct Metrics {
    registry: Registry,
    reconciles: Family<Outcome, Counter>,
    durations: Family<Kind, Histogram>,
    errors: Family<Error, Counter<u64, AtomicU64>>,
    writes: Family<Write, Counter>,
    requests: Family<Request, Counter>,
    request_durations: Family<RequestKind, Histogram>,
    leader: Gauge,
    queued: Family<Kind, Gauge>,
    waits: Family<Kind, Histogram>,
    lists_again: Family<Watched, Counter>,
    decisions: Family<Scaled, Counter>,
    job_files: Family<Files, Counter>,
    job_bytes: Family<Bytes, Counter>,
    jobs_ended: Family<Ended, Counter>,
    /// The figures of each AudioConverter.
    pub converters: Converters,
    /// The figures of the ConversionJobs.
    pub jobs: Jobs,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("flacship_operator");
        let reconciles = Family::default();
        let durations = Family::<Kind, Histogram>::new_with_constructor(|| {
            Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0])
        });
        let errors = Family::default();
        let writes = Family::default();
        let requests = Family::default();
        let request_durations = Family::<RequestKind, Histogram>::new_with_constructor(|| {
            Histogram::new([0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0])
        });
        let leader = Gauge::default();
        let queued = Family::default();
        let waits = Family::<Kind, Histogram>::new_with_constructor(|| {
            Histogram::new([0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0])
        });
        let lists_again = Family::default();
        let decisions = Family::default();
        let job_files = Family::default();
        let job_bytes = Family::default();
        let jobs_ended = Family::default();
        let converters = Converters::default();
        let jobs = Jobs::default();
        registry.register("reconciles", "Reconciles by kind and outcome", reconciles.clone());
        registry.register("reconcile_duration_seconds", "How long reconciles take, by kind", durations.clone());
        registry.register("errors", "Failed reconciles and watches by kind and category", errors.clone());
        registry.register("writes", "Writes to the apiserver by kind of object and verb", writes.clone());
        registry.register(
            "requests",
            "Requests to the apiserver by verb, resource and HTTP status; refused: not sent, as this operator does not lead",
            requests.clone(),
        );
        registry.register(
            "request_duration_seconds",
            "How long the apiserver takes to begin its answers, by verb and resource",
            request_durations.clone(),
        );
        registry.register("leader", "1 if this operator writes, 0 if it stands by", leader.clone());
        registry.register("queue_depth", "Objects that wait for their reconcile, by kind", queued.clone());
        registry.register("queue_wait_seconds", "How long objects wait for their reconcile, by kind", waits.clone());
        registry.register(
            "watch_restarts",
            "Watches that lost their place and listed everything again, by kind of the watched objects",
            lists_again.clone(),
        );
        registry.register("scaling_decisions", "Scaling decisions by direction and reason", decisions.clone());
        registry.register("job_files", "Files of ConversionJobs by outcome", job_files.clone());
        registry.register("job_bytes", "Bytes of converted files, of sources and of FLAC", job_bytes.clone());
        registry.register(
            "jobs_ended",
            "Runs of ConversionJobs that have ended, by phase and reason",
            jobs_ended.clone(),
        );
        registry.register_collector(Box::new(converters.clone()));
        registry.register_collector(Box::new(jobs.clone()));
        Self {
            registry,
            reconciles,
            durations,
            errors,
            writes,
            requests,
            request_durations,
            leader,
            queued,
            waits,
            lists_again,
            decisions,
            job_files,
            job_bytes,
            jobs_ended,
            converters,
            jobs,
        }
    }
}

impl Metrics {
    /// A reconcile of an object of `kind` went well after `took`.
    pub fn reconciled(&self, kind: &'static str, took: Duration) {
        self.reconciles.get_or_create(&Outcome { kind, outcome: "ok" }).inc();
        self.durations.get_or_create(&Kind { kind }).observe(took.as_secs_f64());
    }

    /// A reconcile of an object of `kind` failed after `took`.
    pub fn failed(&self, kind: &'static str, category: &'static str, took: Duration) {
        self.reconciles.get_or_create(&Outcome { kind, outcome: "error" }).inc();
        self.durations.get_or_create(&Kind { kind }).observe(took.as_secs_f64());
        self.error(kind, category);
    }

    /// Something failed outside a reconcile, for example a watch.
    pub fn error(&self, kind: &'static str, category: &'static str) {
        self.errors.get_or_create(&Error { kind, category }).inc();
    }

    /// A write to an object of `kind` was taken by the apiserver.
    pub fn wrote(&self, kind: &str, verb: Verb) {
        self.writes.get_or_create(&Write { kind: kind.to_owned(), verb: verb.as_str() }).inc();
    }

    /// A request to the apiserver was answered with `code` after `took`, or not at all, which `code` then says in a word.
    pub fn requested(&self, call: &Call, code: &str, took: Duration) {
        let Call { verb, resource } = call.clone();
        self.requests.get_or_create(&Request { verb, resource: resource.clone(), code: code.to_owned() }).inc();
        self.request_durations.get_or_create(&RequestKind { verb, resource }).observe(took.as_secs_f64());
    }

    /// So many objects of `kind` wait for their reconcile.
    pub fn set_queued(&self, kind: &'static str, count: usize) {
        self.queued.get_or_create(&Kind { kind }).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// An object of `kind` waited so long for its reconcile.
    pub fn waited(&self, kind: &'static str, time: Duration) {
        self.waits.get_or_create(&Kind { kind }).observe(time.as_secs_f64());
    }

    /// A watch on objects of `kind` lost its place.
    pub fn listed_again(&self, kind: &str) {
        self.lists_again.get_or_create(&Watched { kind: kind.to_owned() }).inc();
    }

    /// It was decided to scale an AudioConverter, or not to; `reason` is a word of a small, closed set.
    pub fn scaled(&self, direction: Direction, reason: &'static str) {
        self.decisions.get_or_create(&Scaled { direction: direction.as_str(), reason }).inc();
    }

    /// The status of a ConversionJob has grown by so many files and bytes.
    pub fn converted(&self, files: &FileCounts, bytes: &ByteCounts) {
        let FileCounts { total: _, converted, skipped, failed } = *files;
        for (outcome, count) in [("converted", converted), ("skipped", skipped), ("failed", failed)] {
            self.job_files.get_or_create(&Files { outcome }).inc_by(u64::try_from(count).unwrap_or_default());
        }
        for (direction, count) in [("input", bytes.input), ("output", bytes.output)] {
            self.job_bytes.get_or_create(&Bytes { direction }).inc_by(u64::try_from(count).unwrap_or_default());
        }
    }

    /// A run has ended in `phase`, for a reason of its conditions.
    pub fn run_ended(&self, phase: JobPhase, reason: JobReason) {
        self.jobs_ended.get_or_create(&Ended { phase: phase.as_str(), reason: reason.as_str() }).inc();
    }

    /// Whether this operator leads.
    pub fn set_leading(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// All of it as OpenMetrics text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_names_what_was_counted() {
        let metrics = Metrics::default();
        metrics.reconciled("AudioConverter", Duration::from_millis(3));
        metrics.failed("ConversionJob", "timeout", Duration::from_secs(15));
        metrics.wrote("Deployment", Verb::Apply);
        metrics.scaled(Direction::In, "quiet");
        metrics.set_queued("AudioConverter", 7);
        metrics.listed_again("Deployment");
        metrics.requested(&Call::of(&"GET".parse().unwrap(), &"/api/v1/pods".parse().unwrap()), "200", Duration::ZERO);
        metrics.converters.read_from(|| {
            let (namespace, name) = ("attic".to_owned(), "tape".to_owned());
            vec![ConverterFigures {
                namespace,
                name,
                desired: 3,
                ready: 2,
                draining: 1,
                streams: Some(9),
                capacity: None,
            }]
        });
        metrics.converted(
            &FileCounts { total: 9, converted: 3, skipped: -1, failed: 0 },
            &ByteCounts { input: 100, output: 58 },
        );
        metrics.run_ended(JobPhase::Failed, JobReason::DeadlineExceeded);
        metrics.jobs.read_from(|| {
            let figures = |name: &str, phase, underway| JobFigures {
                namespace: "attic".to_owned(),
                name: name.to_owned(),
                phase,
                underway,
            };
            let underway = Some(Underway { planned: 40, done: 30, failed: 2 });
            vec![
                figures("a", JobPhase::Convert, underway),
                figures("b", JobPhase::Complete, None),
                figures("c", JobPhase::Complete, None),
            ]
        });
        let text = metrics.text();
        assert!(!text.contains("converter_streams_capacity{"), "{text}");
        assert!(!text.contains(r#"name="b""#), "a run that has ended has no series of its own: {text}");
        for line in [
            r#"flacship_operator_job_files_total{outcome="converted"} 3"#,
            r#"flacship_operator_job_bytes_total{direction="output"} 58"#,
            r#"flacship_operator_jobs_ended_total{phase="failed",reason="DeadlineExceeded"} 1"#,
            r#"flacship_operator_jobs{phase="convert"} 1"#,
            r#"flacship_operator_jobs{phase="complete"} 2"#,
            r#"flacship_operator_jobs{phase="suspended"} 0"#,
            r#"flacship_operator_job_files_planned{namespace="attic",name="a"} 40"#,
            r#"flacship_operator_job_files_done{namespace="attic",name="a"} 30"#,
            r#"flacship_operator_scaling_decisions_total{direction="in",reason="quiet"} 1"#,
            r#"flacship_operator_queue_depth{kind="AudioConverter"} 7"#,
            r#"flacship_operator_watch_restarts_total{kind="Deployment"} 1"#,
            r#"flacship_operator_requests_total{verb="list",resource="pods",code="200"} 1"#,
            r#"flacship_operator_converter_replicas_ready{namespace="attic",name="tape"} 2"#,
            r#"flacship_operator_converter_streams_active{namespace="attic",name="tape"} 9"#,
            r#"flacship_operator_reconciles_total{kind="AudioConverter",outcome="ok"} 1"#,
            r#"flacship_operator_reconciles_total{kind="ConversionJob",outcome="error"} 1"#,
            r#"flacship_operator_errors_total{kind="ConversionJob",category="timeout"} 1"#,
            r#"flacship_operator_writes_total{kind="Deployment",verb="apply"} 1"#,
            r#"flacship_operator_reconcile_duration_seconds_count{kind="AudioConverter"} 1"#,
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }
}
