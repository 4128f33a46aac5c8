//! Writing and deleting children: server-side apply of what is ours, and never of what belongs to somebody else.

use std::fmt::Debug;

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::context::Context;
use crate::errors::{CallError, Categorised, call};
use crate::labels::MANAGER;
use crate::metrics::Verb;
use crate::{diff, fields};

/// HTTP status of an object that breaks a rule of its kind.
const INVALID: u16 = 422;
/// HTTP status of a write to an object that has changed since it was read.
const CONFLICT: u16 = 409;

/// A kind that can be a child.
pub trait Child:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Serialize
    + DeserializeOwned
    + Clone
    + Debug
    + Send
    + Sync
    + 'static
{
}

impl<K> Child for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Serialize
        + DeserializeOwned
        + Clone
        + Debug
        + Send
        + Sync
        + 'static
{
}

/// A child as it stands in the cluster after an apply.
#[derive(Clone, Debug)]
pub struct Applied<K> {
    /// The object that the apiserver holds.
    pub object: K,
    /// What was done.
    pub change: Change,
}

/// What an apply did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The child was not there.
    Created,
    /// The child was another.
    Updated,
    /// Nothing was written.
    Unchanged,
    /// The child is being deleted: nothing was written, and its end will come back as a watch event.
    Terminating,
}

/// What a deletion did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// The child was there.
    Deleted,
    /// There is none, or it is on its way out.
    Absent,
    /// An object of that name belongs to somebody else and was left alone.
    NotOurs,
}

/// Why a child is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// An object of that name is there and is not ours.
    #[error("a {kind} {name:?} exists already and {owner}: delete or rename it, or give this resource another name")]
    NameTaken {
        /// The child's kind.
        kind: String,
        /// The child's name.
        name: String,
        /// Whose it is, as a part of the sentence.
        owner: String,
    },
    /// The apiserver refused the child in a way that asking again does not change.
    #[error("the {kind} {name:?} was refused: {message}")]
    Refused {
        /// The child's kind.
        kind: String,
        /// The child's name.
        name: String,
        /// The apiserver's sentence.
        message: String,
    },
    /// A call failed in a way that may pass.
    #[error(transparent)]
    Call(#[from] CallError),
    /// An object could not be written as JSON, or the owner has no name, uid or namespace: a bug.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Categorised for ApplyError {
    fn category(&self) -> &'static str {
        match self {
            Self::NameTaken { .. } => "name_taken",
            Self::Refused { .. } => "refused",
            Self::Call(error) => error.category(),
            Self::Internal(_) => "internal",
        }
    }
}

impl ApplyError {
    /// Whether it stays until a person or another program changes something: material for a condition, not for tries
    /// in quick succession.
    pub fn needs_a_person(&self) -> bool {
        matches!(self, Self::NameTaken { .. } | Self::Refused { .. })
    }
}

/// Makes the cluster hold `desired`, a child of `owner` (which stamps its owner reference, namespace and hash).
///
/// The live object is read first: one without our owner reference is never taken over, and one that contains all of
/// `desired` is not written.
pub fn apply_child<'a, K: Child>(
    ctx: &'a Context,
    owner: &impl Resource<DynamicType = ()>,
    desired: K,
) -> BoxFuture<'a, Result<Applied<K>, ApplyError>> {
    let owner = owner_reference(owner);
    // Boxed: it holds the child by value, twice.
    async move { apply(ctx, &owner?, desired).await }.boxed()
}

