//! Writing and deleting children: server-side apply of what is ours, and never of what belongs to somebody else.

use std::fmt::Debug;
use std::time::Instant;

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::context::Context;
use crate::diff;
use crate::errors::{CallError, Categorised};

mod target;

use target::Target;

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
/// Nothing is asked where the watches and an earlier call prove that nothing is to do (see [`crate::children`]). Else the
/// live object is read: one without our owner reference is never taken over, and one that contains all of `desired` is
/// not written.
///
/// The object of an unchanged child may hold no more than what [`crate::children::digest`] keeps.
pub fn apply_child<'a, K: Child>(
    ctx: &'a Context,
    owner: &impl Resource<DynamicType = ()>,
    desired: K,
) -> BoxFuture<'a, Result<Applied<K>, ApplyError>> {
    let owner = owner_reference(owner);
    // Boxed: it holds the child by value, twice.
    async move {
        let owner = owner?;
        let name = desired.name_any();
        let wanted = prepare(desired, &owner)?;
        Target::<K>::new(ctx, &owner, &name).apply(wanted).await
    }
    .boxed()
}

/// The same, where a change of a live child of ours has to be prepared: `prepare` is given the child as it is and as it is
/// desired, and gives what to apply. It is not asked where nothing is to be written.
pub fn change_child<'a, K: Child>(
    ctx: &'a Context,
    owner: &impl Resource<DynamicType = ()>,
    desired: K,
    change: impl FnOnce(K, K) -> BoxFuture<'a, Result<K, ApplyError>> + Send + 'a,
) -> BoxFuture<'a, Result<Applied<K>, ApplyError>> {
    let owner = owner_reference(owner);
    async move {
        let owner = owner?;
        let name = desired.name_any();
        let wanted = prepare(desired.clone(), &owner)?;
        let target = Target::<K>::new(ctx, &owner, &name);
        let Some(live) = target.peek(&wanted).await? else { return target.apply(wanted).await };
        let wanted = prepare(change(live.clone(), desired).await?, &owner)?;
        target.over(live, wanted).await
    }
    .boxed()
}

/// Whether a child that is made once is likely there, which decides how to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Not: its owner is new.
    Absent,
    /// It is.
    Present,
}

/// Makes a child that is made once and not written again: gives what was made, nothing if it is there. What it holds is
/// not read; `make` is asked only where it is not there, or where that is expected. One that was seen within the last
/// minute is not looked for.
pub async fn make_child<K: Child>(
    ctx: &Context,
    owner: &impl Resource<DynamicType = ()>,
    name: &str,
    expect: Expect,
    make: impl FnOnce() -> Result<K, ApplyError>,
) -> Result<Option<K>, ApplyError> {
    let owner = owner_reference(owner)?;
    let now = Instant::now();
    if ctx.children.was_seen::<K>(&owner.namespace, name, &owner.reference.uid, now) {
        return Ok(None);
    }
    let target = Target::<K>::new(ctx, &owner, name);
    let child = if expect == Expect::Present && target.is_there().await? {
        None
    } else {
        let mut new = make()?;
        let meta = new.meta_mut();
        meta.namespace = Some(owner.namespace.clone());
        meta.owner_references = Some(vec![owner.reference.clone()]);
        target.make(&new, expect).await?
    };
    ctx.children.saw::<K>(&owner.namespace, name, &owner.reference.uid, now);
    Ok(child)
}

/// Deletes the child `name` of `owner`, if there is one and it is ours. Where the watch carries none of that name,
/// nothing is asked.
pub async fn delete_child<K: Child>(
    ctx: &Context,
    owner: &impl Resource<DynamicType = ()>,
    name: &str,
) -> Result<Deletion, ApplyError> {
    let owner = owner_reference(owner)?;
    if ctx.children.is_absent::<K>(&owner.namespace, name) {
        return Ok(Deletion::Absent);
    }
    Target::<K>::new(ctx, &owner, name).delete().await
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

#[cfg(test)]
mod tests;
