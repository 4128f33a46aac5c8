//! The loop: one connection after the other until the stream is whole.

use std::future::poll_fn;
use std::io::{self, Write};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_tungstenite::tungstenite::{self, Message, error::ProtocolError};

use super::connect::{Connections, Socket};
use super::error::{StreamError, ended};
use super::input::{Available, Input};
use super::meant::{Meant, Sound};
use super::messages::Done;
use super::outgoing::Outgoing;
use super::output::Output;
use super::plan::{Ending, Then, plan_after, plan_pause};
use super::session::{Fault, Heard, Session};
use super::settings::{Event, Pace, Settings};
use crate::convert::md5_text;

/// How long a service may say nothing at all. It pings idle connections every 20 s.
const SILENCE: Duration = Duration::from_secs(90);
/// How long the last words and the close of a connection may take.
const CLOSING: Duration = Duration::from_secs(5);
/// How many times the promised time between checkpoints is waited for one.
const LATE_CHECKPOINT: f64 = 10.0;
/// Seconds of audio in a message in real time: a live source's.
const LIVE_MESSAGE: f64 = 0.05;
/// Bytes of a message in real time before the format is known.
const FIRST_MESSAGE: usize = 4096;

/// A whole stream.
#[derive(Debug)]
pub struct Finished {
    /// What was sent.
    pub sound: Sound,
    /// What the service said of it.
    pub done: Box<Done>,
    /// How often it was connected again.
    pub reconnects: u64,
    /// The latest connection's id in the service's log.
    pub id: Option<String>,
}

/// Sends the whole input and saves what comes back, over as many connections as it takes. Returns the output too, which
/// is complete then.
pub async fn stream<W: Write>(
    connections: &Connections,
    input: Input,
    output: Output<W>,
    settings: &Settings,
    tell: &mut dyn FnMut(Event),
) -> Result<(Finished, Output<W>), StreamError> {
    let window = (input.is_pipe() || output.is_pipe()).then_some(settings.buffer);
    let mut run = Run {
        session: Session::new(settings.start.clone(), settings.message_bytes, window),
        meant: Some(Meant::new(settings.pcm, settings.rules)),
        sound: None,
        began: None,
        head_bytes: None,
        has_moved: false,
        settings,
        input,
        output,
        tell,
    };
    let done = run.connect_until_done(connections).await?;
    let sound = run.compare(&done)?;
    run.output.complete(&done).map_err(StreamError::Output)?;
    let (reconnects, id) = (run.session.reconnects(), run.session.id().map(str::to_owned));
    Ok((Finished { sound, done, reconnects, id }, run.output))
}

/// A stream on its way.
struct Run<'a, W> {
    session: Session,
    /// The digest, until the input's end.
    meant: Option<Meant>,
    /// What the input was, from its end on.
    sound: Option<Sound>,
    /// When the first audio was sent.
    began: Option<Instant>,
    /// The length of the head that came first.
    head_bytes: Option<usize>,
    /// Whether the latest connection brought the stream forward.
    has_moved: bool,
    settings: &'a Settings,
    input: Input,
    output: Output<W>,
    tell: &'a mut dyn FnMut(Event),
}

/// Why a connection brought no whole stream.
enum Stop {
    /// Another may.
    Ending(Ending),
    /// None will.
    Error(StreamError),
}

impl<E: Into<StreamError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

fn output_failed(error: io::Error) -> Stop {
    Stop::Error(StreamError::Output(error))
}

fn input_failed(error: io::Error) -> Stop {
    Stop::Error(StreamError::Input(error))
}

