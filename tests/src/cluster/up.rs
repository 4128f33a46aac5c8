//! `cluster up`: brings the cluster from whatever state it is in to running, and does nothing twice.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::symlink;
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::before::{self, Boot};
use super::binaries::{self, Binaries};
use super::control_plane::{self, Parts};
use super::images::Names;
use super::layout::Layout;
use super::lock::Lock;
use super::ports::Ports;
use super::process::{self, Outcome, Record, Service};
use super::progress::{Progress, wait_for};
use super::{addons, cgroups, files, images, kubectl, netns, node, pki, preflight, teardown};

/// Kubeconfigs of the components, by the certificate they use.
const COMPONENTS: [&str; 5] = ["controller-manager", "scheduler", "kubelet", "kube-proxy", "metrics-server"];

/// What of a cluster to start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// How much.
    pub extent: Extent,
    /// An audit policy: what the API server writes into its audit log. None: it keeps no such log.
    pub audit_policy: Option<String>,
}

/// How much of a cluster to start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extent {
    /// All of it, up to a node that runs pods.
    #[default]
    Whole,
    /// etcd and the API server: objects are kept, and nobody acts on them.
    ControlPlane,
}

/// What [`restart`] takes: these, whose pods and containers go on without them,
const NODE: [&str; 2] = ["kubelet", "containerd"];
/// and the control plane.
const CONTROL_PLANE: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];

/// One `up` under way.
struct Up<'a> {
    parts: Parts,
    images: Names,
    lock: &'a Lock,
    progress: Progress,
}

/// Starts what is wished for and does not run, and waits until it is ready.
///
/// # Errors
/// If something is missing on the machine, or a component does not get ready; `down` cleans up after either.
pub fn up(layout: &Layout, wish: &Wish) -> Result<Ports> {
    let progress = Progress::new();
    preflight::check()?;
    let binaries = binaries::ensure_built(&progress)?;
    let lock = Lock::take(layout)?;
    teardown::finish(layout, &progress)?;
    let parts = prepare(layout, wish, binaries, &progress)?;
    let images = Names::new(&parts.binaries);
    let run = Up { parts, images, lock: &lock, progress };
    match wish.extent {
        Extent::Whole => run.start()?,
        Extent::ControlPlane => run.start_api()?,
    }
    Ok(run.parts.ports)
}

/// Ends one process of the control plane or the node, as a crash or an update of it would, and waits until all of it works
/// again.
///
/// # Errors
/// If no process of this name runs, or what it belongs to does not get ready.
pub fn restart(layout: &Layout, name: &str) -> Result<()> {
    let progress = Progress::new();
    let all = [&CONTROL_PLANE[..], &NODE].concat();
    ensure!(all.contains(&name), "{name} is none of {}", all.join(", "));
    let binaries = binaries::ensure_built(&progress)?;
    let lock = Lock::take(layout)?;
    let record = process::read(layout, name)?.filter(Record::alive);
    let record = record.with_context(|| format!("{name} does not run: start the cluster with `cluster up`"))?;
    process::stop(&record, Duration::from_secs(5))?;
    progress.step(format!("{name} stopped"));
    let wish = Wish { extent: Extent::Whole, audit_policy: audit_policy(layout)? };
    let parts = prepare(layout, &wish, binaries, &progress)?;
    let images = Names::new(&parts.binaries);
    let up = Up { parts, images, lock: &lock, progress };
    if NODE.contains(&name) { up.start() } else { up.start_control_plane() }
}

/// The policy that the last `up` was given.
fn audit_policy(layout: &Layout) -> Result<Option<String>> {
    let path = layout.state(control_plane::AUDIT_POLICY);
    Ok(if path.exists() { Some(std::fs::read_to_string(path)?) } else { None })
}

