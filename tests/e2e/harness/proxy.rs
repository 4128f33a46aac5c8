//! A reverse proxy between an operator of a test's own and the apiserver: it asks the rules of `e2e::proxy` about every
//! request, does to it what they say, and writes all of them down.
//!
//! Toward the operator it speaks plain HTTP on loopback and asks for no credentials; toward the apiserver it speaks as
//! the identity that it was opened with.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::{Either, select};
use futures::{StreamExt as _, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, BodyStream, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, RETRY_AFTER};
use hyper_util::rt::TokioIo;
use kube::client::Body;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use e2e::proxy::{Answer, Fault, Judge, Request, Rule, Side, Verb};

type Response = hyper::Response<UnsyncBoxBody<Bytes, io::Error>>;

/// HTTP status of a watch from a version that the apiserver has no longer.
pub const GONE: u16 = 410;

/// The proxy; it closes when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When.
    pub at: Instant,
    /// What it asks for; none for one that is about no objects.
    pub request: Option<Request>,
    /// Method and path.
    pub line: String,
    /// What was done to it.
    pub fault: Option<Fault>,
    /// What the apiserver answered, if it was asked and did.
    pub code: Option<u16>,
}

impl Entry {
    /// Whether it asks for a change of something else than a Lease.
    pub fn writes(&self) -> bool {
        self.request.as_ref().is_some_and(|request| request.verb.writes() && request.kind.resource != "leases")
    }
}

struct Shared {
    upstream: kube::Client,
    judge: Mutex<Judge>,
    entries: Mutex<Vec<Entry>>,
    watches: Mutex<Vec<(Request, oneshot::Sender<()>)>>,
    process: AtomicI32,
    /// Requests under way, other than watches.
    busy: AtomicUsize,
    /// When the last of them ended.
    last: Mutex<Instant>,
}

impl Proxy {
    /// A proxy that asks as `upstream` does, and does nothing to any request yet.
    pub async fn open(upstream: kube::Client) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listen on loopback");
        let address = listener.local_addr().expect("a listener has an address");
        let shared = Arc::new(Shared {
            upstream,
            judge: Mutex::default(),
            entries: Mutex::default(),
            watches: Mutex::default(),
            process: AtomicI32::new(0),
            busy: AtomicUsize::new(0),
            last: Mutex::new(Instant::now()),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { address, shared, task }
    }

    /// What KUBECONFIG is to name for a process that uses this proxy.
    pub fn kubeconfig(&self) -> String {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "proxy",
            "clusters": [{ "name": "proxy", "cluster": { "server": format!("http://{}", self.address) } }],
            "users": [{ "name": "proxy", "user": {} }],
            "contexts": [{ "name": "proxy", "context": { "cluster": "proxy", "user": "proxy" } }],
        })
        .to_string()
    }

    /// Counts anew, by these rules.
    pub fn obey(&self, rules: Vec<Rule>) {
        *lock(&self.shared.judge) = Judge::new(rules);
    }

    /// How many requests have met a fault of the present rules.
    pub fn hits(&self) -> u64 {
        lock(&self.shared.judge).hits()
    }

    /// Says which process ends when a rule says so.
    pub fn aim(&self, pid: i32) {
        self.shared.process.store(pid, Ordering::SeqCst);
    }

    /// Ends all watches that are open; says how many these were.
    pub fn drop_watches(&self) -> usize {
        self.drop_watches_of(None)
    }

    /// [`Self::drop_watches`] for those of one resource, by its plural.
    pub fn drop_watches_of(&self, resource: Option<&str>) -> usize {
        let mut watches = lock(&self.shared.watches);
        let (gone, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut *watches)
            .into_iter()
            .partition(|(request, _)| resource.is_none_or(|resource| request.kind.resource == resource));
        *watches = kept;
        // One that its client has ended already does not count.
        gone.into_iter().filter_map(|(_, cut)| cut.send(()).ok()).count()
    }

    /// How many watches are open.
    pub fn watches(&self) -> usize {
        lock(&self.shared.watches).iter().filter(|(_, cut)| !cut.is_closed()).count()
    }

    /// All that came so far.
    pub fn entries(&self) -> Vec<Entry> {
        lock(&self.shared.entries).clone()
    }

    /// How many changes were asked for so far.
    pub fn writes(&self) -> usize {
        lock(&self.shared.entries).iter().filter(|entry| entry.writes()).count()
    }

    /// For how long nothing but watches and Leases has been under way.
    pub fn idle(&self) -> Duration {
        if self.shared.busy.load(Ordering::SeqCst) > 0 { Duration::ZERO } else { lock(&self.shared.last).elapsed() }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.drop_watches();
    }
}

/// The end of a connection without an answer.
fn lost(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::other(cause)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        if let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serve(socket, Arc::clone(&shared)));
        }
    }
}

async fn serve(socket: TcpStream, shared: Arc<Shared>) {
    let service = hyper::service::service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { shared.pass(request).await }
    });
    // What ends with an error was cut: here, or by the client.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
}

/// Counts a request as under way.
struct Busy(Arc<Shared>);

