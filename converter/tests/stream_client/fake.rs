//! Services made up by a test: they speak the contract of `/ws`, or break it, connection by connection.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use converter::convert::{HeadPlace, Options, Summary, convert_reader};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Message, WebSocket, accept_hdr};

/// A made-up service. It takes as many connections as it has acts, one after the other.
pub struct Fake {
    pub address: SocketAddr,
    acts: JoinHandle<()>,
}

/// What it does with one connection.
pub type Act = Box<dyn FnOnce(&mut Stage) + Send>;

/// One connection.
pub struct Stage {
    socket: WebSocket<TcpStream>,
    /// What the client said first.
    pub first: Value,
}

impl Fake {
    pub fn start(acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let acts = thread::spawn(move || {
            for act in acts {
                let mut stage = Stage::open(listener.accept().unwrap().0);
                act(&mut stage);
                stage.leave();
            }
        });
        Self { address, acts }
    }

    pub fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Fails unless all acts were played and found what they expected.
    pub fn assert_over(self) {
        self.acts.join().unwrap();
    }
}

/// Accepts the protocol by its name.
#[allow(clippy::result_large_err, clippy::unnecessary_wraps)] // tungstenite's own
fn named(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    assert_eq!(request.headers()["sec-websocket-protocol"], "flacship.v1");
    response.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("flacship.v1"));
    Ok(response)
}

impl Stage {
    fn open(stream: TcpStream) -> Self {
        let mut socket = accept_hdr(stream, named).unwrap();
        let Message::Text(first) = socket.read().unwrap() else { panic!("text comes first") };
        Self { first: serde_json::from_str(&first).unwrap(), socket }
    }

    pub fn say(&mut self, said: &Value) {
        self.socket.send(Message::text(said.to_string())).unwrap();
    }

    pub fn ready(&mut self, resumable: bool) {
        self.say(&json!({
            "type": "ready", "id": "fake", "max_message_bytes": 4096, "idle_timeout_seconds": 60.0,
            "checkpoint_seconds": 0.01, "resumable": resumable, "expires_seconds": 60, "of_the_future": true,
        }));
    }

    pub fn checkpoint(&mut self, token: &str, bytes_in: usize, bytes_out: usize) {
        self.say(&json!({
            "type": "checkpoint", "token": token, "samples": 0, "bytes_in": bytes_in, "bytes_out": bytes_out,
        }));
    }

    pub fn resumed(&mut self, bytes_in: usize, bytes_out: usize) {
        self.say(&json!({"type": "resumed", "samples": 0, "bytes_in": bytes_in, "bytes_out": bytes_out}));
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.socket.send(Message::binary(bytes.to_vec())).unwrap();
    }

    /// The next audio; nothing once the client said `end`.
    pub fn audio(&mut self) -> Option<Vec<u8>> {
        loop {
            match self.socket.read().unwrap() {
                Message::Binary(bytes) => return Some(bytes.to_vec()),
                Message::Text(text) => {
                    assert_eq!(text.as_str(), r#"{"type":"end"}"#);
                    return None;
                }
                _ => {}
            }
        }
    }

    /// At least so many bytes of audio.
    pub fn audio_of(&mut self, bytes: usize) -> Vec<u8> {
        let mut audio = Vec::new();
        while audio.len() < bytes {
            audio.extend(self.audio().unwrap());
        }
        audio
    }

    /// All audio up to the end.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut audio = Vec::new();
        while let Some(more) = self.audio() {
            audio.extend(more);
        }
        audio
    }

    /// Says that all is done: so much of the input was taken.
    pub fn done(&mut self, bytes_in: usize, summary: &Summary) {
        let done = done_of(bytes_in, summary);
        self.say(&done);
        self.close(1000);
    }

    pub fn error(&mut self, code: &str, close: u16) {
        self.say(&json!({"type": "error", "code": code, "message": "because the test says so"}));
        self.close(close);
    }

    /// Ends the connection. What the client still sends is read: otherwise the kernel would answer it with a reset, which
    /// takes away what the client has not read yet.
    fn leave(&mut self) {
        let mut stream = self.socket.get_ref();
        let _ = stream.shutdown(Shutdown::Write);
        let _ = io::copy(&mut stream, &mut io::sink());
    }

    /// Closes, and waits for the client to do so.
    pub fn close(&mut self, code: u16) {
        let frame = CloseFrame { code: code.into(), reason: "".into() };
        self.socket.close(Some(frame)).unwrap();
        while self.socket.read().is_ok() {}
    }
}

pub fn done_of(bytes_in: usize, summary: &Summary) -> Value {
    json!({
        "type": "done", "samples": summary.samples, "bytes_in": bytes_in, "bytes_out": summary.bytes_out,
        "md5": format!("{:032x}", u128::from_be_bytes(summary.md5)),
        "streaminfo": STANDARD.encode(summary.streaminfo), "head": STANDARD.encode(&summary.head),
        "left_out": [], "subset": true, "warnings": [{"code": "made_up", "message": "all of this is made up"}],
    })
}

/// The head and frames that a service makes of a WAV, and their summary.
pub fn encoded(wav: &[u8]) -> (Vec<Vec<u8>>, Summary) {
    struct Pieces(Vec<Vec<u8>>);
    impl converter::convert::Output for Pieces {
        fn head(&mut self, bytes: &[u8]) -> io::Result<()> {
            self.0.push(bytes.to_vec());
            Ok(())
        }
        fn frame(&mut self, bytes: &[u8]) -> io::Result<()> {
            self.head(bytes)
        }
    }
    let mut pieces = Pieces(Vec::new());
    let options = Options { head: HeadPlace::Reserved, ..Options::default() };
    let summary = convert_reader(wav, &mut pieces, &options, &mut |_| ()).unwrap();
    (pieces.0, summary)
}
