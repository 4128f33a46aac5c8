//! The samples under `config/samples`, applied as they are, and how both kinds look in kubectl.

use std::fs;

use serde_json::json;

use crate::harness::object::{columns, condition_is};
use crate::harness::secure::Certificate;
use crate::harness::volume::Volume;
use crate::harness::wait::STEP;
use crate::harness::{Namespace, converter, kubectl, operator, root};
use e2e::audio::{Audio, Shape};

#[test]
fn every_sample_has_a_test() {
    let mut names: Vec<String> = fs::read_dir(root().join("config/samples"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "kustomization.yaml")
        .collect();
    names.sort();
    // All of them here, but the Gateway: `alone::kinds` has it.
    assert_eq!(
        names,
        [
            "audioconverter-gateway.yaml",
            "audioconverter-hpa.yaml",
            "audioconverter-ingress.yaml",
            "audioconverter-streams.yaml",
            "audioconverter.yaml",
            "conversionjob-archive.yaml",
            "conversionjob.yaml",
        ]
    );
}

#[test]
fn the_converter_sample_becomes_ready() {
    // In the namespace where `make up` put it: its node port is the page's, and a cluster has each port once.
    kubectl::run(&format!("-n default apply -f {}", converter::sample("audioconverter.yaml")), None).unwrap();
    kubectl::run("-n default wait --for=condition=Ready acv/sample --timeout=120s", None).unwrap();
    kubectl::run("-n default wait --for=jsonpath={.status.readyReplicas}=1 acv/sample --timeout=120s", None).unwrap();
    let again =
        kubectl::run(&format!("-n default apply -f {}", converter::sample("audioconverter.yaml")), None).unwrap();
    assert!(again.contains("unchanged"), "{again}");

    let table = kubectl::run("-n default get acv sample", None).unwrap();
    assert_eq!(columns(&table), ["NAME", "READY", "REPLICAS", "STREAMS", "ENDPOINT", "AGE"]);
    let row: Vec<&str> = table.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[..3], ["sample", "True", "1"]);
    let endpoint = format!("http://{}:30080", converter::node().address);
    assert!(row.contains(&endpoint.as_str()), "{table}");
}

#[test]
fn the_streams_sample_becomes_ready() {
    let namespace = Namespace::restricted("sample-streams");
    namespace.kubectl(&format!("apply -f {}", converter::sample("audioconverter-streams.yaml")));
    namespace.wait_for("acv/live", "condition=Ready", STEP);
    assert!(namespace.find("hpa/live").is_none(), "the operator follows the streams itself");
    namespace.until("exists", "pdb/live", STEP, |_| Some(()));
    converter::until_well(&namespace, "live");
}

