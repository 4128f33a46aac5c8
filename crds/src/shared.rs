//! Small spec parts that both kinds have.

use k8s_openapi::api::core::v1::LocalObjectReference;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::schema;

/// How the FLAC is made.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Encoding {
    /// How hard the encoder tries, from 0 (fastest) to 8 (smallest). The audio is the same at every level.
    #[serde(default = "default_compression_level")]
    #[schemars(range(min = 0, max = 8))]
    pub compression_level: i32,
    /// Samples in each FLAC frame. Default: 4096, which suits everything but live streams that need less delay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 16, max = 65535))]
    pub block_size: Option<i32>,
    /// What is kept beside the audio. Tags: what FLAC players can show. Foreign: also every other byte of the WAV file, so
    /// that the identical file can be made again.
    #[serde(default)]
    pub metadata: Metadata,
    /// What becomes of floating-point samples, which FLAC cannot hold. Refuse, or quantise them to 16 or 24 bits, which
    /// is not lossless.
    #[serde(default)]
    #[schemars(schema_with = "float_schema")]
    pub float: Float,
}

fn default_compression_level() -> i32 {
    5
}

impl Default for Encoding {
    fn default() -> Self {
        Self {
            compression_level: default_compression_level(),
            block_size: None,
            metadata: Metadata::default(),
            float: Float::default(),
        }
    }
}

/// What is kept beside the audio.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Metadata {
    /// What FLAC players can show.
    #[default]
    Tags,
    /// Also every other byte of the WAV file.
    Foreign,
}

/// What becomes of floating-point samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Float {
    /// The file is refused.
    #[default]
    Refuse,
    /// They are quantised to 16 bits.
    To16,
    /// They are quantised to 24 bits.
    To24,
}

/// A bare 16 in YAML is a number and means what `"16"` means. The apiserver lets null through where no type is named.
fn float_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "x-kubernetes-int-or-string": true,
        "enum": ["Refuse", "16", "24", 16, 24],
        "default": "Refuse",
        "description": "What becomes of floating-point samples, which FLAC cannot hold: Refuse (default), or quantise them to 16 or 24 bits, which is not lossless.",
    })
}

impl Serialize for Float {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Refuse => "Refuse",
            Self::To16 => "16",
            Self::To24 => "24",
        })
    }
}

impl<'de> Deserialize<'de> for Float {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Option::<IntOrString>::deserialize(deserializer)? {
            None => Ok(Self::Refuse),
            Some(IntOrString::String(text)) if text == "Refuse" => Ok(Self::Refuse),
            Some(IntOrString::String(text)) if text == "16" => Ok(Self::To16),
            Some(IntOrString::String(text)) if text == "24" => Ok(Self::To24),
            Some(IntOrString::Int(16)) => Ok(Self::To16),
            Some(IntOrString::Int(24)) => Ok(Self::To24),
            _ => Err(D::Error::custom("encoding.float is Refuse, 16 or 24")),
        }
    }
}

/// When the kubelet pulls the image.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImagePullPolicy {
    /// At every start of a pod.
    Always,
    /// When the node does not have it.
    IfNotPresent,
    /// Never: the image must be on the node.
    Never,
}

impl ImagePullPolicy {
    /// The spelling in a container spec.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

/// The image of the pods and how to get it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ImageSource {
    /// Image of the converter. Default: the one that this operator was released with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub image: Option<String>,
    /// When the kubelet pulls the image. Default: Always for the tag `latest`, else IfNotPresent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<ImagePullPolicy>,
    /// Secrets with the registry's credentials, in the resource's namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::core::<Vec<LocalObjectReference>>")]
    pub image_pull_secrets: Vec<LocalObjectReference>,
}
