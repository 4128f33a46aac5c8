//! What the end-to-end tests share: kubectl, namespaces, waits, watches, volumes, a converter to talk to, a browser.

pub mod artifacts;
pub mod browser;
pub mod converter;
pub mod kubectl;
pub mod namespace;
pub mod object;
pub mod operator;
pub mod recorder;
pub mod volume;
pub mod wait;

pub use namespace::Namespace;

use std::path::{Path, PathBuf};

/// The checkout's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the checkout").to_path_buf()
}
