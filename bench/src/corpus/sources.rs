//! What a piece is made of, and how it is made into a WAV file: ffmpeg decodes, cuts, mixes and makes loud or quiet;
//! fluidsynth plays MIDI files.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use super::catalogue::{Piece, in_surround};
use super::midi;
use super::packages::{run, unpacked};
use super::signals::{self, Signal};

/// Files of one kind in one folder of a Debian package.
#[derive(Debug)]
pub struct Collection {
    pub package: &'static str,
    pub folder: &'static str,
    /// Of the files' names.
    pub ending: &'static str,
}

#[derive(Debug, Clone, Copy)]
pub enum Source {
    /// These files, one after the other, from this second of each on.
    Files {
        collection: &'static Collection,
        names: &'static [&'static str],
        start: u32,
    },
    /// All files of a folder, by name.
    Folder {
        collection: &'static Collection,
        folder: &'static str,
    },
    /// A MIDI file, played by all instruments it asks for.
    Midi {
        collection: &'static Collection,
        name: &'static str,
    },
    /// A melody by one instrument, an instrument of General MIDI; the lowest note.
    Melody {
        program: u8,
        lowest: u8,
    },
    /// Sentences by a voice of flite's.
    Flite(&'static str),
    Own {
        signal: Signal,
        seed: u64,
    },
    /// Two pieces of music around the listener, by their place in the catalogue.
    Surround([usize; 2]),
}

/// The sound font that fluidsynth plays with.
const FONT: (&str, &str) = ("fluid-soundfont-gm", "usr/share/sounds/sf2/FluidR3_GM.sf2");
/// What ffmpeg's `flite` says.
const TEXT: &str = "It was a bright cold day in the harbour, and the clocks on the quay had stopped again. Nobody asked \
    why. Forty seven ships lay at anchor, their ropes creaking; a dog barked twice. Please write down these figures: \
    three, eleven, nine hundred and sixty. The ferry leaves at a quarter past eight, unless the fog is thick. She \
    laughed, shook her head, and went on reading the yellow letter aloud. Fish, cheese, fresh thistles and vinegar: what \
    a strange list. We should measure each of them carefully before we judge the quality of the whole.";

/// Most folders have one- to four-second files.
const FILES_OF_A_FOLDER: usize = 40;

/// Makes one piece, so many seconds of it at most.
pub fn make(piece: &Piece, packages: &Path, wav: &Path, seconds: u32) -> anyhow::Result<()> {
    let part = wav.with_extension("part");
    if let Source::Own { signal, seed } = piece.source {
        let made = signals::make(signal, seed, piece.channels, piece.rate, piece.bits, seconds);
        fs::write(&part, made.whole())?;
    } else {
        let scratch = Scratch { packages, base: wav.with_extension("scratch") };
        scratch.render(piece, &part, seconds).with_context(|| format!("cannot make {}", wav.display()))?;
    }
    fs::rename(&part, wav)?;
    Ok(())
}

/// Where packages are, and the beginning of the names of files that are needed for a moment.
struct Scratch<'a> {
    packages: &'a Path,
    base: PathBuf,
}

