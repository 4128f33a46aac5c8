//! Builds the cluster's programs from their published Go modules, once for each set of pins.
//!
//! Two `go.mod` files, because the tools' versions of the Kubernetes libraries do not fit those of Kubernetes
//! itself. A finished build is a folder named after the hash of all that goes into it; it is made next to its final
//! place and renamed, so a folder that is there is whole.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use sha2::{Digest, Sha256};

use super::progress::Progress;
use super::{KUBERNETES_VERSION, files, foreign, lock};

/// A Go module of `tool` lines, and what comes of it.
struct Module {
    name: &'static str,
    go_mod: &'static str,
    go_sum: &'static str,
    /// As Go names the program, and as it is called here.
    programs: &'static [(&'static str, &'static str)],
}

const KUBERNETES: Module = Module {
    name: "Kubernetes and etcd",
    go_mod: include_str!("../../cluster/go.mod"),
    go_sum: include_str!("../../cluster/go.sum"),
    programs: &[
        ("server", "etcd"),
        ("kube-apiserver", "kube-apiserver"),
        ("kube-controller-manager", "kube-controller-manager"),
        ("kube-scheduler", "kube-scheduler"),
        ("kube-proxy", "kube-proxy"),
        ("kubelet", "kubelet"),
        ("kubectl", "kubectl"),
    ],
};

const TOOLS: Module = Module {
    name: "CoreDNS and metrics-server",
    go_mod: include_str!("../../cluster/tools/go.mod"),
    go_sum: include_str!("../../cluster/tools/go.sum"),
    programs: &[("coredns", "coredns"), ("metrics-server", "metrics-server")],
};

/// Folders with the built programs.
#[derive(Clone, Debug)]
pub struct Binaries {
    kubernetes: PathBuf,
    tools: PathBuf,
}

impl Binaries {
    /// Path of a program of Kubernetes, or `etcd`.
    pub(super) fn kubernetes(&self, program: &str) -> String {
        self.kubernetes.join(program).display().to_string()
    }

    /// Path of `coredns` or `metrics-server`.
    pub(super) fn tool(&self, program: &str) -> PathBuf {
        self.tools.join(program)
    }

    /// All programs.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'static str, PathBuf)> + '_ {
        let kubernetes = KUBERNETES.programs.iter().map(|(_, name)| (*name, self.kubernetes.join(name)));
        kubernetes.chain(TOOLS.programs.iter().map(|(_, name)| (*name, self.tools.join(name))))
    }
}

/// Builds what is not in the cache: minutes at first, nothing later.
///
/// # Errors
/// If Go is missing or the build fails.
pub fn ensure_built(progress: &Progress) -> Result<Binaries> {
    let go = go_version()?;
    // Not needed to run: but what tests inside the cluster's network need is best fetched outside.
    foreign::ensure_fetched()?;
    Ok(Binaries {
        kubernetes: ensure_module(&KUBERNETES, &go, progress)?,
        tools: ensure_module(&TOOLS, &go, progress)?,
    })
}

fn ensure_module(module: &Module, go: &str, progress: &Progress) -> Result<PathBuf> {
    let cache = cache_dir()?;
    let folder = cache.join(key(&[module.go_mod, module.go_sum, &ldflags(), go]));
    if folder.is_dir() {
        return Ok(folder);
    }
    files::folder(&cache)?;
    let _one_build_at_a_time = lock::lock(&cache.join("build.lock"))?;
    if folder.is_dir() {
        return Ok(folder);
    }
    progress.step(format!("building {} with {go}: some minutes, this once", module.name));
    build(module, &folder)?;
    progress.step(format!("built {} into {}", module.name, folder.display()));
    Ok(folder)
}