/// Everything that is there before the first process. Written down first, so that `down` finds it after any kill.
fn prepare(layout: &Layout, wish: &Wish, binaries: Binaries, progress: &Progress) -> Result<Parts> {
    files::folder(&layout.state_dir)?;
    if before::save(layout)? == Boot::New {
        // Containers of the last boot: containerd expects these folders to vanish with it.
        for folder in ["containerd/state", "containerd/runc"] {
            let _ = std::fs::remove_dir_all(layout.state(folder));
        }
    }
    for folder in ["tmp", "home", "volumes", "volume-plugins", "pod-logs", "kubelet"] {
        files::folder(&layout.state(folder))?;
    }
    link_programs(layout, &binaries)?;
    if netns::ensure(layout)? {
        progress.step(format!("network namespace {}", layout.netns.display()));
    }
    cgroups::ensure(layout)?;
    let ports = Ports::choose(layout)?;
    if let Some(remark) = ports.remark() {
        progress.step(remark);
    }
    let pki = pki::ensure(layout)?;
    files::write_secret(&layout.kubeconfig, &pki.kubeconfig("admin", ports.api)?)?;
    for component in COMPONENTS {
        let path = layout.state(&format!("kubeconfigs/{component}"));
        files::write_secret(&path, &pki.kubeconfig(component, ports.api)?)?;
    }
    let audit_policy = wish.audit_policy.clone();
    let policy_file = layout.state(control_plane::AUDIT_POLICY);
    match &audit_policy {
        Some(policy) => {
            files::folder(&layout.state("logs"))?;
            files::write(&policy_file, policy)?;
        }
        None => files::remove(&policy_file)?,
    }
    Ok(Parts { layout: layout.clone(), binaries, pki, ports, audit_policy })
}

fn link_programs(layout: &Layout, binaries: &Binaries) -> Result<()> {
    files::folder(&layout.bin_dir)?;
    for (name, target) in binaries.all() {
        let link = layout.bin_dir.join(name);
        if std::fs::read_link(&link).ok().as_ref() != Some(&target) {
            files::remove(&link)?;
            symlink(&target, &link).with_context(|| format!("link {}", link.display()))?;
        }
    }
    Ok(())
}

impl Up<'_> {
    /// Two halves side by side: the control plane, and containerd with its images.
    fn start(&self) -> Result<()> {
        let layout = &self.parts.layout;
        std::thread::scope(|scope| {
            let containers = scope.spawn(|| self.start_containerd());
            self.start_control_plane()?;
            let lease = addons::node_lease(layout);
            join(containers)?;
            let kubelet = self.ensure(&node::kubelet(&self.parts)?)?;
            let rest = scope.spawn(|| self.start_addons());
            let lease = lease.filter(|_| kubelet == Outcome::Started);
            addons::wait_for_node(layout, lease.as_deref(), &self.progress)?;
            join(rest)
        })?;
        addons::wait_for_rest(layout, &self.progress)
    }

    fn start_api(&self) -> Result<()> {
        let parts = &self.parts;
        self.ensure(&node::forward(parts)?)?;
        self.ensure(&control_plane::etcd(parts))?;
        self.ensure(&control_plane::api_server(parts))?;
        self.wait_for_api_server()
    }

    fn start_control_plane(&self) -> Result<()> {
        let parts = &self.parts;
        self.start_api()?;
        self.ensure(&control_plane::controller_manager(parts))?;
        self.ensure(&control_plane::scheduler(parts))?;
        Ok(())
    }

    fn wait_for_api_server(&self) -> Result<()> {
        let layout = &self.parts.layout;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.parts.ports.api));
        wait_for("kube-apiserver", Duration::from_secs(90), Duration::from_millis(50), || {
            process::must_run(layout, "etcd")?;
            process::must_run(layout, "kube-apiserver")?;
            // kubectl costs more than a look whether anybody listens.
            let listens = netns::inside(layout, || Ok(TcpStream::connect(address).is_ok()))?;
            Ok(listens && kubectl::run(layout, &["get", "--raw", "/readyz"], "").is_ok())
        })?;
        self.progress.step("kube-apiserver ready");
        Ok(())
    }

    fn start_containerd(&self) -> Result<()> {
        let layout = &self.parts.layout;
        self.ensure(&node::containerd(&self.parts, &self.images)?)?;
        wait_for("containerd", Duration::from_secs(30), Duration::from_millis(50), || {
            process::must_run(layout, "containerd")?;
            Ok(images::ready(layout))
        })?;
        images::ensure_pause(layout, &self.images)?;
        // Before the API server has it as a pod: a missing image is looked for again only ten seconds later.
        images::ensure_coredns(layout, &self.parts.binaries, &self.images)?;
        self.progress.step("containerd ready, with its images");
        Ok(())
    }

    fn start_addons(&self) -> Result<()> {
        self.ensure(&node::kube_proxy(&self.parts)?)?;
        addons::apply(&self.parts, &self.images)?;
        self.ensure(&node::metrics_server(&self.parts))?;
        Ok(())
    }

    fn ensure(&self, service: &Service) -> Result<Outcome> {
        let outcome = process::ensure(&self.parts.layout, self.lock, service)?;
        if outcome == Outcome::Started {
            self.progress.step(format!("{} started", service.name));
        }
        Ok(outcome)
    }
}

/// The thread's result; a panic of its goes on in the caller.
fn join(thread: ScopedJoinHandle<'_, Result<()>>) -> Result<()> {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
