//! The CRDs as YAML files, as `config/crd/` holds them.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

use crate::{AudioConverter, ConversionJob};

/// Every CRD of ours.
pub fn all() -> Vec<CustomResourceDefinition> {
    vec![AudioConverter::crd(), ConversionJob::crd()]
}

/// The file name and the YAML of every CRD of ours.
pub fn files() -> Result<Vec<(String, String)>, serde_yaml::Error> {
    all()
        .into_iter()
        .map(|crd| {
            let name = format!("{}_{}.yaml", crd.spec.group, crd.spec.names.plural);
            let yaml = serde_yaml::to_string(&crd)?;
            Ok((name, format!("# Made by `make generate` from the crate `crds`; edits here are lost.\n{yaml}")))
        })
        .collect()
}
