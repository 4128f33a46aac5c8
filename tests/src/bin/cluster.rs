//! `cluster`: the local Kubernetes of this repository. A thin command line over `e2e::cluster`.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use e2e::cluster::{self, Extent, Layout, Ports, Wish, forward::Rule};

/// A real single-node Kubernetes on this machine, for development and the end-to-end tests.
///
/// Everything runs inside a network namespace of its own, below one state folder. Needs root. The first `up`
/// builds Kubernetes from source (minutes); later ones take seconds.
#[derive(Debug, Parser)]
#[command(
    name = "cluster",
    after_help = "Examples:\n  \
        cluster up                        start it, or repair it\n  \
        eval \"$(cluster kubeconfig)\"      let kubectl use it\n  \
        cluster exec -- kubectl top nodes run something inside its network\n  \
        cluster load image.tar            bring an image\n  \
        cluster down                      remove every trace of it\n\n\
        State is kept in /var/lib/flacship/cluster-NAME (FLACSHIP_STATE_DIR changes the first part), built\n\
        programs in ~/.cache/flacship/cluster (XDG_CACHE_HOME changes the first part)."
)]
struct Cli {
    /// Which cluster; several can run side by side.
    #[arg(long, global = true, env = "FLACSHIP_CLUSTER", default_value = "flacship")]
    name: String,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Start the cluster, or what of it does not run, and wait until it is ready.
    Up {
        /// Start etcd and the API server only: objects are kept, and nobody acts on them.
        #[arg(long)]
        control_plane_only: bool,
        /// Keep an audit log, logs/audit.jsonl in the state folder, as this policy says.
        #[arg(long, value_name = "FILE")]
        audit_policy: Option<PathBuf>,
    },
    /// Remove it: processes, containers, mounts, cgroups, namespace, files; restore kernel parameters.
    Down,
    /// End one process of the control plane and start it again: to see what bears it.
    Restart {
        /// etcd, kube-apiserver, kube-controller-manager or kube-scheduler.
        process: String,
    },
    /// Show what runs, with logs and addresses.
    Status,
    /// Print the address of the page on this machine.
    Url,
    /// Print the line that lets kubectl use the cluster.
    Kubeconfig,
    /// Import OCI archives into its containerd.
    Load {
        /// Archives; the annotation `io.containerd.image.name` in each names its image.
        #[arg(required = true)]
        archives: Vec<PathBuf>,
    },
    /// Run a command inside its network, with KUBECONFIG set and its kubectl first on PATH.
    Exec {
        /// The command and its arguments.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Carry loopback connections into the namespace.
    #[command(hide = true)]
    Forward {
        #[arg(long)]
        netns: PathBuf,
        rules: Vec<Rule>,
    },
    /// Write down the own pid, then become another program.
    #[command(hide = true)]
    Launch {
        #[arg(long)]
        record: PathBuf,
        #[arg(long)]
        process: String,
        #[arg(long)]
        fingerprint: String,
        #[arg(long)]
        netns: Option<PathBuf>,
        #[arg(last = true)]
        argv: Vec<String>,
    },
    /// Become another program that ends with the one that started this.
    #[command(hide = true)]
    Bound {
        #[arg(last = true)]
        argv: Vec<String>,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    let layout = cluster::layout(&cli.name)?;
    match cli.verb {
        Verb::Up { control_plane_only, audit_policy } => {
            let extent = if control_plane_only { Extent::ControlPlane } else { Extent::Whole };
            let read =
                |file: PathBuf| std::fs::read_to_string(&file).with_context(|| format!("read {}", file.display()));
            let ports = cluster::up(&layout, &Wish { extent, audit_policy: audit_policy.map(read).transpose()? })?;
            println!();
            if extent == Extent::Whole {
                println!("page:    {}", ports.page_url());
            }
            println!("kubectl: {}", export(&layout));
        }
        Verb::Down => cluster::down(&layout)?,
        Verb::Restart { process } => cluster::restart(&layout, &process)?,
        Verb::Status => print!("{}", cluster::status::table(&layout)?),
        Verb::Url => println!("{}", Ports::read(&layout)?.page_url()),
        Verb::Kubeconfig => {
            Ports::read(&layout)?;
            println!("{}", export(&layout));
        }
        Verb::Load { archives } => {
            for line in cluster::images::load(&layout, &archives)? {
                println!("{line}");
            }
        }
        Verb::Exec { command } => exec(&layout, &command)?,
        Verb::Forward { netns, rules } => cluster::forward::run(&netns, &rules)?,
        Verb::Launch { record, process, fingerprint, netns, argv } => {
            cluster::process::launch(&record, &process, &fingerprint, netns.as_deref(), &argv)?;
        }
        Verb::Bound { argv } => cluster::binaries::run_bound(&argv)?,
    }
    Ok(())
}

fn export(layout: &Layout) -> String {
    format!("export KUBECONFIG={}", layout.kubeconfig.display())
}

/// Becomes the command; returns only if it cannot be run.
fn exec(layout: &Layout, command: &[String]) -> Result<()> {
    let (program, arguments) = command.split_first().context("no command given")?;
    cluster::enter_netns(&layout.netns)?;
    let path = std::env::var("PATH").unwrap_or_default();
    // `exec` looks the program up in the PATH that the child gets.
    let error = Command::new(program)
        .args(arguments)
        .env("KUBECONFIG", &layout.kubeconfig)
        .env("KUBECACHEDIR", layout.state_dir.join("kubectl-cache"))
        .env("PATH", format!("{}:{path}", layout.bin_dir.display()))
        .exec();
    Err(error).with_context(|| format!("run {program}"))
}
