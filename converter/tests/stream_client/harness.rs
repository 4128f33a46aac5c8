//! Servers as processes, and the client in a folder of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use flac_codec::decode::FlacSampleReader;
use md5::{Digest as _, Md5};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::process;
use crate::support::{Wav, music, noise, signed_pcm, wav_pcm};

/// A `converter serve` process. Killed with the test.
pub struct Server(process::Server);

impl Server {
    /// Starts a server with these flags beside those for the ports; every slice of audio is followed by a checkpoint.
    pub fn start(flags: &[&str]) -> Self {
        let checkpoints: &[&str] =
            if flags.contains(&"--checkpoint-interval") { &[] } else { &["--checkpoint-interval", "0s"] };
        Self(process::Server::start(&[checkpoints, flags].concat()))
    }

    /// The same, with its admin port.
    pub fn with_admin(flags: &[&str]) -> (Self, SocketAddr) {
        let log = tempfile::NamedTempFile::new().unwrap();
        let flags = [&["--checkpoint-interval", "0s"], flags].concat();
        let server = process::Server::start_on("127.0.0.1:0", &flags, log.reopen().unwrap().into());
        // It stands in the log before the server says where the page is.
        let log = fs::read_to_string(log.path()).unwrap();
        let admin = log.split_whitespace().find_map(|word| word.strip_prefix("admin=")).unwrap();
        (Self(server), admin.parse().unwrap())
    }

    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    pub fn signal(&self, signal: Signal) {
        send(&self.0.child, signal);
    }
}

pub fn send(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
}

/// A folder and the command in it.
pub struct Shell(TempDir);

impl Shell {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn file(&self, name: &str, bytes: &[u8]) -> &Self {
        fs::write(self.at(name), bytes).unwrap();
        self
    }

    /// The names of all files in the folder, sorted.
    pub fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// `converter stream`, with signals as in a terminal.
    pub fn spawn(&self, args: &[&str]) -> Child {
        Command::new("env")
            .arg("--default-signal=INT,TERM,HUP")
            .args([env!("CARGO_BIN_EXE_converter"), "stream"])
            .args(args)
            .current_dir(self.0.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.run_with_input(args, &[])
    }

    pub fn run_with_input(&self, args: &[&str], input: &[u8]) -> Output {
        process::end_with_input(self.spawn(args), input)
    }
}

pub fn stderr(output: &Output) -> &str {
    str::from_utf8(&output.stderr).unwrap()
}

/// The one object that `--json` wrote.
pub fn object(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// The code of a failure told by `--json`.
pub fn failure(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", stderr(output));
    object(&output.stdout)["error"]["code"].as_str().unwrap().to_owned()
}

/// Waits until something is so; a generous limit only ends a test that would hang.
pub fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_mins(2);
    while !is_so() {
        assert!(Instant::now() < limit, "{what} did not come");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The length of a file; 0 if it is not there.
pub fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |meta| meta.len())
}

/// A WAV and the samples in it.
pub struct Sound {
    pub wav: Vec<u8>,
    pub samples: Vec<i32>,
    bits: u32,
    channels: usize,
}

impl Sound {
    pub fn music(frames: usize, channels: u16, bits: u16) -> Self {
        Self::of(music(frames, channels.into(), bits.into(), 7), channels, bits)
    }

    /// Noise, whose FLAC is as large as its WAV.
    pub fn noise(frames: usize) -> Self {
        Self::of(noise(frames, 2, 16, 4), 2, 16)
    }

    fn of(samples: Vec<i32>, channels: u16, bits: u16) -> Self {
        let wav = Wav::pcm(channels, 44_100, bits, &wav_pcm(&samples, bits.into()));
        Self { wav, samples, bits: bits.into(), channels: channels.into() }
    }

    /// The audio without its header.
    pub fn pcm(&self) -> Vec<u8> {
        wav_pcm(&self.samples, self.bits)
    }

    pub fn md5(&self) -> [u8; 16] {
        Md5::digest(signed_pcm(&self.samples, self.bits)).into()
    }

    /// Fails unless `flac` is complete and holds exactly this sound.
    pub fn assert_in(&self, flac: &[u8]) {
        assert_eq!(&flac[..4], b"fLaC");
        let info = &flac[8..42];
        let frames = u64::from_be_bytes(info[10..18].try_into().unwrap()) & 0xf_ffff_ffff;
        assert_eq!(frames as usize, self.samples.len() / self.channels, "total samples in STREAMINFO");
        assert_eq!(info[18..34], self.md5(), "MD5 in STREAMINFO");
        self.assert_decoded_from(flac);
    }

    /// Fails unless `flac` decodes to exactly this sound, whatever its head says.
    pub fn assert_decoded_from(&self, flac: &[u8]) {
        let mut samples = Vec::new();
        FlacSampleReader::new(flac).unwrap().read_to_end(&mut samples).unwrap();
        assert!(samples == self.samples, "the samples differ");
    }

    /// Fails unless the file is there, complete, and holds exactly this sound.
    pub fn assert_file(&self, path: &Path) {
        self.assert_in(&fs::read(path).unwrap());
    }
}
