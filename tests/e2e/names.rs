//! Names at the edge of what Kubernetes admits: a child's stricter limit is never an error.

use serde_json::json;

use crate::harness::wait::STEP;
use crate::harness::{Namespace, converter};

#[test]
fn long_and_dotted_names_work() {
    let namespace = Namespace::restricted("names");
    let long = format!("{}archive.{}", "archive-".repeat(23), "tape.9".repeat(9));
    for name in ["9.studio", &long] {
        println!("{} characters", name.len());
        namespace.apply(&converter::manifest(name, &json!({})));
    }
    for name in ["9.studio", &long] {
        namespace.wait_for(&format!("acv/{name}"), "condition=Ready", STEP);
    }
    let services = namespace.list("services");
    assert_eq!(services.len(), 2, "each has a Service of its own");
}
