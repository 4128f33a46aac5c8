//! `ConversionJob`: one run over the files of a volume.

use k8s_openapi::api::core::v1::{
    CSIVolumeSource, HostPathVolumeSource, NFSVolumeSource, PersistentVolumeClaimVolumeSource,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::podtemplate::PodTemplate;
use crate::schema;
use crate::shared::{Encoding, ImageSource};

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
    doc = "A batch run that converts the WAV files of a volume to FLAC. It plans, converts in parallel shards and reports; running the same job twice converts nothing twice.",
    printcolumn(
        name = "Stage",
        type_ = "string",
        json_path = ".status.stage",
        description = "Plan, Convert, Report or Done"
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
#[x_kube(validation = Rule::new("!has(self.shards) || self.shards >= self.parallelism")
    .message("shards is below parallelism, so pods would have nothing to do: raise shards or lower parallelism"))]
#[x_kube(validation = Rule::new("self == oldSelf")
    .message("the spec of a ConversionJob cannot change, as its run has begun: make another ConversionJob; what is converted already is not converted again"))]
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
    /// How the FLAC is made.
    #[serde(default)]
    pub encoding: Encoding,
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
    /// What to add to the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplate>,
}

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
}

/// What happens to a FLAC that exists already.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overwrite {
    /// Convert again if the source's size or time differs from the record of its last conversion, or, without a
    /// record, if the source is newer than the FLAC.
    #[default]
    IfNewer,
    /// Leave whatever exists.
    Never,
    /// Convert every file again.
    Always,
}

impl Overwrite {
    /// The spelling in the API and on the worker's command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IfNewer => "IfNewer",
            Self::Never => "Never",
            Self::Always => "Always",
        }
    }
}

/// Where the WAV files are.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// The volume that holds them.
    pub volume: VolumeSource,
    /// Folder on the volume. Left out: the whole volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    #[x_kube(validation = Rule::new("!self.startsWith('/') && !self.split('/').exists(part, part == '..')")
        .message("source.path is relative to the volume: leave out a leading / and .."))]
    pub path: Option<String>,
}

/// Where the FLAC files go.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.volume) || has(self.path)")
    .message("destination is empty: give it a volume, a path, or leave destination out to put each FLAC beside its source"))]
pub struct Destination {
    /// The volume to write to. Left out: the source's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<VolumeSource>,
    /// Folder on the volume; it is made if it is missing. Left out: the whole volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    #[x_kube(validation = Rule::new("!self.startsWith('/') && !self.split('/').exists(part, part == '..')")
        .message("destination.path is relative to the volume: leave out a leading / and .."))]
    pub path: Option<String>,
}

/// A pod volume: exactly one of its fields is set.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.persistentVolumeClaim), has(self.csi), has(self.nfs), has(self.hostPath)].filter(set, set).size() == 1")
    .message("a volume names exactly one of persistentVolumeClaim, csi, nfs and hostPath"))]
pub struct VolumeSource {
    /// A claim in the job's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::core::<PersistentVolumeClaimVolumeSource>")]
    pub persistent_volume_claim: Option<PersistentVolumeClaimVolumeSource>,
    /// An ephemeral volume of a CSI driver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::core::<CSIVolumeSource>")]
    pub csi: Option<CSIVolumeSource>,
    /// An NFS export. A namespace that enforces restricted Pod Security admits it only through a claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::core::<NFSVolumeSource>")]
    pub nfs: Option<NFSVolumeSource>,
    /// A folder of the node. Only a privileged namespace admits it; elsewhere use a claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::core::<HostPathVolumeSource>")]
    pub host_path: Option<HostPathVolumeSource>,
}

/// What is known of the run.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ConversionJobStatus {
    /// The `metadata.generation` that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Where the run stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// Files done of all files, as `9454/10000`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
    /// Files by outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<FileCounts>,
    /// Bytes read and written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<ByteCounts>,
    /// Bytes written by bytes read, as `0.58`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratio: Option<String>,
    /// Shards by state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shards: Option<ShardCounts>,
    /// Up to 20 files that could not be converted; the report lists all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<FileFailure>,
    /// Path of the full report on the destination volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
    /// When the first stage began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::core::<Option<Time>>")]
    pub start_time: Option<Time>,
    /// When the run ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::core::<Option<Time>>")]
    pub completion_time: Option<Time>,
    /// Accepted, VolumesReady, Complete and Failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::core::<Vec<Condition>>")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// Where a run stands.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The run waits for something that a condition names.
    Pending,
    /// The source is walked and the files are dealt to shards.
    Plan,
    /// The shards are worked on.
    Convert,
    /// The results are merged.
    Report,
    /// The run has ended.
    Done,
}

/// Files by outcome.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct FileCounts {
    /// Files that the plan found.
    #[serde(default)]
    pub total: i64,
    /// Files that were converted in this run.
    #[serde(default)]
    pub converted: i64,
    /// Files whose FLAC was there already.
    #[serde(default)]
    pub skipped: i64,
    /// Files that could not be converted.
    #[serde(default)]
    pub failed: i64,
}

/// Bytes read and written.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ByteCounts {
    /// Bytes of the source files.
    #[serde(default)]
    pub input: i64,
    /// Bytes of the FLAC files.
    #[serde(default)]
    pub output: i64,
}

/// Shards by state.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ShardCounts {
    /// All shards.
    #[serde(default)]
    pub total: i32,
    /// Shards that a pod works on.
    #[serde(default)]
    pub active: i32,
    /// Shards that are done.
    #[serde(default)]
    pub completed: i32,
    /// Shards that failed more often than they are tried.
    #[serde(default)]
    pub failed: i32,
}

/// A file that could not be converted.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct FileFailure {
    /// Path below the source folder.
    pub path: String,
    /// A word for scripts, for example `not_wav`.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
}
