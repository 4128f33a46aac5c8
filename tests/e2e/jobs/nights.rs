//! What happens to batch runs at night, at a random moment of the conversion: each ends as an undisturbed run. No file is
//! lost, none is converted twice by the records, and no half file has a final name.
//!
//! `make e2e` runs a round of each; `make faults` ten.

use std::fs;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::alone::faults::Rounds;
use crate::harness::Namespace;
use crate::harness::archive::{self, Archive, Size};
use crate::harness::job::{completed, ended, manifest, slow_pods, workers};
use crate::harness::object::condition_is;
use crate::harness::pod_process::kill_converter;
use crate::harness::volume::Volume;
use crate::harness::wait::{self, STEP};

/// How many rounds are run when all are.
const ALL: usize = 10;
const SIZE: Size = Size { folders: 12, files: 240, seconds: 2.0 };
/// How often one looks at the records.
const LOOK: Duration = Duration::from_millis(20);

/// A run under way.
struct Night {
    namespace: Namespace,
    volume: Volume,
    archive: Archive,
}

impl Night {
    /// Begins one, and waits until so many files of it have a record.
    fn begin(subject: &str, recorded: usize) -> Self {
        let namespace = Namespace::restricted(&format!("night-{subject}"));
        let volume = Volume::with_claim(&namespace, "tapes");
        let archive = Archive::record(&volume, "tapes", SIZE);
        namespace.apply(&manifest("night", &Self::spec(&volume)));
        let night = Self { namespace, volume, archive };
        night.until_recorded(recorded);
        night
    }

    fn spec(volume: &Volume) -> Value {
        json!({
            "source": { "volume": volume.source(), "path": "tapes" },
            "destination": { "path": "flac" },
            "encoding": { "compressionLevel": 8 },
            "parallelism": 2,
            "shards": 5,
            "retries": { "perShard": 6 },
            "podTemplate": slow_pods(),
        })
    }

    fn until_recorded(&self, count: usize) {
        let begin = std::time::Instant::now();
        while archive::records(&self.volume).len() < count {
            assert!(begin.elapsed() < STEP, "{count} records");
            thread::sleep(LOOK);
        }
    }

    fn is_under_way(&self) {
        let job = self.namespace.get("job/night-convert");
        assert_eq!(
            job["status"]["completionTime"],
            Value::Null,
            "it was over too early for this test: give it more files"
        );
    }

    fn ends_as_undisturbed(&self) {
        let job = completed(&self.namespace, "night");
        let files = json!({ "total": SIZE.files, "converted": SIZE.files, "skipped": 0, "failed": 0 });
        assert_eq!(job["status"]["files"], files);
        assert!(condition_is(&job, "Complete", "True", "AllFilesConverted").is_some());
        // How many pods broke off on the way is told besides.
        let shards = ["total", "active", "completed", "failed"].map(|field| job["status"]["shards"][field].clone());
        assert_eq!(shards, [json!(5), json!(0), json!(5), json!(0)]);
        self.is_all_there();
    }

    fn is_all_there(&self) {
        self.archive.is_converted_once_at(&self.volume.root().join("flac"), &self.volume);
    }
}

/// Runs rounds of a fault; each gets the number of records at which it is to happen.
fn rounds(subject: &str, happen: impl Fn(&Night, &mut fastrand::Rng)) {
    let mut rounds = Rounds::from_environment(1);
    for round in 0..rounds.count(ALL) {
        let recorded = rounds.random.usize(1..SIZE.files / 2);
        println!("{subject}, round {round}: at {recorded} records");
        let night = Night::begin(subject, recorded);
        happen(&night, &mut rounds.random);
        night.ends_as_undisturbed();
    }
}

