//! What is run, and in which order: the programs take turns on each category, so that a machine that gets slower does so
//! for all. They write into memory where there is room, so that the disk has no say.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use crate::corpus::{Category, Set, Sound};
use crate::encoding::encoders::{
    Encoder, FLACENC, LIBFLAC, LIBFLAC_VERIFIED, NATIVE, PORTABLE, Programs, VERIFIED, native, output,
};
use crate::encoding::figures::{Figures, LongFile, Results};
use crate::encoding::instructions::{Counter, per_sample};
use crate::encoding::rf64;
use crate::outputs::Outputs;
use crate::process::measure;
use crate::usage::Usage;
use crate::wav::Wav;

/// The levels that are compared with the other programs.
pub const LEVELS: [u8; 3] = [0, 5, 8];
/// The converter's default.
pub const DEFAULT_LEVEL: u8 = 5;
/// Of silence, 100 samples.
const START_BYTES: usize = 400;
const START_RUNS: usize = 7;
const ALL_LEVELS: std::ops::RangeInclusive<u8> = 0..=8;

/// How much of all there is to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    runs: u32,
    quick: bool,
    /// Cores of this machine.
    cores: usize,
}

impl Plan {
    pub fn new(quick: bool, runs: u32) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { runs: if quick { 1 } else { runs }, quick, cores }
    }

    /// A run at level 8 takes as long as many at level 0; and no bar is about the last three.
    fn rounds(&self, encoder: Encoder, level: u8) -> u32 {
        match encoder {
            FLACENC => 1,
            Encoder::Flac | Encoder::Ffmpeg => self.runs.min(2),
            _ if level == 8 => self.runs.div_ceil(2),
            _ => self.runs,
        }
    }

    /// Those that are measured on the sounds of a category at a level.
    fn encoders(&self, category: Category, level: u8) -> Vec<Encoder> {
        let mut threads = vec![2, self.cores];
        threads.retain(|threads| (2..=self.cores).contains(threads));
        threads.dedup();
        let mut encoders = vec![NATIVE, LIBFLAC, PORTABLE];
        if level == DEFAULT_LEVEL {
            encoders.extend([VERIFIED, LIBFLAC_VERIFIED]);
        }
        if category.counts() {
            encoders.extend(threads.last().map(|all| native(*all)));
            encoders.extend([Encoder::Flac, Encoder::Ffmpeg, FLACENC]);
        } else {
            encoders.extend(threads.into_iter().map(native));
        }
        encoders
    }

    /// Measures everything.
    pub fn run(&self, programs: &Programs, folder: &Path, sets: &[Set]) -> anyhow::Result<Results> {
        let bench = Bench { plan: *self, programs, disk: folder.join("out"), out: Outputs::new(folder)? };
        fs::create_dir_all(&bench.disk)?;
        let counter = Counter::find();
        eprintln!("instructions: {}", counter.name());
        let mut results = Results { quick: self.quick, start: bench.start()?, ..Results::default() };
        for set in sets {
            let name = set.category.name();
            let names = set.sounds.iter().map(|sound| sound.name.clone());
            results.files.push((set.category, names.collect()));
            for level in LEVELS {
                eprintln!("{name}: level {level}");
                let mut figures = bench.compare(set, level)?;
                bench.count_instructions(counter, set, &mut figures)?;
                results.figures.extend(figures);
            }
            if set.category.counts() {
                eprintln!("{name}: all levels");
                results.ladder.push((set.category, bench.ladder(set)?));
            }
        }
        if let Some(music) = sets.iter().find(|set| set.category == Category::Music16).filter(|_| !self.quick) {
            eprintln!("an RF64 file of 4.5 GiB");
            results.long_file = Some(bench.long_file(music)?);
        }
        fs::remove_dir_all(&bench.disk)?;
        Ok(results)
    }
}

/// The programs and where they write.
struct Bench<'a> {
    plan: Plan,
    programs: &'a Programs,
    /// For what is large.
    disk: PathBuf,
    out: Outputs,
}

