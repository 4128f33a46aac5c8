//! The long-running service: page, `POST /convert`, live streams, admin port.

/// Settings of `converter serve`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Why the service could not start or had to end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This build has no service.
    #[error("this build has no service")]
    Missing,
}

/// Runs the service until it is told to stop.
#[allow(clippy::unused_async)]
pub async fn run(_args: Args) -> Result<(), Error> {
    Err(Error::Missing)
}
