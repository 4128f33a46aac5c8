//! Records every change of a kind of object in a namespace through a real watch, from a known version on.
//!
//! A value that an object had for a moment only is in the record too, which no amount of polling promises.

use futures::TryStreamExt as _;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams, WatchEvent, WatchParams};
use kube::{Client, ResourceExt as _};
use serde_json::Value;
use tokio::sync::mpsc;

use super::object;
use super::wait::STEP;

/// A watch that is running.
pub struct Recorder {
    changes: mpsc::UnboundedReceiver<Value>,
    task: tokio::task::JoinHandle<()>,
}

impl Recorder {
    /// Starts with the first change after now. `kind` is as in `apps/v1/Deployment`; the core group has no name.
    pub async fn start(client: &Client, namespace: &str, kind: &str) -> Self {
        let [group, version, kind] = kind.split('/').collect::<Vec<_>>()[..] else {
            panic!("{kind} is no group/version/kind")
        };
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let api = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &resource);
        let list = api.list(&ListParams::default()).await.expect("list before the watch");
        let version = list.metadata.resource_version.expect("lists have a version");
        let (sender, changes) = mpsc::unbounded_channel();
        Self { changes, task: tokio::spawn(watch(api, version, sender)) }
    }

    /// The object of each change up to and with the one that gave an object this version, which must be in the past.
    pub async fn up_to(&mut self, version: &str) -> Vec<Value> {
        let mut seen = Vec::new();
        let arrived = tokio::time::timeout(STEP, async {
            while let Some(changed) = self.changes.recv().await {
                let last = object::version(&changed) == version;
                seen.push(changed);
                if last {
                    return true;
                }
            }
            false
        });
        match arrived.await {
            Ok(true) => seen,
            Ok(false) => panic!("the watch ended before version {version}"),
            Err(error) => {
                panic!("{error}: version {version} did not come within {STEP:?}; {} changes came", seen.len())
            }
        }
    }
}

/// Sends every change after `version`; panics, which ends the channel, rather than miss one.
async fn watch(api: Api<DynamicObject>, mut version: String, sender: mpsc::UnboundedSender<Value>) {
    // The server ends a watch after the time-out; the next goes on from the last version seen.
    loop {
        let events = api.watch(&WatchParams::default().timeout(240), &version).await.expect("watch");
        let mut events = std::pin::pin!(events);
        while let Some(event) = events.try_next().await.expect("a watch without a gap") {
            let changed = match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) | WatchEvent::Deleted(object) => object,
                WatchEvent::Bookmark(bookmark) => {
                    version = bookmark.metadata.resource_version;
                    continue;
                }
                WatchEvent::Error(status) => panic!("the watch lost changes: {status:?}"),
            };
            version = changed.resource_version().expect("objects of the server have a version");
            if sender.send(serde_json::to_value(changed).expect("objects are JSON")).is_err() {
                return;
            }
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}
