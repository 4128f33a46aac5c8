//! The tokens of one stream: when the next one is due, and what a client's token says.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::{
    problem::Failure,
    state::App,
    token::{self, Claims, Refusal},
};
use crate::convert::{Checkpoint, CheckpointError};

/// Unix seconds now.
pub(super) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// When a stream is to be told where it stands: about every `interval`, but only after frames.
#[derive(Debug)]
pub(super) struct Due {
    interval: Duration,
    last: Instant,
    at: Option<Instant>,
}

impl Due {
    pub(super) fn new(interval: Duration, now: Instant) -> Self {
        Self { interval, last: now, at: None }
    }

    /// Frames were sent.
    pub(super) fn frames(&mut self, now: Instant) {
        self.at.get_or_insert((self.last + self.interval).max(now));
    }

    /// The client was told.
    pub(super) fn told(&mut self, now: Instant) {
        (self.last, self.at) = (now, None);
    }

    /// When the next one is due, if frames were sent since the last.
    pub(super) fn at(&self) -> Option<Instant> {
        self.at
    }
}

/// Makes the token for where a stream stands that `began` then (unix seconds).
pub(super) fn token(app: &App, began: u64, checkpoint: &Checkpoint) -> Option<String> {
    let expires = unix_now().saturating_add(app.args.stream_token_ttl.as_secs());
    token::sign(&app.stream_keys.current(), &Claims { expires, began, checkpoint: checkpoint.to_bytes() })
}

/// Reads a client's token: when its stream began, and where it stands.
pub(super) fn open(app: &App, token: &str) -> Result<(u64, Checkpoint), Failure> {
    let opened = token::open(&app.stream_keys.current(), token, unix_now())
        .and_then(|claims| Ok((claims.began, Checkpoint::from_bytes(&claims.checkpoint).map_err(refusal)?)));
    opened.map_err(|refusal| {
        app.metrics.refused_token(refusal);
        Failure::Token(refusal)
    })
}

fn refusal(error: CheckpointError) -> Refusal {
    match error {
        CheckpointError::Malformed => Refusal::Malformed,
        CheckpointError::Version { .. } => Refusal::Version,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_due_an_interval_after_the_last_one_but_only_after_frames() {
        let start = Instant::now();
        let after = |tenths: u64| start + Duration::from_millis(100 * tenths);
        let mut due = Due::new(Duration::from_secs(1), start);
        assert_eq!(due.at(), None);
        due.frames(after(3));
        due.frames(after(6));
        assert_eq!(due.at(), Some(after(10)));
        due.told(after(10));
        assert_eq!(due.at(), None);
        // A pause longer than the interval: the next frame's is due at once.
        due.frames(after(45));
        assert_eq!(due.at(), Some(after(45)));
        due.told(after(45));
        due.frames(after(46));
        assert_eq!(due.at(), Some(after(55)));
    }
}
