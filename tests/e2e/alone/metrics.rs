//! Scaling by streams asks the pods themselves: metrics-server has no part in it.

use serde_json::json;

use crate::harness::control_plane::Halted;
use crate::harness::live::{Live, Take};
use crate::harness::object::condition_is;
use crate::harness::pods::{small_pods, staying, until_ready, until_streams};
use crate::harness::{Namespace, converter};

#[tokio::test(flavor = "multi_thread")]
async fn the_count_follows_the_streams_while_metrics_server_stands_still() {
    let _halted = Halted::begin("metrics-server");
    let namespace = Namespace::restricted("no-metrics");
    let (folder, take) = (tempfile::tempdir().unwrap(), Take::new(315));
    let spec = json!({
        "drainSeconds": 5,
        "autoscaling": {
            "minReplicas": 1, "maxReplicas": 2,
            "streams": { "targetPerReplica": 1 },
            "scaleDown": { "stabilizationSeconds": 1 },
        },
        "podTemplate": small_pods(),
    });
    namespace.apply(&converter::manifest("solo", &spec));
    until_ready(&namespace, "solo", 1);
    let pods = staying(&namespace);
    let live = ["1.flac", "2.flac"]
        .map(|name| Live::start(&pods[0].url(), &take, folder.path().join(name), &["--retries", "0"]));
    until_streams(&pods, 2).await;
    until_ready(&namespace, "solo", 2);
    assert!(condition_is(&namespace.get("acv/solo"), "ScalingActive", "True", "StreamsFollowed").is_some());
    for live in live {
        assert_eq!(live.end().await, 0);
    }
    until_ready(&namespace, "solo", 1);
}
