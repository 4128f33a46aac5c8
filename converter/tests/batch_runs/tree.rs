//! A folder tree of sources, a destination and records, and the binary run over them.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use serde_json::Value;

/// When every source was last changed, so that nothing depends on how fast a test is.
pub const MTIME: Duration = Duration::new(1_600_000_000, 123_456_789);

/// A temporary folder with `source` in it; destination and records are named by the test.
pub struct Tree(tempfile::TempDir);

impl Tree {
    pub fn new() -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        fs::create_dir(tree.path("source")).unwrap();
        tree
    }

    pub fn path(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.0.path().join(name.as_ref())
    }

    pub fn source(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.path("source").join(name.as_ref())
    }

    /// A source of these bytes.
    pub fn put(&self, name: impl AsRef<OsStr>, bytes: &[u8]) -> PathBuf {
        let path = self.source(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        set_mtime(&path, MTIME);
        path
    }

    /// A WAV of noise that is its own for each `seed`.
    pub fn wav(&self, name: impl AsRef<OsStr>, seed: u32, samples: u32) -> PathBuf {
        let bits = [8, 16, 24][(seed % 3) as usize];
        let channels = u16::try_from(seed % 2 + 1).unwrap();
        let spec = WavSpec { channels, sample_rate: 44_100, bits_per_sample: bits, sample_format: SampleFormat::Int };
        let mut bytes = std::io::Cursor::new(Vec::new());
        let mut writer = WavWriter::new(&mut bytes, spec).unwrap();
        let mut state = seed.wrapping_mul(2_654_435_761).max(1);
        for _ in 0..samples * u32::from(channels) {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            // A few bits below full scale, so that there is something to compress.
            writer.write_sample(state.cast_signed() >> (35 - bits)).unwrap();
        }
        writer.finalize().unwrap();
        self.put(name, &bytes.into_inner())
    }

    /// A WAV of `seconds` of 16-bit stereo silence at 44.1 kHz that takes no space on the disk.
    pub fn silence(&self, name: &str, seconds: u32) -> PathBuf {
        let data = seconds * 44_100 * 4;
        let path = self.put(name, b"");
        let mut file = File::create(&path).unwrap();
        file.write_all(b"RIFF").unwrap();
        file.write_all(&(data + 36).to_le_bytes()).unwrap();
        file.write_all(b"WAVEfmt \x10\0\0\0\x01\0\x02\0").unwrap();
        file.write_all(&44_100u32.to_le_bytes()).unwrap();
        file.write_all(&176_400u32.to_le_bytes()).unwrap();
        file.write_all(b"\x04\0\x10\0data").unwrap();
        file.write_all(&data.to_le_bytes()).unwrap();
        file.seek(SeekFrom::Start(u64::from(data) + 44)).unwrap();
        file.set_len(u64::from(data) + 44).unwrap();
        set_mtime(&path, MTIME);
        path
    }

    /// A run over this tree.
    pub fn run(&self, destination: &str, records: &str) -> Run {
        Run { source: self.path("source"), destination: self.path(destination), records: self.path(records) }
    }
}

pub fn set_mtime(path: &Path, since_1970: Duration) {
    File::options().write(true).open(path).unwrap().set_modified(UNIX_EPOCH + since_1970).unwrap();
}

/// The three folders of one run.
pub struct Run {
    pub source: PathBuf,
    pub destination: PathBuf,
    pub records: PathBuf,
}

impl Run {
    pub fn command(&self, stage: &str, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_converter"));
        command.args(["batch", stage, "--source"]).arg(&self.source);
        command.arg("--destination").arg(&self.destination).arg("--records").arg(&self.records).args(more);
        command.env_remove("JOB_COMPLETION_INDEX").env_remove("RUST_LOG").stdin(Stdio::null());
        command
    }

    pub fn output(&self, stage: &str, more: &[&str]) -> Output {
        self.command(stage, more).output().unwrap()
    }

    /// A stage that must succeed: its summary.
    pub fn stage(&self, stage: &str, more: &[&str]) -> Value {
        let output = self.output(stage, more);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        last_line(&output)
    }

    /// A worker that the test ends or waits for.
    pub fn spawn(&self, more: &[&str]) -> Child {
        self.command("work", more).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// All three stages; the report's summary.
    pub fn whole(&self, shards: usize, work: &[&str]) -> Value {
        self.stage("plan", &["--shards", &shards.to_string()]);
        for shard in 0..shards {
            self.stage("work", &[&["--shard", &shard.to_string()], work].concat());
        }
        self.stage("report", &[])
    }

    pub fn results(&self, shard: usize) -> PathBuf {
        self.records.join(format!("results/shard-{shard:05}.jsonl"))
    }

    /// The lines of a shard's results.
    pub fn records(&self, shard: usize) -> Vec<Value> {
        lines(&self.results(shard))
    }

    pub fn report(&self) -> Value {
        serde_json::from_slice(&fs::read(self.records.join("report.json")).unwrap()).unwrap()
    }
}

pub fn lines(path: &Path) -> Vec<Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub fn last_line(output: &Output) -> Value {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(text.len() <= 64 * 1024, "the line has {} bytes", text.len());
    assert_eq!(text.lines().count(), 1, "one line and nothing else: {text}");
    serde_json::from_str(&text).unwrap()
}

/// The counts of a summary: converted, skipped, failed.
pub fn counts(summary: &Value) -> [u64; 3] {
    ["converted", "skipped", "failed"].map(|name| summary["files"][name].as_u64().unwrap())
}

/// Every file below a folder but the records, by path below it.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = walkdir::WalkDir::new(folder)
        .into_iter()
        .filter_entry(|entry| entry.file_name() != ".flacship")
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| entry.path().strip_prefix(folder).unwrap().to_owned())
        .collect();
    files.sort();
    files
}

/// Fails unless `flac -t` likes the file and the reference decoder gives the source's samples.
pub fn assert_decodes(flac: &Path, source: &Path) {
    let decoded = tempfile::Builder::new().suffix(".wav").tempfile().unwrap();
    let output = Command::new("flac")
        .args(["--decode", "--silent", "--force", "-o"])
        .arg(decoded.path())
        .arg(flac)
        .output()
        .expect("the flac command is needed: apt-get install flac");
    assert!(output.status.success(), "{}: {}", flac.display(), String::from_utf8_lossy(&output.stderr));
    let samples = |path: &Path| {
        let reader = WavReader::open(path).unwrap();
        let spec = reader.spec();
        let samples: Vec<i32> = reader.into_samples().map(Result::unwrap).collect();
        ((spec.channels, spec.sample_rate, spec.bits_per_sample), samples)
    };
    assert!(samples(decoded.path()) == samples(source), "{} is not {}", flac.display(), source.display());
}
