//! An AudioConverter to talk to, reached as users reach it: through its NodePort.

use std::time::Duration;

use serde_json::{Value, json};

use super::object::{condition_is, is_observed};
use super::wait::{self, STEP};
use super::{Namespace, kubectl};

/// An AudioConverter manifest.
pub fn manifest(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "flacship.dev/v1alpha1",
        "kind": "AudioConverter",
        "metadata": { "name": name },
        "spec": spec,
    })
}

/// Applies an AudioConverter and waits until it is Ready.
pub fn ready(namespace: &Namespace, name: &str, spec: &Value) {
    namespace.apply(&manifest(name, spec));
    namespace.wait_for(&format!("acv/{name}"), "condition=Ready", STEP);
}

/// [`ready`] on a NodePort; gives the base URL, without a slash at its end, once it answers.
pub async fn reachable(namespace: &Namespace, name: &str, mut spec: Value) -> String {
    spec["service"] = json!({ "type": "NodePort" });
    ready(namespace, name, &spec);
    let service = namespace.get(&format!("service/{name}"));
    let port = service["spec"]["ports"][0]["nodePort"].as_u64().expect("a NodePort Service has a node port");
    let url = format!("http://{}:{port}", node().address);
    answers(&url).await;
    url
}

/// Waits until the converter answers there: kube-proxy follows a new Service a moment later.
pub async fn answers(url: &str) {
    let health = format!("{url}/healthz");
    let client = reqwest::Client::new();
    wait::until_async(&health, STEP, async || {
        let answer =
            client.get(&health).timeout(Duration::from_secs(5)).send().await.map_err(|error| error.to_string())?;
        if answer.status().is_success() { Ok(()) } else { Err(answer.status().to_string()) }
    })
    .await;
}

/// The cluster's one node.
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its address in the cluster's network.
    pub address: String,
}

/// Asks the cluster for its node.
pub fn node() -> Node {
    let text = kubectl::run_quietly(&["get", "nodes", "-o", "json"], None).unwrap();
    let nodes: Value = serde_json::from_str(&text).expect("kubectl writes JSON");
    let node = &nodes["items"][0];
    let addresses = node["status"]["addresses"].as_array().expect("a node has addresses");
    let address = addresses.iter().find(|address| address["type"] == "InternalIP").expect("an internal address");
    Node {
        name: node["metadata"]["name"].as_str().expect("a name").to_owned(),
        address: address["address"].as_str().expect("an address").to_owned(),
    }
}

/// Waits until nothing of the present spec is amiss.
pub fn until_well(namespace: &Namespace, name: &str) {
    namespace.until("is well", &format!("acv/{name}"), STEP, |now| {
        condition_is(now, "Degraded", "False", "AsExpected").filter(|_| is_observed(now))
    });
}

/// Waits until the status says this endpoint of the present spec.
pub fn until_at(namespace: &Namespace, name: &str, endpoint: &str) {
    namespace.until(&format!("is reached at {endpoint}"), &format!("acv/{name}"), STEP, |now| {
        (is_observed(now) && now["status"]["endpoint"] == endpoint).then_some(())
    });
}

/// A file of `config/samples`.
pub fn sample(name: &str) -> String {
    super::root().join("config/samples").join(name).display().to_string()
}
