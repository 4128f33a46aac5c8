//! The first stage: find the files and deal them to shards.
//!
//! A plan of a million files is made in the memory of one of a thousand: what the walk finds is put into order, and what
//! is dealt is brought from one order into another, by way of files in the plan folder ([`super::spool`]).

mod lines;
mod sweep;

use std::fs;
use std::io;
use std::path::Path;

use super::console::{Console, Extent};
use super::error::Error;
use super::globs::Globs;
use super::layout::Layout;
use super::names::{Collisions, Names};
use super::places::{Places, make_folder};
use super::records::{Order, Plan, Planned};
use super::shards::{LARGE, Sizes};
use super::spool::{Limits, Record, Sorter};
use super::store::Store;
use super::summary::PlanSummary;
use super::walk::{Search, walk};
use super::{atomic, clearing, lock, shards};
use lines::ShardFiles;

/// Most shards: their counts must fit into the summary line.
const MAX_SHARDS: i64 = 10_000;

/// What to plan.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub places: Places,

    #[command(flatten)]
    pub choices: Choices,
}

/// Which files, and how they are dealt.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Choices {
    /// Into how many pieces the files are dealt, by bytes; each can be worked on by its own process
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=MAX_SHARDS))]
    pub shards: u32,

    /// Files to convert, by path below the source: `*` stays within a folder, `**` crosses folders. May be repeated.
    /// Without it: every *.wav, *.wave, *.bwf, *.rf64 and *.w64, in upper or lower case
    #[arg(long, value_name = "GLOB")]
    pub include: Vec<String>,

    /// Files or whole folders to leave out, even if included. May be repeated
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,

    /// Where the FLAC files go: Mirror keeps the subfolders of the source, Flat puts all into the destination itself
    #[arg(long, value_name = "Mirror|Flat", default_value = "Mirror")]
    pub layout: Layout,
}

impl Choices {
    /// The order for that source.
    pub fn order(&self, source: &Path) -> Order {
        Order {
            source: source.to_string_lossy().into_owned(),
            include: self.include.clone(),
            exclude: self.exclude.clone(),
            shards: usize::try_from(self.shards).unwrap_or(1),
            layout: self.layout,
        }
    }
}

/// Plans, unless the records hold the same plan already.
///
/// A plan is never dealt anew under its workers: with the same source, globs, shards and layout the one that is there
/// stands, whatever has changed in the source since. A new run has a new records folder.
pub fn run(args: &Args, console: &Console) -> Result<PlanSummary, Error> {
    let choices = &args.choices;
    let globs = Globs::new(&choices.include, &choices.exclude)?;
    let root = args.places.open_source()?;
    let names = Names::at(&args.places.make_destination()?, choices.layout)?;
    let store = args.places.store();
    make_folder(&store.plan_folder())?;
    make_folder(&store.results_folder())?;
    let lock = lock::of_run(&store.lock())?;
    let order = choices.order(&args.places.source);
    let plan = match kept(&args.places, &store, &order)? {
        Some(plan) => plan,
        None => make(order, &root, &globs, &names, &store, console)?,
    };
    drop(lock);
    sweep::sweep(store.root(), jiff::Timestamp::now());
    Ok(PlanSummary { files: plan.files, bytes: plan.bytes, shard_files: plan.shard_files })
}

