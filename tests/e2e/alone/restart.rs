//! The operator goes away while a job runs: the job ends right all the same.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::Namespace;
use crate::harness::object::{condition, condition_is};
use crate::harness::operator::{self, Absent};
use crate::harness::volume::Volume;
use crate::harness::wait::STEP;
use e2e::audio::{Audio, Shape};

/// The files of each job: enough that converting and verifying them all at the slowest level takes longer than an
/// operator takes to go.
const FILES: usize = 40;
const SECONDS: f64 = 20.0;
/// How long a job may take on a busy machine.
const JOB: Duration = Duration::from_mins(4);

/// A volume of music and a job over it that has begun to convert.
fn running_job(namespace: &Namespace) -> (Volume, Audio) {
    let volume = Volume::with_claim(namespace, "tapes");
    volume.folder("set", 0o777, None);
    let audio = Audio::music(Shape::CD, SECONDS, 9);
    let wav = audio.wav().unwrap();
    for n in 0..FILES {
        fs::write(volume.root().join(format!("set/{n:02}.wav")), &wav).unwrap();
    }
    namespace.apply(&json!({
        "apiVersion": "flacship.dev/v1alpha1", "kind": "ConversionJob", "metadata": { "name": "tour" },
        "spec": {
            "source": { "volume": volume.source() },
            "encoding": { "compressionLevel": 8 },
            "parallelism": 2,
            "shards": 6,
        },
    }));
    namespace.until("converts", "cvj/tour", STEP, |now| (now["status"]["stage"] == "Convert").then_some(()));
    namespace.until("has a pod at work", "job/tour-convert", STEP, |now| {
        now["status"]["active"].as_i64().filter(|active| *active > 0)
    });
    (volume, audio)
}

fn convert_is_running(namespace: &Namespace) -> bool {
    let job: Value = namespace.get("job/tour-convert");
    job["status"]["completionTime"] == Value::Null && job["status"]["active"].as_i64().unwrap_or(0) > 0
}

fn ended_right(namespace: &Namespace, volume: &Volume, audio: &Audio) {
    namespace.wait_for("cvj/tour", "condition=Complete", JOB);
    let times = &namespace.get("job/tour-convert")["status"];
    println!("converted from {} to {}", times["startTime"], times["completionTime"]);
    let job = namespace.get("cvj/tour");
    let expected = json!({ "total": FILES, "converted": FILES, "skipped": 0, "failed": 0 });
    assert_eq!(job["status"]["files"], expected);
    assert_eq!(job["status"]["stage"], "Done");
    assert!(condition_is(&job, "Complete", "True", "AllFilesConverted").is_some());
    assert_ne!(condition(&job, "Failed").map(|failed| failed.status).as_deref(), Some("True"));
    let first = fs::read(volume.root().join("set/00.flac")).unwrap();
    audio.check_flac(&first).unwrap();
    for n in 1..FILES {
        // The same source gives the same bytes, so one comparison with the decoded audio is enough.
        assert!(fs::read(volume.root().join(format!("set/{n:02}.flac"))).unwrap() == first, "file {n}");
    }
    assert_eq!(namespace.list("jobs").len(), 3, "no stage ran under a second name");
}

#[test]
fn a_job_outlives_the_deletion_of_the_operators_pod() {
    let namespace = Namespace::restricted("operator-pod");
    let (volume, audio) = running_job(&namespace);
    let uid = namespace.get("job/tour-convert")["metadata"]["uid"].clone();
    operator::delete_pods();
    namespace.kubectl("get job/tour-convert");
    assert!(convert_is_running(&namespace), "the job was over too early for this test: give it more files");
    ended_right(&namespace, &volume, &audio);
    assert_eq!(
        namespace.get("job/tour-convert")["metadata"]["uid"],
        uid,
        "the new operator took the running stage over"
    );
}

#[test]
fn a_job_goes_on_without_any_operator_and_is_reported_by_the_next() {
    let namespace = Namespace::restricted("no-operator");
    let (volume, audio) = running_job(&namespace);
    {
        let _absent = Absent::begin();
        namespace.kubectl("get job/tour-convert");
        assert!(convert_is_running(&namespace), "the job was over too early for this test: give it more files");
        namespace.wait_for("job/tour-convert", "condition=Complete", JOB);
        let meanwhile = namespace.get("cvj/tour");
        assert_eq!(meanwhile["status"]["stage"], "Convert", "nobody is there to say more");
    }
    ended_right(&namespace, &volume, &audio);
}
