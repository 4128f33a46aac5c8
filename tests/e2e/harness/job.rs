//! ConversionJobs for tests.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::archive::Archive;
use super::object::condition;
use super::volume::Volume;
use super::wait::{self, STEP};
use super::{Namespace, artifacts, control_plane, kubectl, operator, shipped};

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

/// The report that a job's status names, on its destination volume.
pub fn report(volume: &Volume, job: &Value) -> Value {
    let path = job["status"]["report"].as_str().expect("the status says where the report is");
    let bytes = fs::read(volume.root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_slice(&bytes).expect("a report is JSON")
}

/// What of a report is the same for every run over the same files: all but names, folders, times and what follows from them.
pub fn timeless(mut report: Value) -> Value {
    let fields = report.as_object_mut().expect("a report is an object");
    for own in
        ["title", "source", "destination", "records", "slowest", "seconds", "elapsed_seconds", "bytes_per_second"]
    {
        fields.remove(own);
    }
    fields.retain(|field, _| !field.ends_with("_at") && field != "worked_until");
    report
}

/// The report of `converter batch run`, on this machine and undisturbed, over an archive.
pub fn undisturbed(archive: &Archive, options: &[&str]) -> Value {
    let folder = tempfile::tempdir().expect("make a folder");
    let mut run = Command::new(shipped("converter"));
    let said = run.args(["batch", "run"]).args(options).arg(archive.root()).arg(folder.path()).output();
    let said = said.expect("run the converter that `make up` has built");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let mut runs = fs::read_dir(folder.path().join(".flacship")).expect("it leaves records");
    let records = runs.next().expect("of one run").expect("read a folder").path();
    let bytes = fs::read(records.join("report.json")).expect("it leaves a report");
    serde_json::from_slice(&bytes).expect("a report is JSON")
}

/// Panics unless a second passed between any two writes of the job's status, by the apiserver's audit log.
pub fn is_written_once_a_second(namespace: &Namespace, name: &str) {
    let mut writes = control_plane::status_writes(namespace.name(), "conversionjobs", name);
    writes.sort();
    let apart = writes.windows(2).map(|two| two[1].duration_since(two[0]).as_secs_f64());
    println!("{name}: {} writes of the status, {:.3?} s apart", writes.len(), apart.clone().collect::<Vec<_>>());
    assert!(writes.len() > 3, "a run has stages to tell of");
    assert!(apart.fold(f64::INFINITY, f64::min) >= 1.0, "{writes:?}");
}

/// `kubectl get cvj --watch --output wide`, left running.
pub struct Watched {
    child: Child,
    output: PathBuf,
}

impl Watched {
    /// Begins with what there is.
    pub fn begin(namespace: &Namespace) -> Self {
        let output = artifacts::file("watched");
        let child = Command::new("kubectl")
            .args(["-n", namespace.name(), "get", "cvj", "--watch", "-o", "wide"])
            .stdout(File::create(&output).expect("make a file"))
            .stdin(Stdio::null())
            .spawn()
            .expect("run kubectl");
        Self { child, output }
    }

    /// All that it has printed, once that holds what it should end with.
    pub fn once(self, what: &str, ends: impl Fn(&str) -> bool) -> String {
        wait::until(what, STEP, || {
            let text = fs::read_to_string(&self.output).expect("read what kubectl prints");
            if ends(&text) { Ok(text) } else { Err(text.lines().last().unwrap_or_default().to_owned()) }
        })
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The value of a metric of the operator that leads, by its name and labels; None if it tells of none.
pub fn metric(series: &str) -> Option<f64> {
    operator::pods().into_iter().find_map(|pod| {
        let path = format!("/api/v1/namespaces/{}/pods/{pod}:8081/proxy/metrics", operator::NAMESPACE);
        let text = kubectl::run_quietly(&["get", "--raw", &path], None).unwrap();
        text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
    })
}
