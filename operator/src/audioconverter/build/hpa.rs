//! The HorizontalPodAutoscaler. It scales the AudioConverter, not the Deployment, so that `spec.replicas` stays the one
//! wanted count.

use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec, MetricSpec, MetricTarget,
    ResourceMetricSource,
};
use kube::Resource;

use crate::audioconverter::validate::ValidatedConverter;
use crate::names;

/// Its name.
pub fn name(converter: &ValidatedConverter) -> String {
    names::child(&converter.name, "", names::MAX_SUBDOMAIN)
}

/// None without `spec.autoscaling`, and where the operator itself follows the streams.
pub fn build(converter: &ValidatedConverter) -> Option<HorizontalPodAutoscaler> {
    let wanted = converter.autoscaling.as_ref()?;
    let resource = wanted.cpu.as_ref().map(|target| ("cpu", target));
    let (resource, target) = resource.or_else(|| wanted.memory.as_ref().map(|target| ("memory", target)))?;
    Some(HorizontalPodAutoscaler {
        metadata: super::meta(converter, name(converter)),
        spec: Some(HorizontalPodAutoscalerSpec {
            scale_target_ref: CrossVersionObjectReference {
                api_version: Some(crds::AudioConverter::api_version(&()).into_owned()),
                kind: crds::AudioConverter::kind(&()).into_owned(),
                name: converter.name.clone(),
            },
            min_replicas: Some(wanted.min_replicas),
            max_replicas: wanted.max_replicas,
            metrics: Some(vec![MetricSpec {
                type_: "Resource".to_owned(),
                resource: Some(ResourceMetricSource {
                    name: resource.to_owned(),
                    target: MetricTarget {
                        type_: "Utilization".to_owned(),
                        average_utilization: Some(target.average_utilization),
                        ..MetricTarget::default()
                    },
                }),
                ..MetricSpec::default()
            }]),
            behavior: None,
        }),
        status: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audioconverter::fixtures;
    use serde_json::json;

    #[test]
    fn without_autoscaling_there_is_none() {
        assert_eq!(build(&fixtures::valid("replicas: 3")), None);
    }

    #[test]
    fn it_scales_the_converter_by_cpu() {
        let valid = fixtures::valid("autoscaling: {minReplicas: 2, maxReplicas: 7, cpu: {averageUtilization: 65}}");
        let hpa = serde_json::to_value(build(&valid)).unwrap();
        assert_eq!(
            hpa["spec"]["scaleTargetRef"],
            json!({"apiVersion": "flacship.dev/v1alpha1", "kind": "AudioConverter", "name": "tape.archive-9"})
        );
        assert_eq!((&hpa["spec"]["minReplicas"], &hpa["spec"]["maxReplicas"]), (&json!(2), &json!(7)));
        assert_eq!(
            hpa["spec"]["metrics"],
            json!([{"type": "Resource", "resource": {"name": "cpu",
                    "target": {"type": "Utilization", "averageUtilization": 65}}}])
        );
    }
}
