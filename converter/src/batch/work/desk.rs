//! Who works on what: hands the shard's files to the threads, one after the other, and then what has to wait or comes back.
//!
//! A file is under way from when it is handed out until it is settled: recorded, and its source gone if it is to go. No
//! thread leaves before all are, since what is under way may come back: a file that another job has in its hands, or a
//! source that may go now.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::convert::SpareCores;
use crate::interrupt::Stopped;

use super::super::error::Error;
use super::super::journal::{self, LineRead};
use super::super::records::{Done, Planned};
use super::patience::Patience;

/// How long a file rests that another job has in its hands, before it is tried again.
const PAUSE: Duration = Duration::from_millis(200);

/// Something to do.
#[derive(Debug)]
pub enum Task {
    /// Bring a file to its record.
    File(Box<Planned>, Place),
    /// Let the source of a recorded file go.
    Source(Box<Done>),
    /// Have what was done recorded now: nothing more comes before that.
    Flush,
}

/// What a thread has to know of a file beside its line in the plan.
#[derive(Debug)]
pub struct Place {
    /// Its number.
    pub n: u64,
    /// Bytes of the files of the shard that were not handed out yet.
    pub bytes_waiting: u64,
    /// How long another job may keep it.
    pub patience: Patience,
}

/// Why a shard ends before all of its files are settled.
#[derive(Debug)]
pub enum End {
    /// A signal came.
    Stopped(Stopped),
    /// It cannot go on.
    Failed(Error),
}

/// The desk.
#[derive(Debug)]
pub struct Desk {
    state: Mutex<State>,
    changed: Condvar,
    /// Cores of threads that have nothing to do.
    spare: SpareCores,
}

#[derive(Debug)]
struct State {
    plan: Lines,
    bytes_waiting: u64,
    sources: VecDeque<Box<Done>>,
    resting: VecDeque<(Instant, Box<Planned>, Place)>,
    under_way: usize,
    /// Threads, and how many of them have nothing to do.
    threads: usize,
    idle: usize,
    /// Whether all was to be recorded since there was something to do.
    flushed: bool,
    end: Option<End>,
}

/// The lines of a shard's plan.
#[derive(Debug)]
struct Lines {
    reader: BufReader<File>,
    path: PathBuf,
    next: u64,
}

impl Lines {
    fn next(&mut self) -> Result<Option<(u64, Box<Planned>)>, Error> {
        let mut line = Vec::new();
        let planned = match journal::read_line(&mut self.reader, &mut line) {
            Ok(LineRead { bytes: 0, .. }) => return Ok(None),
            Ok(_) => serde_json::from_slice(&line).map_err(io::Error::from),
            Err(error) => Err(error),
        };
        let n = self.next;
        self.next += 1;
        planned.map(|planned| Some((n, planned))).map_err(Error::io("reading", &self.path))
    }
}

impl Desk {
    /// A desk for the files of a plan's shard, of so many bytes in all, and for so many threads.
    pub fn open(path: &Path, bytes: u64, threads: usize, spare: SpareCores) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::io("reading", path))?;
        let plan = Lines { reader: BufReader::new(file), path: path.to_owned(), next: 0 };
        let state = State {
            plan,
            bytes_waiting: bytes,
            sources: VecDeque::new(),
            resting: VecDeque::new(),
            under_way: 0,
            threads,
            idle: 0,
            flushed: false,
            end: None,
        };
        Ok(Self { state: Mutex::new(state), changed: Condvar::new(), spare })
    }

    /// The next thing to do; waits until there is one. None: there is nothing to come, or all is to end.
    pub fn next(&self) -> Option<Task> {
        let mut state = self.lock();
        loop {
            match state.next(Instant::now()) {
                Next::Task(task) => return Some(task),
                Next::Over => {
                    self.changed.notify_all();
                    // For good: nobody takes it back.
                    self.spare.give();
                    return None;
                }
                Next::Wait => {}
            }
            self.spare.give();
            state.idle += 1;
            state = if state.resting.is_empty() {
                self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
            } else {
                self.changed.wait_timeout(state, PAUSE).unwrap_or_else(PoisonError::into_inner).0
            };
            state.idle -= 1;
            self.spare.take();
        }
    }

    /// Another job has this file: it is handed out again later.
    pub fn rest(&self, planned: Box<Planned>, place: Place) {
        self.lock().resting.push_back((Instant::now() + PAUSE, planned, place));
        self.changed.notify_one();
    }

    /// The source of this file, which is recorded, may go.
    pub fn release(&self, done: Box<Done>) {
        self.lock().sources.push_back(done);
        self.changed.notify_one();
    }

    /// Nothing more is to be done for a file.
    pub fn settled(&self) {
        let mut state = self.lock();
        state.under_way = state.under_way.saturating_sub(1);
        if state.under_way == 0 {
            self.changed.notify_all();
        }
    }

    /// Nothing more is handed out. The first reason counts.
    pub fn end(&self, end: End) {
        self.lock().end.get_or_insert(end);
        self.changed.notify_all();
    }

    /// Why it ended, if it was not that all files are settled.
    pub fn ended(self) -> Option<End> {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).end
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What there is to do.
enum Next {
    Task(Task),
    /// Something may come.
    Wait,
    /// Nothing comes any more.
    Over,
}

