//! The client's side of `/ws` as a state machine without input or output: messages and counts go in, what to say and
//! what to do comes out. One session lives over all connections of a stream.
//!
//! What matters is one place in the stream: where it can be gone on with. It is the start, until a checkpoint moves it.
//! After a lost connection what was saved is cut to it, and the input is sent again from it on.

use super::messages::{self, Done, Place, Ready, Said, Say, ServiceError, Start};

/// The client's side of one stream.
#[derive(Debug)]
pub struct Session {
    start: Start,
    message_bytes: usize,
    window: Option<u64>,
    phase: Phase,
    /// Where the stream can be gone on with, and the token for it; none stands for the start.
    token: Option<String>,
    place: Place,
    /// Bytes of input sent, counted from the stream's start.
    sent: u64,
    /// Bytes of FLAC received, counted from the stream's start.
    received: u64,
    ready: Ready,
    /// The window is not kept to until the next checkpoint.
    waived: bool,
    error: Option<ServiceError>,
    connections: u64,
}

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// None is open.
    Closed,
    /// `start` or `resume` was said, the service has not answered yet.
    Opening,
    /// The service is ready, but has not said from where on it goes on.
    Resuming,
    /// Audio may go.
    Streaming,
    /// `end` was said.
    Ending,
    /// `done` came.
    Done,
}

/// How a connection begins.
#[derive(Debug, PartialEq, Eq)]
pub struct Opening {
    /// The first text to send.
    pub say: String,
    /// What was saved has to be cut to `bytes_out`, the input goes on at `bytes_in`.
    pub place: Place,
}

/// What a text of the service asks for.
#[derive(Debug, PartialEq)]
pub enum Heard {
    /// Nothing.
    Nothing,
    /// Audio may be sent.
    Go,
    /// All up to here is safe: it need not be sent or cut again.
    Safe(Place),
    /// The stream is whole.
    Done(Box<Done>),
}

/// The service does not keep to the protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}: is this the address of a Flacship service of a version that fits?")]
pub struct Fault(pub String);

impl Session {
    /// A session of a stream that `start` describes, in messages of at most `message_bytes`.
    ///
    /// With a window no more than so many bytes of input are sent beyond the latest checkpoint, if the service makes any:
    /// what can be kept of the input, or held back of the output, has an end.
    pub fn new(start: Start, message_bytes: usize, window: Option<u64>) -> Self {
        Self {
            start,
            message_bytes: message_bytes.max(1),
            window,
            phase: Phase::Closed,
            token: None,
            place: Place::default(),
            sent: 0,
            received: 0,
            ready: Ready::default(),
            waived: false,
            error: None,
            connections: 0,
        }
    }

    /// A connection was made: what to say first, and where the stream goes on.
    pub fn open(&mut self) -> Opening {
        self.phase = Phase::Opening;
        (self.sent, self.received) = (self.place.bytes_in, self.place.bytes_out);
        (self.ready, self.error, self.waived) = (Ready::default(), None, false);
        self.connections += 1;
        let say = match &self.token {
            Some(token) => Say::Resume { token }.to_json(),
            None => Say::Start(&self.start).to_json(),
        };
        Opening { say, place: self.place }
    }

    /// The connection is gone; returns what the service said about it.
    pub fn close(&mut self) -> Option<ServiceError> {
        if self.phase != Phase::Done {
            self.phase = Phase::Closed;
        }
        self.error.take()
    }

    /// Goes back to the start: the token is no good.
    pub fn forget(&mut self) {
        (self.token, self.place) = (None, Place::default());
    }

