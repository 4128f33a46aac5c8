//! What is encoded: music and speech from a Debian package of a game, decoded to WAV files of 16 and 24 bits.
//!
//! The package is downloaded and unpacked into the bench's folder, never installed. What is there already is used
//! again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

use crate::plan::Plan;

/// Has ogg files of music, and of single spoken words by many voices.
const PACKAGE: &str = "hedgewars-data";
const DATA: &str = "usr/share/games/hedgewars/Data";
/// Unlike each other: orchestra, band, synthesiser; quiet and loud.
const TRACKS: [&str; 6] = ["main_theme", "Beach", "Castle", "Rock", "oriental", "pirate"];
/// Folders of voices; each becomes one file.
const VOICES: [&str; 3] = ["British", "Default_ru", "HillBilly"];

/// Sounds that are measured together.
#[derive(Debug, Clone)]
pub struct Set {
    pub name: String,
    pub kind: Kind,
    pub files: Vec<PathBuf>,
    /// Of audio, in all files.
    pub seconds: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Music,
    Speech,
}

/// Has all sounds of the plan in the folder.
pub fn prepare(folder: &Path, plan: &Plan) -> anyhow::Result<Vec<Set>> {
    let data = unpacked(folder)?.join(DATA);
    let wavs = folder.join("wav");
    fs::create_dir_all(&wavs)?;
    let mut sets = Vec::new();
    for bits in [16, 24] {
        let mut music = Vec::new();
        for track in TRACKS.iter().take(plan.tracks) {
            let wav = wavs.join(format!("{track}-{}s-{bits}.wav", plan.seconds));
            let ogg = data.join("Music").join(format!("{track}.ogg"));
            decode(&wav, bits, &["-t", &plan.seconds.to_string(), "-i", path(&ogg)?])?;
            music.push(wav);
        }
        sets.push(set(format!("music, {bits} bits"), Kind::Music, music)?);
    }
    for bits in [16, 24] {
        let mut speech = Vec::new();
        for voice in VOICES {
            let wav = wavs.join(format!("{voice}-{bits}.wav"));
            let list = wavs.join(format!("{voice}.txt"));
            fs::write(&list, voice_list(&data.join("Sounds/voices").join(voice))?)?;
            decode(&wav, bits, &["-f", "concat", "-safe", "0", "-i", path(&list)?, "-ac", "1", "-ar", "44100"])?;
            speech.push(wav);
        }
        sets.push(set(format!("speech, {bits} bits"), Kind::Speech, speech)?);
    }
    Ok(sets)
}

fn set(name: String, kind: Kind, files: Vec<PathBuf>) -> anyhow::Result<Set> {
    let seconds = files.iter().map(|file| Ok(wav(file)?.seconds())).sum::<anyhow::Result<f64>>()?;
    Ok(Set { name, kind, files, seconds })
}

/// The folder with the package's files.
fn unpacked(folder: &Path) -> anyhow::Result<PathBuf> {
    let package = folder.join("package");
    if package.join(DATA).is_dir() {
        return Ok(package);
    }
    let download = || run(Command::new("apt-get").args(["--quiet=2", "download", PACKAGE]).current_dir(folder));
    if download().is_err() {
        run(Command::new("apt-get").args(["--quiet=2", "update"])).context("the list of packages may be too old")?;
        download().with_context(|| format!("the sounds are in Debian's package {PACKAGE}"))?;
    }
    let deb = fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|ending| ending == "deb"))
        .with_context(|| format!("no package in {}", folder.display()))?;
    // Under another name until it is whole.
    let part = folder.join("package.part");
    let _ = fs::remove_dir_all(&part);
    run(Command::new("dpkg-deb").arg("--extract").arg(&deb).arg(&part))?;
    fs::rename(&part, &package)?;
    fs::remove_file(&deb)?;
    ensure!(package.join(DATA).is_dir(), "{PACKAGE} has no {DATA} any more");
    Ok(package)
}

/// Decodes with ffmpeg, unless that was done before.
fn decode(wav: &Path, bits: u8, input: &[&str]) -> anyhow::Result<()> {
    if wav.exists() {
        return Ok(());
    }
    let part = wav.with_extension("part");
    let codec = format!("pcm_s{bits}le");
    let plain = ["-map_metadata", "-1", "-fflags", "+bitexact", "-flags:a", "+bitexact", "-f", "wav"];
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-y"]).args(input).args(["-c:a", &codec]).args(plain).arg(&part);
    run(&mut command)?;
    fs::rename(&part, wav)?;
    Ok(())
}

