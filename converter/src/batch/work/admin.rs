//! What a running worker tells about itself: `GET /livez`, and `GET /progress` with the state of its shard. No more than a
//! few may ask at the same time, and not for long: it is for a kubelet and an operator.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Router, routing::get};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{sleep, timeout};
use tower::ServiceExt as _;

use super::super::error::Error;
use super::super::summary;
use super::shard::Progress;

/// Connections at the same time; others wait to be accepted.
const CONNECTIONS: usize = 16;
/// How long a request's head may take, and a connection in all.
const HEAD: Duration = Duration::from_secs(5);
const CONNECTION: Duration = Duration::from_mins(1);
/// Pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Most bytes of a request that are read.
const READ_BUFFER: usize = 16 * 1024;

/// The admin port. It closes when this is dropped.
#[derive(Debug)]
pub struct Admin {
    /// The other end sees it go.
    _open: oneshot::Sender<()>,
    /// Where it answers.
    #[cfg(test)]
    address: SocketAddr,
}

/// Answers at an address from now on, on a thread of its own.
pub fn serve(address: SocketAddr, progress: Arc<Progress>) -> Result<Admin, Error> {
    let at = address.to_string();
    let failed = |error| Error::io("listening on", Path::new(&at))(error);
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let (open, closed) = oneshot::channel();
    let answers = move || {
        let ended = runtime.block_on(async {
            tokio::select! {
                ended = answer(listener, routes(progress)) => ended,
                _ = closed => Ok(()),
            }
        });
        if let Err(error) = ended {
            tracing::warn!(%error, "the admin port is closed");
        }
    };
    thread::Builder::new().name("admin".into()).spawn(answers).map_err(failed)?;
    tracing::info!(%address, "answering /livez and /progress");
    Ok(Admin {
        _open: open,
        #[cfg(test)]
        address,
    })
}

async fn answer(listener: TcpListener, routes: Router) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return Ok(()) };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let routes = routes.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| routes.clone().oneshot(request.map(Body::new)));
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(READ_BUFFER);
            let served = timeout(CONNECTION, http.serve_connection(TokioIo::new(stream), service)).await;
            tracing::trace!(?served, "a connection has ended");
            drop(place);
        });
    }
}

fn routes(progress: Arc<Progress>) -> Router {
    Router::new().route("/livez", get(|| async { "ok\n" })).route("/progress", get(tell)).with_state(progress)
}

async fn tell(State(progress): State<Arc<Progress>>) -> Response {
    match summary::line("work", &progress.summary()) {
        Ok(line) => {
            let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
            (headers, line).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    use super::super::bring::Reading;
    use super::super::shard::{Known, Shard};
    use super::*;
    use crate::batch::records::{Outcome, Stamp};

    fn ask(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn tells_the_state_of_the_shard_when_it_is_asked() {
        let progress = Arc::new(Progress::new(3, Shard::new(2, 100).unwrap()));
        let admin = serve("127.0.0.1:0".parse().unwrap(), Arc::clone(&progress)).unwrap();
        assert!(ask(admin.address, "/livez").ends_with("\r\n\r\nok\n"));
        let nothing = r#"{"stage":"work","shard":3,"files":{"total":2,"converted":0,"skipped":0,"failed":0},"bytes":{"total":100,"done":0,"input":0,"output":0}}"#;
        assert!(ask(admin.address, "/progress").ends_with(nothing));
        progress.read.fetch_add(5, std::sync::atomic::Ordering::Relaxed);
        let stamp = Stamp { size: 60, mtime_ns: 0 };
        let known = Known { outcome: Outcome::Converted, fate: None, stamp, output_bytes: 30, at: 0 };
        progress.settle(0, known, Reading::nothing(&progress.read));
        let answer = ask(admin.address, "/progress");
        assert!(
            answer.contains(r#""converted":1,"#) && answer.contains(r#""done":65,"input":60,"output":30}"#),
            "{answer}"
        );
        assert!(ask(admin.address, "/metrics").starts_with("HTTP/1.1 404"));
    }

    #[test]
    fn a_silent_connection_keeps_nobody_out() {
        let progress = Arc::new(Progress::new(0, Shard::new(0, 0).unwrap()));
        let admin = serve("127.0.0.1:0".parse().unwrap(), progress).unwrap();
        let silent: Vec<TcpStream> = (0..CONNECTIONS - 1).map(|_| TcpStream::connect(admin.address).unwrap()).collect();
        assert!(ask(admin.address, "/livez").contains("200 OK"));
        drop(silent);
    }
}
