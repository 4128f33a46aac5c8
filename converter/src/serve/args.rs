//! The flags of `converter serve`, and the small value types that they parse into.
//!
//! Every flag is also an environment variable, `FLACSHIP_` and the flag's name, so that a container needs no arguments.
//! What the values do lives with the code that uses them.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use crate::bytesize::{ByteSize, ByteSizeError};
use crate::convert::{Engine, Float, Level, Metadata};
use crate::flac::BLOCK_SIZE;
use otlp::Endpoint;

/// Flags of `converter serve`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Address of the page, `/convert` and `/ws`.
    #[arg(long, env = "FLACSHIP_LISTEN", value_name = "ADDR:PORT", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,

    /// Address of the health probes and metrics; keep it inside the cluster.
    #[arg(long, env = "FLACSHIP_ADMIN_LISTEN", value_name = "ADDR:PORT", default_value = "0.0.0.0:9090")]
    pub admin_listen: SocketAddr,

    /// Certificate by which the page, `/convert` and `/ws` are served over HTTPS, and over nothing else: a PEM file, the
    /// server's own first, then the authorities between. It is read again when it changes, together with --tls-key; the
    /// admin port stays as it is [default: plain HTTP].
    #[arg(long, env = "FLACSHIP_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// The private key of --tls-cert: a PEM file without a password.
    #[arg(long, env = "FLACSHIP_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Compression level where a request names none: 0 (fastest) to 8 (smallest).
    #[arg(long, env = "FLACSHIP_LEVEL", value_name = "0-8", default_value = "5")]
    pub level: Level,

    /// Which encoder makes the frames: native (our own with this CPU's vector instructions), portable (the same one
    /// without them: the same bytes, more slowly) or flacenc (the Rust crate of that name).
    #[arg(long, env = "FLACSHIP_ENGINE", value_name = "ENGINE", default_value_t)]
    pub engine: Engine,

    /// Samples in each FLAC frame where a request names none: 16 to 65535.
    #[arg(long, env = "FLACSHIP_BLOCK_SIZE", value_name = "SAMPLES", default_value_t = BLOCK_SIZE, value_parser = clap::value_parser!(u16).range(16..))]
    pub block_size: u16,

    /// Decode every frame and compare it with the input where a request does not say.
    #[arg(long, env = "FLACSHIP_VERIFY", value_name = "true|false", action = clap::ArgAction::Set, default_value_t = false)]
    pub verify: bool,

    /// What is kept beside the audio where a request does not say: tags, or foreign for every byte of the WAV.
    #[arg(long, env = "FLACSHIP_METADATA", value_name = "tags|foreign", default_value_t)]
    pub metadata: Metadata,

    /// What becomes of floating-point samples where a request does not say: refuse, or quantise to 16 or 24 bits.
    #[arg(long, env = "FLACSHIP_FLOAT", value_name = "refuse|16|24", default_value_t)]
    pub float: Float,

    /// How much of a WAV's metadata is held in memory, for each conversion.
    #[arg(long, env = "FLACSHIP_MAX_METADATA", value_name = "SIZE", default_value = "4Mi", value_parser = positive_size)]
    pub max_metadata: ByteSize,

    /// Largest WAV that `/convert` takes: bytes, or with Ki, Mi, Gi, Ti, k, M, G, T.
    #[arg(long, env = "FLACSHIP_MAX_UPLOAD_SIZE", value_name = "SIZE", default_value = "2Gi", value_parser = positive_size)]
    pub max_upload_size: ByteSize,

    /// How many uploads are converted at once.
    #[arg(long, env = "FLACSHIP_MAX_CONVERSIONS", value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_conversions: u32,

    /// How many uploads wait, first come, first served, while as many as may are converted; beyond it requests get 429.
    #[arg(long, env = "FLACSHIP_MAX_QUEUE", value_name = "N", default_value_t = 256)]
    pub max_queue: u32,

    /// Slowest upload that is borne, in bytes a second, over a time of --idle-timeout; 0 for any.
    #[arg(long, env = "FLACSHIP_MIN_UPLOAD_RATE", value_name = "SIZE", default_value = "1Ki")]
    pub min_upload_rate: ByteSize,

    /// How long one upload may take, from its turn to its last sample; 0s for any time.
    #[arg(long, env = "FLACSHIP_CONVERSION_TIMEOUT", value_name = "TIME", default_value = "1h", value_parser = time)]
    pub conversion_timeout: Duration,

    /// Folder for results that outgrow memory [default: the system's folder for temporary files].
    #[arg(long, env = "FLACSHIP_SPOOL_DIR", value_name = "DIR")]
    pub spool_dir: Option<PathBuf>,

    /// How much of one result is held in memory before it goes to a file.
    #[arg(long, env = "FLACSHIP_SPOOL_MEMORY", value_name = "SIZE", default_value = "1Mi")]
    pub spool_memory: ByteSize,

    /// Bound on all results held at once, in memory and in files; beyond it requests get 503.
    #[arg(long, env = "FLACSHIP_SPOOL_SIZE", value_name = "SIZE", default_value = "4Gi", value_parser = positive_size)]
    pub spool_size: ByteSize,

    /// Largest head of a request: its line and headers.
    #[arg(long, env = "FLACSHIP_MAX_HEAD_SIZE", value_name = "SIZE", default_value = "64Ki", value_parser = positive_size)]
    pub max_head_size: ByteSize,

    /// How long a client may take for a request's head, and rest between requests.
    #[arg(long, env = "FLACSHIP_HEADER_TIMEOUT", value_name = "TIME", default_value = "30s", value_parser = positive_time)]
    pub header_timeout: Duration,

    /// How long a client may send nothing of a body or stream, or read nothing of an answer.
    #[arg(long, env = "FLACSHIP_IDLE_TIMEOUT", value_name = "TIME", default_value = "60s", value_parser = positive_time)]
    pub idle_timeout: Duration,

    /// After SIGTERM: how long new work is still taken, while the cluster learns that this server is leaving.
    #[arg(long, env = "FLACSHIP_DRAIN_DELAY", value_name = "TIME", default_value = "5s", value_parser = time)]
    pub drain_delay: Duration,

    /// After SIGTERM: when the server ends, even if work is unfinished.
    #[arg(long = "drain-seconds", alias = "drain-timeout", env = "FLACSHIP_DRAIN_SECONDS", value_name = "TIME", default_value = "300s", value_parser = time)]
    pub drain_timeout: Duration,

    /// Live streams at once; further ones are told to try later.
    #[arg(long, env = "FLACSHIP_MAX_STREAMS", value_name = "COUNT", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_streams: u32,

    /// Longest time that `POST /reserve` on the admin port may keep new live streams away.
    #[arg(long, env = "FLACSHIP_MAX_RESERVATION", value_name = "TIME", default_value = "5m", value_parser = positive_time)]
    pub max_reservation: Duration,

    /// How long a live stream may last, over all its connections.
    #[arg(long, env = "FLACSHIP_MAX_STREAM_DURATION", value_name = "TIME", default_value = "24h", value_parser = positive_time)]
    pub max_stream_duration: Duration,

    /// File with the keys that sign the tokens by which streams resume after a lost connection: hex or base64, one a
    /// line, or one key of raw bytes. The first signs, all are honoured; the file is read again when it changes. Give
    /// all servers the same one [default: a random key, which ends with this process].
    #[arg(long, env = "FLACSHIP_STREAM_KEY_FILE", value_name = "FILE")]
    pub stream_key_file: Option<PathBuf>,

    /// How long a stream can be resumed after its last token came.
    #[arg(long, env = "FLACSHIP_STREAM_TOKEN_TTL", value_name = "TIME", default_value = "24h", value_parser = time)]
    pub stream_token_ttl: Duration,

    /// How often a stream is given a token to resume by, while frames come; 0s: after every frame.
    #[arg(long, env = "FLACSHIP_CHECKPOINT_INTERVAL", value_name = "TIME", default_value = "1s", value_parser = time)]
    pub checkpoint_interval: Duration,

    /// File with the bearer tokens that let clients in, one a line; it is read again when it changes
    /// [default: everybody is let in].
    #[arg(long, env = "FLACSHIP_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// Largest WebSocket message.
    #[arg(long, env = "FLACSHIP_WS_MAX_MESSAGE", value_name = "SIZE", default_value = "1Mi", value_parser = positive_size)]
    pub ws_max_message: ByteSize,

    /// Largest WebSocket message that holds a whole WAV, which is how clients of older services send it.
    #[arg(long, env = "FLACSHIP_WS_MAX_WHOLE", value_name = "SIZE", default_value = "64Mi", value_parser = positive_size)]
    pub ws_max_whole: ByteSize,

    /// Memory for all such messages together; what finds no room is told that it is too large.
    #[arg(long, env = "FLACSHIP_WS_WHOLE_MEMORY", value_name = "SIZE", default_value = "256Mi", value_parser = positive_size)]
    pub ws_whole_memory: ByteSize,

    /// How long a client has to take a stream's last words and close its side.
    #[arg(long, env = "FLACSHIP_CLOSE_TIMEOUT", value_name = "TIME", default_value = "5s", value_parser = positive_time)]
    pub close_timeout: Duration,

    /// A further origin whose pages may open `/ws` and, by CORS, use `/convert`, `/status` and `/openapi.json`, such as
    /// https://studio.example; `*` for all [default: this server's own].
    #[arg(
        long = "allowed-origin",
        alias = "allowed-origins",
        env = "FLACSHIP_ALLOWED_ORIGIN",
        value_name = "ORIGIN",
        value_delimiter = ','
    )]
    pub allowed_origins: Vec<String>,

    /// How log lines look. Which are written follows RUST_LOG [default: info].
    #[arg(long, env = "FLACSHIP_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,

    /// Collector of OpenTelemetry that traces are sent to, by OTLP over HTTP, such as http://collector:4318. The usual
    /// variables are honoured too: `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_SERVICE_NAME`, `OTEL_TRACES_SAMPLER` and their kin
    /// [default: no traces].
    #[arg(long, env = "FLACSHIP_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<Endpoint>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A size or time that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// No size.
    #[error(transparent)]
    Size(#[from] ByteSizeError),
    /// No duration.
    #[error("`{0}` is no time; write for example 30s, 5m, 1m30s, 500ms, or 30 for seconds")]
    Time(String),
    /// Nought where that would switch the service off.
    #[error("must be more than 0")]
    Zero,
}

