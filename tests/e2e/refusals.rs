//! What contradicts itself is refused by the apiserver, with the sentence of the rule.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::harness::{Namespace, converter, job, root};

fn job(spec: &Value) -> Value {
    job::manifest("refused", spec)
}

fn claim() -> Value {
    json!({ "persistentVolumeClaim": { "claimName": "tapes" } })
}

/// What is said of a volume whose name is the operator's own.
const OWN_VOLUMES: &str = "podTemplate.volumes: the names spool, source, destination, stream-key, tokens and tls are the \
    operator's own: choose another name";
/// What is said of a time of none.
const NO_TIME: &str = "a time is above 0: write a number with a unit, like 90s, 1h30m or 500ms";

/// AudioConverters that contradict themselves, each with what the apiserver is to say.
fn converters() -> Vec<(Value, &'static str)> {
    let acv = |spec: Value| converter::manifest("refused", &spec);
    let one_metric =
        "autoscaling follows exactly one of cpu, memory and streams: give one of them and leave the others out";
    let one_target = "autoscaling.streams takes exactly one of targetPerReplica and freeSlots: leave the other out";
    let too_many_streams = "autoscaling.streams.targetPerReplica is above limits.maxStreams (1000 if left out), which no \
        pod exceeds: lower the one or raise the other";
    let volumes = |name: &str| json!({ "volumes": [{ "name": name, "emptyDir": {} }] });
    vec![
        (
            acv(json!({ "service": { "type": "ClusterIP", "nodePort": 30123 } })),
            "service.nodePort needs service.type NodePort or LoadBalancer: set the type or leave nodePort out",
        ),
        (
            acv(json!({ "autoscaling": { "minReplicas": 5, "maxReplicas": 2, "cpu": { "averageUtilization": 50 } } })),
            "autoscaling.minReplicas is above autoscaling.maxReplicas: lower the one or raise the other",
        ),
        (
            acv(json!({ "autoscaling": {
                "maxReplicas": 2, "cpu": { "averageUtilization": 50 }, "streams": { "freeSlots": 5 } } })),
            one_metric,
        ),
        (acv(json!({ "autoscaling": { "maxReplicas": 2, "streams": {} } })), one_target),
        (
            acv(json!({ "autoscaling": { "maxReplicas": 2, "streams": { "targetPerReplica": 5, "freeSlots": 5 } } })),
            one_target,
        ),
        (
            acv(json!({ "limits": { "maxStreams": 10 },
                "autoscaling": { "maxReplicas": 2, "streams": { "targetPerReplica": 11 } } })),
            too_many_streams,
        ),
        (
            acv(json!({ "autoscaling": { "maxReplicas": 2, "streams": { "targetPerReplica": 1001 } } })),
            too_many_streams,
        ),
        (
            acv(json!({ "service": { "externalTrafficPolicy": "Local" } })),
            "service.externalTrafficPolicy needs service.type NodePort or LoadBalancer: set the type or leave the policy out",
        ),
        (
            acv(json!({ "service": { "type": "NodePort", "loadBalancerClass": "inner" } })),
            "service.loadBalancerClass needs service.type LoadBalancer: set the type or leave the class out",
        ),
        (
            acv(json!({ "service": { "type": "NodePort", "loadBalancerSourceRanges": ["192.0.2.0/24"] } })),
            "service.loadBalancerSourceRanges needs service.type LoadBalancer: set the type or leave the ranges out",
        ),
        (
            acv(json!({ "disruptionBudget": { "minAvailable": 1, "maxUnavailable": 1 } })),
            "disruptionBudget takes one of minAvailable and maxUnavailable: leave the other out",
        ),
        (
            acv(
                json!({ "gateway": { "parentRefs": [{ "name": "edge" }] }, "tls": { "secretRef": { "name": "pair" } } }),
            ),
            "gateway sends plain HTTP, which tls switches off in the pods: end TLS at the Gateway's listener and leave tls out",
        ),
        (acv(json!({ "limits": { "idleTimeout": "0s" } })), NO_TIME),
        (acv(json!({ "limits": { "maxStreamDuration": "0h" } })), NO_TIME),
        (acv(json!({ "limits": { "maxStreamDuration": "1d" } })), "spec.limits.maxStreamDuration"),
        (acv(json!({ "limits": { "maxStreamDuration": "" } })), "spec.limits.maxStreamDuration"),
        (acv(json!({ "limits": { "idleTimeout": "30s1m" } })), "spec.limits.idleTimeout"),
        (acv(json!({ "serviceMonitor": { "interval": "30s1m" } })), "spec.serviceMonitor.interval"),
        (acv(json!({ "disruptionBudget": { "minAvailable": "half" } })), "spec.disruptionBudget.minAvailable"),
        (acv(json!({ "ingress": { "host": "Flac.Example" } })), "spec.ingress.host"),
        (acv(json!({ "auth": { "allowedOrigins": ["studio.example"] } })), "spec.auth.allowedOrigins"),
        (acv(json!({ "gateway": { "parentRefs": [] } })), "spec.gateway.parentRefs"),
        (acv(json!({ "gateway": { "parentRefs": [{ "name": "an edge" }] } })), "spec.gateway.parentRefs[0].name"),
        (
            acv(json!({ "auth": { "bearerTokensSecretRef": { "name": "my tokens" } } })),
            "spec.auth.bearerTokensSecretRef.name",
        ),
        (acv(json!({ "auth": { "streamKeySecretRef": { "name": "a/b" } } })), "spec.auth.streamKeySecretRef.name"),
        (acv(json!({ "tls": { "secretRef": { "name": "Pair" } } })), "spec.tls.secretRef.name"),
        (
            acv(json!({ "ingress": { "host": "flac.example", "tlsSecretName": "pair?x" } })),
            "spec.ingress.tlsSecretName",
        ),
        (acv(json!({ "podTemplate": volumes("spool") })), OWN_VOLUMES),
        (acv(json!({ "replicas": -1 })), "spec.replicas"),
        (acv(json!({ "encoding": { "compressionLevel": 9 } })), "spec.encoding.compressionLevel"),
        (acv(json!({ "limits": { "maxUploadSize": "plenty" } })), "spec.limits.maxUploadSize"),
        (acv(json!({ "service": { "port": 0 } })), "spec.service.port"),
        (acv(json!({ "podTemplate": { "securityContext": { "runAsUser": 0 } } })), "runAsUser"),
        (acv(json!({ "autoscaling": { "maxReplicas": 3 } })), one_metric),
        (acv(json!({ "servcie": { "port": 80 } })), "servcie"),
    ]
}

