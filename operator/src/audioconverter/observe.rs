//! Fourth step: what runs, read from the cluster.
//!
//! Of Secrets the metadata alone is asked for: whether they are there. What they hold is the pods' to read.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crds::AudioConverter;
use crds::conditions::ConverterReason;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, Secret};
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use super::apply::{AppliedChildren, GATEWAY_API, PROMETHEUS, Refusal};
use super::build::secrets::{self, NeededSecret};
use super::build::{deployment, hpa, http_route, ingress, service};
use super::validate::ValidatedConverter;
use crate::apis::{HTTP_ROUTE, OptionalKind, SERVICE_MONITOR};
use crate::apply::Child;
use crate::context::Context;
use crate::errors::{CallError, call};
use crate::labels::{self, Component};
use crate::{names, pods};

/// What the pods show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Why pods cannot start, in words.
    pub trouble: Option<String>,
    /// How many pods are stopping.
    pub draining: i32,
    /// The address of a node that runs a pod which is ready.
    pub node: Option<String>,
}

impl Seen {
    /// What `pods`, all that `converter` has, show.
    pub fn of(pods: &[Pod], converter: &AudioConverter, valid: &ValidatedConverter) -> Self {
        let endpoint = converter.status.as_ref().and_then(|status| status.endpoint.as_deref());
        Self {
            trouble: explain(pods, secrets_hint(valid)),
            draining: draining(pods),
            node: node(pods, endpoint.unwrap_or_default()),
        }
    }
}

/// The pods of `converter`.
pub async fn pods(ctx: &Context, valid: &ValidatedConverter) -> Result<Vec<Pod>, CallError> {
    let selector = labels::selector_text(&labels::selector(&valid.name, Component::Converter));
    let api: Api<Pod> = Api::namespaced(ctx.client.clone(), &valid.namespace);
    Ok(call("list Pods", api.list(&ListParams::default().labels(&selector))).await?.items)
}

/// The children of a converter that is left alone: what is there and ours, as it stands.
pub async fn children(
    ctx: &Context,
    converter: &AudioConverter,
    valid: &ValidatedConverter,
) -> Result<AppliedChildren, CallError> {
    let mut lacks = Vec::new();
    let mut served = |kind: OptionalKind, wanted: bool, advice: &str| {
        let has = ctx.apis.has(kind);
        lacks.extend((wanted && !has).then(|| api_not_found(kind, advice)));
        wanted && has
    };
    let monitored = valid.service_monitor.as_ref().is_some_and(|wanted| wanted.enabled);
    served(SERVICE_MONITOR, monitored, PROMETHEUS);
    let routed = served(HTTP_ROUTE, valid.gateway.is_some(), GATEWAY_API);
    Ok(AppliedChildren {
        deployment: ours(ctx, converter, &deployment::name(valid)).await?,
        service: ours(ctx, converter, &service::name(valid)).await?,
        hpa: if valid.autoscaling.is_some() { ours(ctx, converter, &hpa::name(valid)).await? } else { None },
        ingress: if valid.ingress.is_some() { ours(ctx, converter, &ingress::name(valid)).await? } else { None },
        http_route: if routed { ours(ctx, converter, &http_route::name(valid)).await? } else { None },
        lacks,
        ..AppliedChildren::default()
    })
}

/// What is said of a kind that the cluster does not serve; `advice` says what to do.
pub(super) fn api_not_found(kind: OptionalKind, advice: &str) -> Refusal {
    let message = format!("the cluster has no {} ({}): {advice}", kind.kind, kind.api_version());
    Refusal { reason: ConverterReason::ApiNotFound, message }
}

/// The object of this name, if it is there and belongs to `converter`.
pub(super) async fn ours<K: Child>(
    ctx: &Context,
    converter: &AudioConverter,
    name: &str,
) -> Result<Option<K>, CallError> {
    let api: Api<K> = Api::namespaced(ctx.client.clone(), &converter.namespace().unwrap_or_default());
    let live = call(format!("get {} {name}", K::kind(&())), api.get_opt(name)).await?;
    Ok(live
        .filter(|live| live.owner_references().iter().any(|owner| Some(&owner.uid) == converter.metadata.uid.as_ref())))
}

