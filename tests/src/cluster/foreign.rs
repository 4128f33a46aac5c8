//! CustomResourceDefinitions of other projects, as those publish them: tests install them and take them away.
//!
//! They come from the projects' Go modules, whose sums are pinned; the files that are used lie in the same cache as the
//! cluster's programs, so that a test inside the cluster's network needs no other.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::{binaries, files, lock};

const GO_MOD: &str = include_str!("../../cluster/crds/go.mod");
const GO_SUM: &str = include_str!("../../cluster/crds/go.sum");

/// A CustomResourceDefinition of another project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// `httproutes.gateway.networking.k8s.io`.
    HttpRoutes,
    /// `servicemonitors.monitoring.coreos.com`.
    ServiceMonitors,
}

impl Foreign {
    /// All that there are.
    pub const ALL: [Self; 2] = [Self::HttpRoutes, Self::ServiceMonitors];

    /// The definition's name in a cluster.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HttpRoutes => "httproutes.gateway.networking.k8s.io",
            Self::ServiceMonitors => "servicemonitors.monitoring.coreos.com",
        }
    }

    const fn module(self) -> &'static str {
        match self {
            Self::HttpRoutes => "sigs.k8s.io/gateway-api",
            Self::ServiceMonitors => "github.com/prometheus-operator/prometheus-operator",
        }
    }

    /// The file in its module.
    const fn source(self) -> &'static str {
        match self {
            Self::HttpRoutes => "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",
            Self::ServiceMonitors => "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
        }
    }

    /// Its file in the cache, fetched if it is not there.
    ///
    /// # Errors
    /// If Go is missing or the module cannot be fetched.
    pub fn manifest(self) -> Result<PathBuf> {
        Ok(ensure_fetched()?.join(self.name()))
    }
}

/// What `go mod download -json` says of a module.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Downloaded {
    path: String,
    dir: PathBuf,
}

/// Fetches what is not in the cache; gives the folder with all definitions.
///
/// # Errors
/// If Go is missing or a module cannot be fetched.
pub fn ensure_fetched() -> Result<PathBuf> {
    let cache = binaries::cache_dir()?;
    let sources = Foreign::ALL.map(Foreign::source).join("\n");
    let folder = cache.join(binaries::key(&[GO_MOD, GO_SUM, &sources]));
    if folder.is_dir() {
        return Ok(folder);
    }
    files::folder(&cache)?;
    let _one_at_a_time = lock::lock(&cache.join("foreign.lock"))?;
    if !folder.is_dir() {
        fetch(&cache.join("fetching"), &folder)?;
    }
    Ok(folder)
}

fn fetch(work: &Path, folder: &Path) -> Result<()> {
    if work.exists() {
        std::fs::remove_dir_all(work).context("remove what a killed fetch left")?;
    }
    let (source, output) = (work.join("source"), work.join("output"));
    files::write(&source.join("go.mod"), GO_MOD)?;
    files::write(&source.join("go.sum"), GO_SUM)?;
    files::folder(&output)?;
    let downloaded = Command::new("go")
        .args(["mod", "download", "-json"])
        .args(Foreign::ALL.map(Foreign::module))
        .current_dir(&source)
        .stdin(Stdio::null())
        .output()
        .context("run `go mod download`")?;
    let said = String::from_utf8_lossy(&downloaded.stderr);
    ensure!(downloaded.status.success(), "`go mod download` failed: {said}");
    let modules: Vec<Downloaded> = serde_json::Deserializer::from_slice(&downloaded.stdout)
        .into_iter()
        .collect::<Result<_, _>>()
        .context("read what `go mod download` says")?;
    for foreign in Foreign::ALL {
        let module = modules.iter().find(|module| module.path == foreign.module());
        let file = module.with_context(|| format!("no {}", foreign.module()))?.dir.join(foreign.source());
        let text = std::fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
        files::write(&output.join(foreign.name()), &text)?;
    }
    std::fs::rename(&output, folder).with_context(|| format!("move the files to {}", folder.display()))?;
    std::fs::remove_dir_all(work).context("remove the folder of the fetch")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_is_pinned_with_its_sum() {
        for foreign in Foreign::ALL {
            let line = GO_MOD.lines().find(|line| line.trim().starts_with(foreign.module()));
            let version = line.and_then(|line| line.split_whitespace().nth(1)).unwrap_or_default();
            assert!(version.starts_with('v'), "{}", foreign.module());
            assert!(GO_SUM.contains(&format!("{} {version} h1:", foreign.module())), "{}", foreign.module());
        }
    }
}