#[test]
fn a_worker_is_killed() {
    rounds("worker", |night, random| {
        wait::until("a worker is killed", STEP, || {
            let workers = workers(&night.namespace, 1);
            let worker = random.choice(&workers).expect("one at least");
            // It may have ended meanwhile.
            if kill_converter(&worker.uid) { Ok(()) } else { Err(format!("{worker:?}")) }
        });
    });
}

#[test]
fn all_workers_are_killed_and_their_pods_deleted() {
    rounds("workers", |night, _| {
        let hit = workers(&night.namespace, 1).iter().filter(|worker| kill_converter(&worker.uid)).count();
        println!("{hit} killed");
        night.is_under_way();
        // And once more by other means: what evicts or drains deletes pods.
        night.until_recorded(archive::records(&night.volume).len() + 1);
        night.namespace.kubectl("delete pods -l app.kubernetes.io/component=convert --now --wait=false");
    });
}

#[test]
fn it_is_suspended_and_resumed() {
    rounds("suspended", |night, _| {
        night.namespace.patch("cvj/night", &json!({ "spec": { "suspend": true } }));
        night.namespace.until("rests", "job/night-convert", STEP, |now| {
            let active = now["status"]["active"].as_i64().unwrap_or_default();
            (now["spec"]["suspend"] == true && active == 0).then_some(())
        });
        let resting = archive::records(&night.volume).len();
        assert!(resting < SIZE.files, "it was over too early for this test: give it more files");
        night.namespace.patch("cvj/night", &json!({ "spec": { "suspend": false } }));
    });
}

#[test]
fn the_disk_is_full() {
    let mut rounds = Rounds::from_environment(1);
    for round in 0..rounds.count(ALL) {
        let namespace = Namespace::restricted("night-full");
        let volume = Volume::of_size(&namespace, "tapes", 512 << 20);
        let archive = Archive::record(&volume, "tapes", SIZE);
        // Room for some of the FLAC files: they are about half as large as their sources.
        let sources: u64 = archive.names().map(|name| fs::metadata(archive.root().join(name)).unwrap().len()).sum();
        let room = sources * rounds.random.u64(10..30) / 100;
        let ballast = volume.root().join("ballast");
        fs::write(&ballast, vec![1; usize::try_from((512 << 20) - sources - room).unwrap()]).unwrap();
        println!("round {round}: room for {room} bytes beside {sources} of sources");
        namespace.apply(&manifest("night", &Night::spec(&volume)));
        let night = Night { namespace, volume, archive };
        wait::until("a worker finds no room", STEP, || {
            let records = archive::records(&night.volume);
            let full = records.iter().any(|record| record["reason"] == "disk_full");
            let pods = night.namespace.list_chosen("pods", "app.kubernetes.io/component=convert");
            let ended = pods.iter().any(|pod| pod["status"]["phase"] == "Failed");
            if full || ended { Ok(()) } else { Err(format!("{} records", records.len())) }
        });
        fs::remove_file(&ballast).unwrap();
        ended(&night.namespace, "night");
        // Files that found no room are failed files of this run; the next one has only these to do.
        night.namespace.apply(&manifest("morning", &Night::spec(&night.volume)));
        let job = completed(&night.namespace, "morning");
        let files = &job["status"]["files"];
        assert_eq!((&files["total"], &files["failed"]), (&json!(SIZE.files), &json!(0)), "{files}");
        night.is_all_there();
    }
}

/// What happens to more than one's own run.
mod alone {
    use super::rounds;
    use crate::harness::{control_plane, kubectl, operator};

    #[test]
    fn the_operator_is_killed() {
        rounds("operator", |night, _| {
            for pod in operator::pods() {
                let line = format!("-n {} delete pod {pod} --now --wait=true", operator::NAMESPACE);
                kubectl::run(&line, None).unwrap();
            }
            night.is_under_way();
        });
    }

    #[test]
    fn the_kubelet_and_containerd_are_restarted() {
        rounds("node", |_, _| {
            control_plane::restart("kubelet");
            control_plane::restart("containerd");
        });
    }
}
