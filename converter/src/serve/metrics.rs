//! What the server counts, for `/metrics` (OpenMetrics) and `/status`. Every label has a fixed set of values, so that no
//! client can make the number of series grow.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use super::token::Refusal;

/// Which way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `POST /convert`.
    Upload,
    /// `GET /ws`.
    Stream,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Upload, Self::Stream];

    fn label(self) -> ByKind {
        let kind = match self {
            Self::Upload => "upload",
            Self::Stream => "stream",
        };
        ByKind { kind }
    }
}

/// How a conversion ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A whole FLAC.
    Converted,
    /// The input was refused.
    Refused,
    /// The client left.
    Aborted,
    /// The server could not.
    Failed,
}

impl Outcome {
    const ALL: [Self; 4] = [Self::Converted, Self::Refused, Self::Aborted, Self::Failed];

    /// Name for labels and logs.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Converted => "converted",
            Self::Refused => "refused",
            Self::Aborted => "aborted",
            Self::Failed => "failed",
        }
    }

    fn label(self, kind: Kind) -> Conversion {
        Conversion { kind: kind.label().kind, outcome: self.name() }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Conversion {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByKind {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Code {
    code: &'static str,
}

/// What one conversion took and gave.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Volume {
    /// Bytes that came, as body or messages.
    pub bytes_in: u64,
    /// Bytes of FLAC.
    pub bytes_out: u64,
    /// Seconds of audio.
    pub audio_seconds: f64,
}

/// All counters of one server.
#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    conversions: Family<Conversion, Counter>,
    bytes_in: Family<ByKind, Counter>,
    bytes_out: Family<ByKind, Counter>,
    audio: Family<ByKind, Counter<f64, AtomicU64>>,
    duration: Family<ByKind, Histogram, fn() -> Histogram>,
    active: Family<ByKind, Gauge>,
    queued: Gauge,
    errors: Family<Code, Counter>,
    resumed: Counter,
    tokens: Counter,
    refused_tokens: Family<Code, Counter>,
    spool: Gauge,
    draining: Gauge,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let mut registry = Registry::with_prefix("flacship_converter");
        let metrics = Self {
            conversions: Family::default(),
            bytes_in: Family::default(),
            bytes_out: Family::default(),
            audio: Family::default(),
            duration: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.005, 2.5, 14))),
            active: Family::default(),
            queued: Gauge::default(),
            errors: Family::default(),
            resumed: Counter::default(),
            tokens: Counter::default(),
            refused_tokens: Family::default(),
            spool: Gauge::default(),
            draining: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register("conversions", "Conversions that ended, by way in and outcome", metrics.conversions.clone());
        registry.register_with_unit(
            "input",
            "Bytes that came in to be converted",
            Unit::Bytes,
            metrics.bytes_in.clone(),
        );
        registry.register_with_unit("output", "Bytes of FLAC made", Unit::Bytes, metrics.bytes_out.clone());
        registry.register_with_unit("audio", "Playing time converted", Unit::Seconds, metrics.audio.clone());
        registry.register_with_unit(
            "conversion_duration",
            "Time from a conversion's first byte to its end",
            Unit::Seconds,
            metrics.duration.clone(),
        );
        registry.register(
            "active_conversions",
            "Conversions under way, by way in; uploads that wait for their turn too",
            metrics.active.clone(),
        );
        registry.register("queued_conversions", "Uploads that wait for their turn", metrics.queued.clone());
        registry.register("errors", "Errors told to clients or met with them, by code", metrics.errors.clone());
        registry.register("resumed_streams", "Streams that went on after a lost connection", metrics.resumed.clone());
        registry.register("stream_tokens", "Tokens handed out, to resume streams by", metrics.tokens.clone());
        registry.register("refused_stream_tokens", "Tokens not honoured, by code", metrics.refused_tokens.clone());
        registry.register_with_unit("spool_used", "Results held", Unit::Bytes, metrics.spool.clone());
        registry.register("draining", "1 once the server is stopping", metrics.draining.clone());
        for kind in Kind::ALL {
            // A series that is there from the start can be alerted on before its first event.
            metrics.active(kind).set(0);
            for outcome in Outcome::ALL {
                drop(metrics.conversions.get_or_create(&outcome.label(kind)));
            }
        }
        for refusal in Refusal::ALL {
            drop(metrics.refused_tokens.get_or_create(&Code { code: refusal.code() }));
        }
        Self { registry, ..metrics }
    }

    /// Conversions of this kind under way.
    pub(super) fn active(&self, kind: Kind) -> Gauge {
        self.active.get_or_create_owned(&kind.label())
    }

    /// How many uploads wait for their turn.
    pub(super) fn set_queued(&self, count: usize) {
        self.queued.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Counts a conversion that ended after `seconds`.
    pub(super) fn ended(&self, kind: Kind, outcome: Outcome, volume: Volume, seconds: f64) {
        self.conversions.get_or_create(&outcome.label(kind)).inc();
        let labels = kind.label();
        self.bytes_in.get_or_create(&labels).inc_by(volume.bytes_in);
        self.bytes_out.get_or_create(&labels).inc_by(volume.bytes_out);
        self.audio.get_or_create(&labels).inc_by(volume.audio_seconds);
        self.duration.get_or_create(&labels).observe(seconds);
    }

    /// Counts an error by its code.
    pub(super) fn error(&self, code: &'static str) {
        self.errors.get_or_create(&Code { code }).inc();
    }

    /// Counts a stream that goes on after a lost connection.
    pub(super) fn resumed(&self) {
        self.resumed.inc();
    }

    /// Counts a token that a stream was given.
    pub(super) fn token(&self) {
        self.tokens.inc();
    }

    /// Counts a token that was not honoured.
    pub(super) fn refused_token(&self, refusal: Refusal) {
        self.refused_tokens.get_or_create(&Code { code: refusal.code() }).inc();
    }

    /// Conversions that ended so.
    pub(super) fn count(&self, kind: Kind, outcome: Outcome) -> u64 {
        self.conversions.get_or_create(&outcome.label(kind)).get()
    }

    /// What all conversions so far took and gave.
    pub(super) fn volume(&self) -> Volume {
        let mut sum = Volume::default();
        for kind in Kind::ALL {
            let labels = kind.label();
            sum.bytes_in += self.bytes_in.get_or_create(&labels).get();
            sum.bytes_out += self.bytes_out.get_or_create(&labels).get();
            sum.audio_seconds += self.audio.get_or_create(&labels).get();
        }
        sum
    }

    /// The text that `/metrics` answers with.
    pub(super) fn render(&self, spool_used: u64, draining: bool) -> Result<String, std::fmt::Error> {
        self.spool.set(i64::try_from(spool_used).unwrap_or(i64::MAX));
        self.draining.set(i64::from(draining));
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_shows() {
        let metrics = Metrics::new();
        metrics.active(Kind::Stream).inc();
        let volume = Volume { bytes_in: 10, bytes_out: 7, audio_seconds: 0.5 };
        metrics.ended(Kind::Upload, Outcome::Converted, volume, 0.01);
        metrics.error("not_wav");
        let text = metrics.render(42, true).unwrap();
        for line in [
            "flacship_converter_conversions_total{kind=\"upload\",outcome=\"converted\"} 1",
            "flacship_converter_conversions_total{kind=\"stream\",outcome=\"failed\"} 0",
            "flacship_converter_input_bytes_total{kind=\"upload\"} 10",
            "flacship_converter_output_bytes_total{kind=\"upload\"} 7",
            "flacship_converter_audio_seconds_total{kind=\"upload\"} 0.5",
            "flacship_converter_conversion_duration_seconds_count{kind=\"upload\"} 1",
            "flacship_converter_active_conversions{kind=\"stream\"} 1",
            "flacship_converter_errors_total{code=\"not_wav\"} 1",
            "flacship_converter_spool_used_bytes 42",
            "flacship_converter_draining 1",
            "# EOF",
        ] {
            assert!(text.lines().any(|got| got == line), "{line} is missing in\n{text}");
        }
        assert_eq!(metrics.count(Kind::Upload, Outcome::Converted), 1);
        assert_eq!(metrics.volume(), volume);
    }
}
