//! Step 5: what a run's status says. Pure; the write is `crate::status`'s.
//!
//! The status is a summary: nothing in it decides about the next step but the two conditions that say the run has ended, and
//! the clock of the run (when it began, and how long it was held), which stands nowhere else.

use crds::ConversionJobStatus;
use crds::conditions::{JobCondition, JobReason};
use crds::conversionjob::{ConversionJob, FileCounts, Stage};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::build::volumes::on_destination_volume;
use super::observe::{RunFacts, Sight};
use super::pace::Size;
use super::progress::{self, ratio};
use super::result::{Failure, ReportResult};
use super::stage::{Control, Ending, Grip, Hold, StageName, Step, VolumesState};
use super::validate::Invalid;
use crate::conditions::{Holds, Wanted, find, is_true, merge};
use times::{suspended_seconds, take_pace};

mod times;

/// What came of a look at a resource.
#[derive(Debug)]
pub enum Outcome {
    /// The spec contradicts itself or is not allowed: the run ends before it begins.
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

impl Outcome {
    /// What was seen of the run, if anything was looked at.
    pub fn run(&self) -> Option<&RunFacts> {
        match self {
            Self::Invalid(_) => None,
            Self::Refused { sight, .. } | Self::Stepped { sight, .. } => Some(&sight.run),
        }
    }
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
                status.completion_time.get_or_insert_with(|| sight.run.ended.clone().unwrap_or_else(|| now.clone()));
                take_ending(&mut status, ending);
            }
            Told::stepped(sight, step)
        }
    };
    status.observed_generation = job.metadata.generation;
    status.suspended_seconds = suspended_seconds(&status, told.suspended.status, now);
    take_pace(&mut status, told.stage, outcome.run(), now);
    status.stage = Some(told.stage);
    let Told { stage: _, accepted, volumes, complete, failed, suspended } = told;
    let wanted =
        [Some(accepted), volumes, Some(complete), Some(failed), Some(suspended)].into_iter().flatten().collect();
    status.conditions = merge(&status.conditions, wanted, job.metadata.generation, now);
    status
}

/// The status of a run that has ended, for a spec that was changed afterwards; None if it is as it should be.
pub fn caught_up(job: &ConversionJob) -> Option<ConversionJobStatus> {
    let old = job.status.as_ref()?;
    if old.observed_generation == job.metadata.generation {
        return None;
    }
    let mut status = old.clone();
    status.observed_generation = job.metadata.generation;
    for condition in &mut status.conditions {
        condition.observed_generation = job.metadata.generation;
    }
    Some(status)
}

/// Whether `new` says nothing that `old` does not but how far the run has come: that can wait a moment.
pub fn is_progress_alone(old: Option<&ConversionJobStatus>, new: &ConversionJobStatus) -> bool {
    let Some(old) = old else { return false };
    let mut same = new.clone();
    // Destructured without `..`, so that a new field does not compile until it is clear whether it can wait.
    let ConversionJobStatus {
        progress,
        files,
        bytes,
        ratio,
        throughput,
        bytes_per_second,
        estimated_completion_time,
        shards,
        observed_generation: _,
        stage: _,
        failures: _,
        report: _,
        start_time: _,
        completion_time: _,
        suspended_seconds: _,
        conditions: _,
    } = old.clone();
    same.progress = progress;
    same.files = files;
    same.bytes = bytes;
    same.ratio = ratio;
    same.throughput = throughput;
    same.bytes_per_second = bytes_per_second;
    same.estimated_completion_time = estimated_completion_time;
    // That there are shards is news; how many are done is progress.
    if shards.is_some() {
        same.shards = shards;
    }
    for condition in &mut same.conditions {
        if let Some(before) = find(&old.conditions, &condition.type_).filter(|before| before.reason == condition.reason)
        {
            condition.message.clone_from(&before.message);
        }
    }
    same == *old
}

/// The stage and the five conditions, as one look tells them.
struct Told {
    stage: Stage,
    accepted: Wanted,
    volumes: Option<Wanted>,
    complete: Wanted,
    failed: Wanted,
    suspended: Wanted,
}

impl Told {
    fn invalid(invalid: &Invalid) -> Self {
        let says = |type_, holds| condition(type_, holds, invalid.reason(), invalid.to_string());
        Self {
            stage: Stage::Failed,
            accepted: says(JobCondition::Accepted, Holds::False),
            volumes: None,
            complete: says(JobCondition::Complete, Holds::False),
            failed: says(JobCondition::Failed, Holds::True),
            suspended: not_suspended(),
        }
    }

    fn refused(sight: &Sight, failure: &Failure) -> Self {
        Self::not_accepted(sight, failure)
    }

    fn stepped(sight: &Sight, step: &Step) -> Self {
        if let Step::AwaitSettings(failure) = step {
            return Self { suspended: suspended(sight, step), ..Self::not_accepted(sight, failure) };
        }
        let (stage, complete, failed) = progress(sight, step);
        Self {
            stage,
            accepted: accepted(sight, step),
            volumes: Some(volumes(&sight.observed.volumes)),
            complete,
            failed,
            suspended: suspended(sight, step),
        }
    }

