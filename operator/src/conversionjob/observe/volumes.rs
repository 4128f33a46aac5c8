//! What the cluster says of the volumes.

use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim};
use kube::{Api, ResourceExt};

use crate::context::Context;
use crate::conversionjob::claims::{ClaimState, ENFORCE_LABEL, VolumeFacts, plan_volumes};
use crate::conversionjob::stage::VolumesState;
use crate::conversionjob::validate::ValidatedJob;
use crate::errors::{CallError, call};
use crate::names;

/// Whether pods could use the volumes of `job`.
pub async fn observe_volumes(ctx: &Context, job: &ValidatedJob) -> Result<VolumesState, CallError> {
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(ctx.client.clone(), &job.namespace);
    let mut seen = Vec::new();
    let mut inline = false;
    for (volume, on_it) in job.volumes.iter() {
        let facts = if let Some(claim) = &volume.persistent_volume_claim {
            observe_claim(&claims, &claim.claim_name).await?
        } else if volume.csi.is_some() {
            VolumeFacts::Csi
        } else {
            inline = true;
            if volume.nfs.is_some() { VolumeFacts::Nfs } else { VolumeFacts::HostPath }
        };
        seen.push((facts, on_it));
    }
    let enforced = if inline { enforced_standard(ctx, &job.namespace).await? } else { None };
    Ok(plan_volumes(&seen, &job.namespace, enforced.as_deref()))
}

/// One claim. Nothing is asked of a name that no claim can have: in a URL it may be another.
async fn observe_claim(claims: &Api<PersistentVolumeClaim>, name: &str) -> Result<VolumeFacts, CallError> {
    let possible = names::is_subdomain(name);
    let name = name.to_owned();
    if !possible {
        return Ok(VolumeFacts::Claim { name, state: ClaimState::Impossible, modes: Vec::new() });
    }
    let claim = call(format!("get PersistentVolumeClaim {name}"), claims.get_opt(&name)).await?;
    Ok(VolumeFacts::Claim { name, state: claim_state(claim.as_ref()), modes: access_modes(claim.as_ref()) })
}

fn claim_state(claim: Option<&PersistentVolumeClaim>) -> ClaimState {
    match claim {
        None => ClaimState::Missing,
        Some(claim) if claim.metadata.deletion_timestamp.is_some() => ClaimState::Leaving,
        Some(claim) => ClaimState::of_phase(claim.status.as_ref().and_then(|status| status.phase.as_deref())),
    }
}

/// The modes of the claim's volume, which may have more than the claim asks for; without a volume, those that it asks for.
fn access_modes(claim: Option<&PersistentVolumeClaim>) -> Vec<String> {
    let has = claim.and_then(|claim| claim.status.as_ref()?.access_modes.clone());
    let asks = || claim.and_then(|claim| claim.spec.as_ref()?.access_modes.clone());
    has.filter(|modes| !modes.is_empty()).or_else(asks).unwrap_or_default()
}

/// The Pod Security Standard that the namespace enforces by its label.
async fn enforced_standard(ctx: &Context, namespace: &str) -> Result<Option<String>, CallError> {
    let namespaces: Api<Namespace> = Api::all(ctx.client.clone());
    let found = match call(format!("get Namespace {namespace}"), namespaces.get_metadata_opt(namespace)).await {
        // An operator for some namespaces may lack this right. Pods that are not admitted say so in the Job's Events.
        Err(error) if error.code() == Some(403) => None,
        found => found?,
    };
    Ok(found.and_then(|mut found| found.labels_mut().remove(ENFORCE_LABEL)))
}
