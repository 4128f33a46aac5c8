//! Files that are still being written while they are converted: what was there when the end was read is in the result.
//! The recorder here is another thread that writes only when it is told to, so that nothing depends on who is faster.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread;

use converter::convert::{Level, Metadata, Options, Summary};
use converter::file::{Existing, FileOptions, Times, Verify, convert_file};
use converter::restore::restore;

use crate::cli_shell::{Shell, objects};
use crate::support::{Wav, music, signed_pcm, wav_pcm};
use crate::tools::reference_decode;

/// In Hz: low, so that a small file lasts long enough for many seek points.
const RATE: u32 = 8_000;
/// Bytes that are there when the conversion begins: more than it reads at once.
const FIRST: usize = 700_000;
/// Bytes of each piece that comes later.
const PIECE: usize = 600_001;
/// How many come later.
const PIECES: usize = 6;
/// Bytes in the end, a whole number of samples.
const ALL: usize = FIRST + PIECES * PIECE;

struct Recording {
    folder: tempfile::TempDir,
    samples: Vec<i32>,
    pcm: Vec<u8>,
}

impl Recording {
    /// A header that knows no length, and the first bytes of audio.
    fn begin() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let samples = music(ALL / 2, 1, 16, 3);
        let pcm = wav_pcm(&samples, 16);
        let start = Wav::new().fmt(1, RATE, 16).head(b"data", u32::MAX).raw(&pcm[..FIRST]).build();
        fs::write(folder.path().join("take.wav"), start).unwrap();
        Self { folder, samples, pcm }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Converts while another thread appends a piece at each of the first steps.
    fn convert(&self, convert: Options) -> Summary {
        let options = FileOptions { convert, verify: Verify::Yes, existing: Existing::Refuse, times: Times::Source };
        let (ask, asked) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(move || {
                let mut file = File::options().append(true).open(self.path("take.wav")).unwrap();
                for piece in self.pcm[FIRST..].chunks(PIECE) {
                    if asked.recv().is_err() {
                        return;
                    }
                    file.write_all(piece).unwrap();
                    tell.send(()).unwrap();
                }
            });
            let summary = convert_file(&self.path("take.wav"), &self.path("take.flac"), &options, &mut |_| {
                if ask.send(()).is_ok() {
                    // Once all is written nobody answers, and nothing more is to come.
                    let _ = told.recv();
                }
            });
            // Should it have failed early, the recorder must not wait for ever.
            drop(ask);
            summary.unwrap()
        })
    }

    fn assert_whole(&self, summary: &Summary) {
        let codes: Vec<_> = summary.warnings.iter().map(converter::convert::Warning::code).collect();
        assert_eq!(codes, ["unknown_length", "source_changed"]);
        assert_eq!(summary.samples, self.samples.len() as u64);
        assert!(reference_decode(&self.path("take.flac")) == signed_pcm(&self.samples, 16), "other samples");
        assert_eq!(fs::metadata(self.path("take.flac")).unwrap().len(), summary.bytes_out);
        // One each ten seconds, all with a place in the file.
        let points = seek_points(&self.path("take.flac"));
        assert_eq!(points, self.samples.len().div_ceil(RATE as usize * 10));
    }
}

/// How many points `metaflac` finds in the seek table, none of them an empty one.
fn seek_points(flac: &Path) -> usize {
    let output = Command::new("metaflac").args(["--list", "--block-type=SEEKTABLE"]).arg(flac).output().unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    assert!(!listed.contains("PLACEHOLDER"), "{listed}");
    listed.lines().filter(|line| line.trim().starts_with("point ")).count()
}

fn options(padding: u32) -> Options {
    let mut options = Options { level: Level::FASTEST, ..Options::default() };
    options.metadata.padding = padding;
    options
}

#[test]
fn a_growing_file_is_converted_to_the_end_that_was_read() {
    let recording = Recording::begin();
    recording.assert_whole(&recording.convert(options(8192)));
}

#[test]
fn a_head_that_was_reserved_for_less_is_written_anew() {
    let recording = Recording::begin();
    let summary = recording.convert(options(0));
    recording.assert_whole(&summary);
    assert!(summary.head.len() > summary.head_sent, "{} bytes in place of {}", summary.head.len(), summary.head_sent);
    assert_eq!(summary.left_out, [""; 0]);
}

#[test]
fn what_was_kept_of_a_growing_file_is_all_that_was_read() {
    let recording = Recording::begin();
    let mut options = options(0);
    options.metadata.keep = Metadata::Foreign;
    recording.assert_whole(&recording.convert(options));
    let mut restored = Vec::new();
    restore(File::open(recording.path("take.flac")).unwrap(), &mut restored).unwrap();
    assert!(restored == fs::read(recording.path("take.wav")).unwrap(), "another file");
}

#[test]
fn a_named_pipe_is_read_to_its_end() {
    let samples = music(500_000, 2, 16, 4);
    let shell = Shell::new();
    nix::unistd::mkfifo(&shell.at("pipe.wav"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let output = thread::scope(|scope| {
        scope.spawn(|| {
            let mut pipe = File::options().write(true).open(shell.at("pipe.wav")).unwrap();
            pipe.write_all(&Wav::new().fmt(2, 44_100, 16).head(b"data", u32::MAX).build()).unwrap();
            wav_pcm(&samples, 16).chunks(7_777).for_each(|piece| pipe.write_all(piece).unwrap());
        });
        shell.run(&["pipe.wav", "--json", "--verify", "-0"])
    });
    let told = objects(&output);
    assert_eq!((output.status.code(), &told[0]["samples"]), (Some(0), &500_000.into()), "{told:?}");
    assert_eq!(told[0]["warnings"].as_array().unwrap().len(), 1);
    assert_eq!(told[0]["warnings"][0]["code"], "unknown_length");
    assert!(reference_decode(&shell.at("pipe.flac")) == signed_pcm(&samples, 16), "other samples");
}
