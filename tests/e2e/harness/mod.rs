//! What the end-to-end tests share: kubectl, namespaces, waits, watches, volumes, a converter to talk to, a browser.

use std::path::{Path, PathBuf};

pub mod archive;
pub mod artifacts;
pub mod children;
pub mod collector;
pub mod control_plane;
pub mod converter;
pub mod foreign;

pub mod identity;
pub mod job;
pub mod kubectl;
pub mod live;
pub mod namespace;
pub mod object;
pub mod operator;
pub mod pod_process;
pub mod pods;
pub mod process;
pub mod proxy;
pub mod recorder;
pub mod secure;
pub mod volume;

#[path = "../../support/mod.rs"]
#[allow(dead_code, reason = "shared with the browser tests, which use more of it")]
mod support;

pub use namespace::Namespace;
pub use support::artifacts::root;
pub use support::{browser, wait};

/// The binary that is in this program's image, which `make up` has built.
pub fn shipped(program: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"));
    target.join("dist").join(program).join(program)
}

/// The JSON lines of a file that somebody may be writing: the last counts only once it has its end.
pub fn json_lines(text: &str) -> impl Iterator<Item = serde_json::Value> {
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    whole.map(|line| serde_json::from_str(line).expect("a line is JSON"))
}
