//! Last step: what was applied and observed becomes the status, and its transitions Events.

use crds::conditions::ConverterCondition;
use crds::{AudioConverter, AudioConverterStatus};
use k8s_openapi::api::core::v1::{LoadBalancerIngress, Service};
use kube::Resource;
use kube::ResourceExt;

use super::apply::AppliedChildren;
use super::build::service;
use super::conditions::{Facts, Rollout, plan_conditions};
use super::validate::{InvalidSpec, ValidatedConverter};
use crate::conditions::{self, Wanted};
use crate::context::Context;
use crate::errors::CallError;
use crate::events::Note;
use crate::labels::{self, Component};
use crate::status::{StatusWrite, patch_status};

/// The status of a converter whose children were applied.
pub fn plan_status(
    converter: &AudioConverter,
    valid: &ValidatedConverter,
    wanted_replicas: i32,
    applied: &AppliedChildren,
    trouble: Option<String>,
) -> AudioConverterStatus {
    let rollout = applied.deployment.as_ref().map(Rollout::from);
    let facts = Facts {
        wanted: wanted_replicas,
        rollout: rollout.as_ref(),
        refusals: &applied.refusals,
        trouble,
        autoscaler: valid.autoscaling.as_ref().map(|_| applied.hpa.as_ref()),
    };
    let selector = labels::selector(&valid.name, Component::Converter);
    AudioConverterStatus {
        observed_generation: converter.metadata.generation,
        replicas: rollout.as_ref().map_or(0, |rollout| rollout.replicas),
        ready_replicas: rollout.as_ref().map_or(0, |rollout| rollout.ready),
        desired_replicas: wanted_replicas,
        selector: Some(labels::selector_text(&selector)),
        endpoint: applied.service.as_ref().map(|live| endpoint(valid, live)),
        image: Some(valid.image.image.clone().unwrap_or_else(|| valid.default_image.clone())),
        conditions: merged(converter, plan_conditions(&facts)),
        ..AudioConverterStatus::default()
    }
}

/// The status of a converter whose spec contradicts itself: what runs is left as it is.
pub fn invalid(converter: &AudioConverter, error: &InvalidSpec) -> AudioConverterStatus {
    AudioConverterStatus {
        observed_generation: converter.metadata.generation,
        conditions: merged(converter, super::conditions::invalid(error.to_string())),
        ..converter.status.clone().unwrap_or_default()
    }
}

fn merged(
    converter: &AudioConverter,
    wanted: Vec<Wanted>,
) -> Vec<k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition> {
    conditions::merge(previous(converter), wanted, converter.metadata.generation, &conditions::now())
}

fn previous(converter: &AudioConverter) -> &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition] {
    converter.status.as_ref().map_or(&[], |status| status.conditions.as_slice())
}

/// Writes `status` if it is another, and tells of conditions that changed.
pub async fn write(ctx: &Context, converter: &AudioConverter, status: &AudioConverterStatus) -> Result<(), CallError> {
    if patch_status(ctx, converter, converter.status.as_ref(), status).await? != StatusWrite::Written {
        return Ok(());
    }
    for note in notes(converter, status) {
        tracing::info!(reason = note.reason, "{}", note.message);
        ctx.events.publish(&converter.object_ref(&()), note).await;
    }
    Ok(())
}

/// What is worth an Event: becoming ready or not, a new trouble and its end, the autoscaler losing its metric.
fn notes(converter: &AudioConverter, status: &AudioConverterStatus) -> Vec<Note> {
    let before = previous(converter);
    let worth_telling = |condition: &&k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition| {
        let first = conditions::find(before, &condition.type_).is_none();
        let good = condition.type_ == ConverterCondition::Degraded.as_str();
        // A new resource is neither ready nor in trouble: nothing has happened yet.
        !(first && condition.status == if good { "False" } else { "Unknown" })
    };
    conditions::transitions(before, &status.conditions)
        .into_iter()
        .filter(worth_telling)
        .filter_map(|condition| {
            let is = |type_: ConverterCondition| condition.type_ == type_.as_str();
            let message = &condition.message;
            if is(ConverterCondition::Degraded) {
                Some(match condition.status.as_str() {
                    "True" => Note::warning(&condition.reason, "Observe", message),
                    _ => Note::normal("Recovered", "Observe", message),
                })
            } else if is(ConverterCondition::Ready) {
                let changed =
                    conditions::find(before, &condition.type_).is_none_or(|old| old.status != condition.status);
                match condition.status.as_str() {
                    "True" if changed => Some(Note::normal("Ready", "Observe", message)),
                    // A first `False` is the start of every converter.
                    _ if changed && !before.is_empty() => Some(Note::warning("NotReady", "Observe", message)),
                    _ => None,
                }
            } else if is(ConverterCondition::ScalingActive) && condition.status == "False" {
                Some(Note::warning(&condition.reason, "Observe", message))
            } else {
                None
            }
        })
        .collect()
}

/// Where clients reach the converter: the load balancer's address, else the Service's name in the cluster.
fn endpoint(valid: &ValidatedConverter, live: &Service) -> String {
    let port = match valid.service.port {
        80 => String::new(),
        other => format!(":{other}"),
    };
    let balancer = live.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let address = balancer.and_then(|balancer| balancer.ingress.iter().flatten().find_map(balancer_address));
    let host =
        address.unwrap_or_else(|| format!("{}.{}.svc", service::name(valid), live.namespace().unwrap_or_default()));
    format!("http://{host}{port}")
}

