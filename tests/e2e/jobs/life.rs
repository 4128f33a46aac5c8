//! What a person may do to a run, and what a run does by itself: suspend and resume, deadlines, too many bad files, an
//! AudioConverter's settings, and its own end.

use std::fs;
use std::time::Duration;

use serde_json::json;

use crate::harness::archive::{Archive, Size, files_below};
use crate::harness::job::{completed, failed, manifest, slow_pods};
use crate::harness::object::{condition, condition_is};
use crate::harness::volume::Volume;
use crate::harness::wait::STEP;
use crate::harness::{Namespace, control_plane, converter};
use e2e::audio::StreamInfo;

const LONG: Size = Size { folders: 5, files: 300, seconds: 2.0 };
const SHORT: Size = Size { folders: 2, files: 12, seconds: 0.5 };

#[test]
fn a_run_rests_and_goes_on() {
    let namespace = Namespace::restricted("rest");
    let volume = Volume::with_claim(&namespace, "tapes");
    let archive = Archive::record(&volume, "tapes", LONG);
    let source = json!({ "volume": volume.source(), "path": "tapes" });
    // It may begin suspended: nothing is made then.
    let spec = json!({ "source": source, "suspend": true, "shards": 6, "parallelism": 2, "podTemplate": slow_pods() });
    namespace.apply(&manifest("tour", &spec));
    namespace.until("says that it is suspended", "cvj/tour", STEP, |now| {
        condition_is(now, "Suspended", "True", "SuspendedBySpec")
    });
    assert!(namespace.list("jobs").is_empty());

    namespace.patch("cvj/tour", &json!({ "spec": { "suspend": false } }));
    namespace.until("tells live progress", "cvj/tour", STEP, |now| {
        let done = now["status"]["files"]["converted"].as_i64()?;
        (now["status"]["stage"] == "Convert" && done > 0 && done < 300).then_some(())
    });
    namespace.patch("cvj/tour", &json!({ "spec": { "suspend": true } }));
    namespace.until("is suspended in the middle", "cvj/tour", STEP, |now| {
        condition_is(now, "Suspended", "True", "SuspendedBySpec")
    });
    namespace.until("has no pod at work", "job/tour-convert", STEP, |now| {
        let active = now["status"]["active"].as_i64().unwrap_or_default();
        (now["spec"]["suspend"] == true && active == 0).then_some(())
    });
    let rested = namespace.get("cvj/tour");
    assert_eq!(rested["status"]["stage"], "Suspended");
    let before = files_below(archive.root()).len();
    assert!(before < 600, "some files are left");

    namespace.patch("cvj/tour", &json!({ "spec": { "suspend": false } }));
    let job = completed(&namespace, "tour");
    assert_eq!(job["status"]["files"], json!({ "total": 300, "converted": 300, "skipped": 0, "failed": 0 }));
    assert!(condition_is(&job, "Suspended", "False", "NotSuspended").is_some());
    archive.is_converted_at(archive.root());
    let writes = control_plane::status_writes(namespace.name(), "conversionjobs", "tour");
    let seconds = writes[writes.len() - 1].duration_since(writes[0]).as_secs();
    println!("{} writes of the status in {seconds} s", writes.len());
    assert!(i64::try_from(writes.len()).unwrap() <= seconds.max(12), "at most one a second");
    let events = namespace.kubectl("get events -o custom-columns=R:.reason,K:.regarding.kind,I:.involvedObject.kind");
    for reason in ["Suspended", "Resumed"] {
        assert!(events.contains(reason), "{reason} in {events}");
    }
}

#[test]
fn a_deadline_ends_a_run_with_a_report_and_another_run_goes_on() {
    let namespace = Namespace::restricted("deadline");
    let volume = Volume::with_claim(&namespace, "tapes");
    let archive = Archive::record(&volume, "tapes", LONG);
    let source = json!({ "volume": volume.source(), "path": "tapes" });
    let spec = json!({ "source": source, "activeDeadlineSeconds": 3600, "podTemplate": slow_pods() });
    namespace.apply(&manifest("hasty", &spec));
    namespace.until("converts", "cvj/hasty", STEP, |now| {
        now["status"]["files"]["converted"].as_i64().filter(|done| *done > 0)
    });
    // A deadline may be moved while a run is under way: this one has passed.
    namespace.patch("cvj/hasty", &json!({ "spec": { "activeDeadlineSeconds": 1 } }));
    let job = failed(&namespace, "hasty", "DeadlineExceeded");
    let files = &job["status"]["files"];
    let count = |field: &str| files[field].as_i64().unwrap();
    assert!(count("converted") > 0 && count("converted") + count("failed") == 300, "{files}");
    let report = fs::read(volume.root().join(job["status"]["report"].as_str().unwrap())).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["reasons"]["not_processed"], count("failed"));

    namespace.apply(&manifest("patient", &json!({ "source": source })));
    let second = completed(&namespace, "patient");
    let done = count("converted");
    assert_eq!(
        second["status"]["files"],
        json!({ "total": 300, "converted": 300 - done, "skipped": done, "failed": 0 })
    );
    archive.is_converted_at(archive.root());
}

