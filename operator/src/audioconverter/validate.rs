//! First step: a spec that can be carried out, with every default filled in. Pure.
//!
//! The schema's rules refuse most contradictions before anything is stored. They are checked again here, because an
//! object may be older than a rule.

use std::time::Duration;

use crds::AudioConverter;
use crds::audioconverter::ServiceEncoding;
use crds::audioconverter::access::{Auth, Tls};
use crds::audioconverter::autoscaling::Autoscaling;
use crds::audioconverter::exposure::{GatewaySpec, IngressSpec};
use crds::audioconverter::limits::Limits;
use crds::audioconverter::policies::{DisruptionBudget, NetworkPolicy, ServiceMonitor};
use crds::audioconverter::service::{ServiceSpec, ServiceType};
use crds::conditions::ConverterReason;
use crds::podtemplate::PodTemplate;
use crds::shared::ImageSource;
use kube::ResourceExt;

use super::build::deployment;
use super::plan;
use crate::context::Config;
use crate::pods;

/// A contradiction in a spec; the sentence says what to change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSpec {
    /// The bounds of the autoscaler cross.
    #[error(
        "autoscaling.minReplicas ({min}) is above autoscaling.maxReplicas ({max}): lower the one or raise the other"
    )]
    Bounds {
        /// `minReplicas`.
        min: i32,
        /// `maxReplicas`.
        max: i32,
    },
    /// A node port that nothing would open.
    #[error("service.nodePort needs service.type NodePort or LoadBalancer: set the type or leave nodePort out")]
    NodePort,
    /// A volume of the user has a name of ours.
    #[error("podTemplate.volumes: the name {0} is the operator's own: choose another name")]
    VolumeName(String),
    /// A route that pods would not answer.
    #[error(
        "gateway sends plain HTTP, which tls switches off in the pods: end TLS at the Gateway's listener and leave tls out"
    )]
    GatewayTls,
    /// The operator may not make pods that run as somebody else.
    #[error(
        "podTemplate.serviceAccountName is not allowed here: leave it out, or have the operator started with --allow-service-account-name=true"
    )]
    ServiceAccountName,
    /// The operator may not make pods that have a ServiceAccount's token.
    #[error(
        "podTemplate.volumes: {0:?} holds a token of a ServiceAccount, which is not allowed here: leave the volume out, or have the operator started with --allow-service-account-name=true"
    )]
    Token(String),
    /// The operator may not make pods that see a node's folders.
    #[error(
        "podTemplate.volumes: {0:?} is a hostPath, which is not allowed here: use another kind of volume, or have the operator started with --allow-host-path=true"
    )]
    HostPath(String),
}

impl InvalidSpec {
    /// The reason of the conditions that tell of it.
    pub fn reason(&self) -> ConverterReason {
        match self {
            Self::ServiceAccountName | Self::Token(_) | Self::HostPath(_) => ConverterReason::NotAllowed,
            Self::Bounds { .. } | Self::NodePort | Self::VolumeName(_) | Self::GatewayTls => {
                ConverterReason::InvalidSpec
            }
        }
    }
}

/// What the operator itself brings to a spec.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// Image where a spec names none.
    pub default_image: &'a str,
    /// Namespace of the operator's own pods.
    pub operator_namespace: &'a str,
    /// Whether a podTemplate may name a ServiceAccount.
    pub allow_service_account_name: bool,
    /// Whether a podTemplate may mount folders of a node.
    pub allow_host_path: bool,
}

impl<'a> Surroundings<'a> {
    /// Those of an operator that was started with `config` and runs in `operator_namespace`.
    pub fn new(config: &'a Config, operator_namespace: &'a str) -> Self {
        Self {
            default_image: &config.converter_image,
            operator_namespace,
            allow_service_account_name: config.allow_service_account_name,
            allow_host_path: config.allow_host_path,
        }
    }
}

