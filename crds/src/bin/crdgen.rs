//! Writes the CRDs to a folder: `crdgen config/crd`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Writes the CustomResourceDefinitions of flacship.dev as YAML, one file a kind.
#[derive(Parser)]
struct Args {
    /// Folder to write to.
    folder: PathBuf,
}

fn main() -> ExitCode {
    let Args { folder } = Args::parse();
    match write(&folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("crdgen: {}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}

fn write(folder: &std::path::Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for (name, yaml) in crds::manifest::files().map_err(std::io::Error::other)? {
        std::fs::write(folder.join(name), yaml)?;
    }
    Ok(())
}
