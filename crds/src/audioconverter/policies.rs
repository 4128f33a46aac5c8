//! What the cluster is told about the pods: how many may be taken away at once, who may reach them, who scrapes them.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::NetworkPolicyPeer;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::KubeSchema;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::{duration, schema};

fn on() -> bool {
    true
}

/// A PodDisruptionBudget: how many pods a node drain may take away at once.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.minAvailable) || !has(self.maxUnavailable)")
    .message("disruptionBudget takes one of minAvailable and maxUnavailable: leave the other out"))]
pub struct DisruptionBudget {
    /// Whether there is one.
    #[serde(default = "on")]
    pub enabled: bool,
    /// Fewest pods that stay, as a number or a share like 50%.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "amount")]
    pub min_available: Option<IntOrString>,
    /// Most pods that are away at once, as a number or a share like 50%. Default: 1, if minAvailable is left out too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "amount")]
    pub max_unavailable: Option<IntOrString>,
}

fn amount(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "x-kubernetes-int-or-string": true,
        // Of an int-or-string the one is for numbers, the other for texts.
        "minimum": 0,
        "pattern": "^(100|[1-9]?[0-9])%$",
    })
}

/// A NetworkPolicy: who may reach the pods. It works where the cluster's network enforces such policies.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct NetworkPolicy {
    /// Whether there is one.
    #[serde(default = "on")]
    pub enabled: bool,
    /// Who may use the page, /convert and the live stream. Default: everybody. Name the ingress controller here if
    /// clients come through one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::core::<Vec<NetworkPolicyPeer>>", length(max = 100))]
    pub from: Vec<NetworkPolicyPeer>,
    /// Who beside the operator may reach the admin port with /metrics, for example Prometheus. Default: nobody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::core::<Vec<NetworkPolicyPeer>>", length(max = 100))]
    pub metrics_from: Vec<NetworkPolicyPeer>,
}

/// A ServiceMonitor, by which the Prometheus operator scrapes the pods. Needs monitoring.coreos.com in the cluster.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ServiceMonitor {
    /// Whether there is one.
    #[serde(default = "on")]
    pub enabled: bool,
    /// How often the pods are scraped, for example 30s. Default: what Prometheus is set to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 24), regex(pattern = duration::PATTERN))]
    pub interval: Option<String>,
    /// Labels to add to the ServiceMonitor, by which a Prometheus chooses it, for example `release: prometheus`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}
