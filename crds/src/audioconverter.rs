//! `AudioConverter`: a converter service that runs until it is deleted.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bytesize::ByteSize;
use crate::podtemplate::PodTemplate;
use crate::schema;
use crate::shared::{Encoding, ImageSource};

/// What the converter service should be.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "flacship.dev",
    version = "v1alpha1",
    kind = "AudioConverter",
    plural = "audioconverters",
    shortname = "acv",
    category = "flacship",
    namespaced,
    status = "AudioConverterStatus",
    derive = "PartialEq",
    doc = "A WAV to FLAC conversion service: an upload page, POST /convert and a live WebSocket stream. The operator makes a Deployment, a Service and, if asked, a HorizontalPodAutoscaler of the same name.",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#,
        description = "Whether the converter takes requests"
    ),
    printcolumn(
        name = "Replicas",
        type_ = "integer",
        json_path = ".status.readyReplicas",
        description = "Pods that are ready"
    ),
    printcolumn(
        name = "Endpoint",
        type_ = "string",
        json_path = ".status.endpoint",
        description = "Where the converter answers"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        description = "Since when it exists"
    ),
    printcolumn(
        name = "Desired",
        type_ = "integer",
        json_path = ".spec.replicas",
        description = "Pods that are wanted",
        priority = 1
    ),
    printcolumn(
        name = "Image",
        type_ = "string",
        json_path = ".status.image",
        description = "Image of the pods",
        priority = 1
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        description = "Why it is ready or not",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
pub struct AudioConverterSpec {
    // A doc comment here would become the description of the whole spec.
    #[allow(missing_docs)]
    #[serde(flatten)]
    pub image: ImageSource,
    /// How many pods are wanted. `kubectl scale` and the autoscaler write this field too. Left out, the operator fills
    /// in the count that runs already: 1, or `autoscaling.minReplicas`, for a new converter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10000))]
    pub replicas: Option<i32>,
    /// How the FLAC is made.
    #[serde(default)]
    pub encoding: Encoding,
    /// What a client may ask for at most.
    #[serde(default)]
    pub limits: Limits,
    /// The Service in front of the pods.
    #[serde(default)]
    pub service: ServiceSpec,
    /// Lets the number of pods follow the load. Needs metrics.k8s.io (metrics-server) in the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,
    /// What to add to the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplate>,
}

/// What a client may ask for at most.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Size of the largest upload, counted as its bytes arrive; a larger one is answered with 413. For example 512Mi
    /// or 2G.
    #[serde(default = "default_max_upload_size")]
    pub max_upload_size: ByteSize,
}

fn default_max_upload_size() -> ByteSize {
    // The text is a constant that `limits_default_is_two_gibibytes` parses, so the fallback is never reached.
    "2Gi".parse().unwrap_or_else(|_| unreachable!())
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_upload_size: default_max_upload_size() }
    }
}

/// How a Service makes the pods reachable.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServiceType {
    /// Inside the cluster only.
    #[default]
    ClusterIP,
    /// On a port of every node.
    NodePort,
    /// Through the cloud's load balancer.
    LoadBalancer,
}

impl ServiceType {
    /// The spelling in a Service.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClusterIP => "ClusterIP",
            Self::NodePort => "NodePort",
            Self::LoadBalancer => "LoadBalancer",
        }
    }
}

/// The Service in front of the pods.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.nodePort) || self.type != 'ClusterIP'")
    .message("service.nodePort needs service.type NodePort or LoadBalancer: set the type or leave nodePort out"))]
pub struct ServiceSpec {
    /// Who can reach the converter: ClusterIP (the cluster), NodePort (a port of each node) or LoadBalancer.
    #[serde(default, rename = "type")]
    pub type_: ServiceType,
    /// Port of the Service.
    #[serde(default = "default_port")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// Port on each node, inside the cluster's node port range (30000-32767 unless configured). Left out, the cluster
    /// picks one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub node_port: Option<i32>,
    /// Annotations of the Service, for example for a cloud's load balancer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

fn default_port() -> i32 {
    80
}

impl Default for ServiceSpec {
    fn default() -> Self {
        Self { type_: ServiceType::default(), port: default_port(), node_port: None, annotations: BTreeMap::new() }
    }
}

/// Between which bounds, and by what, the number of pods follows the load.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.minReplicas <= self.maxReplicas")
    .message("autoscaling.minReplicas is above autoscaling.maxReplicas: lower the one or raise the other"))]
pub struct Autoscaling {
    /// Fewest pods.
    #[serde(default = "default_min_replicas")]
    #[schemars(range(min = 1, max = 10000))]
    pub min_replicas: i32,
    /// Most pods.
    #[schemars(range(min = 1, max = 10000))]
    pub max_replicas: i32,
    /// Scale by CPU: a HorizontalPodAutoscaler keeps the pods' average at this share of what they request.
    pub cpu: CpuTarget,
}

fn default_min_replicas() -> i32 {
    1
}

/// The CPU use that the autoscaler aims at.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CpuTarget {
    /// Average CPU use over all pods, in percent of their CPU request.
    #[schemars(range(min = 1, max = 1000))]
    pub average_utilization: i32,
}

/// What is known of the converter service.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AudioConverterStatus {
    /// The `metadata.generation` that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Pods that exist.
    #[serde(default)]
    pub replicas: i32,
    /// Pods that are ready.
    #[serde(default)]
    pub ready_replicas: i32,
    /// Label selector of the pods, for the scale subresource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// Where the converter answers: the load balancer's address if there is one, else the Service's name in the
    /// cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Image of the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Ready, Progressing, Degraded and, with autoscaling, ScalingActive.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::core::<Vec<Condition>>")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_default_is_two_gibibytes() {
        assert_eq!(Limits::default().max_upload_size.bytes(), 2 << 30);
    }

    #[test]
    fn an_empty_spec_is_a_whole_converter() {
        let spec: AudioConverterSpec = serde_json::from_str("{}").unwrap();
        assert_eq!(spec, AudioConverterSpec::default());
        assert_eq!(spec.encoding.compression_level, 5);
        assert_eq!(spec.service.port, 80);
        assert_eq!(spec.replicas, None);
    }
}
