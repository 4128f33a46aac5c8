//! Where programs write what only has to be looked at once.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use nix::sys::statvfs::statvfs;

/// A folder that is gone in the end: in memory if there is a file system for that, and room in it.
#[derive(Debug)]
pub struct Outputs(PathBuf);

impl Outputs {
    const MEMORY: &'static str = "/dev/shm";
    /// More than all programs write of the largest category.
    const ROOM: u64 = 2 << 30;

    /// A new folder; below `folder` where there is no room in memory.
    pub fn new(folder: &Path) -> anyhow::Result<Self> {
        let free = statvfs(Self::MEMORY).map_or(0, |told| told.blocks_available() * told.fragment_size());
        let place = if free > Self::ROOM { Path::new(Self::MEMORY) } else { folder };
        let folder = place.join(format!("flacship-bench-{}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self(folder))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Outputs {
    fn drop(&mut self) {
        // What cannot be removed is only in the way.
        _ = fs::remove_dir_all(&self.0);
    }
}
