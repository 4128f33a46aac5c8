//! The second stage: convert the files of one shard, several at a time, and record what became of each.
//!
//! Threads take files from a [`desk`] and [`bring`] each to where it only lacks its name. One more thread gathers those into
//! a [`group`], has all of it on the disk, gives the names and writes the records. The records are the truth: a file counts
//! as converted once its record is on the disk, which is after its FLAC is. A source goes after that, by its [`policy`].
//!
//! What holds the shard together while it runs is here: the threads, what is known of the [`shard`], its progress, and how
//! it ends.

mod admin;
mod bring;
mod choices;
mod desk;
mod durable;
mod gather;
mod group;
mod limits;
mod memory;
mod patience;
mod pending;
mod policy;
mod shard;
#[cfg(test)]
mod tests;

use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::convert::SpareCores;
use crate::file::sweep_part;
use crate::interrupt::{Busy, Interrupt};

use super::console::{Console, Extent};
use super::error::{ConfigReason, Error};
use super::folders::Folders;
use super::journal::{self, Journal};
use super::layout::Layout;
use super::places::{Places, make_folder};
use super::records::{Counts, Done, Failure, Plan};
use super::store::Store;
use super::summary::WorkSummary;
use super::walk::MISSING;
use bring::{Bench, Reading, Verdict};
pub use choices::Choices;
use desk::{Desk, End, Task};
use gather::{Gatherer, Message};
use group::{FILES, Groups, Item, What};
use limits::{FailedCount, Room};
use pending::{Pending, PendingFile};
use policy::Sources;
use shard::{Known, Progress, Shard};

/// How often the bar moves.
const TICK: Duration = Duration::from_millis(100);

/// What to convert, and how.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub places: Places,

    /// Which shard, from 0; in an Indexed Job the pod's index
    #[arg(long, value_name = "I", env = "JOB_COMPLETION_INDEX")]
    pub shard: usize,

    /// Where the FLAC files go; the plan has it too, and both must say the same
    #[arg(long, value_name = "Mirror|Flat")]
    pub layout: Option<Layout>,

    /// File that gets the last line too, for Kubernetes' termination message; at most 4096 bytes
    #[arg(long, value_name = "FILE")]
    pub termination_log: Option<PathBuf>,

    #[command(flatten)]
    pub choices: Choices,
}

/// Works on a shard until every file in it has a record.
pub fn run(args: &Args, console: &Console) -> Result<WorkSummary, Error> {
    let grace = Duration::from_secs(args.choices.grace_seconds.into());
    let interrupt = Interrupt::watch(grace, |stop| {
        tracing::info!(signal = stop.name(), "stopped by a signal; a further run of this shard goes on from here");
    })
    .map_err(Error::io("taking signals for", args.places.store().root()))?;
    run_until(args, console, &interrupt)
}

/// The same in a process that takes signals itself.
pub fn run_until(args: &Args, console: &Console, interrupt: &Interrupt) -> Result<WorkSummary, Error> {
    let root = args.places.open_source()?;
    let destination = args.places.make_destination()?;
    let plan = args.places.read_plan()?;
    let bytes = check(args, &plan)?;
    let store = args.places.store();
    make_folder(&store.results_folder())?;
    let failed = FailedCount::open(&store.failed_count(), args.choices.max_failed_files)
        .map_err(Error::making(&store.failed_count()))?;
    not_too_many(&failed, &store)?;

    let files = plan.shard_files.get(args.shard).copied().unwrap_or(0);
    let mut shard = Shard::new(files, bytes).map_err(|_| {
        let path = store.plan();
        let why = format!("{} tells of {files} files: it is damaged; remove it, plan again", path.display());
        Error::config(ConfigReason::PlanNotFound, why)
    })?;
    let path = store.results(args.shard);
    let journal = Journal::open(&path, |done: Done, at| _ = shard.put(done.n, Known::of(&done, at)))
        .map_err(Error::making(&path))?;
    let choices = &args.choices;
    let options = choices.options();
    let (rules, keep) = (options.convert.rules, options.convert.metadata.keep);
    let policy = (choices.source_policy, choices.move_to.as_deref());
    let sources = Sources::new(policy, (&root, &destination), &plan.order, (rules, keep))?;

    open_as_many_files_as_may_be();
    let crew = choices.crew();
    let cores = crew.threads;
    // No more threads than files: the others would only wait.
    let at_once = crew.files.min(NonZeroUsize::new(shard.files()).unwrap_or(NonZeroUsize::MIN));
    let spare = SpareCores::new(cores.get().saturating_sub(at_once.get()));
    let disk = durable::Disk::of(&destination).map_err(Error::io("opening", &destination))?;
    let bench = Bench {
        root: root.clone(),
        folders: Mutex::new(Folders::new(root, destination.clone())),
        layout: plan.order.layout,
        overwrite: choices.overwrite,
        options,
        cores,
        at_once,
        spare: spare.clone(),
        sources,
    };
    let (pending, left) = open_pending(&store, args.shard)?;
    let mut groups = Groups {
        bench: &bench,
        disk,
        journal,
        pending,
        #[cfg(test)]
        dies_at: tests::dies_at(),
    };
    adopt(&mut groups, &mut shard, left, &destination)?;

    let work = Work {
        records: path,
        desk: Desk::open(&store.planned(args.shard), bytes, at_once.get(), spare)?,
        progress: Arc::new(Progress::new(args.shard, shard)),
        room: Mutex::new(Room::default()),
        bench: &bench,
        interrupt,
    };
    tracing::info!(shard = args.shard, files, bytes, at_once, "working on a shard");
    let gatherer = Gatherer { groups, failed, room: Room::default(), store: &store };
    work.run(gatherer, choices, console)
}

