//! Children changed and deleted by somebody else, one after the other. How soon each was healed is in the audit log.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use http::{Method, StatusCode};
use kube::Client;
use serde_json::{Value, json};

use crate::plane::{NAMESPACE, Plane, converter_name, request};

/// How many children are changed or deleted.
const CHANGES: usize = 50;
/// How often one looks whether a child is healed.
const STEP: Duration = Duration::from_millis(20);
/// Longest time until then.
const PATIENCE: Duration = Duration::from_secs(30);

/// Does harm to children all over `count` converters, half of it edits and half deletions, and each only when the one
/// before is healed.
pub async fn disturb(plane: &Plane, count: usize) -> Result<()> {
    let client = plane.client().await?;
    for number in 0..CHANGES {
        let name = converter_name(number * count / CHANGES);
        if number % 2 == 0 {
            edit_deployment(&client, &name).await?;
        } else {
            delete_service(&client, &name).await?;
        }
    }
    Ok(())
}

async fn edit_deployment(client: &Client, name: &str) -> Result<()> {
    let path = format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{name}");
    let account = |deployment: &Value| deployment["spec"]["template"]["spec"]["serviceAccountName"].clone();
    let before = account(&read(client, &path).await?);
    let edit = json!({ "spec": { "template": { "spec": { "serviceAccountName": "default" } } } });
    client.request_text(request(Method::PATCH, &path, "application/merge-patch+json", edit.to_string())?).await?;
    until(client, &path, |deployment| account(deployment) == before).await
}

async fn delete_service(client: &Client, name: &str) -> Result<()> {
    let path = format!("/api/v1/namespaces/{NAMESPACE}/services/{name}");
    let uid = |service: &Value| service["metadata"]["uid"].clone();
    let before = uid(&read(client, &path).await?);
    client.request_text(request(Method::DELETE, &path, "application/json", String::new())?).await?;
    until(client, &path, |service| uid(service).is_string() && uid(service) != before).await
}

/// The object; null if it is not there.
async fn read(client: &Client, path: &str) -> Result<Value> {
    match client.request_text(request(Method::GET, path, "application/json", String::new())?).await {
        Ok(text) => Ok(serde_json::from_str(&text)?),
        Err(kube::Error::Api(status)) if status.code == StatusCode::NOT_FOUND.as_u16() => Ok(Value::Null),
        Err(error) => Err(error.into()),
    }
}

async fn until(client: &Client, path: &str, healed: impl Fn(&Value) -> bool) -> Result<()> {
    let start = Instant::now();
    while !healed(&read(client, path).await?) {
        ensure!(start.elapsed() < PATIENCE, "{path} is not healed after {} s", PATIENCE.as_secs());
        tokio::time::sleep(STEP).await;
    }
    Ok(())
}
