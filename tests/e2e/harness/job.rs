//! ConversionJobs for tests.

use serde_json::{Value, json};

/// A ConversionJob manifest.
pub fn manifest(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "flacship.dev/v1alpha1", "kind": "ConversionJob", "metadata": { "name": name }, "spec": spec,
    })
}
