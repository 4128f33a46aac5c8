//! How a stream is sent, and what is told on the way.

use std::time::Duration;

use super::messages::Start;
use super::plan::Patience;
use crate::wav::{PcmFormat, Rules};

/// How a stream is sent.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What the service is asked.
    pub start: Start,
    /// The format of headerless audio; none: a WAV file.
    pub pcm: Option<PcmFormat>,
    /// How a WAV file is read where it leaves a choice; as `start` says it.
    pub rules: Rules,
    /// Most bytes of a message.
    pub message_bytes: usize,
    /// Most bytes of input that are kept to be sent again, where it cannot be read again.
    pub buffer: u64,
    /// How fast.
    pub pace: Pace,
    /// How long to try again.
    pub patience: Patience,
}

/// How fast audio is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As fast as the service takes it.
    Free,
    /// As fast as it would be recorded. After a lost connection what was recorded meanwhile goes at once.
    RealTime,
}

/// Something on the way.
#[derive(Debug)]
pub enum Event {
    /// So many bytes of the input were sent.
    Sent(u64),
    /// The connection is gone; after the pause it is tried again.
    Lost {
        /// Why.
        why: String,
        /// How long is waited.
        pause: Duration,
    },
    /// The connection was closed since the input is silent; it is made again as soon as there is more.
    Silent,
    /// The service no longer takes what it gave; all is sent again.
    FromTheStart,
    /// No checkpoint comes: until one does, a lost connection ends the stream.
    Unprotected,
    /// The stream goes on over a new connection.
    GoesOn {
        /// Bytes of input that need not be sent again.
        bytes_in: u64,
    },
}
