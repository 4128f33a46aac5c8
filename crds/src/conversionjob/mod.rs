//! `ConversionJob`: one run over the files of a volume.

pub mod places;
pub mod policies;
pub mod status;

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::Time;
use crate::podtemplate::PodTemplate;
use crate::shared::{Encoding, ImageSource};

pub use self::places::{Destination, Layout, Source, VolumeSource};
pub use self::policies::{
    ConverterRef, DEFAULT_RETRIES, Overwrite, Retries, SourcePolicy, SourcePolicyType, TtlAfterFinished,
};
pub use self::status::{ByteCounts, ConversionJobStatus, FileCounts, FileFailure, ShardCounts, Stage};

/// A CEL expression: each of these fields is what it was, or as absent as it was.
macro_rules! unchanged {
    ($first:literal $(, $field:literal)*) => {
        concat!(unchanged!(@one $first) $(, " && ", unchanged!(@one $field))*)
    };
    (@one $field:literal) => {
        concat!(
            "(has(self.", $field, ") ? has(oldSelf.", $field, ") && self.", $field, " == oldSelf.", $field,
            " : !has(oldSelf.", $field, "))"
        )
    };
}

/// All fields but those that a run can follow: suspend, activeDeadlineSeconds, ttlSecondsAfterFinished and recordsTTL.
const FROZEN: &str = unchanged!(
    "image",
    "imagePullPolicy",
    "imagePullSecrets",
    "source",
    "include",
    "exclude",
    "destination",
    "overwrite",
    "sourcePolicy",
    "encoding",
    "converterRef",
    "verify",
    "parallelism",
    "shards",
    "retries",
    "maxFailedFiles",
    "podTemplate"
);

/// What to convert, where to and how.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "flacship.dev",
    version = "v1alpha1",
    kind = "ConversionJob",
    plural = "conversionjobs",
    shortname = "cvj",
    category = "flacship",
    namespaced,
    status = "ConversionJobStatus",
    derive = "PartialEq",
    selectable = ".spec.converterRef.name",
    doc = "A batch run that converts the WAV files of a volume to FLAC. It plans, converts in parallel shards and reports; running the same job twice converts nothing twice.",
    printcolumn(
        name = "Stage",
        type_ = "string",
        json_path = ".status.stage",
        description = "Pending, Plan, Convert, Report, Suspended, Done or Failed"
    ),
    printcolumn(
        name = "Progress",
        type_ = "string",
        json_path = ".status.progress",
        description = "Files done of all files"
    ),
    printcolumn(
        name = "Failed",
        type_ = "integer",
        json_path = ".status.files.failed",
        description = "Files that could not be converted"
    ),
    printcolumn(
        name = "Ratio",
        type_ = "string",
        json_path = ".status.ratio",
        description = "Size of the FLAC files by that of their sources"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        description = "Since when it exists"
    ),
    printcolumn(
        name = "Throughput",
        type_ = "string",
        json_path = ".status.throughput",
        description = "Source bytes worked through in a second",
        priority = 1
    ),
    printcolumn(
        name = "Complete",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Complete")].status"#,
        description = "Whether the report is final",
        priority = 1
    ),
    printcolumn(
        name = "Report",
        type_ = "string",
        json_path = ".status.report",
        description = "Where the full report lies",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.shards) || self.shards >= self.parallelism")
        .message("shards is below parallelism, so pods would have nothing to do: raise shards or lower parallelism"),
    validation = Rule::new("!has(self.converterRef) || !has(self.encoding)")
        .message("converterRef takes the encoding of that AudioConverter: leave encoding or converterRef out"),
    validation = Rule::new("!has(self.sourcePolicy) || self.sourcePolicy.type != 'DeleteAfterVerify' || has(self.converterRef) || (has(self.encoding) && self.encoding.metadata == 'Foreign')")
        .message("sourcePolicy DeleteAfterVerify needs encoding.metadata Foreign, so that the identical WAV file can be made again: set it, or choose Keep or MoveTo"),
    validation = Rule::new(FROZEN)
        .message("of a ConversionJob's spec only suspend, activeDeadlineSeconds, ttlSecondsAfterFinished and recordsTTL can change, as its run has begun: make another ConversionJob; what is converted already is not converted again")
)]
pub struct ConversionJobSpec {
    // A doc comment here would become the description of the whole spec.
    #[allow(missing_docs)]
    #[serde(flatten)]
    pub image: ImageSource,
    /// Where the WAV files are.
    pub source: Source,
    /// Where the FLAC files go. Left out, each lies beside its source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<Destination>,
    /// Globs of the files to convert, relative to the source folder: `*` stays within a folder, `**` crosses them.
    /// Left out: every *.wav, *.wave, *.bwf, *.rf64 and *.w64 file, in upper or lower case. Hidden files are never taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 1024)))]
    pub include: Vec<String>,
    /// Globs of files to leave out, even if included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 1024)))]
    pub exclude: Vec<String>,
    /// What to do where the FLAC exists: IfNewer (default: convert again if the source has changed), Never or Always.
    #[serde(default)]
    pub overwrite: Overwrite,
    /// What becomes of a source once its FLAC is safe. Left out, it stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_policy: Option<SourcePolicy>,
    /// How the FLAC is made. Left out: compression level 5 and the tags that players show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Encoding>,
    /// An AudioConverter in the job's namespace whose encoding, and whose image unless `image` is set, the run takes. They
    /// are read when the run begins; what changes there afterwards does not matter to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub converter_ref: Option<ConverterRef>,
    /// Decode each FLAC and compare it with its source before it gets its name (default true).
    #[serde(default = "default_verify")]
    pub verify: bool,
    /// How many pods work at once (default 1).
    #[serde(default = "default_parallelism")]
    #[schemars(range(min = 1, max = 1000))]
    pub parallelism: i32,
    /// Into how many pieces the files are dealt (default: `parallelism`). A piece that fails is tried again alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub shards: Option<i32>,
    /// How often is tried again what broke off. A file that cannot be converted is a result, and not tried again; an
    /// eviction or a drain does not count as a try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<Retries>,
    /// How many files may fail before the conversion is ended, over all shards. Left out: any number. The report is made
    /// all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub max_failed_files: Option<i64>,
    /// How long, in seconds, the run may take from `status.startTime` on, time that it is suspended not counted. After
    /// that the conversion is ended; the report is made all the same. At most 3153600000, which is a hundred years. Can
    /// change while the run goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = LONGEST_DEADLINE))]
    pub active_deadline_seconds: Option<i64>,
    /// While true, no pod of the run works: those that do are stopped, and go on where they were once it is false again.
    /// Can change at any time.
    #[serde(default)]
    pub suspend: bool,
    /// How long this resource stays once its run has ended. Records and report stay on the volume, see `recordsTTL`. Can
    /// change at any time. Left out, it stays until somebody deletes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_seconds_after_finished: Option<TtlAfterFinished>,
    /// How long the records and the report stay on the destination volume after the report was made, like 720h. A later
    /// run on that volume takes them away. Can change until the report is made. Left out, they stay.
    #[serde(default, rename = "recordsTTL", skip_serializing_if = "Option::is_none")]
    pub records_ttl: Option<Time>,
    /// What to add to the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplate>,
}

