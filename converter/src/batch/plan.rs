//! The first stage: find the files and deal them to shards.

use std::fs;
use std::io::{self, Write};

use super::console::{Console, Extent};
use super::error::Error;
use super::globs::Globs;
use super::layout::Layout;
use super::places::{Places, check_writable, make_folder};
use super::records::{Order, Plan, Planned};
use super::store::Store;
use super::summary::PlanSummary;
use super::{atomic, shards, walk};

/// Most shards: their counts must fit into the summary line.
const MAX_SHARDS: i64 = 10_000;

/// What to plan.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    places: Places,

    /// Into how many pieces the files are dealt, by bytes; each can be worked on by its own process
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=MAX_SHARDS))]
    shards: u32,

    /// Files to convert, by path below the source: `*` stays within a folder, `**` crosses folders. May be repeated.
    /// Without it: every *.wav, *.wave, *.bwf, *.rf64 and *.w64, in upper or lower case
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,

    /// Files or whole folders to leave out, even if included. May be repeated
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,

    /// Where the FLAC files go: Mirror keeps the subfolders of the source, Flat puts all into the destination itself
    #[arg(long, value_name = "Mirror|Flat", default_value = "Mirror")]
    layout: Layout,
}

/// Plans, unless the records hold the same plan already.
///
/// A plan is never dealt anew under its workers: with the same source, globs and shards the one that is there stands,
/// whatever has changed in the source since. A new run has a new records folder.
pub fn run(args: &Args, console: &Console) -> Result<PlanSummary, Error> {
    let globs = Globs::new(&args.include, &args.exclude)?;
    let root = args.places.open_source()?;
    check_writable(&args.places.make_destination()?)?;
    let store = args.places.store();
    make_folder(&store.plan_folder())?;
    make_folder(&store.results_folder())?;
    let order = Order {
        source: args.places.source.to_string_lossy().into_owned(),
        include: args.include.clone(),
        exclude: args.exclude.clone(),
        shards: usize::try_from(args.shards).unwrap_or(1),
        layout: args.layout,
    };
    let plan = match kept(&args.places, &store, &order) {
        Some(plan) => plan,
        None => make(order, &root, &globs, &store, console)?,
    };
    Ok(PlanSummary { files: plan.files, bytes: plan.bytes, shard_files: plan.shard_files })
}

/// The plan that is there, if it is whole and was made for the same order.
fn kept(places: &Places, store: &Store, order: &Order) -> Option<Plan> {
    let plan = places.read_plan().ok()?;
    if plan.order != *order || !(0..order.shards).all(|shard| store.planned(shard).is_file()) {
        return None;
    }
    tracing::info!(planned_at = plan.planned_at, "the plan that is there stands; a new run has a new --records folder");
    Some(plan)
}

fn make(order: Order, root: &std::path::Path, globs: &Globs, store: &Store, console: &Console) -> Result<Plan, Error> {
    let records = fs::canonicalize(store.root()).map_err(Error::io("reading", store.root()))?;
    let mut bar = console.bar(Extent::Unknown);
    let files = walk::walk(root, &records, globs, order.layout, &mut || bar.found())?;
    bar.finish();

    let sizes: Vec<u64> = files.iter().map(|file| file.stamp.size).collect();
    let mut dealt: Vec<Vec<&Planned>> = vec![Vec::new(); order.shards];
    for (file, shard) in files.iter().zip(shards::deal(&sizes, order.shards)) {
        if let Some(files) = dealt.get_mut(shard) {
            files.push(file);
        }
    }

    // From here to the end there is no plan, so that no reader takes an old one with new shards.
    remove_if_there(&store.plan())?;
    for (shard, files) in dealt.iter().enumerate() {
        let path = store.planned(shard);
        atomic::write(&path, |out| write_lines(out, files)).map_err(Error::making(&path))?;
    }
    let plan = Plan {
        order,
        files: files.len() as u64,
        bytes: sizes.iter().sum(),
        shard_files: dealt.iter().map(|files| files.len() as u64).collect(),
        shard_bytes: dealt.iter().map(|files| files.iter().map(|file| file.stamp.size).sum()).collect(),
        planned_at: jiff::Timestamp::now().to_string(),
    };
    let path = store.plan();
    atomic::write(&path, |out| Ok(serde_json::to_writer_pretty(out, &plan)?)).map_err(Error::making(&path))?;
    let refused = files.iter().filter(|file| file.refused.is_some()).count();
    tracing::info!(files = plan.files, bytes = plan.bytes, refused, shards = plan.order.shards, "planned");
    Ok(plan)
}

fn write_lines(out: &mut dyn Write, files: &[&Planned]) -> io::Result<()> {
    for file in files {
        serde_json::to_writer(&mut *out, file)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn remove_if_there(path: &std::path::Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::making(path)(error)),
        _ => Ok(()),
    }
}
