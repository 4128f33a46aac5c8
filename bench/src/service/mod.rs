//! The converter as a service: live streams in real time, `/convert` beside the command line, memory. The server has one
//! core, whoever asks it the other ([`cores`]); the same is asked of peers ([`peer`]) in the same run.

mod bars;
mod convert;
mod cores;
mod http;
mod idle;
mod load;
pub mod peer;
mod report;
mod server;

use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::outputs::Outputs;
use crate::wav::Wav;
use crate::{bar, corpus, found};
use convert::{Compared, Large};
use cores::Cores;
use idle::Idle;
use load::{Dialect, Load, Outcome};
use server::Server;

/// What to measure, and how much.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The converter to measure: a release build
    #[arg(long, value_name = "PROGRAM", default_value = "target/release/converter")]
    converter: PathBuf,

    /// Folder for the sounds
    #[arg(long, value_name = "FOLDER", default_value = "target/bench")]
    folder: PathBuf,

    /// Live streams at once, at first
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u32).range(10..=5000))]
    streams: u32,

    /// How long live streams are measured, in seconds
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,

    /// Measure only this; can be given many times
    #[arg(long, value_name = "PART")]
    only: Vec<Part>,

    /// A short run that only shows that the bench works
    #[arg(long)]
    quick: bool,
}

/// The parts of the bench.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    Streams,
    Convert,
    Upload,
    Idle,
}

/// All that was measured; what was not asked for is not there.
#[derive(Debug, Default)]
struct Results {
    /// A few streams, after which the server is warm.
    few: Option<Outcome>,
    /// As many as the bar asks for.
    streams: Option<Outcome>,
    /// As many as fill four fifths of the core, and as many echoes.
    busy: Option<Outcome>,
    echo: Option<Outcome>,
    /// A process a stream.
    peers: Vec<(&'static str, Outcome)>,
    convert: Option<Compared>,
    large: Option<Large>,
    idle: Option<Idle>,
    quick: bool,
}

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;
const WARM_UP: u32 = 3;
const FEW: usize = 50;
/// Those that have a process each: more would not be real time on any core.
const PEER_STREAMS: usize = 100;
const PEERS: [&str; 2] = ["flac-stream", "ffmpeg-stream"];

/// Measures, prints, and says whether every bar holds.
pub fn bench(args: &Args) -> anyhow::Result<bool> {
    std::fs::create_dir_all(&args.folder)?;
    let folder = args.folder.canonicalize()?;
    let converter = found(&args.converter, "cargo build --release --package converter")?;
    let album = album(&folder, args.quick)?;
    let cores = Cores::take()?;
    println!("{}", report::machine(&converter));
    let bench = Bench { args, converter: &converter, cores, album: &album, out: Outputs::new(&folder)? };
    let results = bench.run()?;
    print!("{}", report::tables(&results));
    let bars = bars::judge(&results);
    print!("{}", bar::table(&bars, "one core"));
    Ok(bars.iter().all(|bar| bar.verdict != bar::Verdict::Missed))
}

/// Minutes of CD audio, as a file.
fn album(folder: &Path, quick: bool) -> anyhow::Result<PathBuf> {
    let sounds = folder.join("wav");
    let sounds = if quick { sounds.join("quick") } else { sounds };
    let wanted = corpus::Wanted { half: corpus::Half::Reported, only: vec![corpus::Category::Album], quick };
    let sets = corpus::prepare(&wanted, &folder.join("packages"), &sounds)?;
    let album = sets.into_iter().flat_map(|set| set.sounds).next();
    album.map(|sound| sound.path).ok_or_else(|| anyhow::anyhow!("there is no music"))
}

struct Bench<'a> {
    args: &'a Args,
    converter: &'a Path,
    cores: Cores,
    album: &'a Path,
    out: Outputs,
}

impl Bench<'_> {
    fn wants(&self, part: Part) -> bool {
        self.args.only.is_empty() || self.args.only.contains(&part)
    }

    fn run(&self) -> anyhow::Result<Results> {
        let mut results = Results { quick: self.args.quick, ..Results::default() };
        let pcm = Bytes::from(Wav::read(self.album)?.pcm);
        if self.wants(Part::Streams) {
            self.streams(&pcm, &mut results)?;
        }
        let out = self.out.path();
        if self.wants(Part::Convert) {
            eprintln!("/convert and the command");
            let rounds = if self.args.quick { 1 } else { 9 };
            results.convert = Some(convert::compare(self.converter, self.cores, out, self.album, rounds)?);
        }
        if self.wants(Part::Upload) {
            let bytes = if self.args.quick { 64 * MIB } else { 2 * GIB };
            eprintln!("an upload of {} MiB", bytes / MIB);
            // On the disk, as what it makes may not fit into memory.
            let folder = self.args.folder.join("spool");
            std::fs::create_dir_all(&folder)?;
            results.large = Some(convert::upload(self.converter, self.cores, &folder, &pcm, bytes)?);
        }
        if self.wants(Part::Idle) {
            eprintln!("idle connections");
            results.idle = Some(idle::hold(self.converter, self.cores, out, 1000)?);
        }
        Ok(results)
    }

    fn streams(&self, pcm: &Bytes, results: &mut Results) -> anyhow::Result<()> {
        let quick = self.args.quick;
        let seconds = if quick { 2 } else { self.args.seconds };
        let streams = if quick { 20 } else { self.args.streams as usize };
        let load = |dialect, streams| Load { dialect, streams, warm_up: WARM_UP, seconds };
        let put = |load: Load, server: &Server| {
            eprintln!("{} streams, {:?}", load.streams, load.dialect);
            load::put(load, server, pcm)
        };
        let server = Server::converter(self.converter, self.cores, self.out.path(), &["--max-streams", "100000"])?;
        let few = put(load(Dialect::Flacship, FEW.min(streams / 2)), &server)?;
        let full = put(load(Dialect::Flacship, streams), &server)?;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a few hundred
        let busy = if quick { streams } else { (full.streams_a_core() * 0.8) as usize };
        results.busy = Some(put(load(Dialect::Flacship, busy), &server)?);
        drop(server);
        (results.few, results.streams) = (Some(few), Some(full));
        let echo = Server::peer(self.cores, "echo", self.out.path())?;
        results.echo = Some(put(load(Dialect::Echo, busy), &echo)?);
        drop(echo);
        for kind in PEERS {
            let peer = Server::peer(self.cores, kind, self.out.path())?;
            let streams = if quick { 5 } else { PEER_STREAMS };
            results.peers.push((kind, put(load(Dialect::Pipe, streams), &peer)?));
        }
        Ok(())
    }
}
