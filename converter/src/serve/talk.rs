//! The conversation on one stream: what its messages mean, from the first one to the last frame.
//!
//! Back-pressure is the order of things: the socket is read only when the encoder has nothing to do and its frames have
//! been sent. So a client that sends too fast is slowed by TCP, and one that does not read is given up by the
//! socket's own deadline.

use std::{io, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::{Instant, sleep_until, timeout};

use super::{
    encode::Encoder,
    messages::{self, Said, Say},
    options::StreamOptions,
    problem::Failure,
    resume::{self, Due, unix_now},
    shutdown::Phase,
    state::App,
    whole,
    wire::{Event, Protocol, Wire},
};
use crate::convert::{Conversion, Metadata, Output, Summary};

/// How often an idle connection is kept alive through proxies.
const PING_EVERY: Duration = Duration::from_secs(20);
/// Most audio that is encoded before its frames are sent: 0.3 s of CD audio.
const SLICE: usize = 64 * 1024;

/// How a stream ended that ended well.
pub(super) enum Ended {
    /// Frames were sent; the client is owed a `done`.
    Stream(Summary),
    /// The one message that the client waits for was sent.
    Whole(Summary),
}

/// The bytes that one slice of audio made.
#[derive(Debug, Default)]
struct Frames {
    bytes: Vec<Bytes>,
    /// Whether there is a frame among them, not only the head.
    any: bool,
}

impl Output for Frames {
    fn head(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes.push(Bytes::copy_from_slice(bytes));
        Ok(())
    }

    fn frame(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.any = true;
        self.head(bytes)
    }
}

/// One stream.
pub(super) struct Talk<'a> {
    app: &'a Arc<App>,
    id: &'a str,
    wire: &'a mut Wire,
    asked: StreamOptions,
    encoder: Option<Encoder<Frames>>,
    /// What has come and is not encoded.
    audio: Bytes,
    ready_said: bool,
    format_said: bool,
    /// Whether `start` or `resume` has come.
    started: bool,
    /// Unix seconds at the stream's first connection.
    began: u64,
    /// When the stream has lasted as long as it may.
    ends_at: Instant,
    due: Due,
}

impl<'a> Talk<'a> {
    pub(super) fn new(app: &'a Arc<App>, id: &'a str, asked: StreamOptions, wire: &'a mut Wire) -> Self {
        let now = Instant::now();
        Self {
            app,
            id,
            wire,
            asked,
            encoder: None,
            audio: Bytes::new(),
            ready_said: false,
            format_said: false,
            started: false,
            began: unix_now(),
            ends_at: now + app.args.max_stream_duration,
            due: Due::new(app.args.checkpoint_interval, now),
        }
    }

    /// Everything up to the last frame.
    pub(super) async fn run(mut self, protocol: Protocol) -> Result<Ended, Failure> {
        let app = Arc::clone(self.app);
        if protocol == Protocol::Named {
            self.say_ready().await?;
        }
        let patience = app.args.idle_timeout;
        let mut over = pin!(app.shutdown.reached(Phase::Over));
        let mut ping_at = Instant::now() + PING_EVERY;
        let mut idle_at = Instant::now() + patience;
        // One timer for all that is waited for. It is only ever brought forward: mostly, when it rings, what it was set for
        // has been put off, and that is much cheaper than setting it with every message.
        let mut timer = pin!(sleep_until(idle_at));
        loop {
            let busy = self.encoder.as_ref().is_some_and(Encoder::is_busy);
            if !busy && !self.audio.is_empty() {
                self.encode_slice().await?;
                if self.encoder.as_ref().is_some_and(Encoder::is_busy) {
                    continue;
                }
                // It was so little that it is done.
                self.tell().await?;
                idle_at = Instant::now() + patience;
                continue;
            }
            let idle = (!busy).then_some(idle_at);
            let due = self.due.at().filter(|_| !busy);
            let next = [idle, due].into_iter().flatten().fold(ping_at.min(self.ends_at), Instant::min);
            if timer.is_elapsed() || next < timer.deadline() {
                timer.as_mut().reset(next);
            }
            tokio::select! {
                biased;
                () = &mut over => return Err(self.cut_off().await),
                settled = settle(&mut self.encoder), if busy => {
                    settled?;
                    self.tell().await?;
                    idle_at = Instant::now() + patience;
                }
                () = &mut timer => {
                    let now = Instant::now();
                    if self.ends_at <= now {
                        return Err(self.too_long());
                    } else if due.is_some_and(|due| due <= now) {
                        self.say_checkpoint().await?;
                    } else if ping_at <= now {
                        ping_at = now + PING_EVERY;
                        self.wire.ping().await?;
                    } else if idle.is_some_and(|idle| idle <= now) {
                        return Err(Failure::Idle { seconds: patience.as_secs() });
                    }
                }
                event = self.wire.next(), if !busy => {
                    idle_at = Instant::now() + patience;
                    match event? {
                        Event::Binary(bytes, _) if bytes.is_empty() => break,
                        Event::Binary(bytes, held) => {
                            let (limit, first) = (app.args.ws_max_message, !self.ready_said);
                            if first && whole::is_whole(&bytes, limit.0) {
                                let wav = (bytes, held);
                                return whole::answer(&app, &self.asked, wav, self.wire).await.map(Ended::Whole);
                            }
                            if bytes.len() as u64 > limit.0 {
                                return Err(Failure::MessageTooLarge { limit });
                            }
                            self.say_ready().await?;
                            self.audio = bytes;
                        }
                        Event::Text(text) => {
                            self.say_ready().await?;
                            match messages::parse(&text)? {
                                Said::Start(options) => self.start(options)?,
                                Said::Resume(token) => self.resume(&token).await?,
                                Said::End => break,
                            }
                        }
                        Event::Close => return Err(Failure::NoEnd),
                    }
                }
            }
        }
        self.end().await.map(Ended::Stream)
    }

