//! From the operator and the CRDs of an earlier commit to those of this checkout, with streams running. `make upgrade` builds
//! the earlier operator and runs this; the rest of the end-to-end tests leaves it out, as that build takes minutes.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::task::block_in_place;

use crate::harness::live::{Live, Take};
use crate::harness::object::{is_observed, uid};
use crate::harness::operator::{self, Absent};
use crate::harness::wait::STEP;
use crate::harness::{Namespace, artifacts, converter, kubectl, root};

const STREAMS: usize = 20;

/// The folder in which `make upgrade` has put the earlier checkout (`src`) and its operator (`operator`).
fn earlier() -> PathBuf {
    PathBuf::from(std::env::var_os("FLACSHIP_UPGRADE_FROM").expect("run this by `make upgrade`"))
}

/// The CRDs of an earlier commit; dropping it brings those of this checkout.
struct OldKinds(());

impl OldKinds {
    fn install(from: &Path) -> Self {
        let old = Self(());
        apply_kinds(&from.join("src"));
        old
    }
}

impl Drop for OldKinds {
    fn drop(&mut self) {
        apply_kinds(&root());
    }
}

fn apply_kinds(checkout: &Path) {
    let folder = checkout.join("config/crd");
    kubectl::run(&format!("apply --server-side --force-conflicts -k {}", folder.display()), None).unwrap();
}

/// The earlier operator, as a process of this machine with an administrator's rights.
fn start(from: &Path) -> Child {
    let log = OpenOptions::new().create(true).append(true).open(artifacts::file("earlier.log")).unwrap();
    Command::new(from.join("operator"))
        .args(["run", "--listen", "127.0.0.1:0", "--converter-image", &operator::converter_image()])
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .expect("run the operator that `make upgrade` has built")
}

/// What must not change: the pods that run, and how often the Deployment was changed.
fn what_runs(namespace: &Namespace) -> (Vec<String>, Value) {
    let mut pods: Vec<String> = namespace.list("pods").iter().map(uid).collect();
    pods.sort();
    (pods, namespace.get("deployment/relay")["metadata"]["generation"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_restarts_no_pod_and_loses_no_stream() {
    let from = earlier();
    let absent = Absent::begin();
    let old_kinds = OldKinds::install(&from);
    let mut old = start(&from);
    let namespace = Namespace::restricted("upgrade");
    let spec = json!({
        "replicas": 2,
        "encoding": { "compressionLevel": 4 },
        "limits": { "maxUploadSize": "64Mi" },
        "podTemplate": { "resources": { "requests": { "cpu": "50m", "memory": "32Mi" } } },
    });
    let url = converter::reachable(&namespace, "relay", spec).await;
    let runs_two = |now: &Value| (now["status"]["readyReplicas"] == 2).then_some(());
    block_in_place(|| namespace.until("runs two pods", "acv/relay", STEP, runs_two));
    let before = what_runs(&namespace);

    let (folder, take) = (tempfile::tempdir().unwrap(), Take::new(711));
    let names = (0..STREAMS).map(|number| folder.path().join(format!("{number}.flac")));
    let live: Vec<Live> = names.map(|flac| Live::start(&url, &take, flac, &[])).collect();

    let pid = old.id().and_then(|pid| i32::try_from(pid).ok()).expect("it runs");
    kill(Pid::from_raw(pid), Signal::SIGTERM).unwrap();
    assert!(old.wait().await.unwrap().success(), "the earlier operator ends well");
    drop(old_kinds);
    block_in_place(|| drop(absent));

    // A field that the earlier operator did not know shows that the new one has been here.
    let taken_over = |now: &Value| (is_observed(now) && now["status"]["desiredReplicas"] == 2).then_some(());
    block_in_place(|| namespace.until("is looked after by the new operator", "acv/relay", STEP, taken_over));
    assert_eq!(what_runs(&namespace), before, "nothing restarts that need not");

    let mut reconnects = 0;
    for live in live {
        reconnects += live.end().await;
    }
    assert_eq!(reconnects, 0, "no stream noticed");
    assert_eq!(what_runs(&namespace), before);
}
