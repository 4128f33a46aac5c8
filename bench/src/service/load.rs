//! Live streams in real time: each sends CD audio in messages of 50 ms, and reads what comes back.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _, TryStreamExt as _};
use md5::{Digest as _, Md5};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::server::Server;

/// Of one channel, a second.
const RATE: u32 = 44_100;
/// Bytes of one sample of both channels.
const STEP: usize = 4;
/// Samples of each channel in a block, which the server is not asked to change.
const BLOCK: usize = 4096;
const MESSAGES_A_SECOND: u32 = 20;
/// Bytes in a message.
const MESSAGE: usize = STEP * (RATE / MESSAGES_A_SECOND) as usize;
const PERIOD: Duration = Duration::from_millis(1000 / MESSAGES_A_SECOND as u64);
/// The time over which the streams begin, one after the other: many messages and blocks.
const STARTS: Duration = Duration::from_secs(1);
/// How long after its last message a stream may end and still has kept up.
const KEPT_UP: Duration = Duration::from_secs(1);
/// When a stream is given up.
const GIVEN_UP: Duration = Duration::from_secs(30);
/// How many connections are made at a time.
const HANDSHAKES: usize = 32;

/// What the server at the other end does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// The converter: frames, and at the end `done` with the MD5.
    Flacship,
    /// Every message comes back.
    Echo,
    /// FLAC comes somehow, and at its end the connection closes.
    Pipe,
}

/// What is asked of a server.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    pub dialect: Dialect,
    pub streams: usize,
    /// All streams have started by then, and what is measured begins.
    pub warm_up: u32,
    /// How long it is measured.
    pub seconds: u32,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    pub streams: usize,
    /// Of the server's core, while it was measured: 1 is all of it.
    pub share: f64,
    /// Resident at the end of that time, in bytes.
    pub memory: u64,
    /// From sending the last sample of a block, or a message, to the whole answer. Sorted.
    pub latencies: Vec<Duration>,
    /// How many streams ended within a second of their last message.
    pub kept_up: usize,
    /// How many streams gave what they should: the right MD5, every message, some FLAC.
    pub right: usize,
}

impl Outcome {
    /// Whether no stream was late or wrong.
    pub fn is_clean(&self) -> bool {
        self.kept_up == self.streams && self.right == self.streams
    }

    /// How many streams would fill the core.
    #[allow(clippy::cast_precision_loss)] // few
    pub fn streams_a_core(&self) -> f64 {
        self.streams as f64 / self.share
    }

    /// The latency that so many of a hundred do not exceed.
    pub fn percentile(&self, percent: usize) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        let at = (self.latencies.len() * percent / 100).min(last);
        self.latencies.get(at).copied().unwrap_or_default()
    }
}

/// How one stream went.
#[derive(Debug, Default)]
struct Went {
    latencies: Vec<Duration>,
    kept_up: bool,
    /// What the server says the MD5 of the samples is.
    md5: Option<String>,
    answers: usize,
    bytes: usize,
}

/// Puts the load on a server. Stream by stream other parts of `pcm`, in which they wrap around, are sent.
pub fn put(load: Load, server: &Server, pcm: &Bytes) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(load, server, pcm))
}

async fn run(load: Load, server: &Server, pcm: &Bytes) -> anyhow::Result<Outcome> {
    let sockets = futures::stream::iter(0..load.streams).map(|_| connect(load.dialect, server.address));
    let sockets: Vec<_> = sockets.buffered(HANDSHAKES).try_collect().await?;
    let begin = Instant::now() + Duration::from_millis(200);
    let window = begin + Duration::from_secs(load.warm_up.into());
    let window = (window, window + Duration::from_secs(load.seconds.into()));
    let messages = ((load.warm_up + load.seconds) * MESSAGES_A_SECOND + 1) as usize;
    let streams = sockets.into_iter().enumerate().map(|(number, socket)| {
        // As those of people, they do not begin together: else all would complete their blocks together, too.
        let phase = STARTS * u32::try_from(number).unwrap_or(0) / u32::try_from(load.streams).unwrap_or(1);
        let part = Part { pcm: pcm.clone(), at: start_of(number, pcm.len()), messages };
        tokio::spawn(stream(load.dialect, socket, part, begin + phase, window))
    });
    let streams: Vec<_> = streams.collect();
    sleep_until(window.0).await;
    let before = server.taken()?;
    sleep_until(window.1).await;
    let after = server.taken()?;
    let mut outcome = Outcome {
        streams: load.streams,
        share: after.since(before).as_secs_f64() / (window.1 - window.0).as_secs_f64(),
        memory: after.memory,
        ..Outcome::default()
    };
    // All of them, before any is checked: that takes time that the others would have to wait.
    let ended: Vec<_> = futures::future::join_all(streams).await;
    for (number, went) in ended.into_iter().enumerate() {
        let went = went?.with_context(|| format!("stream {number}"))?;
        let right = match load.dialect {
            Dialect::Flacship => went.md5 == Some(md5_of(pcm, start_of(number, pcm.len()), messages)),
            Dialect::Echo => went.answers == messages,
            Dialect::Pipe => went.bytes > 0,
        };
        outcome.right += usize::from(right);
        outcome.kept_up += usize::from(went.kept_up);
        outcome.latencies.extend(went.latencies);
    }
    outcome.latencies.sort_unstable();
    Ok(outcome)
}

/// Where a stream begins in the sound.
fn start_of(number: usize, length: usize) -> usize {
    (number * 7_919_003 * STEP) % length
}

/// The audio of one stream.
struct Part {
    pcm: Bytes,
    at: usize,
    messages: usize,
}

impl Part {
    fn message(&self, number: usize) -> Bytes {
        piece(&self.pcm, self.at, number)
    }
}

