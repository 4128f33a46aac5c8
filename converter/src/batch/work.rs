//! The second stage: convert the files of one shard, one after the other, and record what became of each.
//!
//! The records are the truth: a file counts as converted once its record is on the disk, which is after its FLAC is.
//! A worker that dies in between finds the FLAC next time, as new as its source, and records it as skipped (with
//! `--overwrite Always` it converts it once more).

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::bytesize::ByteSize;
use crate::convert::{self, Engine, Float, Level, Metadata};
use crate::file::{Existing, FileOptions, Times, Verify, convert_file};
use crate::flac::BLOCK_SIZE;
use crate::interrupt::Interrupt;

use super::console::{Bar, Console, Extent};
use super::decide::{Decision, Overwrite, SkipReason, Target, decide};
use super::error::{ConfigReason, Error};
use super::folders::{Folders, io_failure};
use super::journal::Journal;
use super::layout::Layout;
use super::path::RecordPath;
use super::places::{Places, make_folder};
use super::records::{Counts, Done, Failure, Notice, Outcome, Planned, Stamp};
use super::summary::{FileTotals, WorkBytes, WorkSummary};
use super::walk::{MISSING, source_metadata};

/// What to convert, and how.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    places: Places,

    /// Which shard, from 0; in an Indexed Job the pod's index
    #[arg(long, value_name = "I", env = "JOB_COMPLETION_INDEX")]
    shard: usize,

    /// What to do where a FLAC exists
    #[arg(long, value_name = "WHEN", default_value = "IfNewer")]
    overwrite: Overwrite,

    /// Compression level, 0 (fastest) to 8 (smallest)
    #[arg(long, value_name = "0-8", default_value_t)]
    level: Level,

    /// Which encoder makes the frames: native, portable or flacenc
    ///
    /// native is Flacship's own with the vector instructions of this CPU, and portable is the same one without them: it
    /// makes the same bytes, only more slowly. flacenc is the Rust crate of that name: other bytes, the same audio.
    #[arg(long, value_name = "ENGINE", default_value_t)]
    engine: Engine,

    /// Samples per channel in each FLAC frame, 16 to 65535
    #[arg(long, value_name = "N", default_value_t = BLOCK_SIZE, value_parser = clap::value_parser!(u16).range(16..))]
    block_size: u16,

    /// What is kept of a WAV file beside its audio: tags, or foreign for every byte of it
    #[arg(long, value_name = "tags|foreign", default_value_t)]
    metadata: Metadata,

    /// Most of one WAV file's metadata that is held in memory: bytes, or with Ki, Mi, Gi, Ti, k, M, G, T
    #[arg(long, value_name = "SIZE", default_value = "4Mi")]
    max_metadata: ByteSize,

    /// What becomes of floating-point samples: refuse, or quantise to 16 or 24 bits
    #[arg(long, value_name = "refuse|16|24", default_value_t)]
    float: Float,

    /// Threads that encode; 0 is one for each core
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: u16,

    /// Decode each FLAC and compare it with its source before it gets its name
    #[arg(long, value_name = "true|false", action = clap::ArgAction::Set, default_value_t = true)]
    verify: bool,

    /// How long the file at hand may take to finish after SIGTERM; after that it is given up, to be converted by the
    /// next try
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    grace_seconds: u32,
}

