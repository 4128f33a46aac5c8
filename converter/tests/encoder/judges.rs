//! The decoders that are programs. A process costs more than most streams, so each is given many at once.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use md5::{Digest as _, Md5};
use tempfile::TempDir;

use crate::case::{Case, Encoded};

/// Streams, and bytes of them, that wait before a judge is called.
const MOST_FILES: usize = 500;
const MOST_BYTES: usize = 64 << 20;
/// Streams that one ffmpeg decodes: it opens them all.
const FFMPEG_FILES: usize = 60;

/// Streams that wait to be judged; the last are when this goes.
pub struct Judges {
    folder: TempDir,
    waiting: Vec<Waiting>,
    bytes: usize,
    judged: usize,
    by_ffmpeg: usize,
}

struct Waiting {
    name: String,
    /// Of the samples as ffmpeg writes them; none where it cannot read the stream.
    md5: Option<String>,
}

impl Judges {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder, waiting: Vec::new(), bytes: 0, judged: 0, by_ffmpeg: 0 }
    }

    /// Takes a stream and the audio that it has to hold.
    #[track_caller]
    pub fn add(&mut self, case: Case, encoded: &Encoded) {
        if case.samples.is_empty() {
            return;
        }
        fs::write(self.path(self.waiting.len()), &encoded.file).unwrap();
        let md5 = ffmpeg_reads(&case, &encoded.sizes).then(|| {
            let spare = 32 - u32::from(case.shape.bits_per_sample);
            let mut md5 = Md5::new();
            case.samples.iter().for_each(|sample| md5.update((sample << spare).to_le_bytes()));
            md5.finalize().iter().fold(String::new(), |mut text, byte| {
                write!(text, "{byte:02x}").unwrap();
                text
            })
        });
        self.waiting.push(Waiting { name: case.name, md5 });
        self.bytes += encoded.file.len();
        if self.waiting.len() >= MOST_FILES || self.bytes >= MOST_BYTES {
            self.judge();
        }
    }

    /// Has all streams judged that are left. That so many were, by each, is part of what a test says.
    #[track_caller]
    pub fn finish(mut self, by_flac: usize, by_ffmpeg: usize) {
        self.judge();
        assert!(self.judged >= by_flac, "flac judged only {}", self.judged);
        assert!(self.by_ffmpeg >= by_ffmpeg, "ffmpeg judged only {}", self.by_ffmpeg);
    }

    #[track_caller]
    fn judge(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        self.bytes = 0;
        self.judged += waiting.len();
        self.flac(&waiting);
        let readable: Vec<_> = waiting.iter().enumerate().filter(|(_, one)| one.md5.is_some()).collect();
        self.by_ffmpeg += readable.len();
        for some in readable.chunks(FFMPEG_FILES) {
            self.ffmpeg(some);
        }
    }

    /// `flac -t` checks every checksum, and compares the MD5 of the samples that it finds with STREAMINFO's.
    #[track_caller]
    fn flac(&self, waiting: &[Waiting]) {
        if waiting.is_empty() {
            return;
        }
        let mut flac = Command::new("flac");
        flac.args(["--silent", "--test", "--warnings-as-errors"]);
        flac.args((0..waiting.len()).map(|number| self.path(number)));
        let output = flac.output().expect("these tests need the reference decoder: apt-get install flac");
        Self::assert_silent(&output, waiting.iter().enumerate());
    }

    #[track_caller]
    fn ffmpeg(&self, some: &[(usize, &Waiting)]) {
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-nostdin"]);
        for (number, _) in some {
            ffmpeg.args(["-threads", "1", "-f", "flac", "-i"]).arg(self.path(*number));
        }
        for (place, (number, _)) in some.iter().enumerate() {
            ffmpeg.args(["-map", &format!("{place}:a"), "-c:a", "pcm_s32le", "-f", "md5", "-y"]);
            ffmpeg.arg(self.path(*number).with_extension("md5"));
        }
        let output = ffmpeg.output().expect("these tests need ffmpeg: apt-get install ffmpeg");
        Self::assert_silent(&output, some.iter().copied());
        for (number, one) in some {
            let told = fs::read_to_string(self.path(*number).with_extension("md5")).unwrap();
            let wanted = one.md5.as_ref().unwrap();
            assert!(told.trim().ends_with(wanted.as_str()), "ffmpeg finds other samples: {}", one.name);
        }
    }

    #[track_caller]
    fn assert_silent<'a>(output: &Output, streams: impl Iterator<Item = (usize, &'a Waiting)>) {
        let mut told = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() && told.is_empty() {
            return;
        }
        for (number, stream) in streams {
            if told.contains(&format!("{number}.flac")) {
                writeln!(told, "{number}.flac is {}", stream.name).unwrap();
            }
        }
        panic!("{told}");
    }

    fn path(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("{number}.flac"))
    }
}

/// ffmpeg 5.1 passes over streams of 32 bits, frames of ten bytes, as silence has them that is mono and shallow, and
/// frames of a quarter of a megabyte. It says nothing of them: no sample comes out.
fn ffmpeg_reads(case: &Case, sizes: &[usize]) -> bool {
    case.shape.bits_per_sample < 32 && sizes.iter().all(|size| (11..200_000).contains(size))
}