/// The Secrets that the spec names and that are not there, each as what is said of it. One that was seen within the last
/// minute is not looked for.
pub async fn missing_secrets(
    ctx: &Context,
    converter: &AudioConverter,
    valid: &ValidatedConverter,
) -> Result<Vec<Refusal>, CallError> {
    let api: Api<Secret> = Api::namespaced(ctx.client.clone(), &valid.namespace);
    let (uid, now) = (converter.metadata.uid.as_deref().unwrap_or_default(), Instant::now());
    let mut missing = Vec::new();
    for needed in secrets::needed(valid) {
        let NeededSecret { name, field, advice } = needed;
        if ctx.children.was_seen::<Secret>(&valid.namespace, &name, uid, now) {
            continue;
        }
        let possible = names::is_subdomain(&name);
        if possible && call(format!("get Secret {name}"), api.get_metadata_opt(&name)).await?.is_some() {
            ctx.children.saw::<Secret>(&valid.namespace, &name, uid, now);
            continue;
        }
        let why = if possible { "which does not exist" } else { "and no Secret can have that name" };
        let message = format!("{field} names the Secret {name:?}, {why}: {advice}");
        missing.push(Refusal { reason: ConverterReason::SecretNotFound, message });
    }
    Ok(missing)
}

/// How many of `pods` are stopping and have not ended.
fn draining(pods: &[Pod]) -> i32 {
    let ended = |pod: &Pod| {
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        matches!(phase, Some("Succeeded" | "Failed"))
    };
    let count = pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_some() && !ended(pod)).count();
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// The address of a node that runs one of `pods` which is ready: the one in `endpoint`, if it still does, so that the
/// address which people have noted stays.
fn node(pods: &[Pod], endpoint: &str) -> Option<String> {
    let address = |pod: &Pod| {
        let status = pod.status.as_ref().filter(|_| pod.metadata.deletion_timestamp.is_none())?;
        let ready = status.conditions.iter().flatten().any(|held| held.type_ == "Ready" && held.status == "True");
        status.host_ip.clone().filter(|_| ready)
    };
    let addresses: BTreeSet<String> = pods.iter().filter_map(address).collect();
    let known = |address: &&String| {
        endpoint.contains(&format!("//{address}:")) || endpoint.contains(&format!("//[{address}]:"))
    };
    addresses.iter().find(known).or_else(|| addresses.first()).cloned()
}

/// What a container that ends again and again may lack.
fn secrets_hint(valid: &ValidatedConverter) -> &'static str {
    if secrets::needed(valid).is_empty() {
        ""
    } else {
        "; a file below /etc/flacship that it misses is a key that its Secret lacks"
    }
}

/// The count of the Deployment that runs for `converter`, if there is one and it is ours.
pub async fn running_replicas(
    ctx: &Context,
    converter: &AudioConverter,
    valid: &ValidatedConverter,
) -> Result<Option<i32>, CallError> {
    let name = deployment::name(valid);
    if ctx.children.is_absent::<Deployment>(&valid.namespace, &name) {
        return Ok(None);
    }
    let live: Option<Deployment> = ours(ctx, converter, &name).await?;
    Ok(live.and_then(|live| live.spec?.replicas))
}

/// The troubles of `pods`, each once and with the name of one pod, in a text that stays the same as long as they do: no
/// counts, times or messages that a kubelet changes from one try to the next. `hint` is added about a container that ends.
fn explain(pods: &[Pod], hint: &str) -> Option<String> {
    let mut troubles = BTreeMap::<String, String>::new();
    for pod in pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()) {
        if let Some(trouble) = explain_one(pod, hint) {
            let first = troubles.entry(trouble).or_insert_with(|| pod.name_any());
            *first = pod.name_any().min(std::mem::take(first));
        }
    }
    let texts: Vec<String> = troubles.into_iter().map(|(trouble, pod)| format!("{trouble} (pod {pod})")).collect();
    (!texts.is_empty()).then(|| texts.join("; "))
}

fn explain_one(pod: &Pod, hint: &str) -> Option<String> {
    let status = pod.status.as_ref()?;
    if let Some(condition) = pods::unscheduled(status) {
        return Some(format!("no node takes a pod: {}", condition.message.as_deref().unwrap_or("no reason given")));
    }
    let containers = status.init_container_statuses.iter().flatten().chain(status.container_statuses.iter().flatten());
    containers.filter(|container| !container.ready).find_map(|container| explain_container(pod, container, hint))
}