/// Works on a shard until every file in it has a record.
pub fn run(args: &Args, console: &Console) -> Result<WorkSummary, Error> {
    let root = args.places.open_source()?;
    let destination = args.places.make_destination()?;
    let plan = args.places.read_plan()?;
    let store = args.places.store();
    let Some(bytes) = plan.shard_bytes.get(args.shard).copied() else {
        return Err(Error::config(
            ConfigReason::PlanNotFound,
            format!("the plan has {} shards, counted from 0, so there is no shard {}", plan.order.shards, args.shard),
        ));
    };
    let interrupt = Interrupt::watch(Duration::from_secs(args.grace_seconds.into()), |stop| {
        tracing::info!(signal = stop.name(), "stopped by a signal; a further run of this shard goes on from here");
    })
    .map_err(Error::io("taking signals for", store.root()))?;

    make_folder(&store.results_folder())?;
    let path = store.results(args.shard);
    let mut before = HashMap::new();
    let journal = Journal::open(&path, |done: Done| {
        before.insert(done.n, Recorded::of(&done));
    })
    .map_err(Error::making(&path))?;

    let mut worker = Worker {
        folders: Folders::new(root.clone(), destination),
        root,
        overwrite: args.overwrite,
        layout: plan.order.layout,
        options: FileOptions {
            convert: conversion(args),
            verify: if args.verify { Verify::Yes } else { Verify::No },
            existing: Existing::Refuse,
            times: Times::Source,
        },
        interrupt: &interrupt,
        journal,
        bar: console.bar(Extent::Bytes(bytes)),
        counts: Counts::default(),
        bytes: WorkBytes { total: bytes, ..WorkBytes::default() },
    };
    tracing::info!(shard = args.shard, bytes, recorded = before.len(), "working on a shard");
    let path = store.planned(args.shard);
    let planned = File::open(&path).map_err(Error::io("reading", &path))?;
    for (n, line) in (0..).zip(BufReader::new(planned).lines()) {
        let planned: Planned = line
            .and_then(|line| serde_json::from_str(&line).map_err(io::Error::from))
            .map_err(Error::io("reading", &path))?;
        worker.handle(n, &planned, before.get(&n).copied())?;
    }
    let Counts { converted, skipped, failed } = worker.counts;
    worker.bar.finish();
    tracing::info!(shard = args.shard, converted, skipped, failed, "the shard is done");
    let files = FileTotals::of(worker.counts);
    Ok(WorkSummary { shard: args.shard, files, bytes: worker.bytes })
}

fn conversion(args: &Args) -> convert::Options {
    let mut options = convert::Options {
        level: args.level,
        engine: args.engine,
        block_size: args.block_size,
        ..convert::Options::default()
    };
    let cores = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    options.threads = NonZeroUsize::new(args.threads.into()).unwrap_or_else(cores);
    options.metadata.keep = args.metadata;
    options.metadata.limit = args.max_metadata.0;
    options.rules.float = args.float;
    options
}

/// What a worker has at hand.
struct Worker<'a> {
    root: PathBuf,
    folders: Folders,
    overwrite: Overwrite,
    layout: Layout,
    options: FileOptions,
    interrupt: &'a Interrupt,
    journal: Journal,
    bar: Bar,
    counts: Counts,
    bytes: WorkBytes,
}

/// What the record of an earlier try says.
#[derive(Clone, Copy)]
struct Recorded {
    outcome: Outcome,
    stamp: Stamp,
    output_bytes: u64,
}

impl Recorded {
    fn of(done: &Done) -> Self {
        Self { outcome: done.outcome, stamp: done.stamp(), output_bytes: done.output_bytes }
    }
}

