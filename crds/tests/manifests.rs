//! The CRDs as files: up to date, small enough, and explained field by field.

#![allow(clippy::expect_used)]

use std::path::Path;

use crds::manifest;
use serde_json::Value;

fn schema_of(crd: &Value) -> &Value {
    &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
}

fn as_json() -> Vec<Value> {
    manifest::all().iter().map(|crd| serde_json::to_value(crd).expect("a CRD is JSON")).collect()
}

#[test]
fn config_crd_is_what_the_types_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/crd");
    for (name, wanted) in manifest::files().expect("the CRDs are YAML") {
        let found = std::fs::read_to_string(folder.join(&name)).unwrap_or_default();
        assert!(found == wanted, "config/crd/{name} is out of date: run `make generate`");
    }
}

#[test]
fn each_crd_stays_below_200_kib() {
    for crd in as_json() {
        let size = crd.to_string().len();
        assert!(size < 200 * 1024, "{}: {size} bytes", crd["metadata"]["name"]);
    }
}

/// Fields of ours that no description explains. What lies below a field without described children is Kubernetes' own.
fn unexplained(path: &str, schema: &Value, missing: &mut Vec<String>) {
    let Some(properties) = schema["properties"].as_object() else { return };
    for (name, property) in properties {
        let path = format!("{path}.{name}");
        if property["description"].as_str().is_none_or(str::is_empty) {
            missing.push(path.clone());
        }
        let inner = if property["type"] == "array" { &property["items"] } else { property };
        let ours =
            inner["properties"].as_object().is_some_and(|all| all.values().any(|p| p["description"].is_string()));
        if ours {
            unexplained(&path, inner, missing);
        }
    }
}

#[test]
fn every_field_of_ours_is_explained() {
    for crd in as_json() {
        let mut missing = Vec::new();
        for part in ["spec", "status"] {
            unexplained(part, &schema_of(&crd)["properties"][part], &mut missing);
        }
        assert!(missing.is_empty(), "{}: {missing:?}", crd["metadata"]["name"]);
    }
}

#[test]
fn conditions_are_lists_that_merge_by_type() {
    for crd in as_json() {
        let conditions = &schema_of(&crd)["properties"]["status"]["properties"]["conditions"];
        assert_eq!(conditions["x-kubernetes-list-type"], "map");
        assert_eq!(conditions["x-kubernetes-list-map-keys"], serde_json::json!(["type"]));
    }
}

#[test]
fn names_columns_and_scale_are_there() {
    let crds = as_json();
    let (converter, job) = (&crds[0], &crds[1]);
    let columns = |crd: &Value| -> Vec<String> {
        let columns = crd["spec"]["versions"][0]["additionalPrinterColumns"].as_array().expect("columns");
        columns.iter().map(|c| c["name"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(converter["spec"]["names"]["shortNames"][0], "acv");
    assert_eq!(job["spec"]["names"]["shortNames"][0], "cvj");
    for crd in &crds {
        assert_eq!(crd["spec"]["names"]["categories"][0], "flacship");
    }
    assert_eq!(
        columns(converter),
        ["Ready", "Replicas", "Streams", "Endpoint", "Age", "Desired", "Draining", "Image", "Reason"]
    );
    assert_eq!(columns(job), ["Stage", "Progress", "Failed", "Ratio", "Age", "Throughput", "Complete", "Report"]);
    assert_eq!(
        job["spec"]["versions"][0]["selectableFields"],
        serde_json::json!([{"jsonPath": ".spec.converterRef.name"}])
    );
    let scale = &converter["spec"]["versions"][0]["subresources"]["scale"];
    assert_eq!(scale["specReplicasPath"], ".spec.replicas");
    assert_eq!(scale["statusReplicasPath"], ".status.replicas");
    assert_eq!(scale["labelSelectorPath"], ".status.selector");
}