    /// Once, before anything else is said.
    async fn say_ready(&mut self) -> Result<(), Failure> {
        if std::mem::replace(&mut self.ready_said, true) {
            return Ok(());
        }
        let args = &self.app.args;
        let ready = Say::Ready {
            id: self.id,
            max_message_bytes: args.ws_max_message.0,
            idle_timeout_seconds: args.idle_timeout.as_secs_f64(),
            checkpoint_seconds: args.checkpoint_interval.as_secs_f64(),
            resumable: self.asked.metadata(args) != Some(Metadata::Foreign),
            expires_seconds: args.stream_token_ttl.as_secs(),
        };
        self.wire.say(&ready).await
    }

    fn start(&mut self, options: StreamOptions) -> Result<(), Failure> {
        self.only_once()?;
        self.asked = options.or(&self.asked);
        // Refused at once, not with the first audio.
        self.asked.resolve(&self.app.args)?;
        Ok(())
    }

    fn only_once(&mut self) -> Result<(), Failure> {
        if std::mem::replace(&mut self.started, true) || self.encoder.is_some() {
            return Err(Failure::LateStart);
        }
        Ok(())
    }

    async fn resume(&mut self, token: &str) -> Result<(), Failure> {
        self.only_once()?;
        let (began, checkpoint) = resume::open(self.app, token)?;
        let lasted = Duration::from_secs(unix_now().saturating_sub(began));
        let left = self.app.args.max_stream_duration.checked_sub(lasted).ok_or_else(|| self.too_long())?;
        self.began = began;
        self.ends_at = Instant::now() + left;
        let conversion = Conversion::resume(&checkpoint);
        if let Some(format) = conversion.format() {
            self.format_said = true;
            self.wire.say(&Say::format(format)).await?;
        }
        self.encoder = Some(Encoder::of(conversion, checkpoint.options(), Frames::default(), &self.app.cores));
        self.app.metrics.resumed();
        self.wire.say(&Say::resumed(&checkpoint)).await
    }

    async fn encode_slice(&mut self) -> Result<(), Failure> {
        let slice = self.audio.split_to(self.audio.len().min(SLICE));
        let encoder = match &mut self.encoder {
            Some(encoder) => encoder,
            None => self.encoder.insert(Encoder::new(
                &self.asked.resolve(&self.app.args)?,
                Frames::default(),
                &self.app.cores,
            )),
        };
        encoder.start(vec![slice]).await
    }

    /// Sends what the last slice made, and where the stream stands if that is due.
    async fn tell(&mut self) -> Result<(), Failure> {
        self.deliver().await?;
        if self.due.at().is_some_and(|due| due <= Instant::now()) {
            self.say_checkpoint().await?;
        }
        Ok(())
    }

    /// Sends what the last slice made, each frame as a message of its own.
    async fn deliver(&mut self) -> Result<(), Failure> {
        let Some((conversion, frames)) = self.encoder.as_mut().and_then(Encoder::idle) else { return Ok(()) };
        if let (Some(format), false) = (conversion.format(), self.format_said) {
            self.format_said = true;
            self.wire.say(&Say::format(format)).await?;
        }
        for bytes in frames.bytes.drain(..) {
            self.wire.binary(bytes).await?;
        }
        if std::mem::take(&mut frames.any) {
            self.due.frames(Instant::now());
        }
        Ok(())
    }

    /// Tells where the stream stands, for its next server. All frames that this covers have been sent.
    async fn say_checkpoint(&mut self) -> Result<(), Failure> {
        self.due.told(Instant::now());
        let Some((conversion, _)) = self.encoder.as_mut().and_then(Encoder::idle) else { return Ok(()) };
        let Some(checkpoint) = conversion.checkpoint() else { return Ok(()) };
        let Some(token) = resume::token(self.app, self.began, &checkpoint) else { return Ok(()) };
        self.app.metrics.token();
        self.wire.say(&Say::checkpoint(&token, &checkpoint)).await
    }

    /// The server ends: the client gets all that is ready and a last token, so that it loses nothing.
    async fn cut_off(&mut self) -> Failure {
        let patience = self.app.args.close_timeout;
        let last = async {
            settle(&mut self.encoder).await?;
            self.deliver().await?;
            if self.due.at().is_some() { self.say_checkpoint().await } else { Ok(()) }
        };
        match timeout(patience, last).await {
            Ok(Err(failure)) => failure,
            Ok(Ok(())) | Err(_) => Failure::CutOff,
        }
    }

    fn too_long(&self) -> Failure {
        Failure::StreamTooLong { seconds: self.app.args.max_stream_duration.as_secs() }
    }

    async fn end(mut self) -> Result<Summary, Failure> {
        let encoder = match self.encoder.take() {
            Some(encoder) => encoder,
            None => Encoder::new(&self.asked.resolve(&self.app.args)?, Frames::default(), &self.app.cores),
        };
        let (result, frames) = encoder.finish().await;
        let summary = result?;
        if !self.format_said {
            self.wire.say(&Say::format(&summary.format)).await?;
        }
        for bytes in frames.unwrap_or_default().bytes {
            self.wire.binary(bytes).await?;
        }
        Ok(summary)
    }
}

async fn settle(encoder: &mut Option<Encoder<Frames>>) -> Result<(), Failure> {
    match encoder {
        Some(encoder) => encoder.settle().await,
        None => Ok(()),
    }
}