fn build(module: &Module, folder: &Path) -> Result<()> {
    let parent = folder.parent().context("the cache folder has a parent")?;
    let work = parent.join("building");
    if work.exists() {
        std::fs::remove_dir_all(&work).context("remove what a killed build left")?;
    }
    let (source, output) = (work.join("source"), work.join("output"));
    files::write(&source.join("go.mod"), module.go_mod)?;
    files::write(&source.join("go.sum"), module.go_sum)?;
    files::folder(&output)?;
    // By way of our own `bound`: a killed `up` takes the compiler with it.
    let status = Command::new("/proc/self/exe")
        .args(["bound", "--", "go", "build", "-ldflags", &ldflags(), "-o"])
        .arg(&output)
        .arg("tool")
        .current_dir(&source)
        .env("CGO_ENABLED", "0")
        .stdin(Stdio::null())
        .status()
        .context("run `go build`")?;
    ensure!(status.success(), "`go build` of {} failed; its messages are above", module.name);
    for (built, name) in module.programs {
        if built != name {
            std::fs::rename(output.join(built), output.join(name)).with_context(|| format!("rename {built}"))?;
        }
    }
    std::fs::rename(&output, folder).with_context(|| format!("move the build to {}", folder.display()))?;
    std::fs::remove_dir_all(&work).context("remove the build's source")
}

/// Becomes `argv`, tied to the life of the process that started it: hidden subcommand `cluster bound`.
///
/// # Errors
/// Returns only if the program cannot be run.
pub fn run_bound(argv: &[String]) -> Result<()> {
    use std::os::unix::process::CommandExt as _;
    let parent = nix::unistd::getppid();
    // An interrupt, as from a terminal: `go` then ends its compilers too.
    nix::sys::prctl::set_pdeathsig(Signal::SIGINT)?;
    ensure!(parent == nix::unistd::getppid(), "the parent has ended");
    let (program, arguments) = argv.split_first().context("no program given")?;
    Err(Command::new(program).args(arguments).exec()).with_context(|| format!("run {program}"))
}

/// All components say this version; Kubernetes' own build scripts set the same variables.
fn ldflags() -> String {
    let version = KUBERNETES_VERSION.trim_start_matches('v');
    let mut parts = version.split('.');
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mut flags = String::from("-s -w");
    for package in ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"] {
        for (variable, value) in [("gitVersion", KUBERNETES_VERSION), ("gitMajor", major), ("gitMinor", minor)] {
            // Writing to a String cannot fail.
            let _ = write!(flags, " -X {package}.{variable}={value}");
        }
    }
    flags
}

fn go_version() -> Result<String> {
    let output = Command::new("go")
        .args(["env", "GOVERSION", "GOARCH"])
        .output()
        .context("run `go`: Go 1.26 or later is needed to build Kubernetes")?;
    ensure!(output.status.success(), "`go env` failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" "))
}

pub(super) fn cache_dir() -> Result<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME is set")?;
    Ok(base.join("flacship/cluster"))
}

/// Each part goes in with its length, so that parts cannot run into each other.
pub(super) fn key(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    crate::oci::hex(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pins_say_the_version_that_the_code_names() {
        let line = format!("k8s.io/kubernetes {KUBERNETES_VERSION}");
        assert!(KUBERNETES.go_mod.contains(&line), "{line}");
        assert!(ldflags().contains("-X k8s.io/client-go/pkg/version.gitVersion=v1.35.4"));
        assert!(ldflags().contains("-X k8s.io/component-base/version.gitMinor=35"));
    }

    #[test]
    fn the_key_changes_with_every_part() {
        assert_eq!(key(&["a", "b"]), key(&["a", "b"]));
        assert_ne!(key(&["a", "b"]), key(&["ab", ""]));
        assert_ne!(key(&["a", "b"]), key(&["a", "c"]));
    }

    #[test]
    fn every_program_has_a_tool_line() {
        for module in [KUBERNETES, TOOLS] {
            for (built, _) in module.programs {
                let found = module.go_mod.lines().any(|line| {
                    line.trim().trim_start_matches("tool ").trim_end_matches("/v3").ends_with(&format!("/{built}"))
                });
                assert!(found, "{built}");
            }
        }
    }
}
