//! Whether pods could use the volumes of a job, and where they have to run for it: a pure function from what the cluster
//! says of them.

use crds::conditions::JobReason;

use super::result::Failure;
use super::stage::{Placement, Usable, VolumesState};
use super::validate::SourceUse;
use crate::conditions::shorten;
use crate::names::MAX_SUBDOMAIN;

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
        /// Its access modes: those of its volume, or, without one, those that it asks for.
        modes: Vec<String>,
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
    /// It has a name that no claim can have.
    Impossible,
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

/// Whether pods of `namespace`, which enforces the Pod Security Standard `enforced`, could do to each volume what they have
/// to.
pub fn plan_volumes(volumes: &[(VolumeFacts, SourceUse)], namespace: &str, enforced: Option<&str>) -> VolumesState {
    let mut words = Vec::new();
    let mut placement = Placement::Anywhere;
    for (volume, on_it) in volumes {
        match judge(volume, *on_it, namespace, enforced) {
            Ok((text, place)) => {
                words.push(text);
                placement = placement.max(place);
            }
            Err(failure) => return VolumesState::NotReady(failure),
        }
    }
    VolumesState::Ready(Usable { words: words.join("; "), placement })
}

type Judged = Result<(String, Placement), Failure>;

fn judge(volume: &VolumeFacts, on_it: SourceUse, namespace: &str, enforced: Option<&str>) -> Judged {
    let refused = |kind: &str| {
        Err(Failure {
            reason: JobReason::PodSecurity,
            message: format!(
                "The namespace {namespace} enforces the Pod Security Standard {}, which admits no inline {kind} volume: make a PersistentVolume for it, a PersistentVolumeClaim for that, and a ConversionJob that names the claim",
                enforced.unwrap_or_default()
            ),
        })
    };
    let anywhere = |text: &str| Ok((text.to_owned(), Placement::Anywhere));
    match volume {
        VolumeFacts::Claim { name, state, modes } => judge_claim(name, *state, modes, on_it, namespace),
        VolumeFacts::Csi => anywhere("inline csi volume: its driver decides which pods share it"),
        VolumeFacts::Nfs if enforced == Some("restricted") => refused("nfs"),
        VolumeFacts::Nfs => anywhere("inline nfs volume: pods run on any node"),
        VolumeFacts::HostPath if matches!(enforced, Some("restricted" | "baseline")) => refused("hostPath"),
        VolumeFacts::HostPath => anywhere(
            "inline hostPath volume: each pod sees the folder of its own node; podTemplate.nodeSelector keeps them on one",
        ),
    }
}

/// What the access modes of a claim mean for the pods, in words and as a placement; None where they cannot do their work.
/// <https://kubernetes.io/docs/concepts/storage/persistent-volumes/#access-modes>
fn access(modes: &[String], on_it: SourceUse) -> Option<(&'static str, Placement)> {
    let has = |mode: &str| modes.iter().any(|found| found == mode);
    if has("ReadWriteMany") {
        return Some(("ReadWriteMany: pods run on any node", Placement::Anywhere));
    }
    if has("ReadWriteOncePod") {
        return Some((
            "ReadWriteOncePod: one pod works at a time, whatever parallelism says, and one stage after the other",
            Placement::OnePod,
        ));
    }
    if has("ReadWriteOnce") {
        return Some(("ReadWriteOnce: the convert pods share one node", Placement::OneNode));
    }
    match on_it {
        SourceUse::Read if has("ReadOnlyMany") => Some(("ReadOnlyMany: pods run on any node", Placement::Anywhere)),
        _ if has("ReadOnlyMany") => None,
        // A mode that is new to this operator: what suits the strictest of two nodes suits it.
        _ => Some(("access mode not known here: the convert pods share one node", Placement::OneNode)),
    }
}