impl<W: Write> Run<'_, W> {
    async fn connect_until_done(&mut self, connections: &Connections) -> Result<Box<Done>, StreamError> {
        let (mut failed, mut since) = (0, Instant::now());
        loop {
            self.has_moved = false;
            let ending = match connections.connect().await? {
                Ok(socket) => match self.converse(socket).await {
                    Ok(done) => return Ok(done),
                    Err(Stop::Ending(ending)) => ending,
                    Err(Stop::Error(error)) => return Err(error),
                },
                Err(ending) => ending,
            };
            if self.has_moved {
                (failed, since) = (0, Instant::now());
            }
            self.can_go_on(&ending).await?;
            let Some(pause) = plan_pause(self.settings.patience, failed, since.elapsed(), fastrand::f64()) else {
                return Err(StreamError::GaveUp { ending, attempts: failed });
            };
            failed += 1;
            (self.tell)(Event::Lost { why: ended(&ending), pause });
            sleep(pause).await;
        }
    }

    /// Decides whether another connection can help, and waits until there is something to send over it.
    async fn can_go_on(&mut self, ending: &Ending) -> Result<(), StreamError> {
        let then = plan_after(ending);
        match then {
            Then::Again => {}
            Then::AgainOnceBegun if self.began.is_some() => {}
            Then::GiveUp | Then::AgainOnceBegun => return Err(StreamError::Ended(ending.clone())),
            Then::FromTheStart => {
                self.session.forget();
                self.head_bytes = None;
            }
            Then::WhenThereIsMore => {
                let position = self.session.position();
                (self.tell)(Event::Silent);
                self.input.available(position).await.map_err(StreamError::Input)?;
            }
        }
        let place = self.session.place();
        let why = if !self.input.reaches_back_to(place.bytes_in) {
            "its input is a pipe, of which what has to be sent again is no longer kept (--buffer)"
        } else if !self.output.can_be_cut_to(place.bytes_out) {
            "what was written to standard output cannot be taken back; a file can, as in OUT.flac"
        } else {
            if then == Then::FromTheStart {
                (self.tell)(Event::FromTheStart);
            }
            return Ok(());
        };
        Err(StreamError::CannotGoOn { ending: ending.clone(), why })
    }

    /// Everything over one connection.
    async fn converse(&mut self, socket: Socket) -> Result<Box<Done>, Stop> {
        let (mut sink, mut incoming) = socket.split();
        let opening = self.session.open();
        self.output.cut_to(opening.place.bytes_out).map_err(output_failed)?;
        let mut outgoing = Outgoing::Message(Message::text(opening.say));
        let mut at_hand = None;
        let mut closed: Option<(u16, String)> = None;
        let mut done = None;
        let mut silent_at = Instant::now() + SILENCE;
        let mut late_at = None;
        loop {
            if outgoing.is_nothing()
                && let Some(message) = self.next_message(&mut at_hand)?
            {
                outgoing = Outgoing::Message(message);
            }
            late_at = self.session.waits_for_checkpoint().then(|| late_at.unwrap_or_else(|| self.late_at()));
            let wants_input = self.session.is_streaming() && outgoing.is_nothing() && at_hand.is_none();
            let due = self
                .due()
                .filter(|_| at_hand == Some(Available::Bytes) && outgoing.is_nothing() && self.session.may_send() > 0);
            let position = self.session.position();
            tokio::select! {
                biased;
                message = incoming.next() => {
                    let message = match message {
                        Some(Ok(message)) => message,
                        ended => {
                            let cause = ended.and_then(Result::err).map(cause);
                            return done.ok_or_else(|| self.lost(closed, cause));
                        }
                    };
                    silent_at = Instant::now() + SILENCE;
                    match message {
                        Message::Text(text) => match self.session.text(&text)? {
                            Heard::Done(whole) => done = Some(whole),
                            heard => self.heard(&heard)?,
                        },
                        Message::Binary(bytes) => self.save(bytes)?,
                        Message::Close(frame) => {
                            closed = Some(frame.map_or((1005, String::new()), |frame| (frame.code.into(), frame.reason.to_string())));
                        }
                        Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
                    }
                    if closed.is_some() || done.is_some() {
                        // The rest is courtesy.
                        silent_at = Instant::now() + CLOSING;
                    }
                }
                sent = poll_fn(|context| outgoing.poll_send(&mut sink, context)), if outgoing.is_something() => {
                    // What the service said before it closed is still to be read.
                    outgoing = if sent.is_ok() { Outgoing::Nothing } else { Outgoing::Broken };
                }
                available = self.input.available(position), if wants_input => at_hand = Some(available.map_err(input_failed)?),
                () = until(due), if due.is_some() => {}
                () = until(late_at), if late_at.is_some() => {
                    self.session.waive();
                    self.output.release().map_err(output_failed)?;
                    (self.tell)(Event::Unprotected);
                }
                () = sleep_until(silent_at) => {
                    let cause = format!("the service said nothing for {} s", SILENCE.as_secs());
                    return done.ok_or_else(|| self.lost(closed, Some(cause)));
                }
            }
        }
    }

    /// What is to be sent next, if that can be now.
    fn next_message(&mut self, at_hand: &mut Option<Available>) -> Result<Option<Message>, Stop> {
        match *at_hand {
            Some(Available::End) if self.session.is_streaming() => {
                *at_hand = None;
                if let Some(meant) = self.meant.take() {
                    self.sound = Some(meant.finish()?);
                }
                Ok(Some(Message::text(self.session.end())))
            }
            Some(Available::Bytes) if self.is_due() => {
                let most = self.session.may_send().min(self.live_message());
                if most == 0 {
                    return Ok(None);
                }
                *at_hand = None;
                let position = self.session.position();
                let bytes = self.input.take(position, most).map_err(input_failed)?;
                if bytes.is_empty() {
                    // A file that has become shorter: looked at again, it has ended.
                    return Ok(None);
                }
                if let Some(meant) = &mut self.meant {
                    meant.take(position, &bytes)?;
                }
                self.began.get_or_insert_with(Instant::now);
                self.session.sent(bytes.len());
                (self.tell)(Event::Sent(self.session.position()));
                Ok(Some(Message::Binary(bytes)))
            }
            _ => Ok(None),
        }
    }

    fn heard(&mut self, heard: &Heard) -> Result<(), Stop> {
        match heard {
            Heard::Safe(place) => {
                self.has_moved = true;
                self.input.forget(place.bytes_in);
                self.output.safe(place.bytes_out).map_err(output_failed)?;
            }
            Heard::Go if self.session.reconnects() > 0 => {
                (self.tell)(Event::GoesOn { bytes_in: self.session.place().bytes_in });
            }
            Heard::Go | Heard::Nothing | Heard::Done(_) => {}
        }
        Ok(())
    }

    /// Saves the head or a frame.
    fn save(&mut self, bytes: Bytes) -> Result<(), Stop> {
        let is_first = self.session.binary(bytes.len())?;
        if is_first {
            self.head_bytes = Some(bytes.len());
        }
        self.output.take(bytes).map_err(output_failed)?;
        if !self.session.is_resumable() {
            self.output.release().map_err(output_failed)?;
        }
        Ok(())
    }

    fn lost(&mut self, closed: Option<(u16, String)>, cause: Option<String>) -> Stop {
        let error = self.session.close();
        let (code, reason) = closed.map_or((None, None), |(code, reason)| (Some(code), Some(reason)));
        let cause = reason.or(cause).unwrap_or_else(|| "it was cut".to_owned());
        Stop::Ending(Ending::Lost { code, error, cause })
    }

    /// When a checkpoint that is waited for will be called late.
    fn late_at(&self) -> Instant {
        let seconds = self.session.checkpoint_seconds().unwrap_or(1.0) * LATE_CHECKPOINT;
        Instant::now() + Duration::try_from_secs_f64(seconds.clamp(1.0, 600.0)).unwrap_or(SILENCE)
    }

    /// When the next audio would have been recorded.
    fn due(&self) -> Option<Instant> {
        let (Pace::RealTime, Some(began), Some(meant)) = (self.settings.pace, self.began, &self.meant) else {
            return None;
        };
        Some(began + Duration::try_from_secs_f64(meant.seconds()).ok()?)
    }

    fn is_due(&self) -> bool {
        self.due().is_none_or(|due| due <= Instant::now())
    }

    /// Most bytes of a message at this pace.
    fn live_message(&self) -> usize {
        match (self.settings.pace, &self.meant) {
            (Pace::RealTime, Some(meant)) => meant.bytes_for(LIVE_MESSAGE).unwrap_or(FIRST_MESSAGE),
            _ => usize::MAX,
        }
    }

    /// Whether the service encoded what was sent, and its head fits over the first one.
    fn compare(&mut self, done: &Done) -> Result<Sound, StreamError> {
        let sound = self.sound.take().ok_or_else(|| Fault("the stream ended before its input".to_owned()))?;
        let ours = md5_text(sound.md5);
        if !ours.eq_ignore_ascii_case(&done.md5) || sound.samples != done.samples {
            return Err(StreamError::OtherAudio {
                ours,
                ours_samples: sound.samples,
                theirs: done.md5.clone(),
                theirs_samples: done.samples,
            });
        }
        let fits =
            if done.head.is_empty() { done.streaminfo.len() == 34 } else { Some(done.head.len()) == self.head_bytes };
        if !fits {
            return Err(Fault("the service's final metadata do not fit where its first were".to_owned()).into());
        }
        Ok(sound)
    }
}

/// Waits until then; for ever if there is no such time.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// What the system said about a lost connection.
fn cause(error: tungstenite::Error) -> String {
    match error {
        tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => "it was cut".to_owned(),
        tungstenite::Error::Io(error) => error.to_string(),
        error => error.to_string(),
    }
}