impl Worker<'_> {
    /// Brings one file to its record.
    fn handle(&mut self, n: u64, planned: &Planned, recorded: Option<Recorded>) -> Result<(), Error> {
        let size = planned.stamp.size;
        let began = Instant::now();
        let busy = self.interrupt.begin()?;
        let verdict = self.result(n, planned, recorded);
        busy.still_wanted();
        let done = match verdict {
            Verdict::Kept(recorded) => recorded,
            Verdict::New(done) => {
                let done = Done { seconds: began.elapsed().as_secs_f64(), ..*done };
                tell(&done);
                self.journal.append(&done).map_err(Error::io("recording in", self.journal.path()))?;
                Recorded::of(&done)
            }
        };
        drop(busy);
        self.counts.add(done.outcome);
        self.bytes.done += size;
        if done.outcome == Outcome::Converted {
            self.bytes.input += done.stamp.size;
            self.bytes.output += done.output_bytes;
        }
        self.bar.done(size, self.counts.converted + self.counts.skipped + self.counts.failed);
        Ok(())
    }

    fn result(&mut self, n: u64, planned: &Planned, recorded: Option<Recorded>) -> Verdict {
        let failed = |stamp, failure| Verdict::new(Done::failed(n, planned.path.clone(), stamp, failure));
        if let Some(refused) = &planned.refused {
            return match recorded {
                Some(recorded) if recorded.outcome == Outcome::Failed => Verdict::Kept(recorded),
                _ => failed(planned.stamp, refused.clone()),
            };
        }
        let source = self.root.join(planned.path.as_path());
        let stamp = match source_metadata(&source, &self.root) {
            Ok(metadata) => Stamp::of(&metadata),
            Err(failure) => return failed(planned.stamp, failure),
        };
        // A failed file is tried again whenever its shard is.
        let recorded = recorded.filter(|recorded| recorded.outcome != Outcome::Failed);
        self.bring((n, &planned.path), &source, stamp, recorded).unwrap_or_else(|failure| failed(stamp, failure))
    }

    fn bring(
        &mut self,
        file: (u64, &RecordPath),
        source: &Path,
        stamp: Stamp,
        recorded: Option<Recorded>,
    ) -> Result<Verdict, Failure> {
        let target = self.folders.place(file.1.flac(self.layout).as_path())?;
        let there = look(&target).map_err(|error| io_failure(&error, &target))?;
        match (decide(self.overwrite, stamp, recorded.map(|recorded| recorded.stamp), there), recorded) {
            (Decision::Keep, Some(recorded)) => Ok(Verdict::Kept(recorded)),
            (Decision::Keep, None) => Ok(skipped(file, stamp, SkipReason::Exists, there)),
            (Decision::Skip(reason), _) => Ok(skipped(file, stamp, reason, there)),
            (Decision::Create, _) => self.convert(file, source, stamp, &target, Existing::Refuse),
            (Decision::Replace, _) => self.convert(file, source, stamp, &target, Existing::Replace),
            (Decision::Refuse, _) => Err(Failure::new(
                "target_not_a_file",
                format!("{} is there and is no file: move it away", target.display()),
            )),
        }
    }

    fn convert(
        &mut self,
        file: (u64, &RecordPath),
        source: &Path,
        stamp: Stamp,
        target: &Path,
        existing: Existing,
    ) -> Result<Verdict, Failure> {
        let options = FileOptions { existing, ..self.options.clone() };
        let bar = &mut self.bar;
        let mut progress = |progress: convert::Progress| bar.within(progress.bytes_in);
        // One file that the converter chokes on must not cost the shard.
        let result = catch_unwind(AssertUnwindSafe(|| convert_file(source, target, &options, &mut progress)));
        match result {
            Ok(Ok(summary)) => Ok(Verdict::new(Done {
                output_bytes: summary.bytes_out,
                samples: Some(summary.samples),
                md5: Some(convert::md5_text(summary.md5)),
                warnings: summary
                    .warnings
                    .iter()
                    .map(|warning| Notice { code: warning.code().to_owned(), message: warning.to_string() })
                    .collect(),
                ..Done::blank(file.0, file.1.clone(), stamp, Outcome::Converted)
            })),
            // Another job was faster. Its FLAC is as good as ours.
            Ok(Err(error)) if error.code() == "target_exists" => {
                let there = look(target).map_err(|error| io_failure(&error, target))?;
                Ok(skipped(file, stamp, SkipReason::Exists, there))
            }
            Ok(Err(error)) if error.code() == "source_unreadable" && !source.exists() => {
                Err(Failure::new(MISSING, error.to_string()))
            }
            Ok(Err(error)) => Err(Failure::new(error.code(), error.to_string())),
            Err(_) => Err(Failure::new(
                "internal",
                "the converter broke on this file, which is a fault of ours: please report it with the log",
            )),
        }
    }
}

/// What became of a file.
enum Verdict {
    /// What its record says.
    Kept(Recorded),
    /// Something to be recorded.
    New(Box<Done>),
}

impl Verdict {
    fn new(done: Done) -> Self {
        Self::New(Box::new(done))
    }
}

fn skipped(file: (u64, &RecordPath), source: Stamp, reason: SkipReason, there: Target) -> Verdict {
    let output_bytes = if let Target::File(flac) = there { flac.size } else { 0 };
    Verdict::new(Done {
        output_bytes,
        reason: Some(reason.as_str().to_owned()),
        ..Done::blank(file.0, file.1.clone(), source, Outcome::Skipped)
    })
}

/// What is at the destination. A link counts as what it leads to; one that leads nowhere is in the way.
fn look(target: &Path) -> io::Result<Target> {
    match fs::metadata(target) {
        Ok(metadata) if metadata.is_file() => Ok(Target::File(Stamp::of(&metadata))),
        Ok(_) => Ok(Target::Other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Ok(if target.is_symlink() { Target::Other } else { Target::Missing })
        }
        Err(error) => Err(error),
    }
}

fn tell(done: &Done) {
    let path = done.path.text();
    match done.outcome {
        Outcome::Failed => {
            let (reason, message) = (done.reason.as_deref(), done.message.as_deref());
            tracing::warn!(path, reason, message, "failed");
        }
        Outcome::Skipped => tracing::debug!(path, reason = done.reason.as_deref(), "skipped"),
        Outcome::Converted => {
            for warning in &done.warnings {
                tracing::warn!(path, code = warning.code, "{}", warning.message);
            }
            tracing::debug!(path, bytes = done.output_bytes, "converted");
        }
    }
}
