//! Streams that go on after a lost connection, on any server with the same keys: what was saved and what comes then is one
//! FLAC with the samples that went in, wherever the cut was.

use std::net::SocketAddr;

use base64::{Engine, engine::general_purpose::STANDARD};
use converter::serve::Stop;
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use crate::{
    check::{Sound, decode},
    harness::Service,
    stream::{BLOCK, Client},
    support::Random,
    tokens::{KEY, key_file},
};

/// A client that saves what comes and goes on with it.
pub struct Recorder {
    path: String,
    pub input: Vec<u8>,
    flac: Vec<u8>,
    /// The last checkpoint that came.
    pub checkpoint: Option<Value>,
}

impl Recorder {
    pub fn new(path: &str, input: Vec<u8>) -> Self {
        Self { path: path.to_owned(), input, flac: Vec::new(), checkpoint: None }
    }

    /// The first byte of the input that has to be sent now.
    pub fn from(&self) -> usize {
        self.checkpoint.as_ref().map_or(0, |last| last["bytes_in"].as_u64().unwrap() as usize)
    }

    /// Connects, and resumes if there is something to resume.
    async fn connect(&mut self, address: SocketAddr) -> Client {
        self.try_connect(address).await.unwrap()
    }

    /// The same with a server that may be gone, or go meanwhile.
    pub async fn try_connect(&mut self, address: SocketAddr) -> Option<Client> {
        let (client, _) = Client::connect_to(address, &self.path, &[]).await.ok()?;
        self.try_to_go_on(client).await
    }

    /// Resumes over a connection that is there, if there is something to resume.
    pub async fn go_on(&mut self, client: Client) -> Client {
        self.try_to_go_on(client).await.unwrap()
    }

