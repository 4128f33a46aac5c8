//! What the apiserver admits and the cluster cannot carry out: a condition says what to change, and the change heals.

use std::fs;

use serde_json::{Value, json};

use crate::harness::object::{condition, condition_is, is_observed};
use crate::harness::volume::{Volume, own};
use crate::harness::wait::STEP;
use crate::harness::{Namespace, converter, job};
use e2e::audio::{Audio, Shape};

#[test]
fn an_image_that_cannot_be_pulled_is_told() {
    let namespace = Namespace::restricted("bad-image");
    let image = "flacship.dev/converter:no-such-tag";
    namespace.apply(&converter::manifest("remix", &json!({ "image": image })));
    let degraded = namespace.until("says that its pods do not start", "acv/remix", STEP, |now| {
        condition_is(now, "Degraded", "True", "PodsNotStarting")
    });
    assert!(degraded.message.contains(image), "{}", degraded.message);
    assert_eq!(condition(&namespace.get("acv/remix"), "Ready").unwrap().status, "False");

    namespace.patch("acv/remix", &json!({ "spec": { "image": null } }));
    namespace.wait_for("acv/remix", "condition=Ready", STEP);
    namespace
        .until("is no longer degraded", "acv/remix", STEP, |now| condition_is(now, "Degraded", "False", "AsExpected"));
}

#[test]
fn pods_that_may_not_be_made_are_told() {
    let namespace = Namespace::restricted("bad-pods");
    let host = json!({ "podTemplate": { "volumes": [{ "name": "host", "hostPath": { "path": "/" } }] } });
    namespace.apply(&converter::manifest("prying", &host));
    namespace.apply(&converter::manifest("nobody", &json!({ "podTemplate": { "serviceAccountName": "not-there" } })));
    for (name, word) in [("prying", "hostPath"), ("nobody", "not-there")] {
        let degraded = namespace.until("says why there are no pods", &format!("acv/{name}"), STEP, |now| {
            condition_is(now, "Degraded", "True", "PodsNotCreated")
        });
        assert!(degraded.message.contains(word), "{}", degraded.message);
    }
}

#[test]
fn a_secret_that_is_missing_is_named_and_heals_when_it_comes() {
    let namespace = Namespace::restricted("no-secret");
    converter::ready(&namespace, "usher", &json!({ "replicas": 1 }));
    let pods = namespace.list("pods").len();
    namespace.patch("acv/usher", &json!({ "spec": { "auth": { "bearerTokensSecretRef": { "name": "guest-list" } } } }));
    let missing = namespace.until("names the Secret", "acv/usher", STEP, |now| {
        condition_is(now, "Degraded", "True", "SecretNotFound").filter(|_| is_observed(now))
    });
    for word in ["guest-list", "auth.bearerTokensSecretRef", "create it"] {
        assert!(missing.message.contains(word), "{}", missing.message);
    }
    assert_eq!(condition(&namespace.get("acv/usher"), "Ready").unwrap().status, "True", "the old pod goes on");
    assert!(namespace.list("pods").len() > pods, "a new pod waits for the Secret");

    namespace.apply(&json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "guest-list" }, "stringData": { "tokens": "plus-one" },
    }));
    namespace.until("is well and as wanted", "acv/usher", 2 * STEP, |now| {
        condition_is(now, "Degraded", "False", "AsExpected")?;
        condition_is(now, "Progressing", "False", "RolledOut")
    });
}

#[test]
fn a_key_that_a_secret_lacks_shows_in_the_pod() {
    let namespace = Namespace::restricted("no-key");
    namespace.apply(&json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "guest-list" }, "stringData": { "other": "plus-one" },
    }));
    let auth = json!({ "bearerTokensSecretRef": { "name": "guest-list" } });
    namespace.apply(&converter::manifest("usher", &json!({ "replicas": 1, "auth": auth })));
    let trouble = namespace.until("says that its pods do not start", "acv/usher", STEP, |now| {
        condition_is(now, "Degraded", "True", "PodsNotStarting")
    });
    assert!(trouble.message.contains("a key that its Secret lacks"), "{}", trouble.message);
    namespace.apply(&json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "guest-list" }, "stringData": { "tokens": "plus-one" },
    }));
    namespace.wait_for("acv/usher", "condition=Ready", 3 * STEP);
}

