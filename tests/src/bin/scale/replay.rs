//! The bare client: it sends what was recorded, converter by converter, and reads nothing.

use std::sync::Arc;

use anyhow::{Context, Result};
use kube::Client;
use serde_json::Value;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use crate::plane::{Plane, request};
use crate::recording::{Recording, Write};

/// Creates `count` converters at once, and, `concurrency` converters at a time, writes what was recorded for each as
/// soon as it is there.
pub async fn run(plane: &Plane, count: usize, concurrency: u16, recording: &Recording) -> Result<()> {
    let client = plane.client().await?;
    let (created, queue) = mpsc::unbounded_channel();
    let queue = Arc::new(Mutex::new(queue));
    let mut workers = JoinSet::new();
    for _ in 0..concurrency {
        workers.spawn(work(client.clone(), Arc::clone(&queue)));
    }
    plane
        .create_converters(count, |converter| {
            let writes = recording.of(converter["metadata"]["name"].as_str().unwrap_or_default()).to_vec();
            // It fails once every worker has ended: their errors are told below.
            let _ = created.send((converter, writes));
        })
        .await?;
    drop(created);
    while let Some(worker) = workers.join_next().await {
        worker??;
    }
    Ok(())
}

/// A converter as it was created, and what is to be written for it.
type Task = (Value, Vec<Write>);

async fn work(client: Client, queue: Arc<Mutex<mpsc::UnboundedReceiver<Task>>>) -> Result<()> {
    loop {
        let next = queue.lock().await.recv().await;
        let Some((converter, writes)) = next else { return Ok(()) };
        let meta = &converter["metadata"];
        let uid = meta["uid"].as_str().context("a converter without a uid")?;
        let version = meta["resourceVersion"].as_str().context("a converter without a version")?;
        for write in writes {
            let body = write.body_for(uid, version);
            let asked = request(write.method.clone(), &write.uri, write.content, body)?;
            client.request_text(asked).await.with_context(|| format!("{} {}", write.method, write.uri))?;
        }
    }
}