/// The plan that is there, if it is whole and was made for the same order. A volume that does not say is no reason to plan
/// anew, which would take the records away.
fn kept(places: &Places, store: &Store, order: &Order) -> Result<Option<Plan>, Error> {
    let plan = match places.read_plan() {
        Ok(plan) if plan.order == *order => plan,
        Ok(_) | Err(Error::Config { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    for shard in 0..order.shards {
        let path = store.planned(shard);
        match fs::metadata(&path) {
            Ok(found) if found.is_file() => {}
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("reading", &path)(error)),
        }
    }
    tracing::info!(planned_at = plan.planned_at, "the plan that is there stands; a new run has a new --records folder");
    Ok(Some(plan))
}

fn make(
    order: Order,
    root: &Path,
    globs: &Globs,
    names: &Names,
    store: &Store,
    console: &Console,
) -> Result<Plan, Error> {
    // From here to the end there is no plan, so that no reader takes an old one with new shards.
    clearing::clear(store)?;
    let records = fs::canonicalize(store.root()).map_err(Error::io("reading", store.root()))?;
    let folder = store.plan_folder();
    let spooling = || Error::io("spooling in", &folder);
    let limits = Limits::default();

    let mut bar = console.bar(Extent::Unknown);
    let mut sizes = Sizes::new(LARGE);
    let mut found = Sorter::new(&folder, limits).map_err(spooling())?;
    walk(Search { root, records: &records, globs }, &folder, limits, &mut |mut file| {
        names.check(&mut file);
        sizes.see(file.stamp.size);
        bar.found();
        let line = line(&file).map_err(spooling())?;
        found.push(&names.key(&file.path), &line).map_err(spooling())
    })?;
    bar.finish();

    let mut dealt = Dealt { dealer: sizes.deal(order.shards), totals: Totals::of(order.shards) };
    let mut collisions = Collisions::new(names);
    let mut by_shard = Sorter::new(&folder, limits).map_err(spooling())?;
    let mut record = Record::default();
    let mut sorted = found.sorted().map_err(spooling())?;
    while sorted.next(&mut record).map_err(spooling())? {
        let mut file: Planned = serde_json::from_slice(&record.body).map_err(io::Error::from).map_err(spooling())?;
        collisions.judge(&mut file);
        by_shard.push(&dealt.key(&file), &line(&file).map_err(spooling())?).map_err(spooling())?;
    }
    drop(sorted);

    let mut files = ShardFiles::new(store, order.shards);
    let mut sorted = by_shard.sorted().map_err(spooling())?;
    while sorted.next(&mut record).map_err(spooling())? {
        files.write(&record.key, &record.body)?;
    }
    files.finish()?;
    atomic::sync_folder(&folder).map_err(Error::making(&folder))?;

    let Totals { refused, shard_files, shard_bytes } = dealt.totals;
    let plan = Plan {
        order,
        files: shard_files.iter().sum(),
        bytes: shard_bytes.iter().fold(0, |sum, bytes| sum.saturating_add(*bytes)),
        shard_files,
        shard_bytes,
        planned_at: jiff::Timestamp::now().to_string(),
    };
    let path = store.plan();
    atomic::write(&path, |out| Ok(serde_json::to_writer_pretty(out, &plan)?)).map_err(Error::making(&path))?;
    tracing::info!(files = plan.files, bytes = plan.bytes, refused, shards = plan.order.shards, "planned");
    Ok(plan)
}

fn line(file: &Planned) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(file)?;
    line.push(b'\n');
    Ok(line)
}

/// Deals and counts.
struct Dealt {
    dealer: shards::Dealer,
    totals: Totals,
}

#[derive(Default)]
struct Totals {
    refused: u64,
    shard_files: Vec<u64>,
    shard_bytes: Vec<u64>,
}

impl Totals {
    fn of(shards: usize) -> Self {
        Self { refused: 0, shard_files: vec![0; shards], shard_bytes: vec![0; shards] }
    }
}

impl Dealt {
    /// Deals a file: what it is sorted by from here on, its shard and its number in it.
    fn key(&mut self, file: &Planned) -> [u8; 16] {
        let shard = self.dealer.shard(file.stamp.size);
        self.totals.refused += u64::from(file.refused.is_some());
        if let Some(bytes) = self.totals.shard_bytes.get_mut(shard) {
            *bytes = bytes.saturating_add(file.stamp.size);
        }
        let mut number = 0;
        if let Some(files) = self.totals.shard_files.get_mut(shard) {
            number = *files;
            *files += 1;
        }
        lines::key(shard, number)
    }
}
