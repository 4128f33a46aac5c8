//! Waiting for something to become true, with a deadline that only a failure meets.

use std::fmt::Display;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long one step of the cluster (a pod that starts, a child that is healed) may take on a busy machine.
pub const STEP: Duration = Duration::from_mins(2);

const PAUSE: Duration = Duration::from_millis(200);

/// Calls `attempt` until it gives a value, and panics with what it last said at the deadline.
pub fn until<T, E: Display>(what: &str, deadline: Duration, mut attempt: impl FnMut() -> Result<T, E>) -> T {
    let start = Instant::now();
    loop {
        match attempt() {
            Ok(value) => {
                println!("{what}: after {:.1} s", start.elapsed().as_secs_f64());
                return value;
            }
            Err(state) => assert!(start.elapsed() < deadline, "{what}: not within {deadline:?}; last seen: {state}"),
        }
        std::thread::sleep(PAUSE);
    }
}

/// [`until`] for attempts that are asynchronous.
pub async fn until_async<T, E: Display>(
    what: &str,
    deadline: Duration,
    mut attempt: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let start = Instant::now();
    loop {
        match attempt().await {
            Ok(value) => {
                println!("{what}: after {:.1} s", start.elapsed().as_secs_f64());
                return value;
            }
            Err(state) => assert!(start.elapsed() < deadline, "{what}: not within {deadline:?}; last seen: {state}"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What of an object helps to see why it is not as awaited: its spec and status, without what the server adds.
pub fn brief(object: &Value) -> String {
    serde_json::json!({ "spec": object["spec"], "status": object["status"] }).to_string()
}
