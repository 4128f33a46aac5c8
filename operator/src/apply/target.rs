//! The calls about one child.

use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::{Applied, ApplyError, Change, Child, Deletion, Expect, Owner, Standing, standing, to_json};
use crate::children::{self, ChildPlan, WantedHash};
use crate::context::Context;
use crate::errors::{CONFLICT, CallError, NOT_FOUND, call};
use crate::labels::MANAGER;
use crate::metrics::Verb;
use crate::{diff, fields};

/// HTTP status of an object that breaks a rule of its kind.
const INVALID: u16 = 422;
/// A version that no object has: etcd gives the first that is written 2. An apply that names it creates or conflicts; it
/// cannot take over an object that is there. With version 0 it could: that stands for "whatever is there" in most kinds
/// (`AllowUnconditionalUpdate`; seen with Kubernetes 1.35).
const NEVER: &str = "1";
/// How often a claim is tried: the object's own controller may be writing its status at the same time.
const CLAIMS: u32 = 5;

/// A child by kind, owner and name.
pub(super) struct Target<'a, K> {
    ctx: &'a Context,
    owner: &'a Owner,
    api: Api<K>,
    kind: String,
    name: &'a str,
}

impl<'a, K: Child> Target<'a, K> {
    pub(super) fn new(ctx: &'a Context, owner: &'a Owner, name: &'a str) -> Self {
        let api = Api::namespaced(ctx.client.clone(), &owner.namespace);
        Self { ctx, owner, api, kind: K::kind(&()).into_owned(), name }
    }

    /// Makes the child be `wanted`, by the cheapest way that what is known allows.
    pub(super) async fn apply(&self, mut wanted: Value) -> Result<Applied<K>, ApplyError> {
        let hash = diff::stamped(&wanted).map(WantedHash);
        match hash.map(|hash| self.ctx.children.plan::<K>(&self.owner.namespace, self.name, hash)) {
            Some((ChildPlan::Skip, digest)) => {
                if let Some(object) = children::recall(&self.owner.namespace, self.name, digest.as_deref()) {
                    return Ok(Applied { object, change: Change::Unchanged });
                }
            }
            Some((ChildPlan::Create, _)) => match self.create(&mut wanted).await {
                Ok(object) => return self.written(object, Change::Created, hash),
                // Perhaps there is one all the same. The apiserver merges with it, and judges what comes out of that, before it
                // looks at the version: so a foreign Service of that name shows as an invalid one.
                Err(error) if matches!(error.code(), Some(400 | 403 | CONFLICT | INVALID)) => {}
                Err(error) => return Err(self.refusal(error)),
            },
            Some((ChildPlan::Look, _)) | None => {}
        }
        self.look(wanted, hash).await
    }

    /// The live child, if it is ours and not known to be `wanted` already.
    pub(super) async fn peek(&self, wanted: &Value) -> Result<Option<K>, ApplyError> {
        let hash = diff::stamped(wanted).map(WantedHash);
        let plan = hash.map(|hash| self.ctx.children.plan::<K>(&self.owner.namespace, self.name, hash).0);
        if !matches!(plan, None | Some(ChildPlan::Look)) {
            return Ok(None);
        }
        let live = call(self.say("get"), self.api.get_opt(self.name)).await?;
        Ok(live.filter(|live| standing(live.meta(), &self.owner.reference.uid) == Standing::Ours))
    }

    /// Makes `live`, which [`Target::peek`] gave, be `wanted`.
    pub(super) async fn over(&self, live: K, wanted: Value) -> Result<Applied<K>, ApplyError> {
        let hash = diff::stamped(&wanted).map(WantedHash);
        self.ctx.children.found::<K>(&self.owner.namespace, self.name);
        self.settle(live, wanted, hash).await
    }