    async fn try_to_go_on(&mut self, mut client: Client) -> Option<Client> {
        let kept = self.checkpoint.as_ref().map_or(0, |last| last["bytes_out"].as_u64().unwrap() as usize);
        self.flac.truncate(kept);
        if let Some(last) = &self.checkpoint {
            let token = last["token"].as_str().unwrap();
            client.try_send(Message::text(format!(r#"{{"type":"resume","token":"{token}"}}"#))).await.ok()?;
            while client.said.last().is_none_or(|said| said["type"] != "resumed") {
                if !client.take().await {
                    let refused = client.said.iter().any(|said| said["type"] == "error");
                    assert!(!refused, "the token was refused: {:?}", client.said);
                    return None;
                }
            }
            let resumed = client.message("resumed");
            for count in ["samples", "bytes_in", "bytes_out"] {
                assert_eq!(resumed[count], last[count], "{count}");
            }
            let order: Vec<_> = client.said.iter().map(|said| said["type"].as_str().unwrap()).collect();
            assert_eq!(order, ["ready", "format", "resumed"]);
        }
        Some(client)
    }

    /// Takes one message; false once there are no more.
    pub async fn take(&mut self, client: &mut Client) -> bool {
        let (said, frames) = (client.said.len(), client.frames.len());
        if !client.take().await {
            return false;
        }
        for frame in &client.frames[frames..] {
            self.flac.extend(frame);
        }
        for message in client.said[said..].iter().filter(|message| message["type"] == "checkpoint") {
            let out = message["bytes_out"].as_u64().unwrap();
            assert!(out <= self.flac.len() as u64, "a checkpoint covers only what was sent before it");
            let before = self.checkpoint.as_ref().map_or(0, |last| last["bytes_out"].as_u64().unwrap());
            assert!(out > before, "a checkpoint comes only after frames");
            self.checkpoint = Some(message.clone());
        }
        true
    }

    /// Takes messages until a new checkpoint has come.
    pub async fn until_checkpoint(&mut self, client: &mut Client) {
        let before = self.checkpoint.clone();
        while self.checkpoint == before {
            assert!(self.take(client).await, "the stream ended early: {:?}", client.said);
        }
    }

    /// Sends the rest and fails unless all that came is this sound.
    pub async fn finish(mut self, mut client: Client, sound: &Sound) {
        for piece in self.input[self.from()..].to_vec().chunks(500_000) {
            client.binary(piece).await;
        }
        client.text(r#"{"type":"end"}"#).await;
        while self.take(&mut client).await {}
        assert_eq!(client.said.last().unwrap()["type"], "done", "{:?}", client.said);
        let done = client.message("done").clone();
        assert_eq!(client.closed, Some(1000));
        assert_eq!(done["samples"], sound.frames());
        assert_eq!(done["bytes_in"], self.input.len());
        assert_eq!(done["bytes_out"], self.flac.len());
        assert_eq!(done["md5"], format!("{:032x}", u128::from_be_bytes(sound.md5())));
        let streaminfo = STANDARD.decode(done["streaminfo"].as_str().unwrap()).unwrap();
        self.flac[8..42].copy_from_slice(&streaminfo);
        sound.assert_in(&self.flac);
        let head = STANDARD.decode(done["head"].as_str().unwrap()).unwrap();
        self.flac[..head.len()].copy_from_slice(&head);
        assert!(decode(&self.flac) == sound.samples, "with the final head in place");
    }
}

/// Two servers with the same keys.
async fn pair() -> (tempfile::TempDir, [Service; 2]) {
    let (folder, path) = key_file(KEY);
    let flags = ["--stream-key-file", &path, "--checkpoint-interval", "0s"];
    let pair = [Service::start(&flags).await, Service::start(&flags).await];
    (folder, pair)
}

#[tokio::test]
async fn a_stream_survives_a_cut_after_every_message() {
    let (_folder, servers) = pair().await;
    let sound = Sound::music(10 * BLOCK + 123, 2, 16);
    let mut recorder = Recorder::new("/ws", sound.wav.clone());
    let message = (BLOCK + 500) * 4;
    for at in 0..9 {
        let mut client = recorder.connect(servers[at % 2].address).await;
        let from = recorder.from();
        client.binary(&recorder.input[from..(from + message).min(sound.wav.len())]).await;
        recorder.until_checkpoint(&mut client).await;
        drop(client);
    }
    let client = recorder.connect(servers[0].address).await;
    recorder.finish(client, &sound).await;
    // Each server had its share of the nine reconnections.
    assert!(servers[0].counts("flacship_converter_resumed_streams_total 5").await);
    assert!(servers[1].counts("flacship_converter_resumed_streams_total 4").await);
}

#[tokio::test]
async fn a_stream_survives_cuts_anywhere_in_any_format() {
    let (_folder, servers) = pair().await;
    let mut random = Random::new(21);
    let mut below = |end: usize| random.bits() as usize % end;
    for round in 0..24 {
        let (channels, bits) = [(1, 8), (2, 16), (2, 24), (3, 24), (8, 16), (2, 32)][round % 6];
        let block = [16, 100, 576, 4_096, 5_000][round % 5];
        let sound = Sound::noise(4 * block + below(12 * block), channels, bits, round as u64);
        let options = format!("level={}&block_size={block}", round % 9);
        let (path, input) = if round % 2 == 0 {
            (format!("/ws?{options}"), sound.wav.clone())
        } else {
            let pcm = format!("format=pcm&sample_rate=44100&channels={channels}&bits_per_sample={bits}");
            (format!("/ws?{options}&{pcm}"), sound.pcm())
        };
        let mut recorder = Recorder::new(&path, input);
        for _ in 0..3 {
            let mut client = recorder.connect(servers[below(2)].address).await;
            let mut at = recorder.from();
            let wait = below(3) > 0;
            let end = (at + below(recorder.input.len() - at + 1)).min(recorder.input.len());
            while at < end {
                let piece = (1 + below(3_000)).min(end - at);
                client.binary(&recorder.input[at..at + piece]).await;
                at += piece;
            }
            // A ping's answer shows that all before it was read, and all that it made was sent.
            if wait {
                client.ping().await;
                let asked = client.pongs;
                while client.pongs == asked && recorder.take(&mut client).await {}
            }
            if below(2) > 0 {
                client.cut_in_a_frame().await;
            }
        }
        let client = recorder.connect(servers[below(2)].address).await;
        recorder.finish(client, &sound).await;
    }
}

#[tokio::test]
async fn a_stopping_server_gives_a_last_token_for_all_that_it_sent() {
    let (_folder, path) = key_file(KEY);
    let other = Service::start(&["--stream-key-file", &path]).await;
    let flags = ["--stream-key-file", &path, "--checkpoint-interval", "1h", "--drain-seconds", "0"];
    let service = Service::start(&flags).await;
    let sound = Sound::music(5 * BLOCK, 2, 16);
    let mut recorder = Recorder::new("/ws", sound.wav.clone());
    let mut client = recorder.connect(service.address).await;
    client.binary(&sound.wav[..44 + (2 * BLOCK + 77) * 4]).await;
    while client.frames.len() < 3 {
        assert!(recorder.take(&mut client).await);
    }
    assert!(recorder.checkpoint.is_none());
    let ended = service.stop(Stop::Interrupt);
    while recorder.take(&mut client).await {}
    assert_eq!(recorder.from(), 44 + 2 * BLOCK * 4);
    assert_eq!(client.last_words().await, ("draining".to_owned(), 1012));
    ended.await.unwrap();
    let client = recorder.connect(other.address).await;
    recorder.finish(client, &sound).await;
}

#[tokio::test]
async fn a_stream_without_new_frames_is_told_nothing() {
    let (_folder, [service, _]) = pair().await;
    let sound = Sound::music(BLOCK + 50, 1, 16);
    let mut client = Client::connect(service.address).await;
    for piece in sound.wav.chunks(700) {
        client.binary(piece).await;
    }
    client.text(r#"{"type":"end"}"#).await;
    let client = client.rest().await;
    client.assert_brought(&sound);
    assert_eq!(client.said.iter().filter(|said| said["type"] == "checkpoint").count(), 1);
    assert!(service.counts("flacship_converter_stream_tokens_total 1").await);
}

#[tokio::test]
async fn an_input_that_is_kept_whole_cannot_be_resumed_and_says_so() {
    let (_folder, [service, _]) = pair().await;
    for (path, resumable) in [("/ws?metadata=foreign", false), ("/ws", true)] {
        let (mut client, _) = Client::connect_to(service.address, path, &[]).await.unwrap();
        let ready = client.until_said("ready").await;
        assert_eq!(ready["resumable"], resumable);
        assert_eq!((&ready["checkpoint_seconds"], &ready["expires_seconds"]), (&0.0.into(), &86_400.into()));
        client.binary(&Sound::music(2 * BLOCK, 2, 16).wav).await;
        client.text(r#"{"type":"end"}"#).await;
        let client = client.rest().await;
        assert_eq!(client.said.iter().any(|said| said["type"] == "checkpoint"), resumable);
    }
}