/// A message's bytes; where the sound ends it is a copy of both ends of it.
fn piece(pcm: &Bytes, at: usize, number: usize) -> Bytes {
    let from = (at + number * MESSAGE) % pcm.len();
    if from + MESSAGE <= pcm.len() {
        return pcm.slice(from..from + MESSAGE);
    }
    let rest = MESSAGE - (pcm.len() - from);
    [&pcm[from..], &pcm[..rest]].concat().into()
}

fn md5_of(pcm: &Bytes, at: usize, messages: usize) -> String {
    let mut md5 = Md5::new();
    for number in 0..messages {
        md5.update(piece(pcm, at, number));
    }
    format!("{:032x}", u128::from_be_bytes(md5.finalize().into()))
}

type Socket = WebSocketStream<TcpStream>;

async fn connect(dialect: Dialect, address: SocketAddr) -> anyhow::Result<Socket> {
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    let mut request = format!("ws://{address}/ws").into_client_request()?;
    if dialect == Dialect::Flacship {
        request.headers_mut().insert("sec-websocket-protocol", "flacship.v1".parse()?);
    }
    let (mut socket, _) = client_async(request, tcp).await?;
    if dialect == Dialect::Flacship {
        let start = r#"{"type":"start","format":"pcm","sample_rate":44100,"channels":2,"bits_per_sample":16}"#;
        socket.send(Message::text(start)).await?;
    }
    Ok(socket)
}

async fn stream(
    dialect: Dialect,
    mut socket: Socket,
    part: Part,
    begin: Instant,
    window: (Instant, Instant),
) -> anyhow::Result<Went> {
    let mut running = Running { dialect, sent: Vec::with_capacity(part.messages), window, went: Went::default() };
    let due = |number: usize| begin + PERIOD * u32::try_from(number).unwrap_or(u32::MAX);
    let given_up = due(part.messages) + GIVEN_UP;
    loop {
        let number = running.sent.len();
        tokio::select! {
            biased;
            () = sleep_until(due(number)), if number < part.messages => {
                running.sent.push(Instant::now());
                socket.send(Message::Binary(part.message(number))).await?;
                if number + 1 == part.messages && dialect != Dialect::Echo {
                    socket.send(Message::text(r#"{"type":"end"}"#)).await?;
                }
            }
            message = timeout_at(given_up, socket.next()) => {
                let Some(message) = message.context("it did not end")?.transpose()? else { break };
                let ended = running.take(&message)? == Ended::Yes;
                if ended || (dialect == Dialect::Echo && running.went.answers == part.messages) {
                    break;
                }
            }
        }
    }
    let Running { sent, mut went, .. } = running;
    // A server may be gone that has said all.
    let _ = socket.close(None).await;
    ensure!(sent.len() == part.messages, "the server closed after {} messages", sent.len());
    went.kept_up = Instant::now() <= due(part.messages - 1) + KEPT_UP;
    Ok(went)
}

/// A stream under way.
struct Running {
    dialect: Dialect,
    /// When each message was sent.
    sent: Vec<Instant>,
    /// Answers to what was sent in this time count.
    window: (Instant, Instant),
    went: Went,
}

#[derive(Debug, PartialEq, Eq)]
enum Ended {
    Yes,
    No,
}

impl Running {
    fn take(&mut self, message: &Message) -> anyhow::Result<Ended> {
        match message {
            Message::Binary(bytes) => self.binary(bytes),
            Message::Text(text) => {
                let said: Value = serde_json::from_str(text)?;
                match said["type"].as_str() {
                    Some("done") => {
                        self.went.md5 = said["md5"].as_str().map(str::to_owned);
                        return Ok(Ended::Yes);
                    }
                    Some("error") => bail!("the server says: {text}"),
                    _ => {}
                }
            }
            Message::Close(_) => return Ok(Ended::Yes),
            _ => {}
        }
        Ok(Ended::No)
    }

    fn binary(&mut self, bytes: &Bytes) {
        let went = &mut self.went;
        went.bytes += bytes.len();
        let of = match self.dialect {
            // The message with the last sample of the block.
            Dialect::Flacship if is_frame(bytes) => ((went.answers + 1) * BLOCK * STEP).div_ceil(MESSAGE) - 1,
            Dialect::Echo => went.answers,
            _ => return,
        };
        went.answers += 1;
        // The last frame is shorter, and it is the end that makes it.
        let (from, to) = self.window;
        if let Some(sent) = self.sent.get(of).filter(|sent| (from..to).contains(sent)) {
            went.latencies.push(sent.elapsed());
        }
    }
}

/// Whether a message is a frame and not the head (RFC 9639 §9.1).
fn is_frame(bytes: &[u8]) -> bool {
    matches!(bytes, [0xff, 0xf8 | 0xf9, ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_wrap_around_where_the_sound_ends() {
        let pcm: Bytes = (0..=255u8).cycle().take(MESSAGE + 100).collect::<Vec<_>>().into();
        let joined = [piece(&pcm, 40, 0), piece(&pcm, 40, 1)].concat();
        let expected: Vec<u8> = pcm.iter().chain(&pcm).chain(&pcm).skip(40).take(2 * MESSAGE).copied().collect();
        assert!(joined == expected);
    }

    #[test]
    fn percentiles_are_of_the_sorted_latencies() {
        let outcome = Outcome { latencies: (0..200).map(Duration::from_millis).collect(), ..Outcome::default() };
        assert_eq!(outcome.percentile(50), Duration::from_millis(100));
        assert_eq!(outcome.percentile(99), Duration::from_millis(198));
        assert_eq!(outcome.percentile(100), Duration::from_millis(199));
        assert_eq!(Outcome::default().percentile(99), Duration::ZERO);
    }
}
