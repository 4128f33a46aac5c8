//! `POST /convert` beside `converter convert`, and beside servers that start a process for each request: the same file,
//! by turns, each on the server's core.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::cores::Cores;
use super::http;
use super::server::Server;
use crate::process::measure;
use crate::usage::{Usage, paired_ratio};

/// Peers that make a process of each request.
pub const PEERS: [&str; 2] = ["flac-convert", "ffmpeg-convert"];

/// What both ways took, round by round.
#[derive(Debug, Clone, Default)]
pub struct Compared {
    pub command: Vec<Usage>,
    pub server: Vec<Usage>,
    /// Those of [`PEERS`].
    pub peers: [Vec<Usage>; 2],
}

impl Compared {
    /// The server's CPU time beside the command's.
    pub fn cpu(&self) -> f64 {
        paired_ratio(&self.server, &self.command, |run| run.cpu)
    }

    /// The server's rate beside the command's.
    pub fn rate(&self) -> f64 {
        paired_ratio(&self.command, &self.server, |run| run.wall)
    }
}

/// Runs all by turns.
pub fn compare(converter: &Path, cores: Cores, folder: &Path, wav: &Path, rounds: u32) -> anyhow::Result<Compared> {
    let bytes = fs::read(wav).with_context(|| format!("cannot read {}", wav.display()))?;
    let (spool, out) = (folder.join("spool"), folder.join("out.flac"));
    fs::create_dir_all(&spool)?;
    let server = Server::converter(converter, cores, &spool, &[])?;
    let peers = PEERS.map(|kind| Server::peer(cores, kind, &spool));
    let peers = peers.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let arguments: Vec<OsString> =
        [OsString::from("convert"), "--quiet".into(), "--force".into(), wav.into(), "-o".into(), out.clone().into()]
            .into();
    // Each once before it counts; what the server made is checked, and is what the command made.
    let mut made = Vec::new();
    http::post(server.address, "/convert", bytes.len() as u64, bytes.as_slice(), &mut made)?;
    cores.on_server(|| measure(converter, &arguments))?;
    check(&made, &folder.join("check.flac"))?;
    ensure!(made == fs::read(&out)?, "the server and the command made different files of {}", wav.display());
    drop(made);
    let mut compared = Compared::default();
    for _ in 0..rounds {
        compared.command.push(cores.on_server(|| measure(converter, &arguments))?);
        compared.server.push(ask(&server, &bytes)?);
        for (peer, runs) in peers.iter().zip(&mut compared.peers) {
            runs.push(ask(peer, &bytes)?);
        }
    }
    Ok(compared)
}

/// One request, from connecting to the answer's last byte.
fn ask(server: &Server, bytes: &[u8]) -> anyhow::Result<Usage> {
    let before = server.taken()?;
    let start = Instant::now();
    http::post(server.address, "/convert", bytes.len() as u64, bytes, io::sink())?;
    let wall = start.elapsed();
    let after = server.taken()?;
    Ok(Usage { cpu: after.since(before), wall, peak: server.peak() })
}

/// Has the reference decoder check what was made.
fn check(flac: &[u8], path: &PathBuf) -> anyhow::Result<()> {
    fs::write(path, flac)?;
    let test = Command::new("flac").args(["--silent", "--test"]).arg(path).output().context("cannot run flac")?;
    ensure!(test.status.success(), "flac --test: {}", String::from_utf8_lossy(&test.stderr));
    Ok(fs::remove_file(path)?)
}

/// A large upload: what the server held at most, and how long it took.
#[derive(Debug, Clone, Copy)]
pub struct Large {
    pub bytes: u64,
    pub peak: u64,
    pub wall: Duration,
}

/// Uploads a WAV of exactly so many bytes to a new server.
pub fn upload(converter: &Path, cores: Cores, folder: &Path, pcm: &[u8], bytes: u64) -> anyhow::Result<Large> {
    let server = Server::converter(converter, cores, folder, &[])?;
    let start = Instant::now();
    let body = LongWav::new(pcm, bytes);
    let mut head = Head(Vec::new());
    let answer = http::post(server.address, "/convert", bytes, body, &mut head)?;
    let samples = (bytes - LongWav::HEADER) / 4;
    ensure!(answer.header("flacship-samples") == Some(&samples.to_string()), "not all samples came back");
    ensure!(head.0.starts_with(b"fLaC") && answer.bytes > bytes / 10, "no FLAC came back");
    Ok(Large { bytes, peak: server.peak(), wall: start.elapsed() })
}

/// Keeps only how an answer begins.
struct Head(Vec<u8>);

impl Write for Head {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = 64_usize.saturating_sub(self.0.len());
        self.0.extend(&bytes[..room.min(bytes.len())]);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A WAV of CD audio, made as it is read: the same sound over and over.
struct LongWav<'a> {
    header: io::Cursor<Vec<u8>>,
    pcm: &'a [u8],
    at: usize,
    left: u64,
}

impl<'a> LongWav<'a> {
    const HEADER: u64 = 44;

    fn new(pcm: &'a [u8], bytes: u64) -> Self {
        let data = bytes - Self::HEADER;
        let size = |bytes: u64| u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes();
        let mut header = b"RIFF".to_vec();
        header.extend(size(data + 36));
        header.extend(b"WAVEfmt \x10\0\0\0\x01\0");
        header.extend(crate::wav::format_fields(2, 44_100, 16));
        header.extend(b"data");
        header.extend(size(data));
        Self { header: io::Cursor::new(header), pcm, at: 0, left: data }
    }
}

impl Read for LongWav<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.header.read(buffer)? {
            0 => {}
            count => return Ok(count),
        }
        let rest = &self.pcm[self.at..];
        let count = buffer.len().min(rest.len()).min(usize::try_from(self.left).unwrap_or(usize::MAX));
        buffer[..count].copy_from_slice(&rest[..count]);
        self.left -= count as u64;
        self.at = (self.at + count) % self.pcm.len();
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_wav_has_its_length_and_repeats_its_sound() {
        let pcm: Vec<u8> = (0..40).collect();
        let mut wav = Vec::new();
        LongWav::new(&pcm, 44 + 100).read_to_end(&mut wav).unwrap();
        assert_eq!(wav.len(), 144);
        assert_eq!(&wav[..8], b"RIFF\x88\0\0\0");
        assert_eq!(&wav[36..44], b"data\x64\0\0\0");
        assert_eq!(wav[44..].to_vec(), pcm.iter().cycle().take(100).copied().collect::<Vec<_>>());
    }
}