fn judge_claim(name: &str, state: ClaimState, modes: &[String], on_it: SourceUse, namespace: &str) -> Judged {
    let failure = |reason, message| Err(Failure { reason, message });
    let usable = |has: &dyn Fn(&str) -> String| match access(modes, on_it) {
        Some((words, placement)) => Ok((has(words), placement)),
        None => failure(
            JobReason::ClaimReadOnly,
            format!(
                "PersistentVolumeClaim {name} in namespace {namespace} is ReadOnlyMany, and this job writes to it: make a ConversionJob with another destination.volume and sourcePolicy Keep, or a claim with an access mode that writes"
            ),
        ),
    };
    match state {
        ClaimState::Bound => usable(&|words| format!("claim {name} is bound, {words}")),
        ClaimState::Pending => usable(&|words| {
            format!(
                "claim {name}, {words}, has no volume yet: it gets one with the first pod if its class waits for one (WaitForFirstConsumer), else the pod waits until a volume fits; kubectl describe pvc {name} -n {namespace} tells which"
            )
        }),
        ClaimState::Impossible => failure(
            JobReason::ClaimNotFound,
            format!(
                "{:?} is no name that a PersistentVolumeClaim can have: make a ConversionJob that names one in namespace {namespace}; names are of lower-case letters, digits, dashes and dots",
                shorten(name, MAX_SUBDOMAIN)
            ),
        ),
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

    const RWO: &[&str] = &["ReadWriteOnce"];

    fn with(state: ClaimState, modes: &[&str]) -> VolumeFacts {
        let modes = modes.iter().map(|mode| (*mode).to_owned()).collect();
        VolumeFacts::Claim { name: "tape".to_owned(), state, modes }
    }

    fn claim(state: ClaimState) -> VolumeFacts {
        with(state, RWO)
    }

    /// Of volumes that are all written to.
    fn plan(volumes: &[VolumeFacts], enforced: Option<&str>) -> VolumesState {
        let volumes: Vec<_> = volumes.iter().cloned().map(|volume| (volume, SourceUse::Write)).collect();
        plan_volumes(&volumes, "attic", enforced)
    }

    fn reason(state: &VolumesState) -> Option<JobReason> {
        match state {
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
            (ClaimState::Impossible, Some(JobReason::ClaimNotFound)),
            (ClaimState::Leaving, Some(JobReason::ClaimNotFound)),
            (ClaimState::Lost, Some(JobReason::ClaimLost)),
        ] {
            assert_eq!(reason(&plan(&[claim(state)], Some("restricted"))), expected, "{state:?}");
            assert_eq!(reason(&plan(&[claim(ClaimState::Bound), claim(state)], None)), expected, "{state:?}");
        }
    }

    #[test]
    fn access_modes_say_where_pods_run() {
        use Placement::{Anywhere, OneNode, OnePod};
        use SourceUse::{Read, Write};
        for (modes, read, write) in [
            (&["ReadWriteMany"][..], Some(Anywhere), Some(Anywhere)),
            (&["ReadWriteOnce", "ReadWriteMany"], Some(Anywhere), Some(Anywhere)),
            (RWO, Some(OneNode), Some(OneNode)),
            // What a driver does with a volume that is attached for writing and for reading is its own.
            (&["ReadWriteOnce", "ReadOnlyMany"], Some(OneNode), Some(OneNode)),
            (&["ReadWriteOncePod"], Some(OnePod), Some(OnePod)),
            (&["ReadOnlyMany"], Some(Anywhere), None),
            (&["ReadSometimes"], Some(OneNode), Some(OneNode)),
            (&[], Some(OneNode), Some(OneNode)),
        ] {
            for (on_it, expected) in [(Read, read), (Write, write)] {
                for state in [ClaimState::Bound, ClaimState::Pending] {
                    let found = plan_volumes(&[(with(state, modes), on_it)], "attic", None);
                    match (&found, expected) {
                        (VolumesState::Ready(usable), Some(placement)) => {
                            assert_eq!(usable.placement, placement, "{modes:?} {on_it:?}");
                            let mode = if placement == Anywhere { "any node" } else { "one" };
                            assert!(usable.words.contains(mode), "{}", usable.words);
                        }
                        (found, None) => {
                            assert_eq!(reason(found), Some(JobReason::ClaimReadOnly), "{modes:?} {on_it:?}");
                        }
                        (found, expected) => panic!("{modes:?} {on_it:?}: {found:?} is not {expected:?}"),
                    }
                }
            }
        }
    }

    #[test]
    fn of_two_volumes_the_stricter_decides() {
        use Placement::{Anywhere, OneNode, OnePod};
        let (many, once, pod) = (&["ReadWriteMany"][..], RWO, &["ReadWriteOncePod"][..]);
        for (one, other, expected) in [
            (many, many, Anywhere),
            (many, once, OneNode),
            (once, many, OneNode),
            (once, pod, OnePod),
            (pod, many, OnePod),
        ] {
            let volumes = [with(ClaimState::Bound, one), with(ClaimState::Bound, other)];
            let VolumesState::Ready(usable) = plan(&volumes, None) else { panic!("not ready") };
            assert_eq!(usable.placement, expected, "{one:?} and {other:?}");
        }
        for inline in [VolumeFacts::Csi, VolumeFacts::Nfs, VolumeFacts::HostPath] {
            let VolumesState::Ready(usable) = plan(&[inline, with(ClaimState::Bound, pod)], None) else { panic!() };
            assert_eq!(usable.placement, OnePod);
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
            assert_eq!(reason(&plan(std::slice::from_ref(&volume), level)), expected, "{volume:?} under {level:?}");
        }
    }

    #[test]
    fn the_words_name_the_volume_and_the_way() {
        let words = |volumes: &[VolumeFacts], level| match plan(volumes, level) {
            VolumesState::Ready(usable) => usable.words,
            VolumesState::NotReady(failure) => failure.message,
        };
        let missing = words(&[claim(ClaimState::Missing)], None);
        assert!(
            missing.contains("PersistentVolumeClaim tape does not exist in namespace attic: create it"),
            "{missing}"
        );
        let name = "my tapes".to_owned();
        let impossible = words(&[VolumeFacts::Claim { name, state: ClaimState::Impossible, modes: Vec::new() }], None);
        assert!(
            impossible.contains("\"my tapes\" is no name that a PersistentVolumeClaim can have: make a ConversionJob"),
            "{impossible}"
        );
        let nfs = words(&[VolumeFacts::Nfs], Some("restricted"));
        assert!(nfs.contains("PersistentVolume ") && nfs.contains("PersistentVolumeClaim"), "{nfs}");
        let both = words(&[claim(ClaimState::Bound), with(ClaimState::Pending, &["ReadWriteMany"])], None);
        assert!(
            both.starts_with(
                "claim tape is bound, ReadWriteOnce: the convert pods share one node; claim tape, ReadWriteMany: pods run on any node, has no volume yet"
            ),
            "{both}"
        );
    }

    #[test]
    fn phases_are_read_as_the_api_spells_them() {
        assert_eq!(ClaimState::of_phase(Some("Bound")), ClaimState::Bound);
        assert_eq!(ClaimState::of_phase(Some("Lost")), ClaimState::Lost);
        assert_eq!(ClaimState::of_phase(Some("Pending")), ClaimState::Pending);
        assert_eq!(ClaimState::of_phase(None), ClaimState::Pending);
    }
}
