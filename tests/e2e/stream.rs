//! The live stream at `/ws`: FLAC frames come back while audio still goes in.

use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::harness::wait::STEP;
use crate::harness::{Namespace, converter};
use e2e::audio::{Audio, Shape};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// How much audio goes into one message.
const MESSAGE: Duration = Duration::from_millis(20);

/// What came back over a stream.
#[derive(Default)]
struct Received {
    /// All binary messages, in order.
    flac: Vec<u8>,
    /// Number of binary messages.
    messages: usize,
    /// All text messages, in order.
    texts: Vec<Value>,
    /// The close code.
    close: Option<u16>,
}

impl Received {
    /// Takes the next message in; `false` when the stream has ended.
    async fn take(&mut self, socket: &mut Socket) -> bool {
        let next = tokio::time::timeout(STEP, socket.next()).await;
        match next.expect("the converter says something in time") {
            Some(Ok(Message::Binary(bytes))) => {
                self.messages += 1;
                self.flac.extend_from_slice(&bytes);
            }
            Some(Ok(Message::Text(text))) => {
                println!("{text}");
                self.texts.push(serde_json::from_str(&text).expect("texts are JSON"));
            }
            Some(Ok(Message::Close(frame))) => self.close = frame.map(|frame| frame.code.into()),
            Some(Ok(_)) => {}
            Some(Err(error)) => panic!("the stream broke: {error}"),
            None => return false,
        }
        true
    }

    fn text(&self, type_: &str) -> Option<&Value> {
        self.texts.iter().find(|text| text["type"] == type_)
    }
}

/// Sends `audio` as `bytes` at the speed of a microphone and gives the saved file, patched at the end.
async fn stream(url: &str, start: Option<Value>, audio: &Audio, bytes: Vec<u8>) -> Vec<u8> {
    let (mut socket, _) = connect_async(url).await.unwrap();
    let mut received = Received::default();
    if let Some(start) = start {
        socket.send(Message::text(start.to_string())).await.unwrap();
    }
    let shape = audio.shape();
    let per_message = usize::from(shape.channels * shape.bits / 8) * shape.rate as usize / 50;
    let mut messages: Vec<Bytes> = bytes.chunks(per_message).map(Bytes::copy_from_slice).collect();
    let last = messages.pop().expect("some audio");

    let mut clock = tokio::time::interval(MESSAGE);
    for message in messages {
        let sent_at = clock.tick();
        tokio::pin!(sent_at);
        // What comes back meanwhile is read, as a browser does.
        loop {
            tokio::select! {
                _ = &mut sent_at => break,
                open = received.take(&mut socket) => assert!(open, "the converter ended the stream early"),
            }
        }
        socket.send(Message::Binary(message)).await.unwrap();
    }
    // The head is one message; a second binary one is audio. The last piece is kept back until it is here.
    while received.messages < 2 {
        assert!(received.take(&mut socket).await, "the converter ended the stream without a frame");
    }
    println!("{} binary messages, {} bytes before the last was sent", received.messages, received.flac.len());
    socket.send(Message::Binary(last)).await.unwrap();
    socket.send(Message::text(r#"{"type":"end"}"#)).await.unwrap();
    while received.take(&mut socket).await {}

    assert_eq!(received.close, Some(1000));
    assert!(received.text("ready").is_some_and(|ready| ready["id"].is_string()));
    let format = received.text("format").expect("the format is told");
    assert_eq!(format["channels"], shape.channels);
    assert_eq!(format["sample_rate"], shape.rate);
    assert_eq!(format["bits_per_sample"], shape.bits);
    let done = received.text("done").expect("a last word");
    assert_eq!(done["samples"], audio.len());
    assert_eq!(done["bytes_in"], bytes.len());
    assert_eq!(done["bytes_out"], received.flac.len());

    let streaminfo = base64::prelude::BASE64_STANDARD.decode(done["streaminfo"].as_str().unwrap()).unwrap();
    assert_eq!(streaminfo.len(), 34);
    let mut flac = received.flac;
    flac[8..42].copy_from_slice(&streaminfo);
    flac
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_arrive_while_ten_seconds_go_in_at_real_time() {
    let namespace = Namespace::restricted("stream");
    let url = converter::reachable(&namespace, "live", json!({})).await.replacen("http", "ws", 1) + "/ws";

    let music = Audio::music(Shape::CD, 10.0, 5);
    let voice = Audio::music(Shape::VOICE, 10.0, 6);
    let start = json!({
        "type": "start", "format": "pcm", "sample_rate": 8000, "channels": 1, "bits_per_sample": 16,
    });
    let (as_wav, as_pcm) =
        tokio::join!(stream(&url, None, &music, music.wav().unwrap()), stream(&url, Some(start), &voice, voice.pcm()),);
    music.check_flac(&as_wav).unwrap();
    voice.check_flac(&as_pcm).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_makes_no_sense_is_told_so_and_harms_no_other() {
    let namespace = Namespace::restricted("bad-streams");
    let url = converter::reachable(&namespace, "live", json!({})).await.replacen("http", "ws", 1) + "/ws";
    let audio = Audio::music(Shape::CD, 0.5, 8);

    for (what, message) in [
        ("text garbage", Message::text("hello, is this the radio?")),
        ("a start of nonsense", Message::text(r#"{"type":"start","format":"pcm","channels":"many"}"#)),
        ("binary garbage", Message::binary(vec![0x55; 4096])),
    ] {
        let (mut socket, _) = connect_async(&url).await.unwrap();
        socket.send(message).await.unwrap();
        let mut received = Received::default();
        while received.take(&mut socket).await {}
        let error = received.text("error").unwrap_or_else(|| panic!("{what}: no error was told"));
        assert!(error["code"].as_str().is_some_and(|code| !code.is_empty()), "{what}: {error}");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{what}: {error}");
        let close = received.close.unwrap_or_else(|| panic!("{what}: no close frame"));
        assert!(matches!(close, 1003 | 1007 | 1008), "{what}: closed with {close}");
    }

    // A client that is gone in the middle of a WebSocket frame: its header promises 4096 bytes, ten come.
    let (mut socket, _) = connect_async(&url).await.unwrap();
    socket.send(Message::binary(audio.wav().unwrap())).await.unwrap();
    let raw = socket.get_mut();
    raw.write_all(&[0x82, 0xfe, 0x10, 0x00, 1, 2, 3, 4]).await.unwrap();
    raw.write_all(&[0; 10]).await.unwrap();
    raw.flush().await.unwrap();
    drop(socket);

    let flac = stream(&url, None, &audio, audio.wav().unwrap()).await;
    audio.check_flac(&flac).unwrap();
    let pods = namespace.list("pods");
    assert_eq!(pods[0]["status"]["containerStatuses"][0]["restartCount"], 0);
}
