//! The operator that runs in the cluster: its pods, and taking it away for a while.

use serde_json::Value;

use super::kubectl;
use super::wait::STEP;

/// Where it runs.
pub const NAMESPACE: &str = "flacship-system";
/// The name of its Deployment.
pub const NAME: &str = "flacship-operator";

/// The names of its running pods.
pub fn pods() -> Vec<String> {
    let deployment = json(&format!("-n {NAMESPACE} get deploy/{NAME} -o json"));
    let labels = deployment["spec"]["selector"]["matchLabels"].as_object().expect("a selector").iter();
    let selector: Vec<String> = labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or(""))).collect();
    let list = json(&format!("-n {NAMESPACE} get pods -l {} -o json", selector.join(",")));
    let pods = list["items"].as_array().expect("a list").iter();
    pods.filter_map(|pod| pod["metadata"]["name"].as_str().map(str::to_owned)).collect()
}

/// The image that it gives to converters and jobs which name none.
pub fn converter_image() -> String {
    let deployment = json(&format!("-n {NAMESPACE} get deploy/{NAME} -o json"));
    let env = deployment["spec"]["template"]["spec"]["containers"][0]["env"].as_array().cloned().unwrap_or_default();
    let image = env.iter().find(|entry| entry["name"] == "FLACSHIP_CONVERTER_IMAGE");
    image.and_then(|entry| entry["value"].as_str()).expect("the operator is told the converter's image").to_owned()
}

/// Deletes its pods, waits until they are gone and until others are ready.
pub fn delete_pods() {
    for pod in pods() {
        kubectl::run(&format!("-n {NAMESPACE} delete pod {pod} --wait=true"), None).unwrap();
    }
    wait_ready();
}

/// No operator, until this is dropped.
pub struct Absent(());

impl Absent {
    /// Scales the operator to zero and waits until its pods are gone.
    pub fn begin() -> Self {
        let absent = Self(());
        let before = pods();
        kubectl::run(&format!("-n {NAMESPACE} scale deploy/{NAME} --replicas=0"), None).unwrap();
        for pod in before {
            let line = format!("-n {NAMESPACE} wait pod/{pod} --for=delete --timeout={}s", STEP.as_secs());
            kubectl::run(&line, None).unwrap();
        }
        absent
    }
}

impl Drop for Absent {
    fn drop(&mut self) {
        kubectl::run(&format!("-n {NAMESPACE} scale deploy/{NAME} --replicas=1"), None);
        if !std::thread::panicking() {
            wait_ready();
        }
    }
}

fn wait_ready() {
    let line = format!("-n {NAMESPACE} rollout status deploy/{NAME} --timeout={}s", STEP.as_secs());
    kubectl::run(&line, None).unwrap();
}

fn json(line: &str) -> Value {
    let words: Vec<&str> = line.split_whitespace().collect();
    serde_json::from_str(&kubectl::run_quietly(&words, None).unwrap()).expect("kubectl writes JSON")
}