/// ffmpeg's list of the ogg files in a folder, by name.
fn voice_list(folder: &Path) -> anyhow::Result<String> {
    let entries = fs::read_dir(folder).with_context(|| format!("no voices in {}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|ending| ending == "ogg"));
    files.sort();
    let lines: anyhow::Result<Vec<String>> = files.iter().map(|file| Ok(format!("file '{}'\n", path(file)?))).collect();
    Ok(lines?.concat())
}

fn path(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("{} is no Unicode", path.display()))
}

/// Runs a program; fails with what it said.
fn run(command: &mut Command) -> anyhow::Result<()> {
    let name = command.get_program().display().to_string();
    let output = command.output().with_context(|| format!("cannot run {name}"))?;
    if !output.status.success() {
        bail!("{name} failed: {}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(())
}

/// A WAV file that ffmpeg wrote above: `fmt ` and `data`, whole.
#[derive(Debug, PartialEq, Eq)]
pub struct Wav {
    pub channels: u16,
    pub rate: u32,
    pub bits: u16,
    /// Interleaved samples.
    pub pcm: Vec<u8>,
}

impl Wav {
    /// Bytes of one sample of every channel.
    pub fn step(&self) -> usize {
        usize::from(self.channels) * usize::from(self.bits / 8)
    }

    fn seconds(&self) -> f64 {
        let samples = u32::try_from(self.pcm.len() / self.step().max(1)).unwrap_or(u32::MAX);
        f64::from(samples) / f64::from(self.rate)
    }

    /// The first so many seconds as a file of its own, with a header of 44 bytes.
    pub fn beginning(&self, seconds: u32) -> Vec<u8> {
        let pcm = self.pcm.get(..self.step() * (self.rate * seconds) as usize).unwrap_or(&self.pcm);
        let length = u32::try_from(pcm.len()).unwrap_or(u32::MAX);
        let mut file = b"RIFF".to_vec();
        file.extend((length + 36).to_le_bytes());
        file.extend(b"WAVEfmt \x10\0\0\0\x01\0");
        file.extend(format_fields(self.channels, self.rate, self.bits));
        file.extend(b"data");
        file.extend(length.to_le_bytes());
        file.extend(pcm);
        file
    }
}

/// The 14 bytes of a `fmt ` chunk from the channels on.
pub fn format_fields(channels: u16, rate: u32, bits: u16) -> Vec<u8> {
    let step = channels * (bits / 8);
    let mut fields = channels.to_le_bytes().to_vec();
    fields.extend(rate.to_le_bytes());
    fields.extend((rate * u32::from(step)).to_le_bytes());
    fields.extend(step.to_le_bytes());
    fields.extend(bits.to_le_bytes());
    fields
}

/// Reads a file of [`prepare`].
pub fn wav(file: &Path) -> anyhow::Result<Wav> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    parse(&bytes).with_context(|| format!("{} is no WAV file of ffmpeg's", file.display()))
}

fn parse(bytes: &[u8]) -> Option<Wav> {
    let mut wav = Wav { channels: 0, rate: 0, bits: 0, pcm: Vec::new() };
    let mut rest = bytes.get(12..)?;
    while let Some((head, after)) = rest.split_at_checked(8) {
        let (name, size) = head.split_at(4);
        let size = u32::from_le_bytes(size.try_into().ok()?) as usize;
        let body = after.get(..size).unwrap_or(after);
        if name == b"fmt " {
            let two = |at: usize| Some(u16::from_le_bytes(body.get(at..at + 2)?.try_into().ok()?));
            wav.channels = two(2)?;
            wav.rate = u32::from_le_bytes(body.get(4..8)?.try_into().ok()?);
            wav.bits = two(14)?;
        } else if name == b"data" {
            wav.pcm = body.to_vec();
            return (wav.step() > 0 && wav.rate > 0).then_some(wav);
        }
        rest = after.get(size + size % 2..).unwrap_or_default();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_a_file_is_a_file() {
        let wav = Wav { channels: 2, rate: 10, bits: 24, pcm: (0..180).collect() };
        assert!((wav.seconds() - 3.0).abs() < 1e-9);
        let short = parse(&wav.beginning(2)).unwrap();
        assert_eq!(short, Wav { pcm: (0..120).collect(), ..wav });
        assert_eq!(short.beginning(5), short.beginning(2), "no more than there is");
    }

    #[test]
    fn what_is_no_wav_is_not_read() {
        for bytes in [&b""[..], b"RIFF\0\0\0\0WAVE", b"RIFF\0\0\0\0WAVEdata\x02\0\0\0ab"] {
            assert_eq!(parse(bytes), None);
        }
    }
}