    /// A text message came.
    pub fn text(&mut self, text: &str) -> Result<Heard, Fault> {
        let said =
            messages::parse(text).map_err(|error| Fault(format!("the service said what no client knows ({error})")))?;
        match said {
            Said::Ready(ready) if self.phase == Phase::Opening => {
                self.ready = ready;
                if self.token.is_some() {
                    self.phase = Phase::Resuming;
                    return Ok(Heard::Nothing);
                }
                self.phase = Phase::Streaming;
                Ok(Heard::Go)
            }
            Said::Resumed(place) if self.phase == Phase::Resuming => {
                if (place.bytes_in, place.bytes_out) != (self.place.bytes_in, self.place.bytes_out) {
                    return Err(Fault(format!(
                        "the service goes on at byte {} of the input and {} of the output instead of {} and {}",
                        place.bytes_in, place.bytes_out, self.place.bytes_in, self.place.bytes_out
                    )));
                }
                self.phase = Phase::Streaming;
                Ok(Heard::Go)
            }
            Said::Checkpoint { token, place } => self.checkpoint(token, place),
            Said::Done(done) if self.phase == Phase::Ending => self.done(done),
            Said::Error(error) => {
                self.error = Some(error);
                Ok(Heard::Nothing)
            }
            Said::Format {} | Said::Other => Ok(Heard::Nothing),
            Said::Ready(_) | Said::Resumed(_) | Said::Done(_) => {
                Err(Fault("the service said something out of its turn".to_owned()))
            }
        }
    }

    fn checkpoint(&mut self, token: String, place: Place) -> Result<Heard, Fault> {
        // Only what was sent and received can be safe, and what was safe stays so.
        let is_behind = place.bytes_in <= self.sent && place.bytes_out <= self.received;
        let is_ahead = place.bytes_in >= self.place.bytes_in && place.bytes_out >= self.place.bytes_out;
        if !matches!(self.phase, Phase::Streaming | Phase::Ending) || !is_behind || !is_ahead {
            return Err(Fault("the service made a checkpoint at an impossible place".to_owned()));
        }
        (self.token, self.place, self.waived) = (Some(token), place, false);
        Ok(Heard::Safe(place))
    }

    fn done(&mut self, done: Box<Done>) -> Result<Heard, Fault> {
        if done.bytes_out != self.received {
            return Err(Fault(format!(
                "{} bytes of FLAC came, but the service sent {}",
                self.received, done.bytes_out
            )));
        }
        if done.bytes_in != self.sent {
            return Err(Fault(format!("{} bytes were sent, but the service took {}", self.sent, done.bytes_in)));
        }
        self.phase = Phase::Done;
        Ok(Heard::Done(done))
    }

    /// A binary message of so many bytes came: the head or a frame, to be saved. Returns whether it is the head.
    pub fn binary(&mut self, bytes: usize) -> Result<bool, Fault> {
        if !matches!(self.phase, Phase::Streaming | Phase::Ending) {
            return Err(Fault("FLAC came where none was to come".to_owned()));
        }
        let is_head = self.received == 0;
        self.received += bytes as u64;
        Ok(is_head)
    }

    /// Most bytes of audio that may be sent now, as one message.
    pub fn may_send(&self) -> usize {
        if self.phase != Phase::Streaming {
            return 0;
        }
        let most = self.ready.max_message_bytes.unwrap_or(u64::MAX).max(1);
        let most = self.room().map_or(most, |room| room.min(most));
        usize::try_from(most).unwrap_or(usize::MAX).min(self.message_bytes)
    }

    /// Bytes that may go before the next checkpoint has to come.
    fn room(&self) -> Option<u64> {
        let window = self.window.filter(|_| self.ready.resumable && !self.waived)?;
        Some(self.place.bytes_in.saturating_add(window).saturating_sub(self.sent))
    }

    /// Whether audio waits for a checkpoint, and nothing else.
    pub fn waits_for_checkpoint(&self) -> bool {
        self.phase == Phase::Streaming && self.room() == Some(0)
    }

    /// Whether the service makes checkpoints that are worth waiting for.
    pub fn is_resumable(&self) -> bool {
        self.ready.resumable && !self.waived
    }

    /// Seconds between checkpoints, as far as the service told.
    pub fn checkpoint_seconds(&self) -> Option<f64> {
        self.ready.checkpoint_seconds
    }

    /// No checkpoint is coming: sends on without one, until one comes after all.
    pub fn waive(&mut self) {
        self.waived = true;
    }

