//! Step 5: what a run's status says. Pure; the write is `crate::status`'s.
//!
//! The status is a summary: nothing in it decides about the next step but the two conditions that say the run has ended.

use crds::ConversionJobStatus;
use crds::conditions::{JobCondition, JobReason};
use crds::conversionjob::{ByteCounts, ConversionJob, FileCounts, Stage};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::build::volumes::on_destination_volume;
use super::observe::{RunFacts, Sight};
use super::result::{Failure, ReportResult};
use super::stage::{Ending, StageName, Step, VolumesState};
use super::validate::Invalid;
use crate::conditions::{Holds, Wanted, is_true, merge};

/// What came of a look at a resource.
#[derive(Debug)]
pub enum Outcome {
    /// The spec contradicts itself: the run ends before it begins.
    Invalid(Invalid),
    /// A Job could not be made; a person has to change something.
    Refused {
        /// What was seen.
        sight: Sight,
        /// Why not.
        failure: Failure,
    },
    /// The step was carried out.
    Stepped {
        /// What was seen.
        sight: Sight,
        /// The step.
        step: Step,
    },
}

/// Whether the run has ended, so that there is nothing left to do.
pub fn has_ended(job: &ConversionJob) -> bool {
    let conditions = job.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    [JobCondition::Complete, JobCondition::Failed].iter().any(|type_| is_true(conditions, type_.as_str()))
}

/// The status of `job` after `outcome`. What cannot be seen any more stays as it was written.
pub fn compute(job: &ConversionJob, outcome: &Outcome, now: &Time) -> ConversionJobStatus {
    let mut status = job.status.clone().unwrap_or_default();
    let told = match outcome {
        Outcome::Invalid(invalid) => {
            status.completion_time.get_or_insert_with(|| now.clone());
            Told::invalid(invalid)
        }
        Outcome::Refused { sight, failure } => {
            take_facts(&mut status, &sight.run);
            Told::refused(sight, failure)
        }
        Outcome::Stepped { sight, step } => {
            take_facts(&mut status, &sight.run);
            if let Step::Finish(ending) = step {
                take_ending(&mut status, ending);
                status.completion_time.get_or_insert_with(|| sight.run.ended.clone().unwrap_or_else(|| now.clone()));
            }
            Told::stepped(sight, step)
        }
    };
    status.observed_generation = job.metadata.generation;
    status.stage = Some(told.stage);
    let Told { stage: _, accepted, volumes, complete, failed } = told;
    let wanted = [Some(accepted), volumes, Some(complete), Some(failed)].into_iter().flatten().collect();
    status.conditions = merge(&status.conditions, wanted, job.metadata.generation, now);
    status
}

/// The stage and the four conditions, as one look tells them.
struct Told {
    stage: Stage,
    accepted: Wanted,
    volumes: Option<Wanted>,
    complete: Wanted,
    failed: Wanted,
}

impl Told {
    fn invalid(invalid: &Invalid) -> Self {
        let says = |type_, holds| condition(type_, holds, JobReason::InvalidSpec, invalid.to_string());
        Self {
            stage: Stage::Done,
            accepted: says(JobCondition::Accepted, Holds::False),
            volumes: None,
            complete: says(JobCondition::Complete, Holds::False),
            failed: says(JobCondition::Failed, Holds::True),
        }
    }

    fn refused(sight: &Sight, failure: &Failure) -> Self {
        Self {
            stage: Stage::Pending,
            accepted: condition(JobCondition::Accepted, Holds::False, failure.reason, failure.message.clone()),
            volumes: Some(volumes(&sight.observed.volumes)),
            complete: condition(
                JobCondition::Complete,
                Holds::False,
                JobReason::Waiting,
                "Waiting: see the condition Accepted",
            ),
            failed: not_failed(JobReason::Waiting),
        }
    }

    fn stepped(sight: &Sight, step: &Step) -> Self {
        let (stage, complete, failed) = progress(sight, step);
        Self {
            stage,
            accepted: condition(
                JobCondition::Accepted,
                Holds::True,
                JobReason::SpecAccepted,
                "The spec can be carried out",
            ),
            volumes: Some(volumes(&sight.observed.volumes)),
            complete,
            failed,
        }
    }
}

fn condition(type_: JobCondition, status: Holds, reason: JobReason, message: impl Into<String>) -> Wanted {
    Wanted { type_: type_.as_str(), status, reason: reason.as_str(), message: message.into() }
}

fn not_failed(reason: JobReason) -> Wanted {
    condition(JobCondition::Failed, Holds::False, reason, "The run has not failed")
}

