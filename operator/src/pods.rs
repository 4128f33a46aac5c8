//! The pods of both kinds: what the `restricted` Pod Security Standard asks for, and how a user's `podTemplate` is
//! merged into what the operator chose.
//!
//! Pure functions. Maps merge key by key, lists by name, everything else replaces. The operator's own labels and the
//! restricted settings always stand.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crds::podtemplate::{PodSecurity, PodTemplate};
use crds::shared::ImageSource;
use k8s_openapi::api::core::v1::{
    Capabilities, Container, EnvVar, PodCondition, PodSecurityContext, PodSpec, PodStatus, PodTemplateSpec,
    ResourceRequirements, SeccompProfile, SecurityContext, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::quantity;

/// Name of the container that runs the converter.
pub const CONTAINER: &str = "converter";
/// User and group of the process unless a `podTemplate` says otherwise; the images' user too.
pub const USER: i64 = 65532;

/// The pod's part of the `restricted` Pod Security Standard.
/// Source: <https://kubernetes.io/docs/concepts/security/pod-security-standards/>.
pub fn pod_security_context() -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(USER),
        run_as_group: Some(USER),
        seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), ..SeccompProfile::default() }),
        ..PodSecurityContext::default()
    }
}

/// The container's part of the `restricted` Pod Security Standard, and a root file system that nobody writes to.
pub fn container_security_context() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), ..Capabilities::default() }),
        read_only_root_filesystem: Some(true),
        ..SecurityContext::default()
    }
}

/// The container `converter` with its image and the restricted settings; arguments, environment, ports and mounts are
/// the caller's.
pub fn container(image: &ImageSource, default_image: &str) -> Container {
    Container {
        name: CONTAINER.to_owned(),
        image: Some(image.image.clone().unwrap_or_else(|| default_image.to_owned())),
        image_pull_policy: image.image_pull_policy.map(|policy| policy.as_str().to_owned()),
        security_context: Some(container_security_context()),
        ..Container::default()
    }
}

/// A pod spec with the restricted settings, no token and no Service variables (a Service named `flacship` would else
/// set `FLACSHIP_PORT`, which reads like a flag of the converter).
pub fn pod_spec(image: &ImageSource, container: Container) -> PodSpec {
    PodSpec {
        containers: vec![container],
        image_pull_secrets: non_empty(image.image_pull_secrets.clone()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        security_context: Some(pod_security_context()),
        ..PodSpec::default()
    }
}

/// The first volume of `template` that holds a token of the pods' ServiceAccount, by its name.
pub fn token_volume(template: &PodTemplate) -> Option<&str> {
    let holds_token = |volume: &&Volume| {
        let sources = volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten());
        sources.into_iter().any(|source| source.service_account_token.is_some())
    };
    template.volumes.iter().find(holds_token).map(|volume| volume.name.as_str())
}

/// An environment variable with a plain value.
pub fn env(name: &str, value: impl Into<String>) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(value.into()), value_from: None }
}

/// Resource requirements from pairs such as `("cpu", "100m")`.
pub fn resources(requests: &[(&str, &str)], limits: &[(&str, &str)]) -> ResourceRequirements {
    let map = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(name, amount)| ((*name).to_owned(), Quantity((*amount).to_owned())));
        non_empty_map(pairs.collect())
    };
    ResourceRequirements { requests: map(requests), limits: map(limits), claims: None }
}

