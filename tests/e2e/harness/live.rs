//! Live streams for tests: `converter stream`, the binary of the image, fed at the speed of a microphone.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::wait::STEP;
use e2e::audio::{Audio, Shape};

/// Playing time of each stream, longer than any test: a test ends its streams itself.
const SECONDS: f64 = 240.0;
/// How often audio is recorded.
const BEAT: Duration = Duration::from_millis(100);

/// What is recorded: made once, as that takes longer than all else.
pub struct Take {
    audio: Audio,
    wav: Vec<u8>,
}

impl Take {
    /// Makes it; another seed is other music.
    pub fn new(seed: u64) -> Arc<Self> {
        let audio = Audio::music(Shape::VOICE, SECONDS, seed);
        let wav = audio.wav().unwrap();
        Arc::new(Self { audio, wav })
    }
}

/// A `converter stream` under way.
pub struct Live {
    take: Arc<Take>,
    flac: PathBuf,
    client: Child,
    feeder: JoinHandle<()>,
    finish: oneshot::Sender<()>,
}

impl Live {
    /// Starts one that saves to `flac`; `more` are arguments for its patience.
    pub fn start(url: &str, take: &Arc<Take>, flac: PathBuf, more: &[&str]) -> Self {
        let mut client = Command::new(super::shipped("converter"))
            .args(["stream", "--json"])
            .args(more)
            .args([url, "-"])
            .arg(&flac)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (finish, told) = oneshot::channel();
        let feeder = tokio::spawn(feed(client.stdin.take().unwrap(), Arc::clone(take), told));
        Self { take: Arc::clone(take), flac, client, feeder, finish }
    }

    /// Sends what is left, waits for the end and checks the file. Gives how often the client had to connect again.
    pub async fn end(self) -> u64 {
        // The feeder is gone only if the client is, and that shows below.
        let _ = self.finish.send(());
        let ended = tokio::time::timeout(STEP, self.client.wait_with_output()).await.expect("an end in time").unwrap();
        let (told, said) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
        assert!(ended.status.success(), "{told}{said}");
        self.feeder.await.unwrap();
        self.take.audio.check_flac_file(&self.flac).unwrap();
        let told: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
        told["reconnects"].as_u64().unwrap()
    }
}

/// Writes it as it would be recorded until it is told to finish, and then the rest at once.
async fn feed(mut into: ChildStdin, take: Arc<Take>, mut finish: oneshot::Receiver<()>) {
    let shape = Shape::VOICE;
    let per_second = usize::from(shape.channels * shape.bits / 8) * shape.rate as usize;
    let mut clock = tokio::time::interval(BEAT);
    let mut in_haste = false;
    for piece in take.wav.chunks(per_second / 10) {
        if !in_haste {
            tokio::select! {
                _ = clock.tick() => {}
                _ = &mut finish => in_haste = true,
            }
        }
        if into.write_all(piece).await.is_err() {
            // The client has ended; what it says tells why.
            return;
        }
    }
}
