//! Step 2: from a validated job to the objects that it needs. Pure; one file a Job, and what they share here.

mod convert_job;
mod plan_job;
mod report_job;
pub mod volumes;

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{
    Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyOnPodConditionsPattern,
    PodFailurePolicyRule,
};
use k8s_openapi::api::core::v1::{Container, ContainerPort, PodTemplateSpec};
use kube::api::ObjectMeta;

use super::facts::{CONFIGURATION_ERROR, STOPPED};
use super::settings::SETTINGS;
use super::stage::{How, NewJob, StageName};
use super::validate::ValidatedJob;
use crate::labels::{self, Component};
use crate::{names, pods};
use volumes::{PodVolumes, build_volumes};

/// Annotation of the convert Job: the plan's result as JSON, from which progress is counted.
pub const PLAN: &str = "flacship.dev/plan";
/// Annotations of the report Job: why the conversion before it did not end well, as a reason and a sentence.
pub const CONVERT_FAILURE_REASON: &str = "flacship.dev/convert-failure-reason";
/// See [`CONVERT_FAILURE_REASON`].
pub const CONVERT_FAILURE_MESSAGE: &str = "flacship.dev/convert-failure-message";

/// Annotation of a Job that the operator holds for the resource's `spec.suspend`: so one that Kueue or a person holds stays
/// theirs to let go. Its value is [`HELD`]; once somebody else has let the Job go while the resource asks for it to be held, it is
/// the time at which that was seen.
pub const SUSPENDED: &str = "flacship.dev/suspended";
/// See [`SUSPENDED`].
pub const HELD: &str = "true";

/// Annotation of a stage's Job that was made anew: how many before it ended with a result that was not to be read any more.
pub const LOST: &str = "flacship.dev/lost";

/// How often the plan and the report are tried again; shards have a setting of their own.
const RETRIES: i32 = 3;
/// Where a container leaves its last word.
const TERMINATION_LOG: &str = "/dev/termination-log";
/// Longest name of a stage's Job: its name, a dash and an index of up to three digits (1000 shards at most) are the host
/// name of a pod, a DNS label of 63.
const MAX_JOB_NAME: usize = names::MAX_LABEL - "-999".len();

impl StageName {
    /// The label of the stage's objects.
    pub const fn component(self) -> Component {
        match self {
            Self::Plan => Component::Plan,
            Self::Convert => Component::Convert,
            Self::Report => Component::Report,
        }
    }

    /// The stage whose objects have this label.
    pub fn of_component(label: &str) -> Option<Self> {
        [Self::Plan, Self::Convert, Self::Report].into_iter().find(|stage| stage.component().as_str() == label)
    }
}

/// The name of the Job of a stage. A resource may have dots in its name; the host name of an indexed pod may not.
pub fn job_name(owner: &str, stage: StageName) -> String {
    let suffix = format!("-{}", stage.component().as_str());
    if owner.contains('.') {
        let plain = format!("{}-{}", owner.replace('.', "-"), names::short_hash(owner, 8));
        return names::child(&plain, &suffix, MAX_JOB_NAME);
    }
    names::child(owner, &suffix, MAX_JOB_NAME)
}

/// The Job that a step asks for.
pub fn build(job: &ValidatedJob, new: &NewJob, how: &How) -> Job {
    match new {
        NewJob::Plan => plan_job::build_plan_job(job, how),
        NewJob::Convert(plan) => convert_job::build_convert_job(job, plan, how),
        NewJob::Report { convert_failure } => report_job::build_report_job(job, convert_failure.as_ref(), how),
    }
}

/// What a stage's Job has of its own.
struct Stage {
    name: StageName,
    /// Arguments after `batch <stage>` and the three folders.
    args: Vec<String>,
    annotations: BTreeMap<String, String>,
    /// The Job's settings; its template and failure policy are set here.
    spec: JobSpec,
    /// CPU that the pod requests.
    cpu: &'static str,
    /// Ports that the operator asks at.
    ports: Vec<ContainerPort>,
}

