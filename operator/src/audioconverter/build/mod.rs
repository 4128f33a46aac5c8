//! Second step: the children, from a sound spec. Pure; one file a kind of child.

pub mod deployment;
pub mod disruption_budget;
pub mod hpa;
pub mod http_route;
pub mod ingress;
pub mod metrics_service;
pub mod network_policy;
pub mod secrets;
pub mod service;
pub mod service_account;
pub mod service_monitor;
pub mod stream_key;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{Service, ServiceAccount};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use self::http_route::HttpRoute;
use self::service_monitor::ServiceMonitor;
use super::validate::ValidatedConverter;
use crate::labels::{self, Component};

/// The children as they should be; `None` where the spec asks for none.
#[derive(Clone, Debug, PartialEq)]
pub struct Children {
    /// Whom the pods run as.
    pub service_account: ServiceAccount,
    /// Who may reach the pods.
    pub network_policy: Option<NetworkPolicy>,
    /// The pods.
    pub deployment: Deployment,
    /// The address of the pods.
    pub service: Service,
    /// The autoscaler.
    pub hpa: Option<HorizontalPodAutoscaler>,
    /// How many pods may be taken away at once.
    pub disruption_budget: Option<PodDisruptionBudget>,
    /// A host name, through an ingress controller.
    pub ingress: Option<Ingress>,
    /// A host name, through a Gateway.
    pub http_route: Option<HttpRoute>,
    /// Where metrics are scraped.
    pub metrics_service: Option<Service>,
    /// Who scrapes them.
    pub service_monitor: Option<ServiceMonitor>,
}

/// Builds all children, for `replicas` pods.
pub fn build(converter: &ValidatedConverter, replicas: i32) -> Children {
    Children {
        service_account: service_account::build(converter),
        network_policy: network_policy::build(converter),
        deployment: deployment::build(converter, replicas),
        service: service::build(converter),
        hpa: hpa::build(converter),
        disruption_budget: disruption_budget::build(converter),
        ingress: ingress::build(converter),
        http_route: http_route::build(converter),
        metrics_service: metrics_service::build(converter),
        service_monitor: service_monitor::build(converter),
    }
}

/// Name and labels of a child; namespace and owner are put in when it is applied.
fn meta(converter: &ValidatedConverter, name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        labels: Some(labels::labels(&converter.name, Component::Converter)),
        ..ObjectMeta::default()
    }
}

/// [`meta`] with labels and annotations of the user; our labels stand.
fn meta_with(
    converter: &ValidatedConverter,
    name: String,
    users_labels: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
) -> ObjectMeta {
    let mut metadata = meta(converter, name);
    let mut labels = users_labels.clone();
    labels.extend(metadata.labels.take().unwrap_or_default());
    metadata.labels = Some(labels);
    metadata.annotations = (!annotations.is_empty()).then(|| annotations.clone());
    metadata
}

/// A list that is left out where it is empty.
fn non_empty<T>(items: Vec<T>) -> Option<Vec<T>> {
    if items.is_empty() { None } else { Some(items) }
}
