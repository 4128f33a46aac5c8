//! Where a job's files lie: volumes and the folders on them.

use k8s_openapi::api::core::v1::{
    CSIVolumeSource, HostPathVolumeSource, NFSVolumeSource, PersistentVolumeClaimVolumeSource,
};
use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::schema;

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
    /// Mirror (default): each FLAC has the folders of its source. Flat: all lie in one folder; of several sources with one
    /// name only the first is taken, and the others are listed as failed.
    #[serde(default)]
    pub layout: Layout,
}

/// Where in the destination folder a FLAC lies.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// Below the same folders as its source.
    #[default]
    Mirror,
    /// In the destination folder itself.
    Flat,
}

impl Layout {
    /// The spelling in the API and on the worker's command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mirror => "Mirror",
            Self::Flat => "Flat",
        }
    }
}

fn claim(generator: &mut SchemaGenerator) -> Schema {
    schema::core_naming::<PersistentVolumeClaimVolumeSource>(generator, "claimName")
}

/// A pod volume: exactly one of its fields is set.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.persistentVolumeClaim), has(self.csi), has(self.nfs), has(self.hostPath)].filter(set, set).size() == 1")
    .message("a volume names exactly one of persistentVolumeClaim, csi, nfs and hostPath"))]
pub struct VolumeSource {
    /// A claim in the job's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "claim")]
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