/// Checks that the plan has the shard and the layout; tells how many bytes the shard has.
fn check(args: &Args, plan: &Plan) -> Result<u64, Error> {
    if args.layout.is_some_and(|layout| layout != plan.order.layout) {
        return Err(Error::config(
            ConfigReason::PlanNotFound,
            format!("the plan was made with --layout {:?}: use the same for all stages", plan.order.layout),
        ));
    }
    plan.shard_bytes.get(args.shard).copied().ok_or_else(|| {
        Error::config(
            ConfigReason::PlanNotFound,
            format!("the plan has {} shards, counted from 0, so there is no shard {}", plan.order.shards, args.shard),
        )
    })
}

/// The files of two groups are open at the same time, and the limit that most systems start programs with is there for those
/// that use `select`, which we do not (setrlimit(2), select(2)).
fn open_as_many_files_as_may_be() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(soft, hard)| if soft < hard { setrlimit(Resource::RLIMIT_NOFILE, hard, hard) } else { Ok(()) });
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
}

fn not_too_many(failed: &FailedCount, store: &Store) -> Result<(), Error> {
    match failed.too_many().map_err(Error::io("reading", &store.failed_count()))? {
        None => Ok(()),
        Some(failed) => Err(Error::config(
            ConfigReason::TooManyFailedFiles,
            format!(
                "{failed} files have failed, more than --max-failed-files (in a ConversionJob: maxFailedFiles) lets: look at \
                 their reasons in {}, and make another run with records of its own once they are mended",
                store.results_folder().display()
            ),
        )),
    }
}

fn open_pending(store: &Store, shard: usize) -> Result<(PendingFile, Vec<Pending>), Error> {
    let path = store.pending(shard);
    let mut left = Vec::new();
    let file = PendingFile::open(&path, |pending| left.push(pending)).map_err(Error::making(&path))?;
    Ok((file, left))
}

/// Records what a worker that died had given names to but not recorded.
fn adopt(groups: &mut Groups<'_>, shard: &mut Shard, left: Vec<Pending>, destination: &Path) -> Result<(), Error> {
    let unrecorded = |pending: &Pending| {
        let (known, target) = (shard.get(pending.done.n), pending.done.path.flac(groups.bench.layout));
        let recorded = known.is_some_and(|known| known == Known { at: known.at, ..Known::of(&pending.done, 0) });
        !recorded && pending.is_at(&destination.join(target.as_path()))
    };
    for pending in &left {
        sweep_part(&destination.join(pending.done.path.flac(groups.bench.layout).as_path()));
    }
    let named: Vec<Done> = left.into_iter().filter(unrecorded).map(|pending| pending.done).collect();
    if !named.is_empty() {
        tracing::info!(files = named.len(), "recording what an earlier try had converted just before it ended");
        // Their names may not be on the disk yet, nor those of the folders above them.
        let folders = named.iter().flat_map(|done| {
            let target = destination.join(done.path.flac(groups.bench.layout).as_path());
            let above: Vec<PathBuf> = target.ancestors().skip(1).map(Into::into).collect();
            above.into_iter().take_while(|folder| folder.starts_with(destination))
        });
        let folders = folders.collect();
        groups.disk.sync_folders(&folders).map_err(Error::io("syncing folders of", destination))?;
        let places = groups.journal.append(&named).map_err(Error::io("recording in", groups.journal.path()))?;
        for (done, at) in named.iter().zip(places) {
            shard.put(done.n, Known::of(done, at));
        }
    }
    groups.pending.clear().map_err(Error::io("clearing what was pending beside", groups.journal.path()))
}

/// A shard that is worked on.
struct Work<'a> {
    /// The file of its records.
    records: PathBuf,
    desk: Desk,
    progress: Arc<Progress>,
    /// As the threads find it; what only shows when a group is synced is the gathering thread's.
    room: Mutex<Room>,
    bench: &'a Bench,
    interrupt: &'a Interrupt,
}

