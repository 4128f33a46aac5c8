//! What the operator counts, and its text for Prometheus.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::transport::Call;

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
}

impl Verb {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Delete => "delete",
            Self::Status => "status",
            Self::Scale => "scale",
        }
    }
}

/// Everything the operator counts. No label holds a name, so the number of series is bounded.
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
        let text = metrics.text();
        for line in [
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
