//! ConversionJobs for tests.

use std::time::Duration;

use serde_json::{Value, json};

use super::Namespace;
use super::object::condition;
use super::wait::{self, STEP};

/// A ConversionJob manifest.
pub fn manifest(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "flacship.dev/v1alpha1", "kind": "ConversionJob", "metadata": { "name": name }, "spec": spec,
    })
}

/// How long a job may take on a busy machine.
const JOB: Duration = Duration::from_mins(5);

/// A podTemplate whose pods take their time, so that a run can be met in the middle without files by the gigabyte.
pub fn slow_pods() -> Value {
    json!({ "resources": { "limits": { "cpu": "100m" } } })
}

/// Waits for its end, and gives the job.
pub fn ended(namespace: &Namespace, name: &str) -> Value {
    namespace.until("has ended", &format!("cvj/{name}"), JOB, |now| {
        now["status"]["completionTime"].is_string().then(|| now.clone())
    })
}

/// Waits for a good end, and gives the job.
pub fn completed(namespace: &Namespace, name: &str) -> Value {
    let job = ended(namespace, name);
    let complete = condition(&job, "Complete").expect("it says whether it is complete");
    assert_eq!(complete.status, "True", "{}: {}", complete.reason, complete.message);
    job
}

/// Waits for a bad end for this reason, and gives the job.
pub fn failed(namespace: &Namespace, name: &str, reason: &str) -> Value {
    let job = ended(namespace, name);
    let failed = condition(&job, "Failed").expect("it says whether it has failed");
    assert_eq!((failed.status.as_str(), failed.reason.as_str()), ("True", reason), "{}", failed.message);
    job
}

/// A pod that converts.
#[derive(Clone, Debug)]
pub struct Worker {
    /// Its uid.
    pub uid: String,
    /// Its name.
    pub name: String,
}

/// The pods of the namespace that convert now, once the kubelet has told of so many.
pub fn workers(namespace: &Namespace, at_least: usize) -> Vec<Worker> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let read = |pod: &Value| Worker { uid: text(&pod["metadata"]["uid"]), name: text(&pod["metadata"]["name"]) };
    wait::until(&format!("{at_least} pods convert"), STEP, || {
        let pods = namespace.list_chosen("pods", "app.kubernetes.io/component=convert");
        let running = pods.iter().filter(|pod| pod["status"]["phase"] == "Running");
        let running: Vec<Worker> = running.map(read).collect();
        if running.len() >= at_least { Ok(running) } else { Err(format!("{running:?}")) }
    })
}