fn positive_size(text: &str) -> Result<ByteSize, ValueError> {
    let size: ByteSize = text.parse()?;
    if size.0 == 0 { Err(ValueError::Zero) } else { Ok(size) }
}

pub(super) fn time(text: &str) -> Result<Duration, ValueError> {
    let error = || ValueError::Time(text.to_owned());
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    text.trim().parse::<jiff::SignedDuration>().map_err(|_| error())?.try_into().map_err(|_| error())
}

fn positive_time(text: &str) -> Result<Duration, ValueError> {
    time(text).and_then(|time| if time.is_zero() { Err(ValueError::Zero) } else { Ok(time) })
}

#[cfg(test)]
pub(super) mod tests {
    use clap::Parser as _;

    use super::*;

    /// What is so where nothing else is asked for.
    pub(in crate::serve) fn defaults() -> Args {
        #[derive(clap::Parser)]
        struct Probe {
            #[command(flatten)]
            args: Args,
        }
        Probe::try_parse_from(["serve"]).unwrap().args
    }

    #[test]
    fn a_size_that_must_be_more_than_nothing_is() {
        assert_eq!(positive_size("64Ki"), Ok(ByteSize(65_536)));
        assert_eq!(positive_size("0"), Err(ValueError::Zero));
        assert!(matches!(positive_size("ten"), Err(ValueError::Size(_))));
    }

    #[test]
    fn times_have_units_or_are_seconds() {
        assert_eq!(time("60s"), Ok(Duration::from_mins(1)));
        assert_eq!(time("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(time("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(time("0s"), Ok(Duration::ZERO));
        assert_eq!(time("300"), Ok(Duration::from_mins(5)));
        for text in ["", "soon", "-5s"] {
            assert!(time(text).is_err(), "{text}");
        }
        assert_eq!(positive_time("0s"), Err(ValueError::Zero));
    }
}
