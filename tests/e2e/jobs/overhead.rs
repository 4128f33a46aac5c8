//! What the three stages cost on the cluster, beside the work itself: five runs over one short file, their claim bound and
//! the image there. `make bench-job` runs it; it is not built for other tests.

use std::fs;

use k8s_openapi::jiff::Timestamp;
use serde_json::json;

use crate::harness::Namespace;
use crate::harness::job::{completed, manifest};
use crate::harness::volume::Volume;
use crate::harness::wait::STEP;
use e2e::audio::{Audio, Shape};

const RUNS: usize = 5;
/// Most seconds of the middle run.
const MOST: f64 = 20.0;

#[test]
fn the_stages_of_a_run_add_little() {
    let namespace = Namespace::restricted("overhead");
    let volume = Volume::with_claim(&namespace, "tapes");
    volume.folder("", 0o777, None);
    fs::write(volume.root().join("one.wav"), Audio::music(Shape::VOICE, 1.0, 1).wav().unwrap()).unwrap();
    namespace.wait_for("pvc/tapes", "jsonpath={.status.phase}=Bound", STEP);
    let mut took: Vec<f64> = (0..RUNS)
        .map(|run| {
            let name = format!("run-{run}");
            let begin = Timestamp::now();
            namespace
                .apply(&manifest(&name, &json!({ "source": { "volume": volume.source() }, "overwrite": "Always" })));
            assert_eq!(completed(&namespace, &name)["status"]["files"]["converted"], 1);
            Timestamp::now().duration_since(begin).as_secs_f64()
        })
        .collect();
    took.sort_by(f64::total_cmp);
    println!("plan, convert and report of one short file: {took:.1?} s, the middle one at most {MOST} s");
    assert!(took[RUNS / 2] <= MOST, "{took:?}");
}
