//! What is encoded: two halves of a corpus, one to tune the encoder on and one to report, disjoint by piece.
//!
//! [`catalogue`] has every piece. They come from Debian packages ([`packages`]), a synthesiser, and our own code
//! ([`signals`], [`midi`]), and become WAV files ([`sources`]), which are kept and used again. Most of the music was ogg
//! once: what a lossy codec took away is a little easier on every encoder. The rest, marked in the catalogue, never was.

mod catalogue;
mod midi;
mod packages;
mod signals;
mod sources;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::ensure;
use clap::ValueEnum;

use crate::wav::Wav;

/// Settings are tuned on one half; the figures are from the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
pub enum Half {
    Tuning,
    Reported,
}

impl Half {
    pub fn name(self) -> &'static str {
        match self {
            Self::Tuning => "tuning",
            Self::Reported => "reported",
        }
    }
}

/// Kinds of sounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
pub enum Category {
    #[value(name = "music-16")]
    Music16,
    #[value(name = "music-24")]
    Music24,
    /// Single voices, 8 to 48 kHz.
    Speech,
    /// One instrument.
    Solo,
    /// Sines, sweeps, noises and the like.
    Synthetic,
    Quiet,
    /// Music and speech made too loud.
    Clipped,
    /// 5.1.
    Surround,
    /// The music of 16 bits in one file, minutes long, in which the time to start a program is lost. Only its time
    /// counts: its bytes were counted piece by piece.
    Album,
}

impl Category {
    pub const ALL: [Self; 9] = [
        Self::Music16,
        Self::Music24,
        Self::Speech,
        Self::Solo,
        Self::Synthetic,
        Self::Quiet,
        Self::Clipped,
        Self::Surround,
        Self::Album,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Music16 => "music-16",
            Self::Music24 => "music-24",
            Self::Speech => "speech",
            Self::Solo => "solo",
            Self::Synthetic => "synthetic",
            Self::Quiet => "quiet",
            Self::Clipped => "clipped",
            Self::Surround => "surround",
            Self::Album => "album",
        }
    }

    /// Whether it is a part of what is summed up over all categories.
    pub fn counts(self) -> bool {
        self != Self::Album
    }

    /// Of each piece, at most.
    fn seconds(self) -> u32 {
        match self {
            Self::Music16 | Self::Music24 | Self::Album => 45,
            Self::Speech | Self::Clipped => 30,
            Self::Solo | Self::Quiet | Self::Surround => 20,
            Self::Synthetic => 12,
        }
    }
}

/// How much of the corpus is wanted.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub half: Half,
    /// All, if empty.
    pub only: Vec<Category>,
    /// A few short pieces of each category.
    pub quick: bool,
}

/// Of the code that makes the sounds: a change of what it makes is a new version.
const VERSION: u32 = 2;
const QUICK_SECONDS: u32 = 5;
const QUICK_PIECES: usize = 3;

/// One WAV file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sound {
    pub name: String,
    pub path: PathBuf,
}

/// The sounds of one category.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    pub category: Category,
    pub sounds: Vec<Sound>,
}

impl Set {
    /// The sounds' files.
    pub fn paths(&self) -> Vec<&Path> {
        self.sounds.iter().map(|sound| sound.path.as_path()).collect()
    }
}

/// Has all wanted sounds below a folder, as `half/category/name.wav`.
pub fn prepare(wanted: &Wanted, packages: &Path, folder: &Path) -> anyhow::Result<Vec<Set>> {
    fs::create_dir_all(packages)?;
    let mut sets = Vec::new();
    for category in Category::ALL {
        if !wanted.only.is_empty() && !wanted.only.contains(&category) {
            continue;
        }
        if category == Category::Album {
            sets.push(Set { category, sounds: vec![album(wanted, packages, folder)?] });
            continue;
        }
        sets.push(Set { category, sounds: prepare_category(wanted, category, packages, folder)? });
    }
    Ok(sets)
}

fn prepare_category(wanted: &Wanted, category: Category, packages: &Path, folder: &Path) -> anyhow::Result<Vec<Sound>> {
    let pieces = catalogue::pieces(wanted.half).into_iter().filter(|piece| piece.category == category);
    let pieces = pieces.take(if wanted.quick { QUICK_PIECES } else { usize::MAX });
    pieces.map(|piece| prepare_one(&piece, wanted.quick, packages, folder)).collect()
}

/// All music of 16 bits and the commonest rate, one after the other.
fn album(wanted: &Wanted, packages: &Path, folder: &Path) -> anyhow::Result<Sound> {
    let mut album = Wav { channels: 2, rate: 44_100, bits: 16, pcm: Vec::new() };
    for sound in prepare_category(wanted, Category::Music16, packages, folder)? {
        let wav = Wav::read(&sound.path)?;
        if (wav.channels, wav.rate, wav.bits) == (album.channels, album.rate, album.bits) {
            album.pcm.extend(wav.pcm);
        }
    }
    let folder = folder.join(wanted.half.name()).join(Category::Album.name());
    fs::create_dir_all(&folder)?;
    let path = folder.join("music.wav");
    fs::write(&path, album.whole())?;
    Ok(Sound { name: "music".to_owned(), path })
}

fn prepare_one(piece: &catalogue::Piece, quick: bool, packages: &Path, folder: &Path) -> anyhow::Result<Sound> {
    let seconds = piece.category.seconds().min(if quick { QUICK_SECONDS } else { u32::MAX });
    let folder = folder.join(piece.half.name()).join(piece.category.name());
    let path = folder.join(format!("{}.wav", piece.name));
    // What the file is made of, beside it: a file that was made otherwise is made again.
    let recipe = folder.join(format!(".{}.recipe", piece.name));
    let made_of = format!("{piece:?}, {seconds} s, version {VERSION}");
    if !path.exists() || fs::read_to_string(&recipe).ok().as_ref() != Some(&made_of) {
        fs::create_dir_all(&folder)?;
        eprintln!("sounds: make {}", path.display());
        sources::make(piece, packages, &path, seconds)?;
        fs::write(&recipe, made_of)?;
    }
    let wav = Wav::read(&path)?;
    let expected = (u16::from(piece.channels), piece.rate, u16::from(piece.bits));
    ensure!((wav.channels, wav.rate, wav.bits) == expected, "{} is not as the catalogue has it", path.display());
    ensure!(wav.frames() >= u64::from(piece.rate), "{} is shorter than a second", path.display());
    Ok(Sound { name: piece.name.to_owned(), path })
}