/// An AudioConverter that can be carried out.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidatedConverter {
    /// The resource's name.
    pub name: String,
    /// The resource's namespace.
    pub namespace: String,
    /// Image, pull policy and pull secrets.
    pub image: ImageSource,
    /// Image where `image` names none.
    pub default_image: String,
    /// Namespace of the operator's own pods, which are let in to the admin port.
    pub operator_namespace: String,
    /// How the FLAC is made.
    pub encoding: ServiceEncoding,
    /// What a client may ask for at most.
    pub limits: Limits,
    /// Room for results that wait for their clients, all requests of a pod together, in bytes.
    pub spool_size: u64,
    /// The Service in front of the pods.
    pub service: ServiceSpec,
    /// The Ingress, if asked for.
    pub ingress: Option<IngressSpec>,
    /// The HTTPRoute, if asked for.
    pub gateway: Option<GatewaySpec>,
    /// How the number of pods follows the load, if it does.
    pub autoscaling: Option<Autoscaling>,
    /// The PodDisruptionBudget, if asked for.
    pub disruption_budget: Option<DisruptionBudget>,
    /// The NetworkPolicy, if asked for.
    pub network_policy: Option<NetworkPolicy>,
    /// The ServiceMonitor, if asked for.
    pub service_monitor: Option<ServiceMonitor>,
    /// Who may use the converter, if not everybody.
    pub auth: Option<Auth>,
    /// HTTPS from the pods, if asked for.
    pub tls: Option<Tls>,
    /// How long a stopping pod may finish what it has.
    pub drain: Duration,
    /// What the user adds to the pods.
    pub pod_template: Option<PodTemplate>,
    /// Whether children are to be left alone.
    pub paused: bool,
}

/// Checks the spec and fills in what it leaves out.
pub fn validate(converter: &AudioConverter, surroundings: Surroundings<'_>) -> Result<ValidatedConverter, InvalidSpec> {
    // Destructured without `..`, so that a new field of the API does not compile until it is taken up here.
    // `replicas` is a decision of its own: `plan::plan_replicas`.
    let crds::AudioConverterSpec {
        image,
        replicas: _,
        encoding,
        limits,
        service,
        ingress,
        gateway,
        autoscaling,
        disruption_budget,
        network_policy,
        service_monitor,
        auth,
        tls,
        drain_seconds,
        pod_template,
        paused,
    } = &converter.spec;
    if let Some(Autoscaling { min_replicas, max_replicas, .. }) = *autoscaling
        && min_replicas > max_replicas
    {
        return Err(InvalidSpec::Bounds { min: min_replicas, max: max_replicas });
    }
    if service.node_port.is_some() && service.type_ == ServiceType::ClusterIP {
        return Err(InvalidSpec::NodePort);
    }
    if gateway.is_some() && tls.is_some() {
        return Err(InvalidSpec::GatewayTls);
    }
    let valid = ValidatedConverter {
        name: converter.name_any(),
        namespace: converter.namespace().unwrap_or_default(),
        image: image.clone(),
        default_image: surroundings.default_image.to_owned(),
        operator_namespace: surroundings.operator_namespace.to_owned(),
        encoding: encoding.clone(),
        limits: limits.clone(),
        spool_size: plan::plan_spool(limits.max_upload_size.bytes()),
        service: service.clone(),
        ingress: ingress.clone(),
        gateway: gateway.clone(),
        autoscaling: autoscaling.clone(),
        disruption_budget: disruption_budget.clone(),
        network_policy: network_policy.clone(),
        service_monitor: service_monitor.clone(),
        auth: auth.clone(),
        tls: tls.clone(),
        drain: Duration::from_secs(u64::try_from(*drain_seconds).unwrap_or_default()),
        pod_template: pod_template.clone(),
        paused: *paused,
    };
    check_pods(&valid, surroundings)?;
    Ok(valid)
}

