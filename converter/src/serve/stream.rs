//! `GET /ws`: audio comes in binary messages split anywhere, FLAC goes out as whole frames while the audio still comes.
//!
//! Back-pressure is the order of things: the socket is read only when the encoder has nothing to do and its frames have
//! been sent. So a client that sends too fast is slowed by TCP, and one that does not read is given up by the
//! socket's own deadline.

use std::{io, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Extension, Request, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message,
        error::ProtocolError,
        handshake::server::create_response_with_body,
        protocol::{CloseFrame, Role, WebSocketConfig},
    },
};

use super::{
    args::Args,
    convert::seconds,
    encode::Encoder,
    messages::{self, Said, Say},
    metrics::{Kind, Outcome, Volume},
    options::{self, StreamOptions},
    origin,
    problem::{Failure, close},
    request::RequestId,
    shutdown::Phase,
    state::{App, outcome_of},
};
use crate::convert::{Output, Summary};

/// The name of this protocol, for clients that ask for it by name.
const SUBPROTOCOL: &str = "flacship.v1";
/// How often an idle connection is kept alive through proxies.
const PING_EVERY: Duration = Duration::from_secs(20);
/// How long the client may take to close its side.
const CLOSING: Duration = Duration::from_secs(5);
/// Most audio that is encoded before its frames are sent: 0.3 s of CD audio.
const SLICE: usize = 64 * 1024;

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Handles `GET /ws`. Only what a browser must not get past is refused before the upgrade: it shows a page nothing of a
/// refused handshake.
pub(super) async fn upgrade(
    State(app): State<Arc<App>>,
    Extension(RequestId(id)): Extension<RequestId>,
    mut request: Request,
) -> Response {
    if let Err(failure) = origin::check(request.headers(), &app.args.allowed_origins) {
        return failure.into_response();
    }
    let mut response = match create_response_with_body(&request, Body::empty) {
        Ok(response) => response,
        Err(error) => {
            let mut response = Failure::NoUpgrade(error.to_string()).into_response();
            response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            return response;
        }
    };
    let offered = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    if offered
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .any(|it| it.trim() == SUBPROTOCOL)
    {
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    }
    let asked = options::stream(request.uri());
    let upgrade = hyper::upgrade::on(&mut request);
    // Held until the stream's last byte, so that the server does not end before it.
    let open = app.connections.token();
    tokio::spawn(async move {
        serve(&app, &id, asked, upgrade).await;
        drop(open);
    });
    response
}

/// One stream from its upgrade to its close.
async fn serve(app: &Arc<App>, id: &str, asked: Result<StreamOptions, Failure>, upgrade: OnUpgrade) {
    let Ok(upgraded) = upgrade.await else { return };
    let mut socket =
        WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config(&app.args))).await;
    let started = Instant::now();
    let (result, running) = match app.begin(Kind::Stream) {
        Ok(running) => (converse(app, id, asked, &mut socket).await, Some(running)),
        Err(failure) => (Err(failure), None),
    };
    let (outcome, volume, code, closed) = match &result {
        Ok(summary) => {
            let (bytes_in, bytes_out) = (summary.bytes_in, summary.bytes_out);
            let volume = Volume { bytes_in, bytes_out, audio_seconds: seconds(summary) };
            let closed = finish(&mut socket, &Say::done(summary), close::NORMAL, "done").await;
            (Outcome::Converted, volume, "", closed)
        }
        Err(failure) => {
            app.metrics.error(failure.code());
            if let Some(cause) = failure.cause() {
                tracing::error!(request_id = id, cause, "a stream failed through the server's fault");
            }
            let closed = finish(&mut socket, &Say::error(failure), failure.close_code(), failure.code()).await;
            (outcome_of(failure), Volume::default(), failure.code(), closed)
        }
    };
    if let Some(mut running) = running {
        running.end(outcome, volume);
    }
    tracing::info!(
        request_id = id,
        method = "GET",
        path = "/ws",
        status = 101,
        outcome = outcome.name(),
        code,
        closed = closed.is_ok(),
        bytes_in = volume.bytes_in,
        bytes_out = volume.bytes_out,
        audio_seconds = volume.audio_seconds,
        seconds = started.elapsed().as_secs_f64(),
        "stream"
    );
}

fn config(args: &Args) -> WebSocketConfig {
    let largest = usize::try_from(args.ws_max_message.0).unwrap_or(usize::MAX);
    WebSocketConfig::default()
        .read_buffer_size(16 * 1024)
        .write_buffer_size(16 * 1024)
        // Frames are sent one after another, so what waits is at most one slice's.
        .max_write_buffer_size(4 * SLICE)
        .max_message_size(Some(largest))
        .max_frame_size(Some(largest))
}

/// The frames that one slice of audio made.
#[derive(Debug, Default)]
struct Frames(Vec<Bytes>);

impl Output for Frames {
    fn head(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.push(Bytes::copy_from_slice(bytes));
        Ok(())
    }

    fn frame(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.head(bytes)
    }
}

/// What the client wants next.
enum Next {
    Audio(Bytes),
    Start(StreamOptions),
    End,
}

