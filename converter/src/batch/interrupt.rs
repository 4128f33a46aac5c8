//! SIGTERM and SIGINT. A worker that is told to stop finishes the file at hand if it can within a grace period, else
//! it gives the file up and removes its partial file; then the process ends with 143 (SIGTERM) or 130 (SIGINT), so
//! that Kubernetes starts the shard again, which goes on where the records end.

use std::path::PathBuf;
use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, io, process, thread};

use tokio::signal::unix::{SignalKind, signal};

use super::error::Error;

/// Exit code after SIGTERM, as a shell would tell it.
const TERMINATED: u8 = 128 + 15;
/// Exit code after SIGINT.
const INTERRUPTED: u8 = 128 + 2;

/// What the worker is doing and whether it is to stop.
#[derive(Debug, Default)]
pub struct Interrupt {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The exit code, once a signal came.
    stop: Option<u8>,
    /// The partial file of the file at hand.
    busy: Option<PathBuf>,
}

/// A file is at hand until this is dropped.
#[must_use]
pub struct Busy<'a>(&'a Interrupt);

impl Busy<'_> {
    /// Returns unless the file at hand was given up, in which case the process is about to end: what became of a file
    /// whose partial file was taken away must not be recorded.
    pub fn still_wanted(&self) {
        drop(self.0.lock());
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.lock().busy = None;
        self.0.changed.notify_all();
    }
}

impl Interrupt {
    /// Takes over SIGTERM and SIGINT from now on.
    pub fn watch(grace: Duration) -> io::Result<Arc<Self>> {
        let interrupt = Arc::new(Self::default());
        let watched = Arc::clone(&interrupt);
        let (ready, is_ready) = mpsc::channel();
        thread::Builder::new().name("signals".into()).spawn(move || {
            let code = match wait(&ready) {
                Ok(code) => code,
                Err(error) => return drop(ready.send(Err(error))),
            };
            process::exit(i32::from(watched.stop(code, grace)));
        })?;
        is_ready.recv().map_err(io::Error::other)??;
        Ok(interrupt)
    }

    /// Says that a file is at hand and where its partial file is. Once a signal came, no further file begins.
    pub fn begin(&self, partial: PathBuf) -> Result<Busy<'_>, Error> {
        let mut state = self.lock();
        if let Some(code) = state.stop {
            return Err(Error::Stopped { code });
        }
        state.busy = Some(partial);
        Ok(Busy(self))
    }

    /// Lets no further file begin, and returns when none is at hand any more. The state stays locked for ever then:
    /// nothing may begin between this and the end of the process.
    fn stop(&self, code: u8, grace: Duration) -> u8 {
        let deadline = Instant::now() + grace;
        let mut state = self.lock();
        state.stop = Some(code);
        if state.busy.is_some() {
            tracing::info!(?grace, "told to stop; finishing the file at hand");
        }
        while let Some(partial) = &state.busy {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                tracing::warn!(partial = %partial.display(), "giving up the file at hand; a further run converts it");
                if let Err(error) = fs::remove_file(partial) {
                    tracing::debug!(%error, "no partial file was removed");
                }
                break;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        tracing::info!(code, "stopped by a signal; a further run of this shard goes on from here");
        std::mem::forget(state);
        code
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for a signal, after telling `ready` that none can be missed any more.
fn wait(ready: &mpsc::Sender<io::Result<()>>) -> io::Result<u8> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        drop(ready.send(Ok(())));
        Ok(tokio::select! {
            _ = terminate.recv() => TERMINATED,
            _ = interrupt.recv() => INTERRUPTED,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_stops_at_once() {
        let interrupt = Interrupt::default();
        drop(interrupt.begin("a.part".into()).unwrap());
        assert_eq!(interrupt.stop(TERMINATED, Duration::from_mins(10)), 143);
    }

    #[test]
    fn a_file_at_hand_is_finished_and_none_begins() {
        let interrupt = Interrupt::default();
        let busy = interrupt.begin("a.part".into()).unwrap();
        thread::scope(|scope| {
            let stop = scope.spawn(|| interrupt.stop(TERMINATED, Duration::from_mins(10)));
            while interrupt.lock().stop.is_none() {
                thread::yield_now();
            }
            assert!(matches!(interrupt.begin("b.part".into()), Err(Error::Stopped { code: 143 })));
            drop(busy);
            assert_eq!(stop.join().unwrap(), 143);
        });
    }

    #[test]
    fn without_grace_the_partial_file_goes() {
        let folder = tempfile::tempdir().unwrap();
        let partial = folder.path().join("a.flac.part");
        fs::write(&partial, b"half").unwrap();
        let interrupt = Interrupt::default();
        let busy = interrupt.begin(partial.clone()).unwrap();
        assert_eq!(interrupt.stop(INTERRUPTED, Duration::ZERO), 130);
        assert!(!partial.exists());
        std::mem::forget(busy);
    }
}
