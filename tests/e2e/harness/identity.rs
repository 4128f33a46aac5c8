//! Who an operator of a test's own is: a ServiceAccount with exactly the rights that `config/rbac` gives to the shipped
//! one, or `config/namespaced` to one for some namespaces, under names of the test's own.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use kube::config::{KubeConfigOptions, Kubeconfig};
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::proxy::Entry;
use super::{kubectl, operator, root};
use e2e::proxy::rights::{self, Rights};

/// The name of the shipped ServiceAccount.
const SHIPPED: &str = "flacship-operator";

/// The namespace that `config/namespaced` has as an example.
pub const EXAMPLE: &str = "recordings";

/// A ServiceAccount beside the shipped one; dropping it takes its rights with it.
pub struct Identity {
    name: String,
    /// It and its rights, as one list of manifests.
    objects: Value,
    rights: Rights,
}

impl Identity {
    /// Makes one with the rights of the shipped one.
    pub fn as_shipped() -> Self {
        Self::with(shipped_roles())
    }

    /// Makes one with the rights that `config/namespaced` gives, in each of these namespaces.
    pub fn in_namespaces(namespaces: &[&str]) -> Self {
        let folder = root().join("config/namespaced");
        let words = ["kustomize", folder.to_str().expect("the folder's path is UTF-8")];
        let text = kubectl::run_quietly(&words, None).unwrap();
        let roles = bound_roles(&documents(&text));
        assert!(roles.iter().all(|(role, _)| role["kind"] == "Role"), "no right in all namespaces");
        let (example, elsewhere): (Vec<_>, Vec<_>) =
            roles.into_iter().partition(|(role, _)| role["metadata"]["namespace"] == EXAMPLE);
        let moved = namespaces.iter().flat_map(|namespace| {
            example.iter().cloned().map(move |(mut role, mut binding)| {
                role["metadata"]["namespace"] = json!(namespace);
                binding["metadata"]["namespace"] = json!(namespace);
                (role, binding)
            })
        });
        Self::with(moved.chain(elsewhere).collect())
    }

    fn with(roles: Vec<(Value, Value)>) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let own = format!("e2e-operator-{:06x}", now.as_micros() % 0x0100_0000);
        let account = json!({ "name": own, "namespace": operator::NAMESPACE });
        let mut objects = vec![json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": account })];
        let mut rights = Rights::new();
        for (number, (mut role, mut binding)) in roles.into_iter().enumerate() {
            rights.extend(rights::granted(&role["rules"]).expect("the shipped roles are exact"));
            let name = format!("{own}-{number}");
            role["metadata"]["name"] = json!(name);
            binding["metadata"]["name"] = json!(name);
            binding["roleRef"]["name"] = json!(name);
            binding["subjects"] = json!([{ "kind": "ServiceAccount", "name": own, "namespace": operator::NAMESPACE }]);
            objects.extend([role, binding]);
        }
        assert!(!rights.is_empty(), "config/rbac grants something");
        let identity =
            Self { name: own, objects: json!({ "apiVersion": "v1", "kind": "List", "items": objects }), rights };
        kubectl::run("create -f -", Some(&identity.objects.to_string())).unwrap();
        identity
    }

    /// What it may do.
    pub fn rights(&self) -> &Rights {
        &self.rights
    }

    /// A client that asks as this identity, each request once.
    pub async fn client(&self) -> kube::Client {
        let token =
            kubectl::run_quietly(&["-n", operator::NAMESPACE, "create", "token", &self.name, "--duration=4h"], None);
        let path = std::env::var_os("KUBECONFIG").expect("`make e2e` sets KUBECONFIG");
        let text = fs::read_to_string(path).expect("read the administrator's kubeconfig");
        let mut file: Value = serde_yaml::from_str(&text).expect("a kubeconfig is YAML");
        for user in file["users"].as_array_mut().into_iter().flatten() {
            user["user"] = json!({ "token": token.stdout.trim() });
        }
        assert!(token.ok, "{}", token.stderr);
        let file = Kubeconfig::from_yaml(&file.to_string()).expect("a kubeconfig with a token");
        let mut config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
        config.default_retry = false;
        kube::Client::try_from(config).expect("a client with a token")
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        kubectl::run("delete --wait=false --ignore-not-found -f -", Some(&self.objects.to_string()));
    }
}

/// Panics if the apiserver refused any of these requests for want of a right.
pub fn nothing_was_lacking(granted: &Rights, entries: &[Entry]) {
    let refused = entries.iter().filter(|entry| entry.code == Some(403)).filter_map(|entry| entry.request.as_ref());
    let lacking: Rights = refused.flat_map(|request| rights::lacking(request, granted)).collect();
    assert!(lacking.is_empty(), "config/rbac lacks rights: {:#?}", rights::lines(&lacking));
}

/// Each role that `config/rbac` binds to the shipped ServiceAccount, and its binding.
pub fn shipped_roles() -> Vec<(Value, Value)> {
    let folder = root().join("config/rbac");
    let read = |name: &str| fs::read_to_string(folder.join(name)).expect("read a file of config/rbac");
    let list: Value = serde_yaml::from_str(&read("kustomization.yaml")).expect("a kustomization is YAML");
    let names = list["resources"].as_array().expect("a kustomization lists its files").iter().filter_map(Value::as_str);
    bound_roles(&names.flat_map(|name| documents(&read(name))).collect::<Vec<Value>>())
}

/// The documents of a YAML text.
fn documents(text: &str) -> Vec<Value> {
    let each = serde_yaml::Deserializer::from_str(text);
    each.map(|document| Value::deserialize(document).expect("the manifests are YAML")).collect()
}

/// Of these objects each role that is bound to the operator's ServiceAccount, and its binding.
fn bound_roles(objects: &[Value]) -> Vec<(Value, Value)> {
    let bound = |object: &&Value| {
        let subjects = object["subjects"].as_array().into_iter().flatten();
        subjects.clone().any(|subject| subject["kind"] == "ServiceAccount" && subject["name"] == SHIPPED)
    };
    let role = |binding: &Value| {
        let role = objects.iter().find(|object| {
            let namespace = &object["metadata"]["namespace"];
            object["kind"] == binding["roleRef"]["kind"]
                && object["metadata"]["name"] == binding["roleRef"]["name"]
                && (object["kind"] == "ClusterRole" || *namespace == binding["metadata"]["namespace"])
        });
        role.expect("a binding's role is beside it").clone()
    };
    objects.iter().filter(bound).map(|binding| (role(binding), binding.clone())).collect()
}
