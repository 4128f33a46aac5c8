//! What to do about a child, decided from what is known of it: a pure function and its table.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// The version of an object (`metadata.resourceVersion`): of two of one kind, the larger is the later. Kubernetes 1.35
/// promises that; what is no number cannot be compared.
/// Source: <https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions>.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u64);

impl Version {
    /// The version that an object carries.
    pub fn of(meta: &ObjectMeta) -> Option<Self> {
        meta.resource_version.as_deref()?.parse().ok().map(Self)
    }
}

/// A hash of all that was wanted of a child, its owner included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WantedHash(pub u64);

/// That a child held all that was wanted: of what, and at which version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The child's version.
    pub version: Version,
    /// What was wanted.
    pub wanted: WantedHash,
}

/// What the watches have told of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing: its kind is not watched, or the first list is not complete.
    Unwatched,
    /// There is none.
    Absent,
    /// There is one, at this version if it can be compared.
    Present(Option<Version>),
}

/// What to do about a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildPlan {
    /// Nothing: it is as wanted.
    Skip,
    /// Make it, in a way that fails if there is one.
    Create,
    /// Read it, and decide by that.
    Look,
}

/// Decides about a child. Only a proof of this very wish, at the very version that the child was last seen at, makes a
/// call needless; being wrong about absence is found out by the apiserver.
pub fn plan_child(known: Known, proof: Option<Proof>, wanted: WantedHash) -> ChildPlan {
    match (known, proof) {
        (Known::Absent, _) => ChildPlan::Create,
        (Known::Present(Some(seen)), Some(proof)) if proof == (Proof { version: seen, wanted }) => ChildPlan::Skip,
        (Known::Unwatched | Known::Present(_), _) => ChildPlan::Look,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_row_of_the_table() {
        let proof = |version, wanted| Some(Proof { version: Version(version), wanted: WantedHash(wanted) });
        let seen = |version| Known::Present(Some(Version(version)));
        for (what, known, proof, plan) in [
            ("a kind that nobody watches", Known::Unwatched, proof(5, 1), ChildPlan::Look),
            ("new", Known::Absent, None, ChildPlan::Create),
            ("deleted", Known::Absent, proof(5, 1), ChildPlan::Create),
            ("as wanted", seen(5), proof(5, 1), ChildPlan::Skip),
            ("never compared", seen(5), None, ChildPlan::Look),
            ("edited", seen(6), proof(5, 1), ChildPlan::Look),
            ("the event of our own write is still to come", seen(5), proof(6, 1), ChildPlan::Look),
            ("another is wanted now", seen(5), proof(5, 2), ChildPlan::Look),
            ("a version that is no number", Known::Present(None), proof(5, 1), ChildPlan::Look),
        ] {
            assert_eq!(plan_child(known, proof, WantedHash(1)), plan, "{what}");
        }
    }

    fn known() -> impl Strategy<Value = Known> {
        prop_oneof![
            Just(Known::Unwatched),
            Just(Known::Absent),
            proptest::option::of(0..4_u64).prop_map(|version| Known::Present(version.map(Version))),
        ]
    }

    proptest! {
        #[test]
        fn nothing_is_passed_over_without_a_proof_at_that_version(
            known in known(),
            proof in proptest::option::of((0..4_u64, 0..3_u64)),
            wanted in 0..3_u64,
        ) {
            let proof = proof.map(|(version, wanted)| Proof { version: Version(version), wanted: WantedHash(wanted) });
            let wanted = WantedHash(wanted);
            let proven = matches!((known, proof), (Known::Present(Some(seen)), Some(proof))
                if proof.version == seen && proof.wanted == wanted);
            let expected = if proven {
                ChildPlan::Skip
            } else if known == Known::Absent {
                ChildPlan::Create
            } else {
                ChildPlan::Look
            };
            prop_assert_eq!(plan_child(known, proof, wanted), expected);
        }
    }
}