#[test]
fn a_job_waits_for_its_claim() {
    let namespace = Namespace::restricted("missing-claim");
    let volume = Volume::without_claim(&namespace, "tapes");
    volume.folder("", 0o777, None);
    let audio = Audio::music(Shape::VOICE, 1.0, 1);
    fs::write(volume.root().join("a.wav"), audio.wav().unwrap()).unwrap();

    namespace.apply(&job::manifest("early", &json!({ "source": { "volume": volume.source() } })));
    let missing = namespace.until("says that the claim is missing", "cvj/early", STEP, |now| {
        condition_is(now, "VolumesReady", "False", "ClaimNotFound")
    });
    assert!(missing.message.contains("tapes"), "{}", missing.message);
    assert!(namespace.list("jobs").is_empty(), "nothing runs before the volume is there");
    let waiting = namespace.get("cvj/early");
    assert_eq!(waiting["status"]["stage"], "Pending");
    assert_ne!(condition(&waiting, "Failed").map(|condition| condition.status).as_deref(), Some("True"));

    volume.claim(&namespace);
    namespace.wait_for("cvj/early", "condition=Complete", STEP);
    audio.check_flac_file(&volume.root().join("a.flac")).unwrap();
    assert_eq!(condition(&namespace.get("cvj/early"), "VolumesReady").unwrap().status, "True");
}

#[test]
fn a_job_that_cannot_be_done_fails_with_a_reason() {
    let namespace = Namespace::restricted("bad-jobs");
    let volume = Volume::with_claim(&namespace, "tapes");
    volume.folder("", 0o777, None);
    own(&volume.folder("locked", 0o777, None), 0o700, Some((4711, 4712)));
    fs::write(volume.root().join("a.wav"), Audio::music(Shape::VOICE, 0.2, 1).wav().unwrap()).unwrap();
    let read_only = Volume::with_claim(&namespace, "shelf");
    read_only.folder("", 0o755, Some((4711, 4712)));

    let source = |path: &str| json!({ "source": { "volume": volume.source(), "path": path } });
    let with = |extra: Value| {
        let mut spec = json!({ "source": { "volume": volume.source() } });
        spec.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        spec
    };
    let cases = [
        ("nowhere", source("no/such/folder"), "SourceNotFound", "no/such/folder"),
        ("a-file", source("a.wav"), "SourceNotFound", "a.wav"),
        ("locked", source("locked"), "SourceNotReadable", "locked"),
        ("glob", with(json!({ "include": ["**/[a"] })), "InvalidGlob", "[a"),
        (
            "shelf",
            with(json!({ "destination": { "volume": read_only.source() } })),
            "DestinationNotWritable",
            "destination",
        ),
    ];
    for (name, spec, ..) in &cases {
        namespace.apply(&job::manifest(name, spec));
    }
    for (name, _, reason, word) in &cases {
        let failed = namespace.until("has failed", &format!("cvj/{name}"), STEP, |now| {
            condition(now, "Failed").filter(|condition| condition.status == "True")
        });
        println!("{name}: {failed:?}");
        assert_eq!(failed.reason, *reason, "{}", failed.message);
        assert!(failed.message.contains(word), "{}", failed.message);
        namespace.wait_for(&format!("cvj/{name}"), "condition=Failed", STEP);
    }
}

#[test]
fn a_volume_that_pod_security_forbids_is_told() {
    let namespace = Namespace::restricted("pod-security");
    let inline = [
        ("hostPath", json!({ "hostPath": { "path": "/srv" } })),
        ("nfs", json!({ "nfs": { "server": "nas.example", "path": "/tapes" } })),
    ];
    for (kind, volume) in inline {
        let name = format!("prying-{}", kind.to_lowercase());
        namespace.apply(&job::manifest(&name, &json!({ "source": { "volume": volume } })));
        let refused = namespace.until("says what Pod Security forbids", &format!("cvj/{name}"), STEP, |now| {
            condition_is(now, "VolumesReady", "False", "PodSecurity")
        });
        for word in [kind, "claim"] {
            assert!(refused.message.contains(word), "{}", refused.message);
        }
    }
    assert!(namespace.list("jobs").is_empty(), "nothing is made of them");
}

#[test]
fn a_folder_of_the_node_is_used_where_pod_security_admits_it() {
    let namespace = Namespace::privileged("host-path");
    // Of the volume the folder alone.
    let folder = Volume::without_claim(&namespace, "tapes");
    folder.folder("", 0o777, None);
    let audio = Audio::music(Shape::VOICE, 1.0, 1);
    fs::write(folder.root().join("a.wav"), audio.wav().unwrap()).unwrap();
    let volume = json!({ "hostPath": { "path": folder.root(), "type": "Directory" } });
    namespace.apply(&job::manifest("local", &json!({ "source": { "volume": volume } })));
    let job = job::completed(&namespace, "local");
    assert_eq!(condition(&job, "VolumesReady").unwrap().status, "True");
    audio.check_flac_file(&folder.root().join("a.flac")).unwrap();
}
