use crds::conditions::JobReason;
use serde_json::{Value, json};

use super::*;
use crate::conversionjob::fixtures::{named, validated};
use crate::conversionjob::result::{Failure, PlanResult};
use crate::conversionjob::validate::validate;

const TAPE: &str = "source: {volume: {persistentVolumeClaim: {claimName: tape}}, path: in}";

fn built(spec: &str, new: &NewJob) -> Value {
    serde_json::to_value(build(&validated(spec), new, "registry.example/converter:1")).unwrap()
}

fn plan(shard_files: &[u64]) -> PlanResult {
    PlanResult { files: shard_files.iter().sum(), bytes: 7, shard_files: shard_files.to_vec() }
}

fn args(job: &Value) -> Vec<&str> {
    job["spec"]["template"]["spec"]["containers"][0]["args"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect()
}

#[test]
fn names_fit_the_host_names_of_indexed_pods() {
    assert_eq!(job_name("tape", StageName::Plan), "tape-plan");
    assert_eq!(job_name("2026-archive", StageName::Convert), "2026-archive-convert");
    let long = "x".repeat(253);
    for owner in
        ["tape", "a.b", "night.shift-7", &long, &format!("{}.{}", "y".repeat(100), "z".repeat(100)), "a-.b", "0.0"]
    {
        for stage in [StageName::Plan, StageName::Convert, StageName::Report] {
            let host = format!("{}-999", job_name(owner, stage));
            assert!(host.len() <= 63, "{host}");
            assert!(host.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'), "{host}");
            assert!(host.starts_with(|c: char| c.is_ascii_alphanumeric()), "{host}");
        }
    }
    assert_ne!(job_name("a.b", StageName::Plan), job_name("a-b", StageName::Plan));
    assert_ne!(job_name(&long, StageName::Plan), job_name(&"x".repeat(252), StageName::Plan));
}

#[test]
fn a_plan_job_from_a_minimal_spec() {
    let job = built(TAPE, &NewJob::Plan);
    assert_eq!(job["metadata"]["namespace"], "attic");
    let labels = json!({
        "app.kubernetes.io/name": "flacship-converter",
        "app.kubernetes.io/instance": "night.shift-7",
        "app.kubernetes.io/component": "plan",
        "app.kubernetes.io/managed-by": "flacship-operator",
    });
    assert_eq!(job["metadata"]["labels"], labels);
    assert_eq!(job["metadata"]["name"], json!(job_name("night.shift-7", StageName::Plan)));
    let pod = &job["spec"]["template"];
    assert_eq!(pod["metadata"]["labels"], labels);
    assert_eq!(pod["metadata"]["annotations"]["flacship.dev/owner"], "night.shift-7");
    assert_eq!(
        args(&job),
        [
            "batch",
            "plan",
            "--source=/source/in",
            "--destination=/source/in",
            "--records=/source/.flacship/0c1d-uid",
            "--shards=1"
        ]
    );
    assert_eq!(job["spec"]["backoffLimit"], 3);
    for absent in ["completionMode", "completions", "backoffLimitPerIndex", "suspend", "parallelism"] {
        assert!(job["spec"].get(absent).is_none(), "{absent}");
    }
}

#[test]
fn every_stage_meets_the_restricted_standard() {
    for new in [NewJob::Plan, NewJob::Convert(plan(&[1])), NewJob::Report { convert_failure: None }] {
        let job = built(TAPE, &new);
        let pod = &job["spec"]["template"]["spec"];
        assert_eq!(pod["restartPolicy"], "Never");
        assert_eq!(pod["automountServiceAccountToken"], false);
        assert!(pod.get("serviceAccountName").is_none());
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(pod["securityContext"]["runAsUser"], 65532);
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        let container = &pod["containers"][0];
        assert_eq!(container["name"], "converter");
        assert_eq!(container["image"], "registry.example/converter:1");
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
        assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false);
        assert_eq!(container["securityContext"]["capabilities"]["drop"], json!(["ALL"]));
        assert!(container["resources"]["requests"]["cpu"].is_string());
        assert_eq!(
            job["spec"]["podFailurePolicy"]["rules"],
            json!([
                {"action": "FailJob", "onExitCodes": {"containerName": "converter", "operator": "In", "values": [42]}},
                {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            ])
        );
    }
}

#[test]
fn a_convert_job_has_an_index_for_each_shard_with_files() {
    let spec = format!(
        "{{{TAPE}, destination: {{volume: {{nfs: {{server: nas, path: /f}}}}, path: out}}, parallelism: 3, shards: 5, overwrite: Never, verify: false, encoding: {{compressionLevel: 8, metadata: Foreign}}}}"
    );
    for (shard_files, completions, parallelism) in
        [(&[4, 4, 4, 3, 3][..], 5, 3), (&[1, 1, 0, 0, 0][..], 2, 2), (&[0, 0, 0, 0, 1][..], 5, 3)]
    {
        let job = built(&spec, &NewJob::Convert(plan(shard_files)));
        assert_eq!(job["spec"]["completionMode"], "Indexed");
        assert_eq!(job["spec"]["completions"], completions, "{shard_files:?}");
        assert_eq!(job["spec"]["parallelism"], parallelism, "{shard_files:?}");
        assert_eq!(job["spec"]["backoffLimitPerIndex"], 3);
        assert!(job["spec"].get("backoffLimit").is_none());
        let noted: PlanResult = serde_json::from_str(job["metadata"]["annotations"][PLAN].as_str().unwrap()).unwrap();
        assert_eq!(noted, plan(shard_files));
        assert_eq!(
            args(&job),
            [
                "batch",
                "work",
                "--source=/source/in",
                "--destination=/destination/out",
                "--records=/destination/.flacship/0c1d-uid",
                "--overwrite=Never",
                "--level=8",
                "--metadata=foreign",
                "--verify=false",
            ]
        );
    }
    let wild = built(TAPE, &NewJob::Convert(plan(&[1].repeat(4000))));
    assert_eq!(wild["spec"]["completions"], 1, "a foreign plan makes no more pods than shards were asked for");
}

#[test]
fn a_report_job_keeps_what_went_wrong_before_it() {
    let job = built(TAPE, &NewJob::Report { convert_failure: None });
    assert!(job["metadata"].get("annotations").is_none());
    assert_eq!(args(&job)[..2], ["batch", "report"]);
    assert_eq!(args(&job).len(), 5);
    let failure = Failure { reason: JobReason::DestinationNotWritable, message: "chown it".to_owned() };
    let job = built(TAPE, &NewJob::Report { convert_failure: Some(failure) });
    assert_eq!(
        job["metadata"]["annotations"],
        json!({CONVERT_FAILURE_REASON: "DestinationNotWritable", CONVERT_FAILURE_MESSAGE: "chown it"})
    );
}

#[test]
fn no_name_of_a_user_becomes_an_option_or_a_variable() {
    let spec = "{source: {volume: {hostPath: {path: /x}}, path: '-v/$(HOME)$$'}, include: ['--help', '**/*.{wav,WAV}'], exclude: ['$(X)/*']}";
    assert_eq!(
        args(&built(spec, &NewJob::Plan))[2..],
        [
            "--source=/source/-v/$$(HOME)$$$$",
            "--destination=/source/-v/$$(HOME)$$$$",
            "--records=/source/.flacship/0c1d-uid",
            "--shards=1",
            "--include=--help",
            "--include=**/*.{wav,WAV}",
            "--exclude=$$(X)/*",
        ]
    );
}

#[test]
fn the_users_template_reaches_every_stage() {
    let spec = format!(
        "{{{TAPE}, image: 'mine:2', imagePullPolicy: Never, imagePullSecrets: [{{name: reg}}], podTemplate: {{labels: {{team: radio}}, serviceAccountName: own, securityContext: {{fsGroup: 3000, supplementalGroups: [4000]}}, resources: {{limits: {{memory: 1Gi}}}}}}}}"
    );
    for new in [NewJob::Plan, NewJob::Convert(plan(&[1])), NewJob::Report { convert_failure: None }] {
        let job = built(&spec, &new);
        let pod = &job["spec"]["template"]["spec"];
        assert_eq!(job["spec"]["template"]["metadata"]["labels"]["team"], "radio");
        assert_eq!(pod["containers"][0]["image"], "mine:2");
        assert_eq!(pod["containers"][0]["imagePullPolicy"], "Never");
        assert_eq!(pod["imagePullSecrets"], json!([{"name": "reg"}]));
        assert_eq!(pod["serviceAccountName"], "own");
        assert_eq!(pod["automountServiceAccountToken"], false);
        assert_eq!(pod["securityContext"]["fsGroup"], 3000);
        assert_eq!(pod["securityContext"]["fsGroupChangePolicy"], "OnRootMismatch");
        assert_eq!(pod["securityContext"]["supplementalGroups"], json!([4000]));
        assert_eq!(pod["containers"][0]["resources"]["limits"]["memory"], "1Gi");
        assert_eq!(pod["volumes"][0]["persistentVolumeClaim"]["claimName"], "tape");
    }
}

#[test]
fn labels_of_a_long_name_stay_within_their_limit() {
    let owner = format!("{}.{}", "long".repeat(40), "name".repeat(20));
    let job = build(&validate(&named(&owner, TAPE)).unwrap(), &NewJob::Plan, "c");
    let labels = job.metadata.labels.unwrap();
    assert!(labels.values().all(|value| value.len() <= 63), "{labels:?}");
}

#[test]
fn the_stage_of_a_label_is_found_again() {
    for stage in [StageName::Plan, StageName::Convert, StageName::Report] {
        assert_eq!(StageName::of_component(stage.component().as_str()), Some(stage));
    }
    assert_eq!(StageName::of_component("converter"), None);
    assert_eq!(StageName::of_component(""), None);
}
