use super::*;
use crate::conversionjob::fixtures::{ALLOWED, job, validated};

const MINIMAL: &str = "source: {volume: {persistentVolumeClaim: {claimName: tape}}}";

fn invalid(spec: &str) -> String {
    validate(&job(spec), ALLOWED).unwrap_err().to_string()
}

#[test]
fn a_minimal_job_is_whole() {
    let job = validate(&job(MINIMAL), ALLOWED).unwrap();
    assert_eq!((job.name.as_str(), job.namespace.as_str()), ("night.shift-7", "attic"));
    assert_eq!((job.parallelism, job.shards, job.retries), (1, 1, 3));
    assert_eq!((job.encoding, job.converter, job.on_source, job.layout), (None, None, OnSource::Keep, Layout::Mirror));
    assert_eq!((job.max_failed_files, job.deadline_seconds, job.records_ttl, job.suspend), (None, None, None, false));
    assert_eq!((job.source_path.as_str(), job.destination_path.as_str()), ("", ""));
    assert_eq!((job.verify, job.overwrite), (Verify::Yes, Overwrite::IfNewer));
    assert_eq!(job.volumes.destination, None);
}

#[test]
fn paths_are_brought_to_one_spelling() {
    for (written, clean) in
        [("a", "a"), ("a//b/./c/", "a/b/c"), (".", ""), ("./-x y/$(HOME)", "-x y/$(HOME)"), ("..a/b..", "..a/b..")]
    {
        assert_eq!(path("source.path", Some(written)).unwrap(), clean);
    }
    for refused in ["/a", "a/../b", "..", "a\0b", "a/.."] {
        let text = path("source.path", Some(refused)).unwrap_err().to_string();
        assert!(text.contains("relative to the volume"), "{text}");
    }
}

#[test]
fn without_a_destination_the_flac_lies_beside_its_source() {
    for (destination, folder) in [("", "in"), (", destination: {path: out}", "out")] {
        let spec = format!("{{source: {{volume: {{nfs: {{server: nas, path: /x}}}}, path: in/}}{destination}}}");
        let job = validated(&spec);
        assert_eq!((job.source_path.as_str(), job.destination_path.as_str()), ("in", folder));
        assert_eq!(job.volumes.destination, None);
    }
}

#[test]
fn two_names_of_one_volume_are_one() {
    let with = |source: &str, destination: &str| {
        let spec = format!("{{source: {{volume: {source}}}, destination: {{volume: {destination}}}}}");
        validate(&job(&spec), ALLOWED).unwrap().volumes
    };
    let tape = "{persistentVolumeClaim: {claimName: tape}}";
    let tape_read_only = "{persistentVolumeClaim: {claimName: tape, readOnly: true}}";
    let nfs = "{nfs: {server: nas, path: /x}}";
    for (source, destination, distinct) in [
        (tape, tape, 1),
        (tape_read_only, tape, 1),
        (nfs, nfs, 1),
        ("{nfs: {server: nas, path: /x, readOnly: true}}", nfs, 1),
        (tape, "{persistentVolumeClaim: {claimName: flac}}", 2),
        (tape, nfs, 2),
        ("{nfs: {server: nas, path: /y}}", nfs, 2),
    ] {
        assert_eq!(with(source, destination).iter().count(), distinct, "{source} and {destination}");
    }
    let one = with(tape_read_only, tape);
    assert_eq!(one.source.persistent_volume_claim.unwrap().read_only, None, "the one volume is written to");
}

#[test]
fn a_contradiction_says_what_to_change() {
    for (spec, words) in [
        ("source: {volume: {}}", "source.volume names 0 volumes: name exactly one"),
        (
            "source: {volume: {hostPath: {path: /a}, nfs: {server: nas, path: /x}}}",
            "source.volume names 2 volumes: name exactly one",
        ),
        ("source: {volume: {persistentVolumeClaim: {claimName: ''}}}", "claimName is empty"),
        ("source: {volume: {persistentVolumeClaim: {claimName: tape, readOnly: true}}}", "source.volume is readOnly"),
        (
            "{source: {volume: {hostPath: {path: /a}}}, destination: {volume: {csi: {driver: d, readOnly: true}}}}",
            "destination.volume is readOnly",
        ),
        ("{source: {volume: {hostPath: {path: /a}}}, destination: {volume: {}}}", "destination.volume names 0"),
        ("{source: {volume: {hostPath: {path: /a}}, path: ../b}}", "source.path is \"../b\""),
        ("{source: {volume: {hostPath: {path: /a}}}, destination: {path: /b}}", "destination.path is \"/b\""),
        ("{source: {volume: {hostPath: {path: /a}}}, include: ['']}", "include holds an empty glob"),
        ("{source: {volume: {hostPath: {path: /a}}}, exclude: [\"a\\0b\"]}", "exclude holds"),
        ("{source: {volume: {hostPath: {path: /a}}}, parallelism: 0}", "parallelism is 0"),
        ("{source: {volume: {hostPath: {path: /a}}}, parallelism: 4, shards: 2}", "shards is 2: write a number from 4"),
        ("{source: {volume: {hostPath: {path: /a}}}, encoding: {compressionLevel: 9}}", "compressionLevel is 9"),
        ("{source: {volume: {hostPath: {path: /a}}}, retries: {perShard: -1}}", "retries.perShard is -1"),
        ("{source: {volume: {hostPath: {path: /a}}}, maxFailedFiles: -1}", "maxFailedFiles is -1"),
        ("{source: {volume: {hostPath: {path: /a}}}, activeDeadlineSeconds: 0}", "activeDeadlineSeconds is 0"),
        (
            "{source: {volume: {hostPath: {path: /a}}}, converterRef: {name: lark}, encoding: {}}",
            "leave encoding or converterRef out",
        ),
        (
            "{source: {volume: {hostPath: {path: /a}}}, sourcePolicy: {type: DeleteAfterVerify}}",
            "needs encoding.metadata Foreign",
        ),
        ("{source: {volume: {hostPath: {path: /a}}}, sourcePolicy: {type: MoveTo}}", "give both or neither"),
        ("{source: {volume: {hostPath: {path: /a}}}, sourcePolicy: {type: Keep, path: b}}", "give both or neither"),
        (
            "{source: {volume: {hostPath: {path: /a}}, path: in}, sourcePolicy: {type: MoveTo, path: ./in/}}",
            "sourcePolicy.path is the source folder itself",
        ),
        (
            "{source: {volume: {hostPath: {path: /a}}}, sourcePolicy: {type: MoveTo, path: ../b}}",
            "sourcePolicy.path is",
        ),
        (
            "{source: {volume: {nfs: {server: nas, path: /a, readOnly: true}}}, destination: {volume: {hostPath: {path: /b}}}, sourcePolicy: {type: MoveTo, path: b}}",
            "sourcePolicy takes files away from it",
        ),
    ] {
        let text = invalid(spec);
        assert!(text.contains(words), "{spec}\n{text}");
    }
}

