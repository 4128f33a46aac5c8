use crds::conditions::JobReason;
use serde_json::{Value, json};

use super::*;
use crate::conversionjob::fixtures::{ALLOWED, named, settings, validated};
use crate::conversionjob::result::{Failure, PlanResult};
use crate::conversionjob::settings::kept;
use crate::conversionjob::stage::Placement;
use crate::conversionjob::validate::validate;

const TAPE: &str = "source: {volume: {persistentVolumeClaim: {claimName: tape}}, path: in}";

fn how(job: &ValidatedJob, placement: Placement) -> How {
    How { settings: settings(job), placement, deadline_seconds: None, lost: 0 }
}

fn built(spec: &str, new: &NewJob) -> Value {
    built_at(spec, new, Placement::Anywhere)
}

fn built_at(spec: &str, new: &NewJob, placement: Placement) -> Value {
    let job = validated(spec);
    serde_json::to_value(build(&job, new, &how(&job, placement))).unwrap()
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
            "--shards=1",
            "--layout=Mirror",
        ]
    );
    assert_eq!(job["spec"]["backoffLimit"], 3);
    for absent in
        ["completionMode", "completions", "backoffLimitPerIndex", "suspend", "parallelism", "activeDeadlineSeconds"]
    {
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
                {"action": "Ignore", "onExitCodes": {"containerName": "converter", "operator": "In", "values": [143]}},
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
                "--layout=Mirror",
                "--overwrite=Never",
                "--level=8",
                "--metadata=foreign",
                "--verify=false",
                "--source-policy=Keep",
                "--admin-listen=0.0.0.0:9090",
                "--termination-log=/dev/termination-log",
            ]
        );
        let container = &job["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["ports"], json!([{"name": "admin", "containerPort": 9090, "protocol": "TCP"}]));
        assert!(container.get("terminationMessagePath").is_none(), "the default is the one that is told");
    }
    let wild = built(TAPE, &NewJob::Convert(plan(&[1].repeat(4000))));
    assert_eq!(wild["spec"]["completions"], 1, "a foreign plan makes no more pods than shards were asked for");
}

#[test]
fn everything_that_a_run_is_asked_for_reaches_its_workers() {
    let spec = format!(
        "{{{TAPE}, destination: {{path: out, layout: Flat}}, sourcePolicy: {{type: MoveTo, path: done}}, maxFailedFiles: 0, retries: {{perShard: 7}}, overwrite: Always}}"
    );
    let convert = NewJob::Convert(plan(&[1, 1]));
    let job = built(&spec, &convert);
    assert_eq!(job["spec"]["backoffLimitPerIndex"], 7);
    let args = args(&job);
    for arg in [
        "--layout=Flat",
        "--overwrite=Always",
        "--source-policy=MoveTo",
        "--move-to=/source/done",
        "--max-failed-files=0",
        "--destination=/source/out",
    ] {
        assert!(args.contains(&arg), "{arg} is missing in {args:?}");
    }
    let delete = format!("{{{TAPE}, encoding: {{metadata: Foreign}}, sourcePolicy: {{type: DeleteAfterVerify}}}}");
    let job = built(&delete, &convert);
    let args = super::tests::args(&job);
    assert!(args.contains(&"--source-policy=DeleteAfterVerify"));
    assert!(!args.iter().any(|arg| arg.starts_with("--move-to") || arg.starts_with("--max-failed")), "{args:?}");
}

#[test]
fn what_was_moved_away_is_not_taken_again() {
    for (source_path, folder, exclude) in [
        ("", "done", Some("--exclude=done")),
        ("in", "in/done/2026", Some("--exclude=done/2026")),
        ("in", "in/a [1]*{b}?!\\\\c", Some(r"--exclude=a \[1\]\*\{b\}\?\!\\c")),
        ("in", "done", None),
        ("in", "inside", None),
        ("in/deep", "in", None),
    ] {
        let path = if source_path.is_empty() { String::new() } else { format!(", path: {source_path}") };
        let spec = format!(
            "{{source: {{volume: {{nfs: {{server: nas, path: /}}}}{path}}}, sourcePolicy: {{type: MoveTo, path: \"{folder}\"}}}}"
        );
        let job = built(&spec, &NewJob::Plan);
        let excludes: Vec<_> = args(&job).into_iter().filter(|arg| arg.starts_with("--exclude")).collect();
        assert_eq!(excludes, exclude.into_iter().collect::<Vec<_>>(), "{folder} and {source_path}");
    }
}