fn balancer_address(ingress: &LoadBalancerIngress) -> Option<String> {
    let ip = ingress.ip.as_ref().map(|ip| if ip.contains(':') { format!("[{ip}]") } else { ip.clone() });
    ingress.hostname.clone().or(ip)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audioconverter::fixtures;
    use k8s_openapi::api::apps::v1::Deployment;

    fn service(status: &str) -> Service {
        serde_yaml::from_str(&format!("{{metadata: {{name: s, namespace: reels}}, status: {status}}}")).unwrap()
    }

    fn applied(deployment: &str) -> AppliedChildren {
        let deployment: Deployment = serde_yaml::from_str(deployment).unwrap();
        AppliedChildren { deployment: Some(deployment), service: Some(service("{}")), ..AppliedChildren::default() }
    }

    const READY: &str = "{metadata: {generation: 1}, spec: {replicas: 2, selector: {}, template: {}},
        status: {observedGeneration: 1, replicas: 2, updatedReplicas: 2, readyReplicas: 2, availableReplicas: 2}}";

    #[test]
    fn the_endpoint_is_the_balancers_address_or_the_services_name() {
        let name = names_of("{}");
        for (spec, status, says) in [
            ("{}", "{}", format!("http://{name}.reels.svc")),
            ("service: {port: 8000}", "{}", format!("http://{name}.reels.svc:8000")),
            ("{}", "{loadBalancer: {ingress: [{ip: 192.0.2.7}]}}", "http://192.0.2.7".to_owned()),
            (
                "service: {port: 81}",
                "{loadBalancer: {ingress: [{ip: '2001:db8::1'}]}}",
                "http://[2001:db8::1]:81".to_owned(),
            ),
            (
                "{}",
                "{loadBalancer: {ingress: [{hostname: lb.example, ip: 192.0.2.7}]}}",
                "http://lb.example".to_owned(),
            ),
            ("{}", "{loadBalancer: {}}", format!("http://{name}.reels.svc")),
        ] {
            assert_eq!(endpoint(&fixtures::valid(spec), &service(status)), says);
        }
    }

    fn names_of(spec: &str) -> String {
        service::name(&fixtures::valid(spec))
    }

    #[test]
    fn the_status_repeats_what_scale_and_people_need() {
        let converter = fixtures::converter("replicas: 2");
        let status = plan_status(&converter, &fixtures::valid("replicas: 2"), 2, &applied(READY), None);
        assert_eq!((status.replicas, status.ready_replicas), (2, 2));
        assert_eq!(status.observed_generation, Some(3));
        assert_eq!(status.image.as_deref(), Some(fixtures::IMAGE));
        assert_eq!(
            status.selector.as_deref(),
            Some(
                "app.kubernetes.io/component=converter,app.kubernetes.io/instance=tape.archive-9,app.kubernetes.io/name=flacship-converter"
            )
        );
        assert!(conditions::is_true(&status.conditions, "Ready"));
        assert!(status.conditions.iter().all(|condition| condition.observed_generation == Some(3)));
    }

    #[test]
    fn nothing_new_is_the_same_status() {
        let mut converter = fixtures::converter("replicas: 2");
        let valid = fixtures::valid("replicas: 2");
        let first = plan_status(&converter, &valid, 2, &applied(READY), None);
        converter.status = Some(first.clone());
        assert_eq!(plan_status(&converter, &valid, 2, &applied(READY), None), first);
    }

    #[test]
    fn an_invalid_spec_keeps_what_is_known_of_the_pods() {
        let mut converter = fixtures::converter("replicas: 2");
        converter.status = Some(plan_status(&converter, &fixtures::valid("replicas: 2"), 2, &applied(READY), None));
        let status = invalid(&converter, &InvalidSpec::NodePort);
        assert_eq!(status.replicas, 2);
        assert!(status.selector.is_some());
        let degraded = conditions::find(&status.conditions, "Degraded").unwrap();
        assert_eq!((degraded.status.as_str(), degraded.reason.as_str()), ("True", "InvalidSpec"));
    }

    #[test]
    fn events_tell_of_transitions_only() {
        let mut converter = fixtures::converter("replicas: 2");
        let valid = fixtures::valid("replicas: 2");
        let reasons = |converter: &AudioConverter, status: &AudioConverterStatus| -> Vec<String> {
            notes(converter, status).into_iter().map(|note| note.reason).collect()
        };
        let starting = plan_status(&converter, &valid, 2, &AppliedChildren::default(), None);
        assert_eq!(reasons(&converter, &starting), Vec::<String>::new());
        converter.status = Some(starting);
        let ready = plan_status(&converter, &valid, 2, &applied(READY), None);
        assert_eq!(reasons(&converter, &ready), ["Ready"]);
        converter.status = Some(ready.clone());
        assert_eq!(reasons(&converter, &ready), Vec::<String>::new());
        let broken = plan_status(&converter, &valid, 2, &AppliedChildren::default(), Some("no image".to_owned()));
        assert_eq!(reasons(&converter, &broken), ["NotReady", "PodsNotStarting"]);
        converter.status = Some(broken);
        assert_eq!(reasons(&converter, &ready), ["Ready", "Recovered"]);
    }
}
