//! The Deployment: the pods that serve.

use std::time::Duration;

use crds::audioconverter::limits::Limits;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::api::core::v1::{
    Container, ContainerPort, EmptyDirVolumeSource, EnvVar, HTTPGetAction, PodSpec, PodTemplateSpec, Probe, Volume,
    VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{secrets, stream_key};
use crate::audioconverter::plan;
use crate::audioconverter::validate::ValidatedConverter;
use crate::labels::{self, Component};
use crate::{encoding, names, pods};

/// Name of the port that clients use.
pub const HTTP: &str = "http";
/// Name of the port of probes and metrics.
pub const ADMIN: &str = "admin";
/// Name of the volume for results that wait for their clients.
pub const SPOOL: &str = "spool";

/// Number of the port that clients use.
pub const HTTP_PORT: i32 = 8080;
/// Number of the port of probes and metrics.
pub const ADMIN_PORT: i32 = 9090;
const SPOOL_DIR: &str = "/spool";

/// What a stopping pod gets on top, to close its connections before it is killed.
const DRAIN_SLACK: Duration = Duration::from_secs(30);
/// How long a rollout may make no progress before it counts as stuck.
const PROGRESS_DEADLINE_SECONDS: i32 = 300;
/// How many old ReplicaSets are kept for `kubectl rollout undo`.
const REVISION_HISTORY: i32 = 3;

/// Its name.
pub fn name(converter: &ValidatedConverter) -> String {
    names::child(&converter.name, "", names::MAX_DEPLOYMENT)
}

/// Always there, even for no pods.
pub fn build(converter: &ValidatedConverter, replicas: i32) -> Deployment {
    let selector = labels::selector(&converter.name, Component::Converter);
    Deployment {
        metadata: super::meta(converter, name(converter)),
        spec: Some(DeploymentSpec {
            replicas: Some(replicas),
            selector: LabelSelector { match_labels: Some(selector), ..LabelSelector::default() },
            strategy: Some(never_below_the_count()),
            progress_deadline_seconds: Some(PROGRESS_DEADLINE_SECONDS),
            revision_history_limit: Some(REVISION_HISTORY),
            template: pods::merge(template(converter), converter.pod_template.as_ref()),
            ..DeploymentSpec::default()
        }),
        status: None,
    }
}

/// A rollout starts a new pod before it stops an old one.
fn never_below_the_count() -> DeploymentStrategy {
    DeploymentStrategy {
        type_: Some("RollingUpdate".to_owned()),
        rolling_update: Some(RollingUpdateDeployment {
            max_unavailable: Some(IntOrString::Int(0)),
            // Rounded up, so at least one.
            max_surge: Some(IntOrString::String("25%".to_owned())),
        }),
    }
}

fn template(converter: &ValidatedConverter) -> PodTemplateSpec {
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels::labels(&converter.name, Component::Converter)),
            annotations: Some([(labels::OWNER_NAME.to_owned(), converter.name.clone())].into()),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            service_account_name: Some(super::service_account::name(converter)),
            termination_grace_period_seconds: Some(seconds(converter.drain + DRAIN_SLACK)),
            volumes: Some(volumes(converter)),
            ..pods::pod_spec(&converter.image, container(converter))
        }),
    }
}

/// The names of our volumes in the pods.
pub fn volume_names(converter: &ValidatedConverter) -> Vec<String> {
    volumes(converter).into_iter().map(|volume| volume.name).collect()
}

fn volumes(converter: &ValidatedConverter) -> Vec<Volume> {
    let secrets = secrets::mounted(converter).into_iter().map(|secret| secret.volume);
    [spool(converter), stream_key::volume(converter)].into_iter().chain(secrets).collect()
}

fn mounts(converter: &ValidatedConverter) -> Vec<VolumeMount> {
    let spool = VolumeMount { name: SPOOL.to_owned(), mount_path: SPOOL_DIR.to_owned(), ..VolumeMount::default() };
    let secrets = secrets::mounted(converter).into_iter().map(|secret| secret.mount);
    [spool, stream_key::mount()].into_iter().chain(secrets).collect()
}