#[test]
fn the_hpa_sample_becomes_ready() {
    let namespace = Namespace::restricted("sample-hpa");
    namespace.kubectl(&format!("apply -f {}", converter::sample("audioconverter-hpa.yaml")));
    namespace.wait_for("acv/uploads", "condition=Ready", STEP);
    namespace.wait_for("acv/uploads", "condition=ScalingActive", STEP);
    namespace.until("has the spec's pace", "hpa/uploads", STEP, |now| {
        (now["spec"]["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 600).then_some(())
    });
    converter::until_well(&namespace, "uploads");
}

#[test]
fn the_ingress_sample_waits_for_its_certificate_only() {
    let namespace = Namespace::restricted("sample-ingress");
    namespace.kubectl(&format!("apply -f {}", converter::sample("audioconverter-ingress.yaml")));
    namespace.wait_for("acv/studio", "condition=Ready", STEP);
    let missing = namespace
        .until("names the Secret", "acv/studio", STEP, |now| condition_is(now, "Degraded", "True", "SecretNotFound"));
    assert!(missing.message.contains("studio-tls"), "{}", missing.message);
    namespace.apply(&Certificate::of("flac.example.com").secret("studio-tls"));
    converter::until_well(&namespace, "studio");
    assert_eq!(namespace.get("acv/studio")["status"]["endpoint"], "https://flac.example.com");
    assert_eq!(namespace.get("ingress/studio")["spec"]["tls"][0]["secretName"], "studio-tls");
    namespace.get("networkpolicy/studio");
}

#[test]
fn a_converter_looks_right_in_kubectl() {
    let namespace = Namespace::restricted("kubectl");
    converter::ready(&namespace, "tape-room", &json!({ "replicas": 1 }));

    let wide = namespace.kubectl("get acv -o wide");
    assert_eq!(
        columns(&wide),
        ["NAME", "READY", "REPLICAS", "STREAMS", "ENDPOINT", "AGE", "DESIRED", "DRAINING", "IMAGE", "REASON"]
    );
    assert!(wide.contains(&operator::converter_image()), "{wide}");
    assert!(wide.contains("AllReplicasReady"), "{wide}");

    assert!(namespace.kubectl("get flacship").contains("tape-room"), "the category lists it");
    assert!(namespace.kubectl("get audioconverters.flacship.dev").contains("tape-room"));

    let described = namespace.kubectl("describe acv tape-room");
    for part in ["Conditions:", "Type:", "AllReplicasReady", "Observed Generation:", "Endpoint:"] {
        assert!(described.contains(part), "describe lacks {part}");
    }
    let (_, events) = described.split_once("\nEvents:").expect("describe ends with the events");
    assert!(events.contains("Normal"), "no event tells what the operator did:{events}");

    let explained = kubectl::run("explain acv.spec.replicas", None).unwrap();
    assert!(explained.contains("How many pods are wanted"), "{explained}");
    let explained = kubectl::run("explain cvj.spec.source.volume", None).unwrap();
    assert!(explained.contains("persistentVolumeClaim"), "{explained}");
}

#[test]
fn the_job_sample_converts_what_its_claim_holds() {
    let namespace = Namespace::restricted("sample-job");
    let volume = Volume::without_claim(&namespace, "recordings");
    volume.folder("wav/live", 0o777, None);
    volume.folder("wav/drafts", 0o777, None);
    let audio = Audio::music(Shape::CD, 1.0, 1);
    for name in ["one.wav", "live/two.wav", "drafts/left-out.wav"] {
        fs::write(volume.root().join("wav").join(name), audio.wav().unwrap()).unwrap();
    }

    namespace.kubectl(&format!("apply -f {}", converter::sample("conversionjob.yaml")));
    namespace.wait_for("cvj/sample", "condition=Complete", STEP);

    let table = namespace.kubectl("get cvj");
    assert_eq!(columns(&table), ["NAME", "STAGE", "PROGRESS", "FAILED", "RATIO", "AGE"]);
    assert!(table.contains("Done") && table.contains("2/2"), "{table}");
    let wide = namespace.kubectl("get cvj -o wide");
    assert_eq!(columns(&wide)[6..], ["THROUGHPUT", "COMPLETE", "REPORT"]);
    for name in ["one.flac", "live/two.flac"] {
        audio.check_flac_file(&volume.root().join("flac").join(name)).unwrap();
    }
    assert!(!volume.root().join("flac/drafts").exists(), "the sample excludes drafts");
}

#[test]
fn the_archive_sample_moves_what_it_has_converted() {
    let namespace = Namespace::restricted("sample-archive");
    let (tapes, flac) = (Volume::without_claim(&namespace, "tapes"), Volume::without_claim(&namespace, "flac"));
    tapes.folder("incoming/live", 0o777, None);
    flac.folder("", 0o777, None);
    let audio = Audio::music(Shape::CD, 1.0, 1);
    for name in ["one.wav", "live/two.wav"] {
        fs::write(tapes.root().join("incoming").join(name), audio.wav().unwrap()).unwrap();
    }

    namespace.kubectl(&format!("apply -f {}", converter::sample("conversionjob-archive.yaml")));
    namespace.wait_for("cvj/archive", "condition=Complete", STEP);

    for name in ["one", "live/two"] {
        audio.check_flac_file(&flac.root().join(format!("{name}.flac"))).unwrap();
        assert!(!tapes.root().join(format!("incoming/{name}.wav")).exists(), "{name} has not gone");
        let moved = fs::read(tapes.root().join(format!("done/{name}.wav"))).unwrap();
        assert!(moved == audio.wav().unwrap(), "{name} is another");
    }
    let chosen = namespace.kubectl("get cvj --field-selector=spec.converterRef.name=studio --no-headers");
    assert!(chosen.starts_with("archive "), "{chosen}");
    let none = namespace.kubectl("get cvj --field-selector=spec.converterRef.name=other --no-headers");
    assert!(!none.contains("archive"), "{none}");
}
