//! Every CEL rule of both kinds, run without a cluster: what it lets pass, what it refuses, and in which words.

#![allow(clippy::expect_used)]

use crds::{AudioConverter, AudioConverterSpec, ConversionJob, ConversionJobSpec};
use kube::core::cel::{validate_cel, validate_cel_update};

fn converter(spec: &str) -> AudioConverter {
    let spec: AudioConverterSpec = serde_yaml::from_str(spec).expect("a spec that the schema accepts");
    AudioConverter::new("lark", spec)
}

fn job(spec: &str) -> ConversionJob {
    let spec: ConversionJobSpec = serde_yaml::from_str(spec).expect("a spec that the schema accepts");
    ConversionJob::new("wren", spec)
}

/// The messages of the rules that refuse the object.
fn refusals<T: kube::CustomResourceExt + serde::Serialize>(object: &T) -> String {
    validate_cel(object).map_or_else(|errors| format!("{errors:?}"), |()| String::new())
}

const CLAIM: &str = "{persistentVolumeClaim: {claimName: tapes}}";

#[test]
fn sound_converters_pass() {
    for spec in [
        "{}",
        "service: {type: NodePort, nodePort: 30080}",
        "service: {type: LoadBalancer, nodePort: 30080}",
        "autoscaling: {minReplicas: 2, maxReplicas: 2, cpu: {averageUtilization: 70}}",
        "podTemplate: {volumes: [{name: scratch, emptyDir: {}}]}",
        "service: {type: LoadBalancer, loadBalancerClass: inner, loadBalancerSourceRanges: [192.0.2.0/24]}",
        "service: {type: NodePort, externalTrafficPolicy: Local}",
        "autoscaling: {maxReplicas: 3, memory: {averageUtilization: 80}}",
        "autoscaling: {maxReplicas: 3, streams: {freeSlots: 5}}",
        "autoscaling: {maxReplicas: 3, streams: {targetPerReplica: 1000}}",
        "{limits: {maxStreams: 7}, autoscaling: {maxReplicas: 3, streams: {targetPerReplica: 7}}}",
        "limits: {maxStreamDuration: 1h30m, idleTimeout: 500ms}",
        "disruptionBudget: {}",
        "disruptionBudget: {minAvailable: 50%}",
        "disruptionBudget: {maxUnavailable: 2}",
        "{ingress: {host: flac.example}, tls: {secretRef: {name: pair}}}",
        "gateway: {parentRefs: [{name: edge}]}",
    ] {
        assert_eq!(refusals(&converter(spec)), "", "{spec}");
    }
}

#[test]
fn converters_that_contradict_themselves_are_told_what_to_change() {
    for (spec, words) in [
        ("service: {nodePort: 30080}", "set the type or leave nodePort out"),
        (
            "autoscaling: {minReplicas: 5, maxReplicas: 4, cpu: {averageUtilization: 70}}",
            "lower the one or raise the other",
        ),
        ("podTemplate: {volumes: [{name: spool, emptyDir: {}}]}", "choose another name"),
        ("podTemplate: {volumes: [{name: stream-key, emptyDir: {}}]}", "choose another name"),
        ("service: {externalTrafficPolicy: Local}", "set the type or leave the policy out"),
        ("service: {type: NodePort, loadBalancerClass: inner}", "set the type or leave the class out"),
        ("service: {type: NodePort, loadBalancerSourceRanges: [192.0.2.0/24]}", "set the type or leave the ranges out"),
        ("autoscaling: {maxReplicas: 4}", "exactly one of cpu, memory and streams"),
        (
            "autoscaling: {maxReplicas: 4, cpu: {averageUtilization: 70}, streams: {freeSlots: 1}}",
            "exactly one of cpu, memory and streams",
        ),
        ("autoscaling: {maxReplicas: 4, streams: {}}", "exactly one of targetPerReplica and freeSlots"),
        (
            "autoscaling: {maxReplicas: 4, streams: {targetPerReplica: 2, freeSlots: 1}}",
            "exactly one of targetPerReplica and freeSlots",
        ),
        ("autoscaling: {maxReplicas: 4, streams: {targetPerReplica: 1001}}", "above limits.maxStreams"),
        (
            "{limits: {maxStreams: 7}, autoscaling: {maxReplicas: 3, streams: {targetPerReplica: 8}}}",
            "above limits.maxStreams",
        ),
        ("disruptionBudget: {minAvailable: 1, maxUnavailable: 1}", "leave the other out"),
        ("{gateway: {parentRefs: [{name: edge}]}, tls: {secretRef: {name: pair}}}", "end TLS at the Gateway"),
    ] {
        let refusals = refusals(&converter(spec));
        assert!(refusals.contains(words), "{spec}: {refusals}");
    }
}

