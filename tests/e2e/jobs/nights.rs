//! What happens to batch runs at night, at a random moment of the conversion: each ends as an undisturbed run, with the same
//! report. No file is lost, none is converted twice by the records, and no half file has a final name.
//!
//! `make e2e` runs a round of each; `make faults` ten.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::alone::faults::Rounds;
use crate::harness::Namespace;
use crate::harness::archive::{self, Archive, Size, files_below};
use crate::harness::job::{self, Worker, completed, ended, manifest, slow_pods, workers};
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
    /// One of its files, which keeps it from being over.
    held: Option<File>,
}

impl Night {
    /// Begins one, and waits until so many files of it have a record. It will not be over before it is let go.
    fn begin(namespace: Namespace, volume: Volume, policy: &Value, recorded: usize) -> Self {
        let archive = Archive::record(&volume, "tapes", SIZE);
        let mut spec = Self::spec(&volume);
        spec["sourcePolicy"] = policy.clone();
        namespace.apply(&manifest("night", &spec));
        let held = Some(archive::hold_last(&volume, "flac"));
        let night = Self { namespace, volume, archive, held };
        night.until_recorded(recorded);
        night.is_under_way();
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

    /// That what happens now happens to the conversion.
    fn is_under_way(&self) {
        let job = self.namespace.get("job/night-convert");
        let (started, ended) = (&job["status"]["startTime"], &job["status"]["completionTime"]);
        assert!(started.is_string() && ended.is_null(), "{}", job["status"]);
    }

    /// Kills the converters of all pods that run, one at least.
    fn kill_workers(&self) -> Vec<Worker> {
        wait::until("workers are killed", STEP, || {
            let mut workers = workers(&self.namespace, 1);
            let seen = format!("{workers:?}");
            // What the kubelet tells is a little old.
            workers.retain(|worker| kill_converter(&worker.uid));
            if workers.is_empty() { Err(seen) } else { Ok(workers) }
        })
    }

    /// Lets it go on; `moved` says where its sources are to be then, if not where they were.
    fn ends_as_undisturbed(&mut self, moved: Option<&str>) {
        self.held = None;
        let job = completed(&self.namespace, "night");
        let files = json!({ "total": SIZE.files, "converted": SIZE.files, "skipped": 0, "failed": 0 });
        assert_eq!(job["status"]["files"], files);
        assert!(condition_is(&job, "Complete", "True", "AllFilesConverted").is_some());
        // How many pods broke off on the way is told besides.
        let shards = ["total", "active", "completed", "failed"].map(|field| job["status"]["shards"][field].clone());
        assert_eq!(shards, [json!(5), json!(0), json!(5), json!(0)]);
        if let Some(folder) = moved {
            assert!(files_below(self.archive.root()).is_empty(), "all sources have gone");
            self.archive.has_moved_to(self.volume.root().join(folder));
        }
        let mut undisturbed = job::undisturbed(&self.archive, &["--shards", "5", "--level", "8"]);
        undisturbed["sources"]["moved"] = json!(if moved.is_some() { SIZE.files } else { 0 });
        assert_eq!(job::timeless(job::report(&self.volume, &job)), job::timeless(undisturbed));
        self.is_all_there();
    }

    fn is_all_there(&self) {
        self.archive.is_converted_once_at(&self.volume.root().join("flac"), &self.volume);
        self.archive.is_untouched();
    }
}

/// Runs rounds of a fault, each from a number of records on.
fn rounds(subject: &str, happen: impl Fn(&Night, &mut fastrand::Rng)) {
    rounds_with(subject, None, || (), happen);
}

/// The same with runs that move their sources away, if there is a folder to move them to; `prepare` comes before each.
fn rounds_with(subject: &str, moved: Option<&str>, prepare: impl Fn(), happen: impl Fn(&Night, &mut fastrand::Rng)) {
    let policy = moved.map_or(json!({ "type": "Keep" }), |folder| json!({ "type": "MoveTo", "path": folder }));
    let mut rounds = Rounds::from_environment(1);
    for round in 0..rounds.count(ALL) {
        let recorded = rounds.random.usize(1..SIZE.files);
        println!("{subject}, round {round}: at {recorded} records");
        prepare();
        let namespace = Namespace::restricted(&format!("night-{subject}"));
        let volume = Volume::with_claim(&namespace, "tapes");
        let mut night = Night::begin(namespace, volume, &policy, recorded);
        happen(&night, &mut rounds.random);
        night.ends_as_undisturbed(moved);
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
    rounds_with(
        "workers",
        Some("done"),
        || (),
        |night, _| {
            let killed = night.kill_workers();
            println!("killed: {killed:?}");
            night.is_under_way();
            // And once more by other means: what evicts or drains deletes pods.
            let next = wait::until("others work", STEP, || {
                let mut next = workers(&night.namespace, 1);
                next.retain(|worker| killed.iter().all(|killed| killed.uid != worker.uid));
                next.pop().ok_or("the killed only")
            });
            let deleted =
                night.namespace.kubectl("delete pods -l app.kubernetes.io/component=convert --now --wait=false");
            assert!(deleted.contains(&next.name), "{next:?}");
        },
    );
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
        assert!(resting < SIZE.files, "all is done while it rests");
        night.namespace.patch("cvj/night", &json!({ "spec": { "suspend": false } }));
    });
}