fn container(converter: &ValidatedConverter) -> Container {
    let port = |name: &str, number| ContainerPort {
        name: Some(name.to_owned()),
        container_port: number,
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    };
    Container {
        args: Some(vec!["serve".to_owned()]),
        env: Some(env(converter)),
        ports: Some(vec![port(HTTP, HTTP_PORT), port(ADMIN, ADMIN_PORT)]),
        // The autoscaler measures against the request, so there always is one.
        resources: Some(pods::resources(&[("cpu", "100m"), ("memory", "128Mi")], &[("memory", "512Mi")])),
        volume_mounts: Some(mounts(converter)),
        startup_probe: Some(Probe { period_seconds: Some(1), failure_threshold: Some(60), ..probe("/livez") }),
        liveness_probe: Some(Probe { period_seconds: Some(10), failure_threshold: Some(3), ..probe("/livez") }),
        // A stopping pod leaves the Service at once anyway; three misses, as a busy pod may answer late.
        readiness_probe: Some(Probe { period_seconds: Some(2), failure_threshold: Some(3), ..probe("/readyz") }),
        ..pods::container(&converter.image, &converter.default_image)
    }
}

/// Every flag of `converter serve` is a variable too, so that a pod needs no arguments. What the spec leaves out is left
/// out here, and new variables come last: pods stay as they are when a later operator knows more settings.
fn env(converter: &ValidatedConverter) -> Vec<EnvVar> {
    let variable = |flag: &str| format!("FLACSHIP_{}", flag.to_uppercase().replace('-', "_"));
    let settings = encoding::settings(&converter.encoding.encoding).into_iter();
    let mut env: Vec<EnvVar> = settings.map(|(flag, value)| pods::env(&variable(flag), value)).collect();
    env.extend([
        pods::env("FLACSHIP_MAX_UPLOAD_SIZE", converter.limits.max_upload_size.bytes().to_string()),
        pods::env("FLACSHIP_STREAM_KEY_FILE", stream_key::file(converter)),
        pods::env("FLACSHIP_SPOOL_DIR", SPOOL_DIR),
        pods::env("FLACSHIP_SPOOL_SIZE", converter.spool_size.to_string()),
        pods::env("FLACSHIP_DRAIN_SECONDS", format!("{}s", converter.drain.as_secs())),
    ]);
    env.extend(limits(&converter.limits));
    if converter.encoding.verify {
        env.push(pods::env("FLACSHIP_VERIFY", "true"));
    }
    let origins = converter.auth.iter().flat_map(|auth| &auth.allowed_origins);
    let origins: Vec<&str> = origins.map(String::as_str).collect();
    if !origins.is_empty() {
        env.push(pods::env("FLACSHIP_ALLOWED_ORIGIN", origins.join(",")));
    }
    env.extend(secrets::mounted(converter).into_iter().flat_map(|secret| secret.env));
    env
}

/// What the spec says of the limits that a pod has a default for.
fn limits(limits: &Limits) -> impl Iterator<Item = EnvVar> {
    let Limits { max_upload_size: _, max_concurrent_conversions, max_streams, max_stream_duration, idle_timeout } =
        limits;
    [
        ("FLACSHIP_MAX_CONVERSIONS", max_concurrent_conversions.map(|count| count.to_string())),
        ("FLACSHIP_MAX_STREAMS", max_streams.map(|count| count.to_string())),
        ("FLACSHIP_MAX_STREAM_DURATION", max_stream_duration.as_ref().map(ToString::to_string)),
        ("FLACSHIP_IDLE_TIMEOUT", idle_timeout.as_ref().map(ToString::to_string)),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some(pods::env(name, value?)))
}

fn probe(path: &str) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String(ADMIN.to_owned()),
            ..HTTPGetAction::default()
        }),
        timeout_seconds: Some(5),
        ..Probe::default()
    }
}

