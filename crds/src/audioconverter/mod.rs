//! `AudioConverter`: a converter service that runs until it is deleted.

pub mod access;
pub mod autoscaling;
pub mod exposure;
pub mod limits;
pub mod policies;
pub mod service;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use self::access::{Auth, Tls};
use self::autoscaling::Autoscaling;
use self::exposure::{GatewaySpec, IngressSpec};
use self::limits::Limits;
use self::policies::{DisruptionBudget, NetworkPolicy, ServiceMonitor};
use self::service::ServiceSpec;
use crate::podtemplate::PodTemplate;
use crate::schema;
use crate::shared::{Encoding, ImageSource};

/// What the converter service should be.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
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
    doc = "A WAV to FLAC conversion service: an upload page, POST /convert and a live WebSocket stream. The operator makes a Deployment and a Service of the same name, scales them, and adds what else is asked for: an Ingress or HTTPRoute, a PodDisruptionBudget, a NetworkPolicy, a ServiceMonitor.",
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
        name = "Streams",
        type_ = "integer",
        json_path = ".status.activeStreams",
        description = "Live streams that run"
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
        json_path = ".status.desiredReplicas",
        description = "Pods that are wanted",
        priority = 1
    ),
    printcolumn(
        name = "Draining",
        type_ = "integer",
        json_path = ".status.drainingReplicas",
        description = "Pods that finish their streams before they end",
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
#[x_kube(
    validation = Rule::new("!has(self.tls) || !has(self.gateway)")
        .message("gateway sends plain HTTP, which tls switches off in the pods: end TLS at the Gateway's listener and leave tls out"),
    validation = Rule::new("!has(self.autoscaling) || !has(self.autoscaling.streams) || !has(self.autoscaling.streams.targetPerReplica) || self.autoscaling.streams.targetPerReplica <= (has(self.limits) && has(self.limits.maxStreams) ? self.limits.maxStreams : 1000)")
        .message("autoscaling.streams.targetPerReplica is above limits.maxStreams (1000 if left out), which no pod exceeds: lower the one or raise the other")
)]
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
    pub encoding: ServiceEncoding,
    /// What a client may ask for at most.
    #[serde(default)]
    pub limits: Limits,
    /// The Service in front of the pods.
    #[serde(default)]
    pub service: ServiceSpec,
    /// Makes the converter reachable by a host name through an Ingress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<IngressSpec>,
    /// Makes the converter reachable through a Gateway, by an HTTPRoute. Needs the Gateway API in the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<GatewaySpec>,
    /// Lets the number of pods follow the load. Taken away, the count stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,
    /// Bounds how many pods a node drain takes away at once, by a PodDisruptionBudget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disruption_budget: Option<DisruptionBudget>,
    /// Says who may reach the pods, by a NetworkPolicy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_policy: Option<NetworkPolicy>,
    /// Lets the Prometheus operator scrape the pods, by a ServiceMonitor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_monitor: Option<ServiceMonitor>,
    /// Who may use the converter. Default: everybody who reaches it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// HTTPS straight from the pods. Left out, they speak plain HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// How long, in seconds, a stopping pod may finish its streams and uploads. After it, clients of streams that are
    /// left get a token and go on with another pod.
    #[serde(default = "default_drain_seconds")]
    #[schemars(range(min = 0, max = 604_800))]
    pub drain_seconds: i64,
    /// What to add to the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplate>,
    /// While true, the operator leaves the Deployment, the Service and all else of this converter as they are, whoever
    /// changes them; the status stays up to date.
    #[serde(default)]
    pub paused: bool,
}

fn default_drain_seconds() -> i64 {
    300
}

impl Default for AudioConverterSpec {
    fn default() -> Self {
        Self {
            image: ImageSource::default(),
            replicas: None,
            encoding: ServiceEncoding::default(),
            limits: Limits::default(),
            service: ServiceSpec::default(),
            ingress: None,
            gateway: None,
            autoscaling: None,
            disruption_budget: None,
            network_policy: None,
            service_monitor: None,
            auth: None,
            tls: None,
            drain_seconds: default_drain_seconds(),
            pod_template: None,
            paused: false,
        }
    }
}

/// How the FLAC of a service is made.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ServiceEncoding {
    // A doc comment here would become the description of the whole.
    #[allow(missing_docs)]
    #[serde(flatten)]
    pub encoding: Encoding,
    /// Whether every frame is decoded and compared with the input before it is sent, where a request does not say.
    #[serde(default)]
    pub verify: bool,
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
    /// Pods that are wanted: `spec.replicas` as the operator follows it.
    #[serde(default)]
    pub desired_replicas: i32,
    /// Pods that are stopping and finish what they have.
    #[serde(default)]
    pub draining_replicas: i32,
    /// Live streams that run, over all pods that answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_streams: Option<i64>,
    /// Live streams that the pods take at once, over all that answer and do not stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<i64>,
    /// When the operator last changed the number of pods for `autoscaling.streams`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::core::<Option<Time>>")]
    pub last_scale_time: Option<Time>,
    /// Why the operator last changed the number of pods, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_scale_reason: Option<String>,
    /// Label selector of the pods, for the scale subresource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// Where the converter answers: its host name, the load balancer's or a node's address, else the Service's name in
    /// the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Image of the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Ready, Progressing, Degraded, Paused and, with autoscaling, ScalingActive.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::core::<Vec<Condition>>")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_spec_is_a_whole_converter() {
        let spec: AudioConverterSpec = serde_json::from_str("{}").unwrap();
        assert_eq!(spec, AudioConverterSpec::default());
        assert_eq!(spec.encoding.encoding.compression_level, 5);
        assert_eq!(spec.service.port, 80);
        assert_eq!(spec.replicas, None);
        assert_eq!(spec.drain_seconds, 300);
        assert!(!spec.paused && !spec.encoding.verify);
    }
}