impl<'a> Work<'a> {
    fn run(self, gatherer: Gatherer<'a>, choices: &Choices, console: &Console) -> Result<WorkSummary, Error> {
        let admin =
            choices.admin_listen.map(|address| admin::serve(address, Arc::clone(&self.progress))).transpose()?;
        let mut bar = console.bar(Extent::Bytes(self.progress.summary().bytes.total));
        let (sender, receiver) = sync_channel(FILES);
        thread::scope(|scope| {
            let (work, main) = (&self, thread::current());
            for _ in 0..self.bench.at_once.get() {
                let sender = sender.clone();
                scope.spawn(move || work.take_part(&sender));
            }
            drop(sender);
            let gathering = scope.spawn(move || {
                if let Err(error) = gatherer.run(&receiver, work) {
                    work.desk.end(End::Failed(error));
                }
                main.unpark();
            });
            while !gathering.is_finished() {
                thread::park_timeout(TICK);
                let WorkSummary { files, bytes, .. } = self.progress.summary();
                let counts = files.counts;
                bar.set(bytes.done, counts.converted + counts.skipped + counts.failed);
            }
        });
        bar.finish();
        drop(admin);
        match self.desk.ended() {
            None => {}
            Some(End::Stopped(stopped)) => return Err(stopped.into()),
            Some(End::Failed(error)) => return Err(error),
        }
        let summary = self.progress.summary();
        let Counts { converted, skipped, failed } = summary.files.counts;
        tracing::info!(shard = summary.shard, converted, skipped, failed, "the shard is done");
        Ok(summary)
    }

    /// The life of a thread that converts.
    fn take_part<'s>(&'s self, sender: &SyncSender<Message<'s>>) {
        while let Some(task) = self.desk.next() {
            let busy = match self.interrupt.begin() {
                Ok(busy) => busy,
                Err(stopped) => return self.desk.end(End::Stopped(stopped)),
            };
            let item = match task {
                Task::File(planned, place) => {
                    let known = self.progress.get(place.n);
                    let mut reading = Reading::new(&self.progress.read, known);
                    let began = Instant::now();
                    let n = place.n;
                    match self.bench.bring(&planned, place, known, &mut reading) {
                        Verdict::Busy(place) => {
                            self.desk.rest(planned, place);
                            continue;
                        }
                        verdict => self.item(n, verdict, began, (busy, reading)),
                    }
                }
                Task::Source(done) => self.let_source_go(&done, busy),
                Task::Flush => {
                    if sender.send(Message::Flush).is_err() {
                        return;
                    }
                    continue;
                }
            };
            let Some(item) = item else {
                self.desk.settled();
                continue;
            };
            if sender.send(Message::Item(Box::new(item))).is_err() {
                return;
            }
        }
    }

    /// What the group is to do for a file; None if its record stands.
    fn item<'s>(
        &'s self,
        n: u64,
        verdict: Verdict,
        began: Instant,
        (busy, reading): (Busy<'s>, Reading<'s>),
    ) -> Option<Item<'s>> {
        let seconds = began.elapsed().as_secs_f64();
        let what = match verdict {
            Verdict::Kept | Verdict::Busy(_) => return None,
            Verdict::Record(mut done) => {
                done.seconds = seconds;
                What::Record(done)
            }
            Verdict::Written(mut written) => {
                written.1.seconds = seconds;
                What::Written(written)
            }
            Verdict::KeptFor(known) => match self.recorded(known) {
                Ok(done) => return self.let_source_go(&done, busy),
                Err(error) => {
                    tracing::warn!(n, %error, "a record cannot be read again, so the source stays");
                    return None;
                }
            },
            Verdict::Gone(known) => {
                let mut done = self.recorded(known).ok()?;
                done.source = self.bench.sources.gone(&done);
                if done.source.is_none() {
                    let failure = Failure::new(
                        MISSING,
                        "the file is not there any more, and its FLAC or where it was moved to is not either",
                    );
                    done = Done::failed(n, done.path.clone(), done.stamp(), failure);
                }
                What::Record(Box::new(done))
            }
        };
        let item = Item { what, busy, reading };
        self.look_for_room(item.done());
        Some(item)
    }

    /// Ends the shard before all of it fails for the same reason.
    fn look_for_room(&self, done: &Done) {
        if self.room.lock().unwrap_or_else(PoisonError::into_inner).is_none_after(done) {
            self.desk.end(End::Failed(Error::no_room(self.bench.folders().destination())));
        }
    }

    /// Lets the source of a recorded file go; None if nothing new is to be recorded.
    fn let_source_go<'s>(&'s self, done: &Done, busy: Busy<'s>) -> Option<Item<'s>> {
        let mut after = done.clone();
        let changed = self.bench.sources.act(&mut after);
        let reading = Reading::nothing(&self.progress.read);
        (after != *done).then(|| Item { what: What::Source(Box::new(after), changed), busy, reading })
    }

    /// What was recorded of a file before.
    fn recorded(&self, known: Known) -> io::Result<Done> {
        journal::record(&self.records, known.at)
    }
}