#[test]
fn too_many_bad_files_end_a_run() {
    let namespace = Namespace::restricted("bad");
    let volume = Volume::with_claim(&namespace, "tapes");
    let archive = Archive::record(&volume, "tapes", SHORT);
    for number in 0..30 {
        fs::write(archive.root().join(format!("letter {number}.wav")), b"no recording at all").unwrap();
    }
    let spec = |most: i32| json!({ "source": { "volume": volume.source(), "path": "tapes" }, "maxFailedFiles": most });
    namespace.apply(&manifest("strict", &spec(5)));
    let job = failed(&namespace, "strict", "TooManyFailedFiles");
    assert!(condition(&job, "Failed").unwrap().message.contains("maxFailedFiles"), "{:?}", condition(&job, "Failed"));
    assert!(job["status"]["report"].is_string(), "it is reported all the same");
    namespace.apply(&manifest("mild", &spec(30)));
    let job = completed(&namespace, "mild");
    assert_eq!(job["status"]["files"]["failed"], 30);
    archive.is_converted_at(archive.root());
}

#[test]
fn a_run_takes_an_audioconverters_settings() {
    let namespace = Namespace::restricted("settings");
    let volume = Volume::with_claim(&namespace, "tapes");
    let archive = Archive::record(&volume, "tapes", SHORT);
    let spec = json!({ "source": { "volume": volume.source(), "path": "tapes" }, "converterRef": { "name": "house" } });
    namespace.apply(&manifest("borrowed", &spec));
    let waits = namespace.until("says what is missing", "cvj/borrowed", STEP, |now| {
        condition_is(now, "Accepted", "False", "ConverterNotFound")
    });
    assert!(waits.message.contains("house"), "{}", waits.message);
    namespace.apply(&converter::manifest("house", &json!({ "replicas": 0, "encoding": { "blockSize": 1024 } })));
    completed(&namespace, "borrowed");
    archive.is_converted_at(archive.root());
    let flac = archive.root().join(archive.names().next().unwrap()).with_extension("flac");
    let bytes = fs::read(flac).unwrap();
    StreamInfo::read(&bytes).unwrap();
    // STREAMINFO begins with the smallest and largest block (RFC 9639, 8.2).
    assert_eq!(bytes[8..12], [4, 0, 4, 0], "blocks of 1024 samples");
}

#[test]
fn a_run_that_has_ended_goes_away_in_its_time_and_its_records_stay() {
    let namespace = Namespace::restricted("ttl");
    let volume = Volume::with_claim(&namespace, "tapes");
    let archive = Archive::record(&volume, "tapes", SHORT);
    let source = json!({ "volume": volume.source(), "path": "tapes" });
    let ttl = json!({ "succeeded": 0, "failed": 86400 });
    let brief = json!({ "source": source, "ttlSecondsAfterFinished": ttl, "recordsTTL": "1s" });
    namespace.apply(&manifest("brief", &brief));
    namespace.wait_for("cvj/brief", "delete", Duration::from_mins(3));
    namespace.until_gone("jobs");
    archive.is_converted_at(archive.root());
    let runs: Vec<_> = fs::read_dir(volume.root().join(".flacship")).unwrap().flatten().collect();
    assert_eq!(runs.len(), 1);
    let records = runs[0].path();
    assert!(records.join("report.json").is_file(), "records outlive the resource");

    // One that failed is kept for longer.
    let lost = json!({ "volume": volume.source(), "path": "no/such/folder" });
    namespace.apply(&manifest("lost", &json!({ "source": lost, "ttlSecondsAfterFinished": ttl })));
    failed(&namespace, "lost", "SourceNotFound");
    // It would be gone by the time that another run takes.
    namespace.apply(&manifest("again", &json!({ "source": source, "recordsTTL": "1h" })));
    completed(&namespace, "again");
    namespace.get("cvj/lost");
    let report = namespace.get("cvj/again")["status"]["report"].as_str().unwrap().to_owned();
    let report: serde_json::Value = serde_json::from_slice(&fs::read(volume.root().join(report)).unwrap()).unwrap();
    assert!(report["expires_at"].is_string(), "{report:#}");
    assert!(!records.exists(), "records whose time is over go with the next run");
}
