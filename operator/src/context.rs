//! What every reconcile of one controller shares.

use std::sync::Arc;

use kube::Client;

use crate::backoff::Backoff;
use crate::events::Events;
use crate::leader::Gate;
use crate::metrics::Metrics;

/// What the operator was started with, as far as reconciles care.
#[derive(Clone, Debug)]
pub struct Config {
    /// Image of the converter where a resource names none: the one that this operator was released with.
    pub converter_image: String,
    /// How many objects of a kind are worked on at once.
    pub concurrency: u16,
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
            concurrency: 16,
            allow_service_account_name: true,
            allow_host_path: true,
        }
    }
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
    /// The pace of tries after errors, an entry an object.
    pub backoff: Backoff,
}

impl Context {
    /// A context for the controller of one kind. `gate` is the one that `client` asks.
    pub fn new(client: Client, config: Config, metrics: Arc<Metrics>, gate: Gate) -> Arc<Self> {
        let events = Events::new(client.clone());
        Arc::new(Self { client, config, events, metrics, gate, backoff: Backoff::default() })
    }
}
