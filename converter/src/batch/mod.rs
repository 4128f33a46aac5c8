//! Batch runs over a folder tree, in three stages that share a records folder and nothing else: [`plan`] finds the
//! files and deals them to shards, [`work`] converts one shard and records what became of each file, [`report`] merges
//! the records. The operator runs each stage as a Kubernetes Job; on a laptop [`run`] does all three.
//!
//! Here are the command line, the summary line and the exit codes. Converting a file is in [`crate::file`].
//!
//! Exit codes: 0 done (files that cannot be converted are results, not errors), 42 the user has to change something
//! (the last line on standard output says what), 143, 130 and 129 stopped by SIGTERM, SIGINT and SIGHUP, 1 anything else.
//! After 1 and a signal the same command goes on where the records end.

mod atomic;
mod clearing;
mod console;
mod decide;
mod error;
mod folders;
mod globs;
mod journal;
mod layout;
mod lock;
mod names;
mod path;
mod places;
mod plan;
mod records;
mod report;
mod run;
mod shards;
mod spool;
mod store;
mod summary;
mod walk;
mod words;
mod work;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;

use crate::interrupt::{Interrupt, Stopped};
use console::Console;
use error::Error;
use summary::{ErrorBody, ErrorLine};

/// Exit code for what only the user can change: a Job must not try again.
pub const EXIT_CONFIG: u8 = 42;

/// A stage of a batch run, or all of them
#[derive(Debug, clap::Subcommand)]
#[command(after_long_help = EXAMPLE)]
pub enum Command {
    /// Find the files and deal them to shards
    #[command(after_long_help = PLAN_HELP)]
    Plan(plan::Args),
    /// Convert the files of one shard
    #[command(after_long_help = WORK_HELP)]
    Work(Box<work::Args>),
    /// Merge the records of all shards into totals and a list of failures
    #[command(after_long_help = REPORT_HELP)]
    Report(report::Args),
    /// All three stages over two folders, in one process
    #[command(after_long_help = RUN_HELP)]
    Run(Box<run::Args>),
}

const EXAMPLE: &str = "\
On a laptop, all in one:

  converter batch run Recordings Archive

A run has three stages, which share a folder of records. One by one, with two workers:

  places=\"--source Recordings --destination Archive --records Archive/.flacship/monday\"
  converter batch plan   $places --shards 2
  converter batch work   $places --shard 0 &
  converter batch work   $places --shard 1; wait
  converter batch report $places

\"Recordings/day 1/take.wav\" becomes \"Archive/day 1/take.flac\", with the time of its source. The destination may be \
the source folder: each FLAC then lies beside its WAV. Sources are only read.

Any stage can be stopped or killed at any moment and run again: it goes on where it was. A later run with a new \
records folder converts only what is new or newer. Each stage ends with one line of JSON on standard output; the log \
is on standard error.

Exit codes: 0 done, even if some files could not be converted (the report lists them); 42 something must be changed \
first, the last line says what; 143, 130 or 129 stopped by a signal; 1 anything else, worth another try.";

const PLAN_HELP: &str = "\
Writes RECORDS/plan/shard-00000.jsonl and so on, one line a file, and plan.json last. If the records hold a plan for \
the same source, globs and shards, that one stands.

Never taken: hidden files and folders, *.flac and *.flac.part, lost+found, links to folders. Refused, and listed as \
failed in the report: links that lead out of the source, nowhere or in a circle, pipes and devices, folders that cannot \
be read, names too long for \".flac.part\" at their end, and files whose FLAC would have the name of another's: of those \
the first in the order of their paths is taken (a.WAV, not a.wav; with --layout Flat 1/a.wav, not 2/a.wav).

A million files take no more memory than a thousand. Records beside these whose time is over (report --keep-for) are \
removed.

Example, everything but the drafts:

  converter batch plan --source Recordings --destination Archive \\
      --records Archive/.flacship/monday --exclude 'drafts/' --exclude '**/*-old.wav'";

const WORK_HELP: &str = "\
Appends a line to RECORDS/results/shard-00000.jsonl for every file: converted, skipped or failed, and why. A file that \
cannot be converted is a result: the exit code is 0 all the same.

Several files are converted at the same time, and many are made safe together: written as *.flac.part, synced, read \
back, named, and then recorded. Run again it goes on where it was: files recorded as converted or skipped are left \
alone unless the source has changed or the FLAC is gone; failed ones are tried again. After SIGTERM the files at hand \
are finished within the grace period or removed, and the exit code is 143.

A source whose size or time has moved since it was planned, or moves while it is read, is not converted but failed with \
the reason source_changed; the next try takes it once it stays as it is. If ten files in a row find no room at the \
destination, the worker ends with exit code 1.

