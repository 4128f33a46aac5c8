//! Traces, as a collector gets them: a real one over HTTP, which reads the protobuf; and one that is not there.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{BufRead as _, BufReader, Read as _},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span, span::SpanKind, status::StatusCode},
};
use prost::Message as _;
use tokio::{net::TcpListener, sync::mpsc};

use crate::{check::Sound, raw::Raw, stream::Client};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

type Attributes = BTreeMap<String, String>;

fn attributes(list: &[KeyValue]) -> Attributes {
    let mut all = Attributes::new();
    for pair in list {
        let value = match pair.value.as_ref().and_then(|value| value.value.as_ref()).unwrap() {
            Value::StringValue(text) => text.clone(),
            Value::IntValue(number) => number.to_string(),
            Value::DoubleValue(number) => format!("{number:?}"),
            other => panic!("{}: {other:?}", pair.key),
        };
        assert_eq!(all.insert(pair.key.clone(), value), None, "{} is there twice", pair.key);
    }
    all
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A collector.
struct Collector {
    address: SocketAddr,
    batches: mpsc::UnboundedReceiver<ExportTraceServiceRequest>,
}

/// Spans by name, and who sent them.
struct Received {
    spans: Vec<Span>,
    resource: Attributes,
}

impl Received {
    fn span(&self, name: &str) -> (&Span, Attributes) {
        let mut found = self.spans.iter().filter(|span| span.name == name);
        let span = found.next().unwrap_or_else(|| panic!("{name} is not among {:?}", self.names()));
        assert!(found.next().is_none(), "{name} is there twice");
        (span, attributes(&span.attributes))
    }

    fn names(&self) -> Vec<&str> {
        self.spans.iter().map(|span| span.name.as_str()).collect()
    }
}

impl Collector {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (told, batches) = mpsc::unbounded_channel();
        let take = async |State(told): State<mpsc::UnboundedSender<_>>, headers: HeaderMap, body: Bytes| {
            assert_eq!(headers["content-type"], "application/x-protobuf");
            told.send(ExportTraceServiceRequest::decode(body).unwrap()).unwrap();
        };
        let routes = Router::new().route("/v1/traces", post(take)).with_state(told);
        tokio::spawn(async { axum::serve(listener, routes).await.unwrap() });
        Self { address, batches }
    }

    /// All spans that came so far.
    fn received(mut self) -> Received {
        let mut received = Received { spans: Vec::new(), resource: Attributes::new() };
        while let Ok(batch) = self.batches.try_recv() {
            for group in batch.resource_spans {
                received.resource = attributes(&group.resource.unwrap().attributes);
                received.spans.extend(group.scope_spans.into_iter().flat_map(|scope| scope.spans));
            }
        }
        received
    }
}

