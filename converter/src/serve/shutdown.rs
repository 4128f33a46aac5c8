//! How the server ends: which phase it is in, how much work is under way, and the signals that start the end.
//!
//! A stopping pod is still in the endpoints of its Service for a moment, so work is taken a while longer
//! ([`Phase::Leaving`]); then new work is refused and what is there finishes ([`Phase::Draining`]); what outlasts the
//! drain time-out is cut off ([`Phase::Over`]).

use std::time::Duration;

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::{Instant, sleep, timeout_at},
};

/// Where the server is in its life. Only ever moves down this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Taking work.
    Serving,
    /// Unready, but still taking work.
    Leaving,
    /// Finishing what it has.
    Draining,
    /// Cutting off what is left.
    Over,
}

/// Why the server ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// A cluster asks (SIGTERM): others learn of it only after a while.
    Terminate,
    /// A person asks (SIGINT): nobody has to learn of it.
    Interrupt,
}

/// The phase and the work under way, shared by all of the server.
#[derive(Debug)]
pub(super) struct Shutdown {
    phase: watch::Sender<Phase>,
    work: watch::Sender<usize>,
}

impl Shutdown {
    pub(super) fn new() -> Self {
        Self { phase: watch::Sender::new(Phase::Serving), work: watch::Sender::new(0) }
    }

    pub(super) fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Waits until the server is in this phase or a later one.
    pub(super) async fn reached(&self, phase: Phase) {
        // The sender lives in self, so the wait cannot fail.
        let _ = self.phase.subscribe().wait_for(|now| *now >= phase).await;
    }

    /// Counts one more piece of work, unless the server takes none any more. Each `true` wants one [`Self::end`].
    pub(super) fn begin(&self) -> bool {
        // Counted before the phase is read: so either `drain` sees the work or the work sees the drain.
        self.work.send_modify(|work| *work += 1);
        let taken = self.phase() < Phase::Draining;
        if !taken {
            self.end();
        }
        taken
    }

    /// One piece of work is done.
    pub(super) fn end(&self) {
        self.work.send_modify(|work| *work -= 1);
    }

    /// Goes through the phases; returns once nothing is under way or the time is over.
    pub(super) async fn drain(&self, stop: Stop, delay: Duration, limit: Duration) {
        let deadline = Instant::now() + limit;
        self.phase.send_replace(Phase::Leaving);
        if stop == Stop::Terminate {
            sleep(delay.min(limit)).await;
        }
        self.phase.send_replace(Phase::Draining);
        let mut work = self.work.subscribe();
        if timeout_at(deadline, work.wait_for(|work| *work == 0)).await.is_err() {
            tracing::warn!(unfinished = *self.work.borrow(), "the drain time-out is over: unfinished work is cut off");
        }
        self.phase.send_replace(Phase::Over);
    }
}

/// Waits for SIGTERM or SIGINT. A second one ends the process at once, for people who will not wait.
pub(super) async fn signals() -> std::io::Result<Stop> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = tokio::select! {
        _ = terminate.recv() => Stop::Terminate,
        _ = interrupt.recv() => Stop::Interrupt,
    };
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::warn!("asked a second time to stop: ending at once");
        std::process::exit(1);
    });
    Ok(stop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test(start_paused = true)]
    async fn work_is_taken_during_the_delay_and_waited_for_after_it() {
        let shutdown = Arc::new(Shutdown::new());
        assert!(shutdown.begin());
        let draining = tokio::spawn({
            let shutdown = Arc::clone(&shutdown);
            async move { shutdown.drain(Stop::Terminate, Duration::from_secs(5), Duration::from_mins(5)).await }
        });
        shutdown.reached(Phase::Leaving).await;
        assert!(shutdown.begin());
        shutdown.end();
        shutdown.reached(Phase::Draining).await;
        assert!(!shutdown.begin());
        assert!(!draining.is_finished());
        shutdown.end();
        draining.await.unwrap();
        assert_eq!(shutdown.phase(), Phase::Over);
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_out_ends_what_never_ends() {
        let shutdown = Shutdown::new();
        assert!(shutdown.begin());
        let start = Instant::now();
        shutdown.drain(Stop::Terminate, Duration::from_secs(5), Duration::from_mins(5)).await;
        assert_eq!(start.elapsed(), Duration::from_mins(5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_person_waits_for_nobody() {
        let shutdown = Shutdown::new();
        let start = Instant::now();
        shutdown.drain(Stop::Interrupt, Duration::from_secs(5), Duration::from_mins(5)).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