/// The same of ConversionJobs.
fn jobs() -> Vec<(Value, &'static str)> {
    let one_volume = "a volume names exactly one of persistentVolumeClaim, csi, nfs and hostPath";
    let source_path = "source.path is relative to the volume: leave out a leading / and ..";
    let destination_path = "destination.path is relative to the volume: leave out a leading / and ..";
    let policy_path = "sourcePolicy.path is relative to the source's volume: leave out a leading / and ..";
    let foreign = "sourcePolicy DeleteAfterVerify needs encoding.metadata Foreign, so that the identical WAV file can be \
        made again: set it, or choose Keep or MoveTo";
    let with_policy = |policy: Value| job(&json!({ "source": { "volume": claim() }, "sourcePolicy": policy }));
    let volumes = json!({ "volumes": [{ "name": "source", "emptyDir": {} }] });
    vec![
        (job(&json!({ "source": { "volume": claim() }, "podTemplate": volumes })), OWN_VOLUMES),
        (
            job(&json!({ "source": { "volume": claim() }, "parallelism": 4, "shards": 2 })),
            "shards is below parallelism, so pods would have nothing to do: raise shards or lower parallelism",
        ),
        (job(&json!({ "source": { "volume": {} } })), one_volume),
        (
            job(&json!({ "source": { "volume": {
                "persistentVolumeClaim": { "claimName": "tapes" }, "hostPath": { "path": "/srv" } } } })),
            one_volume,
        ),
        (job(&json!({ "source": { "volume": claim() }, "destination": { "volume": {} } })), one_volume),
        (job(&json!({ "source": { "volume": claim(), "path": "/srv" } })), source_path),
        (job(&json!({ "source": { "volume": claim(), "path": "a/../../b" } })), source_path),
        (job(&json!({ "source": { "volume": claim() }, "destination": { "path": "../out" } })), destination_path),
        (
            job(&json!({ "source": { "volume": claim() }, "destination": {} })),
            "destination is empty: give it a volume, a path, or leave destination out to put each FLAC beside its source",
        ),
        (
            job(&json!({ "source": { "volume": claim() }, "converterRef": { "name": "lark" }, "encoding": {} })),
            "converterRef takes the encoding of that AudioConverter: leave encoding or converterRef out",
        ),
        (with_policy(json!({ "type": "DeleteAfterVerify" })), foreign),
        (
            job(&json!({ "source": { "volume": claim() }, "sourcePolicy": { "type": "DeleteAfterVerify" },
                "encoding": { "metadata": "Tags" } })),
            foreign,
        ),
        (
            with_policy(json!({ "type": "MoveTo" })),
            "sourcePolicy MoveTo needs sourcePolicy.path: name the folder on the source's volume that sources are moved to",
        ),
        (
            with_policy(json!({ "type": "Keep", "path": "done" })),
            "sourcePolicy.path is for MoveTo alone: set type MoveTo or leave path out",
        ),
        (with_policy(json!({ "type": "MoveTo", "path": "/done" })), policy_path),
        (with_policy(json!({ "type": "MoveTo", "path": "a/../../b" })), policy_path),
        (with_policy(json!({ "path": "done" })), "spec.sourcePolicy.type"),
        (job(&json!({ "source": { "volume": claim() }, "recordsTTL": "0s" })), NO_TIME),
        (job(&json!({ "source": { "volume": claim() }, "recordsTTL": "30d" })), "spec.recordsTTL"),
        (job(&json!({ "source": { "volume": claim() }, "recordsTTL": "30m12h" })), "spec.recordsTTL"),
        (job(&json!({ "source": { "volume": claim() }, "activeDeadlineSeconds": 0 })), "spec.activeDeadlineSeconds"),
        (
            job(&json!({ "source": { "volume": claim() }, "activeDeadlineSeconds": 3_153_600_001_i64 })),
            "spec.activeDeadlineSeconds",
        ),
        (job(&json!({ "source": { "volume": claim() }, "maxFailedFiles": -1 })), "spec.maxFailedFiles"),
        (job(&json!({ "source": { "volume": claim() }, "retries": { "perShard": -1 } })), "spec.retries.perShard"),
        (
            job(&json!({ "source": { "volume": claim() }, "ttlSecondsAfterFinished": { "failed": -1 } })),
            "spec.ttlSecondsAfterFinished.failed",
        ),
        (
            job(&json!({ "source": { "volume": claim() }, "destination": { "path": "out", "layout": "Round" } })),
            "spec.destination.layout",
        ),
        (
            job(&json!({ "source": { "volume": { "persistentVolumeClaim": { "claimName": "my tapes" } } } })),
            "spec.source.volume.persistentVolumeClaim.claimName",
        ),
        (job(&json!({ "source": { "volume": claim() }, "converterRef": { "name": "a b" } })), "spec.converterRef.name"),
        (job(&json!({})), "spec.source"),
        (job(&json!({ "source": { "volume": claim() }, "overwrite": "Sometimes" })), "spec.overwrite"),
    ]
}

