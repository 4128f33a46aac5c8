//! The HorizontalPodAutoscaler. It scales the AudioConverter, not the Deployment, so that `spec.replicas` stays the one
//! wanted count.

use crds::audioconverter::autoscaling::{Autoscaling, ScalingPace};
use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HPAScalingPolicy, HPAScalingRules, HorizontalPodAutoscaler,
    HorizontalPodAutoscalerBehavior, HorizontalPodAutoscalerSpec, MetricSpec, MetricTarget, ResourceMetricSource,
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
            behavior: behavior(wanted),
        }),
        status: None,
    })
}

/// How fast the count changes, as far as the spec says; the rest is Kubernetes' own default.
fn behavior(wanted: &Autoscaling) -> Option<HorizontalPodAutoscalerBehavior> {
    let scale_up = wanted.scale_up.as_ref().and_then(rules);
    let scale_down = wanted.scale_down.as_ref().and_then(rules);
    (scale_up.is_some() || scale_down.is_some()).then_some(HorizontalPodAutoscalerBehavior { scale_down, scale_up })
}

fn rules(pace: &ScalingPace) -> Option<HPAScalingRules> {
    let ScalingPace { stabilization_seconds, max_pods_per_minute } = *pace;
    let policy = |value| vec![HPAScalingPolicy { type_: "Pods".to_owned(), period_seconds: 60, value }];
    (stabilization_seconds.is_some() || max_pods_per_minute.is_some()).then(|| HPAScalingRules {
        stabilization_window_seconds: stabilization_seconds,
        policies: max_pods_per_minute.map(policy),
        ..HPAScalingRules::default()
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
        assert!(hpa["spec"].get("behavior").is_none());
    }

    #[test]
    fn it_scales_by_memory_and_not_by_streams() {
        let memory = build(&fixtures::valid("autoscaling: {maxReplicas: 7, memory: {averageUtilization: 80}}"));
        let memory = serde_json::to_value(memory).unwrap();
        assert_eq!(memory["spec"]["metrics"][0]["resource"]["name"], "memory");
        assert_eq!(memory["spec"]["minReplicas"], 1);
        assert_eq!(build(&fixtures::valid("autoscaling: {maxReplicas: 7, streams: {freeSlots: 5}}")), None);
    }

    #[test]
    fn the_pace_is_the_specs() {
        for (pace, behavior) in [
            ("{}", json!(null)),
            ("{scaleUp: {}, scaleDown: {}}", json!(null)),
            (
                "{scaleUp: {maxPodsPerMinute: 4}}",
                json!({"scaleUp": {"policies": [{"type": "Pods", "value": 4, "periodSeconds": 60}]}}),
            ),
            (
                "{scaleUp: {stabilizationSeconds: 0}, scaleDown: {stabilizationSeconds: 900, maxPodsPerMinute: 1}}",
                json!({"scaleUp": {"stabilizationWindowSeconds": 0},
                       "scaleDown": {"stabilizationWindowSeconds": 900,
                                     "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}}),
            ),
        ] {
            let mut valid = fixtures::valid("autoscaling: {maxReplicas: 7, cpu: {averageUtilization: 65}}");
            let pace: serde_json::Map<String, serde_json::Value> = serde_yaml::from_str(pace).unwrap();
            let wanted = valid.autoscaling.as_mut().unwrap();
            wanted.scale_up = pace.get("scaleUp").map(|pace| serde_json::from_value(pace.clone()).unwrap());
            wanted.scale_down = pace.get("scaleDown").map(|pace| serde_json::from_value(pace.clone()).unwrap());
            let hpa = serde_json::to_value(build(&valid)).unwrap();
            assert_eq!(hpa["spec"].get("behavior").cloned().unwrap_or_default(), behavior);
        }
    }
}
