//! The long-running service: the page, `POST /convert`, live streams, and an admin port with probes and metrics.
//!
//! [`run`] is all that the command line needs; [`Server`] is the same in two steps, for those who want to know the ports
//! that were bound. One file a route group: [`page`], [`convert`], [`stream`], [`admin`], [`reserve`]; around them what they share.

mod admin;
mod allowance;
mod answer;
mod args;
mod auth;
mod backlog;
mod connection;
mod convert;
mod cors;
mod encode;
mod feed;
mod filename;
mod keys;
mod limits;
mod messages;
mod metrics;
mod openapi;
mod options;
mod origin;
mod pace;
mod page;
mod problem;
mod process;
mod progressive;
mod queue;
mod reload;
mod request;
mod reserve;
mod resume;
mod seats;
mod shutdown;
mod socket;
mod spool;
mod state;
mod stream;
mod talk;
mod tls;
mod token;
mod trace;
mod transport;
mod upload;
mod whole;
mod wire;
mod zip;

use std::{
    future::Future,
    io,
    io::IsTerminal,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::{
    Router,
    http::header,
    middleware::from_fn_with_state,
    routing::{get, post},
};
use tokio::net::TcpListener;
use tracing_subscriber::{
    EnvFilter, Layer as _,
    filter::{FilterExt as _, filter_fn},
    fmt,
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

pub use args::{Args, LogFormat, ValueError};
pub use keys::SecretError;
pub use otlp::{CollectorError, Endpoint, EndpointError};
pub use shutdown::Stop;
pub use tls::{FileFault, TlsError};

use auth::Auth;
use keys::{Content, SecretFile, Secrets};
use otlp::Traces;
use problem::Failure;
use spool::Pool;
use state::App;
use tls::Tls;

/// Why the service could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A port is taken, or not this user's to take.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The spool's folder takes no files.
    #[error("cannot make temporary files in {}: {source}; choose another folder with --spool-dir", folder.display())]
    Spool {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of secrets is missing or of no use.
    #[error("{flag}: {}: {source}", path.display())]
    Secrets {
        /// The flag that named the file.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: SecretError,
    },
    /// Traces cannot be sent as asked for.
    #[error("traces: {0}")]
    Traces(#[from] CollectorError),
    /// The certificate or its key is missing or of no use.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The system gives no signals.
    #[error("cannot wait for signals: {0}")]
    Signals(#[source] io::Error),
}

impl Error {
    /// Whether a flag or variable has to be changed.
    pub fn is_of_settings(&self) -> bool {
        !matches!(self, Self::Listen { .. } | Self::Signals(_))
    }
}

/// Runs the service until a signal stops it, and prints the page's address.
pub async fn run(args: Args) -> Result<(), Error> {
    let traces = Traces::start(args.otlp_endpoint.as_ref(), trace::SOURCE)?;
    log_to_stderr(args.log_format, traces.as_ref());
    process::open_as_many_files_as_may_be(args.max_streams);
    let format = args.log_format;
    let server = Server::bind(args).await?;
    let url = server.url();
    tracing::info!(url, admin = %server.admin_address(), version = env!("CARGO_PKG_VERSION"), "listening");
    if format == LogFormat::Text {
        println!("Flacship is at {url}");
    }
    let stop = tokio::spawn(shutdown::signals());
    server
        .run(async {
            match stop.await {
                Ok(Ok(stop)) => stop,
                failed => {
                    tracing::error!(?failed, "cannot wait for signals: stopping");
                    Stop::Interrupt
                }
            }
        })
        .await;
    if let Some(traces) = traces {
        traces.finish().await;
    }
    Ok(())
}

/// A server with its ports bound, not yet answering.
#[derive(Debug)]
pub struct Server {
    app: Arc<App>,
    tls: Option<Arc<Tls>>,
    public: TcpListener,
    admin: TcpListener,
    addresses: [SocketAddr; 2],
}

impl Server {
    /// Binds both ports and tries the spool's folder.
    pub async fn bind(args: Args) -> Result<Self, Error> {
        let folder = args.spool_dir.clone().unwrap_or_else(std::env::temp_dir);
        let spools = Pool::new(args.spool_size.0, args.spool_memory.0, folder.clone())
            .map_err(|source| Error::Spool { folder, source })?;
        let tls = Tls::open(args.tls_cert.as_deref(), args.tls_key.as_deref())?.map(Arc::new);
        let (public, public_address) = listen(args.listen).await?;
        let (admin, admin_address) = listen(args.admin_listen).await?;
        let auth = Auth::new(args.token_file.as_deref()).map_err(secrets("--token-file", args.token_file.as_ref()))?;
        let keys = stream_keys(args.stream_key_file.as_deref())
            .map_err(secrets("--stream-key-file", args.stream_key_file.as_ref()))?;
        let app = App::new(args, spools, auth, keys);
        Ok(Self { app, tls, public, admin, addresses: [public_address, admin_address] })
    }

    /// Where the page is.
    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// Where probes and metrics are.
    pub fn admin_address(&self) -> SocketAddr {
        self.addresses[1]
    }

    /// The page's address as a browser on this machine takes it.
    pub fn url(&self) -> String {
        let (scheme, address) = (if self.tls.is_some() { "https" } else { "http" }, self.address());
        if address.ip().is_unspecified() {
            format!("{scheme}://localhost:{}/", address.port())
        } else {
            format!("{scheme}://{address}/")
        }
    }

    /// Answers until `stop` comes and the work under way is done or its time is over.
    pub async fn run(self, stop: impl Future<Output = Stop>) {
        let Self { app, tls, public, admin, .. } = self;
        let port = connection::Port::Public(tls);
        let ports = [
            tokio::spawn(connection::serve(public, port, public_routes(&app), Arc::clone(&app))),
            tokio::spawn(connection::serve(admin, connection::Port::Admin, admin_routes(&app), Arc::clone(&app))),
        ];
        let stop = stop.await;
        tracing::info!(?stop, "stopping");
        app.shutdown.drain(stop, app.args.drain_delay, app.args.drain_timeout).await;
        for port in ports {
            port.abort();
        }
        connection::finish(&app).await;
        tracing::info!("stopped");
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let error = |source| Error::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(error)?;
    let bound = listener.local_addr().map_err(error)?;
    Ok((listener, bound))
}

fn secrets(flag: &'static str, path: Option<&PathBuf>) -> impl FnOnce(SecretError) -> Error {
    let path = path.cloned().unwrap_or_default();
    move |source| Error::Secrets { flag, path, source }
}

/// The keys that sign the tokens of streams.
fn stream_keys(file: Option<&Path>) -> Result<Secrets, SecretError> {
    if let Some(path) = file {
        return SecretFile::open([path], Content::Keys).map(Secrets::File);
    }
    tracing::warn!(
        "no --stream-key-file: streams can be resumed only with this process; give all servers one file of random bytes \
         to let them go on after its end"
    );
    Secrets::generate()
}

fn public_routes(app: &Arc<App>) -> Router {
    let locked = Router::new()
        .route("/convert", post(convert::convert))
        .route("/status", get(admin::status))
        .route_layer(from_fn_with_state(Arc::clone(app), auth::require));
    let mut shared = Router::new().route("/openapi.json", get(openapi::json)).merge(locked);
    if let Some(cors) = cors::layer(&app.args.allowed_origins) {
        shared = shared.route_layer(from_fn_with_state(cors, cors::share));
    }
    let routes = Router::new()
        // It looks for the token itself: see `auth`.
        .route("/ws", get(stream::upgrade))
        .route("/healthz", get(admin::alive))
        .merge(shared)
        .merge(page::routes());
    framed(routes, app)
}

fn admin_routes(app: &Arc<App>) -> Router {
    let routes = Router::new()
        .route("/livez", get(admin::alive))
        .route("/readyz", get(admin::ready))
        .route("/load", get(admin::load))
        .route("/reserve", post(reserve::reserve).delete(reserve::release))
        .route("/metrics", get(admin::metrics));
    framed(routes, app)
}

/// What those are told who speak plain HTTP to an encrypted port.
fn https_only(app: &Arc<App>) -> Router {
    let refused = || async { ([(header::CONNECTION, "close")], Failure::HttpsOnly) };
    framed(Router::new().fallback(refused), app)
}

/// The frame goes around the whole router, not each route: only there have refusals their `Allow` header.
fn framed(routes: Router<Arc<App>>, app: &Arc<App>) -> Router {
    Router::new()
        .fallback_service(routes.with_state(Arc::clone(app)))
        .layer(from_fn_with_state(Arc::clone(app), request::frame))
}

/// Sends logs to stderr and spans to the collector, unless whoever embeds the server already collects them.
fn log_to_stderr(format: LogFormat, traces: Option<&Traces>) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    let logs = match format {
        LogFormat::Text => logs.boxed(),
        LogFormat::Json => logs.json().flatten_event(true).boxed(),
    };
    let logs =
        logs.with_filter(filter.and(filter_fn(|metadata| !trace::is_ours(metadata) && !otlp::is_noise(metadata))));
    let _ = tracing_subscriber::registry().with(logs).with(traces.map(Traces::layer)).try_init();
}