    /// Reads the child, and writes it if it has to be.
    async fn look(&self, mut wanted: Value, hash: Option<WantedHash>) -> Result<Applied<K>, ApplyError> {
        let Self { ctx, owner, name, .. } = *self;
        let Some(live) = call(self.say("get"), self.api.get_opt(name)).await? else {
            ctx.children.found_nothing::<K>(&owner.namespace, name);
            let made = self.create(&mut wanted).await.map_err(|error| self.refusal(error))?;
            return self.written(made, Change::Created, hash);
        };
        ctx.children.found::<K>(&owner.namespace, name);
        self.settle(live, wanted, hash).await
    }

    /// Writes the child if it is ours and another than `wanted`.
    async fn settle(&self, live: K, mut wanted: Value, hash: Option<WantedHash>) -> Result<Applied<K>, ApplyError> {
        match standing(live.meta(), &self.owner.reference.uid) {
            Standing::Foreign(whose) => Err(self.taken(whose)),
            Standing::Terminating => Ok(Applied { object: live, change: Change::Terminating }),
            Standing::Ours => {
                let found = to_json(&live)?;
                if diff::needs_apply(&wanted, &found) {
                    let object = self.update(&mut wanted, &live).await?;
                    return self.written(object, Change::Updated, hash);
                }
                self.prove(&live, &found, hash);
                Ok(Applied { object: live, change: Change::Unchanged })
            }
        }
    }

    /// Applies `wanted` where there is nothing.
    async fn create(&self, wanted: &mut Value) -> Result<K, CallError> {
        set_meta(wanted, "resourceVersion", Some(NEVER));
        let made = self.patch(wanted).await;
        set_meta(wanted, "resourceVersion", None);
        made
    }

    /// Applies `wanted` over `live`.
    async fn update(&self, wanted: &mut Value, live: &K) -> Result<K, ApplyError> {
        // The uid makes the apply fail if another object has taken the name since we looked.
        set_meta(wanted, "uid", Some(&live.uid().unwrap_or_default()));
        let mut answer = self.patch(wanted).await;
        let invalid = matches!(&answer, Err(error) if error.code() == Some(INVALID));
        if invalid && self.are_others_in_the_way(wanted, live).await? && self.claim().await? {
            answer = self.patch(wanted).await;
        }
        answer.map_err(|error| self.refusal(error))
    }

    async fn patch(&self, wanted: &Value) -> Result<K, CallError> {
        let params = PatchParams::apply(MANAGER).force();
        call(self.say("apply"), self.api.patch(self.name, &params, &Patch::Apply(wanted))).await
    }

    /// The answer to a write proves itself: what it still lacks, writing again would not bring either.
    fn written(&self, object: K, change: Change, hash: Option<WantedHash>) -> Result<Applied<K>, ApplyError> {
        self.ctx.metrics.wrote(&self.kind, Verb::Apply);
        self.prove(&object, &to_json(&object)?, hash);
        Ok(Applied { object, change })
    }

    fn prove(&self, object: &K, json: &Value, hash: Option<WantedHash>) {
        if let Some(hash) = hash {
            self.ctx.children.prove::<K>(object.meta(), hash, children::digest(json));
        }
    }