/// `converter serve`, with its log kept.
struct Server {
    child: Child,
    address: SocketAddr,
    /// Read as it comes, lest the server wait for a reader.
    log: Option<JoinHandle<String>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(flags: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_converter"))
            .args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--drain-delay", "0s"])
            .args(flags)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address =
            line.trim().strip_prefix("Flacship is at http://").unwrap().trim_end_matches('/').parse().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let log = std::thread::spawn(move || {
            let mut log = String::new();
            stderr.read_to_string(&mut log).unwrap();
            log
        });
        Self { child, address, log: Some(log) }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Ends the server; what it logged.
    async fn end(mut self) -> String {
        assert!(Command::new("kill").arg(self.child.id().to_string()).status().unwrap().success());
        tokio::task::spawn_blocking(move || {
            let log = self.log.take().unwrap().join().unwrap();
            assert!(self.child.wait().unwrap().success(), "{log}");
            log
        })
        .await
        .unwrap()
    }
}

/// The log's line with these words.
fn line<'a>(log: &'a str, words: &[&str]) -> &'a str {
    let mut lines = log.lines();
    lines.find(|line| words.iter().all(|word| line.contains(word))).unwrap_or_else(|| panic!("{words:?} in\n{log}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_and_its_conversion_are_spans_below_the_client_s() {
    let collector = Collector::start().await;
    let server = Server::start(
        &["--otlp-endpoint", &format!("http://{}", collector.address)],
        &[("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")],
    );
    let sound = Sound::music(44_100, 2, 16);
    let answer = reqwest::Client::new()
        .post(server.url("/convert?level=3&filename=secret-name.flac"))
        .header("traceparent", format!("00-{TRACE}-{PARENT}-01"))
        .header("authorization", "Bearer secret-token")
        .header("x-request-id", "odd-id-7")
        .body(sound.wav.clone());
    let flac = answer.send().await.unwrap().bytes().await.unwrap();
    sound.assert_in(&flac);
    let failed = reqwest::Client::new().post(server.url("/convert")).body("no WAV").send().await.unwrap();
    assert_eq!(failed.status(), 415);
    reqwest::get(server.url("/secret-path.wav")).await.unwrap();
    reqwest::get(server.url("/healthz")).await.unwrap();
    let log = server.end().await;

    let received = collector.received();
    assert_eq!(received.resource["service.name"], "flacship-converter");
    assert_eq!(received.resource["service.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(received.resource["deployment.environment.name"], "test");
    // Each request, a conversion for two of them; no probe.
    let mut names = received.names();
    names.sort_unstable();
    assert_eq!(names, ["GET", "POST /convert", "POST /convert", "conversion", "conversion"]);
    assert!(!format!("{:?}", received.spans).contains("secret"), "{:?}", received.spans);

    let ours: Vec<_> = received.spans.iter().filter(|span| hex(&span.trace_id) == TRACE).collect();
    let request = ours.iter().find(|span| span.name == "POST /convert").unwrap();
    assert_eq!(hex(&request.parent_span_id), PARENT);
    assert_eq!(request.kind(), SpanKind::Server);
    let told = attributes(&request.attributes);
    let bytes = (sound.wav.len().to_string(), flac.len().to_string());
    for (name, value) in [
        ("http.request.method", "POST"),
        ("http.route", "/convert"),
        ("url.path", "/convert"),
        ("http.response.status_code", "200"),
        ("flacship.request_id", "odd-id-7"),
        ("flacship.bytes_in", &bytes.0),
        ("flacship.bytes_out", &bytes.1),
        ("flacship.audio_seconds", "1.0"),
    ] {
        assert_eq!(told.get(name).map(String::as_str), Some(value), "{name} in {told:?}");
    }
    assert!(!told.contains_key("error.type"));
    let conversion = ours.iter().find(|span| span.name == "conversion").unwrap();
    assert_eq!(conversion.parent_span_id, request.span_id);
    assert_eq!(attributes(&conversion.attributes)["flacship.outcome"], "converted");
    assert!(conversion.start_time_unix_nano >= request.start_time_unix_nano);
    assert!(conversion.end_time_unix_nano <= request.end_time_unix_nano);

    let refused = received.spans.iter().find(|span| span.name == "POST /convert" && hex(&span.trace_id) != TRACE);
    let refused = refused.unwrap();
    assert!(refused.parent_span_id.is_empty());
    let told = attributes(&refused.attributes);
    assert_eq!((told["http.response.status_code"].as_str(), told["error.type"].as_str()), ("415", "not_wav"));
    // The client's mistake is no error of the server's.
    assert!(refused.status.as_ref().is_none_or(|status| status.code() == StatusCode::Unset));

    assert!(line(&log, &["odd-id-7", "status=200"]).contains(&format!("trace_id=\"{TRACE}\"")), "{log}");
    line(&log, &["status=415", &format!("trace_id=\"{}\"", hex(&refused.trace_id))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_one_span_however_many_messages_it_has() {
    let collector = Collector::start().await;
    let endpoint = format!("http://{}/v1/traces", collector.address);
    let server = Server::start(
        &["--log-format", "text"],
        &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &endpoint), ("OTEL_SERVICE_NAME", "studio")],
    );
    let sound = Sound::music(44_100, 2, 16);
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    let (mut stream, _) = Client::connect_to(server.address, "/ws", &[("traceparent", &traceparent)]).await.unwrap();
    for piece in sound.wav.chunks(441) {
        stream.binary(piece).await;
    }
    stream.text(r#"{"type":"end"}"#).await;
    sound.assert_in(&stream.rest().await.patched());
    let mut bad = Client::connect(server.address).await;
    bad.text("no JSON").await;
    assert_eq!(bad.last_words().await.0, "malformed_message");
    let log = server.end().await;

    let received = collector.received();
    assert_eq!(received.resource["service.name"], "studio");
    assert_eq!(received.names(), ["GET /ws", "GET /ws"]);
    let span = received.spans.iter().find(|span| hex(&span.trace_id) == TRACE).unwrap();
    assert_eq!((hex(&span.parent_span_id).as_str(), span.kind()), (PARENT, SpanKind::Server));
    let told = attributes(&span.attributes);
    let bytes = sound.wav.len().to_string();
    for (name, value) in [
        ("http.request.method", "GET"),
        ("url.path", "/ws"),
        ("http.response.status_code", "101"),
        ("flacship.outcome", "converted"),
        ("flacship.bytes_in", &bytes),
        ("flacship.audio_seconds", "1.0"),
    ] {
        assert_eq!(told.get(name).map(String::as_str), Some(value), "{name} in {told:?}");
    }
    let bad = received.spans.iter().find(|span| hex(&span.trace_id) != TRACE).unwrap();
    assert_eq!(attributes(&bad.attributes)["error.type"], "malformed_message");
    line(&log, &["path=\"/ws\"", "outcome=\"converted\"", &format!("trace_id=\"{TRACE}\"")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_in_the_queue_and_an_answer_that_comes_early_are_told() {
    let collector = Collector::start().await;
    let endpoint = format!("http://{}", collector.address);
    let server = Server::start(&["--otlp-endpoint", &endpoint, "--max-conversions", "1"], &[]);
    let sound = Sound::music(30_000, 2, 16);
    let length = format!("Content-Length: {}\r\n", sound.wav.len());
    let mut first = Raw::connect(server.address).await;
    first.head("POST /convert", &format!("{length}X-Request-Id: first\r\n")).await;
    first.send(&sound.wav[..1_000]).await;
    let active = |count: usize, queued: usize| format!("\"conversions\":{count},\"queued\":{queued}");
    let until = async |words: String| {
        while !reqwest::get(server.url("/status")).await.unwrap().text().await.unwrap().contains(&words) {}
    };
    until(active(1, 0)).await;
    let mut second = Raw::connect(server.address).await;
    second.head("POST /convert?progressive=true", &format!("{length}X-Request-Id: second\r\n")).await;
    second.send(&sound.wav[..1_000]).await;
    until(active(1, 1)).await;
    first.send(&sound.wav[1_000..]).await;
    sound.assert_in(&first.answer().await.1);
    second.send(&sound.wav[1_000..]).await;
    assert!(second.answer_head().await.starts_with("HTTP/1.1 200"));
    second.chunked().await;
    server.end().await;

    let received = collector.received();
    let of = |id: &str| {
        let found = received
            .spans
            .iter()
            .find(|span| attributes(&span.attributes).get("flacship.request_id").is_some_and(|told| told == id));
        found.unwrap()
    };
    let (first, second) = (of("first"), of("second"));
    let (wait, _) = received.span("queue");
    assert_eq!((&wait.parent_span_id, &wait.trace_id), (&second.span_id, &second.trace_id));
    assert!(wait.end_time_unix_nano > wait.start_time_unix_nano);
    let conversions: Vec<_> = received.spans.iter().filter(|span| span.name == "conversion").collect();
    let parents: Vec<_> = conversions.iter().map(|span| &span.parent_span_id).collect();
    assert!(parents.len() == 2 && parents.contains(&&first.span_id) && parents.contains(&&second.span_id));
    // An answer that comes early: its span lasts as long as its conversion.
    let told = attributes(&second.attributes);
    assert_eq!(
        (told["flacship.outcome"].as_str(), told["flacship.bytes_in"].as_str()),
        ("converted", sound.wav.len().to_string().as_str())
    );
    assert_eq!(told["http.response.status_code"], "200");
}

#[tokio::test(flavor = "multi_thread")]
async fn sampling_follows_the_usual_variables() {
    let collector = Collector::start().await;
    let endpoint = format!("http://{}", collector.address);
    let server = Server::start(&["--otlp-endpoint", &endpoint], &[("OTEL_TRACES_SAMPLER", "parentbased_always_off")]);
    let client = reqwest::Client::new();
    client.get(server.url("/status")).send().await.unwrap();
    let sampled = client.get(server.url("/openapi.json")).header("traceparent", format!("00-{TRACE}-{PARENT}-01"));
    sampled.send().await.unwrap();
    let unsampled = client.get(server.url("/")).header("traceparent", format!("00-{TRACE}-{PARENT}-00"));
    unsampled.send().await.unwrap();
    server.end().await;
    assert_eq!(collector.received().names(), ["GET /openapi.json"]);
}

/// Asks for so much that the queue of spans cannot hold it.
async fn ask_much(server: &Server) {
    let client = reqwest::Client::new();
    for _ in 0..40 {
        let asked = (0..100).map(|_| async { client.get(server.url("/status")).send().await.unwrap().status() });
        assert!(futures::future::join_all(asked).await.iter().all(|status| *status == 200));
    }
    let sound = Sound::music(1_000, 1, 16);
    let answer = client.post(server.url("/convert")).body(sound.wav.clone()).send().await.unwrap();
    sound.assert_in(&answer.bytes().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_costs_nobody_anything() {
    // A port that nobody listens on.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let server = Server::start(
        &["--otlp-endpoint", &format!("http://{gone}")],
        &[("OTEL_BSP_SCHEDULE_DELAY", "10"), ("RUST_LOG", "warn")],
    );
    ask_much(&server).await;
    let stopping = Instant::now();
    let log = server.end().await;
    assert!(stopping.elapsed() < Duration::from_secs(15), "{:?}", stopping.elapsed());
    assert_eq!(log.matches("traces do not reach their collector").count(), 1, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_never_answers_costs_nobody_anything() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let accepted = tokio::spawn(async move {
        let mut held = Vec::new();
        loop {
            held.push(silent.accept().await.unwrap());
        }
    });
    let server = Server::start(
        &["--otlp-endpoint", &format!("http://{address}")],
        &[("OTEL_BSP_SCHEDULE_DELAY", "10"), ("RUST_LOG", "warn")],
    );
    ask_much(&server).await;
    let stopping = Instant::now();
    let log = server.end().await;
    assert!(stopping.elapsed() < Duration::from_secs(12), "{:?}", stopping.elapsed());
    // More spans than the queue holds: said once, and counted at the end.
    assert_eq!(log.matches("dropped a Span due to queue full").count(), 1, "{log}");
    assert_eq!(log.matches("dropped_span_count").count(), 1, "{log}");
    accepted.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_collector_nothing_is_said_of_traces() {
    let server = Server::start(&[], &[]);
    let request = reqwest::Client::new().get(server.url("/status"));
    request.header("traceparent", format!("00-{TRACE}-{PARENT}-01")).send().await.unwrap();
    let log = server.end().await;
    let access = line(&log, &["path=\"/status\""]);
    assert!(!access.contains("trace_id") && !access.contains("flacship_trace"), "{access}");
}
