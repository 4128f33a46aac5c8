//! What is known of a run.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

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
    /// Source bytes worked through in a second, as `182 MB/s`: over the last half minute, and once the run has ended over
    /// all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throughput: Option<String>,
    /// The throughput as a number, in bytes a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<i64>,
    /// When the conversion will be done if it goes on as in the last half minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::core::<Option<Time>>")]
    pub estimated_completion_time: Option<Time>,
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
    /// For how many seconds the run was suspended so far, the present time not counted: they do not count against
    /// `activeDeadlineSeconds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended_seconds: Option<i64>,
    /// Accepted, VolumesReady, Complete, Failed and Suspended.
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
    /// `spec.suspend` holds the run, or somebody holds the Job that it has come to.
    Suspended,
    /// The run has ended and its report is final.
    Done,
    /// The run has ended without a complete conversion: the condition Failed says why.
    Failed,
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
    /// Pods that broke off so far, over all shards; each is followed by another unless its shard
    /// has failed. Left out: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken_off: Option<i32>,
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
