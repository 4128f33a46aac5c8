//! The Service in front of the pods.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

/// Which pods a node hands outside traffic to.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExternalTrafficPolicy {
    /// Pods on every node; they see the node's address as the client's.
    Cluster,
    /// Pods of the same node only; they see the client's address.
    Local,
}

impl ExternalTrafficPolicy {
    /// The spelling in a Service.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cluster => "Cluster",
            Self::Local => "Local",
        }
    }
}

/// The Service in front of the pods.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.nodePort) || self.type != 'ClusterIP'")
        .message("service.nodePort needs service.type NodePort or LoadBalancer: set the type or leave nodePort out"),
    validation = Rule::new("!has(self.externalTrafficPolicy) || self.type != 'ClusterIP'")
        .message("service.externalTrafficPolicy needs service.type NodePort or LoadBalancer: set the type or leave the policy out"),
    validation = Rule::new("!has(self.loadBalancerClass) || self.type == 'LoadBalancer'")
        .message("service.loadBalancerClass needs service.type LoadBalancer: set the type or leave the class out"),
    validation = Rule::new("!has(self.loadBalancerSourceRanges) || self.type == 'LoadBalancer'")
        .message("service.loadBalancerSourceRanges needs service.type LoadBalancer: set the type or leave the ranges out")
)]
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
    /// Labels to add to the Service. The operator's own labels (app.kubernetes.io/…) keep their values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Which load balancer implementation serves the Service, where a cluster has several. It cannot be changed later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub load_balancer_class: Option<String>,
    /// Client addresses that the load balancer lets in, as CIDRs like 192.0.2.0/24. Default: everybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 3, max = 64)))]
    pub load_balancer_source_ranges: Vec<String>,
    /// Which pods a node hands outside traffic to: Cluster (all, the default) or Local (its own, which see the client's
    /// address).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_traffic_policy: Option<ExternalTrafficPolicy>,
}

fn default_port() -> i32 {
    80
}

impl Default for ServiceSpec {
    fn default() -> Self {
        Self {
            type_: ServiceType::default(),
            port: default_port(),
            node_port: None,
            annotations: BTreeMap::new(),
            labels: BTreeMap::new(),
            load_balancer_class: None,
            load_balancer_source_ranges: Vec::new(),
            external_traffic_policy: None,
        }
    }
}
