//! Whether pods could use the volumes of a job: a pure function from what the cluster says of them.

use crds::conditions::JobReason;

use super::result::Failure;
use super::stage::VolumesState;

/// Label of a namespace: the Pod Security Standard that it enforces
/// (<https://kubernetes.io/docs/concepts/security/pod-security-admission/>).
pub const ENFORCE_LABEL: &str = "pod-security.kubernetes.io/enforce";

/// What is known of one volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeFacts {
    /// A claim.
    Claim {
        /// Its name.
        name: String,
        /// Its state.
        state: ClaimState,
    },
    /// An ephemeral volume of a CSI driver: every Pod Security Standard admits it.
    Csi,
    /// An NFS export: not under `restricted`.
    Nfs,
    /// A folder of the node: under `privileged` only.
    HostPath,
}

/// The state of a PersistentVolumeClaim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimState {
    /// It does not exist.
    Missing,
    /// It is being deleted, so no new pod may use it.
    Leaving,
    /// Its volume is gone.
    Lost,
    /// It has no volume yet. Where the class waits for the first consumer, it gets one with the first pod.
    Pending,
    /// It has a volume.
    Bound,
}

impl ClaimState {
    /// The state that `status.phase` names.
    pub fn of_phase(phase: Option<&str>) -> Self {
        match phase {
            Some("Bound") => Self::Bound,
            Some("Lost") => Self::Lost,
            _ => Self::Pending,
        }
    }
}

/// Whether pods of `namespace`, which enforces the Pod Security Standard `enforced`, could use the volumes.
pub fn plan_volumes(volumes: &[VolumeFacts], namespace: &str, enforced: Option<&str>) -> VolumesState {
    let mut words = Vec::new();
    for volume in volumes {
        match judge(volume, namespace, enforced) {
            Ok(text) => words.push(text),
            Err(failure) => return VolumesState::NotReady(failure),
        }
    }
    VolumesState::Ready(words.join("; "))
}

fn judge(volume: &VolumeFacts, namespace: &str, enforced: Option<&str>) -> Result<String, Failure> {
    let refused = |kind: &str| {
        Err(Failure {
            reason: JobReason::PodSecurity,
            message: format!(
                "The namespace {namespace} enforces the Pod Security Standard {}, which admits no inline {kind} volume: make a PersistentVolume for it, a PersistentVolumeClaim for that, and a ConversionJob that names the claim",
                enforced.unwrap_or_default()
            ),
        })
    };
    match volume {
        VolumeFacts::Claim { name, state } => judge_claim(name, *state, namespace),
        VolumeFacts::Csi => Ok("inline csi volume".to_owned()),
        VolumeFacts::Nfs if enforced == Some("restricted") => refused("nfs"),
        VolumeFacts::Nfs => Ok("inline nfs volume".to_owned()),
        VolumeFacts::HostPath if matches!(enforced, Some("restricted" | "baseline")) => refused("hostPath"),
        VolumeFacts::HostPath => Ok("inline hostPath volume".to_owned()),
    }
}

fn judge_claim(name: &str, state: ClaimState, namespace: &str) -> Result<String, Failure> {
    let failure = |reason, message| Err(Failure { reason, message });
    match state {
        ClaimState::Bound => Ok(format!("claim {name} is bound")),
        ClaimState::Pending => Ok(format!(
            "claim {name} has no volume yet: it gets one with the first pod if its class waits for one (WaitForFirstConsumer), else the pod waits until a volume fits; kubectl describe pvc {name} -n {namespace} tells which"
        )),
        ClaimState::Missing => failure(
            JobReason::ClaimNotFound,
            format!(
                "PersistentVolumeClaim {name} does not exist in namespace {namespace}: create it there, and the run begins by itself; or make a ConversionJob that names another claim"
            ),
        ),
        ClaimState::Leaving => failure(
            JobReason::ClaimNotFound,
            format!(
                "PersistentVolumeClaim {name} in namespace {namespace} is being deleted, so no new pod may use it: create it again once it is gone, and the run goes on by itself"
            ),
        ),
        ClaimState::Lost => failure(
            JobReason::ClaimLost,
            format!(
                "PersistentVolumeClaim {name} in namespace {namespace} has lost its PersistentVolume: restore the volume, or delete the claim and create it again, and the run goes on by itself"
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(state: ClaimState) -> VolumeFacts {
        VolumeFacts::Claim { name: "tape".to_owned(), state }
    }

    fn reason(volumes: &[VolumeFacts], enforced: Option<&str>) -> Option<JobReason> {
        match plan_volumes(volumes, "attic", enforced) {
            VolumesState::Ready(_) => None,
            VolumesState::NotReady(failure) => Some(failure.reason),
        }
    }

    #[test]
    fn a_claim_is_usable_unless_it_is_missing_or_lost() {
        for (state, expected) in [
            (ClaimState::Bound, None),
            (ClaimState::Pending, None),
            (ClaimState::Missing, Some(JobReason::ClaimNotFound)),
            (ClaimState::Leaving, Some(JobReason::ClaimNotFound)),
            (ClaimState::Lost, Some(JobReason::ClaimLost)),
        ] {
            assert_eq!(reason(&[claim(state)], Some("restricted")), expected, "{state:?}");
            assert_eq!(reason(&[claim(ClaimState::Bound), claim(state)], None), expected, "{state:?}");
        }
    }

    #[test]
    fn pod_security_admits_inline_volumes_by_level() {
        use VolumeFacts::{Csi, HostPath, Nfs};
        let security = Some(JobReason::PodSecurity);
        for (volume, level, expected) in [
            (Nfs, Some("restricted"), security),
            (Nfs, Some("baseline"), None),
            (Nfs, Some("privileged"), None),
            (Nfs, None, None),
            (HostPath, Some("restricted"), security),
            (HostPath, Some("baseline"), security),
            (HostPath, Some("privileged"), None),
            (HostPath, None, None),
            (Csi, Some("restricted"), None),
            (claim(ClaimState::Bound), Some("restricted"), None),
        ] {
            assert_eq!(reason(std::slice::from_ref(&volume), level), expected, "{volume:?} under {level:?}");
        }
    }

    #[test]
    fn the_words_name_the_volume_and_the_way() {
        let words = |volumes: &[VolumeFacts], level| match plan_volumes(volumes, "attic", level) {
            VolumesState::Ready(text) => text,
            VolumesState::NotReady(failure) => failure.message,
        };
        let missing = words(&[claim(ClaimState::Missing)], None);
        assert!(
            missing.contains("PersistentVolumeClaim tape does not exist in namespace attic: create it"),
            "{missing}"
        );
        let nfs = words(&[VolumeFacts::Nfs], Some("restricted"));
        assert!(nfs.contains("PersistentVolume ") && nfs.contains("PersistentVolumeClaim"), "{nfs}");
        let pending = words(&[claim(ClaimState::Bound), claim(ClaimState::Pending)], None);
        assert!(pending.starts_with("claim tape is bound; claim tape has no volume yet"), "{pending}");
    }

    #[test]
    fn phases_are_read_as_the_api_spells_them() {
        assert_eq!(ClaimState::of_phase(Some("Bound")), ClaimState::Bound);
        assert_eq!(ClaimState::of_phase(Some("Lost")), ClaimState::Lost);
        assert_eq!(ClaimState::of_phase(Some("Pending")), ClaimState::Pending);
        assert_eq!(ClaimState::of_phase(None), ClaimState::Pending);
    }
}
