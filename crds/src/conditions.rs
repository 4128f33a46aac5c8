//! The condition types and reasons of both kinds: the one place where their spellings stand.
//!
//! A reason is a CamelCase word of a closed set, so that scripts can rely on it; the message beside it is for people.

/// Gives an enum its spelling, which is the variant's name.
macro_rules! names {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$doc])* $variant),+ }

        impl $name {
            /// Every member, in the order of its declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The spelling in the API.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant)),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

names! {
    /// Condition types of an AudioConverter.
    ConverterCondition {
        /// The converter takes requests: at least one pod is ready (or none is wanted) and no child is refused.
        Ready,
        /// Pods are being started, replaced or removed.
        Progressing,
        /// Something needs a person: the message says what to change.
        Degraded,
        /// The autoscaler can read its metric and act; present while `spec.autoscaling` is set.
        ScalingActive,
        /// `spec.paused` is set: children are left alone.
        Paused,
    }
}

names! {
    /// Reasons of an AudioConverter's conditions.
    ConverterReason {
        /// All wanted pods run the wanted template and are ready.
        AllReplicasReady,
        /// Some pods are ready, not all that are wanted.
        SomeReplicasReady,
        /// No pod is ready yet.
        NoReplicasReady,
        /// `spec.replicas` is 0.
        ScaledToZero,
        /// The Deployment is rolling out.
        RollingOut,
        /// Nothing is under way.
        RolledOut,
        /// The Deployment made no progress within its deadline.
        ProgressDeadlineExceeded,
        /// Pods cannot be created: quota, Pod Security, a missing ServiceAccount.
        PodsNotCreated,
        /// A pod cannot start, for example because its image cannot be pulled.
        PodsNotStarting,
        /// An object with the name of a child exists and belongs to somebody else.
        NameTaken,
        /// The apiserver refused a child.
        ChildRefused,
        /// A kind that the spec asks for is not served by this cluster.
        ApiNotFound,
        /// A Secret that the spec names does not exist, or lacks the key.
        SecretNotFound,
        /// The operator was started with a flag that forbids what the spec asks for.
        NotAllowed,
        /// Nothing is wrong.
        AsExpected,
        /// The spec contradicts itself.
        InvalidSpec,
        /// `spec.paused` is true.
        PausedBySpec,
        /// `spec.paused` is false.
        NotPaused,
        /// The autoscaler works.
        AutoscalerActive,
        /// The autoscaler has no metric to act on.
        MetricsUnavailable,
        /// The operator follows the live streams.
        StreamsFollowed,
        /// Not every pod says how many streams it has: the count only ever rises meanwhile.
        LoadUnknown,
        /// An annotation keeps the count from rising or falling.
        ScalingPaused,
    }
}

names! {
    /// Condition types of a ConversionJob.
    JobCondition {
        /// The spec can be carried out.
        Accepted,
        /// The volumes are there and usable.
        VolumesReady,
        /// The run has ended and its report is final; files that could not be converted are listed in it.
        Complete,
        /// The run has ended without a complete conversion.
        Failed,
        /// No pod of the run works, because `spec.suspend`, what the operator does not allow or somebody else holds it.
        Suspended,
    }
}

names! {
    /// Reasons of a ConversionJob's conditions.
    JobReason {
        /// The spec is sound.
        SpecAccepted,
        /// The spec contradicts itself.
        InvalidSpec,
        /// The operator was started with a flag that forbids what the spec asks for.
        NotAllowed,
        /// The AudioConverter that `converterRef` names does not exist.
        ConverterNotFound,
        /// The settings of the AudioConverter that `converterRef` names cannot be used by this job.
        ConverterUnsuitable,
        /// Every claim exists and can be used.
        VolumesFound,
        /// A PersistentVolumeClaim does not exist.
        ClaimNotFound,
        /// A PersistentVolumeClaim has lost its volume.
        ClaimLost,
        /// A PersistentVolumeClaim admits readers only, and the job has to write to it.
        ClaimReadOnly,
        /// The namespace's Pod Security level does not admit this kind of volume.
        PodSecurity,
        /// An object with the name of a child exists and belongs to somebody else.
        NameTaken,
        /// The apiserver refused a child.
        ChildRefused,
        /// Pods cannot be created: quota, Pod Security, a missing ServiceAccount.
        PodsNotCreated,
        /// The run is under way.
        Running,
        /// The run waits for something that another condition names.
        Waiting,
        /// Every file was converted or was already there.
        AllFilesConverted,
        /// The run ended; some files could not be converted.
        SomeFilesFailed,
        /// `source.path` names no folder on the source volume.
        SourceNotFound,
        /// The worker's user may not read the source.
        SourceNotReadable,
        /// The worker's user may not write to the destination.
        DestinationNotWritable,
        /// A glob in `include` or `exclude` cannot be read.
        InvalidGlob,
        /// The manifest is gone from the destination volume.
        PlanNotFound,
        /// A stage failed more often than it is tried.
        StageFailed,
        /// Sources may be deleted only if every byte of them is kept.
        DeleteNeedsForeign,
        /// Sources cannot be moved to `sourcePolicy.path`.
        MoveToNotUsable,
        /// More files failed than `maxFailedFiles` allows.
        TooManyFailedFiles,
        /// The run took longer than `activeDeadlineSeconds`.
        DeadlineExceeded,
        /// `spec.suspend` is true.
        SuspendedBySpec,
        /// Somebody has suspended the Job that the run has come to.
        JobSuspended,
        /// Nothing is suspended.
        NotSuspended,
    }
}

impl JobReason {
    /// The reason with this spelling, as the stages of `converter batch` report it.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_are_the_variant_names() {
        assert_eq!(ConverterCondition::ScalingActive.as_str(), "ScalingActive");
        assert_eq!(JobReason::from_name("SourceNotFound"), Some(JobReason::SourceNotFound));
        assert_eq!(JobReason::from_name("sourceNotFound"), None);
    }
}
