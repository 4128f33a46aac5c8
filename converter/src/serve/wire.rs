//! The WebSocket of a stream: its bounds, what comes and goes on it, and its close. What the messages mean is
//! [`super::talk`]'s.

use std::{io, time::Duration};

use bytes::Bytes;
use futures::{SinkExt, Stream, StreamExt, TryStreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message, Utf8Bytes,
        error::ProtocolError,
        protocol::{
            CloseFrame, Role, WebSocketConfig,
            frame::{
                Frame,
                coding::{Data, OpCode},
            },
        },
    },
};

use super::{
    allowance::{Allowance, Held, Metered},
    args::Args,
    messages::Say,
    problem::Failure,
    state::App,
};
use crate::bytesize::ByteSize;

/// Longest piece of an outgoing message; longer ones go in fragments (RFC 6455 §5.4), which clients join.
const FRAGMENT: usize = 64 * 1024;

/// Which protocol the client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// It named ours.
    Named,
    /// It named none: it may be a client of an older service, which sends a whole WAV in one message.
    Plain,
}

/// What comes.
#[derive(Debug)]
pub(super) enum Event {
    Text(Utf8Bytes),
    Binary(Bytes, Held),
    /// The client closes.
    Close,
}

/// One stream's connection.
#[derive(Debug)]
pub(super) struct Wire {
    socket: WebSocketStream<Metered<TokioIo<Upgraded>>>,
    /// Largest message, of which an error tells.
    limit: ByteSize,
}

impl Wire {
    pub(super) async fn new(upgraded: Upgraded, protocol: Protocol, app: &App) -> Self {
        let Args { ws_max_message, ws_max_whole, .. } = &app.args;
        let (limit, free) = match protocol {
            Protocol::Named => (*ws_max_message, u64::MAX),
            Protocol::Plain => (ByteSize(ws_max_message.0.max(ws_max_whole.0)), ws_max_message.0),
        };
        let metered = Metered::new(TokioIo::new(upgraded), Allowance::new(free, &app.whole));
        let socket = WebSocketStream::from_raw_socket(metered, Role::Server, Some(config(limit))).await;
        Self { socket, limit }
    }

    /// The next message. Safe to drop while waiting: messages are only taken whole.
    pub(super) async fn next(&mut self) -> Result<Event, Failure> {
        loop {
            let message = match self.socket.next().await {
                Some(Ok(message)) => message,
                Some(Err(error)) => return Err(self.receive_failure(error)),
                None => return Err(Failure::ClientGone),
            };
            let held = self.socket.get_mut().message();
            return match message {
                Message::Binary(bytes) => Ok(Event::Binary(bytes, held)),
                Message::Text(text) => Ok(Event::Text(text)),
                Message::Close(_) => Ok(Event::Close),
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
            };
        }
    }

