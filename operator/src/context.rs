//! What every reconcile of one controller shares.

use std::sync::Arc;

use kube::Client;

use crate::backoff::Backoff;
use crate::children::Children;
use crate::events::Events;
use crate::metrics::Metrics;

/// What the operator was started with, as far as reconciles care.
#[derive(Clone, Debug)]
pub struct Config {
    /// Image of the converter where a resource names none: the one that this operator was released with.
    pub converter_image: String,
    /// How many objects of a kind are worked on at once.
    pub concurrency: u16,
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
    /// The pace of tries after errors, an entry an object.
    pub backoff: Backoff,
    /// What is known of the children without asking.
    pub children: Arc<Children>,
}

impl Context {
    /// A context for the controller of one kind.
    pub fn new(client: Client, config: Config, metrics: Arc<Metrics>) -> Arc<Self> {
        let events = Events::new(client.clone());
        Arc::new(Self { client, config, events, metrics, backoff: Backoff::default(), children: Arc::default() })
    }
}
