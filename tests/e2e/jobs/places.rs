//! Where files come from and go to: other volumes, one folder for all, sources that go once their FLAC is sure, and the access
//! modes of claims.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use serde_json::{Value, json};

use crate::harness::Namespace;
use crate::harness::archive::{Archive, Size, files_below};
use crate::harness::job::{completed, failed, manifest};
use crate::harness::object::condition;
use crate::harness::volume::{Volume, own};
use crate::harness::wait::STEP;

const SIZE: Size = Size { folders: 3, files: 24, seconds: 1.0 };

fn mounts(namespace: &Namespace, job: &str) -> Vec<(String, bool)> {
    let job = namespace.get(&format!("job/{job}"));
    let mounts =
        job["spec"]["template"]["spec"]["containers"][0]["volumeMounts"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    mounts.iter().map(|mount| (text(&mount["mountPath"]), mount["readOnly"] == true)).collect()
}

#[test]
fn from_one_volume_to_another_in_one_folder() {
    let namespace = Namespace::restricted("flat");
    let (from, to) = (Volume::with_claim(&namespace, "tapes"), Volume::with_claim(&namespace, "flacs"));
    to.folder("", 0o777, None);
    let archive = Archive::record(&from, "tapes", SIZE);
    let before = files_below(from.root());
    let spec = json!({
        "source": { "volume": from.source() },
        "destination": { "volume": to.source(), "path": "all", "layout": "Flat" },
    });
    namespace.apply(&manifest("flat", &spec));
    let job = completed(&namespace, "flat");
    assert_eq!(job["status"]["files"]["converted"], 24);
    assert_eq!(mounts(&namespace, "flat-convert"), [("/source".to_owned(), true), ("/destination".to_owned(), false)]);
    let flacs = files_below(&to.root().join("all"));
    assert_eq!(flacs.len(), 24);
    assert!(flacs.iter().all(|flac| flac.parent() == Some(&to.root().join("all"))), "{flacs:?}");
    for name in archive.names() {
        let file = std::path::Path::new(name).with_extension("flac");
        assert!(to.root().join("all").join(file.file_name().unwrap()).is_file(), "{name}");
    }
    assert_eq!(files_below(from.root()), before, "the source is only read");
}

#[test]
fn sources_are_moved_or_deleted_once_their_flac_is_sure() {
    let namespace = Namespace::restricted("sources");
    let volume = Volume::with_claim(&namespace, "tapes");
    let archive = Archive::record(&volume, "tapes", SIZE);
    fs::write(archive.root().join("letter.wav"), b"no recording at all").unwrap();
    let spec = |policy: Value| {
        json!({
            "source": { "volume": volume.source(), "path": "tapes" },
            "destination": { "path": "flac" },
            "encoding": { "metadata": "Foreign" },
            "sourcePolicy": policy,
        })
    };
    // They have a FLAC already, from a run that keeps them, and go all the same.
    namespace.apply(&manifest("first", &spec(json!({ "type": "Keep" }))));
    completed(&namespace, "first");
    namespace.apply(&manifest("second", &spec(json!({ "type": "MoveTo", "path": "done" }))));
    let job = completed(&namespace, "second");
    assert_eq!(job["status"]["files"], json!({ "total": 25, "converted": 0, "skipped": 24, "failed": 1 }));
    assert_eq!(files_below(archive.root()), [archive.root().join("letter.wav")], "what has no FLAC stays");
    for name in archive.names() {
        assert!(volume.root().join("done").join(name).is_file(), "{name}");
    }
    archive.is_converted_at(&volume.root().join("flac"));

    let mut spec = spec(json!({ "type": "DeleteAfterVerify" }));
    spec["source"]["path"] = json!("done");
    namespace.apply(&manifest("third", &spec));
    completed(&namespace, "third");
    assert_eq!(files_below(&volume.root().join("done")).len(), 0);
    archive.is_converted_at(&volume.root().join("flac"));
}

#[test]
fn claims_of_one_node_or_one_pod_are_used_as_they_may_be() {
    let namespace = Namespace::restricted("modes-of-access");
    for (name, mode, pods) in [("node", "ReadWriteOnce", 2), ("pod", "ReadWriteOncePod", 1)] {
        let volume = Volume::with_modes(&namespace, name, &[mode]);
        let archive = Archive::record(&volume, "tapes", SIZE);
        let spec = json!({ "source": { "volume": volume.source(), "path": "tapes" }, "parallelism": 2, "shards": 4 });
        namespace.apply(&manifest(name, &spec));
        let job = completed(&namespace, name);
        assert_eq!(job["status"]["files"]["converted"], 24, "{mode}");
        let said = condition(&job, "VolumesReady").unwrap();
        assert!(said.message.contains(mode), "{}", said.message);
        let convert = namespace.get(&format!("job/{name}-convert"));
        assert_eq!(convert["spec"]["parallelism"], pods, "{mode}");
        let together = &convert["spec"]["template"]["spec"]["affinity"]["podAffinity"];
        assert_eq!(together.is_object(), mode == "ReadWriteOnce", "{together}");
        archive.is_converted_at(archive.root());
    }
}

#[test]
fn a_claim_that_waits_for_its_first_pod_gets_its_volume() {
    let namespace = Namespace::restricted("first-consumer");
    let volume = Volume::waiting(&namespace, "tapes");
    Archive::record(&volume, "tapes", SIZE);
    namespace.until("waits", "pvc/tapes", STEP, |now| (now["status"]["phase"] == "Pending").then_some(()));
    namespace.apply(&manifest("first", &json!({ "source": { "volume": volume.source(), "path": "tapes" } })));
    let job = completed(&namespace, "first");
    assert_eq!(job["status"]["files"]["converted"], 24);
    assert_eq!(namespace.get("pvc/tapes")["status"]["phase"], "Bound");
}

#[test]
fn files_of_somebody_else_are_reached_by_the_volumes_group() {
    const OWNER: Option<(u32, u32)> = Some((4711, 4712));
    let namespace = Namespace::restricted("group");
    let volume = Volume::with_claim(&namespace, "tapes");
    let archive = Archive::record(&volume, "tapes", SIZE);
    let mut entries = vec![volume.root().to_owned()];
    while let Some(entry) = entries.pop() {
        let is_folder = entry.is_dir();
        if is_folder {
            entries.extend(fs::read_dir(&entry).unwrap().map(|below| below.unwrap().path()));
        }
        own(&entry, if is_folder { 0o700 } else { 0o600 }, OWNER);
    }
    let spec = |template: Value| {
        let source = json!({ "volume": volume.source(), "path": "tapes" });
        json!({ "source": source, "destination": { "path": "flac" }, "podTemplate": template })
    };
    namespace.apply(&manifest("stranger", &spec(json!({}))));
    failed(&namespace, "stranger", "SourceNotReadable");
    // The kubelet gives a local volume's files to the group that the pods ask for.
    namespace.apply(&manifest("member", &spec(json!({ "securityContext": { "fsGroup": 4713 } }))));
    let job = completed(&namespace, "member");
    assert_eq!(job["status"]["files"]["converted"], 24);
    archive.is_converted_at(&volume.root().join("flac"));
    let source = fs::metadata(archive.root().join(archive.names().next().unwrap())).unwrap();
    assert_eq!((source.uid(), source.gid()), (4711, 4713));
}