    /// A run that waits for something that is not its volumes.
    fn not_accepted(sight: &Sight, failure: &Failure) -> Self {
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
            suspended: not_suspended(),
        }
    }
}

fn not_suspended() -> Wanted {
    condition(JobCondition::Suspended, Holds::False, JobReason::NotSuspended, "The run is not suspended")
}

fn accepted(sight: &Sight, step: &Step) -> Wanted {
    match (&sight.observed.forbidden, step) {
        (None, _) | (_, Step::Finish(_)) => {
            condition(JobCondition::Accepted, Holds::True, JobReason::SpecAccepted, "The spec can be carried out")
        }
        (Some(Failure { reason, message }), _) => {
            condition(JobCondition::Accepted, Holds::False, *reason, message.clone())
        }
    }
}

fn suspended(sight: &Sight, step: &Step) -> Wanted {
    let by_us = |pods: i32| {
        let stopping = match pods {
            ..1 => String::new(),
            1 => "; one pod is still stopping".to_owned(),
            _ => format!("; {pods} pods are still stopping"),
        };
        let (reason, why) = match &sight.observed.forbidden {
            Some(forbidden) => (forbidden.reason, "The run is held because of what the condition Accepted says"),
            None => {
                (JobReason::SuspendedBySpec, "spec.suspend is true: set it to false, and the run goes on where it is")
            }
        };
        condition(JobCondition::Suspended, Holds::True, reason, format!("{why}{stopping}"))
    };
    match step {
        Step::AwaitResume(None) => by_us(0),
        Step::AwaitSettings(_) if sight.observed.forbidden.is_some() => by_us(0),
        Step::AwaitResume(Some(_)) | Step::Adjust(_, Control { grip: Grip::Hold, .. }) => by_us(sight.run.pods),
        Step::Follow(..) | Step::Adjust(_, Control { grip: Grip::Leave, .. }) if sight.run.hold == Hold::Foreign => {
            let words =
                "Somebody has suspended the Job that the run has come to: it goes on once its spec.suspend is false";
            condition(JobCondition::Suspended, Holds::True, JobReason::JobSuspended, words)
        }
        Step::Follow(..) | Step::Adjust(_, Control { grip: Grip::NoteUndone(_), .. })
            if matches!(sight.run.hold, Hold::Undone(_)) =>
        {
            let why = match sight.observed.forbidden {
                Some(_) => "The operator may not go on with the run",
                None => "spec.suspend is true",
            };
            let words = format!(
                "{why}, but somebody has let the Job go that was suspended for it; it is suspended again every few seconds: have who let it go, Kueue for example, leave it alone"
            );
            condition(JobCondition::Suspended, Holds::False, JobReason::NotSuspended, words)
        }
        _ => not_suspended(),
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
        VolumesState::Ready(usable) => {
            condition(JobCondition::VolumesReady, Holds::True, JobReason::VolumesFound, usable.words.clone())
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
    let waiting = |stage, words: &str| incomplete(stage, JobReason::Waiting, words.to_owned());
    let held = || waiting(Stage::Suspended, "Suspended: see the condition Suspended");
    match step {
        Step::AwaitVolumes => waiting(Stage::Pending, "Waiting for the volumes: see the condition VolumesReady"),
        Step::AwaitSettings(_) => waiting(Stage::Pending, "Waiting: see the condition Accepted"),
        Step::AwaitResume(_) | Step::Adjust(_, Control { grip: Grip::Hold, .. }) => held(),
        Step::Follow(..) | Step::Adjust(..) if sight.run.hold == Hold::Foreign => held(),
        Step::Create(new, _) | Step::Rerun(new, _) => running(new.stage()),
        Step::AwaitDeletion(name) | Step::Follow(name, None) | Step::Adjust(name, _) => running(*name),
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
            (Stage::Failed, says(JobCondition::Complete, Holds::False), says(JobCondition::Failed, Holds::True))
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
    let bytes = |count| Size(u64::try_from(count).unwrap_or_default());
    let sizes = match ratio(&report.bytes) {
        Some(_) => format!("; {} became {}", bytes(report.bytes.input), bytes(report.bytes.output)),
        None => String::new(),
    };
    let counts = format!("{converted} converted, {skipped} skipped, {failed} failed of {total} files{sizes}");
    if failed == 0 {
        return (JobReason::AllFilesConverted, counts);
    }
    let report = on_destination_volume(&report.report);
    (JobReason::SomeFilesFailed, format!("{counts}; {report} on the destination volume lists every failure"))
}

fn take_facts(status: &mut ConversionJobStatus, run: &RunFacts) {
    if status.start_time.is_none() {
        status.start_time.clone_from(&run.started);
    }
    if run.shards.is_some() {
        status.shards.clone_from(&run.shards);
    }
    if let Some((plan, progress)) = run.plan.as_ref().zip(run.progress.as_ref()) {
        progress::put(progress, plan.files, status);
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

#[cfg(test)]
mod tests;