fn spool(converter: &ValidatedConverter) -> Volume {
    let size = plan::plan_spool_volume(converter.spool_size);
    Volume {
        name: SPOOL.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource { size_limit: Some(Quantity(size.to_string())), medium: None }),
        ..Volume::default()
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audioconverter::fixtures;
    use serde_json::{Value, json};

    fn built(spec: &str, replicas: i32) -> Value {
        serde_json::to_value(build(&fixtures::valid(spec), replicas)).unwrap()
    }

    fn env(pod: &Value) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let variables = pod["containers"][0]["env"].as_array().unwrap();
        variables.iter().map(|variable| (text(&variable["name"]), text(&variable["value"]))).collect()
    }

    #[test]
    fn an_empty_spec_makes_a_restricted_pod_of_the_released_image() {
        let deployment = built("{}", 1);
        assert_eq!(deployment["metadata"]["name"], "tape.archive-9");
        assert_eq!(deployment["spec"]["replicas"], 1);
        let pod = &deployment["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        assert_eq!(container["image"], fixtures::IMAGE);
        assert_eq!(container["args"], json!(["serve"]));
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
        assert_eq!(pod["automountServiceAccountToken"], false);
        assert_eq!(pod["serviceAccountName"], "tape.archive-9");
        assert_eq!(pod["terminationGracePeriodSeconds"], 330);
        assert_eq!(container["resources"]["requests"]["cpu"], "100m");
        // 4 GiB and a tenth.
        assert_eq!(pod["volumes"][0]["emptyDir"]["sizeLimit"], "4724464025");
    }

    #[test]
    fn the_selector_chooses_the_pods() {
        let deployment = built("podTemplate: {labels: {app.kubernetes.io/instance: stolen, team: radio}}", 1);
        let selector = deployment["spec"]["selector"]["matchLabels"].as_object().unwrap();
        let labels = &deployment["spec"]["template"]["metadata"]["labels"];
        for (key, value) in selector {
            assert_eq!(&labels[key], value);
        }
        assert_eq!(selector["app.kubernetes.io/instance"], "tape.archive-9");
        assert_eq!(selector["app.kubernetes.io/name"], "flacship-converter");
        assert_eq!(labels["team"], "radio");
        assert_eq!(deployment["spec"]["template"]["metadata"]["annotations"]["flacship.dev/owner"], "tape.archive-9");
    }

    #[test]
    fn the_spec_becomes_environment() {
        let deployment = built(
            "{encoding: {compressionLevel: 8, blockSize: 1152, metadata: Foreign}, limits: {maxUploadSize: 3Gi}}",
            0,
        );
        assert_eq!(deployment["spec"]["replicas"], 0);
        let env = env(&deployment["spec"]["template"]["spec"]);
        for (name, value) in [
            ("FLACSHIP_LEVEL", "8"),
            ("FLACSHIP_BLOCK_SIZE", "1152"),
            ("FLACSHIP_METADATA", "foreign"),
            ("FLACSHIP_MAX_UPLOAD_SIZE", "3221225472"),
            ("FLACSHIP_SPOOL_SIZE", "6442450944"),
            ("FLACSHIP_SPOOL_DIR", "/spool"),
            ("FLACSHIP_STREAM_KEY_FILE", "/etc/flacship/stream-key/key"),
            ("FLACSHIP_DRAIN_SECONDS", "300s"),
        ] {
            assert!(env.contains(&(name.to_owned(), value.to_owned())), "{name} {env:?}");
        }
    }

    #[test]
    fn only_what_the_spec_says_is_told_beyond_that() {
        let deployment = built(
            "{encoding: {verify: true},
              limits: {maxConcurrentConversions: 3, maxStreams: 17, maxStreamDuration: 90m, idleTimeout: 1m30s},
              auth: {allowedOrigins: ['https://a.example', 'http://b.example:81']}}",
            1,
        );
        let told = env(&deployment["spec"]["template"]["spec"]);
        let plain = env(&built("{}", 1)["spec"]["template"]["spec"]);
        assert_eq!(told[..plain.len()], plain);
        let more: Vec<(&str, &str)> =
            told[plain.len()..].iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            more,
            [
                ("FLACSHIP_MAX_CONVERSIONS", "3"),
                ("FLACSHIP_MAX_STREAMS", "17"),
                ("FLACSHIP_MAX_STREAM_DURATION", "90m"),
                ("FLACSHIP_IDLE_TIMEOUT", "1m30s"),
                ("FLACSHIP_VERIFY", "true"),
                ("FLACSHIP_ALLOWED_ORIGIN", "https://a.example,http://b.example:81"),
            ]
        );
    }

    #[test]
    fn secrets_are_mounted_whole_where_their_variables_say() {
        let deployment = built(
            "{auth: {bearerTokensSecretRef: {name: who, key: staff}, streamKeySecretRef: {name: sign}},
              tls: {secretRef: {name: cert}}}",
            1,
        );
        let pod = &deployment["spec"]["template"]["spec"];
        let mut of_volume = std::collections::BTreeMap::new();
        for volume in pod["volumes"].as_array().unwrap() {
            of_volume.insert(volume["name"].as_str().unwrap(), volume["secret"]["secretName"].clone());
        }
        assert_eq!(json!(of_volume), json!({"spool": null, "stream-key": "sign", "tokens": "who", "tls": "cert"}));
        for mount in pod["containers"][0]["volumeMounts"].as_array().unwrap() {
            assert!(of_volume.contains_key(mount["name"].as_str().unwrap()), "{mount}");
            assert!(mount.get("subPath").is_none(), "a renewed Secret would not arrive: {mount}");
        }
        let env = env(pod);
        for (name, value) in [
            ("FLACSHIP_TOKEN_FILE", "/etc/flacship/tokens/staff"),
            ("FLACSHIP_STREAM_KEY_FILE", "/etc/flacship/stream-key/key"),
            ("FLACSHIP_TLS_CERT", "/etc/flacship/tls/tls.crt"),
            ("FLACSHIP_TLS_KEY", "/etc/flacship/tls/tls.key"),
        ] {
            assert!(env.contains(&(name.to_owned(), value.to_owned())), "{name} {env:?}");
        }
    }

    #[test]
    fn the_stream_key_is_where_its_variable_says() {
        let deployment = built("{}", 1);
        let pod = &deployment["spec"]["template"]["spec"];
        assert_eq!(pod["volumes"][1]["secret"]["secretName"], "tape.archive-9-stream-key");
        let mount = &pod["containers"][0]["volumeMounts"][1];
        assert_eq!(mount["name"], pod["volumes"][1]["name"]);
        assert_eq!((&mount["mountPath"], &mount["readOnly"]), (&json!("/etc/flacship/stream-key"), &json!(true)));
    }

    #[test]
    fn image_settings_reach_the_pod() {
        let deployment = built("{image: 'other:2', imagePullPolicy: Never, imagePullSecrets: [{name: key}]}", 1);
        let pod = &deployment["spec"]["template"]["spec"];
        assert_eq!(pod["containers"][0]["image"], "other:2");
        assert_eq!(pod["containers"][0]["imagePullPolicy"], "Never");
        assert_eq!(pod["imagePullSecrets"], json!([{"name": "key"}]));
        assert!(built("{}", 1)["spec"]["template"]["spec"]["containers"][0].get("imagePullPolicy").is_none());
    }

    #[test]
    fn a_rollout_never_goes_below_the_count() {
        let strategy = built("{}", 3)["spec"]["strategy"].clone();
        assert_eq!(strategy["rollingUpdate"], json!({"maxUnavailable": 0, "maxSurge": "25%"}));
    }

    #[test]
    fn a_name_of_253_characters_leaves_room_for_the_replica_set() {
        let mut valid = fixtures::valid("{}");
        valid.name = "n".repeat(253);
        let deployment = build(&valid, 1);
        assert!(deployment.metadata.name.unwrap().len() <= 242);
        assert!(deployment.metadata.labels.unwrap().values().all(|value| value.len() <= 63));
    }
}
