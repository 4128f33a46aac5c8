//! What the end-to-end tests stand on: the local cluster, and container images made without a Docker engine.
//! The tests themselves are in `e2e/`.

pub mod audio;
pub mod cluster;
pub mod images;
pub mod oci;
pub mod proxy;
pub mod state;
