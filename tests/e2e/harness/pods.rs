//! The pods of a converter, how many there are and what each says of its streams.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::block_in_place;

use super::Namespace;
use super::object::condition;
use super::wait::{self, STEP};

/// A pod of the converter.
#[derive(Clone, Debug)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    ip: String,
    created: String,
    /// Whether it is ready.
    pub ready: bool,
    /// Whether it is being deleted.
    pub stopping: bool,
}

impl Pod {
    /// The address of this very pod, past the Service.
    pub fn url(&self) -> String {
        format!("http://{}:8080", self.ip)
    }
}

/// The pods, the oldest first.
pub fn pods(namespace: &Namespace) -> Vec<Pod> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let read = |pod: &Value| Pod {
        name: text(&pod["metadata"]["name"]),
        uid: text(&pod["metadata"]["uid"]),
        ip: text(&pod["status"]["podIP"]),
        created: text(&pod["metadata"]["creationTimestamp"]),
        ready: condition(pod, "Ready").is_some_and(|condition| condition.status == "True"),
        stopping: !pod["metadata"]["deletionTimestamp"].is_null(),
    };
    let mut pods: Vec<Pod> = namespace.list("pods").iter().map(read).collect();
    pods.sort_by_key(|pod| (pod.created.clone(), pod.name.clone()));
    pods
}

/// Those that are not being deleted.
pub fn staying(namespace: &Namespace) -> Vec<Pod> {
    pods(namespace).into_iter().filter(|pod| !pod.stopping).collect()
}

/// What the pod says at `/load`.
pub async fn load(pod: &Pod) -> Value {
    let url = format!("http://{}:9090/load", pod.ip);
    let answer = reqwest::Client::new().get(&url).timeout(Duration::from_secs(10)).send().await;
    let answer = answer.unwrap_or_else(|error| panic!("{}: {error}", pod.name));
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

/// How many streams the pod says that it has.
pub async fn streams(pod: &Pod) -> u64 {
    load(pod).await["streams"]["active"].as_u64().unwrap()
}

/// Waits until these pods together have so many streams.
pub async fn until_streams(pods: &[Pod], wanted: u64) {
    wait::until_async(&format!("{wanted} streams"), STEP, async || {
        let mut seen = 0;
        for pod in pods {
            seen += streams(pod).await;
        }
        if seen == wanted { Ok(()) } else { Err(format!("{seen} streams")) }
    })
    .await;
}

/// Waits until the converter wants so many pods and says that it has them, and until they are ready, which it may be late
/// to see.
pub fn until_ready(namespace: &Namespace, name: &str, count: usize) {
    block_in_place(|| {
        namespace.until(&format!("{count} pods are ready"), &format!("acv/{name}"), STEP, |now| {
            let counts = [&now["spec"]["replicas"], &now["status"]["replicas"], &now["status"]["readyReplicas"]];
            let staying = staying(namespace);
            let ready = staying.len() == count && staying.iter().all(|pod| pod.ready);
            (ready && counts.iter().all(|there| **there == count)).then_some(())
        });
    });
}

/// Waits until so many pods are left, and gives their names.
pub fn until_left(namespace: &Namespace, count: usize) -> BTreeSet<String> {
    block_in_place(|| {
        wait::until(&format!("{count} pods stay"), STEP, || {
            let stay: BTreeSet<String> = staying(namespace).into_iter().map(|pod| pod.name).collect();
            if stay.len() == count { Ok(stay) } else { Err(format!("{stay:?}")) }
        })
    })
}

/// Their names.
pub fn names<'a>(pods: impl IntoIterator<Item = &'a Pod>) -> BTreeSet<String> {
    pods.into_iter().map(|pod| pod.name.clone()).collect()
}

/// A podTemplate that leaves room for others.
pub fn small_pods() -> Value {
    json!({ "resources": { "requests": { "cpu": "20m", "memory": "32Mi" } } })
}