impl State {
    fn next(&mut self, now: Instant) -> Next {
        if self.end.is_some() {
            return Next::Over;
        }
        match self.next_task(now) {
            Ok(Some(task)) => {
                self.flushed = false;
                Next::Task(task)
            }
            Ok(None) if self.under_way == 0 => Next::Over,
            Ok(None) if self.idle + 1 >= self.threads && !self.flushed => {
                self.flushed = true;
                Next::Task(Task::Flush)
            }
            Ok(None) => Next::Wait,
            Err(error) => {
                self.end = Some(End::Failed(error));
                Next::Over
            }
        }
    }

    fn next_task(&mut self, now: Instant) -> Result<Option<Task>, Error> {
        // First, so that no more than a group of them wait.
        if let Some(done) = self.sources.pop_front() {
            return Ok(Some(Task::Source(done)));
        }
        if let Some((n, planned)) = self.plan.next()? {
            self.under_way += 1;
            self.bytes_waiting = self.bytes_waiting.saturating_sub(planned.stamp.size);
            let place = Place { n, bytes_waiting: self.bytes_waiting, patience: Patience::default() };
            return Ok(Some(Task::File(planned, place)));
        }
        let due = self.resting.front().is_some_and(|(due, ..)| *due <= now);
        let rested = if due { self.resting.pop_front() } else { None };
        Ok(rested.map(|(_, planned, place)| Task::File(planned, place)))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::batch::path::RecordPath;
    use crate::batch::records::{Outcome, Stamp};

    fn desk(names: &[&str]) -> (tempfile::TempDir, Desk, SpareCores) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan");
        let line = |name| serde_json::to_string(&planned(name)).unwrap() + "\n";
        fs::write(&path, names.iter().map(line).collect::<String>()).unwrap();
        let spare = SpareCores::new(0);
        let desk = Desk::open(&path, 10 * names.len() as u64, 1, spare.clone()).unwrap();
        (folder, desk, spare)
    }

    fn planned(name: &&str) -> Planned {
        let path = RecordPath::new(Path::new(name)).unwrap();
        Planned { path, stamp: Stamp { size: 10, mtime_ns: 0 }, refused: None }
    }

    fn file(task: Option<Task>) -> (Box<Planned>, Place) {
        match task {
            Some(Task::File(planned, place)) => (planned, place),
            other => panic!("no file: {other:?}"),
        }
    }

    #[test]
    fn files_go_out_in_order_and_sources_before_them() {
        let (_folder, desk, spare) = desk(&["a", "b", "c"]);
        let (a, place) = file(desk.next());
        assert_eq!((a.path.text().as_str(), place.n, place.bytes_waiting), ("a", 0, 20));
        let (b, place) = file(desk.next());
        assert_eq!((b.path.text().as_str(), place.n, place.bytes_waiting), ("b", 1, 10));
        desk.release(Box::new(Done::blank(0, a.path.clone(), a.stamp, Outcome::Converted)));
        assert!(matches!(desk.next(), Some(Task::Source(done)) if done.n == 0));
        assert_eq!(file(desk.next()).1.n, 2);
        assert!(matches!(desk.next(), Some(Task::Flush)));
        (0..3).for_each(|_| desk.settled());
        assert!(desk.next().is_none());
        assert!(spare.try_take(), "a thread that has left has no use for its core");
        assert!(!spare.try_take());
        assert!(desk.ended().is_none());
    }

    #[test]
    fn a_thread_waits_for_what_may_come_back() {
        let (_folder, desk, spare) = desk(&["a"]);
        let (a, place) = file(desk.next());
        assert!(matches!(desk.next(), Some(Task::Flush)), "nothing comes before all is recorded");
        std::thread::scope(|scope| {
            let other = scope.spawn(|| file(desk.next()));
            // It waits once it has given its core away.
            while !spare.try_take() {
                std::thread::yield_now();
            }
            spare.give();
            desk.rest(a, place);
            assert_eq!(other.join().unwrap().1.n, 0, "it comes again");
        });
        assert!(matches!(desk.next(), Some(Task::Flush)), "again after there was something to do");
        std::thread::scope(|scope| {
            let other = scope.spawn(|| desk.next().is_none());
            desk.settled();
            assert!(other.join().unwrap());
        });
    }

    #[test]
    fn the_first_reason_to_end_counts_and_nothing_goes_out_after_it() {
        let (_folder, desk, _) = desk(&["a"]);
        let failed = |what| End::Failed(Error::io("reading", Path::new(what))(io::ErrorKind::Other.into()));
        desk.end(failed("one"));
        desk.end(failed("two"));
        assert!(desk.next().is_none());
        assert!(matches!(desk.ended(), Some(End::Failed(error)) if error.to_string().contains("one")));
    }

    #[test]
    fn a_plan_that_makes_no_sense_is_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan");
        fs::write(&path, "no plan\n").unwrap();
        let desk = Desk::open(&path, 0, 1, SpareCores::new(0)).unwrap();
        assert!(desk.next().is_none());
        assert!(matches!(desk.ended(), Some(End::Failed(_))));
    }
}
