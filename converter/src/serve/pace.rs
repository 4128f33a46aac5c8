//! How slowly a client may send: it has a credit of time that waiting for it uses up and its bytes earn back, never above
//! the start. So a pause of that length is borne after honest work, and so is a slow beginning, but not a trickle that is meant
//! to hold a connection for ever.
//!
//! Only waiting for the client counts: an upload that waits for the server's own work loses nothing.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep};

/// The credit of one client.
#[derive(Debug)]
pub(super) struct Pace {
    /// The credit at the start, and the most there can be.
    patience: Duration,
    /// Bytes that earn a second; with 0 one byte earns everything.
    rate: u64,
    credit: Duration,
    waiting_since: Option<Instant>,
    timer: Pin<Box<Sleep>>,
}

/// Why a client is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It sent nothing.
    Silent,
    /// It sent too little.
    Slow,
}

impl Pace {
    /// `rate`: bytes a second that a client must send on average; 0 for any.
    pub(super) fn new(patience: Duration, rate: u64) -> Self {
        Self { patience, rate, credit: patience, waiting_since: None, timer: Box::pin(sleep(patience)) }
    }

    /// Bytes have come.
    pub(super) fn came(&mut self, bytes: u64) {
        let waited = self.waiting_since.take().map_or(Duration::ZERO, |since| since.elapsed());
        let earned = match bytes.saturating_mul(1_000_000_000).checked_div(self.rate) {
            Some(nanos) => Duration::from_nanos(nanos),
            None => self.patience,
        };
        self.credit = self.credit.saturating_sub(waited).saturating_add(earned).min(self.patience);
    }

    /// None have come yet: ready once the credit is used up.
    pub(super) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<Verdict> {
        if self.waiting_since.is_none() {
            let now = Instant::now();
            self.waiting_since = Some(now);
            self.timer.as_mut().reset(now + self.credit);
        }
        ready!(self.timer.as_mut().poll(cx));
        Poll::Ready(if self.credit == self.patience { Verdict::Silent } else { Verdict::Slow })
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;
    use tokio::time::timeout;

    const PATIENCE: Duration = Duration::from_mins(1);

    /// What becomes of a client that sends so many bytes after so many seconds, each time, and when.
    async fn verdict(rate: u64, sends: impl IntoIterator<Item = (u64, u64)>) -> (Verdict, u64) {
        let start = Instant::now();
        let mut pace = Pace::new(PATIENCE, rate);
        for (seconds, bytes) in sends {
            let pause = Duration::from_secs(seconds);
            if let Ok(verdict) = timeout(pause, poll_fn(|cx| pace.poll_over(cx))).await {
                return (verdict, start.elapsed().as_secs());
            }
            pace.came(bytes);
        }
        (poll_fn(|cx| pace.poll_over(cx)).await, start.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_borne_as_long_as_it_may_be() {
        assert_eq!(verdict(1_000, []).await, (Verdict::Silent, 60));
        assert_eq!(verdict(0, [(59, 1), (59, 1)]).await, (Verdict::Silent, 178));
        assert_eq!(verdict(1_000, [(5, 1_000_000)]).await, (Verdict::Silent, 65));
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickle_is_not() {
        // One second earns nothing to speak of, so the time is that of the silence.
        assert_eq!(verdict(1_000, std::iter::repeat((1, 1))).await, (Verdict::Slow, 60));
        // Half the rate: one second is lost in two.
        assert_eq!(verdict(1_000, std::iter::repeat((1, 500))).await, (Verdict::Slow, 119));
        assert_eq!(verdict(1_000, [(50, 1)]).await, (Verdict::Slow, 60));
    }

    #[tokio::test(start_paused = true)]
    async fn the_rate_itself_is_enough_and_no_credit_grows_beyond_the_start() {
        let steady = std::iter::repeat_n((1, 1_000), 1_000);
        assert_eq!(verdict(1_000, steady.chain([(0, 1 << 40)])).await, (Verdict::Silent, 1_060));
    }
}
