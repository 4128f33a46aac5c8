//! Fifty live streams whose server is killed (SIGKILL) ten times while they run: none is lost, and each ends as the same
//! audio that was sent.

use std::{
    fs,
    io::Write as _,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tokio::{
    sync::{mpsc, watch},
    task::{JoinSet, spawn_blocking},
    time::{sleep, timeout},
};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    check::Sound,
    process::Server,
    resume::Recorder,
    stream::{BLOCK, Client},
    support::Random,
    tokens::{KEY, key_file},
};

const KILLS: usize = 10;
/// Streams of this suite's own client, and of `converter stream` processes.
const RECORDERS: usize = 38;
const REFERENCES: usize = 12;
/// Longest that anything may take: only a stream that is lost reaches it.
const NEVER: Duration = Duration::from_mins(2);

/// A stream says that its server gave it a checkpoint in this round: after so many kills.
type Report = (usize, usize);

/// What one stream sends, and how much of it before each kill.
struct Plan {
    sound: Sound,
    input: Vec<u8>,
    path: String,
    block: usize,
}

impl Plan {
    /// Another one for each stream: formats, depths, block sizes, with and without a header, up to a part of a sample.
    fn new(number: usize) -> Self {
        let (channels, bits) = [(2, 16), (1, 8), (2, 24), (3, 24), (6, 16), (2, 32)][number % 6];
        let block = [BLOCK, 1_000, 333, 577, 2_303][number % 5];
        let sound = Sound::noise(block * 4 * (KILLS + 1) + 7 * number, channels, bits, 1 + number as u64);
        let options = format!("level={}&block_size={block}", number % 9);
        let pcm = format!("format=pcm&sample_rate=44100&channels={channels}&bits_per_sample={bits}");
        let (input, path) = if number.is_multiple_of(2) {
            (sound.wav.clone(), format!("/ws?{options}"))
        } else {
            (sound.pcm(), format!("/ws?{options}&{pcm}"))
        };
        Self { sound, input, path, block }
    }

    /// Input up to the kill that ends this round. So far every round brings new frames, and the last one all.
    fn until(&self, round: usize) -> usize {
        if round == KILLS { self.input.len() } else { self.input.len() * (round + 1) / (KILLS + 1) }
    }

    /// Bytes of FLAC that must have come of so much input: noise is no smaller as FLAC than as PCM, but for the last block,
    /// which waits for its end.
    fn least(&self, sent: usize) -> u64 {
        let frame = usize::from(self.sound.channels) * usize::from(self.sound.bits / 8);
        (sent.saturating_sub(44) / (frame * self.block) * frame * self.block) as u64
    }
}

/// A port below those that the system gives to connections by itself: so none of the clients that look for the killed server
/// finds itself on its port.
fn port() -> SocketAddr {
    let mut random = Random::new(u64::from(std::process::id()) + 1);
    let free = (0..1_000).find_map(|_| TcpListener::bind(("127.0.0.1", 20_000 + random.bits() as u16 % 12_000)).ok());
    free.unwrap().local_addr().unwrap()
}

/// A stream of this suite's client: in each round it resumes, tells of the first new checkpoint, and sends on until it loses
/// the server.
async fn record(
    number: usize,
    address: SocketAddr,
    round: watch::Receiver<usize>,
    told: mpsc::UnboundedSender<Report>,
) {
    let plan = Plan::new(number);
    let mut random = Random::new(number as u64 + 100);
    let mut recorder = Recorder::new(&plan.path, plan.input.clone());
    loop {
        // The round begins before its kill, so a connection that was lost to it sees the next one.
        let Some(client) = recorder.try_connect(address).await else {
            sleep(Duration::from_millis(5)).await;
            continue;
        };
        let now = *round.borrow();
        if now == KILLS {
            let _ = told.send((number, now));
            return recorder.finish(client, &plan.sound).await;
        }
        live(&mut recorder, client, plan.until(now), &mut random, || told.send((number, now)).unwrap_or_default())
            .await;
    }
}

/// One connection up to its loss.
async fn live(recorder: &mut Recorder, mut client: Client, until: usize, random: &mut Random, told: impl Fn()) {
    let before = recorder.checkpoint.clone();
    let mut heard = false;
    let mut at = recorder.from();
    while at < until {
        let piece = (1 + random.bits() as usize % 9_000).min(until - at);
        if client.try_send(Message::binary(recorder.input[at..at + piece].to_vec())).await.is_err() {
            return;
        }
        at += piece;
        // Some read while they send, some do not.
        if random.bits().is_multiple_of(2) {
            let _ = timeout(Duration::from_millis(1), recorder.take(&mut client)).await;
        }
        if !heard && recorder.checkpoint != before {
            heard = true;
            told();
        }
    }
    loop {
        if !heard && recorder.checkpoint != before {
            heard = true;
            told();
        }
        if !recorder.take(&mut client).await {
            return;
        }
    }
}