#[test]
fn what_the_operator_does_not_allow_is_told_as_that() {
    let none = Allowed { service_account_name: false, host_path: false };
    for spec in [
        "source: {volume: {hostPath: {path: /a}}}",
        "{source: {volume: {persistentVolumeClaim: {claimName: a}}}, destination: {volume: {hostPath: {path: /a}}}}",
        "{source: {volume: {persistentVolumeClaim: {claimName: a}}}, podTemplate: {volumes: [{name: x, hostPath: {path: /}}]}}",
        "{source: {volume: {persistentVolumeClaim: {claimName: a}}}, podTemplate: {serviceAccountName: root}}",
        "{source: {volume: {persistentVolumeClaim: {claimName: a}}}, podTemplate: {volumes: [{name: x, projected: {sources: [{serviceAccountToken: {path: t}}]}}]}}",
    ] {
        let forbidden = validate(&job(spec), none).unwrap().forbidden.unwrap();
        assert_eq!(forbidden.reason(), JobReason::NotAllowed, "{spec}");
        assert!(forbidden.to_string().contains("operator started with --allow-"), "{forbidden}");
        assert_eq!(validate(&job(spec), ALLOWED).unwrap().forbidden, None, "{spec}");
    }
    assert_eq!(validate(&job(MINIMAL), none).unwrap().forbidden, None);
    assert_eq!(validate(&job("source: {volume: {}}"), none).unwrap_err().reason(), JobReason::InvalidSpec);
}

#[test]
fn everything_that_is_asked_for_is_taken_up() {
    let job = validated(
        "{source: {volume: {persistentVolumeClaim: {claimName: a}}, path: in}, destination: {path: out, layout: Flat}, \
          sourcePolicy: {type: MoveTo, path: in//done/}, converterRef: {name: lark}, retries: {perShard: 0}, \
          maxFailedFiles: 0, activeDeadlineSeconds: 90, suspend: true, recordsTTL: 36h}",
    );
    assert_eq!((job.layout, job.on_source), (Layout::Flat, OnSource::MoveTo("in/done".to_owned())));
    assert_eq!((job.converter.as_deref(), job.retries, job.max_failed_files), (Some("lark"), 0, Some(0)));
    assert_eq!((job.deadline_seconds, job.suspend), (Some(90), true));
    assert_eq!(job.records_ttl, Some(Duration::from_hours(36)));
}

#[test]
fn the_source_is_read_only_where_nothing_is_to_be_done_to_its_volume() {
    let tape = "{persistentVolumeClaim: {claimName: tape}}";
    let other = ", destination: {volume: {persistentVolumeClaim: {claimName: flac}}}";
    let same = ", destination: {volume: {persistentVolumeClaim: {claimName: tape}}}";
    let (delete, move_to, keep) = (
        ", encoding: {metadata: Foreign}, sourcePolicy: {type: DeleteAfterVerify}",
        ", sourcePolicy: {type: MoveTo, path: done}",
        ", sourcePolicy: {type: Keep}",
    );
    for (destination, policy, expected) in [
        ("", "", SourceUse::Write),
        ("", keep, SourceUse::Write),
        ("", delete, SourceUse::Write),
        ("", move_to, SourceUse::Write),
        (same, keep, SourceUse::Write),
        (same, delete, SourceUse::Write),
        (same, move_to, SourceUse::Write),
        (other, "", SourceUse::Read),
        (other, keep, SourceUse::Read),
        (other, delete, SourceUse::Write),
        (other, move_to, SourceUse::Write),
    ] {
        let job = validated(&format!("{{source: {{volume: {tape}}}{destination}{policy}}}"));
        assert_eq!(job.volumes.on_source, expected, "{destination}{policy}");
        let uses: Vec<SourceUse> = job.volumes.iter().map(|(_, on)| on).collect();
        assert_eq!(uses.first(), Some(&expected));
        assert!(uses.iter().skip(1).all(|on| *on == SourceUse::Write));
    }
}
