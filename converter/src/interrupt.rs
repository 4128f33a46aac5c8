//! Signals that end the process, and the partial files that must not outlive it. The command line and the batch
//! workers share it; the service stops in its own way.
//!
//! Ctrl-C (SIGINT), SIGTERM and SIGHUP are taken by a thread of their own, so that they work while the process waits
//! for its input. The files at hand get a grace period to finish, then every partial file of the process is removed, and
//! the process ends with the code that a shell tells: 130, 143 or 129. A signal that the process was started to ignore
//! (`nohup`, `trap '' INT`) stays ignored.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, io, process, thread};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The partial files that this process is writing.
pub static PARTIALS: Partials = Partials::new();

/// How long files that have just got their names may take to be recorded.
const SETTLE: Duration = Duration::from_secs(1);

/// How long the last words may take: whoever reads them may have stopped reading.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A signal that ends the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// SIGHUP: the terminal is gone.
    Hangup,
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

impl Stop {
    /// The signal's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hangup => "SIGHUP",
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        }
    }

    /// The exit code after it, as a shell would tell it.
    pub fn code(self) -> u8 {
        128 + self.number()
    }

    fn number(self) -> u8 {
        match self {
            Self::Hangup => 1,
            Self::Interrupt => 2,
            Self::Terminate => 15,
        }
    }
}

/// Partial files: each is in here from before it is made until it has its name or is removed, so that the end of the
/// process misses none and touches none of another process.
#[derive(Debug)]
pub struct Partials(Mutex<BTreeSet<PathBuf>>);

impl Partials {
    const fn new() -> Self {
        Self(Mutex::new(BTreeSet::new()))
    }

    /// Makes a partial file with `make`, which must not wait for anything. It is this process's from here on.
    pub fn create<T, E>(&self, path: &Path, make: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let mut partials = self.lock();
        let file = make()?;
        partials.insert(path.to_path_buf());
        Ok(file)
    }

    /// Gives a partial file its name with `rename`, which must not wait for anything.
    pub fn publish(&self, path: &Path, rename: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let mut partials = self.lock();
        rename()?;
        partials.remove(path);
        Ok(())
    }

    /// Lets a partial file be: whatever becomes of it, this process has no part in it.
    pub fn release(&self, path: &Path) {
        self.lock().remove(path);
    }

    /// Removes a partial file. If that fails, the file is left to whoever makes one of its name.
    pub fn discard(&self, path: &Path) {
        let mut partials = self.lock();
        let _ = fs::remove_file(path);
        partials.remove(path);
    }

    /// Removes all partial files and tells which. No other can be made or get its name after this, for ever: the
    /// process is about to end.
    fn end(&self) -> Vec<PathBuf> {
        let partials = self.lock();
        let removed = partials.iter().filter(|path| fs::remove_file(path).is_ok()).cloned().collect();
        std::mem::forget(partials);
        removed
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many files the process works on, and whether it is to stop.
#[derive(Debug, Default)]
pub struct Interrupt {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    stop: Option<Stop>,
    /// Files at hand.
    busy: usize,
    over: bool,
}

/// A file is at hand until this is dropped.
#[must_use]
#[derive(Debug)]
pub struct Busy<'a>(&'a Interrupt);

impl Busy<'_> {
    /// Returns unless the file at hand was given up, in which case the process is about to end: what became of a file
    /// whose partial file was taken away must not be told.
    pub fn still_wanted(&self) {
        drop(self.0.lock());
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.busy = state.busy.saturating_sub(1);
        drop(state);
        self.0.changed.notify_all();
    }
}

/// The process is to stop: no further file may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("stopped by {}", .0.name())]
pub struct Stopped(pub Stop);

impl Interrupt {
    /// Takes over the signals from now on. After one, the files at hand have `grace` to finish; then `last_words` are
    /// said and the process ends.
    pub fn watch(grace: Duration, last_words: impl FnOnce(Stop) + Send + 'static) -> io::Result<Arc<Self>> {
        let interrupt = Arc::new(Self::default());
        let watched = Arc::clone(&interrupt);
        let (ready, is_ready) = mpsc::channel();
        thread::Builder::new().name("signals".into()).spawn(move || {
            let stop = match wait(&ready) {
                Ok(stop) => stop,
                Err(error) => return drop(ready.send(Err(error))),
            };
            if watched.stop(&PARTIALS, stop, grace) == Rest::Unfinished {
                say(move || last_words(stop));
            }
            process::exit(i32::from(stop.code()));
        })?;
        is_ready.recv().map_err(io::Error::other)??;
        Ok(interrupt)
    }

    /// Says that a file is at hand. Once a signal came, no further file begins.
    pub fn begin(&self) -> Result<Busy<'_>, Stopped> {
        let mut state = self.lock();
        if let Some(stop) = state.stop {
            return Err(Stopped(stop));
        }
        state.busy += 1;
        Ok(Busy(self))
    }

    /// Says that all is done: a signal ends the process without a word from here on.
    pub fn over(&self) {
        self.lock().over = true;
    }

    /// Lets no further file begin, and returns when none is at hand any more or those at hand were given up. The
    /// state stays locked for ever then: nothing may begin or be told between this and the end of the process.
    fn stop(&self, partials: &Partials, stop: Stop, grace: Duration) -> Rest {
        let mut state = self.lock();
        if state.over {
            return Rest::Done;
        }
        state.stop = Some(stop);
        if state.busy > 0 && !grace.is_zero() {
            tracing::info!(?grace, files = state.busy, "told to stop; finishing what is at hand");
        }
        state = self.wait_while_busy(state, 0, grace);
        let given_up = partials.end();
        for partial in &given_up {
            tracing::debug!(partial = %partial.display(), "gave up a file at hand and removed what was written");
        }
        // Others may have got their names a moment ago; then they are to be recorded too.
        state = self.wait_while_busy(state, given_up.len(), SETTLE);
        std::mem::forget(state);
        Rest::Unfinished
    }

    /// Waits while more files than `but` are at hand, but no longer than `limit`.
    fn wait_while_busy<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        but: usize,
        limit: Duration,
    ) -> MutexGuard<'a, State> {
        let deadline = Instant::now() + limit;
        while state.busy > but {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a signal found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// All was done already.
    Done,
    /// There was more to do.
    Unfinished,
}

