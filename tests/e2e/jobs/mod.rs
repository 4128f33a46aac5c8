//! ConversionJobs on real volumes: many files and bad ones, what a person may do to a run, where files come from and go to,
//! and what happens to batch runs at night.

mod faults;
mod life;
mod many;
#[cfg(feature = "overhead")]
mod overhead;
mod places;

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::Namespace;
use crate::harness::job::manifest;
use crate::harness::object::condition;

/// How long a job may take on a busy machine.
const JOB: Duration = Duration::from_mins(5);

/// A podTemplate whose pods take their time, so that a run can be met in the middle without files by the gigabyte.
fn slow_pods() -> Value {
    json!({ "resources": { "limits": { "cpu": "100m" } } })
}

/// Waits for its end, and gives the job.
fn ended(namespace: &Namespace, name: &str) -> Value {
    namespace.until("has ended", &format!("cvj/{name}"), JOB, |now| {
        now["status"]["completionTime"].is_string().then(|| now.clone())
    })
}

/// Waits for a good end, and gives the job.
fn completed(namespace: &Namespace, name: &str) -> Value {
    let job = ended(namespace, name);
    let complete = condition(&job, "Complete").expect("it says whether it is complete");
    assert_eq!(complete.status, "True", "{}: {}", complete.reason, complete.message);
    job
}

/// Waits for a bad end for this reason, and gives the job.
fn failed(namespace: &Namespace, name: &str, reason: &str) -> Value {
    let job = ended(namespace, name);
    let failed = condition(&job, "Failed").expect("it says whether it has failed");
    assert_eq!((failed.status.as_str(), failed.reason.as_str()), ("True", reason), "{}", failed.message);
    job
}
