//! Accepting connections and running HTTP/1.1 on them, encrypted where that is asked for. `axum::serve` would do, but it
//! sets neither a time-out for a request's head nor bounds of the read buffer.

use std::{convert::Infallible, pin::pin, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tower::ServiceExt;

use super::{
    https_only,
    shutdown::Phase,
    socket::Socket,
    state::App,
    tls::{Spoken, Tls},
    transport::Transport,
};

/// Most of a request that is read at once, ahead of its handler. A head that does not fit in is refused by HTTP's own code,
/// without words, so it is never less than a head may have.
const READ_BUFFER: usize = 256 * 1024;
/// How long connections have for the rest of their answers once all work is done.
const LAST_BYTES: Duration = Duration::from_secs(5);
/// Pause after a failed accept: mostly there are no file descriptors left, which only time heals.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Which listener a connection came through.
#[derive(Debug, Clone)]
pub(super) enum Port {
    /// The page and conversions: a stopping server wants these connections gone. Encrypted, if it can be.
    Public(Option<Arc<Tls>>),
    /// Probes and metrics: asked until the end.
    Admin,
}

/// Accepts connections until aborted.
pub(super) async fn serve(listener: TcpListener, port: Port, routes: Router, app: Arc<App>) -> Infallible {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let connection = connection(stream, port.clone(), routes.clone(), Arc::clone(&app));
                app.connections.spawn(connection);
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Waits for the last bytes on all connections, but not for long.
pub(super) async fn finish(app: &App) {
    app.connections.close();
    if timeout(LAST_BYTES, app.connections.wait()).await.is_err() {
        tracing::warn!(open = app.connections.len(), "connections are cut off");
    }
}

async fn connection(stream: TcpStream, port: Port, routes: Router, app: Arc<App>) {
    let socket = Socket::new(stream, app.args.idle_timeout, &app.connections);
    let (transport, routes) = match &port {
        // In a box, so that plain connections are no larger for it.
        Port::Public(Some(tls)) => match Box::pin(accepted(tls, socket, &app)).await {
            Some(Spoken::Tls(transport)) => (transport, routes),
            Some(Spoken::Plain(socket)) => (Transport::Plain(socket), https_only(&app)),
            None => return,
        },
        Port::Public(None) | Port::Admin => (Transport::Plain(socket), routes),
    };
    let service = service_fn(move |request: Request<Incoming>| routes.clone().oneshot(request.map(Body::new)));
    // A connection that is made to a stopping server still gets its one answer, be it a refusal.
    let late = app.shutdown.phase() >= Phase::Draining;
    let leaves_at = if late || matches!(port, Port::Admin) { Phase::Over } else { Phase::Draining };
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(app.args.header_timeout);
    http.max_buf_size(READ_BUFFER.max(usize::try_from(app.args.max_head_size.0).unwrap_or(usize::MAX)));
    let mut connection = pin!(http.serve_connection(TokioIo::new(transport), service).with_upgrades());
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = app.shutdown.reached(leaves_at) => {
            // Ends at once if it is idle, else with the answer under way.
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                served = connection.as_mut() => served,
                () = over(&app) => return,
            }
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended in an error");
    }
}

/// Shakes hands within the time that a request's head has. A stopping server waits for nobody who does not.
async fn accepted(tls: &Tls, socket: Socket, app: &App) -> Option<Spoken> {
    let accepted = tokio::select! {
        accepted = timeout(app.args.header_timeout, tls.accept(socket)) => accepted,
        () = app.shutdown.reached(Phase::Over) => return None,
    };
    match accepted {
        Ok(Ok(spoken)) => Some(spoken),
        Ok(Err(error)) => {
            tracing::debug!(%error, "a TLS handshake failed");
            None
        }
        Err(_) => {
            tracing::debug!("a TLS handshake took too long");
            None
        }
    }
}

/// The drain time-out is past, and the last answers have had their time.
async fn over(app: &App) {
    app.shutdown.reached(Phase::Over).await;
    sleep(LAST_BYTES).await;
}
