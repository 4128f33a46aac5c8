//! What is converted: pieces of the corpus' music, as many short files in many folders, and as a few long ones.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use md5::{Digest as _, Md5};

use crate::wav::Wav;

/// Kinds of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// About a second.
    Short,
    /// Two minutes.
    Long,
}

/// Of the code that makes the files: a change of what it makes is a new version.
const VERSION: u32 = 1;
const FILES_A_FOLDER: usize = 50;

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Long => "long",
        }
    }

    fn files(self, quick: bool) -> usize {
        match (self, quick) {
            (Self::Short, false) => 10_000,
            (Self::Short, true) => 300,
            (Self::Long, false) => 100,
            (Self::Long, true) => 4,
        }
    }

    /// How many files each process of flac gets. With that it is fastest: of the short ones so many that the start of a
    /// process is lost in them, of the long ones one, so that all cores are busy to the end.
    pub fn files_a_process(self) -> usize {
        match self {
            Self::Short => 100,
            Self::Long => 1,
        }
    }

    /// Samples per channel of a file.
    fn frames(self, number: usize, rate: usize) -> usize {
        match self {
            // Half a second to one and a half.
            Self::Short => rate / 2 + number.wrapping_mul(7919) % rate,
            Self::Long => 120 * rate,
        }
    }
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sound {
    /// Below the set's folder.
    pub path: PathBuf,
    /// Of its samples, as FLAC tells it.
    pub md5: [u8; 16],
    bytes: u64,
    frames: u64,
}

/// All files of a kind.
#[derive(Debug)]
pub struct Set {
    pub folder: PathBuf,
    pub sounds: Vec<Sound>,
    rate: u32,
}

impl Set {
    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.sounds.iter().map(|sound| sound.bytes).sum()
    }

    /// Their playing time.
    pub fn seconds(&self) -> u64 {
        self.sounds.iter().map(|sound| sound.frames).sum::<u64>() / u64::from(self.rate.max(1))
    }

    /// Reads all files, so that no side has to wait for the disk.
    pub fn warm(&self) -> anyhow::Result<()> {
        for sound in &self.sounds {
            io::copy(&mut fs::File::open(self.folder.join(&sound.path))?, &mut io::sink())?;
        }
        Ok(())
    }
}

/// Has all files of a kind below a folder. Those that are there are used again.
pub fn prepare(kind: Kind, quick: bool, folder: &Path, music: &Path) -> anyhow::Result<Set> {
    let music = Wav::read(music)?;
    // Samples as they are in the file are then those of FLAC's MD5.
    ensure!(music.bits == 16, "the music has {} bits", music.bits);
    let name = if quick { format!("{}-quick", kind.name()) } else { kind.name().to_owned() };
    let folder = folder.join(name);
    let recipe = folder.with_extension("recipe");
    let made_of = format!("{kind:?}, {} bytes of music, version {VERSION}", music.pcm.len());
    let is_made = fs::read_to_string(&recipe).is_ok_and(|recipe| recipe == made_of);
    if !is_made {
        eprintln!("make the {} files", kind.name());
        drop(fs::remove_dir_all(&folder));
    }
    let rate = music.rate as usize;
    let mut sounds = Vec::new();
    for number in 0..kind.files(quick) {
        let path = PathBuf::from(format!("{:03}/take {:05}.wav", number / FILES_A_FOLDER, number));
        let piece = piece(&music, number, kind.frames(number, rate));
        let file = piece.whole();
        if !is_made {
            let whole = folder.join(&path);
            fs::create_dir_all(whole.parent().context("every file is in a folder")?)?;
            fs::write(whole, &file)?;
        }
        let md5 = Md5::digest(&piece.pcm).into();
        sounds.push(Sound { path, md5, bytes: file.len() as u64, frames: piece.frames() });
    }
    fs::write(recipe, made_of)?;
    Ok(Set { folder, sounds, rate: music.rate })
}

/// A piece of the music that begins somewhere else for each number, and goes on at its start after its end.
fn piece(music: &Wav, number: usize, frames: usize) -> Wav {
    let all = usize::try_from(music.frames()).unwrap_or(1).max(1);
    let step = music.step();
    let mut at = number.wrapping_mul(104_729) % all;
    let mut pcm = Vec::with_capacity(frames * step);
    while pcm.len() < frames * step {
        let count = (frames - pcm.len() / step).min(all - at);
        pcm.extend_from_slice(music.pcm.get(at * step..(at + count) * step).unwrap_or_default());
        at = 0;
    }
    Wav { channels: music.channels, rate: music.rate, bits: music.bits, pcm }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn music() -> Wav {
        Wav { channels: 2, rate: 10, bits: 16, pcm: (0..200).collect() }
    }

    #[test]
    fn pieces_are_as_long_as_asked_and_differ() {
        let music = music();
        let pieces: Vec<Wav> = (0..3).map(|number| piece(&music, number, 120)).collect();
        assert!(pieces.iter().all(|piece| piece.frames() == 120));
        assert_ne!(pieces[0].pcm, pieces[1].pcm);
        assert_ne!(pieces[1].pcm, pieces[2].pcm);
        assert_eq!(pieces[0].pcm[..200], music.pcm[..]);
        assert_eq!(pieces[0].pcm[200..400], music.pcm[..], "it goes on at its start");
    }

    #[test]
    fn short_files_are_about_a_second_long() {
        let frames: Vec<usize> = (0..1000).map(|number| Kind::Short.frames(number, 44_100)).collect();
        assert!(frames.iter().all(|frames| (22_050..66_150).contains(frames)));
        let mean = frames.iter().sum::<usize>() / frames.len();
        assert!((43_000..45_000).contains(&mean), "{mean}");
    }

    #[test]
    fn files_are_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("music.wav");
        fs::write(&source, music().whole()).unwrap();
        let set = prepare(Kind::Long, true, folder.path(), &source).unwrap();
        assert_eq!((set.sounds.len(), set.seconds()), (4, 480));
        set.warm().unwrap();
        let first = set.folder.join(&set.sounds[0].path);
        assert_eq!(fs::metadata(&first).unwrap().len() * 4, set.bytes());
        fs::write(&first, b"mark").unwrap();
        let again = prepare(Kind::Long, true, folder.path(), &source).unwrap();
        assert_eq!(again.sounds, set.sounds);
        assert_eq!(fs::read(&first).unwrap(), b"mark");
    }
}