async fn apply<K: Child>(ctx: &Context, owner: &Owner, desired: K) -> Result<Applied<K>, ApplyError> {
    let kind = K::kind(&()).into_owned();
    let name = desired.name_any();
    let api: Api<K> = Api::namespaced(ctx.client.clone(), &owner.namespace);
    let mut wanted = prepare(desired, owner)?;

    let live = call(format!("get {kind} {name}"), api.get_opt(&name)).await?;
    let change = match &live {
        None => {
            // Version 0 never matches an object, so the apply creates or conflicts; it cannot take over one that
            // somebody made since we looked.
            set_meta(&mut wanted, "resourceVersion", "0");
            Change::Created
        }
        Some(live) => match standing(live.meta(), &owner.reference.uid) {
            Standing::Foreign(whose) => return Err(ApplyError::NameTaken { kind, name, owner: whose }),
            Standing::Terminating => return Ok(Applied { object: live.clone(), change: Change::Terminating }),
            Standing::Ours => {
                let found = to_json(live)?;
                if !diff::needs_apply(&wanted, &found) {
                    return Ok(Applied { object: live.clone(), change: Change::Unchanged });
                }
                // The uid makes the apply fail if another object has taken the name since we looked.
                set_meta(&mut wanted, "uid", &live.uid().unwrap_or_default());
                Change::Updated
            }
        },
    };
    let params = PatchParams::apply(MANAGER).force();
    let patch = Patch::Apply(&wanted);
    let write = || call(format!("apply {kind} {name}"), api.patch(&name, &params, &patch));
    let mut answer = write().await;
    let invalid = matches!(&answer, Err(error) if error.code() == Some(INVALID));
    if invalid && change == Change::Updated && claim(&api, &name).await? {
        answer = write().await;
    }
    let object = answer.map_err(|error| refusal(error, &kind, &name))?;
    ctx.metrics.wrote(&kind, Verb::Apply);
    Ok(Applied { object, change })
}

/// How often a claim is tried: the object's own controller may be writing its status at the same time.
const CLAIMS: u32 = 5;

/// Makes us the owner of all fields of the live object's spec, see [`fields`]; false if we are already.
async fn claim<K: Child>(api: &Api<K>, name: &str) -> Result<bool, CallError> {
    let kind = K::kind(&());
    let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    let mut tries = 1;
    loop {
        let live = call(format!("get {kind} {name}"), api.get_metadata(name)).await?;
        let Some(fields) = fields::claim_spec(live.managed_fields(), &K::api_version(&())) else { return Ok(false) };
        let patch =
            Patch::Merge(json!({"metadata": {"resourceVersion": live.resource_version(), "managedFields": fields}}));
        match call(format!("claim {kind} {name}"), api.patch_metadata(name, &params, &patch)).await {
            Ok(_) => {
                tracing::info!("An edit of {kind} {name} was in the way of what is wanted and is undone");
                return Ok(true);
            }
            Err(error) if error.code() == Some(CONFLICT) && tries < CLAIMS => tries += 1,
            Err(error) => return Err(error),
        }
    }
}

/// Makes a child that is made once and not written again: gives what was made, nothing if it is there. What it holds is
/// not read; `make` is asked only where it is not there.
pub async fn make_child<K: Child>(
    ctx: &Context,
    owner: &impl Resource<DynamicType = ()>,
    name: &str,
    make: impl FnOnce() -> Result<K, ApplyError>,
) -> Result<Option<K>, ApplyError> {
    let kind = K::kind(&()).into_owned();
    let owner = owner_reference(owner)?;
    let api: Api<K> = Api::namespaced(ctx.client.clone(), &owner.namespace);
    if let Some(live) = call(format!("get {kind} {name}"), api.get_metadata_opt(name)).await? {
        return match standing(&live.metadata, &owner.reference.uid) {
            Standing::Foreign(whose) => Err(ApplyError::NameTaken { kind, name: name.to_owned(), owner: whose }),
            Standing::Ours | Standing::Terminating => Ok(None),
        };
    }
    let mut child = make()?;
    let meta = child.meta_mut();
    meta.namespace = Some(owner.namespace);
    meta.owner_references = Some(vec![owner.reference]);
    let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
    let created = call(format!("create {kind} {name}"), api.create(&params, &child)).await;
    let created = created.map_err(|error| refusal(error, &kind, name))?;
    ctx.metrics.wrote(&kind, Verb::Apply);
    Ok(Some(created))
}

