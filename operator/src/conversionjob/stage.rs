//! What to do next: a pure function from what was observed to one step, so that every combination stands in a table.
//!
//! Nothing is remembered between two looks but what the cluster keeps: the newest of the three Jobs says where the run
//! stands, and what a later stage must know of an earlier one travels in annotations of its Job. So an operator that was
//! away goes on where the run is, and a stage whose result was lost with its pod is run again; every stage is idempotent.
//!
//! Rejected: a phase written to the status and trusted later (a lost write then skips or repeats a stage), and reading
//! every stage's log at each look (old pods go; a long run would start over for a result that nobody needs any more).

use crds::conditions::JobReason;

use super::result::{Failure, PlanResult, ReportResult};

/// A stage, which is a Job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StageName {
    /// Walks the source and deals the files to shards.
    Plan,
    /// Works on the shards.
    Convert,
    /// Merges the results.
    Report,
}

/// Whether pods could use the volumes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumesState {
    /// They could; the words say which volumes, and what a pod may still wait for.
    Ready(String),
    /// They could not; the words say what to do.
    NotReady(Failure),
}

/// What keeps the pods of a Job from running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// `PodsNotCreated` where there is no pod at all, else `Waiting`.
    pub reason: JobReason,
    /// What it is and where to look.
    pub message: String,
}

/// A Job of a stage that tells a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StageJob<R> {
    /// It is being deleted.
    Leaving,
    /// It has not ended.
    Running(Option<Trouble>),
    /// It did its work and told this.
    Succeeded(R),
    /// It ended without a result.
    Failed(Failure),
    /// It ended, and the pod that told how is gone.
    Lost,
}

/// The Indexed Job. Its result lies on the volume, so there is none to lose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConvertJob {
    /// It is being deleted.
    Leaving,
    /// It has not ended.
    Running(Option<Trouble>),
    /// All shards are done, or, with a failure, some are not and never will be.
    Ended(Option<Failure>),
}

/// The newest Job of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Newest {
    /// There is none.
    None,
    /// The plan.
    Plan(StageJob<PlanResult>),
    /// The conversion, and the plan that it was made from, as far as its annotation can be read.
    Convert {
        /// The state of the Job.
        job: ConvertJob,
        /// What the plan said.
        plan: Option<PlanResult>,
    },
    /// The report, and what went wrong in the conversion before.
    Report {
        /// The state of the Job.
        job: StageJob<ReportResult>,
        /// Why the conversion did not end well.
        convert_failure: Option<Failure>,
    },
}

/// Everything that decides about the next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The volumes.
    pub volumes: VolumesState,
    /// The Job that the run has come to.
    pub newest: Newest,
}

/// A Job to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewJob {
    /// The plan.
    Plan,
    /// The conversion of the planned shards.
    Convert(PlanResult),
    /// The report.
    Report {
        /// What went wrong in the conversion.
        convert_failure: Option<Failure>,
    },
}

impl NewJob {
    /// Its stage.
    pub const fn stage(&self) -> StageName {
        match self {
            Self::Plan => StageName::Plan,
            Self::Convert(_) => StageName::Convert,
            Self::Report { .. } => StageName::Report,
        }
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The report is final.
    Complete(ReportResult),
    /// A stage failed; if the report could still be made, it is there.
    Failed {
        /// Why.
        failure: Failure,
        /// What was done until then.
        report: Option<ReportResult>,
    },
}

/// The next step of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Wait for the volumes; nothing runs.
    AwaitVolumes,
    /// Make a Job.
    Create(NewJob),
    /// Delete the ended Job of a stage, so that the next look makes it anew.
    Rerun(StageName),
    /// Wait for a Job to go away.
    AwaitDeletion(StageName),
    /// Wait for a Job to end.
    Follow(StageName, Option<Trouble>),
    /// Write down how the run ended.
    Finish(Ending),
}