#[test]
fn access_modes_place_the_convert_pods_and_no_others() {
    let spec = format!("{{{TAPE}, parallelism: 3, shards: 5}}");
    let convert = NewJob::Convert(plan(&[1, 1, 1, 1, 1]));
    for (placement, parallelism, shares) in
        [(Placement::Anywhere, 3, false), (Placement::OneNode, 3, true), (Placement::OnePod, 1, false)]
    {
        let job = built_at(&spec, &convert, placement);
        assert_eq!(job["spec"]["parallelism"], parallelism, "{placement:?}");
        let affinity = &job["spec"]["template"]["spec"]["affinity"];
        let term = &affinity["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0];
        assert_eq!(term["topologyKey"] == "kubernetes.io/hostname", shares, "{placement:?}: {affinity}");
        if shares {
            let labels = &job["spec"]["template"]["metadata"]["labels"];
            let chosen = term["labelSelector"]["matchLabels"].as_object().unwrap();
            assert!(chosen.iter().all(|(key, value)| labels[key] == *value), "the first pod is near to itself");
            assert_eq!(chosen["app.kubernetes.io/component"], "convert");
        }
        for new in [NewJob::Plan, NewJob::Report { convert_failure: None }] {
            let job = built_at(&spec, &new, placement);
            assert!(job["spec"]["template"]["spec"].get("affinity").is_none(), "{placement:?} {new:?}");
        }
    }
}

#[test]
fn a_users_affinity_stands_beside_ours() {
    let spec = format!(
        "{{{TAPE}, podTemplate: {{affinity: {{nodeAffinity: {{}}, podAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: [{{topologyKey: rack, labelSelector: {{matchLabels: {{app: nas}}}}}}]}}}}}}}}"
    );
    let job = built_at(&spec, &NewJob::Convert(plan(&[1])), Placement::OneNode);
    let affinity = &job["spec"]["template"]["spec"]["affinity"];
    assert!(affinity["nodeAffinity"].is_object());
    let terms = affinity["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"].as_array().unwrap();
    let keys: Vec<_> = terms.iter().map(|term| term["topologyKey"].as_str().unwrap()).collect();
    assert_eq!(keys, ["rack", "kubernetes.io/hostname"]);
}

#[test]
fn plan_and_convert_have_what_is_left_of_the_runs_time_and_the_report_has_its_own() {
    let job = validated(TAPE);
    let how = How { deadline_seconds: Some(77), ..how(&job, Placement::Anywhere) };
    for (new, expected) in [
        (NewJob::Plan, Some(77)),
        (NewJob::Convert(plan(&[1])), Some(77)),
        (NewJob::Report { convert_failure: None }, None),
    ] {
        let built = build(&job, &new, &how).spec.unwrap();
        assert_eq!(built.active_deadline_seconds, expected, "{new:?}");
    }
}

#[test]
fn every_job_of_a_run_keeps_its_settings() {
    let spec = format!("{{{TAPE}, image: 'mine:2', encoding: {{compressionLevel: 3}}}}");
    for new in [NewJob::Plan, NewJob::Convert(plan(&[1])), NewJob::Report { convert_failure: None }] {
        let job = built(&spec, &new);
        let settings = kept(job["metadata"]["annotations"][SETTINGS].as_str().unwrap()).unwrap();
        assert_eq!(settings.image.image.as_deref(), Some("mine:2"));
        assert_eq!(settings.encoding.compression_level, 3);
    }
}

#[test]
fn a_job_that_is_made_anew_says_how_many_were_lost() {
    let job = validated(TAPE);
    for new in [NewJob::Plan, NewJob::Report { convert_failure: None }] {
        let noted = |lost| {
            let how = How { lost, ..how(&job, Placement::Anywhere) };
            build(&job, &new, &how).metadata.annotations.unwrap().get(LOST).cloned()
        };
        assert_eq!((noted(0), noted(2).as_deref()), (None, Some("2")), "{new:?}");
    }
}

#[test]
fn a_report_job_keeps_what_went_wrong_before_it() {
    let job = built(TAPE, &NewJob::Report { convert_failure: None });
    assert!(job["metadata"]["annotations"].get(CONVERT_FAILURE_REASON).is_none());
    assert_eq!(args(&job)[..2], ["batch", "report"]);
    assert_eq!(args(&job)[5..], ["--title=night.shift-7"]);
    let failure = Failure { reason: JobReason::DestinationNotWritable, message: "chown $it".to_owned() };
    let spec = format!("{{{TAPE}, recordsTTL: 1h500ms}}");
    let job = built(&spec, &NewJob::Report { convert_failure: Some(failure) });
    assert_eq!(job["metadata"]["annotations"][CONVERT_FAILURE_REASON], "DestinationNotWritable");
    assert_eq!(job["metadata"]["annotations"][CONVERT_FAILURE_MESSAGE], "chown $it");
    assert_eq!(args(&job)[5..], ["--title=night.shift-7", "--ended=chown $$it", "--keep-for=3601"]);
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
            "--layout=Mirror",
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
    let job = validate(&named(&owner, TAPE), ALLOWED).unwrap();
    let job = build(&job, &NewJob::Plan, &how(&job, Placement::Anywhere));
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