/// Everything up to the last frame.
async fn converse(
    app: &Arc<App>,
    id: &str,
    asked: Result<StreamOptions, Failure>,
    socket: &mut Socket,
) -> Result<Summary, Failure> {
    let mut asked = asked?;
    let ready = Say::Ready {
        id,
        max_message_bytes: app.args.ws_max_message.0,
        idle_timeout_seconds: app.args.idle_timeout.as_secs_f64(),
    };
    send(socket, Message::text(ready.to_json()?)).await?;

    let mut ping = interval(PING_EVERY);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ping.reset();
    let mut idle_at = Instant::now() + app.args.idle_timeout;
    let mut encoder: Option<Encoder<Frames>> = None;
    let mut audio = Bytes::new();
    let mut format_said = false;
    let mut started = false;
    loop {
        let busy = encoder.as_ref().is_some_and(Encoder::is_busy);
        if !busy && !audio.is_empty() {
            let slice = audio.split_to(audio.len().min(SLICE));
            let running = match &mut encoder {
                Some(running) => running,
                None => encoder.insert(new_encoder(app, &asked)?),
            };
            running.start(vec![slice]).await?;
            continue;
        }
        tokio::select! {
            biased;
            () = app.shutdown.reached(Phase::Over) => return Err(Failure::CutOff),
            settled = settle(&mut encoder), if busy => {
                settled?;
                if let Some((conversion, frames)) = encoder.as_mut().and_then(Encoder::idle) {
                    if let (Some(format), false) = (conversion.format(), format_said) {
                        format_said = true;
                        send(socket, Message::text(Say::format(format).to_json()?)).await?;
                    }
                    deliver(socket, frames).await?;
                }
                idle_at = Instant::now() + app.args.idle_timeout;
            }
            _ = ping.tick() => send(socket, Message::Ping(Bytes::new())).await?,
            next = next(socket, &app.args), if !busy => {
                idle_at = Instant::now() + app.args.idle_timeout;
                match next? {
                    Next::Audio(bytes) => audio = bytes,
                    Next::Start(_) if started || encoder.is_some() => return Err(Failure::LateStart),
                    Next::Start(options) => {
                        started = true;
                        asked = options.or(&asked);
                        // Refused at once, not with the first audio.
                        asked.resolve(&app.args)?;
                    }
                    Next::End => break,
                }
            }
            () = sleep_until(idle_at), if !busy => {
                return Err(Failure::Idle { seconds: app.args.idle_timeout.as_secs() });
            }
        }
    }
    let encoder = match encoder {
        Some(encoder) => encoder,
        None => new_encoder(app, &asked)?,
    };
    let (result, frames) = encoder.finish().await;
    let summary = result?;
    if !format_said {
        send(socket, Message::text(Say::format(&summary.format).to_json()?)).await?;
    }
    deliver(socket, &mut frames.unwrap_or_default()).await?;
    Ok(summary)
}

fn new_encoder(app: &App, asked: &StreamOptions) -> Result<Encoder<Frames>, Failure> {
    let options = asked.resolve(&app.args)?;
    Ok(Encoder::new(&options, Frames::default(), &app.cores))
}

async fn settle(encoder: &mut Option<Encoder<Frames>>) -> Result<(), Failure> {
    match encoder {
        Some(encoder) => encoder.settle().await,
        None => Ok(()),
    }
}

/// The next thing that concerns us. Safe to drop while waiting: messages are only taken whole.
async fn next(socket: &mut Socket, args: &Args) -> Result<Next, Failure> {
    loop {
        let message = match socket.next().await {
            Some(Ok(message)) => message,
            Some(Err(error)) => return Err(receive_failure(error, args)),
            None => return Err(Failure::ClientGone),
        };
        return match message {
            Message::Binary(bytes) if bytes.is_empty() => Ok(Next::End),
            Message::Binary(bytes) => Ok(Next::Audio(bytes)),
            Message::Text(text) => Ok(match messages::parse(&text)? {
                Said::Start(options) => Next::Start(options),
                Said::End => Next::End,
            }),
            Message::Close(_) => Err(Failure::NoEnd),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
        };
    }
}

fn receive_failure(error: tungstenite::Error, args: &Args) -> Failure {
    match error {
        tungstenite::Error::Capacity(_) => Failure::MessageTooLarge { limit: args.ws_max_message },
        tungstenite::Error::Utf8(_) => Failure::MalformedMessage(String::from("this is no UTF-8")),
        tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) | tungstenite::Error::Io(_) => {
            Failure::ClientGone
        }
        other => Failure::Protocol(other.to_string()),
    }
}

/// Sends the frames that are there, each as a message of its own.
async fn deliver(socket: &mut Socket, frames: &mut Frames) -> Result<(), Failure> {
    for frame in frames.0.drain(..) {
        send(socket, Message::Binary(frame)).await?;
    }
    Ok(())
}

async fn send(socket: &mut Socket, message: Message) -> Result<(), Failure> {
    socket.send(message).await.map_err(|error| match error {
        tungstenite::Error::Io(error) if error.kind() == io::ErrorKind::TimedOut => Failure::SlowReader,
        _ => Failure::ClientGone,
    })
}

/// Says the last word, closes, and waits for the client to close too: what it still sends is read, so that the kernel does
/// not answer it with a reset that would throw the last word away.
async fn finish(socket: &mut Socket, last: &Say<'_>, code: u16, reason: &'static str) -> Result<(), Failure> {
    let close = CloseFrame { code: code.into(), reason: reason.into() };
    timeout(CLOSING, async {
        send(socket, Message::text(last.to_json()?)).await?;
        send(socket, Message::Close(Some(close))).await?;
        while let Some(Ok(_)) = socket.next().await {}
        Ok(())
    })
    .await
    .unwrap_or(Err(Failure::ClientGone))
}
