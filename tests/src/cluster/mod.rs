//! A real single-node Kubernetes on this machine, inside a network namespace of its own.
//!
//! [`up`] and [`down`] are the two verbs, and [`restart`] one for tests; everything else is a piece of theirs, a concern
//! a module. Tests take the paths and addresses from [`layout`] and run inside the namespace (`cluster exec`).
//!
//! Two rules hold everywhere: whatever is made is either inside the cluster's own folders, cgroup and namespace or
//! was written down before ([`before`]), so that [`down`] can undo it; and nothing is ended, unmounted or removed
//! that is not provably ours.

mod addons;
mod before;
pub mod binaries;
mod cgroups;
mod control_plane;
mod files;
pub mod foreign;
pub mod forward;
pub mod images;
mod kubectl;
mod layout;
mod lock;
mod mounts;
mod netns;
mod node;
mod pki;
mod ports;
mod preflight;
pub mod process;
mod progress;
pub mod status;
mod teardown;
mod up;

pub use layout::{Layout, layout};
pub use netns::enter as enter_netns;
pub use ports::Ports;
pub use teardown::down;
pub use up::{Extent, Wish, restart, up};

/// Kubernetes release of every component, as the pinned `tests/cluster/go.mod` has it.
pub const KUBERNETES_VERSION: &str = "v1.35.4";
/// Name of the one node.
pub const NODE_NAME: &str = "flacship";
/// The node's address, on a bridge of its own in the namespace.
pub const NODE_IP: &str = "10.243.0.1";
/// Addresses of pods. Far more than there are pods at a time, as none should come twice: the bridge plugin does not announce
/// a new pod, and another one that still knows the last pod of that address by its MAC talks to nobody for some seconds.
pub const POD_CIDR: &str = "10.244.0.0/16";
/// The bridge that the pods hang on: the first address of [`POD_CIDR`].
pub const POD_GATEWAY: &str = "10.244.0.1/16";
/// Addresses of Services.
pub const SERVICE_CIDR: &str = "10.96.0.0/16";
/// The API server's own Service: first address of [`SERVICE_CIDR`].
pub const API_SERVICE_IP: &str = "10.96.0.1";
/// The cluster's DNS server.
pub const DNS_IP: &str = "10.96.0.10";
/// Wanted port of the API server on loopback, on the host and in the namespace.
pub const API_PORT: u16 = 16443;
/// NodePort of the sample's page, and its wanted port on the host's loopback.
pub const PAGE_NODE_PORT: u16 = 30080;