#[test]
fn every_rule_is_enforced_with_its_sentence() {
    let namespace = Namespace::restricted("refusals");
    let mut told = String::new();
    for (manifest, sentence) in converters().into_iter().chain(jobs()) {
        let said = namespace.try_apply(&manifest).refused();
        assert!(said.contains(sentence), "{manifest}\nwas refused with\n{said}\nand not with\n{sentence}");
        told.push_str(&said);
    }
    assert!(namespace.list("acv").is_empty() && namespace.list("cvj").is_empty());

    // Of a job's spec only what a run can follow changes; its labels may too. It is held, so that its run does not begin.
    let held = |more: Value| {
        let mut spec = json!({ "source": { "volume": claim() }, "suspend": true });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        job(&spec)
    };
    namespace.apply(&held(json!({})));
    namespace.kubectl("label cvj/refused shelf=7");
    for change in [
        json!({ "parallelism": 3 }),
        json!({ "encoding": {} }),
        json!({ "maxFailedFiles": 3 }),
        json!({ "destination": { "path": "out" } }),
        json!({ "podTemplate": { "labels": { "shelf": "8" } } }),
    ] {
        let said = namespace.try_apply(&held(change)).refused();
        assert!(said.contains("make another ConversionJob"), "{said}");
        told.push_str(&said);
    }
    let can_change =
        json!({ "activeDeadlineSeconds": 60, "recordsTTL": "720h", "ttlSecondsAfterFinished": { "succeeded": 0 } });
    namespace.apply(&held(can_change));
    namespace.apply(&held(json!({})));

    for message in rule_messages() {
        assert!(told.contains(&message), "no manifest here breaks the rule {message:?}");
    }
}

/// The message of every validation rule in `config/crd`.
fn rule_messages() -> BTreeSet<String> {
    fn collect(schema: &Value, messages: &mut BTreeSet<String>) {
        let rules = schema["x-kubernetes-validations"].as_array().into_iter().flatten();
        messages.extend(rules.filter_map(|rule| rule["message"].as_str().map(str::to_owned)));
        match schema {
            Value::Object(map) => map.values().for_each(|value| collect(value, messages)),
            Value::Array(items) => items.iter().for_each(|value| collect(value, messages)),
            _ => {}
        }
    }
    let mut messages = BTreeSet::new();
    for kind in ["audioconverters", "conversionjobs"] {
        let path = root().join(format!("config/crd/flacship.dev_{kind}.yaml"));
        let crd: Value = serde_yaml::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        collect(&crd, &mut messages);
    }
    assert!(messages.len() >= 9, "the rules are read from config/crd: {messages:?}");
    messages
}