    /// So many bytes of audio were sent.
    pub fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// The audio has ended and all of it was sent: what to say.
    pub fn end(&mut self) -> String {
        self.phase = Phase::Ending;
        Say::End.to_json()
    }

    /// Whether audio, or its end, is still to be sent.
    pub fn is_streaming(&self) -> bool {
        self.phase == Phase::Streaming
    }

    /// Where the stream can be gone on with.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Bytes of input sent, counted from the stream's start.
    pub fn position(&self) -> u64 {
        self.sent
    }

    /// The stream's id in the service's log.
    pub fn id(&self) -> Option<&str> {
        self.ready.id.as_deref()
    }

    /// How often the stream was connected again.
    pub fn reconnects(&self) -> u64 {
        self.connections.saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READY: &str = r#"{"type":"ready","id":"r-1","max_message_bytes":1000,"resumable":true}"#;
    const READY_OF_OLD: &str = r#"{"type":"ready","id":"r-1","max_message_bytes":1000}"#;

    fn session(window: Option<u64>) -> Session {
        Session::new(Start { format: "wav", ..Start::default() }, 4_000, window)
    }

    /// A session in the middle of a stream.
    fn streaming(window: Option<u64>) -> Session {
        let mut session = session(window);
        session.open();
        assert_eq!(session.text(READY), Ok(Heard::Go));
        session
    }

    fn checkpoint(token: &str, bytes_in: u64, bytes_out: u64) -> String {
        format!(
            r#"{{"type":"checkpoint","token":"{token}","samples":1,"bytes_in":{bytes_in},"bytes_out":{bytes_out}}}"#
        )
    }

    fn done(bytes_in: u64, bytes_out: u64) -> String {
        format!(r#"{{"type":"done","samples":1,"bytes_in":{bytes_in},"bytes_out":{bytes_out},"md5":"0"}}"#)
    }

    fn place(bytes_in: u64, bytes_out: u64) -> Place {
        Place { samples: 1, bytes_in, bytes_out }
    }

    #[test]
    fn a_stream_without_trouble() {
        let mut session = session(None);
        assert_eq!(session.may_send(), 0);
        let opening = session.open();
        assert!(opening.say.starts_with(r#"{"type":"start""#), "{opening:?}");
        assert_eq!((opening.place, session.may_send()), (Place::default(), 0));
        assert_eq!(session.text(READY_OF_OLD), Ok(Heard::Go));
        assert_eq!((session.may_send(), session.id()), (1000, Some("r-1")));
        session.sent(1000);
        assert_eq!(session.text(r#"{"type":"format","channels":1}"#), Ok(Heard::Nothing));
        session.binary(42).unwrap();
        session.sent(500);
        assert_eq!(session.end(), r#"{"type":"end"}"#);
        assert_eq!(session.may_send(), 0);
        session.binary(58).unwrap();
        assert!(matches!(session.text(&done(1500, 100)), Ok(Heard::Done(_))));
        assert_eq!((session.close(), session.reconnects()), (None, 0));
    }

    #[test]
    fn a_lost_connection_goes_on_at_the_latest_checkpoint() {
        let mut session = streaming(None);
        session.sent(900);
        session.binary(300).unwrap();
        assert_eq!(session.text(&checkpoint("one", 600, 200)), Ok(Heard::Safe(place(600, 200))));
        session.binary(100).unwrap();
        assert_eq!(session.text(&checkpoint("two", 900, 400)), Ok(Heard::Safe(place(900, 400))));
        session.sent(500);
        session.binary(77).unwrap();
        session.close();
        let opening = session.open();
        assert_eq!(opening, Opening { say: r#"{"type":"resume","token":"two"}"#.into(), place: place(900, 400) });
        assert_eq!((session.position(), session.reconnects()), (900, 1));
        assert_eq!(session.text(READY), Ok(Heard::Nothing));
        assert_eq!((session.text(r#"{"type":"format"}"#), session.may_send()), (Ok(Heard::Nothing), 0));
        let resumed = r#"{"type":"resumed","samples":1,"bytes_in":900,"bytes_out":400}"#;
        assert_eq!(session.text(resumed), Ok(Heard::Go));
        session.sent(100);
        session.binary(5).unwrap();
        session.end();
        assert!(matches!(session.text(&done(1000, 405)), Ok(Heard::Done(_))));
    }

    #[test]
    fn without_a_checkpoint_it_starts_again() {
        let mut session = streaming(None);
        session.sent(900);
        session.binary(300).unwrap();
        session.end();
        session.close();
        let opening = session.open();
        assert!(opening.say.contains("start"));
        assert_eq!((opening.place, session.position()), (Place::default(), 0));
    }

    #[test]
    fn a_token_that_is_no_good_is_forgotten() {
        let mut session = streaming(None);
        session.sent(900);
        session.binary(300).unwrap();
        session.text(&checkpoint("one", 600, 200)).unwrap();
        session.close();
        session.open();
        let refused = r#"{"type":"error","code":"token_expired","message":"too late"}"#;
        assert_eq!(session.text(refused), Ok(Heard::Nothing));
        assert_eq!(session.close().map(|error| error.code).as_deref(), Some("token_expired"));
        session.forget();
        assert!(session.open().say.contains("start"));
        assert_eq!(session.place(), Place::default());
    }

    #[test]
    fn the_window_moves_with_the_checkpoints() {
        let mut session = streaming(Some(1_500));
        assert_eq!(session.may_send(), 1000);
        session.sent(1000);
        assert_eq!(session.may_send(), 500);
        session.sent(500);
        assert_eq!((session.may_send(), session.waits_for_checkpoint()), (0, true));
        session.text(&checkpoint("one", 700, 0)).unwrap();
        assert_eq!((session.may_send(), session.waits_for_checkpoint()), (700, false));
        session.sent(700);
        session.waive();
        assert_eq!((session.may_send(), session.is_resumable()), (1000, false));
        session.sent(1000);
        session.text(&checkpoint("two", 3_200, 0)).unwrap();
        assert_eq!((session.may_send(), session.is_resumable()), (1000, true));
    }

    #[test]
    fn no_window_is_kept_to_where_no_checkpoint_comes() {
        let mut session = session(Some(10));
        session.open();
        session.text(READY_OF_OLD).unwrap();
        session.sent(1_000);
        assert_eq!((session.may_send(), session.waits_for_checkpoint()), (1000, false));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let resumed = r#"{"type":"resumed","samples":1,"bytes_in":1,"bytes_out":1}"#;
        let cases: [(&str, &[&str]); 8] = [
            ("a second ready", &[READY]),
            ("resumed without resume", &[resumed]),
            ("done before end", &[&done(100, 50)]),
            ("a checkpoint of input that was not sent", &[&checkpoint("a", 101, 50)]),
            ("a checkpoint of output that has not come", &[&checkpoint("a", 100, 51)]),
            ("a checkpoint that goes back", &[&checkpoint("a", 100, 50), &checkpoint("b", 99, 50)]),
            ("no JSON", &["hello"]),
            ("no type", &["{}"]),
        ];
        for (what, texts) in cases {
            let mut session = streaming(None);
            session.sent(100);
            session.binary(50).unwrap();
            let last = texts.iter().map(|text| session.text(text)).last().unwrap();
            assert!(last.is_err(), "{what}");
        }
        for (bytes_in, bytes_out) in [(99, 50), (100, 49)] {
            let mut session = streaming(None);
            session.sent(100);
            session.binary(50).unwrap();
            session.end();
            assert!(session.text(&done(bytes_in, bytes_out)).is_err());
        }
        let mut session = session(None);
        session.open();
        assert!(session.binary(1).is_err(), "a frame before ready");
    }

    #[test]
    fn a_service_that_goes_on_elsewhere_is_refused() {
        let mut session = streaming(None);
        session.sent(100);
        session.binary(50).unwrap();
        session.text(&checkpoint("a", 80, 50)).unwrap();
        session.close();
        session.open();
        session.text(READY).unwrap();
        let elsewhere = r#"{"type":"resumed","samples":1,"bytes_in":81,"bytes_out":50}"#;
        assert!(session.text(elsewhere).is_err());
    }
}
