//! `GET /ws` as it should go: a client for the tests, and streams that end in a whole FLAC.

use std::net::SocketAddr;

use base64::{Engine, engine::general_purpose::STANDARD};
use futures::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, Message, client::IntoClientRequest, handshake::client::Response, http::HeaderValue},
};

use crate::{check::Sound, harness::Service, raw::Line, support::Random};

pub const SUBPROTOCOL: (&str, &str) = ("sec-websocket-protocol", "flacship.v1");
/// Samples in every frame but the last.
pub const BLOCK: usize = 4_096;

/// A stream's client.
pub struct Client {
    socket: WebSocketStream<Line>,
    /// Text messages so far, `ready` first.
    pub said: Vec<Value>,
    /// Binary messages so far: the head, then frames.
    pub frames: Vec<Vec<u8>>,
    /// The server's pings so far, and its answers to ours.
    pub pings: usize,
    pub pongs: usize,
    /// Code of the server's close.
    pub closed: Option<u16>,
}

impl Client {
    /// A client that speaks today's protocol.
    pub async fn connect(address: SocketAddr) -> Self {
        Self::connect_to(address, "/ws", &[]).await.unwrap().0
    }

    /// The same at another path and with these headers.
    pub async fn connect_to(
        address: SocketAddr,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> tungstenite::Result<(Self, Response)> {
        let named = headers.iter().any(|(name, _)| *name == SUBPROTOCOL.0);
        let headers: Vec<_> = headers.iter().copied().chain((!named).then_some(SUBPROTOCOL)).collect();
        Self::connect_with(address, path, &headers).await
    }

    /// A client that names no protocol.
    pub async fn plain(address: SocketAddr) -> Self {
        Self::connect_with(address, "/ws", &[]).await.unwrap().0
    }

    async fn connect_with(
        address: SocketAddr,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> tungstenite::Result<(Self, Response)> {
        Self::over(Box::new(TcpStream::connect(address).await?), &format!("ws://{address}{path}"), headers).await
    }

    /// A client that names only these headers, over a connection that is there.
    pub async fn over(
        line: Line,
        url: &str,
        headers: &[(&'static str, &str)],
    ) -> tungstenite::Result<(Self, Response)> {
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
        }
        let (socket, response) = client_async(request, line).await?;
        Ok((Self { socket, said: Vec::new(), frames: Vec::new(), pings: 0, pongs: 0, closed: None }, response))
    }

    pub async fn send(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    /// Sends for as long as the server takes it.
    pub async fn try_send(&mut self, message: Message) -> tungstenite::Result<()> {
        self.socket.send(message).await
    }

    pub async fn text(&mut self, text: &str) {
        self.send(Message::text(text)).await;
    }

    pub async fn ping(&mut self) {
        self.send(Message::Ping(Vec::new().into())).await;
    }

    pub async fn binary(&mut self, bytes: &[u8]) {
        self.send(Message::binary(bytes.to_vec())).await;
    }

    /// Takes the next message; false once there are no more.
    pub async fn take(&mut self) -> bool {
        match self.socket.next().await {
            Some(Ok(Message::Text(text))) => self.said.push(serde_json::from_str(&text).unwrap()),
            Some(Ok(Message::Binary(bytes))) => self.frames.push(bytes.to_vec()),
            Some(Ok(Message::Ping(_))) => self.pings += 1,
            Some(Ok(Message::Pong(_))) => self.pongs += 1,
            Some(Ok(Message::Close(frame))) => self.closed = frame.map(|frame| frame.code.into()),
            Some(Ok(_)) => {}
            None | Some(Err(_)) => return false,
        }
        true
    }

    /// Takes messages until one of this kind has come.
    pub async fn until_said(&mut self, kind: &str) -> Value {
        loop {
            if let Some(at) = self.said.iter().position(|message| message["type"] == kind) {
                return self.said[at].clone();
            }
            assert!(self.take().await, "the stream ended early: {:?}", self.said);
        }
    }

    /// Takes messages until so many binary ones have come.
    pub async fn until_frames(&mut self, count: usize) {
        while self.frames.len() < count {
            assert!(self.take().await, "the stream ended early: {:?}", self.said);
        }
    }

    /// Takes everything up to the end.
    pub async fn rest(mut self) -> Self {
        while self.take().await {}
        self
    }

    /// The code of the error and of the close that the stream ends with.
    pub async fn last_words(&mut self) -> (String, u16) {
        while self.take().await {}
        let error = self.said.last().unwrap();
        assert_eq!(error["type"], "error", "{error}");
        assert!(!error["message"].as_str().unwrap().is_empty());
        (error["code"].as_str().unwrap().to_owned(), self.closed.unwrap())
    }

    /// Ends the TCP connection in the middle of a WebSocket frame.
    pub async fn cut_in_a_frame(mut self) {
        // A masked binary frame of 100 bytes (0x80 + 100), of which 3 come.
        self.socket.get_mut().write_all(&[0x82, 0xe4, 1, 2, 3, 4, 5, 6, 7]).await.unwrap();
    }

    /// What comes on the connection after the WebSocket's end. Fails if it is cut off, which TLS tells from its end.
    pub async fn after(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.socket.get_mut().read_to_end(&mut rest).await.unwrap();
        rest
    }

    pub fn message(&self, kind: &str) -> &Value {
        self.said.iter().find(|message| message["type"] == kind).unwrap()
    }

    /// What came, with the final STREAMINFO put in as `done` says.
    pub fn patched(&self) -> Vec<u8> {
        let done = self.message("done");
        assert_eq!(self.closed, Some(1000));
        let mut flac = self.frames.concat();
        assert_eq!(done["bytes_out"], flac.len());
        let info = STANDARD.decode(done["streaminfo"].as_str().unwrap()).unwrap();
        flac[8..42].copy_from_slice(&info);
        flac
    }

    /// Fails unless the stream brought this sound: in whole frames, with all its messages in order.
    pub fn assert_brought(&self, sound: &Sound) {
        let order = self.said.iter().map(|message| message["type"].as_str().unwrap());
        let order: Vec<_> = order.filter(|kind| *kind != "checkpoint").collect();
        assert_eq!(order, ["ready", "format", "done"]);
        assert!(self.frames[0].starts_with(b"fLaC"));
        assert_eq!(self.frames.len() - 1, sound.frames().div_ceil(BLOCK));
        // The sync code and the fixed block size's bit (RFC 9639 §9.1).
        assert!(self.frames[1..].iter().all(|frame| frame.starts_with(&[0xff, 0xf8])));
        let done = self.message("done");
        assert_eq!(done["samples"], sound.frames());
        let md5 = format!("{:032x}", u128::from_be_bytes(sound.md5()));
        assert_eq!(done["md5"], md5);
        sound.assert_in(&self.patched());
    }
}

#[tokio::test]
async fn a_wav_in_one_message_comes_back_in_frames() {
    let service = Service::start(&[]).await;
    let sound = Sound::music(50_000, 2, 16);
    let mut client = Client::connect(service.address).await;
    client.binary(&sound.wav).await;
    client.text(r#"{"type":"end"}"#).await;
    let client = client.rest().await;
    client.assert_brought(&sound);
    let format = client.message("format");
    assert_eq!((&format["sample_rate"], &format["channels"]), (&44_100.into(), &2.into()));
    assert_eq!((&format["bits_per_sample"], &format["declared_samples"]), (&16.into(), &50_000.into()));
    assert_eq!(client.message("done")["bytes_in"], sound.wav.len());
    assert_eq!(client.message("ready")["max_message_bytes"], 1 << 20);
    service.until_counts("flacship_converter_conversions_total{kind=\"stream\",outcome=\"converted\"} 1").await;
}

#[tokio::test]
async fn frames_come_while_audio_still_goes_in() {
    let service = Service::start(&[]).await;
    let sound = Sound::noise(10 * BLOCK, 2, 16, 4);
    let mut client = Client::connect(service.address).await;
    // Three blocks and a half: three frames must come before anything else is sent.
    let (first, second) = sound.wav.split_at(44 + (3 * BLOCK + BLOCK / 2) * 4);
    client.binary(first).await;
    client.until_frames(4).await;
    assert!(client.frames[0].starts_with(b"fLaC"));
    assert!(client.said.iter().all(|message| message["type"] != "done"));
    client.binary(second).await;
    client.until_frames(11).await;
    client.text(r#"{"type":"end"}"#).await;
    client.rest().await.assert_brought(&sound);
}

#[tokio::test]
async fn messages_may_be_split_anywhere() {
    let service = Service::start(&[]).await;
    let sound = Sound::music(30_000, 2, 24);
    let mut random = Random::new(11);
    let mut client = Client::connect(service.address).await;
    let (head, mut rest) = sound.wav.split_at(60);
    for byte in head {
        client.binary(&[*byte]).await;
    }
    while !rest.is_empty() {
        let (piece, after) = rest.split_at((random.bits() as usize % 9_000 + 1).min(rest.len()));
        client.binary(piece).await;
        rest = after;
    }
    client.text(r#"{"type":"end"}"#).await;
    client.rest().await.assert_brought(&sound);
}

#[tokio::test]
async fn headerless_pcm_is_described_by_start_or_in_the_address() {
    let service = Service::start(&[]).await;
    let sound = Sound::music(10_000, 2, 16);
    let start = r#"{"type":"start","format":"pcm","sample_rate":44100,"channels":2,"bits_per_sample":16,"level":8}"#;
    for (path, start) in [
        ("/ws", Some(start)),
        ("/ws?format=pcm&sample_rate=44100&channels=2&bits_per_sample=16", None),
        ("/ws?level=0", Some(start)),
    ] {
        let (mut client, _) = Client::connect_to(service.address, path, &[]).await.unwrap();
        if let Some(start) = start {
            client.text(start).await;
        }
        client.binary(&sound.pcm()).await;
        client.text(r#"{"type":"end"}"#).await;
        client.rest().await.assert_brought(&sound);
    }
}

#[tokio::test]
async fn every_way_to_say_the_end_is_understood() {
    let service = Service::start(&[]).await;
    let sound = Sound::music(5_000, 1, 8);
    for end in [Message::text(r#"{"type":"end"}"#), Message::text(r#"{"eof" : 1}"#), Message::binary(Vec::new())] {
        let mut client = Client::connect(service.address).await;
        client.binary(&sound.wav).await;
        client.send(end).await;
        client.rest().await.assert_brought(&sound);
    }
}

#[tokio::test]
async fn an_idle_stream_is_kept_alive_by_pings_and_pings_are_answered() {
    let service = Service::start(&[]).await;
    let mut client = Client::connect(service.address).await;
    client.ping().await;
    while client.pongs == 0 {
        assert!(client.take().await);
    }
    // The server's own come every 20 s.
    while client.pings == 0 {
        assert!(client.take().await);
    }
    client.binary(&[]).await;
    assert_eq!(client.last_words().await, ("empty_input".to_owned(), 1007));
}

#[tokio::test]
async fn the_subprotocol_is_echoed_where_it_is_offered() {
    let service = Service::start(&[]).await;
    let offer = [("sec-websocket-protocol", "other, flacship.v1")];
    let (_, response) = Client::connect_to(service.address, "/ws", &offer).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "flacship.v1");
    let offer = [("sec-websocket-protocol", "other")];
    let refused = Client::connect_to(service.address, "/ws", &offer).await;
    assert!(refused.is_err(), "a client that names only other protocols finds none of them echoed");
    let (_, response) = Client::connect_with(service.address, "/ws", &[]).await.unwrap();
    assert!(!response.headers().contains_key("sec-websocket-protocol"));
    assert!(response.headers().contains_key("x-request-id"));
}

#[tokio::test]
async fn audio_that_ends_within_a_sample_is_whole_but_for_that_sample() {
    let service = Service::start(&[]).await;
    let sound = Sound::music(5_000, 2, 16);
    let path = "/ws?format=pcm&sample_rate=44100&channels=2&bits_per_sample=16";
    let (mut client, _) = Client::connect_to(service.address, path, &[]).await.unwrap();
    client.binary(&[sound.pcm(), vec![1, 2, 3]].concat()).await;
    client.text(r#"{"type":"end"}"#).await;
    let client = client.rest().await;
    client.assert_brought(&sound);
    assert_eq!(client.message("done")["warnings"][0]["code"], "partial_sample");
}

#[tokio::test]
async fn many_streams_at_once_do_not_mix() {
    let service = Service::start(&[]).await;
    let streams = (1..=16).map(|seed| {
        let address = service.address;
        async move {
            let sound = Sound::noise(9_000 + 100 * seed as usize, 2, 16, seed);
            let mut client = Client::connect(address).await;
            for piece in sound.wav.chunks(1_920) {
                client.binary(piece).await;
            }
            client.text(r#"{"type":"end"}"#).await;
            client.rest().await.assert_brought(&sound);
        }
    });
    futures::future::join_all(streams).await;
}
