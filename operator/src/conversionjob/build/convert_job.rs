//! The Indexed Job that works on the shards, an index each.

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{Affinity, ContainerPort, PodAffinityTerm};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::volumes::on_source_volume;
use super::{PLAN, Stage, TERMINATION_LOG, option_of, stage_job};
use crate::ask::ADMIN_PORT;
use crate::conversionjob::result::PlanResult;
use crate::conversionjob::stage::{How, Placement, StageName};
use crate::conversionjob::validate::{OnSource, ValidatedJob, Verify};
use crate::encoding;
use crate::labels::{self, Component};

/// Label of a node: its own name
/// (<https://kubernetes.io/docs/reference/labels-annotations-taints/#kubernetesiohostname>).
const HOSTNAME: &str = "kubernetes.io/hostname";

/// As many indexes as shards have files, each tried again on its own. The worker reads its index from
/// `JOB_COMPLETION_INDEX`, which the Job controller sets.
pub fn build_convert_job(job: &ValidatedJob, plan: &PlanResult, how: &How) -> Job {
    let completions = i32::try_from(plan.shards_with_files()).unwrap_or(job.shards).min(job.shards);
    let parallelism = match how.placement {
        Placement::Anywhere | Placement::OneNode => job.parallelism.min(completions),
        Placement::OnePod => 1,
    };
    // A plan of plain numbers has always a JSON form; without one, progress would not be counted, no more.
    let annotations = serde_json::to_string(plan).map(|json| [(PLAN.to_owned(), json)].into()).unwrap_or_default();
    let spec = JobSpec {
        completion_mode: Some("Indexed".to_owned()),
        completions: Some(completions),
        parallelism: Some(parallelism),
        backoff_limit_per_index: Some(job.retries),
        active_deadline_seconds: how.deadline_seconds,
        ..JobSpec::default()
    };
    let port = ContainerPort {
        name: Some("admin".to_owned()),
        container_port: i32::from(ADMIN_PORT),
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    };
    let stage =
        Stage { name: StageName::Convert, args: args(job, how), annotations, spec, cpu: "100m", ports: vec![port] };
    let mut built = stage_job(job, stage, how);
    if how.placement == Placement::OneNode
        && let Some(pod) = built.spec.as_mut().and_then(|spec| spec.template.spec.as_mut())
    {
        share_a_node(pod.affinity.get_or_insert_default(), job);
    }
    built
}

fn args(job: &ValidatedJob, how: &How) -> Vec<String> {
    let verify = match job.verify {
        Verify::Yes => "true",
        Verify::No => "false",
    };
    let mut args = vec![option_of("layout", job.layout.as_str()), option_of("overwrite", job.overwrite.as_str())];
    args.extend(encoding::settings(&how.settings.encoding).into_iter().map(|(name, value)| option_of(name, &value)));
    args.push(option_of("verify", verify));
    args.push(option_of("source-policy", job.on_source.as_str()));
    if let OnSource::MoveTo(folder) = &job.on_source {
        args.push(option_of("move-to", &on_source_volume(folder)));
    }
    args.extend(job.max_failed_files.map(|most| option_of("max-failed-files", &most.to_string())));
    args.push(option_of("admin-listen", &format!("0.0.0.0:{ADMIN_PORT}")));
    args.push(option_of("termination-log", TERMINATION_LOG));
    args
}

/// Has the run's convert pods share a node, whatever else the user asks for. The first of them finds none to be near to, and
/// runs anywhere: the scheduler lets a pod pass that its own term describes.
fn share_a_node(affinity: &mut Affinity, job: &ValidatedJob) {
    let term = PodAffinityTerm {
        label_selector: Some(LabelSelector {
            match_labels: Some(labels::selector(&job.name, Component::Convert)),
            ..LabelSelector::default()
        }),
        topology_key: HOSTNAME.to_owned(),
        ..PodAffinityTerm::default()
    };
    let pods = affinity.pod_affinity.get_or_insert_default();
    pods.required_during_scheduling_ignored_during_execution.get_or_insert_default().push(term);
}
