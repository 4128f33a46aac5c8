//! Makes the container images as OCI archives: `images --dist target/dist --out target/images`.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Parser;

/// Makes Flacship's container images as OCI archives from what `make binaries` built, without a Docker engine.
#[derive(Parser)]
struct Args {
    /// Where the images' users, ports and entry points are written.
    #[arg(long, default_value = "Dockerfile")]
    dockerfile: PathBuf,
    /// Folder with each image's root file system.
    #[arg(long, default_value = "target/dist")]
    dist: PathBuf,
    /// Folder for the archives, and for `images.env`, which has their names for shells.
    #[arg(long, default_value = "target/images")]
    out: PathBuf,
}

fn main() -> Result<()> {
    let Args { dockerfile, dist, out } = Args::parse();
    let mut names = String::new();
    for image in e2e::images::make(&dockerfile, &dist, &out)? {
        let tenths = image.bytes.saturating_mul(10).div_ceil(1 << 20);
        println!(
            "{} = {}: {}.{} MiB, {}",
            image.local_name,
            image.content_name,
            tenths / 10,
            tenths % 10,
            image.archives[0].display()
        );
        writeln!(names, "{}_IMAGE={}", image.stage.to_uppercase(), image.content_name)?;
    }
    let file = out.join("images.env");
    std::fs::write(&file, names).with_context(|| format!("write {}", file.display()))
}
