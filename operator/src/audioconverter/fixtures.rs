//! Specs for tests, with names that differ from those of the product, so that a swapped one fails.

use crds::AudioConverter;

use super::validate::{Surroundings, ValidatedConverter, validate};

/// The operator's default image in tests.
pub const IMAGE: &str = "registry.example/flac/converter:7";

/// The operator of tests: one that allows everything.
pub const SURROUNDINGS: Surroundings<'static> = Surroundings {
    default_image: IMAGE,
    operator_namespace: "engine-room",
    allow_service_account_name: true,
    allow_host_path: true,
};

/// The AudioConverter `reels/tape.archive-9` with this spec (YAML).
pub fn converter(spec: &str) -> AudioConverter {
    let spec: serde_json::Value = serde_yaml::from_str(spec).unwrap();
    serde_json::from_value(serde_json::json!({
        "apiVersion": "flacship.dev/v1alpha1",
        "kind": "AudioConverter",
        "metadata": {"name": "tape.archive-9", "namespace": "reels", "uid": "u-42", "generation": 3},
        "spec": spec,
    }))
    .unwrap()
}

/// The same, validated.
pub fn valid(spec: &str) -> ValidatedConverter {
    validate(&converter(spec), SURROUNDINGS).unwrap()
}