/// `base` with the user's `template` merged in. The container parts go to the one named [`CONTAINER`].
pub fn merge(mut base: PodTemplateSpec, template: Option<&PodTemplate>) -> PodTemplateSpec {
    let Some(template) = template else { return base };
    // Destructured without `..`, so that a new field of the API does not compile until it is merged here.
    let PodTemplate {
        labels,
        annotations,
        resources,
        node_selector,
        tolerations,
        affinity,
        topology_spread_constraints,
        priority_class_name,
        service_account_name,
        env,
        env_from,
        volumes,
        volume_mounts,
        security_context,
    } = template;

    let meta = base.metadata.get_or_insert_default();
    meta.labels = under(meta.labels.take(), labels);
    meta.annotations = under(meta.annotations.take(), annotations);

    let spec = base.spec.get_or_insert_default();
    if !node_selector.is_empty() {
        spec.node_selector.get_or_insert_default().extend(node_selector.clone());
    }
    if !tolerations.is_empty() {
        spec.tolerations = Some(tolerations.clone());
    }
    if affinity.is_some() {
        spec.affinity.clone_from(affinity);
    }
    if !topology_spread_constraints.is_empty() {
        spec.topology_spread_constraints = Some(topology_spread_constraints.clone());
    }
    if priority_class_name.is_some() {
        spec.priority_class_name.clone_from(priority_class_name);
    }
    if service_account_name.is_some() {
        spec.service_account_name.clone_from(service_account_name);
    }
    spec.volumes = by_key(spec.volumes.take(), volumes, |volume: &Volume| &volume.name);
    if let Some(user) = security_context {
        merge_security(spec.security_context.get_or_insert_default(), user);
    }
    if let Some(container) = spec.containers.iter_mut().find(|container| container.name == CONTAINER) {
        container.env = by_key(container.env.take(), env, |variable: &EnvVar| &variable.name);
        // They have no names to merge by. Kubernetes lets the later win, so the user's come last.
        container.env_from = non_empty([container.env_from.take().unwrap_or_default(), env_from.clone()].concat());
        container.volume_mounts =
            by_key(container.volume_mounts.take(), volume_mounts, |mount: &VolumeMount| &mount.mount_path);
        if let Some(user) = resources {
            container.resources = Some(merge_resources(container.resources.take().unwrap_or_default(), user));
        }
    }
    base
}

fn merge_security(context: &mut PodSecurityContext, user: &PodSecurity) {
    let PodSecurity { run_as_user, run_as_group, fs_group, supplemental_groups, se_linux_options } = user;
    context.run_as_user = run_as_user.or(context.run_as_user);
    context.run_as_group = run_as_group.or(context.run_as_group);
    if fs_group.is_some() {
        context.fs_group = *fs_group;
        // A volume of millions of files is not walked at each start.
        context.fs_group_change_policy = Some("OnRootMismatch".to_owned());
    }
    if !supplemental_groups.is_empty() {
        context.supplemental_groups = Some(supplemental_groups.clone());
    }
    if se_linux_options.is_some() {
        context.se_linux_options.clone_from(se_linux_options);
    }
}

/// Requests and limits, resource by resource. Where the user gives one of the two, a default of ours that would
/// contradict it (a request above the limit) gives way.
fn merge_resources(base: ResourceRequirements, user: &ResourceRequirements) -> ResourceRequirements {
    let mut requests = base.requests.unwrap_or_default();
    let mut limits = base.limits.unwrap_or_default();
    for (name, request) in user.requests.iter().flatten() {
        requests.insert(name.clone(), request.clone());
        if limits.get(name).is_some_and(|limit| above(request, limit)) {
            limits.remove(name);
        }
    }
    for (name, limit) in user.limits.iter().flatten() {
        limits.insert(name.clone(), limit.clone());
        let users_own = user.requests.iter().flatten().any(|(request, _)| request == name);
        if !users_own && requests.get(name).is_some_and(|request| above(request, limit)) {
            requests.insert(name.clone(), limit.clone());
        }
    }
    ResourceRequirements {
        requests: non_empty_map(requests),
        limits: non_empty_map(limits),
        claims: user.claims.clone().or(base.claims),
    }
}

fn above(a: &Quantity, b: &Quantity) -> bool {
    quantity::compare(&a.0, &b.0) == Some(Ordering::Greater)
}

/// The user's map with ours laid over it: ours wins.
fn under(ours: Option<BTreeMap<String, String>>, users: &BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    let mut all = users.clone();
    all.extend(ours.unwrap_or_default());
    non_empty_map(all)
}

