//! How the number of pods follows the load.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Between which bounds, and by what, the number of pods follows the load.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.minReplicas <= self.maxReplicas")
        .message("autoscaling.minReplicas is above autoscaling.maxReplicas: lower the one or raise the other"),
    validation = Rule::new("(has(self.cpu) ? 1 : 0) + (has(self.memory) ? 1 : 0) + (has(self.streams) ? 1 : 0) == 1")
        .message("autoscaling follows exactly one of cpu, memory and streams: give one of them and leave the others out")
)]
pub struct Autoscaling {
    /// Fewest pods.
    #[serde(default = "default_min_replicas")]
    #[schemars(range(min = 1, max = 10000))]
    pub min_replicas: i32,
    /// Most pods.
    #[schemars(range(min = 1, max = 10000))]
    pub max_replicas: i32,
    /// Scale by CPU: a HorizontalPodAutoscaler keeps the pods' average at this share of what they request. Needs
    /// metrics.k8s.io (metrics-server) in the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<UtilizationTarget>,
    /// Scale by memory: the same with memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<UtilizationTarget>,
    /// Scale by live streams: the operator asks the pods themselves, chooses which pod goes, and never ends a stream for
    /// it. Needs nothing else in the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streams: Option<StreamTarget>,
    /// How fast pods are added. Default: at once, as many as are needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_up: Option<ScalingPace>,
    /// How fast pods are taken away. Default: after 300 s in which fewer were enough, as many as are not needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_down: Option<ScalingPace>,
}

fn default_min_replicas() -> i32 {
    1
}

/// The use that an autoscaler aims at.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct UtilizationTarget {
    /// Average use over all pods, in percent of what they request.
    #[schemars(range(min = 1, max = 1000))]
    pub average_utilization: i32,
}

/// How full the pods should be with live streams.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.targetPerReplica) != has(self.freeSlots)")
    .message("autoscaling.streams takes exactly one of targetPerReplica and freeSlots: leave the other out"))]
pub struct StreamTarget {
    /// As many pods as keep the average at or below this number of streams a pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub target_per_replica: Option<i32>,
    /// As many pods as keep room for this number of further streams, so that a client finds a place while another pod
    /// is still starting. A pod has `limits.maxStreams` slots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub free_slots: Option<i32>,
}

/// How fast the number of pods changes in one direction.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ScalingPace {
    /// How long the load must have asked for the change, in seconds, before it is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3600))]
    pub stabilization_seconds: Option<i32>,
    /// Most pods that are added or taken away in any minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub max_pods_per_minute: Option<i32>,
}