#[test]
fn sound_jobs_pass() {
    for spec in [
        format!("source: {{volume: {CLAIM}}}"),
        format!(
            "{{source: {{volume: {CLAIM}, path: in/a..b}}, destination: {{path: out}}, parallelism: 2, shards: 2}}"
        ),
        format!("{{source: {{volume: {CLAIM}}}, destination: {{volume: {{nfs: {{server: nas, path: /flac}}}}}}}}"),
        format!("{{source: {{volume: {CLAIM}}}, converterRef: {{name: lark}}}}"),
        // Whether that AudioConverter keeps everything is seen when the run begins.
        format!(
            "{{source: {{volume: {CLAIM}}}, converterRef: {{name: lark}}, sourcePolicy: {{type: DeleteAfterVerify}}}}"
        ),
        format!(
            "{{source: {{volume: {CLAIM}}}, encoding: {{metadata: Foreign}}, sourcePolicy: {{type: DeleteAfterVerify}}}}"
        ),
        format!("{{source: {{volume: {CLAIM}}}, sourcePolicy: {{type: MoveTo, path: done/2026}}}}"),
        format!("{{source: {{volume: {CLAIM}}}, sourcePolicy: {{type: Keep}}}}"),
        format!(
            "{{source: {{volume: {CLAIM}}}, retries: {{}}, maxFailedFiles: 0, activeDeadlineSeconds: 1, suspend: true, \
              ttlSecondsAfterFinished: {{succeeded: 0}}, recordsTTL: 720h}}"
        ),
    ] {
        assert_eq!(refusals(&job(&spec)), "", "{spec}");
    }
}

#[test]
fn jobs_that_contradict_themselves_are_told_what_to_change() {
    for (spec, words) in [
        ("source: {volume: {}}".to_owned(), "exactly one of persistentVolumeClaim"),
        (
            "source: {volume: {persistentVolumeClaim: {claimName: a}, hostPath: {path: /a}}}".to_owned(),
            "exactly one of persistentVolumeClaim",
        ),
        (format!("source: {{volume: {CLAIM}, path: /etc}}"), "leave out a leading / and .."),
        (format!("source: {{volume: {CLAIM}, path: a/../..}}"), "leave out a leading / and .."),
        (
            format!("{{source: {{volume: {CLAIM}}}, destination: {{path: ../b}}}}"),
            "destination.path is relative to the volume",
        ),
        (format!("{{source: {{volume: {CLAIM}}}, destination: {{}}}}"), "destination is empty"),
        (format!("{{source: {{volume: {CLAIM}}}, parallelism: 4, shards: 3}}"), "raise shards or lower parallelism"),
        (
            format!("{{source: {{volume: {CLAIM}}}, converterRef: {{name: lark}}, encoding: {{compressionLevel: 3}}}}"),
            "leave encoding or converterRef out",
        ),
        (
            format!("{{source: {{volume: {CLAIM}}}, sourcePolicy: {{type: DeleteAfterVerify}}}}"),
            "needs encoding.metadata Foreign",
        ),
        (
            format!(
                "{{source: {{volume: {CLAIM}}}, encoding: {{metadata: Tags}}, sourcePolicy: {{type: DeleteAfterVerify}}}}"
            ),
            "needs encoding.metadata Foreign",
        ),
        (format!("{{source: {{volume: {CLAIM}}}, sourcePolicy: {{type: MoveTo}}}}"), "name the folder"),
        (format!("{{source: {{volume: {CLAIM}}}, sourcePolicy: {{type: Keep, path: done}}}}"), "leave path out"),
        (
            format!("{{source: {{volume: {CLAIM}}}, sourcePolicy: {{type: MoveTo, path: /done}}}}"),
            "sourcePolicy.path is relative to the source's volume",
        ),
        (
            format!("{{source: {{volume: {CLAIM}}}, sourcePolicy: {{type: MoveTo, path: a/../..}}}}"),
            "sourcePolicy.path is relative to the source's volume",
        ),
    ] {
        let refusals = refusals(&job(&spec));
        assert!(refusals.contains(words), "{spec}: {refusals}");
    }
}

#[test]
fn of_the_spec_of_a_job_only_what_a_run_can_follow_changes() {
    let spec = |more: &str| job(&format!("{{source: {{volume: {CLAIM}}}, shards: 4{more}}}"));
    for (from, to, changes) in [
        ("", "", true),
        ("", ", suspend: true", true),
        (", suspend: true", "", true),
        ("", ", activeDeadlineSeconds: 60", true),
        (", activeDeadlineSeconds: 60", ", activeDeadlineSeconds: 90", true),
        (", activeDeadlineSeconds: 60", "", true),
        ("", ", ttlSecondsAfterFinished: {failed: 60}", true),
        ("", ", recordsTTL: 1h", true),
        (", suspend: true, encoding: {compressionLevel: 8}", ", encoding: {compressionLevel: 8}", true),
        ("", ", verify: false", false),
        ("", ", parallelism: 2", false),
        ("", ", encoding: {}", false),
        (", encoding: {compressionLevel: 8}", "", false),
        (", encoding: {compressionLevel: 8}", ", encoding: {compressionLevel: 7}", false),
        ("", ", destination: {path: out}", false),
        ("", ", destination: {path: out, layout: Flat}", false),
        (", destination: {path: out}", ", destination: {path: out, layout: Flat}", false),
        ("", ", sourcePolicy: {type: MoveTo, path: done}", false),
        (", converterRef: {name: a}", ", converterRef: {name: b}", false),
        ("", ", retries: {perShard: 3}", false),
        ("", ", maxFailedFiles: 3", false),
        (", maxFailedFiles: 3", ", maxFailedFiles: 4", false),
        ("", ", include: ['*.wav']", false),
        ("", ", image: 'other:2'", false),
        (", podTemplate: {labels: {a: b}}", ", podTemplate: {labels: {a: c}}", false),
    ] {
        match validate_cel_update(&spec(to), &spec(from)) {
            Ok(()) => assert!(changes, "{from} became {to}"),
            Err(errors) => {
                assert!(!changes, "{from} did not become {to}: {errors:?}");
                assert!(format!("{errors:?}").contains("make another ConversionJob"), "{errors:?}");
            }
        }
    }
}
