//! Every pod of ours runs where the restricted Pod Security Standard is enforced.

use std::fs;

use serde_json::{Value, json};

use crate::harness::volume::Volume;
use crate::harness::wait::STEP;
use crate::harness::{Namespace, converter, kubectl, operator};
use e2e::audio::{Audio, Shape};

#[test]
fn converter_and_job_pods_meet_the_restricted_standard() {
    let namespace = Namespace::restricted("restricted");
    // It is enforced here: a pod that asks for nothing special is refused.
    let plain = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "plain" },
        "spec": { "containers": [{ "name": "a", "image": operator::converter_image() }] },
    });
    let said = namespace.try_apply(&plain).refused();
    assert!(said.contains("violates PodSecurity \"restricted"), "{said}");

    let volume = Volume::with_claim(&namespace, "tapes");
    volume.folder("", 0o777, None);
    let audio = Audio::music(Shape::VOICE, 1.0, 1);
    fs::write(volume.root().join("a.wav"), audio.wav().unwrap()).unwrap();
    converter::ready(&namespace, "vault", &json!({}));
    namespace.apply(&json!({
        "apiVersion": "flacship.dev/v1alpha1", "kind": "ConversionJob", "metadata": { "name": "vault-job" },
        "spec": { "source": { "volume": volume.source() } },
    }));
    namespace.wait_for("cvj/vault-job", "condition=Complete", STEP);

    let pods = namespace.list("pods");
    assert_eq!(pods.len(), 4, "one converter and three stages");
    for pod in &pods {
        let name = &pod["metadata"]["name"];
        let spec = &pod["spec"];
        assert_eq!(spec["automountServiceAccountToken"], false, "{name}");
        assert_eq!(spec["securityContext"]["runAsNonRoot"], true, "{name}");
        assert_eq!(spec["securityContext"]["runAsUser"], 65532, "{name}");
        for container in spec["containers"].as_array().unwrap() {
            let security = &container["securityContext"];
            assert_eq!(security["readOnlyRootFilesystem"], true, "{name}");
            assert_eq!(security["allowPrivilegeEscalation"], false, "{name}");
            assert_eq!(security["capabilities"]["drop"], json!(["ALL"]), "{name}");
        }
        let mounts: Vec<&Value> = spec["containers"][0]["volumeMounts"].as_array().into_iter().flatten().collect();
        assert!(
            mounts.iter().all(|mount| !mount["mountPath"].as_str().unwrap().contains("serviceaccount")),
            "{name} has a token"
        );
    }
    let line = format!(
        "label --dry-run=server --overwrite ns {} pod-security.kubernetes.io/enforce=restricted",
        namespace.name()
    );
    let said = kubectl::run(&line, None);
    assert!(!said.stderr.contains("Warning"), "{}", said.stderr);
}

#[test]
fn outside_of_it_too() {
    // Where anything is admitted, the pods still ask for no more.
    let namespace = Namespace::privileged("permissive");
    converter::ready(&namespace, "vault", &json!({}));
    let line = format!(
        "label --dry-run=server --overwrite ns {} pod-security.kubernetes.io/enforce=restricted",
        namespace.name()
    );
    let said = kubectl::run(&line, None);
    assert!(said.ok && !said.stderr.contains("Warning"), "{}", said.stderr);
}
