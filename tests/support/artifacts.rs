//! What is left for whoever looks into a failure: files under `artifacts/<test>/`.

use std::fs;
use std::path::{Path, PathBuf};

/// The checkout's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the checkout").to_path_buf()
}

/// A file of the running test, in a folder that exists.
pub fn file(name: &str) -> PathBuf {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("e2e").replace("::", "-");
    let folder = root().join("artifacts").join(test);
    fs::create_dir_all(&folder).expect("create the folder for artifacts");
    folder.join(name)
}
