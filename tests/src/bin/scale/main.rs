//! `scale`: how the operator bears thousands of resources, against a real etcd and API server alone.
//!
//! For each count three runs, each on a control plane of its own that is as empty as the others were:
//!
//! 1. *recorded*: the operator makes the children of so many AudioConverters, and the audit log keeps what it wrote;
//! 2. *driven*: the same with a short audit log, and timed; then a minute of rest, fifty children that others change or
//!    delete, and a restart of the operator;
//! 3. *replayed*: a bare client, which knows all and reads nothing, sends what was recorded, and is timed.
//!
//! What is counted and timed comes from the audit logs of the second and third run.

mod audit;
mod healing;
mod plane;
mod program;
mod recording;
mod replay;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use tokio::runtime::Runtime;

use audit::{Level, Log};
use plane::Plane;
use program::Operator;
use recording::Recording;
use report::{Cost, Driven, Report, Restart};

/// Measures the operator against a bare client that sends the same writes, and its bars. Needs root.
#[derive(Clone, Debug, Parser)]
#[command(name = "scale")]
struct Args {
    /// How many AudioConverters are created at once; one measurement each
    #[arg(long, value_name = "COUNT,…", value_delimiter = ',', default_value = "1000,5000")]
    count: Vec<usize>,
    /// How long nothing may be written after the last status
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    rest_seconds: u64,
    /// How many objects the operator works on at once, and the bare client too
    #[arg(long, value_name = "COUNT", default_value_t = 16)]
    concurrency: u16,
    /// The operator
    #[arg(long, value_name = "PROGRAM", default_value = "target/release/operator")]
    operator: PathBuf,
    /// More arguments for the operator, each given as --operator-arg=ARGUMENT
    #[arg(long, value_name = "ARGUMENT", allow_hyphen_values = true)]
    operator_arg: Vec<String>,
    /// The program that starts the control plane
    #[arg(long, value_name = "PROGRAM", default_value = "target/release/cluster")]
    cluster: PathBuf,
    /// The CustomResourceDefinitions, as a folder that `kubectl apply -k` takes
    #[arg(long, value_name = "FOLDER", default_value = "config/crd")]
    crds: PathBuf,
    /// Where the operator's logs and the audit logs go
    #[arg(long, value_name = "FOLDER", default_value = "target/scale")]
    folder: PathBuf,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every bar was met.
fn run(args: &Args) -> Result<bool> {
    std::fs::create_dir_all(&args.folder).with_context(|| format!("create {}", args.folder.display()))?;
    let mut reports = Vec::new();
    for count in &args.count {
        ensure!(*count > 0, "--count 0: there is nothing to measure");
        let recording = recorded(args, *count)?;
        println!("  {recording}");
        let driven = driven(args, *count)?;
        let replayed = replayed(args, *count, &recording)?;
        let report = Report { count: *count, driven, replayed };
        println!("{report}");
        reports.push(report);
    }
    Ok(reports.iter().all(Report::meets_every_bar))
}

/// Does `work` on a fresh control plane, inside its network.
fn on_a_plane<T: Send>(
    args: &Args,
    count: usize,
    name: &str,
    level: Level,
    work: impl FnOnce(&Plane, &Runtime) -> Result<T> + Send,
) -> Result<T> {
    println!("{count} AudioConverters, {name}");
    let plane = Plane::start(args, level)?;
    let outcome = plane.inside(|runtime| work(&plane, runtime));
    plane.keep_log(&args.folder.join(format!("audit-{count}-{name}.jsonl")))?;
    plane.end()?;
    outcome.with_context(|| format!("{count} AudioConverters, {name}"))
}

fn recorded(args: &Args, count: usize) -> Result<Recording> {
    on_a_plane(args, count, "recorded", Level::Request, |plane, runtime| {
        let operator = Operator::start(args, plane, &format!("{count}-recorded"))?;
        runtime.block_on(plane.create_converters(count, |_| {}))?;
        settle(plane, runtime, count, &operator)?;
        Recording::read(&plane.audit_log(), count)
    })
}

fn driven(args: &Args, count: usize) -> Result<Driven> {
    on_a_plane(args, count, "driven", Level::Metadata, |plane, runtime| {
        let operator = Operator::start(args, plane, &format!("{count}-driven"))?;
        let used = || Ok::<_, anyhow::Error>(plane.processor_time()? + operator.processor_time()?);
        let before = used()?;
        runtime.block_on(plane.create_converters(count, |_| {}))?;
        settle(plane, runtime, count, &operator)?;
        let processor_time = used()?.saturating_sub(before);
        let settled = Log::now();
        std::thread::sleep(Duration::from_secs(args.rest_seconds));
        let rested = Log::now();
        runtime.block_on(healing::disturb(plane, count))?;
        plane.wait_for_quiet(&operator)?;
        let first_memory = operator.memory()?;
        operator.stop()?;
        let stopped = Log::now();
        let operator = Operator::start(args, plane, &format!("{count}-restarted"))?;
        plane.wait_for_quiet(&operator)?;
        let restarted = Log::now();
        let second_memory = operator.memory()?;
        operator.stop()?;
        let log = Log::read(&plane.audit_log())?;
        Ok(Driven {
            cost: Cost { took: log.time_to_make(count, &settled)?, processor_time },
            creation: log.writes_of_operator(None, &settled),
            creation_reads: log.reads_of_operator(None, &settled),
            at_rest: log.writes_of_operator(Some(&settled), &rested),
            rest: Duration::from_secs(args.rest_seconds),
            healed: log.healed_after(&rested)?,
            restart: Restart {
                writes: log.writes_of_operator(Some(&stopped), &restarted),
                reads: log.reads_of_operator(Some(&stopped), &restarted),
                memory: second_memory,
            },
            memory: first_memory,
        })
    })
}

fn replayed(args: &Args, count: usize, recording: &Recording) -> Result<Cost> {
    on_a_plane(args, count, "replayed", Level::Metadata, |plane, runtime| {
        let before = plane.processor_time()?;
        runtime.block_on(replay::run(plane, count, args.concurrency, recording))?;
        runtime.block_on(plane.check_children(count))?;
        let processor_time = plane.processor_time()?.saturating_sub(before);
        Ok(Cost { took: Log::read(&plane.audit_log())?.time_to_make(count, &Log::now())?, processor_time })
    })
}

/// Waits until the operator has nothing to write, and makes sure that all is there.
fn settle(plane: &Plane, runtime: &Runtime, count: usize, operator: &Operator) -> Result<()> {
    plane.wait_for_quiet(operator)?;
    runtime.block_on(plane.check_children(count))
}