fn explain_container(pod: &Pod, container: &ContainerStatus, hint: &str) -> Option<String> {
    let waiting = container.state.as_ref().and_then(|state| state.waiting.as_ref());
    let said = waiting.and_then(|waiting| waiting.message.clone()).unwrap_or_default();
    match waiting.and_then(|waiting| waiting.reason.as_deref()) {
        // The two take turns, and the kubelet's message with them.
        Some("ErrImagePull" | "ImagePullBackOff") => Some(format!(
            "the image {:?} cannot be pulled: check its name, the registry and imagePullSecrets; the Events of the pod say more",
            wanted_image(pod, container)
        )),
        Some("ErrImageNeverPull") => Some(format!(
            "the image {:?} is not on the node and imagePullPolicy is Never: load it there or change the policy",
            wanted_image(pod, container)
        )),
        Some("InvalidImageName") => Some(format!("{:?} is no name of an image", wanted_image(pod, container))),
        Some("CreateContainerConfigError" | "CreateContainerError" | "RunContainerError") => {
            Some(format!("a container cannot be started: {said}"))
        }
        // Between two crashes the container runs for a while; it has not recovered before it is ready.
        _ => {
            let last = container.last_state.as_ref()?.terminated.as_ref()?;
            (container.restart_count > 0).then(|| {
                format!(
                    "the container {} ends again and again, last with exit code {} ({}): `kubectl logs --previous` of the pod shows why{hint}",
                    container.name,
                    last.exit_code,
                    last.reason.as_deref().unwrap_or("no reason given")
                )
            })
        }
    }
}

