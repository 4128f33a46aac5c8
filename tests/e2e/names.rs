//! Names at the edge of what Kubernetes admits: a child's stricter limit is never an error.

use serde_json::{Value, json};

use crate::harness::object::{owner_uids, uid};
use crate::harness::pods::small_pods;
use crate::harness::wait::STEP;
use crate::harness::{Namespace, converter, operator};

/// Every kind that a name reaches without other people's CRDs.
const KINDS: &str = "deployments,services,serviceaccounts,secrets,hpa,poddisruptionbudgets,networkpolicies,ingresses";
/// The children that the converters of this test have, one of each kind.
const CHILDREN: [&str; 8] = [
    "Deployment",
    "HorizontalPodAutoscaler",
    "Ingress",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "Secret",
    "Service",
    "ServiceAccount",
];

/// Names with a dot and a digit first, as long as a label may be, longer by one, and as long as any name may be.
fn names() -> [String; 4] {
    let long = format!("{}archive.{}", "archive-".repeat(23), "tape.9".repeat(20));
    let names = ["9.studio".to_owned(), "b".repeat(63), format!("{}-a", "c".repeat(62)), long[..253].to_owned()];
    assert_eq!(names.each_ref().map(String::len), [8, 63, 64, 253]);
    names
}

#[test]
fn long_and_dotted_names_work() {
    let namespace = Namespace::restricted("names");
    let names = names();
    for (number, name) in names.iter().enumerate() {
        let spec = json!({
            "autoscaling": { "minReplicas": 1, "maxReplicas": 2, "cpu": { "averageUtilization": 90 } },
            "disruptionBudget": {},
            "networkPolicy": {},
            "ingress": { "host": format!("{number}.example"), "className": "none-here" },
            "podTemplate": small_pods(),
        });
        namespace.apply(&converter::manifest(name, &spec));
    }
    for name in &names {
        println!("{} characters", name.len());
        namespace.wait_for(&format!("acv/{name}"), "condition=Ready", STEP);
        converter::until_well(&namespace, name);
    }
    let objects = namespace.list(KINDS);
    let events = namespace.list("events.events.k8s.io");
    for name in &names {
        let owner = uid(&namespace.get(&format!("acv/{name}")));
        let mut children: Vec<&Value> =
            objects.iter().filter(|object| owner_uids(object) == [owner.as_str()]).collect();
        children.sort_by_key(|child| child["kind"].to_string());
        let kinds: Vec<&str> = children.iter().filter_map(|child| child["kind"].as_str()).collect();
        assert_eq!(kinds, CHILDREN, "the children of {name}");
        let made = events.iter().find(|event| {
            event["reason"] == "Created"
                && event["regarding"]["name"] == name.as_str()
                && event["reportingController"] == operator::NAME
        });
        assert!(made.is_some(), "no Event says what was made for {name}: {events:#?}");
        // Who leads to whom: by names, of which some had to be shortened.
        let [deployment, hpa, ingress, _, _, _, service, _] = children[..] else { unreachable!("as many as kinds") };
        assert_eq!(hpa["spec"]["scaleTargetRef"]["name"], name.as_str());
        let path = &ingress["spec"]["rules"][0]["http"]["paths"][0];
        assert_eq!(path["backend"]["service"]["name"], service["metadata"]["name"]);
        assert_eq!(service["spec"]["selector"], deployment["spec"]["selector"]["matchLabels"]);
    }
    let owned = objects.iter().filter(|object| !owner_uids(object).is_empty()).count();
    assert_eq!(owned, names.len() * CHILDREN.len(), "no two names have met");
}
