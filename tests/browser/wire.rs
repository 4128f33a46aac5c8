//! The wire between the browser and the server: it lets everything through, writes down what streams carry, and can be cut
//! or held, at a byte and not at a time.

use std::{
    io::Cursor,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    sync::watch,
};
use tokio_tungstenite::tungstenite::{Message, WebSocket, protocol::Role};

/// What happens to the connections.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan {
    /// So many streams are cut: each after a checkpoint and this many bytes of the browser's after it.
    pub cuts: usize,
    pub bytes_after_checkpoint: usize,
    /// With the first cut, new connections are refused too.
    pub down_at_cut: bool,
    /// An upload is held, for ever, after this many bytes.
    pub hold_upload_after: Option<usize>,
}

/// One connection's bytes, both ways.
#[derive(Debug, Default)]
struct Record {
    from_browser: Vec<u8>,
    from_server: Vec<u8>,
    is_stream: bool,
    has_checkpoint: bool,
}

#[derive(Debug, Default)]
struct State {
    records: Mutex<Vec<Arc<Mutex<Record>>>>,
    plan: Mutex<Plan>,
    down: AtomicBool,
    /// Connections on which a checkpoint came.
    checkpoints: watch::Sender<usize>,
}

/// A wire to a server.
#[derive(Debug)]
pub struct Wire {
    pub address: SocketAddr,
    state: Arc<State>,
    server: watch::Sender<SocketAddr>,
    cut: watch::Sender<usize>,
}

impl Wire {
    /// Puts a wire before the server.
    pub async fn to(server: SocketAddr, plan: Plan) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State { plan: Mutex::new(plan), ..State::default() });
        let (sender, servers) = watch::channel(server);
        let (cut, cuts) = watch::channel(0);
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((browser, _)) = listener.accept().await {
                let server = *servers.borrow();
                tokio::spawn(carry(browser, server, Arc::clone(&shared), cuts.clone()));
            }
        });
        Self { address, state, server: sender, cut }
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// New connections go to another server from now on.
    pub fn lead_to(&self, server: SocketAddr) {
        self.server.send_replace(server);
    }

    /// Whether new connections are refused.
    pub fn be_down(&self, down: bool) {
        self.state.down.store(down, SeqCst);
    }

    /// Uploads go through from now on.
    pub fn hold_no_more(&self) {
        self.state.plan.lock().unwrap().hold_upload_after = None;
    }

    /// Cuts every connection that is open now.
    pub fn cut_all(&self) {
        self.cut.send_modify(|count| *count += 1);
    }

    /// Waits until checkpoints have come on so many connections.
    pub async fn checkpoints(&self, connections: usize) {
        let mut checkpoints = self.state.checkpoints.subscribe();
        checkpoints.wait_for(|seen| *seen >= connections).await.unwrap();
    }

    /// How many cuts are still to come.
    pub fn cuts_left(&self) -> usize {
        self.state.plan.lock().unwrap().cuts
    }

    /// The audio that the browser sent over all its streams, put together as the server has to: what was sent again
    /// replaces what was sent first. Also the number of connections that carried streams.
    pub fn audio(&self) -> (Vec<u8>, usize) {
        let mut audio = Vec::new();
        let mut streams = 0;
        for record in self.state.records.lock().unwrap().iter() {
            let record = record.lock().unwrap();
            if !record.is_stream {
                continue;
            }
            streams += 1;
            let mut resumed =
                messages(&record.from_server, Role::Client).into_iter().find_map(|message| match message {
                    Message::Text(text) => {
                        let said: Value = serde_json::from_str(&text).unwrap();
                        (said["type"] == "resumed")
                            .then(|| usize::try_from(said["bytes_in"].as_u64().unwrap()).unwrap())
                    }
                    _ => None,
                });
            for message in messages(&record.from_browser, Role::Server) {
                match message {
                    Message::Text(text) => {
                        let said: Value = serde_json::from_str(&text).unwrap();
                        match said["type"].as_str().unwrap() {
                            "start" => audio.clear(),
                            // Cut before the answer came: then no audio followed.
                            "resume" => audio.truncate(resumed.take().unwrap_or(audio.len())),
                            other => assert_eq!(other, "end"),
                        }
                    }
                    Message::Binary(bytes) => audio.extend_from_slice(&bytes),
                    _ => {}
                }
            }
        }
        (audio, streams)
    }

    /// The heads of all requests, as text.
    pub fn heads(&self) -> Vec<String> {
        let records = self.state.records.lock().unwrap();
        let text =
            |record: &Arc<Mutex<Record>>| String::from_utf8_lossy(&record.lock().unwrap().from_browser).into_owned();
        records.iter().map(text).collect()
    }
}

