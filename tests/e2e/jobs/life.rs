//! What a person may do to a run, and what a run does by itself: suspend and resume, deadlines, too many bad files, an
//! AudioConverter's settings, and its own end.

use std::fs::{self, File};
use std::time::Duration;

use serde_json::json;

use crate::harness::archive::{self, Archive, Size};
use crate::harness::job::{completed, failed, manifest, slow_pods};
use crate::harness::object::{condition, condition_is, uid};
use crate::harness::volume::{Volume, own};
use crate::harness::wait::{self, STEP};
use crate::harness::{Namespace, converter, job};
use e2e::audio::StreamInfo;

const LONG: Size = Size { folders: 5, files: 300, seconds: 2.0 };
/// A pod that minds SIGTERM has ended by then; one that does not is killed after 30 seconds.
const SOON: Duration = Duration::from_secs(20);
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
    let held = archive::hold_last(&volume, "tapes");
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
    assert!(archive::records(&volume).len() < 300, "some files are left");
    drop(held);

    namespace.patch("cvj/tour", &json!({ "spec": { "suspend": false } }));
    let job = completed(&namespace, "tour");
    assert_eq!(job["status"]["files"], json!({ "total": 300, "converted": 300, "skipped": 0, "failed": 0 }));
    assert!(condition_is(&job, "Suspended", "False", "NotSuspended").is_some());
    archive.is_converted_at(archive.root());
    job::is_written_once_a_second(&namespace, "tour");
    let events = namespace.kubectl("get events -o custom-columns=R:.reason,K:.regarding.kind,I:.involvedObject.kind");
    for reason in ["Suspended", "Resumed"] {
        assert!(events.contains(reason), "{reason} in {events}");
    }
}

#[test]
fn a_plan_that_is_suspended_loses_no_try() {
    let namespace = Namespace::restricted("rest-plan");
    let volume = Volume::with_claim(&namespace, "tapes");
    let archive = Archive::record(&volume, "tapes", SHORT);
    let source = json!({ "volume": volume.source(), "path": "tapes" });
    namespace.apply(&manifest("tour", &json!({ "source": source, "suspend": true })));
    // Somebody else plans the same run meanwhile, so this plan takes its time.
    let plan = format!(".flacship/{}/plan", uid(&namespace.get("cvj/tour")));
    let path = volume.folder(&plan, 0o777, None).join("lock");
    let lock = File::create(&path).unwrap();
    own(&path, 0o666, None);
    lock.lock().unwrap();
    let suspend = |suspend: bool| namespace.patch("cvj/tour", &json!({ "spec": { "suspend": suspend } }));
    suspend(false);
    namespace.until("plans", "job/tour-plan", STEP, |now| (now["status"]["ready"] == 1).then_some(()));
    suspend(true);
    let rests = namespace.until("rests", "job/tour-plan", SOON, |now| {
        let none = |field: &str| now["status"][field].as_i64().unwrap_or_default() == 0;
        (now["spec"]["suspend"] == true && none("active") && none("terminating")).then(|| now["status"].clone())
    });
    assert_eq!(rests["failed"].as_i64().unwrap_or_default(), 0, "{rests}");
    suspend(false);
    drop(lock);
    let job = completed(&namespace, "tour");
    assert_eq!(job["status"]["files"]["converted"], SHORT.files);
    let planned = &namespace.get("job/tour-plan")["status"];
    assert_eq!((&planned["succeeded"], planned["failed"].as_i64().unwrap_or_default()), (&json!(1), 0), "{planned}");
    archive.is_converted_at(archive.root());
}

#[test]
fn a_deadline_ends_a_run_with_a_report_and_another_run_goes_on() {
    let namespace = Namespace::restricted("deadline");
    let volume = Volume::with_claim(&namespace, "tapes");
    let archive = Archive::record(&volume, "tapes", LONG);
    let source = json!({ "volume": volume.source(), "path": "tapes" });
    let spec = json!({ "source": source, "activeDeadlineSeconds": 3600, "podTemplate": slow_pods() });
    namespace.apply(&manifest("hasty", &spec));
    let held = archive::hold_last(&volume, "tapes");
    namespace.until("converts", "cvj/hasty", STEP, |now| {
        now["status"]["files"]["converted"].as_i64().filter(|done| *done > 0)
    });
    // A deadline may be moved while a run is under way: this one has passed.
    namespace.patch("cvj/hasty", &json!({ "spec": { "activeDeadlineSeconds": 1 } }));
    let job = failed(&namespace, "hasty", "DeadlineExceeded");
    drop(held);
    let files = &job["status"]["files"];
    let count = |field: &str| files[field].as_i64().unwrap();
    let (done, left) = (count("converted"), count("failed"));
    assert!(done > 0 && left > 0 && done + left == 300, "{files}");
    assert_eq!(job::report(&volume, &job)["reasons"], json!({ "not_processed": left }));
    let events =
        "get events --field-selector involvedObject.name=hasty -o custom-columns=R:.reason,M:.message --no-headers";
    let events = namespace.kubectl(events);
    for begins in ["DeadlineExceeded ", "Failed "] {
        let mut told = events.lines().filter(|line| line.starts_with(begins));
        assert!(told.any(|line| line.contains("activeDeadlineSeconds")), "{begins}in {events}");
    }
    let described = namespace.kubectl("describe cvj hasty");
    assert!(described.contains("DeadlineExceeded"), "{described}");

    namespace.apply(&manifest("patient", &json!({ "source": source })));
    let second = completed(&namespace, "patient");
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

    // Of two that fail one is kept for longer.
    let lost = json!({ "volume": volume.source(), "path": "no/such/folder" });
    for (name, ttl) in [("vain", json!({ "succeeded": 86400, "failed": 0 })), ("lost", ttl)] {
        namespace.apply(&manifest(name, &json!({ "source": lost, "ttlSecondsAfterFinished": ttl })));
    }
    failed(&namespace, "lost", "SourceNotFound");
    wait::until("the other goes", STEP, || namespace.find("cvj/vain").map_or(Ok(()), |job| Err(wait::brief(&job))));
    let events = namespace.kubectl("get events --field-selector reason=Expired -o custom-columns=M:.message");
    for field in ["ttlSecondsAfterFinished.succeeded", "ttlSecondsAfterFinished.failed"] {
        assert!(events.contains(field), "{field} in {events}");
    }
    // It would be gone by the time that another run takes.
    namespace.apply(&manifest("again", &json!({ "source": source, "recordsTTL": "1h" })));
    completed(&namespace, "again");
    namespace.get("cvj/lost");
    let report = job::report(&volume, &namespace.get("cvj/again"));
    assert!(report["expires_at"].is_string(), "{report:#}");
    assert!(!records.exists(), "records whose time is over go with the next run");
}