/// A stream of the reference client, whose input is a pipe that brings a part a round.
fn reference(
    number: usize,
    address: SocketAddr,
    folder: &Path,
    round: &watch::Receiver<usize>,
    told: &mpsc::UnboundedSender<Report>,
) {
    let plan = Plan::new(number);
    let (name, part) = (folder.join(format!("{number}.flac")), folder.join(format!("{number}.flac.part")));
    let mut client = spawn(&plan, &name, address);
    let mut pipe = client.stdin.take().unwrap();
    let mut at = 0;
    for now in 0..=KILLS {
        wait_for("the kill", || *round.borrow() >= now);
        let until = plan.until(now);
        pipe.write_all(&plan.input[at..until]).unwrap();
        at = until;
        if now < KILLS {
            wait_for("the frames", || fs::read(&part).is_ok_and(|flac| frames(&flac) >= plan.least(until)));
        }
        told.send((number, now)).unwrap();
    }
    drop(pipe);
    let output = client.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(told["reconnects"].as_u64().unwrap() >= KILLS as u64, "{told}");
    plan.sound.assert_in(&fs::read(name).unwrap());
}

/// Bytes of a FLAC behind its metadata blocks (RFC 9639 §8).
fn frames(flac: &[u8]) -> u64 {
    let mut at = 4;
    while let Some([kind, a, b, c]) = flac.get(at..).and_then(|rest| rest.first_chunk()) {
        at += 4 + u32::from_be_bytes([0, *a, *b, *c]) as usize;
        if kind & 0x80 != 0 {
            return flac.len().saturating_sub(at) as u64;
        }
    }
    0
}

fn spawn(plan: &Plan, out: &Path, address: SocketAddr) -> Child {
    let mut args = vec![
        String::from("--message-size"),
        String::from("2Ki"),
        String::from("--json"),
        format!("--block-size={}", plan.block),
    ];
    if plan.path.contains("pcm") {
        args.push(format!("--pcm=44100:{}:{}", plan.sound.channels, plan.sound.bits));
    }
    Command::new(env!("CARGO_BIN_EXE_converter"))
        .args(["stream", &format!("http://{address}"), "-", out.to_str().unwrap()])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let limit = Instant::now() + NEVER;
    while !is_so() {
        assert!(Instant::now() < limit, "{what} did not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_streams_survive_that_their_server_is_killed_ten_times() {
    let started = Instant::now();
    let (_keys, keys) = key_file(KEY);
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--stream-key-file", keys.as_str(), "--checkpoint-interval", "0s"];
    let address = port();
    let start = || Server::start_on(&address.to_string(), &flags, Stdio::null());
    let mut server = start();
    let (rounds, round) = watch::channel(0);
    let (told, mut reports) = mpsc::unbounded_channel();
    let mut streams = JoinSet::new();
    for number in 0..RECORDERS {
        streams.spawn(record(number, address, round.clone(), told.clone()));
    }
    for number in RECORDERS..RECORDERS + REFERENCES {
        let (folder, round, told) = (folder.path().to_owned(), round.clone(), told.clone());
        streams.spawn(async move {
            spawn_blocking(move || reference(number, address, &folder, &round, &told)).await.unwrap();
        });
    }
    drop(told);
    for now in 0..=KILLS {
        // Every stream has a new checkpoint from this server, so all fifty are live on it.
        let mut waiting: Vec<usize> = (0..RECORDERS + REFERENCES).collect();
        while !waiting.is_empty() {
            tokio::select! {
                report = timeout(NEVER, reports.recv()) => {
                    let (number, of) = report.unwrap_or_else(|_| panic!("round {now}: nothing of {waiting:?}")).unwrap();
                    assert_eq!(of, now, "stream {number}");
                    waiting.retain(|other| *other != number);
                }
                Some(ended) = streams.join_next(), if now < KILLS => panic!("a stream ended in round {now}: {ended:?}"),
            }
        }
        if now < KILLS {
            rounds.send_replace(now + 1);
            server.kill();
            server = start();
        }
    }
    let mut whole = 0;
    while let Some(ended) = streams.join_next().await {
        ended.unwrap();
        whole += 1;
    }
    assert_eq!(whole, RECORDERS + REFERENCES);
    println!(
        "{whole} streams ({REFERENCES} of `converter stream`), {KILLS} kills: each ended whole, with its MD5; {:.1} s",
        started.elapsed().as_secs_f64()
    );
}
