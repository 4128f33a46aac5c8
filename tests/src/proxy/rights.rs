//! Which rights were granted, which were used, and how the two differ.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::request::{Kind, Request, Verb};

/// HTTP status of an object that the request made.
const CREATED: u16 = 201;

/// A right: a verb on a kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// On what.
    pub kind: Kind,
    /// What may be done.
    pub verb: String,
}

impl std::fmt::Display for Right {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} {}", self.verb, self.kind)
    }
}

/// A set of rights.
pub type Rights = BTreeSet<Right>;

/// The rights that these rules of a Role or ClusterRole grant.
///
/// # Errors
/// If a rule grants more than one can list, by a `*`.
pub fn granted(rules: &Value) -> Result<Rights, String> {
    let mut rights = Rights::new();
    for rule in rules.as_array().into_iter().flatten() {
        let words = |field: &str| -> Vec<String> {
            let list = rule[field].as_array().into_iter().flatten();
            list.filter_map(|word| word.as_str().map(str::to_owned)).collect()
        };
        let (groups, resources, verbs) = (words("apiGroups"), words("resources"), words("verbs"));
        if [&groups, &resources, &verbs].iter().any(|words| words.is_empty() || words.iter().any(|word| word == "*")) {
            return Err(format!("a rule has to name its groups, resources and verbs: {rule}"));
        }
        for group in &groups {
            for resource in &resources {
                for verb in &verbs {
                    rights.insert(Right { kind: Kind::new(group, resource), verb: verb.clone() });
                }
            }
        }
    }
    Ok(rights)
}

/// The rights that one request used, which the apiserver answered with `code`.
///
/// Server-side apply of an object that is not there is a patch that needs the right to create too.
pub fn used(request: &Request, code: u16) -> Rights {
    let right = |verb: Verb| Right { kind: request.kind.clone(), verb: verb.as_str().to_owned() };
    let mut rights = Rights::from([right(request.verb)]);
    if request.verb == Verb::Patch && code == CREATED {
        rights.insert(right(Verb::Create));
    }
    rights
}

/// The rights that a request which was forbidden may have lacked: those that it needs and that are not granted.
///
/// None are lacking where an apiserver that has just started does not know its own roles yet, or where a namespace is on
/// its way out: these answer 403, too.
pub fn lacking(request: &Request, granted: &Rights) -> Rights {
    let code = if request.kind.resource.contains('/') { 200 } else { CREATED };
    used(request, code).difference(granted).cloned().collect()
}

/// The request and the answer's status of an event of the apiserver's audit log; None for one that is about no objects.
pub fn of_audit_event(event: &Value) -> Option<(Request, u16)> {
    let object = &event["objectRef"];
    let text = |field: &str| object[field].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let resource = text("resource")?;
    let resource = text("subresource").map_or_else(|| resource.clone(), |sub| format!("{resource}/{sub}"));
    let verb = Verb::ALL.into_iter().find(|verb| event["verb"] == verb.as_str())?;
    let code = event["responseStatus"]["code"].as_u64().and_then(|code| u16::try_from(code).ok())?;
    let kind = Kind { group: text("apiGroup").unwrap_or_default(), resource };
    Some((Request { verb, kind, namespace: text("namespace"), name: text("name") }, code))
}

/// The rights as lines for people, a kind a line.
pub fn lines<'a>(rights: impl IntoIterator<Item = &'a Right>) -> Vec<String> {
    let mut kinds = BTreeMap::<&Kind, Vec<&str>>::new();
    for right in rights {
        kinds.entry(&right.kind).or_default().push(&right.verb);
    }
    kinds.into_iter().map(|(kind, verbs)| format!("{kind}: {}", verbs.join(", "))).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn rules_are_spread_out() {
        let rules = json!([
            { "apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get"] },
            { "apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "patch"] },
        ]);
        let rights = granted(&rules).unwrap();
        assert_eq!(lines(&rights), ["pods: get", "pods/log: get", "deployments.apps: get, patch"]);
        assert!(granted(&json!([{ "apiGroups": ["*"], "resources": ["pods"], "verbs": ["get"] }])).is_err());
        assert!(granted(&json!([{ "apiGroups": [""], "resources": ["pods"] }])).is_err());
    }

    #[test]
    fn an_apply_that_creates_uses_both_rights() {
        let apply = Request::read("PATCH", "/apis/apps/v1/namespaces/a/deployments/x").unwrap();
        assert_eq!(lines(&used(&apply, 200)), ["deployments.apps: patch"]);
        assert_eq!(lines(&used(&apply, 201)), ["deployments.apps: create, patch"]);
    }

    #[test]
    fn what_a_forbidden_request_lacked_is_told() {
        let rules = json!([
            { "apiGroups": ["apps"], "resources": ["deployments", "deployments/status"], "verbs": ["patch"] },
        ]);
        let granted = granted(&rules).unwrap();
        for (method, path, told) in [
            ("GET", "/apis/apps/v1/namespaces/a/deployments/x", vec!["deployments.apps: get"]),
            ("PATCH", "/apis/apps/v1/namespaces/a/deployments/x", vec!["deployments.apps: create"]),
            ("PATCH", "/apis/apps/v1/namespaces/a/deployments/x/status", vec![]),
        ] {
            assert_eq!(lines(&lacking(&Request::read(method, path).unwrap(), &granted)), told, "{method} {path}");
        }
    }

    #[test]
    fn audit_events_are_read() {
        let event = json!({
            "verb": "patch", "stage": "ResponseComplete", "responseStatus": { "code": 200 },
            "objectRef": { "apiGroup": "flacship.dev", "apiVersion": "v1alpha1", "resource": "audioconverters",
                "subresource": "status", "namespace": "studio", "name": "choir" },
        });
        let (request, code) = of_audit_event(&event).unwrap();
        assert_eq!(request.to_string(), "patch audioconverters.flacship.dev/status choir in studio");
        assert_eq!(code, 200);
        assert_eq!(of_audit_event(&json!({ "verb": "get", "requestURI": "/version" })), None);
    }
}