impl Bench<'_> {
    /// Where one encoder's files go.
    fn folder_of(&self, encoder: Encoder) -> PathBuf {
        self.out.path().join(encoder.name())
    }

    /// All encoders by turns on one set at one level.
    fn compare(&self, set: &Set, level: u8) -> anyhow::Result<Vec<Figures>> {
        let encoders = self.plan.encoders(set.category, level);
        let new = |encoder| Figures::new(set.category, encoder, level);
        let mut all: Vec<Figures> = encoders.into_iter().map(new).collect();
        for round in 0..self.plan.runs {
            let rounds = |figures: &&mut Figures| round < self.plan.rounds(figures.encoder, level);
            let mut turn: Vec<&mut Figures> = all.iter_mut().filter(rounds).collect();
            if round % 2 == 1 {
                // Whoever comes after a long run of another program may find colder caches, so not always the same.
                turn.reverse();
            }
            for figures in turn {
                figures.runs.push(self.encode(figures.encoder, level, &set.paths())?);
                if round == 0 {
                    set.sounds.iter().try_for_each(|sound| self.check(figures, sound))?;
                }
            }
        }
        Ok(all)
    }

    /// What it takes to start each program, and to end it: the least of some runs.
    fn start(&self) -> anyhow::Result<Vec<(Encoder, Duration)>> {
        let path = self.out.path().join("start.wav");
        fs::write(&path, Wav { channels: 2, rate: 44_100, bits: 16, pcm: vec![0; START_BYTES] }.whole())?;
        let encoders = self.plan.encoders(Category::Solo, DEFAULT_LEVEL);
        let least = |encoder| {
            let runs = (0..START_RUNS).map(|_| Ok(self.encode(encoder, DEFAULT_LEVEL, &[&path])?.cpu));
            let least = runs.collect::<anyhow::Result<Vec<_>>>()?.into_iter().min();
            Ok((encoder, least.unwrap_or_default()))
        };
        encoders.into_iter().map(least).collect()
    }

    fn encode(&self, encoder: Encoder, level: u8, files: &[&Path]) -> anyhow::Result<Usage> {
        let folder = self.folder_of(encoder);
        fs::create_dir_all(&folder)?;
        let (program, arguments) = encoder.command(self.programs, level, files, &folder);
        measure(&program, &arguments)
    }

    fn output(&self, encoder: Encoder, file: &Path) -> PathBuf {
        output(&self.folder_of(encoder), file)
    }

    /// Counts the bytes of what an encoder just wrote. Our own has to pass `flac --test`, and to be the same in every
    /// way to run our encoder.
    fn check(&self, figures: &mut Figures, sound: &Sound) -> anyhow::Result<()> {
        let output = self.output(figures.encoder, &sound.path);
        figures.bytes.push(frames(&output)?);
        if [NATIVE, FLACENC].contains(&figures.encoder) {
            test(&output).with_context(|| format!("{}, level {}", sound.path.display(), figures.level))?;
        } else if figures.encoder.writes_as_native()
            && fs::read(&output)? != fs::read(self.output(NATIVE, &sound.path))?
        {
            eprintln!("{}: {} writes other bytes", sound.path.display(), figures.encoder.name());
            figures.differing += 1;
        }
        Ok(())
    }

    /// The bytes of the converter's frames at every level.
    fn ladder(&self, set: &Set) -> anyhow::Result<Vec<u64>> {
        let all = native(self.plan.cores);
        ALL_LEVELS
            .map(|level| {
                self.encode(all, level, &set.paths())?;
                set.sounds.iter().map(|sound| frames(&self.output(all, &sound.path))).sum()
            })
            .collect()
    }

    /// With one thread, on the first file of each category; the slowest only on music. The quick run counts only the
    /// default level on music.
    fn count_instructions(&self, counter: Counter, set: &Set, all: &mut [Figures]) -> anyhow::Result<()> {
        let Some(sound) = set.sounds.first().filter(|_| set.category.counts()) else { return Ok(()) };
        let music = set.category == Category::Music16;
        for figures in all {
            let wanted = match figures.encoder {
                NATIVE | PORTABLE | LIBFLAC => true,
                Encoder::Converter { threads: 2.., .. } => false,
                _ => music && !self.plan.quick,
            };
            let wanted = wanted && (!self.plan.quick || (music && figures.level == DEFAULT_LEVEL));
            if wanted {
                figures.instructions =
                    per_sample(counter, figures.encoder, figures.level, self.programs, &sound.path, self.out.path())?;
            }
        }
        Ok(())
    }

    fn long_file(&self, music: &Set) -> anyhow::Result<LongFile> {
        let sound = Wav::read(&music.sounds.first().context("there is no music")?.path)?;
        let path = self.disk.join("long.wav");
        rf64::write(&path, &sound).with_context(|| format!("cannot write {}", path.display()))?;
        let threads = self.plan.cores;
        let (program, arguments) = native(threads).command(self.programs, DEFAULT_LEVEL, &[&path], &self.disk);
        let usage = measure(&program, &arguments)?;
        test(&output(&self.disk, &path))?;
        Ok(LongFile { threads, usage })
    }
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
        let threads = |cores, category| {
            let plan = Plan { cores, ..Plan::new(false, 5) };
            let mut encoders = plan.encoders(category, 5);
            encoders.retain(|encoder| (1..=16).any(|threads| *encoder == native(threads)));
            encoders.len()
        };
        assert_eq!([1, 2, 3, 16].map(|cores| threads(cores, Category::Album)), [1, 2, 3, 3]);
        assert_eq!([1, 2, 3, 16].map(|cores| threads(cores, Category::Solo)), [1, 2, 2, 2]);
    }

    #[test]
    fn whoever_is_measured_has_its_reference_beside_it() {
        let plan = Plan::new(false, 5);
        for (category, level) in Category::ALL.into_iter().flat_map(|category| LEVELS.map(|level| (category, level))) {
            let encoders = plan.encoders(category, level);
            assert!(encoders.iter().all(|encoder| encoders.contains(&encoder.reference())), "{category:?} {level}");
            assert_eq!(encoders.first(), Some(&NATIVE), "the others are compared with what it wrote");
        }
    }

    #[test]
    fn slow_levels_have_fewer_rounds_but_never_none() {
        let plan = Plan::new(false, 5);
        assert_eq!(LEVELS.map(|level| plan.rounds(NATIVE, level)), [5, 5, 3]);
        assert_eq!(LEVELS.map(|level| plan.rounds(Encoder::Flac, level)), [2, 2, 2]);
        assert_eq!(Plan::new(true, 5).rounds(LIBFLAC, 8), 1);
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
