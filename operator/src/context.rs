//! What every reconcile of one controller shares.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kube::Client;

use crate::apis::Apis;
use crate::audioconverter::scaling::settings::LoadArgs;
use crate::backoff::{Backoff, Pace};
use crate::children::Children;
use crate::conversionjob::runs::ProgressArgs;
use crate::driver::Queue;
use crate::events::Events;
use crate::leader::Gate;
use crate::metrics::Metrics;
use crate::own_writes::OwnWrites;
use crate::scope::Scope;

/// What the operator was started with, as far as reconciles care.
#[derive(Clone, Debug)]
pub struct Config {
    /// Image of the converter where a resource names none: the one that this operator was released with.
    pub converter_image: String,
    /// Which objects are this operator's.
    pub scope: Scope,
    /// How many objects of a kind are worked on at once.
    pub concurrency: u16,
    /// How pods are asked how full they are.
    pub load: LoadArgs,
    /// How the progress of batch runs is told.
    pub progress: ProgressArgs,
    /// Longest time that one reconcile may take.
    pub reconcile_timeout: Duration,
    /// The waits between tries after errors.
    pub pace: Pace,
    /// Whether a podTemplate may name a ServiceAccount, whose rights the pods then have.
    pub allow_service_account_name: bool,
    /// Whether a podTemplate or a source may mount folders of a node.
    pub allow_host_path: bool,
}

impl Config {
    /// The defaults, with the image of converters.
    pub fn with_image(converter_image: impl Into<String>) -> Self {
        Self {
            converter_image: converter_image.into(),
            scope: Scope::default(),
            concurrency: 16,
            load: LoadArgs::default(),
            progress: ProgressArgs::default(),
            reconcile_timeout: Duration::from_mins(2),
            pace: Pace::default(),
            allow_service_account_name: true,
            allow_host_path: true,
        }
    }
}

/// What all controllers share.
#[derive(Clone)]
pub struct Shared {
    /// The client, whose writes ask `gate`.
    pub client: Client,
    /// What the operator was started with.
    pub config: Config,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Whether this operator writes at this moment.
    pub gate: Gate,
    /// Which kinds the cluster serves, of those that not every one does.
    pub apis: Arc<Apis>,
}

/// What every reconcile of one controller shares.
pub struct Context {
    /// The client: only `apply`, `observe` and `status` steps use it.
    pub client: Client,
    /// What the operator was started with.
    pub config: Config,
    /// The publisher of Events; one a controller, as it counts repeated ones.
    pub events: Events,
    /// Counters, shared by all controllers.
    pub metrics: Arc<Metrics>,
    /// Whether this operator writes at this moment. The client asks it before each write; reconciles do not begin without.
    pub gate: Gate,
    /// Which kinds the cluster serves, of those that not every one does.
    pub apis: Arc<Apis>,
    /// The pace of tries after errors, an entry an object.
    pub backoff: Backoff,
    /// What waits for its reconcile.
    pub queue: Arc<Queue>,
    /// What is known of the children without asking.
    pub children: Arc<Children>,
    /// Writes to our own objects that the watch has not brought back.
    pub own_writes: OwnWrites,
    /// How many reconciles have begun.
    reconciles: AtomicU64,
}

impl Context {
    /// A context for the controller of one kind.
    pub fn new(shared: Shared) -> Arc<Self> {
        let Shared { client, config, metrics, gate, apis } = shared;
        let (events, backoff) = (Events::new(client.clone()), Backoff::new(config.pace));
        Arc::new(Self {
            client,
            config,
            events,
            metrics,
            gate,
            apis,
            backoff,
            queue: Arc::default(),
            children: Arc::default(),
            own_writes: OwnWrites::default(),
            reconciles: AtomicU64::new(0),
        })
    }

    /// The number of the reconcile that begins: with the object's kind it tells its log lines from all others of this process.
    pub fn next_reconcile(&self) -> u64 {
        self.reconciles.fetch_add(1, Ordering::Relaxed) + 1
    }
}
