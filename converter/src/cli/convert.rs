//! `converter convert`: files, folders and pipes, one after the other.

use std::fs;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

pub use super::args::Args;
pub use super::chosen::{Chosen, options};

use super::chosen::ChoiceError;
use super::console::Console;
use super::find::{Folders, Found, UnexpectedFolder, find};
use super::ledger::Ledger;
use super::misused;
use super::report::{self, Failure, Names};
use super::targets::{Place, PlanError, Task, There, plan_tasks};
use crate::convert::{Conversion, ConvertError, HeadPlace, Options, Output, Progress, Scan, Summary};
use crate::file::{FileError, FileOptions, convert_file, convert_to_file};
use crate::interrupt::{Interrupt, Stop};

/// A mistake on the command line that clap cannot see.
#[derive(Debug, thiserror::Error)]
enum UsageError {
    #[error(transparent)]
    Folder(#[from] UnexpectedFolder),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Choice(#[from] ChoiceError),
    #[error("standard output is a terminal: send it to a file or a program, or name a file with -o")]
    Terminal,
}

/// Runs `converter convert`.
pub fn run(args: &Args) -> ExitCode {
    match Job::new(args) {
        Ok(job) => job.run(),
        Err(error) => misused(&error),
    }
}

/// All that is to be done.
struct Job {
    found: Found,
    tasks: Vec<Task>,
    options: FileOptions,
    console: Console,
    ledger: Arc<Mutex<Ledger>>,
}

/// The run cannot go on: nobody reads what it has to say.
struct Unheard(io::Error);

impl Job {
    /// Plans everything; nothing has been written yet.
    fn new(args: &Args) -> Result<Self, UsageError> {
        let options = options(&Chosen::new(args)?)?;
        let found = find(&args.inputs, if args.input.recursive { Folders::Enter } else { Folders::Refuse })?;
        let tasks = plan_tasks(&found, args.output.output.as_deref(), &There::look)?;
        let flac = tasks.iter().map(|task| &task.output).find(|output| **output == Place::Standard);
        if flac.is_some() && io::stdout().is_terminal() {
            return Err(UsageError::Terminal);
        }
        let flac = flac.or(tasks.first().map(|task| &task.output)).cloned().unwrap_or(Place::File(PathBuf::new()));
        let console = Console::new(&args.report, tasks.len(), &flac, || tasks.iter().map(size).sum());
        let inputs = found.failed.iter().map(|failure| failure.input.clone());
        let inputs = inputs.chain(tasks.iter().map(|task| Names::from(task).input)).collect();
        Ok(Self { found, tasks, options, console, ledger: Arc::new(Mutex::new(Ledger::new(inputs))) })
    }

    fn run(self) -> ExitCode {
        let (console, ledger, several) = (self.console.clone(), Arc::clone(&self.ledger), self.found.is_several());
        let last_words = move |stop: Stop| {
            // A reader that went away is no news any more.
            let _ = cut_short(&format!("stopped by {}", stop.name()), Some(stop), several, &console, &lock(&ledger));
        };
        let interrupt = match Interrupt::watch(Duration::ZERO, last_words) {
            Ok(interrupt) => interrupt,
            Err(error) => {
                self.console.problem(&format!("error: signals cannot be watched: {error}"));
                return ExitCode::FAILURE;
            }
        };
        let done = self.convert_all(&interrupt);
        interrupt.over();
        self.console.clear();
        let ledger = lock(&self.ledger);
        match done.and_then(|()| self.sum_up(&ledger)) {
            Ok(()) if ledger.is_clean() => ExitCode::SUCCESS,
            Ok(()) => ExitCode::FAILURE,
            Err(Unheard(error)) => {
                let why = format!("error: standard output takes no more ({error})");
                let _ = cut_short(&why, None, false, &self.console, &ledger);
                ExitCode::FAILURE
            }
        }
    }

    fn convert_all(&self, interrupt: &Interrupt) -> Result<(), Unheard> {
        for note in &self.found.notes {
            self.console.problem(&format!("warning: {note}"));
        }
        for failure in &self.found.failed {
            self.tell_failure(failure)?;
        }
        let mut before = 0;
        for (number, task) in (1..).zip(&self.tasks) {
            let names = Names::from(task);
            self.console.begin(number, &names.input);
            // Of what goes to standard output nothing can be taken back, so nothing of it is waited for.
            let busy = match &task.output {
                Place::File(_) => Some(interrupt.begin().unwrap_or_else(|_| wait_for_the_end())),
                Place::Standard => None,
            };
            let began = Instant::now();
            let result = self.convert(task, &mut |progress| self.console.done(before + progress.bytes_in));
            if let Some(busy) = &busy {
                busy.still_wanted();
            }
            match result {
                Ok(summary) => self.tell(&names, &summary, began.elapsed())?,
                Err((code, message)) => self.tell_failure(&Failure { input: names.input, code, message })?,
            }
            drop(busy);
            before += size(task).unwrap_or(0);
            self.console.done(before);
        }
        Ok(())
    }

