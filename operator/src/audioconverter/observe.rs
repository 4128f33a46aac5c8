//! Fourth step: what runs, read from the cluster.

use std::collections::BTreeMap;

use crds::AudioConverter;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use super::build::deployment;
use super::validate::ValidatedConverter;
use crate::context::Context;
use crate::errors::{CallError, call};
use crate::labels::{self, Component};
use crate::pods;

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
    let api: Api<Deployment> = Api::namespaced(ctx.client.clone(), &valid.namespace);
    let live = call(format!("get Deployment {name}"), api.get_opt(&name)).await?;
    let ours = live
        .filter(|live| live.owner_references().iter().any(|owner| Some(&owner.uid) == converter.metadata.uid.as_ref()));
    Ok(ours.and_then(|live| live.spec?.replicas))
}

/// Why pods of `converter` cannot start, in words; `None` if nothing keeps them from it.
pub async fn trouble(ctx: &Context, valid: &ValidatedConverter) -> Result<Option<String>, CallError> {
    let selector = labels::selector_text(&labels::selector(&valid.name, Component::Converter));
    let api: Api<Pod> = Api::namespaced(ctx.client.clone(), &valid.namespace);
    let pods = call("list Pods", api.list(&ListParams::default().labels(&selector))).await?;
    Ok(explain(&pods.items))
}

/// The troubles of `pods`, each once and with the name of one pod, in a text that stays the same as long as they do: no
/// counts, times or messages that a kubelet changes from one try to the next.
fn explain(pods: &[Pod]) -> Option<String> {
    let mut troubles = BTreeMap::<String, String>::new();
    for pod in pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()) {
        if let Some(trouble) = explain_one(pod) {
            let first = troubles.entry(trouble).or_insert_with(|| pod.name_any());
            *first = pod.name_any().min(std::mem::take(first));
        }
    }
    let texts: Vec<String> = troubles.into_iter().map(|(trouble, pod)| format!("{trouble} (pod {pod})")).collect();
    (!texts.is_empty()).then(|| texts.join("; "))
}

fn explain_one(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    if let Some(condition) = pods::unscheduled(status) {
        return Some(format!("no node takes a pod: {}", condition.message.as_deref().unwrap_or("no reason given")));
    }
    let containers = status.init_container_statuses.iter().flatten().chain(status.container_statuses.iter().flatten());
    containers.filter(|container| !container.ready).find_map(|container| explain_container(pod, container))
}

fn explain_container(pod: &Pod, container: &ContainerStatus) -> Option<String> {
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
                    "the container {} ends again and again, last with exit code {} ({}): `kubectl logs --previous` of the pod shows why",
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
}
