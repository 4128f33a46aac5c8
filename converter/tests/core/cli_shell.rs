//! A folder and the command in it, for the tests of the command line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::process::end_with_input;
use crate::support::{Wav, music, wav_pcm};

pub struct Shell(TempDir);

impl Shell {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Writes a file; its folders are made.
    pub fn file(&self, name: &str, bytes: &[u8]) -> &Self {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        self
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// All files below the folder, by their paths below it, sorted.
    pub fn files(&self) -> Vec<String> {
        let entries = walkdir::WalkDir::new(self.path()).sort_by_file_name().into_iter().map(Result::unwrap);
        let files = entries.filter(|entry| !entry.file_type().is_dir());
        files.map(|entry| entry.path().strip_prefix(self.path()).unwrap().to_str().unwrap().to_owned()).collect()
    }

    /// `converter convert`, with all of its three streams piped, and with the signals as in a terminal, however this
    /// test was started.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("env");
        command
            .arg("--default-signal=INT,TERM,HUP")
            .args([env!("CARGO_BIN_EXE_converter"), "convert"])
            .args(args)
            .current_dir(self.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub fn spawn(&self, args: &[&str]) -> Child {
        self.command(args).spawn().unwrap()
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.run_with_input(args, &[])
    }

    pub fn run_with_input(&self, args: &[&str], input: &[u8]) -> Output {
        end_with_input(self.spawn(args), input)
    }
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The objects that `--json` wrote.
pub fn objects(output: &Output) -> Vec<serde_json::Value> {
    let text = str::from_utf8(&output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Samples, and the WAV file of them.
pub fn sound() -> (Vec<i32>, Vec<u8>) {
    let samples = music(20_000, 2, 16, 1);
    let wav = Wav::pcm(2, 44_100, 16, &wav_pcm(&samples, 16));
    (samples, wav)
}

/// Waits until something is so; a generous limit only ends a test that would hang.
pub fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_mins(2);
    while !is_so() {
        assert!(Instant::now() < limit, "{what} did not come");
        std::thread::sleep(Duration::from_millis(2));
    }
}