/// The subcommand of `converter batch` that a stage runs.
const fn subcommand(stage: StageName) -> &'static str {
    match stage {
        StageName::Plan => "plan",
        StageName::Convert => "work",
        StageName::Report => "report",
    }
}

fn stage_job(job: &ValidatedJob, stage: Stage, how: &How) -> Job {
    let settings = &how.settings;
    let Stage { name, args, mut annotations, spec, cpu, ports } = stage;
    let labels = labels::labels(&job.name, name.component());
    let PodVolumes { volumes, mounts, source_dir, destination_dir, records_dir } = build_volumes(job);
    let folders = [("source", source_dir), ("destination", destination_dir), ("records", records_dir)];
    let folders = folders.map(|(option, folder)| option_of(option, &folder));

    // Plain values have always a JSON form; without one, later stages would take the settings anew.
    annotations.extend(serde_json::to_string(settings).ok().map(|settings| (SETTINGS.to_owned(), settings)));
    if how.lost > 0 {
        annotations.insert(LOST.to_owned(), how.lost.to_string());
    }

    let image = settings.image.image.as_deref().unwrap_or_default();
    let container = Container {
        args: Some(["batch", subcommand(name)].map(str::to_owned).into_iter().chain(folders).chain(args).collect()),
        volume_mounts: Some(mounts),
        resources: Some(pods::resources(&[("cpu", cpu), ("memory", "64Mi")], &[("memory", "512Mi")])),
        ports: (!ports.is_empty()).then_some(ports),
        ..pods::container(&settings.image, image)
    };
    let mut pod = pods::pod_spec(&settings.image, container);
    pod.restart_policy = Some("Never".to_owned());
    pod.volumes = Some(volumes);
    let template = PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels.clone()),
            annotations: Some([(labels::OWNER_NAME.to_owned(), job.name.clone())].into()),
            ..ObjectMeta::default()
        }),
        spec: Some(pod),
    };
    Job {
        metadata: ObjectMeta {
            name: Some(job_name(&job.name, name)),
            namespace: Some(job.namespace.clone()),
            labels: Some(labels),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        },
        spec: Some(JobSpec {
            template: pods::merge(template, Some(&job.pod_template)),
            pod_failure_policy: Some(failure_policy()),
            ..spec
        }),
        status: None,
    }
}

/// An option as one argument, so that a value with a leading dash is none of its own. The kubelet expands `$(NAME)` in
/// arguments and reads `$$` as `$`, so each `$` is doubled.
fn option_of(name: &str, value: &str) -> String {
    format!("--{name}={}", value.replace('$', "$$"))
}

/// A configuration error ends the Job at once, as another try would end the same way. A pod that the cluster took away
/// (drain, preemption) does not count as a try, nor does one that was told to stop: the Job controller stops pods of a Job
/// that is suspended, and counts them as failed otherwise.
fn failure_policy() -> PodFailurePolicy {
    let exit_code = |code| PodFailurePolicyOnExitCodesRequirement {
        container_name: Some(pods::CONTAINER.to_owned()),
        operator: "In".to_owned(),
        values: vec![code],
    };
    PodFailurePolicy {
        rules: vec![
            PodFailurePolicyRule {
                action: "FailJob".to_owned(),
                on_exit_codes: Some(exit_code(CONFIGURATION_ERROR)),
                on_pod_conditions: None,
            },
            PodFailurePolicyRule {
                action: "Ignore".to_owned(),
                on_exit_codes: None,
                on_pod_conditions: Some(vec![PodFailurePolicyOnPodConditionsPattern {
                    type_: "DisruptionTarget".to_owned(),
                    status: Some("True".to_owned()),
                }]),
            },
            PodFailurePolicyRule {
                action: "Ignore".to_owned(),
                on_exit_codes: Some(exit_code(STOPPED)),
                on_pod_conditions: None,
            },
        ],
    }
}

#[cfg(test)]
mod tests;