    fn receive_failure(&self, error: tungstenite::Error) -> Failure {
        match error {
            tungstenite::Error::Capacity(_) => Failure::MessageTooLarge { limit: self.limit },
            tungstenite::Error::Utf8(_) => Failure::MalformedMessage(String::from("this is no UTF-8")),
            tungstenite::Error::Io(error) if error.kind() == io::ErrorKind::OutOfMemory => Failure::NoRoom,
            tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) | tungstenite::Error::Io(_) => {
                Failure::ClientGone
            }
            other => Failure::Protocol(other.to_string()),
        }
    }

    /// Keeps an idle connection alive through proxies.
    pub(super) async fn ping(&mut self) -> Result<(), Failure> {
        self.send(Message::Ping(Bytes::new())).await
    }

    pub(super) async fn say(&mut self, what: &Say<'_>) -> Result<(), Failure> {
        let text = what.to_json()?;
        if text.len() <= FRAGMENT {
            return self.send(Message::text(text)).await;
        }
        self.fragments(Data::Text, in_pieces(Bytes::from(text))).await
    }

    pub(super) async fn binary(&mut self, bytes: Bytes) -> Result<(), Failure> {
        if bytes.len() <= FRAGMENT {
            return self.send(Message::Binary(bytes)).await;
        }
        self.fragments(Data::Binary, in_pieces(bytes)).await
    }

    /// Sends one message whose pieces come one after another.
    pub(super) async fn pieces(&mut self, pieces: impl Stream<Item = Result<Bytes, Failure>>) -> Result<(), Failure> {
        self.fragments(Data::Binary, pieces.map_ok(in_pieces).try_flatten()).await
    }

    async fn fragments(
        &mut self,
        kind: Data,
        pieces: impl Stream<Item = Result<Bytes, Failure>>,
    ) -> Result<(), Failure> {
        let mut pieces = std::pin::pin!(pieces);
        let mut kind = OpCode::Data(kind);
        // One is held back, as the last one has to be known.
        let mut held = pieces.next().await.transpose()?.unwrap_or_default();
        loop {
            let next = pieces.next().await.transpose()?;
            let last = next.is_none();
            self.send(Message::Frame(Frame::message(held, kind, last))).await?;
            match next {
                Some(piece) => held = piece,
                None => return Ok(()),
            }
            kind = OpCode::Data(Data::Continue);
        }
    }

    async fn send(&mut self, message: Message) -> Result<(), Failure> {
        self.socket.send(message).await.map_err(|error| send_failure(&error))
    }

    /// Waits until the client has taken what was sent, however slow it is.
    async fn taken(&mut self, sent: Result<(), Failure>) -> Result<(), Failure> {
        let mut sent = sent;
        while matches!(sent, Err(Failure::SlowReader)) {
            sent = self.socket.flush().await.map_err(|error| send_failure(&error));
        }
        sent
    }

    /// Says the last word, closes, and waits for the client to close too: what it still sends is read, so that the
    /// kernel does not answer it with a reset that would throw the last word away.
    pub(super) async fn finish(
        &mut self,
        last: Option<&Say<'_>>,
        code: u16,
        reason: &'static str,
        patience: Duration,
    ) -> Result<(), Failure> {
        let close = CloseFrame { code: code.into(), reason: reason.into() };
        timeout(patience, async {
            // A slow reader's last word waits behind what it has not taken, and is not given up as early as that was.
            self.taken(Err(Failure::SlowReader)).await?;
            if let Some(last) = last {
                let said = self.say(last).await;
                self.taken(said).await?;
            }
            let said = self.send(Message::Close(Some(close))).await;
            self.taken(said).await?;
            while let Some(Ok(_)) = self.socket.next().await {}
            Ok(())
        })
        .await
        .unwrap_or(Err(Failure::ClientGone))
    }
}

fn send_failure(error: &tungstenite::Error) -> Failure {
    match error {
        tungstenite::Error::Io(error) if error.kind() == io::ErrorKind::TimedOut => Failure::SlowReader,
        tungstenite::Error::WriteBufferFull(_) => Failure::Internal(String::from("a piece was larger than its buffer")),
        _ => Failure::ClientGone,
    }
}

fn config(limit: ByteSize) -> WebSocketConfig {
    let largest = usize::try_from(limit.0).unwrap_or(usize::MAX);
    WebSocketConfig::default()
        .read_buffer_size(16 * 1024)
        .write_buffer_size(16 * 1024)
        // Each piece is flushed before the next, so that little waits: a last word after the piece that was not taken.
        .max_write_buffer_size(4 * FRAGMENT)
        .max_message_size(Some(largest))
        .max_frame_size(Some(largest))
}

fn in_pieces(mut bytes: Bytes) -> impl Stream<Item = Result<Bytes, Failure>> {
    futures::stream::iter(std::iter::from_fn(move || {
        (!bytes.is_empty()).then(|| Ok(bytes.split_to(bytes.len().min(FRAGMENT))))
    }))
}