/// Files that may be half written at once: two a worker.
const AT_WORK: usize = 4;

/// Fills what is left of a volume; gives what lies in it, which can be made shorter.
fn fill(volume: &Volume) -> File {
    let mut ballast = File::create(volume.root().join("ballast")).unwrap();
    let stones = [1; 8 << 10];
    let full = loop {
        if let Err(error) = ballast.write_all(&stones) {
            break error;
        }
    };
    assert_eq!(full.kind(), ErrorKind::StorageFull, "{full}");
    ballast
}

#[test]
fn the_disk_is_full() {
    let mut rounds = Rounds::from_environment(1);
    for round in 0..rounds.count(ALL) {
        let recorded = rounds.random.usize(1..SIZE.files);
        let namespace = Namespace::restricted("night-full");
        let volume = Volume::of_size(&namespace, "tapes", 512 << 20);
        let mut night = Night::begin(namespace, volume, &json!({ "type": "Keep" }), recorded);
        let ballast = fill(&night.volume);
        // Room for some of the FLAC files to come, which are about half as large as their sources, and never for all: those
        // at work may have theirs already, and the one that is held has none.
        let (from, to) = (night.archive.root(), night.volume.root().join("flac"));
        let left = night.archive.names().filter(|name| !to.join(name).with_extension("flac").exists());
        let left: u64 = left.skip(AT_WORK).map(|name| fs::metadata(from.join(name)).unwrap().len()).sum();
        let room = rounds.random.u64(0..=left / 8);
        println!("round {round}: at {recorded} records room for {room} bytes, with {left} of sources to begin");
        let length = ballast.metadata().unwrap().len();
        ballast.set_len(length.checked_sub(room).expect("the ballast is large")).unwrap();
        // What is open keeps its room after it is removed.
        drop(ballast);
        night.is_under_way();
        night.held = None;
        wait::until("a worker finds no room", STEP, || {
            let records = archive::records(&night.volume);
            let full = records.iter().any(|record| record["reason"] == "disk_full");
            let pods = night.namespace.list_chosen("pods", "app.kubernetes.io/component=convert");
            let ended = pods.iter().any(|pod| pod["status"]["phase"] == "Failed");
            if full || ended { Ok(()) } else { Err(format!("{} records", records.len())) }
        });
        fs::remove_file(night.volume.root().join("ballast")).unwrap();
        let job = ended(&night.namespace, "night");
        let told = job::report(&night.volume, &job);
        let count = |of: &Value, field: &str| of["files"][field].as_u64().unwrap();
        let [done, skipped, failed] = ["converted", "skipped", "failed"].map(|field| count(&told, field));
        assert_eq!((done + skipped + failed, skipped), (SIZE.files as u64, 0), "{}", told["files"]);
        let reasons = told["reasons"].as_object().unwrap();
        assert!(reasons.keys().all(|reason| reason == "disk_full" || reason == "not_processed"), "{reasons:?}");
        assert_eq!(reasons.values().filter_map(Value::as_u64).sum::<u64>(), failed, "{reasons:?}");
        // Files that found no room are failed files of this run; the next one has only these to do.
        night.namespace.apply(&manifest("morning", &Night::spec(&night.volume)));
        let job = completed(&night.namespace, "morning");
        let told = job::report(&night.volume, &job);
        for files in [&job["status"]["files"], &told["files"]] {
            assert_eq!(*files, json!({ "total": SIZE.files, "converted": failed, "skipped": done, "failed": 0 }));
        }
        assert_eq!((&told["reasons"], &told["failures"]), (&json!({}), &json!([])));
        night.is_all_there();
    }
}

/// What happens to more than one's own run.
mod alone {
    use super::{rounds, rounds_with};
    use crate::harness::pod_process::kill_operator;
    use crate::harness::{control_plane, kubectl, operator};

    #[test]
    fn the_operator_is_killed() {
        // The kubelet starts a container that ends again and again later and later, after minutes at last: each round has a
        // pod of its own.
        rounds_with("operator", None, operator::delete_pods, |night, _| {
            let uid = |pod: &String| {
                let line = format!("-n {} get pod {pod} -o jsonpath={{.metadata.uid}}", operator::NAMESPACE);
                kubectl::run(&line, None).unwrap()
            };
            let killed = operator::pods().iter().filter(|pod| kill_operator(&uid(pod))).count();
            assert!(killed > 0, "no operator ran");
            night.is_under_way();
        });
    }

    #[test]
    fn the_kubelet_and_containerd_are_restarted() {
        rounds("node", |night, _| {
            for process in ["kubelet", "containerd"] {
                night.is_under_way();
                control_plane::restart(process);
            }
            night.is_under_way();
        });
    }
}