/// What the podTemplate must not ask for.
fn check_pods(valid: &ValidatedConverter, surroundings: Surroundings<'_>) -> Result<(), InvalidSpec> {
    let Some(template) = &valid.pod_template else { return Ok(()) };
    // Only names that this converter's pods use: a name that the API kept for the operator later may be older than that.
    let ours = deployment::volume_names(valid);
    if let Some(volume) = template.volumes.iter().find(|volume| ours.contains(&volume.name)) {
        return Err(InvalidSpec::VolumeName(volume.name.clone()));
    }
    if template.service_account_name.is_some() && !surroundings.allow_service_account_name {
        return Err(InvalidSpec::ServiceAccountName);
    }
    // Who may not choose a ServiceAccount has no use for one's rights either: a name may have been given some beforehand.
    if let Some(volume) = pods::token_volume(template)
        && !surroundings.allow_service_account_name
    {
        return Err(InvalidSpec::Token(volume.to_owned()));
    }
    match template.volumes.iter().find(|volume| volume.host_path.is_some()) {
        Some(volume) if !surroundings.allow_host_path => Err(InvalidSpec::HostPath(volume.name.clone())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audioconverter::fixtures;

    #[test]
    fn an_empty_spec_is_sound() {
        let valid = fixtures::valid("{}");
        assert_eq!(valid.name, "tape.archive-9");
        assert_eq!(valid.namespace, "reels");
        assert_eq!(valid.encoding, ServiceEncoding::default());
        assert_eq!(valid.limits, Limits::default());
        assert_eq!(valid.spool_size, 4 << 30);
        assert_eq!(valid.default_image, fixtures::IMAGE);
    }

    #[test]
    fn contradictions_are_refused_with_a_way_out() {
        for (spec, says) in [
            (
                "autoscaling: {minReplicas: 5, maxReplicas: 2, cpu: {averageUtilization: 50}}",
                "minReplicas (5) is above",
            ),
            ("service: {nodePort: 30001}", "set the type or leave nodePort out"),
            ("podTemplate: {volumes: [{name: spool, emptyDir: {}}]}", "spool is the operator's own"),
            (
                "{tls: {secretRef: {name: cert}}, podTemplate: {volumes: [{name: tls, emptyDir: {}}]}}",
                "tls is the operator's own",
            ),
            (
                "{tls: {secretRef: {name: cert}}, gateway: {parentRefs: [{name: gate}]}}",
                "end TLS at the Gateway's listener",
            ),
        ] {
            let error = validate(&fixtures::converter(spec), fixtures::SURROUNDINGS).unwrap_err();
            assert!(error.to_string().contains(says), "{spec}: {error}");
            assert_eq!(error.reason(), ConverterReason::InvalidSpec);
        }
    }

    #[test]
    fn a_volume_of_the_users_may_have_a_name_that_is_not_in_use() {
        let spec = "podTemplate: {volumes: [{name: tls, emptyDir: {}}, {name: tokens, emptyDir: {}}]}";
        assert!(validate(&fixtures::converter(spec), fixtures::SURROUNDINGS).is_ok());
    }

    #[test]
    fn what_the_operator_was_started_without_is_not_allowed() {
        let strict =
            Surroundings { allow_service_account_name: false, allow_host_path: false, ..fixtures::SURROUNDINGS };
        for (spec, says) in [
            ("podTemplate: {serviceAccountName: reader}", "--allow-service-account-name=true"),
            (
                "podTemplate: {volumes: [{name: a, emptyDir: {}}, {name: b, projected: {sources: [{configMap: {name: c}}, {serviceAccountToken: {path: t}}]}}]}",
                "\"b\" holds a token",
            ),
            ("podTemplate: {volumes: [{name: disk, hostPath: {path: /srv}}]}", "\"disk\" is a hostPath"),
        ] {
            let converter = fixtures::converter(spec);
            let error = validate(&converter, strict).unwrap_err();
            assert!(error.to_string().contains(says), "{spec}: {error}");
            assert_eq!(error.reason(), ConverterReason::NotAllowed);
            assert!(validate(&converter, fixtures::SURROUNDINGS).is_ok(), "{spec}");
        }
        for spec in ["{labels: {a: b}}", "{volumes: [{name: b, projected: {sources: [{configMap: {name: c}}]}}]}"] {
            assert!(validate(&fixtures::converter(&format!("podTemplate: {spec}")), strict).is_ok(), "{spec}");
        }
    }
}
