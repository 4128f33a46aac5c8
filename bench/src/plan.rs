//! What is run, and in which order: the programs take turns, so that a machine that gets slower does so for all.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

use crate::encoders::Encoder;
use crate::figures::{Figures, LongFile, Results, Usage};
use crate::instructions::{Counter, per_sample};
use crate::process::measure;
use crate::rf64;
use crate::sounds::{Kind, Set, wav};

/// The levels that are compared with the other programs.
pub const LEVELS: [u8; 3] = [0, 5, 8];
/// The converter's default.
pub const DEFAULT_LEVEL: u8 = 5;
const ALL_LEVELS: std::ops::RangeInclusive<u8> = 0..=8;

/// How much of all there is to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Music tracks.
    pub tracks: usize,
    /// Of each track.
    pub seconds: u32,
    runs: u32,
    quick: bool,
    /// Cores of this machine.
    cores: usize,
}

impl Plan {
    pub fn new(quick: bool, runs: u32, seconds: u32) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        if quick {
            Self { tracks: 2, seconds: seconds.min(15), runs: 1, quick, cores }
        } else {
            Self { tracks: usize::MAX, seconds, runs, quick, cores }
        }
    }

    /// A run at level 8 takes as long as many at level 0.
    fn rounds(&self, level: u8) -> u32 {
        if level == 8 { self.runs.div_ceil(2) } else { self.runs }
    }

    /// The converter on one core, on two, on all; and its peers.
    fn encoders(&self) -> Vec<Encoder> {
        let mut threads = vec![1, 2, self.cores];
        threads.retain(|threads| *threads <= self.cores);
        threads.sort_unstable();
        threads.dedup();
        let converters = threads.into_iter().map(|threads| Encoder::Converter { threads });
        converters.chain([Encoder::Flac, Encoder::Ffmpeg]).collect()
    }

    /// Measures everything.
    pub fn run(&self, converter: &Path, folder: &Path, sets: &[Set]) -> anyhow::Result<Results> {
        let bench = Bench { plan: *self, converter, out: folder.join("out") };
        fs::create_dir_all(&bench.out)?;
        let counter = Counter::find();
        eprintln!("instructions: {}", counter.name());
        let mut results = Results::default();
        for set in sets {
            for level in LEVELS {
                eprintln!("{}: level {level}", set.name);
                let mut figures = bench.compare(set, level)?;
                bench.count_instructions(counter, set, &mut figures)?;
                results.figures.extend(figures);
            }
            eprintln!("{}: all levels", set.name);
            results.ladder.push((set.name.clone(), bench.ladder(set)?));
        }
        if !self.quick {
            eprintln!("an RF64 file of 4.5 GiB");
            results.long_file = Some(bench.long_file(sets)?);
        }
        fs::remove_dir_all(&bench.out)?;
        Ok(results)
    }
}

/// The programs and where they write.
struct Bench<'a> {
    plan: Plan,
    converter: &'a Path,
    out: PathBuf,
}

