//! What a run does with what it finds, and how long it tries.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

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

/// What becomes of a source once its FLAC is safe. It acts only where the FLAC under its final name, read back from the
/// disk, decodes to this source's samples, and the source has not changed since; also where the FLAC was there already.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.type != 'MoveTo' || has(self.path)")
        .message("sourcePolicy MoveTo needs sourcePolicy.path: name the folder on the source's volume that sources are moved to"),
    validation = Rule::new("self.type == 'MoveTo' || !has(self.path)")
        .message("sourcePolicy.path is for MoveTo alone: set type MoveTo or leave path out")
)]
pub struct SourcePolicy {
    /// Keep (default): nothing is done to it. DeleteAfterVerify: it is deleted; needs `encoding.metadata` Foreign, from
    /// which the identical file can be made again. MoveTo: it is moved to `path`, below which it keeps its place.
    #[serde(rename = "type")]
    pub type_: SourcePolicyType,
    /// Folder on the source's volume for MoveTo; it is made if it is missing. No file in it is ever replaced, and none in
    /// it is converted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(validation = Rule::new("!self.startsWith('/') && !self.split('/').exists(part, part == '..')")
        .message("sourcePolicy.path is relative to the source's volume: leave out a leading / and .."))]
    pub path: Option<String>,
}

/// What becomes of a source once its FLAC is safe.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SourcePolicyType {
    /// Nothing is done to it.
    #[default]
    Keep,
    /// It is deleted.
    DeleteAfterVerify,
    /// It is moved to another folder.
    MoveTo,
}

impl SourcePolicyType {
    /// The spelling in the API and on the worker's command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "Keep",
            Self::DeleteAfterVerify => "DeleteAfterVerify",
            Self::MoveTo => "MoveTo",
        }
    }
}

/// Names an AudioConverter.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ConverterRef {
    /// Name of the AudioConverter, in the job's namespace.
    #[schemars(length(min = 1, max = 253), regex(pattern = schema::NAME))]
    pub name: String,
}

/// How often a shard is tried again, unless said otherwise.
pub const DEFAULT_RETRIES: i32 = 3;

/// How often is tried again what broke off.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Retries {
    /// How often a shard is tried again after its pod broke off (default 3). It goes on where its records end.
    #[serde(default = "default_retries")]
    #[schemars(range(min = 0, max = 100))]
    pub per_shard: i32,
}

fn default_retries() -> i32 {
    DEFAULT_RETRIES
}

/// How long, in seconds, a resource stays once its run has ended.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TtlAfterFinished {
    /// After a run that is Complete, even if some of its files failed. 0: at once. Left out, it stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub succeeded: Option<i64>,
    /// After a run that is Failed. 0: at once. Left out, it stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub failed: Option<i64>,
}
