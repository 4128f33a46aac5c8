use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::super::tests::{SPEC, cluster, pod, see_with, stage};
use crate::conversionjob::build::PLAN;
use crate::conversionjob::facts::INDEX_LABEL;
use crate::conversionjob::fixtures::{list, runs};

/// The admin port of a worker that says this.
async fn worker(says: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/progress", get(move || std::future::ready(says)));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

fn running(shard: &str, ip: &str) -> Value {
    json!({"metadata": {"name": format!("at-{shard}"), "labels": {INDEX_LABEL: shard}}, "status": {"phase": "Running", "podIP": ip}})
}

fn ended(shard: &str, message: &str, exit_code: i32) -> Value {
    let mut pod = pod(exit_code);
    pod["metadata"]["labels"] = json!({INDEX_LABEL: shard});
    pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"] = json!(message);
    pod
}

fn says(shard: usize, converted: u64) -> String {
    format!(
        r#"{{"stage":"work","shard":{shard},"files":{{"total":10,"converted":{converted},"skipped":0,"failed":0}},"bytes":{{"total":100,"done":{converted}0,"input":{converted}0,"output":{converted}}}}}"#
    )
}

fn convert(status: &str) -> Value {
    let plan = json!({PLAN: r#"{"files":40,"bytes":400,"shard_files":[10,10,10,10]}"#});
    let mut convert = stage("convert", status, &plan);
    convert["spec"]["completions"] = json!(4);
    convert
}

const DONE: &str = "GET /api/v1/namespaces/attic/pods?&fieldSelector=status.phase%3DSucceeded";
const AT_WORK: &str = "GET /api/v1/namespaces/attic/pods?&fieldSelector=status.phase%3DRunning";

#[tokio::test]
async fn workers_are_asked_and_those_that_are_done_have_had_their_last_word() {
    let mut runs = runs();
    let at = worker(r#"{"shard":2,"files":{"total":10,"converted":4,"skipped":1,"failed":1},"bytes":{"total":100,"done":65,"input":40,"output":21}}"#).await;
    let liar = worker(r#"{"shard":9,"files":{"converted":9,"skipped":0,"failed":0},"bytes":{"total":1,"done":1,"input":1,"output":1}}"#).await;
    runs.pods.elsewhere = [("10.0.0.2".parse().unwrap(), at), ("10.0.0.3".parse().unwrap(), liar)].into();
    let job = convert("{active: 2, ready: 2, completedIndexes: '0,1'}");
    let world = cluster(&[job], &[])
        .json(AT_WORK, &list(&[running("2", "10.0.0.2"), running("3", "10.0.0.3")]))
        .json(DONE, &list(&[ended("0", &says(0, 9), 0), ended("1", "no line", 0)]));
    let progress = see_with(&world, &runs, SPEC, "{}").await.unwrap().run.progress.unwrap();
    // Shard 1 has no last word and counts by the Job's; shard 3 tells of another.
    assert_eq!(progress.files_done, 10 + 10 + 6);
    assert_eq!((progress.files.converted, progress.files.skipped, progress.files.failed), (13, 1, 1));
    assert_eq!((progress.bytes_done, progress.input, progress.output), (100 + 100 + 65, 130, 30));

    // Last words are read once.
    let asked = world.asked();
    let before = asked.iter().filter(|asked| asked.starts_with(DONE)).count();
    assert_eq!(before, 1, "{asked:?}");
    assert!(asked.iter().any(|asked| asked.contains("job-completion-index+in+%280%2C1%29")), "{asked:?}");
    see_with(&world, &runs, SPEC, "{}").await.unwrap();
    assert_eq!(world.asked().iter().filter(|asked| asked.starts_with(DONE)).count(), before);
    assert_eq!(world.asked().iter().filter(|asked| asked.starts_with(AT_WORK)).count(), 2);
}

#[tokio::test]
async fn a_run_that_is_held_or_has_ended_is_not_asked() {
    let mut held = convert("{}");
    held["spec"]["suspend"] = json!(true);
    for job in [held, convert("{conditions: [{type: Complete, status: 'True'}], completedIndexes: '0-3'}")] {
        let world = cluster(&[job], &[]);
        let sight = see_with(&world, &runs(), SPEC, "{}").await.unwrap();
        assert!(!world.asked().iter().any(|asked| asked.contains("/pods?")), "{:?}", world.asked());
        assert!(sight.run.progress.is_some());
    }
}

#[tokio::test]
async fn what_broke_off_is_looked_at_when_it_is_news() {
    let job = convert("{active: 1, ready: 1, failed: 2}");
    let world = cluster(&[job], &[ended("3", "", 137), ended("1", "", 143)]);
    let known = "{shards: {total: 4, brokenOff: 2}}";
    let sight = see_with(&world, &runs(), SPEC, "{}").await.unwrap();
    assert_eq!(sight.run.broke_off.as_deref(), Some("shard 3 with exit code 137"));
    assert_eq!(sight.run.shards.unwrap().broken_off, Some(2));
    assert_eq!(see_with(&world, &runs(), SPEC, known).await.unwrap().run.broke_off, None);
}
