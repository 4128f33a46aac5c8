//! What people may do with both kinds by Kubernetes' own roles `view` and `edit`, which ours are added to.

use serde_json::json;

use crate::harness::Namespace;

/// A person in a namespace, with a role of Kubernetes' own there.
struct Person<'a> {
    namespace: &'a Namespace,
    name: &'static str,
}

impl<'a> Person<'a> {
    fn with(role: &str, name: &'static str, namespace: &'a Namespace) -> Self {
        namespace.apply(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": name },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
            "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name }],
        }));
        Self { namespace, name }
    }

    /// Whether this may be done, as the apiserver says: `update audioconverters.flacship.dev --subresource=scale`.
    fn may(&self, what: &str) -> bool {
        let said = self.namespace.try_kubectl(&format!("auth can-i {what} --as={}", self.name));
        match said.stdout.trim() {
            "yes" => true,
            "no" => false,
            other => panic!("{what}: {other} {}", said.stderr),
        }
    }
}

#[test]
fn who_may_view_or_edit_a_namespace_may_view_or_edit_both_kinds() {
    let namespace = Namespace::restricted("people");
    let viewer = Person::with("view", "vera", &namespace);
    let editor = Person::with("edit", "eddie", &namespace);
    for kind in ["audioconverters.flacship.dev", "conversionjobs.flacship.dev"] {
        for verb in ["get", "list", "watch"] {
            assert!(viewer.may(&format!("{verb} {kind}")), "view: {verb} {kind}");
            assert!(editor.may(&format!("{verb} {kind}")), "edit: {verb} {kind}");
        }
        for verb in ["create", "patch", "delete"] {
            assert!(!viewer.may(&format!("{verb} {kind}")), "view: {verb} {kind}");
            assert!(editor.may(&format!("{verb} {kind}")), "edit: {verb} {kind}");
        }
        // What the operator says of them is its own.
        assert!(!editor.may(&format!("patch {kind} --subresource=status")), "edit: the status of {kind}");
    }
    let scale = "patch audioconverters.flacship.dev --subresource=scale";
    assert!(!viewer.may(scale) && editor.may(scale), "kubectl scale is for who may edit");
    // A role in one namespace is none in another.
    let elsewhere = Namespace::restricted("strangers");
    let abroad = Person { namespace: &elsewhere, ..editor };
    assert!(!abroad.may("get audioconverters.flacship.dev"));
}
