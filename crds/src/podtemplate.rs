//! The escape hatch of both kinds: what a user may add to the pods that the operator makes.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, EnvFromSource, EnvVar, ResourceRequirements, SELinuxOptions, Toleration, TopologySpreadConstraint,
    Volume, VolumeMount,
};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

/// What is merged into the pods: maps key by key, lists by name, everything else replaces what the operator chose.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PodTemplate {
    /// Labels to add to the pods. The operator's own labels (app.kubernetes.io/…) keep their values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations to add to the pods.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// CPU and memory that the container requests and may use at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::core::<ResourceRequirements>")]
    pub resources: Option<ResourceRequirements>,
    /// Labels that a node must have to run the pods.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Taints that the pods tolerate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::core::<Vec<Toleration>>")]
    pub tolerations: Vec<Toleration>,
    /// Rules about the nodes and pods to be near to or far from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::core::<Affinity>")]
    pub affinity: Option<Affinity>,
    /// How the pods spread over zones and nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::core::<Vec<TopologySpreadConstraint>>")]
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,
    /// Name of the PriorityClass of the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority_class_name: Option<String>,
    /// ServiceAccount to run the pods as, in place of the one that the operator makes. Its token is not mounted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// Environment variables to add to the container. One of the same name replaces the operator's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::core::<Vec<EnvVar>>")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub env: Vec<EnvVar>,
    /// ConfigMaps and Secrets whose keys become environment variables of the container. Every flag of `converter serve` is
    /// one: FLACSHIP_ and the flag's name. What the operator sets, and `env`, come before them; of several, the last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::core::<Vec<EnvFromSource>>")]
    pub env_from: Vec<EnvFromSource>,
    /// Volumes to add to the pods. The names `spool`, `source`, `destination`, `stream-key`, `tokens` and `tls` are the
    /// operator's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::core::<Vec<Volume>>", length(max = 50))]
    #[x_kube(
        merge_strategy = ListMerge::Map(vec!["name".into()]),
        validation = Rule::new("!self.exists(v, v.name in ['spool', 'source', 'destination', 'stream-key', 'tokens', 'tls'])")
            .message("podTemplate.volumes: the names spool, source, destination, stream-key, tokens and tls are the operator's own: choose another name")
    )]
    pub volumes: Vec<Volume>,
    /// Where the container mounts the volumes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::core::<Vec<VolumeMount>>")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["mountPath".into()]))]
    pub volume_mounts: Vec<VolumeMount>,
    /// The user and groups that the pods run as. What the restricted Pod Security Standard asks for beyond these is
    /// always set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_context: Option<PodSecurity>,
}

/// The user and groups of the pods, for volumes whose files belong to somebody.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PodSecurity {
    /// User id of the process (default 65532). 0 is refused: the pods never run as root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub run_as_user: Option<i64>,
    /// Primary group id of the process (default 65532).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub run_as_group: Option<i64>,
    /// Group that owns the volumes which support it. Ownership changes only where a volume's root differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub fs_group: Option<i64>,
    /// Further groups of the process: the way to files of another user on a shared volume.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub supplemental_groups: Vec<i64>,
    /// SELinux labels of the containers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::core::<SELinuxOptions>")]
    pub se_linux_options: Option<SELinuxOptions>,
}
