//! The rights of `config/rbac` are those that the operator uses: none is missing, none is left over.
//!
//! What it used stands in the apiserver's audit log, which `make e2e` looks at after all other tests: whatever they made
//! the operator do counts, in the cluster's pod or as a process of a test's own.

use std::fs;

use serde_json::Value;

use crate::harness::control_plane;
use crate::harness::identity::shipped_roles;
use crate::harness::json_lines;
use crate::harness::operator::NAMESPACE;
use e2e::proxy::Request;
use e2e::proxy::rights::{self, Rights};

/// When the other tests began, as the audit log writes times.
const BEGAN: &str = "FLACSHIP_E2E_BEGAN";

/// The audit log's events of the operator's ServiceAccounts since the tests began.
fn events() -> Vec<Value> {
    let began =
        std::env::var(BEGAN).unwrap_or_else(|_| panic!("{BEGAN}: `make e2e` sets it, once all other tests have run"));
    let user = format!("system:serviceaccount:{NAMESPACE}:");
    let mut events = Vec::new();
    let text = fs::read_to_string(control_plane::audit_log()).expect("read the audit log: `make up` has it kept");
    for event in json_lines(&text) {
        let ours = event["user"]["username"].as_str().is_some_and(|name| name.starts_with(&user));
        if ours && event["requestReceivedTimestamp"].as_str().is_some_and(|time| time >= began.as_str()) {
            events.push(event);
        }
    }
    assert!(!events.is_empty(), "the audit log knows nothing of the operator since {began}");
    events
}

#[test]
fn the_operator_has_the_rights_that_it_uses_and_no_others() {
    let events = events();
    let granted: Rights = shipped_roles()
        .iter()
        .flat_map(|(role, _)| rights::granted(&role["rules"]).expect("the shipped roles are exact"))
        .collect();
    let requests: Vec<(Request, u16)> = events.iter().filter_map(rights::of_audit_event).collect();

    let refused = requests.iter().filter(|(_, code)| *code == 403);
    let lacking: Rights = refused.flat_map(|(request, _)| rights::lacking(request, &granted)).collect();
    assert!(lacking.is_empty(), "config/rbac lacks rights: {:#?}", rights::lines(&lacking));

    // An answer of another kind, as 404 for what is not there, shows no need of the right.
    let done = requests.iter().filter(|(_, code)| (200..300).contains(code));
    let used: Rights = done.flat_map(|(request, code)| rights::used(request, *code)).collect();
    println!("{} requests used {} of {} rights", events.len(), used.intersection(&granted).count(), granted.len());
    let left = rights::lines(granted.difference(&used));
    assert!(left.is_empty(), "config/rbac grants what no test made the operator use: {left:#?}");
}
