//! The command line of the operator.

use std::process::ExitCode;

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
async fn main() -> ExitCode {
    let Cli { command: Command::Run(args) } = Cli::parse();
    match run::run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The message holds its causes already.
            eprintln!("operator: {error}");
            ExitCode::FAILURE
        }
    }
}