impl Scratch<'_> {
    fn render(&self, piece: &Piece, part: &Path, seconds: u32) -> anyhow::Result<()> {
        let mut scratch = Vec::new();
        let mut inputs = Inputs::default();
        let filter = if let Source::Surround(both) = piece.source {
            let mut graph = String::new();
            for (source, label) in both.into_iter().filter_map(in_surround).zip(["front", "back"]) {
                let joined = inputs.join(self.inputs(source, piece, seconds, &mut scratch)?);
                let _ = write!(graph, "{joined},aformat=channel_layouts=stereo[{label}];");
            }
            // The second piece comes from behind, both from the middle; what is low goes to the sixth channel.
            graph
                + "[front][back]amerge=inputs=2,pan=6c|c0=c0|c1=c1|c2=0.35*c0+0.35*c1+0.1*c2|c3=0.5*c0+0.5*c1|c4=c2|c5=c3,\
                   channelsplit=channel_layout=5.1[l][r][c][low][bl][br];[low]lowpass=f=120[lfe];\
                   [l][r][c][lfe][bl][br]join=inputs=6:channel_layout=5.1"
        } else {
            let joined = inputs.join(self.inputs(piece.source, piece, seconds, &mut scratch)?);
            format!("{joined},{}", piece.filter)
        };
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-nostdin", "-y"]).args(inputs.words).args(["-filter_complex", &filter]);
        command.args(["-t", &seconds.to_string(), "-ac", &piece.channels.to_string(), "-ar", &piece.rate.to_string()]);
        command.args(["-c:a", &format!("pcm_s{}le", piece.bits), "-map_metadata", "-1"]);
        command.args(["-fflags", "+bitexact", "-flags:a", "+bitexact", "-f", "wav"]).arg(part);
        run(&mut command)?;
        scratch.iter().try_for_each(fs::remove_file)?;
        Ok(())
    }

    /// What ffmpeg reads for a source: the arguments of each file. Files that are no longer needed after that join
    /// `scratch`.
    fn inputs(
        &self,
        source: Source,
        piece: &Piece,
        seconds: u32,
        scratch: &mut Vec<PathBuf>,
    ) -> anyhow::Result<Vec<Vec<OsString>>> {
        let mut new = |ending: &str| {
            let path = self.base.with_extension(format!("scratch-{}.{ending}", scratch.len()));
            scratch.push(path.clone());
            path
        };
        let input = |file: PathBuf| vec!["-i".into(), file.into()];
        Ok(match source {
            Source::Files { collection, names, start } => {
                let folder = self.folder(collection)?;
                let file = |name: &&str| folder.join(format!("{name}.{}", collection.ending)).into();
                names.iter().map(|name| vec!["-ss".into(), start.to_string().into(), "-i".into(), file(name)]).collect()
            }
            Source::Folder { collection, folder } => {
                let files = files(&self.folder(collection)?.join(folder), collection.ending)?;
                files.into_iter().take(FILES_OF_A_FOLDER).map(input).collect()
            }
            Source::Midi { collection, name } => {
                let file = self.folder(collection)?.join(format!("{name}.{}", collection.ending));
                vec![input(self.played(&file, piece.rate, new("wav"))?)]
            }
            Source::Melody { program, lowest } => {
                let file = new("mid");
                // Once is about 25 seconds.
                fs::write(&file, midi::melody(program, lowest, u8::try_from(seconds / 20 + 1).unwrap_or(u8::MAX)))?;
                vec![input(self.played(&file, piece.rate, new("wav"))?)]
            }
            Source::Flite(voice) => {
                let text = new("text");
                fs::write(&text, TEXT)?;
                let text = text.to_str().context("the folder's name is no Unicode")?;
                vec![["-f", "lavfi", "-i", &format!("flite=voice={voice}:textfile={text}")].map(OsString::from).into()]
            }
            Source::Own { .. } | Source::Surround(_) => Vec::new(),
        })
    }

    fn folder(&self, collection: &Collection) -> anyhow::Result<PathBuf> {
        let folder = unpacked(self.packages, collection.package)?.join(collection.folder);
        ensure!(folder.is_dir(), "{} has no {} any more", collection.package, collection.folder);
        Ok(folder)
    }

    /// Plays a MIDI file into a WAV file of 32 bits.
    fn played(&self, file: &Path, rate: u32, wav: PathBuf) -> anyhow::Result<PathBuf> {
        let font = unpacked(self.packages, FONT.0)?.join(FONT.1);
        let mut command = Command::new("fluidsynth");
        command.args(["--no-shell", "--quiet", "--audio-file-type=wav", "--audio-file-format=float"]);
        // Louder, and some of these pieces would clip.
        command.args(["--gain=0.3", "--sample-rate", &rate.to_string(), "--fast-render"]).arg(&wav).arg(font).arg(file);
        run(&mut command)?;
        ensure!(wav.exists(), "fluidsynth did not play {}", file.display());
        Ok(wav)
    }
}

/// ffmpeg's arguments for all its inputs.
#[derive(Default)]
struct Inputs {
    words: Vec<OsString>,
    count: usize,
}

impl Inputs {
    /// Adds some, and gives the beginning of a filter that has them one after the other. (ffmpeg's `concat` format would
    /// take the first file's codec header for all.)
    fn join(&mut self, inputs: Vec<Vec<OsString>>) -> String {
        let mut joined = String::new();
        for at in self.count..self.count + inputs.len() {
            let _ = write!(joined, "[{at}:a]");
        }
        let _ = write!(joined, "concat=n={}:v=0:a=1", inputs.len());
        self.count += inputs.len();
        self.words.extend(inputs.into_iter().flatten());
        joined
    }
}

/// The files below a folder, by name.
fn files(folder: &Path, ending: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).with_context(|| format!("no sounds in {}", folder.display()))?;
        for path in entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<PathBuf>>>()? {
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}
