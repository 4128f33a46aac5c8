//! The controller of AudioConverters.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::admin::Ready;
use crate::context::Context;

/// Runs the controller until `shutdown`.
pub async fn run(_ctx: Arc<Context>, ready: Ready, shutdown: CancellationToken) {
    ready.mark();
    shutdown.cancelled().await;
}