/// Waits for a signal, after telling `ready` that none can be missed any more.
fn wait(ready: &mpsc::Sender<io::Result<()>>) -> io::Result<Stop> {
    let ignored = fs::read_to_string("/proc/self/status").map_or(0, |status| ignored_signals(&status));
    let watch = |stop: Stop| {
        let watched = ignored & (1 << (stop.number() - 1)) == 0;
        watched.then(|| signal(SignalKind::from_raw(stop.number().into()))).transpose()
    };
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let mut hangup = watch(Stop::Hangup)?;
        let mut interrupt = watch(Stop::Interrupt)?;
        let mut terminate = watch(Stop::Terminate)?;
        drop(ready.send(Ok(())));
        Ok(tokio::select! {
            () = came(&mut hangup) => Stop::Hangup,
            () = came(&mut interrupt) => Stop::Interrupt,
            () = came(&mut terminate) => Stop::Terminate,
        })
    })
}

async fn came(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// The signals that this process was started to ignore, by Linux's `/proc/self/status`: signal n is bit n - 1.
fn ignored_signals(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// Runs `words`, but waits for their end only so long.
fn say(words: impl FnOnce() + Send + 'static) {
    let (said, is_said) = mpsc::channel();
    let speaker = thread::Builder::new().name("last words".into()).spawn(move || {
        words();
        let _ = said.send(());
    });
    if speaker.is_ok() {
        let _ = is_said.recv_timeout(LAST_WORDS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_mins(10);

    #[test]
    fn idle_stops_at_once() {
        let interrupt = Interrupt::default();
        drop(interrupt.begin().unwrap());
        assert_eq!(interrupt.stop(&Partials::new(), Stop::Terminate, LONG), Rest::Unfinished);
        assert_eq!(Stop::Terminate.code(), 143);
    }

    #[test]
    fn a_signal_after_the_end_has_nothing_to_stop() {
        let interrupt = Interrupt::default();
        drop(interrupt.begin().unwrap());
        interrupt.over();
        assert_eq!(interrupt.stop(&Partials::new(), Stop::Terminate, LONG), Rest::Done);
    }

    #[test]
    fn a_file_at_hand_is_finished_and_none_begins() {
        let (interrupt, partials) = (Interrupt::default(), Partials::new());
        let busy = interrupt.begin().unwrap();
        thread::scope(|scope| {
            let stop = scope.spawn(|| interrupt.stop(&partials, Stop::Terminate, LONG));
            while interrupt.lock().stop.is_none() {
                thread::yield_now();
            }
            assert_eq!(interrupt.begin().unwrap_err(), Stopped(Stop::Terminate));
            busy.still_wanted();
            drop(busy);
            stop.join().unwrap();
        });
    }

    #[test]
    fn all_files_at_hand_are_finished() {
        let (interrupt, partials) = (Interrupt::default(), Partials::new());
        let (one, two) = (interrupt.begin().unwrap(), interrupt.begin().unwrap());
        thread::scope(|scope| {
            let stop = scope.spawn(|| interrupt.stop(&partials, Stop::Terminate, LONG));
            while interrupt.lock().stop.is_none() {
                thread::yield_now();
            }
            drop(one);
            assert_eq!(interrupt.lock().busy, 1);
            assert!(!stop.is_finished(), "one is still at hand");
            drop(two);
            stop.join().unwrap();
        });
    }

    #[test]
    fn without_grace_the_partial_file_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.flac.part");
        let (interrupt, partials) = (Interrupt::default(), Partials::new());
        let busy = interrupt.begin().unwrap();
        partials.create(&path, || fs::write(&path, b"half")).unwrap();
        interrupt.stop(&partials, Stop::Interrupt, Duration::ZERO);
        assert!(!path.exists());
        std::mem::forget(busy);
    }

    #[test]
    fn only_files_that_this_process_is_writing_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let partials = Partials::new();
        let make = |name| partials.create(&path(name), || fs::write(path(name), b"half"));
        for name in ["published.part", "discarded.part", "kept.part", "mine.part"] {
            make(name).unwrap();
        }
        fs::write(path("others.part"), b"half").unwrap();
        assert!(partials.create(&path("others.part"), || Err::<(), ()>(())).is_err(), "another has it");
        let rename = |from, to| fs::rename(path(from), path(to));
        partials.publish(&path("published.part"), || rename("published.part", "published")).unwrap();
        partials.discard(&path("discarded.part"));
        fs::write(path("discarded.part"), b"another's by now").unwrap();
        assert!(partials.publish(&path("kept.part"), || rename("kept.part", "no folder/kept")).is_err());
        assert_eq!(partials.end(), [path("kept.part"), path("mine.part")]);
        for name in ["published", "others.part", "discarded.part"] {
            assert!(path(name).exists(), "{name}");
        }
    }

    #[test]
    fn ignored_signals_are_read_from_the_kernel() {
        let status = "Name:\tconverter\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001003\nSigCgt:\t0\n";
        assert_eq!(ignored_signals(status), 0x1003, "SIGHUP, SIGINT and SIGPIPE");
        assert_eq!(ignored_signals("Name:\tx\n"), 0);
    }
}
