//! Second step: the children, from a sound spec. Pure; one file a kind of child.

pub mod deployment;
pub mod hpa;
pub mod service;
pub mod service_account;
pub mod stream_key;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{Service, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::validate::ValidatedConverter;
use crate::labels::{self, Component};

/// The children as they should be; `None` where the spec asks for none.
#[derive(Clone, Debug, PartialEq)]
pub struct Children {
    /// Whom the pods run as.
    pub service_account: ServiceAccount,
    /// The pods.
    pub deployment: Deployment,
    /// The address of the pods.
    pub service: Service,
    /// The autoscaler.
    pub hpa: Option<HorizontalPodAutoscaler>,
}

/// Builds all children, for `replicas` pods.
pub fn build(converter: &ValidatedConverter, replicas: i32) -> Children {
    Children {
        service_account: service_account::build(converter),
        deployment: deployment::build(converter, replicas),
        service: service::build(converter),
        hpa: hpa::build(converter),
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
