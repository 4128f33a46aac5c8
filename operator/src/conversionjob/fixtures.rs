//! Resources and objects for tests, from as little YAML as says what matters.

use crds::conversionjob::ConversionJob;
use k8s_openapi::api::batch::v1::Job;
use serde_json::{Value, json};

use super::validate::{ValidatedJob, validate};

/// A job with odd names, so that a swapped name, instance or namespace fails a test. `spec` is YAML.
pub fn job(spec: &str) -> ConversionJob {
    named("night.shift-7", spec)
}

/// As [`job`], with a name.
pub fn named(name: &str, spec: &str) -> ConversionJob {
    let spec: Value = serde_yaml::from_str(spec).unwrap();
    serde_json::from_value(json!({
        "apiVersion": "flacship.dev/v1alpha1",
        "kind": "ConversionJob",
        "metadata": {"name": name, "namespace": "attic", "uid": "0c1d-uid", "generation": 1},
        "spec": spec,
    }))
    .unwrap()
}

/// A job that has passed its checks.
pub fn validated(spec: &str) -> ValidatedJob {
    validate(&job(spec)).unwrap()
}

/// A Job of the cluster; `yaml` holds what differs from a Job that was just made.
pub fn cluster_job(yaml: &str) -> Job {
    let mut job: Job = serde_yaml::from_str(yaml).unwrap();
    job.metadata.name.get_or_insert_with(|| "night-convert".to_owned());
    job.metadata.namespace.get_or_insert_with(|| "attic".to_owned());
    job
}