/// Deletes the child `name` of `owner`, if there is one and it is ours.
pub async fn delete_child<K: Child>(
    ctx: &Context,
    owner: &impl Resource<DynamicType = ()>,
    name: &str,
) -> Result<Deletion, ApplyError> {
    let kind = K::kind(&()).into_owned();
    let owner = owner_reference(owner)?;
    let api: Api<K> = Api::namespaced(ctx.client.clone(), &owner.namespace);
    let Some(live) = call(format!("get {kind} {name}"), api.get_metadata_opt(name)).await? else {
        return Ok(Deletion::Absent);
    };
    match standing(&live.metadata, &owner.reference.uid) {
        Standing::Foreign(_) => return Ok(Deletion::NotOurs),
        Standing::Terminating => return Ok(Deletion::Absent),
        Standing::Ours => {}
    }
    let preconditions = Preconditions { uid: live.metadata.uid.clone(), resource_version: None };
    let params = DeleteParams::background().preconditions(preconditions);
    match call(format!("delete {kind} {name}"), api.delete(name, &params)).await {
        Ok(_) => {
            ctx.metrics.wrote(&kind, Verb::Delete);
            Ok(Deletion::Deleted)
        }
        Err(error) if error.code() == Some(404) => Ok(Deletion::Absent),
        Err(error) => Err(error.into()),
    }
}

/// The owner's reference and where its children live.
struct Owner {
    reference: OwnerReference,
    namespace: String,
}

fn owner_reference(owner: &impl Resource<DynamicType = ()>) -> Result<Owner, ApplyError> {
    match (owner.controller_owner_ref(&()), owner.meta().namespace.clone()) {
        (Some(reference), Some(namespace)) => Ok(Owner { reference, namespace }),
        _ => Err(ApplyError::Internal("the owner has no name, uid or namespace".to_owned())),
    }
}

/// The JSON to apply: the object with owner reference, namespace and hash.
fn prepare<K: Child>(mut desired: K, owner: &Owner) -> Result<Value, ApplyError> {
    let meta = desired.meta_mut();
    meta.namespace = Some(owner.namespace.clone());
    meta.owner_references = Some(vec![owner.reference.clone()]);
    let mut wanted = to_json(&desired)?;
    diff::stamp(&mut wanted);
    Ok(wanted)
}

fn to_json(object: &impl Serialize) -> Result<Value, ApplyError> {
    serde_json::to_value(object).map_err(|error| ApplyError::Internal(error.to_string()))
}

fn set_meta(object: &mut Value, field: &str, value: &str) {
    if let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        meta.insert(field.to_owned(), json!(value));
    }
}

/// How a live object stands to the resource with the uid `owner`.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    Ours,
    Terminating,
    Foreign(String),
}

fn standing(live: &ObjectMeta, owner: &str) -> Standing {
    let references = live.owner_references.as_deref().unwrap_or_default();
    if references.iter().any(|reference| reference.uid == owner) {
        return if live.deletion_timestamp.is_some() { Standing::Terminating } else { Standing::Ours };
    }
    Standing::Foreign(match references.iter().find(|reference| reference.controller == Some(true)) {
        Some(other) => format!("belongs to {} {:?}", other.kind, other.name),
        None => "does not belong to this resource".to_owned(),
    })
}

/// Tells an answer that stays the same apart from one that may pass.
fn refusal(error: CallError, kind: &str, name: &str) -> ApplyError {
    match (&error, error.code()) {
        (CallError::Kube { source, .. }, Some(400 | 403 | INVALID)) => match source.as_ref() {
            kube::Error::Api(status) => {
                ApplyError::Refused { kind: kind.to_owned(), name: name.to_owned(), message: status.message.clone() }
            }
            _ => ApplyError::Call(error),
        },
        _ => ApplyError::Call(error),
    }
}

#[cfg(test)]
mod tests;