/// Our list with the user's items put in: in the place of one with the same key, else at the end.
fn by_key<T: Clone>(ours: Option<Vec<T>>, users: &[T], key: impl Fn(&T) -> &String) -> Option<Vec<T>> {
    let mut all = ours.unwrap_or_default();
    for item in users {
        match all.iter_mut().find(|existing| key(existing) == key(item)) {
            Some(existing) => existing.clone_from(item),
            None => all.push(item.clone()),
        }
    }
    non_empty(all)
}

fn non_empty<T>(items: Vec<T>) -> Option<Vec<T>> {
    if items.is_empty() { None } else { Some(items) }
}

fn non_empty_map<V>(map: BTreeMap<String, V>) -> Option<BTreeMap<String, V>> {
    if map.is_empty() { None } else { Some(map) }
}

/// The condition that says why no node takes a pod, if none does.
pub fn unscheduled(status: &PodStatus) -> Option<&PodCondition> {
    status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == "PodScheduled" && condition.status == "False")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn base() -> PodTemplateSpec {
        serde_yaml::from_str(
            "
metadata:
  labels: {app.kubernetes.io/name: ours}
  annotations: {flacship.dev/owner: tape}
spec:
  volumes: [{name: spool, emptyDir: {}}]
  securityContext: {runAsNonRoot: true, runAsUser: 65532, runAsGroup: 65532}
  containers:
  - name: converter
    env: [{name: FLACSHIP_LEVEL, value: '5'}, {name: RUST_LOG, value: info}]
    volumeMounts: [{name: spool, mountPath: /spool}]
    resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {memory: 512Mi}}
",
        )
        .unwrap()
    }

    fn merged(template: &str) -> Value {
        let template: PodTemplate = serde_yaml::from_str(template).unwrap();
        serde_json::to_value(merge(base(), Some(&template))).unwrap()
    }

    #[test]
    fn without_a_template_the_base_stays() {
        assert_eq!(merge(base(), None), base());
        assert_eq!(merge(base(), Some(&PodTemplate::default())), base());
    }

    #[test]
    fn labels_of_ours_stand() {
        let pod = merged(
            "{labels: {app.kubernetes.io/name: theirs, team: radio}, annotations: {a: b, flacship.dev/owner: x}}",
        );
        assert_eq!(pod["metadata"]["labels"], json!({"app.kubernetes.io/name": "ours", "team": "radio"}));
        assert_eq!(pod["metadata"]["annotations"], json!({"a": "b", "flacship.dev/owner": "tape"}));
    }

    #[test]
    fn lists_merge_by_name() {
        let pod = merged(
            "{env: [{name: RUST_LOG, value: debug}, {name: NEW, valueFrom: {fieldRef: {fieldPath: metadata.name}}}],
              volumes: [{name: tapes, emptyDir: {}}], volumeMounts: [{name: tapes, mountPath: /tapes}]}",
        );
        let container = &pod["spec"]["containers"][0];
        assert_eq!(
            container["env"],
            json!([{"name": "FLACSHIP_LEVEL", "value": "5"}, {"name": "RUST_LOG", "value": "debug"},
                   {"name": "NEW", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}])
        );
        assert_eq!(pod["spec"]["volumes"][1]["name"], "tapes");
        assert_eq!(container["volumeMounts"][1]["mountPath"], "/tapes");
    }

    #[test]
    fn variables_come_from_config_maps_and_secrets_in_order() {
        let pod = merged(
            "{envFrom: [{configMapRef: {name: studio}}, {prefix: FLACSHIP_, secretRef: {name: vault, optional: true}}]}",
        );
        let container = &pod["spec"]["containers"][0];
        assert_eq!(
            container["envFrom"],
            json!([{"configMapRef": {"name": "studio"}},
                   {"prefix": "FLACSHIP_", "secretRef": {"name": "vault", "optional": true}}])
        );
        // Those that are named one by one stay, and win (Kubernetes: "values defined by an Env take precedence").
        assert_eq!(
            container["env"],
            json!([{"name": "FLACSHIP_LEVEL", "value": "5"}, {"name": "RUST_LOG", "value": "info"}])
        );
        let mut base = base();
        let ours = serde_yaml::from_str("[{configMapRef: {name: ours}}]").unwrap();
        base.spec.as_mut().unwrap().containers[0].env_from = Some(ours);
        let template: PodTemplate = serde_yaml::from_str("{envFrom: [{configMapRef: {name: theirs}}]}").unwrap();
        let pod = serde_json::to_value(merge(base, Some(&template))).unwrap();
        assert_eq!(pod["spec"]["containers"][0]["envFrom"][1]["configMapRef"]["name"], "theirs");
    }

    #[test]
    fn everything_else_replaces() {
        let pod = merged(
            "{nodeSelector: {disk: ssd}, tolerations: [{key: tape, operator: Exists}], priorityClassName: high, serviceAccountName: own,
              affinity: {nodeAffinity: {}}, topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway}]}",
        );
        let spec = &pod["spec"];
        assert_eq!(spec["nodeSelector"]["disk"], "ssd");
        assert_eq!(spec["tolerations"][0]["key"], "tape");
        assert_eq!(spec["priorityClassName"], "high");
        assert_eq!(spec["serviceAccountName"], "own");
        assert!(spec["affinity"]["nodeAffinity"].is_object());
        assert_eq!(spec["topologySpreadConstraints"][0]["topologyKey"], "zone");
    }

    #[test]
    fn groups_of_a_volume_keep_the_restricted_settings() {
        let pod = merged("{securityContext: {runAsUser: 1000, fsGroup: 2000, supplementalGroups: [3000]}}");
        assert_eq!(
            pod["spec"]["securityContext"],
            json!({"runAsNonRoot": true, "runAsUser": 1000, "runAsGroup": 65532, "fsGroup": 2000,
                   "fsGroupChangePolicy": "OnRootMismatch", "supplementalGroups": [3000]})
        );
    }

    #[test]
    fn resources_merge_and_never_contradict_themselves() {
        for (template, requests, limits) in [
            ("{limits: {cpu: '2'}}", json!({"cpu": "100m", "memory": "128Mi"}), json!({"cpu": "2", "memory": "512Mi"})),
            (
                "{limits: {cpu: 50m}}",
                json!({"cpu": "50m", "memory": "128Mi"}),
                json!({"cpu": "50m", "memory": "512Mi"}),
            ),
            ("{requests: {memory: 1Gi}}", json!({"cpu": "100m", "memory": "1Gi"}), Value::Null),
            ("{requests: {memory: 64Mi}}", json!({"cpu": "100m", "memory": "64Mi"}), json!({"memory": "512Mi"})),
            (
                "{requests: {memory: 2Gi}, limits: {memory: 2Gi}}",
                json!({"cpu": "100m", "memory": "2Gi"}),
                json!({"memory": "2Gi"}),
            ),
            // The user contradicts himself: the apiserver says so.
            (
                "{requests: {memory: 2Gi}, limits: {memory: 1Gi}}",
                json!({"cpu": "100m", "memory": "2Gi"}),
                json!({"memory": "1Gi"}),
            ),
        ] {
            let pod = merged(&format!("{{resources: {template}}}"));
            let resources = &pod["spec"]["containers"][0]["resources"];
            assert_eq!(resources["requests"], requests, "{template}");
            assert_eq!(resources["limits"], limits, "{template}");
        }
    }

    #[test]
    fn a_pod_meets_the_restricted_standard() {
        let image = ImageSource { image: Some("registry.example/tape:1".to_owned()), ..ImageSource::default() };
        let pod = serde_json::to_value(pod_spec(&image, container(&image, "default:1"))).unwrap();
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        assert_eq!(pod["automountServiceAccountToken"], false);
        assert_eq!(pod["enableServiceLinks"], false);
        let container = &pod["containers"][0];
        assert_eq!(container["image"], "registry.example/tape:1");
        assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false);
        assert_eq!(container["securityContext"]["capabilities"]["drop"], json!(["ALL"]));
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
        assert!(pod.get("imagePullSecrets").is_none());
    }
}
