//! The command line of the operator.

use clap::{Parser, Subcommand};
use operator::run::{self, RunArgs};

/// Flacship's Kubernetes operator: it turns AudioConverters into converter services and ConversionJobs into batch runs.
///
/// It needs the CustomResourceDefinitions of config/crd and the rights of config/rbac. Inside a cluster it uses its
/// pod's ServiceAccount; outside one, the file that KUBECONFIG names:
///
///     KUBECONFIG=~/.kube/config operator run --converter-image flacship.dev/converter:dev
#[derive(Parser)]
#[command(version, verbatim_doc_comment)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run both controllers until SIGTERM
    Run(RunArgs),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Cli { command: Command::Run(args) } = Cli::parse();
    Ok(run::run(args).await?)
}