/// The image as the pod asks for it; a container's status may have it with a prefix.
fn wanted_image(pod: &Pod, container: &ContainerStatus) -> String {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let wanted = containers.into_iter().find(|wanted| wanted.name == container.name);
    wanted.and_then(|wanted| wanted.image.clone()).unwrap_or_else(|| container.image.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audioconverter::fixtures;
    use crate::conversionjob::fixtures::FakeCluster;
    use serde_json::json;

    fn explain(pods: &[Pod]) -> Option<String> {
        super::explain(pods, "")
    }

    fn pod(status: &str) -> Pod {
        let yaml = format!(
            "{{metadata: {{name: reel-1}}, spec: {{containers: [{{name: converter, image: 'flac:9'}}]}}, status: {status}}}"
        );
        serde_yaml::from_str(&yaml).unwrap()
    }

    fn container(state: &str) -> Pod {
        pod(&format!(
            "{{containerStatuses: [{{name: converter, image: x, imageID: '', ready: false, restartCount: 2, {state}}}]}}"
        ))
    }

    #[test]
    fn pods_that_start_or_run_are_no_trouble() {
        assert_eq!(explain(&[]), None);
        assert_eq!(explain(&[pod("{}")]), None);
        assert_eq!(explain(&[container("state: {waiting: {reason: ContainerCreating}}")]), None);
        assert_eq!(
            explain(&[pod(
                "{containerStatuses: [{name: converter, image: x, imageID: '', ready: true, restartCount: 3,
                lastState: {terminated: {exitCode: 1}}, state: {running: {}}}]}"
            )]),
            None
        );
    }

    #[test]
    fn trouble_is_told_with_a_way_out() {
        for (pod, says) in [
            (container("state: {waiting: {reason: ImagePullBackOff}}"), "the image \"flac:9\" cannot be pulled"),
            (container("state: {waiting: {reason: ErrImageNeverPull}}"), "imagePullPolicy is Never"),
            (container("state: {waiting: {reason: InvalidImageName}}"), "\"flac:9\" is no name"),
            (
                container("state: {waiting: {reason: CreateContainerConfigError, message: secret \"k\" not found}}"),
                "secret \"k\" not found",
            ),
            (
                pod("{conditions: [{type: PodScheduled, status: 'False', message: '0/1 nodes: too small'}]}"),
                "no node takes a pod: 0/1 nodes: too small",
            ),
        ] {
            let text = explain(&[pod]).unwrap();
            assert!(text.contains(says), "{text}");
        }
    }

    #[test]
    fn the_text_stays_while_a_pod_takes_turns_between_two_states() {
        let pull = |reason: &str, message: &str| {
            explain(&[container(&format!("state: {{waiting: {{reason: {reason}, message: '{message}'}}}}"))])
        };
        assert_eq!(pull("ErrImagePull", "rpc error 1"), pull("ImagePullBackOff", "back-off 5m"));
        let ended = "lastState: {terminated: {exitCode: 3, reason: Error}}";
        assert_eq!(
            explain(&[container(&format!("{ended}, state: {{waiting: {{reason: CrashLoopBackOff}}}}"))]),
            explain(&[container(&format!("{ended}, state: {{running: {{}}}}"))])
        );
    }

    #[test]
    fn the_same_trouble_is_told_once_and_stopping_pods_are_passed_over() {
        let broken = pod("{conditions: [{type: PodScheduled, status: 'False', message: full}]}");
        let mut stopping = container("state: {waiting: {reason: InvalidImageName}}");
        stopping.metadata.deletion_timestamp = Some(crate::conditions::now());
        assert_eq!(explain(&[broken.clone(), broken, stopping]).unwrap(), "no node takes a pod: full (pod reel-1)");
    }

    #[test]
    fn a_container_that_ends_may_lack_a_key_of_a_secret() {
        let ended = container("lastState: {terminated: {exitCode: 3, reason: Error}}");
        let says =
            |spec: &str| super::explain(std::slice::from_ref(&ended), secrets_hint(&fixtures::valid(spec))).unwrap();
        assert!(!says("{}").contains("Secret"));
        assert!(says("tls: {secretRef: {name: cert}}").contains("a key that its Secret lacks"));
    }

    /// A pod on the node at `host`.
    fn on(host: &str, ready: &str, stopping: bool) -> Pod {
        let mut pod =
            pod(&format!("{{phase: Running, hostIP: '{host}', conditions: [{{type: Ready, status: '{ready}'}}]}}"));
        pod.metadata.deletion_timestamp = stopping.then(crate::conditions::now);
        pod
    }

    #[test]
    fn pods_that_stop_are_counted_until_they_have_ended() {
        let mut ended = on("10.0.0.1", "False", true);
        ended.status.as_mut().unwrap().phase = Some("Succeeded".to_owned());
        let pods = [on("10.0.0.1", "True", false), on("10.0.0.1", "False", true), on("10.0.0.1", "True", true), ended];
        assert_eq!(draining(&pods), 2);
        assert_eq!(draining(&[]), 0);
    }

    #[test]
    fn a_node_with_a_ready_pod_stays_the_address() {
        let pods = [
            on("10.0.0.9", "True", false),
            on("10.0.0.2", "True", false),
            on("10.0.0.1", "False", false),
            on("10.0.0.3", "True", true),
            on("fd00::5", "True", false),
        ];
        for (endpoint, address) in [
            ("", "10.0.0.2"),
            ("http://10.0.0.9:30080", "10.0.0.9"),
            ("http://[fd00::5]:30080", "fd00::5"),
            ("http://10.0.0.3:30080", "10.0.0.2"),
            ("http://tape.reels.svc", "10.0.0.2"),
        ] {
            assert_eq!(node(&pods, endpoint).as_deref(), Some(address), "{endpoint}");
        }
        assert_eq!(node(&pods[2..4], ""), None);
    }

    #[tokio::test]
    async fn a_secret_that_is_not_there_is_said_with_its_field() {
        let fake = FakeCluster::default().json(
            "GET /api/v1/namespaces/reels/secrets/who",
            &json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": {"name": "who"}}),
        );
        let spec = "{auth: {bearerTokensSecretRef: {name: who}}, tls: {secretRef: {name: cert}}}";
        let missing =
            missing_secrets(&fake.context(), &fixtures::converter(spec), &fixtures::valid(spec)).await.unwrap();
        let [missing] = missing.as_slice() else { panic!("{missing:?}") };
        assert_eq!(missing.reason, ConverterReason::SecretNotFound);
        for part in ["tls.secretRef", "\"cert\"", "does not exist", "or leave tls out"] {
            assert!(missing.message.contains(part), "{}", missing.message);
        }
    }

    #[tokio::test]
    async fn a_name_that_no_secret_can_have_is_never_asked_for() {
        // As a part of a URL, the second is the Secret "who".
        for name in ["my tokens", "who?x", "../configmaps/who", ""] {
            let fake = FakeCluster::default();
            let spec = format!("auth: {{bearerTokensSecretRef: {{name: '{name}'}}}}");
            let missing =
                missing_secrets(&fake.context(), &fixtures::converter(&spec), &fixtures::valid(&spec)).await.unwrap();
            assert_eq!(fake.asked(), Vec::<String>::new(), "{name}");
            assert!(missing[0].message.contains("no Secret can have that name"), "{}", missing[0].message);
        }
    }
}