/// The next step of a run that has not ended.
pub fn plan_stage(observed: &Observed) -> Step {
    let step = match &observed.newest {
        Newest::None => Step::Create(NewJob::Plan),
        Newest::Plan(job) => after_plan(job),
        Newest::Convert { job, plan: _ } => match job {
            ConvertJob::Leaving => Step::AwaitDeletion(StageName::Convert),
            ConvertJob::Running(trouble) => Step::Follow(StageName::Convert, trouble.clone()),
            // Whatever the end, the report says what was done.
            ConvertJob::Ended(failure) => Step::Create(NewJob::Report { convert_failure: failure.clone() }),
        },
        Newest::Report { job, convert_failure } => after_report(job, convert_failure.as_ref()),
    };
    match (step, &observed.volumes) {
        // A Job that runs already or has ended is not undone by a volume that is away now; a new one waits for it.
        (Step::Create(_), VolumesState::NotReady(_)) => Step::AwaitVolumes,
        (step, _) => step,
    }
}

fn after_plan(job: &StageJob<PlanResult>) -> Step {
    match job {
        StageJob::Leaving => Step::AwaitDeletion(StageName::Plan),
        StageJob::Running(trouble) => Step::Follow(StageName::Plan, trouble.clone()),
        StageJob::Lost => Step::Rerun(StageName::Plan),
        // Without a plan there is nothing that a report could merge.
        StageJob::Failed(failure) => Step::Finish(Ending::Failed { failure: failure.clone(), report: None }),
        StageJob::Succeeded(plan) if plan.shards_with_files() == 0 => {
            Step::Create(NewJob::Report { convert_failure: None })
        }
        StageJob::Succeeded(plan) => Step::Create(NewJob::Convert(plan.clone())),
    }
}