/// The messages after the head of an upgraded connection, up to where it was cut.
fn messages(bytes: &[u8], role: Role) -> Vec<Message> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Vec::new() };
    let stream = Cursor::new(bytes[end + 4..].to_vec());
    let mut socket = WebSocket::from_raw_socket(ReadOnly(stream), role, None);
    std::iter::from_fn(|| socket.read().ok()).collect()
}

/// What was written down takes no answers.
struct ReadOnly(Cursor<Vec<u8>>);

impl std::io::Read for ReadOnly {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        std::io::Read::read(&mut self.0, buffer)
    }
}

impl std::io::Write for ReadOnly {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        Ok(buffer.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn carry(browser: TcpStream, server: SocketAddr, state: Arc<State>, mut cut: watch::Receiver<usize>) {
    cut.mark_unchanged();
    if state.down.load(SeqCst) {
        return;
    }
    let Ok(server) = TcpStream::connect(server).await else { return };
    let record = Arc::new(Mutex::new(Record::default()));
    state.records.lock().unwrap().push(Arc::clone(&record));
    let (from_browser, to_browser) = browser.into_split();
    let (from_server, to_server) = server.into_split();
    // Whichever way ends first ends the connection, as a cut does.
    tokio::select! {
        () = up(from_browser, to_server, &record, &state) => {}
        () = down(from_server, to_browser, &record, &state) => {}
        _ = cut.changed() => {}
    }
}

async fn up(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, record: &Mutex<Record>, state: &State) {
    let mut buffer = vec![0; 16 * 1024];
    let mut since_checkpoint = 0;
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let (is_stream, is_upload, has_checkpoint, sent) = {
            let mut record = record.lock().unwrap();
            record.from_browser.extend_from_slice(&buffer[..read]);
            record.is_stream |= record.from_browser.starts_with(b"GET /ws");
            let is_upload = record.from_browser.starts_with(b"POST ");
            (record.is_stream, is_upload, record.has_checkpoint, record.from_browser.len())
        };
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
        let plan = *state.plan.lock().unwrap();
        if is_upload && plan.hold_upload_after.is_some_and(|bytes| sent >= bytes) {
            std::future::pending::<()>().await;
        }
        if is_stream && has_checkpoint {
            since_checkpoint += read;
            if plan.cuts > 0 && since_checkpoint > plan.bytes_after_checkpoint {
                let mut plan = state.plan.lock().unwrap();
                plan.cuts -= 1;
                if std::mem::take(&mut plan.down_at_cut) {
                    state.down.store(true, SeqCst);
                }
                return;
            }
        }
    }
}

/// How a checkpoint begins, uncompressed as the server sends it.
const CHECKPOINT: &[u8] = b"{\"type\":\"checkpoint\"";

async fn down(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, record: &Mutex<Record>, state: &State) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let first_checkpoint = {
            let mut record = record.lock().unwrap();
            record.from_server.extend_from_slice(&buffer[..read]);
            let first =
                !record.has_checkpoint && record.from_server.windows(CHECKPOINT.len()).any(|it| it == CHECKPOINT);
            record.has_checkpoint |= first;
            first
        };
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
        if first_checkpoint {
            state.checkpoints.send_modify(|seen| *seen += 1);
        }
    }
}