impl Bench<'_> {
    /// All encoders by turns on one set at one level.
    fn compare(&self, set: &Set, level: u8) -> anyhow::Result<Vec<Figures>> {
        let mut all: Vec<Figures> =
            self.plan.encoders().into_iter().map(|encoder| figures(set, encoder, level)).collect();
        for round in 0..self.plan.rounds(level) {
            for figures in &mut all {
                let usage = self.encode(figures.encoder, level, &set.files)?;
                figures.runs.push(usage);
                if round == 0 {
                    figures.bytes = self.check(figures.encoder, level, &set.files)?;
                }
            }
        }
        Ok(all)
    }

    fn output(&self, encoder: Encoder, input: &Path) -> PathBuf {
        let name = input.file_stem().unwrap_or_default().display();
        self.out.join(format!("{name}, {}.flac", encoder.name()))
    }

    /// Encodes these files one after the other.
    fn encode(&self, encoder: Encoder, level: u8, files: &[PathBuf]) -> anyhow::Result<Usage> {
        files.iter().try_fold(Usage::default(), |sum, file| {
            let (program, arguments) = encoder.command(self.converter, level, file, &self.output(encoder, file));
            Ok(sum.then(measure(&program, &arguments)?))
        })
    }

    /// The bytes of all frames that an encoder just wrote. Our own have to pass `flac --test`, and to be the same at
    /// every number of threads.
    fn check(&self, encoder: Encoder, level: u8, files: &[PathBuf]) -> anyhow::Result<u64> {
        let mut bytes = 0;
        for file in files {
            let output = self.output(encoder, file);
            bytes += frames(&output)?;
            if encoder == (Encoder::Converter { threads: 1 }) {
                test(&output)?;
            } else if let Encoder::Converter { threads } = encoder {
                let one = self.output(Encoder::Converter { threads: 1 }, file);
                let same = fs::read(&output)? == fs::read(&one)?;
                ensure!(same, "{threads} threads wrote other bytes than one, level {level}, {}", file.display());
            }
        }
        Ok(bytes)
    }

    /// The bytes of the converter's frames at every level.
    fn ladder(&self, set: &Set) -> anyhow::Result<Vec<u64>> {
        let all = Encoder::Converter { threads: self.plan.cores };
        let files = if self.plan.quick { set.files.get(..1).unwrap_or_default() } else { &set.files };
        ALL_LEVELS
            .map(|level| {
                self.encode(all, level, files)?;
                files.iter().map(|file| frames(&self.output(all, file))).sum()
            })
            .collect()
    }

    /// Only on music, and with one thread; the quick run counts only the default level, of 16 bits.
    fn count_instructions(&self, counter: Counter, set: &Set, all: &mut [Figures]) -> anyhow::Result<()> {
        let Some(track) = set.files.first().filter(|_| set.kind == Kind::Music) else { return Ok(()) };
        for figures in all {
            let many_threads = matches!(figures.encoder, Encoder::Converter { threads: 2.. });
            let wanted = !self.plan.quick || (figures.level == DEFAULT_LEVEL && set.name.contains("16"));
            if wanted && !many_threads {
                figures.instructions =
                    per_sample(counter, figures.encoder, figures.level, self.converter, track, &self.out)?;
            }
        }
        Ok(())
    }

    fn long_file(&self, sets: &[Set]) -> anyhow::Result<LongFile> {
        let sound = sets.iter().find(|set| set.kind == Kind::Music).and_then(|set| set.files.first());
        let sound = wav(sound.context("there is no music")?)?;
        let path = self.out.join("long.wav");
        rf64::write(&path, &sound).with_context(|| format!("cannot write {}", path.display()))?;
        let threads = self.plan.cores;
        let all = Encoder::Converter { threads };
        let usage = self.encode(all, DEFAULT_LEVEL, std::slice::from_ref(&path))?;
        test(&self.output(all, &path))?;
        Ok(LongFile { threads, usage })
    }
}

fn figures(set: &Set, encoder: Encoder, level: u8) -> Figures {
    let seconds = set.seconds;
    Figures { set: set.name.clone(), seconds, encoder, level, runs: Vec::new(), bytes: 0, instructions: None }
}

/// Has the reference decoder check a file.
fn test(file: &Path) -> anyhow::Result<()> {
    let test = Command::new("flac").args(["--silent", "--test"]).arg(file).output().context("cannot run flac")?;
    if !test.status.success() {
        bail!("flac --test {}: {}", file.display(), String::from_utf8_lossy(&test.stderr));
    }
    Ok(())
}

/// The bytes of a FLAC file after its metadata (RFC 9639 §8.1).
fn frames(path: &Path) -> anyhow::Result<u64> {
    let wrong = || format!("{} is no FLAC file", path.display());
    let file = File::open(path).with_context(wrong)?;
    let mut header = [0; 4];
    file.read_exact_at(&mut header, 0).with_context(wrong)?;
    ensure!(&header == b"fLaC", wrong());
    let mut at = 4;
    loop {
        file.read_exact_at(&mut header, at).with_context(wrong)?;
        let [kind, a, b, c] = header;
        at += 4 + u64::from(u32::from_be_bytes([0, a, b, c]));
        if kind & 0x80 != 0 {
            return file.metadata()?.len().checked_sub(at).with_context(wrong);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_cores_is_measured_once_and_one_always() {
        let threads = |cores| {
            let plan = Plan { cores, ..Plan::new(false, 5, 60) };
            let encoders = plan.encoders();
            assert!(encoders.ends_with(&[Encoder::Flac, Encoder::Ffmpeg]));
            encoders.len() - 2
        };
        assert_eq!([threads(1), threads(2), threads(3), threads(16)], [1, 2, 3, 3]);
    }

    #[test]
    fn slow_levels_have_fewer_rounds_but_never_none() {
        let plan = Plan::new(false, 5, 60);
        assert_eq!([plan.rounds(0), plan.rounds(5), plan.rounds(8)], [5, 5, 3]);
        assert_eq!(Plan::new(true, 5, 60).rounds(8), 1);
    }

    #[test]
    fn only_what_follows_the_metadata_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.flac");
        let size = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            frames(&path).ok()
        };
        assert_eq!(size(b"fLaC\0\0\0\x02ab\x81\0\0\x01xframes"), Some(6));
        assert_eq!(size(b"fLaC\x80\0\0\0"), Some(0));
        for broken in [&b""[..], b"RIFF\x80\0\0\0", b"fLaC\0\0\0\x02ab", b"fLaC\x80\0\0\x09ab"] {
            assert_eq!(size(broken), None);
        }
    }
}
