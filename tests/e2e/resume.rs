//! Live streams outlive the pods that serve them: `converter stream` goes on with another pod, by a token that any pod of
//! the converter verifies with the key that the operator made.

use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::harness::wait::{self, STEP};
use crate::harness::{Namespace, converter, shipped};
use e2e::audio::{Audio, Shape};

const STREAMS: usize = 20;
/// Playing time of each: long enough that all are under way when their pods end.
const SECONDS: f64 = 15.0;

/// Sends `wav` as if it were recorded now.
fn start(url: &str, wav: &Path, flac: &Path) -> Child {
    Command::new(shipped("converter"))
        .args(["stream", "--realtime", "--json", "--retries", "100", url])
        .args([wav, flac])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_streams_outlive_all_their_pods() {
    let namespace = Namespace::restricted("resume");
    let url = converter::reachable(&namespace, "live", json!({ "replicas": 2 })).await;
    let folder = tempfile::tempdir().unwrap();
    let mut streams = Vec::new();
    for number in 0..STREAMS {
        let audio = Audio::music(Shape::VOICE, SECONDS, 40 + number as u64);
        let (wav, flac) = (folder.path().join(format!("{number}.wav")), folder.path().join(format!("{number}.flac")));
        std::fs::write(&wav, audio.wav().unwrap()).unwrap();
        streams.push((audio, start(&url, &wav, &flac), flac));
    }
    for (_, _, flac) in &streams {
        let part = flac.with_added_extension("part");
        wait::until_async("frames come back", STEP, async || match std::fs::metadata(&part) {
            // The head that is reserved is smaller.
            Ok(found) if found.len() > 16 * 1024 => Ok(()),
            found => Err(format!("{found:?}")),
        })
        .await;
    }

    // No time to finish: whatever the pods hold is lost.
    namespace.kubectl("delete pods -l app.kubernetes.io/instance=live --grace-period=1");

    let mut reconnects = 0;
    for (audio, child, flac) in streams {
        let ended = child.wait_with_output().await.unwrap();
        let (told, said) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
        assert!(ended.status.success(), "{told}{said}");
        let told: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
        reconnects += told["reconnects"].as_u64().unwrap();
        audio.check_flac_file(&flac).unwrap();
    }
    println!("{STREAMS} streams, {reconnects} reconnects");
    assert!(reconnects >= STREAMS as u64, "every stream lost its pod");
}