fn after_report(job: &StageJob<ReportResult>, convert_failure: Option<&Failure>) -> Step {
    match (job, convert_failure) {
        (StageJob::Leaving, _) => Step::AwaitDeletion(StageName::Report),
        (StageJob::Running(trouble), _) => Step::Follow(StageName::Report, trouble.clone()),
        (StageJob::Lost, _) => Step::Rerun(StageName::Report),
        (StageJob::Succeeded(report), None) => Step::Finish(Ending::Complete(report.clone())),
        (StageJob::Succeeded(report), Some(failure)) => {
            Step::Finish(Ending::Failed { failure: failure.clone(), report: Some(report.clone()) })
        }
        // What broke the conversion most likely broke the report too: the first cause is the one to name.
        (StageJob::Failed(failure), first) => {
            Step::Finish(Ending::Failed { failure: first.unwrap_or(failure).clone(), report: None })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready() -> VolumesState {
        VolumesState::Ready("the claim tape".to_owned())
    }

    fn failure(reason: JobReason) -> Failure {
        Failure { reason, message: format!("{reason} it is") }
    }

    fn trouble() -> Trouble {
        Trouble { reason: JobReason::PodsNotCreated, message: "no pod".to_owned() }
    }

    fn plan(shard_files: &[u64]) -> PlanResult {
        PlanResult { files: shard_files.iter().sum(), bytes: 1, shard_files: shard_files.to_vec() }
    }

    fn report() -> ReportResult {
        ReportResult { report: "/source/.flacship/u/report.json".to_owned(), ..ReportResult::default() }
    }

    fn convert(job: ConvertJob) -> Newest {
        Newest::Convert { job, plan: Some(plan(&[1])) }
    }

    fn reporting(job: StageJob<ReportResult>, convert_failure: Option<Failure>) -> Newest {
        Newest::Report { job, convert_failure }
    }

    fn finish_failed(failure: Failure, report: Option<ReportResult>) -> Step {
        Step::Finish(Ending::Failed { failure, report })
    }

    /// Every state of the newest Job, the step with volumes that are ready, and whether that step waits for volumes.
    fn table() -> Vec<(Newest, Step)> {
        use JobReason::{DestinationNotWritable, SourceNotFound, StageFailed};
        use StageName::{Convert, Plan, Report};
        let new_report = |convert_failure| Step::Create(NewJob::Report { convert_failure });
        vec![
            (Newest::None, Step::Create(NewJob::Plan)),
            // Plan
            (Newest::Plan(StageJob::Leaving), Step::AwaitDeletion(Plan)),
            (Newest::Plan(StageJob::Running(None)), Step::Follow(Plan, None)),
            (Newest::Plan(StageJob::Running(Some(trouble()))), Step::Follow(Plan, Some(trouble()))),
            (Newest::Plan(StageJob::Lost), Step::Rerun(Plan)),
            (Newest::Plan(StageJob::Failed(failure(SourceNotFound))), finish_failed(failure(SourceNotFound), None)),
            (Newest::Plan(StageJob::Failed(failure(StageFailed))), finish_failed(failure(StageFailed), None)),
            (Newest::Plan(StageJob::Succeeded(plan(&[2, 1]))), Step::Create(NewJob::Convert(plan(&[2, 1])))),
            (Newest::Plan(StageJob::Succeeded(plan(&[1, 0, 0]))), Step::Create(NewJob::Convert(plan(&[1, 0, 0])))),
            (Newest::Plan(StageJob::Succeeded(plan(&[0, 0]))), new_report(None)),
            (Newest::Plan(StageJob::Succeeded(plan(&[]))), new_report(None)),
            // Convert
            (convert(ConvertJob::Leaving), Step::AwaitDeletion(Convert)),
            (convert(ConvertJob::Running(None)), Step::Follow(Convert, None)),
            (convert(ConvertJob::Running(Some(trouble()))), Step::Follow(Convert, Some(trouble()))),
            (convert(ConvertJob::Ended(None)), new_report(None)),
            (convert(ConvertJob::Ended(Some(failure(StageFailed)))), new_report(Some(failure(StageFailed)))),
            (
                convert(ConvertJob::Ended(Some(failure(DestinationNotWritable)))),
                new_report(Some(failure(DestinationNotWritable))),
            ),
            (Newest::Convert { job: ConvertJob::Ended(None), plan: None }, new_report(None)),
            // Report
            (reporting(StageJob::Leaving, None), Step::AwaitDeletion(Report)),
            (reporting(StageJob::Running(None), None), Step::Follow(Report, None)),
            (reporting(StageJob::Running(Some(trouble())), None), Step::Follow(Report, Some(trouble()))),
            (reporting(StageJob::Running(None), Some(failure(StageFailed))), Step::Follow(Report, None)),
            (reporting(StageJob::Lost, None), Step::Rerun(Report)),
            (reporting(StageJob::Lost, Some(failure(StageFailed))), Step::Rerun(Report)),
            (reporting(StageJob::Succeeded(report()), None), Step::Finish(Ending::Complete(report()))),
            (
                reporting(StageJob::Succeeded(report()), Some(failure(StageFailed))),
                finish_failed(failure(StageFailed), Some(report())),
            ),
            (reporting(StageJob::Failed(failure(StageFailed)), None), finish_failed(failure(StageFailed), None)),
            (
                reporting(StageJob::Failed(failure(StageFailed)), Some(failure(DestinationNotWritable))),
                finish_failed(failure(DestinationNotWritable), None),
            ),
        ]
    }

    #[test]
    fn each_state_has_its_step() {
        for (newest, step) in table() {
            assert_eq!(plan_stage(&Observed { volumes: ready(), newest: newest.clone() }), step, "{newest:?}");
        }
    }

    #[test]
    fn only_a_new_job_waits_for_the_volumes() {
        let away = VolumesState::NotReady(failure(JobReason::ClaimNotFound));
        for (newest, step) in table() {
            let expected = if matches!(step, Step::Create(_)) { Step::AwaitVolumes } else { step };
            assert_eq!(plan_stage(&Observed { volumes: away.clone(), newest: newest.clone() }), expected, "{newest:?}");
        }
    }
}