    fn tell(&self, names: &Names, summary: &Summary, took: Duration) -> Result<(), Unheard> {
        lock(&self.ledger).converted(summary);
        for warning in &summary.warnings {
            lock(&self.ledger).note();
            self.console.problem(&format!("{}: warning: {warning}", names.input));
        }
        self.console.line(&report::line(names, summary, took));
        self.console.object(&report::object(names, summary, took)).map_err(Unheard)
    }

    fn tell_failure(&self, failure: &Failure) -> Result<(), Unheard> {
        lock(&self.ledger).not_converted(failure);
        self.console.problem(&failure.line());
        self.console.object(&failure.object()).map_err(Unheard)
    }

    /// Says how it went in all.
    fn sum_up(&self, ledger: &Ledger) -> Result<(), Unheard> {
        if !self.found.is_several() {
            return Ok(());
        }
        if self.console.wants_lines() {
            for failure in ledger.failures_again() {
                self.console.line(failure);
            }
            self.console.line(&ledger.line());
        } else if let Some(line) = ledger.failed_line() {
            self.console.problem(&line);
        }
        self.console.object(&ledger.object(None)).map_err(Unheard)
    }

    /// Converts one input; the error is a code and a message.
    fn convert(&self, task: &Task, progress: &mut dyn FnMut(Progress)) -> Result<Summary, (&'static str, String)> {
        // One file that the converter chokes on must not cost the others.
        match catch_unwind(AssertUnwindSafe(|| convert_task(task, &self.options, progress))) {
            Ok(result) => result.map_err(|error| (error.code(), message(&error, task))),
            Err(_) => Err((
                "internal",
                "the converter broke on this file, which is a fault of ours: please report it".to_owned(),
            )),
        }
    }
}

/// Says what was not come to.
fn cut_short(why: &str, stop: Option<Stop>, several: bool, console: &Console, ledger: &Ledger) -> io::Result<()> {
    console.clear();
    console.problem(&ledger.cut_short(why));
    if !console.wants_objects() || stop.is_none() {
        return Ok(());
    }
    for object in ledger.rest_objects() {
        console.object(&object)?;
    }
    if several { console.object(&ledger.object(stop.map(Stop::name))) } else { Ok(()) }
}

/// A signal came: the thread that watches for it ends the process.
fn wait_for_the_end() -> ! {
    loop {
        thread::park();
    }
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes of a task's input, if they can be known: of a pipe they cannot, and what is not there has none.
fn size(task: &Task) -> Option<u64> {
    match &task.input {
        Place::File(path) => match fs::metadata(path) {
            Ok(meta) => meta.is_file().then_some(meta.len()),
            Err(_) => Some(0),
        },
        Place::Standard => None,
    }
}

fn convert_task(task: &Task, options: &FileOptions, progress: &mut dyn FnMut(Progress)) -> Result<Summary, FileError> {
    if let Some(folder) = &task.folder {
        fs::create_dir_all(folder).map_err(|error| FileError::writing(folder, error))?;
    }
    match (&task.input, &task.output) {
        (Place::File(source), Place::File(target)) => convert_file(source, target, options, progress),
        (Place::Standard, Place::File(target)) => {
            convert_to_file(io::stdin().lock(), Path::new("standard input"), target, options, progress)
        }
        (Place::File(source), Place::Standard) => {
            let unreadable = |error| FileError::SourceUnreadable { path: source.clone(), source: error };
            let mut file = fs::File::open(source).map_err(unreadable)?;
            let options = streamed(options);
            // What stands behind the audio goes into the head too, which cannot be written again.
            let scan = if file.metadata().map_err(unreadable)?.is_file() {
                Scan::of(&mut file, &options).map_err(FileError::Convert)?
            } else {
                None
            };
            to_stdout(Conversion::after(scan, &options), file, progress)
        }
        (Place::Standard, Place::Standard) => {
            to_stdout(Conversion::new(&streamed(options)), io::stdin().lock(), progress)
        }
    }
}

fn streamed(options: &FileOptions) -> Options {
    Options { head: HeadPlace::Final, ..options.convert.clone() }
}

fn to_stdout(
    conversion: Conversion,
    reader: impl io::Read,
    progress: &mut dyn FnMut(Progress),
) -> Result<Summary, FileError> {
    let mut out = Pipe(BufWriter::with_capacity(1 << 16, io::stdout().lock()));
    let summary = conversion.run(reader, &mut out, progress).map_err(FileError::Convert)?;
    out.0.flush().map_err(|error| FileError::Convert(ConvertError::Output(error)))?;
    Ok(summary)
}

/// What an error says about this task.
fn message(error: &FileError, task: &Task) -> String {
    match error {
        FileError::Convert(ConvertError::Output(error))
            if error.kind() == io::ErrorKind::BrokenPipe && task.output == Place::Standard =>
        {
            "the program that reads standard output ended before the FLAC file was whole".to_owned()
        }
        error => error.to_string(),
    }
}

/// An output that cannot go back.
struct Pipe<W: Write>(W);

impl<W: Write> Output for Pipe<W> {
    fn head(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn frame(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }
}