impl Busy {
    fn begin(shared: &Arc<Shared>) -> Self {
        shared.busy.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(shared))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        *lock(&self.0.last) = Instant::now();
        self.0.busy.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Shared {
    /// Answers one request; an error ends the connection without an answer.
    async fn pass(self: Arc<Self>, request: hyper::Request<Incoming>) -> Result<Response, io::Error> {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let asked = Request::read(request.method().as_str(), &path);
        let watches = asked.as_ref().is_some_and(|asked| asked.verb == Verb::Watch);
        let quiet = watches || asked.as_ref().is_some_and(|asked| asked.kind.resource == "leases");
        let _busy = (!quiet).then(|| Busy::begin(&self));
        let line = format!("{} {path}", request.method());
        let request = read(request).await?;

        let fault = lock(&self.judge).judge(asked.as_ref());
        let entry = self.note(Entry { at: Instant::now(), request: asked.clone(), line, fault, code: None });
        match fault {
            Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
            Some(Fault::Cut(Side::Before)) => return Err(lost("cut")),
            Some(Fault::Late(time)) => {
                tokio::spawn(Arc::clone(&self).deliver(request, time, Busy::begin(&self)));
                return Err(lost("cut"));
            }
            Some(Fault::Kill(Side::Before)) => return Err(self.kill()),
            Some(Fault::Answer(answer)) => return Ok(made_up(answer, watches)),
            None | Some(Fault::Cut(Side::After) | Fault::Kill(Side::After) | Fault::Halt) => {}
        }
        let response = self.upstream.send(request).await.map_err(lost)?;
        if let Some(entry) = lock(&self.entries).get_mut(entry) {
            entry.code = Some(response.status().as_u16());
        }
        match fault {
            Some(Fault::Cut(Side::After)) => Err(lost("cut")),
            Some(Fault::Kill(Side::After)) => Err(self.kill()),
            Some(Fault::Halt) => {
                Self::signal(self.process.load(Ordering::SeqCst), Signal::SIGSTOP);
                Ok(response.map(|body| self.body(body, None)))
            }
            _ => Ok(response.map(|body| self.body(body, asked.filter(|_| watches)))),
        }
    }

    /// Brings a request that nobody waits for any more.
    async fn deliver(self: Arc<Self>, request: hyper::Request<Body>, late: Duration, _busy: Busy) {
        tokio::time::sleep(late).await;
        let outcome = self.upstream.send(request).await.map(|response| response.status());
        println!("a late request was answered {outcome:?}");
    }

    fn note(&self, entry: Entry) -> usize {
        let mut entries = lock(&self.entries);
        entries.push(entry);
        entries.len() - 1
    }

    fn kill(&self) -> io::Error {
        Self::signal(self.process.swap(0, Ordering::SeqCst), Signal::SIGKILL);
        lost("killed")
    }

    fn signal(pid: i32, signal: Signal) {
        // 0 is nobody, and to kill(2) the whole group of the test.
        if pid > 0 {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// The body as it comes; a watch's can be ended.
    fn body(&self, body: Body, watch: Option<Request>) -> UnsyncBoxBody<Bytes, io::Error> {
        let Some(watch) = watch else { return body.map_err(lost).boxed_unsync() };
        let (cut, is_cut) = oneshot::channel();
        let mut watches = lock(&self.watches);
        watches.retain(|(_, cut)| !cut.is_closed());
        watches.push((watch, cut));
        StreamBody::new(until_cut(body, is_cut)).boxed_unsync()
    }
}

fn until_cut(body: Body, cut: oneshot::Receiver<()>) -> impl stream::Stream<Item = Result<Frame<Bytes>, io::Error>> {
    stream::unfold(Some((BodyStream::new(body), cut)), |state| async move {
        let (mut frames, cut) = state?;
        match select(frames.next(), cut).await {
            Either::Left((frame, cut)) => Some((frame?.map_err(lost), Some((frames, cut)))),
            Either::Right(_) => Some((Err(lost("cut")), None)),
        }
    })
}

/// The whole request, as the apiserver's client takes it.
async fn read(request: hyper::Request<Incoming>) -> Result<hyper::Request<Body>, io::Error> {
    let (mut head, body) = request.into_parts();
    head.headers.remove(HOST);
    head.headers.remove(CONNECTION);
    Ok(hyper::Request::from_parts(head, Body::from(body.collect().await.map_err(lost)?.to_bytes())))
}

/// An answer as the apiserver gives it; a watch from a lost version is told so in its first event.
fn made_up(answer: Answer, watches: bool) -> Response {
    let reason = match answer.code {
        404 => "NotFound",
        409 => "Conflict",
        GONE => "Expired",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        _ => "InternalError",
    };
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": reason,
        "message": format!("a fault of the test's making: {reason}"), "code": answer.code,
    });
    let in_stream = watches && answer.code == GONE;
    let (code, body) = if in_stream {
        (200, line(&json!({ "type": "ERROR", "object": status })))
    } else {
        (answer.code, line(&status))
    };
    let mut response = hyper::Response::new(Full::new(body).map_err(lost).boxed_unsync());
    *response.status_mut() = hyper::StatusCode::from_u16(code).expect("rules answer with an HTTP status");
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    if let Some(time) = answer.retry_after {
        headers.insert(RETRY_AFTER, time.as_secs().into());
    }
    response
}

fn line(value: &Value) -> Bytes {
    format!("{value}\n").into()
}
