//! What all requests of one server share, and the guard that counts a conversion from its start to its end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tracing::Span;

use super::{
    args::Args,
    auth::Auth,
    keys::Secrets,
    metrics::{Kind, Metrics, Most, Outcome, Volume},
    problem::Failure,
    queue::{Place, Queue},
    seats::Seats,
    shutdown::Shutdown,
    spool::Pool,
    trace,
};

/// What all requests of one server share.
#[derive(Debug)]
pub(super) struct App {
    pub args: Args,
    pub metrics: Metrics,
    pub spools: Arc<Pool>,
    /// The uploads that are converted, and those that wait.
    pub queue: Queue,
    pub shutdown: Shutdown,
    pub auth: Auth,
    /// What signs the tokens of streams.
    pub stream_keys: Secrets,
    /// The live streams, and whether more may begin.
    pub seats: Arc<Seats>,
    /// One permit a KiB of memory for messages that hold a whole WAV.
    pub whole: Arc<Semaphore>,
    /// One permit a core: as many encoding jobs run at once.
    pub cores: Arc<Semaphore>,
    /// Connections, and closes that linger.
    pub connections: TaskTracker,
    pub started: Instant,
    /// Makes request ids differ between servers and between starts.
    seed: u64,
    requests: AtomicU64,
}

impl App {
    pub(super) fn new(args: Args, spools: Pool, auth: Auth, stream_keys: Secrets) -> Arc<Self> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let permits =
            |count: u64| Semaphore::new(usize::try_from(count).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS));
        let queue = Queue::new(args.max_conversions, args.max_queue);
        let most = Most { conversions: queue.most(), queued: queue.most_waiting(), streams: args.max_streams };
        Arc::new(Self {
            auth,
            stream_keys,
            seats: Seats::new(args.max_streams),
            whole: Arc::new(permits(args.ws_whole_memory.0 / 1024)),
            queue,
            args,
            metrics: Metrics::new(most),
            spools: Arc::new(spools),
            shutdown: Shutdown::new(),
            cores: Arc::new(Semaphore::new(cores)),
            connections: TaskTracker::new(),
            started: Instant::now(),
            seed: random(),
            requests: AtomicU64::new(0),
        })
    }

    /// An id for a request that brought none. It names, it does not protect.
    pub(super) fn new_request_id(&self) -> String {
        // An odd factor spreads the count over all digits, so that ids of one server do not look alike.
        let count = self.requests.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        format!("{:016x}", self.seed ^ count)
    }

    /// Starts counting a conversion, unless the server is stopping.
    pub(super) fn begin(self: &Arc<Self>, kind: Kind) -> Result<Running, Failure> {
        if !self.shutdown.begin() {
            return Err(Failure::Draining);
        }
        Ok(Running { app: Arc::clone(self), kind, started: Instant::now(), ended: false })
    }

    /// A place among those that convert, at once or when it is this one's turn. The wait is counted, and is a span below
    /// `span` if there is one.
    pub(super) async fn place(&self, span: &Span) -> Result<Place, Failure> {
        if let Some(place) = self.queue.free() {
            self.metrics.waited(Duration::ZERO);
            return Ok(place);
        }
        let (came, _wait) = (Instant::now(), trace::queue(span));
        let place = self.queue.enter().await?;
        self.metrics.waited(came.elapsed());
        Ok(place)
    }
}

/// A random number from the standard library's own source of hash keys.
fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}

/// A conversion under way. Dropped without [`Self::end`], it counts as aborted: its client has left.
#[derive(Debug)]
pub(super) struct Running {
    app: Arc<App>,
    kind: Kind,
    started: Instant,
    ended: bool,
}

impl Running {
    /// Counts how the conversion ended. The server still waits for it until the guard is dropped.
    pub(super) fn end(&mut self, outcome: Outcome, volume: Volume) {
        if !std::mem::replace(&mut self.ended, true) {
            self.app.metrics.ended(self.kind, outcome, volume, self.started.elapsed().as_secs_f64());
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end(Outcome::Aborted, Volume::default());
        self.app.shutdown.end();
    }
}

/// How a failed conversion counts.
pub(super) fn outcome_of(failure: &Failure) -> Outcome {
    match failure {
        Failure::ClientGone
        | Failure::SlowReader
        | Failure::NoEnd
        | Failure::Idle { .. }
        | Failure::TooSlow { .. }
        | Failure::TookTooLong { .. } => Outcome::Aborted,
        Failure::SpoolFull
        | Failure::QueueFull
        | Failure::TooManyStreams { .. }
        | Failure::Reserved
        | Failure::Draining
        | Failure::CutOff
        | Failure::Internal(_) => Outcome::Failed,
        other if other.cause().is_some() => Outcome::Failed,
        _ => Outcome::Refused,
    }
}