/// The longest `activeDeadlineSeconds`: a hundred years. The Job controller counts in nanoseconds and 64 bits, which hold 292
/// years; of more than that it makes a time that is over already.
pub const LONGEST_DEADLINE: i64 = 100 * 365 * 24 * 3600;

fn default_verify() -> bool {
    true
}

fn default_parallelism() -> i32 {
    1
}

impl ConversionJobSpec {
    /// The number of shards: as asked for, else one a pod.
    pub fn shard_count(&self) -> i32 {
        self.shards.unwrap_or(self.parallelism)
    }

    /// How often a shard is tried again.
    pub fn retries_per_shard(&self) -> i32 {
        self.retries.as_ref().map_or(DEFAULT_RETRIES, |retries| retries.per_shard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minimal_spec_has_its_defaults() {
        let spec: ConversionJobSpec =
            serde_yaml::from_str("source: {volume: {persistentVolumeClaim: {claimName: tape}}}").unwrap();
        assert_eq!((spec.parallelism, spec.shard_count(), spec.retries_per_shard()), (1, 1, 3));
        assert!(spec.verify && !spec.suspend);
        assert_eq!((spec.overwrite, spec.encoding, spec.source_policy), (Overwrite::IfNewer, None, None));
    }

    #[test]
    fn every_field_is_frozen_or_can_change() {
        let spec: ConversionJobSpec = serde_yaml::from_str(
            "{source: {volume: {}}, destination: {path: a}, include: [a], exclude: [b], sourcePolicy: {type: Keep}, encoding: {}, \
              converterRef: {name: c}, shards: 1, retries: {}, maxFailedFiles: 1, activeDeadlineSeconds: 1, \
              ttlSecondsAfterFinished: {}, recordsTTL: 1h, podTemplate: {}, image: i, imagePullPolicy: Never, imagePullSecrets: [{name: s}]}",
        )
        .unwrap();
        let fields = serde_json::to_value(&spec).unwrap();
        let can_change = ["suspend", "activeDeadlineSeconds", "ttlSecondsAfterFinished", "recordsTTL"];
        for field in fields.as_object().unwrap().keys() {
            let frozen = FROZEN.contains(&format!("self.{field} == oldSelf.{field}"));
            assert_ne!(frozen, can_change.contains(&field.as_str()), "{field}");
        }
        assert_eq!(fields.as_object().unwrap().len(), 21, "a field that is left out above");
    }
}
