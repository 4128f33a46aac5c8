//! What the server counts, for `/metrics` (OpenMetrics) and `/status`. Every label has a fixed set of values, so that no
//! client can make the number of series grow.

use std::{sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::{Registry, Unit},
};

use super::{problem::Failure, process::Process, token::Refusal};

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

/// How full the server may become.
#[derive(Debug, Clone, Copy)]
pub(super) struct Most {
    pub conversions: usize,
    pub queued: usize,
    pub streams: u32,
}

/// How full it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Levels {
    /// Live streams.
    pub streams: u32,
    /// Whether more of them are refused for now.
    pub reserved: bool,
    /// Places taken among those that convert.
    pub conversions: usize,
    /// Uploads that wait for one.
    pub queued: usize,
    /// Bytes of results.
    pub spool: u64,
    pub draining: bool,
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
    most: Family<ByKind, Gauge>,
    queued: Gauge,
    most_queued: Gauge,
    queue_time: Histogram,
    upload_size: Histogram,
    errors: Family<Code, Counter>,
    resumed: Counter,
    tokens: Counter,
    refused_tokens: Family<Code, Counter>,
    spool: Gauge,
    draining: Gauge,
    reserved: Gauge,
}

impl Metrics {
    pub(super) fn new(most: Most) -> Self {
        let mut all = Registry::default();
        let registry = all.sub_registry_with_prefix("flacship_converter");
        let metrics = Self {
            conversions: Family::default(),
            bytes_in: Family::default(),
            bytes_out: Family::default(),
            audio: Family::default(),
            duration: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.005, 2.5, 14))),
            active: Family::default(),
            most: Family::default(),
            queued: Gauge::default(),
            most_queued: Gauge::default(),
            // From a millisecond to four minutes.
            queue_time: Histogram::new(exponential_buckets(0.001, 4.0, 10)),
            // From 64 KiB to 16 GiB.
            upload_size: Histogram::new(exponential_buckets(65_536.0, 8.0, 7)),
            errors: Family::default(),
            resumed: Counter::default(),
            tokens: Counter::default(),
            refused_tokens: Family::default(),
            spool: Gauge::default(),
            draining: Gauge::default(),
            reserved: Gauge::default(),
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
            "Conversions under way, by way in; those that wait for their turn are queued_conversions",
            metrics.active.clone(),
        );
        registry.register("max_conversions", "Conversions that may be under way, by way in", metrics.most.clone());
        registry.register("queued_conversions", "Uploads that wait for their turn", metrics.queued.clone());
        registry.register(
            "max_queued_conversions",
            "Uploads that may wait for their turn",
            metrics.most_queued.clone(),
        );
        registry.register_with_unit(
            "queue_wait",
            "Time that uploads waited for their turn, nought for those that had it at once",
            Unit::Seconds,
            metrics.queue_time.clone(),
        );
        registry.register_with_unit(
            "upload_size",
            "Size of the uploads that were converted",
            Unit::Bytes,
            metrics.upload_size.clone(),
        );
        registry.register("errors", "Errors told to clients or met with them, by code", metrics.errors.clone());
        registry.register("resumed_streams", "Streams that went on after a lost connection", metrics.resumed.clone());
        registry.register("stream_tokens", "Tokens handed out, to resume streams by", metrics.tokens.clone());
        registry.register("refused_stream_tokens", "Tokens not honoured, by code", metrics.refused_tokens.clone());
        registry.register_with_unit("spool_used", "Results held", Unit::Bytes, metrics.spool.clone());
        registry.register("draining", "1 once the server is stopping", metrics.draining.clone());
        registry.register(
            "reserved",
            "1 while a reservation keeps new streams away; those it turned away are errors of code reserved",
            metrics.reserved.clone(),
        );
        registry.register("build", "Which program this is", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        all.register_collector(Box::new(Process::new()));
        metrics.most_queued.set(gauged(most.queued));
        metrics.most.get_or_create(&Kind::Upload.label()).set(gauged(most.conversions));
        metrics.most.get_or_create(&Kind::Stream.label()).set(most.streams.into());
        for kind in Kind::ALL {
            // A series that is there from the start can be alerted on before its first event.
            for outcome in Outcome::ALL {
                drop(metrics.conversions.get_or_create(&outcome.label(kind)));
            }
        }
        for refusal in [Failure::TooManyStreams { limit: most.streams }, Failure::Reserved] {
            drop(metrics.errors.get_or_create(&Code { code: refusal.code() }));
        }
        for refusal in Refusal::ALL {
            drop(metrics.refused_tokens.get_or_create(&Code { code: refusal.code() }));
        }
        Self { registry: all, ..metrics }
    }

    /// An upload waited for its turn.
    pub(super) fn waited(&self, time: Duration) {
        self.queue_time.observe(time.as_secs_f64());
    }

    /// Counts a conversion that ended after `seconds`.
    pub(super) fn ended(&self, kind: Kind, outcome: Outcome, volume: Volume, seconds: f64) {
        self.conversions.get_or_create(&outcome.label(kind)).inc();
        let labels = kind.label();
        self.bytes_in.get_or_create(&labels).inc_by(volume.bytes_in);
        self.bytes_out.get_or_create(&labels).inc_by(volume.bytes_out);
        self.audio.get_or_create(&labels).inc_by(volume.audio_seconds);
        self.duration.get_or_create(&labels).observe(seconds);
        if (kind, outcome) == (Kind::Upload, Outcome::Converted) {
            #[allow(clippy::cast_precision_loss, reason = "a bucket is factors wide")]
            self.upload_size.observe(volume.bytes_in as f64);
        }
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
    pub(super) fn render(&self, levels: Levels) -> Result<String, std::fmt::Error> {
        self.active.get_or_create(&Kind::Upload.label()).set(gauged(levels.conversions));
        self.active.get_or_create(&Kind::Stream.label()).set(levels.streams.into());
        self.reserved.set(i64::from(levels.reserved));
        self.queued.set(gauged(levels.queued));
        self.spool.set(i64::try_from(levels.spool).unwrap_or(i64::MAX));
        self.draining.set(i64::from(levels.draining));
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

fn gauged(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_shows() {
        let metrics = Metrics::new(Most { conversions: 3, queued: 4, streams: 5 });
        metrics.waited(Duration::from_millis(2));
        let volume = Volume { bytes_in: 10, bytes_out: 7, audio_seconds: 0.5 };
        metrics.ended(Kind::Upload, Outcome::Converted, volume, 0.01);
        metrics.error("not_wav");
        let levels = Levels { streams: 1, reserved: true, conversions: 2, queued: 1, spool: 42, draining: true };
        let text = metrics.render(levels).unwrap();
        for line in [
            "flacship_converter_conversions_total{kind=\"upload\",outcome=\"converted\"} 1",
            "flacship_converter_conversions_total{kind=\"stream\",outcome=\"failed\"} 0",
            "flacship_converter_input_bytes_total{kind=\"upload\"} 10",
            "flacship_converter_output_bytes_total{kind=\"upload\"} 7",
            "flacship_converter_audio_seconds_total{kind=\"upload\"} 0.5",
            "flacship_converter_conversion_duration_seconds_count{kind=\"upload\"} 1",
            "flacship_converter_active_conversions{kind=\"stream\"} 1",
            "flacship_converter_active_conversions{kind=\"upload\"} 2",
            "flacship_converter_max_conversions{kind=\"stream\"} 5",
            "flacship_converter_max_conversions{kind=\"upload\"} 3",
            "flacship_converter_queued_conversions 1",
            "flacship_converter_max_queued_conversions 4",
            "flacship_converter_queue_wait_seconds_bucket{le=\"0.001\"} 0",
            "flacship_converter_queue_wait_seconds_bucket{le=\"0.004\"} 1",
            "flacship_converter_upload_size_bytes_sum 10.0",
            concat!("flacship_converter_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
            "flacship_converter_errors_total{code=\"not_wav\"} 1",
            "flacship_converter_spool_used_bytes 42",
            "flacship_converter_errors_total{code=\"reserved\"} 0",
            "flacship_converter_draining 1",
            "flacship_converter_reserved 1",
            "# EOF",
        ] {
            assert!(text.lines().any(|got| got == line), "{line} is missing in\n{text}");
        }
        assert_eq!(metrics.count(Kind::Upload, Outcome::Converted), 1);
        assert_eq!(metrics.volume(), volume);
    }
}