With --source-policy DeleteAfterVerify or MoveTo a source goes once its FLAC and the record of it are on the disk, and \
the FLAC was read back, decoded and compared with it; skipped files too. A source that cannot go stays, with a warning \
in its record.

Example:

  converter batch work --source Recordings --destination Archive \
      --records Archive/.flacship/monday --shard 0 --level 8";

const REPORT_HELP: &str = "\
Writes RECORDS/report.json with totals, times, savings by folder and every failure, and RECORDS/report.html, the same for \
people with the first 500 failures; the line on standard output has the first 20. It reads only records, so it can run \
while workers do; files that no worker came to count as failed, with the reason not_processed.

Example:

  converter batch report --source Recordings --destination Archive \\
      --records Archive/.flacship/monday";

const RUN_HELP: &str = "\
Every WAV file below SOURCE gets a FLAC below DESTINATION, under the same path with the ending .flac and with the time of \
its source. Sources are only read, unless --source-policy says otherwise. What has a FLAC as new as itself is skipped, so \
the same command later converts only what is new or newer.

Stop it with Ctrl-C at any time: the files at hand are finished or removed, and the same command goes on from there. So \
it does after a crash or a power cut. Records and report are in DESTINATION/.flacship, a folder for each run; open \
report.html there in a browser.

Examples:

  converter batch run Recordings Archive
  converter batch run Recordings Recordings              each FLAC beside its WAV
  converter batch run Recordings Archive --exclude 'drafts/' --level 8
  converter batch run Recordings Archive --layout Flat   all FLACs in one folder
  converter batch run Recordings Archive --json          one line for a program

Exit codes: 0 done, even if some files could not be converted (they are listed); 42 something must be changed first, the \
last message says what; 130, 143 or 129 stopped by a signal; 1 anything else, worth another try.";

/// Runs one stage, or all, prints what it has to say last and gives the exit code.
pub fn run(command: Command) -> ExitCode {
    let console = Console::start();
    match command {
        Command::Plan(args) => {
            let records = &args.places.records;
            end("plan", until_stopped(records, || plan::run(&args, &console)), summary::line, None)
        }
        Command::Work(args) => end("work", work::run(&args, &console), summary::line, args.termination_log.as_deref()),
        Command::Report(args) => {
            let records = &args.places.records;
            end("report", until_stopped(records, || report::run(&args)), summary::report_line, None)
        }
        Command::Run(args) if args.json => end("run", run::run(&args, &console), run::line, None),
        Command::Run(args) => match run::run(&args, &console) {
            Ok(summary) => {
                summary::print(&summary.words());
                ExitCode::SUCCESS
            }
            Err(error) => failed(&error),
        },
    }
}

/// Runs a stage that begins anew whenever it is stopped, so a signal ends it at once. As the first process of a container it
/// would not even be ended by one that it does not take (pid_namespaces(7)), and be killed after the pod's grace period.
fn until_stopped<T>(records: &Path, stage: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    let interrupt = Interrupt::watch(Duration::ZERO, |stop| {
        tracing::info!(signal = stop.name(), "stopped by a signal; the same command begins anew");
    })
    .map_err(Error::io("taking signals for", records))?;
    let result = stage();
    interrupt.over();
    result
}

/// Prints the summary line of a stage, writes it to `log` too, and turns its result into an exit code.
fn end<T: Serialize>(
    stage: &str,
    result: Result<T, Error>,
    line: impl FnOnce(&str, &T) -> serde_json::Result<String>,
    log: Option<&Path>,
) -> ExitCode {
    let (line, code) = match result {
        Ok(summary) => (line(stage, &summary), ExitCode::SUCCESS),
        Err(error) => {
            let code = failed(&error);
            let Error::Config { reason, message } = error else { return code };
            let error = ErrorLine { error: ErrorBody { reason, message: &message } };
            (summary::line(stage, &error), code)
        }
    };
    match line {
        Ok(line) => {
            summary::print(&line);
            if let Some(log) = log {
                summary::log(&line, log);
            }
            code
        }
        Err(error) => {
            tracing::error!(%error, "the summary could not be written");
            ExitCode::FAILURE
        }
    }
}

/// Tells an error on standard error; its exit code.
fn failed(error: &Error) -> ExitCode {
    match error {
        Error::Config { reason, message } => {
            tracing::error!(?reason, "{message}");
            ExitCode::from(EXIT_CONFIG)
        }
        Error::Stopped(Stopped(stop)) => ExitCode::from(stop.code()),
        Error::Io { .. } => {
            tracing::error!("{error}; the same command goes on from here");
            ExitCode::FAILURE
        }
    }
}
