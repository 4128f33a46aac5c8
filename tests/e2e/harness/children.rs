//! Reads all objects of a namespace that the operator has to do with: its own kinds, and those that it may make.

use std::collections::BTreeSet;

use kube::Client;
use serde_json::{Value, json};

use e2e::proxy::rights::Rights;
use e2e::state::State;

/// Kinds that it may make and that are no part of what it makes of a resource.
const ASIDE: [&str; 2] = ["events", "leases"];
/// The account that every namespace gets.
const DEFAULT_ACCOUNT: &str = "default";

/// Knows the paths of the kinds.
#[derive(Clone)]
pub struct Children {
    client: Client,
    /// The path of each kind's group and version, and its plural.
    kinds: Vec<(String, String)>,
}

impl Children {
    /// Of an operator with these rights, as far as the cluster knows the kinds.
    pub async fn of(client: &Client, rights: &Rights) -> Self {
        let wanted: BTreeSet<(&str, &str)> = rights
            .iter()
            .filter(|right| right.verb == "create" || right.kind.group == "flacship.dev")
            .map(|right| (right.kind.group.as_str(), right.kind.resource.as_str()))
            .filter(|(_, resource)| !resource.contains('/') && !ASIDE.contains(resource))
            .collect();
        let mut kinds = Vec::new();
        for (group, resource) in wanted {
            if group.is_empty() {
                kinds.push(("/api/v1".to_owned(), resource.to_owned()));
                continue;
            }
            match get(client, &format!("/apis/{group}")).await {
                Ok(found) => {
                    let version = found["preferredVersion"]["groupVersion"].as_str().expect("a group has a version");
                    kinds.push((format!("/apis/{version}"), resource.to_owned()));
                }
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => panic!("the API group {group}: {error}"),
            }
        }
        Self { client: client.clone(), kinds }
    }

    /// The objects that there are.
    pub async fn read(&self, namespace: &str) -> Result<Vec<Value>, kube::Error> {
        let mut objects = Vec::new();
        for (path, plural) in &self.kinds {
            let mut list = match get(&self.client, &format!("{path}/namespaces/{namespace}/{plural}")).await {
                // The group is there, and this kind of it is not.
                Err(kube::Error::Api(status)) if status.code == 404 => continue,
                list => list?,
            };
            // The items of a list leave out what the list says.
            let (version, kind) = (list["apiVersion"].take(), list["kind"].take());
            let kind = json!(kind.as_str().map(|kind| kind.trim_end_matches("List")));
            for mut object in list["items"].as_array_mut().map(std::mem::take).unwrap_or_default() {
                object["apiVersion"] = version.clone();
                object["kind"] = kind.clone();
                if kind != "ServiceAccount" || object["metadata"]["name"] != DEFAULT_ACCOUNT {
                    objects.push(object);
                }
            }
        }
        Ok(objects)
    }

    /// Their state.
    pub async fn state(&self, namespace: &str) -> Result<State, kube::Error> {
        Ok(State::of(namespace, &self.read(namespace).await?))
    }
}

async fn get(client: &Client, path: &str) -> Result<Value, kube::Error> {
    let request = hyper::Request::get(path).body(Vec::new()).expect("a path is a request");
    client.request(request).await
}