fn volumes(state: &VolumesState) -> Wanted {
    match state {
        VolumesState::Ready(words) => {
            condition(JobCondition::VolumesReady, Holds::True, JobReason::VolumesFound, words.clone())
        }
        VolumesState::NotReady(failure) => {
            condition(JobCondition::VolumesReady, Holds::False, failure.reason, failure.message.clone())
        }
    }
}

/// The stage that a step puts the run into, and what Complete and Failed say of it.
fn progress(sight: &Sight, step: &Step) -> (Stage, Wanted, Wanted) {
    let incomplete = |stage, reason, message: String| {
        (stage, condition(JobCondition::Complete, Holds::False, reason, message), not_failed(reason))
    };
    let running = |name: StageName| incomplete(stage_of(name), JobReason::Running, words_of(name, &sight.run));
    match step {
        Step::AwaitVolumes => {
            let words = "Waiting for the volumes: see the condition VolumesReady".to_owned();
            incomplete(Stage::Pending, JobReason::Waiting, words)
        }
        Step::Create(new) => running(new.stage()),
        Step::Rerun(name) | Step::AwaitDeletion(name) | Step::Follow(name, None) => running(*name),
        Step::Follow(name, Some(trouble)) => {
            let words = match name {
                StageName::Convert => format!("{}; {}", words_of(*name, &sight.run), trouble.message),
                StageName::Plan | StageName::Report => trouble.message.clone(),
            };
            incomplete(stage_of(*name), trouble.reason, words)
        }
        Step::Finish(Ending::Complete(report)) => {
            let (reason, words) = result_words(report);
            (Stage::Done, condition(JobCondition::Complete, Holds::True, reason, words), not_failed(reason))
        }
        Step::Finish(Ending::Failed { failure, report: _ }) => {
            let says = |type_, holds| condition(type_, holds, failure.reason, failure.message.clone());
            (Stage::Done, says(JobCondition::Complete, Holds::False), says(JobCondition::Failed, Holds::True))
        }
    }
}

const fn stage_of(name: StageName) -> Stage {
    match name {
        StageName::Plan => Stage::Plan,
        StageName::Convert => Stage::Convert,
        StageName::Report => Stage::Report,
    }
}

fn words_of(name: StageName, run: &RunFacts) -> String {
    match (name, &run.shards) {
        (StageName::Plan, _) => "Walking the source".to_owned(),
        (StageName::Convert, Some(shards)) => format!("{} of {} shards are done", shards.completed, shards.total),
        (StageName::Convert, None) => "Working on the shards".to_owned(),
        (StageName::Report, _) => "Merging the results".to_owned(),
    }
}

fn result_words(report: &ReportResult) -> (JobReason, String) {
    let FileCounts { total, converted, skipped, failed } = report.files;
    let counts = format!("{converted} converted, {skipped} skipped, {failed} failed of {total} files");
    if failed == 0 {
        return (JobReason::AllFilesConverted, counts);
    }
    let report = on_destination_volume(&report.report);
    (JobReason::SomeFilesFailed, format!("{counts}; {report} on the destination volume lists every failure"))
}

fn take_facts(status: &mut ConversionJobStatus, run: &RunFacts) {
    let RunFacts { started, ended: _, plan, shards, files_done, pods_ready: _ } = run;
    if status.start_time.is_none() {
        status.start_time.clone_from(started);
    }
    if shards.is_some() {
        status.shards.clone_from(shards);
    }
    if let Some(plan) = plan {
        let total = number(plan.files);
        status.files.get_or_insert_default().total = total;
        status.progress = Some(format!("{}/{total}", number(files_done.unwrap_or_default())));
    }
}

fn take_ending(status: &mut ConversionJobStatus, ending: &Ending) {
    let report = match ending {
        Ending::Complete(report) => Some(report),
        Ending::Failed { report, .. } => report.as_ref(),
    };
    let Some(ReportResult { files, bytes, failures, report }) = report else { return };
    let done = files.converted.saturating_add(files.skipped).saturating_add(files.failed);
    status.progress = Some(format!("{done}/{}", files.total));
    status.ratio = ratio(bytes);
    status.files = Some(files.clone());
    status.bytes = Some(bytes.clone());
    status.failures.clone_from(failures);
    status.report = Some(on_destination_volume(report).to_owned());
}

/// Bytes written by bytes read with two decimals; None where nothing was converted.
fn ratio(bytes: &ByteCounts) -> Option<String> {
    let ByteCounts { input, output } = *bytes;
    if input <= 0 || output < 0 {
        return None;
    }
    // In whole hundredths, rounded: exact at any size.
    let hundredths = (i128::from(output) * 200 + i128::from(input)) / (i128::from(input) * 2);
    Some(format!("{}.{:02}", hundredths / 100, hundredths % 100))
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
