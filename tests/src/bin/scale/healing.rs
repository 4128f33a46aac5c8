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

/// A kind of children that every converter has; they bear its name.
struct Kind {
    /// What stands before `namespaces` in their paths.
    api: &'static str,
    /// And after the namespace's name.
    plural: &'static str,
    /// Somebody's edit, as a merge patch.
    edit: Value,
    /// Where the edit shows.
    field: &'static str,
}

fn kinds() -> [Kind; 3] {
    [
        Kind {
            api: "/apis/apps/v1",
            plural: "deployments",
            edit: json!({ "spec": { "template": { "spec": { "serviceAccountName": "default" } } } }),
            field: "/spec/template/spec/serviceAccountName",
        },
        Kind {
            api: "/api/v1",
            plural: "services",
            edit: json!({ "spec": { "selector": { "app.kubernetes.io/instance": "another" } } }),
            field: "/spec/selector/app.kubernetes.io~1instance",
        },
        Kind {
            api: "/api/v1",
            plural: "serviceaccounts",
            edit: json!({ "automountServiceAccountToken": true }),
            field: "/automountServiceAccountToken",
        },
    ]
}

/// Does harm to children all over `count` converters: to each kind in turn, half of it edits and half deletions, and each
/// only when the one before is healed.
pub async fn disturb(plane: &Plane, count: usize) -> Result<()> {
    let client = plane.client().await?;
    let kinds = kinds();
    let harms = kinds.iter().flat_map(|kind| [(kind, true), (kind, false)]).cycle();
    for (number, (kind, edits)) in harms.take(CHANGES).enumerate() {
        let name = converter_name(number * count / CHANGES);
        let path = format!("{}/namespaces/{NAMESPACE}/{}/{name}", kind.api, kind.plural);
        if edits { edit(&client, &path, kind).await? } else { delete(&client, &path).await? }
    }
    Ok(())
}

async fn edit(client: &Client, path: &str, kind: &Kind) -> Result<()> {
    let before = read(client, path).await?.pointer(kind.field).cloned();
    ensure!(
        before.is_some() && before.as_ref() != kind.edit.pointer(kind.field),
        "{path} has no {} to edit",
        kind.field
    );
    client.request_text(request(Method::PATCH, path, "application/merge-patch+json", kind.edit.to_string())?).await?;
    until(client, path, |now| now.pointer(kind.field) == before.as_ref()).await
}

async fn delete(client: &Client, path: &str) -> Result<()> {
    let uid = |object: &Value| object["metadata"]["uid"].clone();
    let before = uid(&read(client, path).await?);
    client.request_text(request(Method::DELETE, path, "application/json", String::new())?).await?;
    until(client, path, |now| uid(now).is_string() && uid(now) != before).await
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