    /// Whether what others have set in `live` is why `wanted` is refused: whether it would be taken once that has gone.
    /// Asked by a dry run; a `wanted` that is invalid in itself is no reason to undo what others did.
    async fn are_others_in_the_way(&self, wanted: &Value, live: &K) -> Result<bool, ApplyError> {
        let set = live.managed_fields();
        if fields::claim_spec(set, &K::api_version(&())).is_none() {
            return Ok(false);
        }
        let spec = fields::after_claim(set, &to_json(live)?, wanted);
        let patch = Patch::Merge(json!({"metadata": {"uid": live.uid()}, "spec": spec}));
        let params = PatchParams { dry_run: true, field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        match call(self.say("try"), self.api.patch(self.name, &params, &patch)).await {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.code(), Some(400 | 403 | INVALID)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes us the owner of all fields of the live object's spec, see [`fields`]; false if we are already.
    async fn claim(&self) -> Result<bool, CallError> {
        let Self { kind, name, .. } = self;
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        let mut tries = 1;
        loop {
            let live = call(self.say("get"), self.api.get_metadata(name)).await?;
            let Some(fields) = fields::claim_spec(live.managed_fields(), &K::api_version(&())) else {
                return Ok(false);
            };
            let patch = Patch::Merge(
                json!({"metadata": {"resourceVersion": live.resource_version(), "managedFields": fields}}),
            );
            match call(self.say("claim"), self.api.patch_metadata(name, &params, &patch)).await {
                Ok(_) => {
                    tracing::info!("An edit of {kind} {name} was in the way of what is wanted and is undone");
                    return Ok(true);
                }
                Err(error) if error.code() == Some(CONFLICT) && tries < CLAIMS => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether the child is there; an error if something else has its name.
    pub(super) async fn is_there(&self) -> Result<bool, ApplyError> {
        let live = call(self.say("get"), self.api.get_metadata_opt(self.name)).await?;
        match live.map(|live| standing(&live.metadata, &self.owner.reference.uid)) {
            None => Ok(false),
            Some(Standing::Ours | Standing::Terminating) => Ok(true),
            Some(Standing::Foreign(whose)) => Err(self.taken(whose)),
        }
    }

    /// Makes `child`; nothing if it was not expected to be there and is.
    pub(super) async fn make(&self, child: &K, expect: Expect) -> Result<Option<K>, ApplyError> {
        let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        match call(self.say("create"), self.api.create(&params, child)).await {
            Ok(made) => {
                self.ctx.metrics.wrote(&self.kind, Verb::Apply);
                Ok(Some(made))
            }
            Err(error) if error.code() == Some(CONFLICT) && expect == Expect::Absent && self.is_there().await? => {
                Ok(None)
            }
            Err(error) => Err(self.refusal(error)),
        }
    }

    /// Deletes the child if it is ours.
    pub(super) async fn delete(&self) -> Result<Deletion, ApplyError> {
        let Self { ctx, owner, name, .. } = *self;
        let Some(live) = call(self.say("get"), self.api.get_metadata_opt(name)).await? else {
            ctx.children.found_nothing::<K>(&owner.namespace, name);
            return Ok(Deletion::Absent);
        };
        match standing(&live.metadata, &owner.reference.uid) {
            Standing::Foreign(_) => return Ok(Deletion::NotOurs),
            Standing::Terminating => return Ok(Deletion::Absent),
            Standing::Ours => {}
        }
        let preconditions = Preconditions { uid: live.metadata.uid.clone(), resource_version: None };
        let params = DeleteParams::background().preconditions(preconditions);
        match call(self.say("delete"), self.api.delete(name, &params)).await {
            Ok(_) => {
                ctx.metrics.wrote(&self.kind, Verb::Delete);
                Ok(Deletion::Deleted)
            }
            Err(error) if error.code() == Some(NOT_FOUND) => Ok(Deletion::Absent),
            Err(error) => Err(error.into()),
        }
    }

    /// What is asked, as `get Deployment x`.
    fn say(&self, verb: &str) -> String {
        format!("{verb} {} {}", self.kind, self.name)
    }

    fn taken(&self, whose: String) -> ApplyError {
        ApplyError::NameTaken { kind: self.kind.clone(), name: self.name.to_owned(), owner: whose }
    }

    /// Tells an answer that stays the same apart from one that may pass.
    fn refusal(&self, error: CallError) -> ApplyError {
        match (&error, error.code()) {
            (CallError::Kube { source, .. }, Some(400 | 403 | INVALID)) => match source.as_ref() {
                kube::Error::Api(status) => ApplyError::Refused {
                    kind: self.kind.clone(),
                    name: self.name.to_owned(),
                    message: status.message.clone(),
                },
                _ => ApplyError::Call(error),
            },
            _ => ApplyError::Call(error),
        }
    }
}

/// Sets or takes away a field of `metadata`.
pub(super) fn set_meta(object: &mut Value, field: &str, value: Option<&str>) {
    if let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        match value {
            Some(value) => meta.insert(field.to_owned(), json!(value)),
            None => meta.remove(field),
        };
    }
}
