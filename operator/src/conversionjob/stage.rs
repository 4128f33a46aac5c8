//! What to do next: a pure function from what was observed to one step, so that every combination stands in a table.
//!
//! Nothing is remembered between two looks but what the cluster keeps: the newest of the three Jobs says where the run
//! stands, and what a later stage must know of an earlier one travels in annotations of its Job. So an operator that was
//! away goes on where the run is, and a stage whose result was lost with its pod is run again; every stage is idempotent.
//!
//! Rejected: a phase written to the status and trusted later (a lost write then skips or repeats a stage), and reading
//! every stage's log at each look (old pods go; a long run would start over for a result that nobody needs any more).

use crds::conditions::JobReason;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::deadline::{Deadline, exceeded};
use super::result::{Failure, PlanResult, ReportResult};
use super::settings::{Settings, SettingsState};

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

/// Where the pods of the convert stage may run. The order is that of strictness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Placement {
    /// On any node.
    #[default]
    Anywhere,
    /// All on one node: a volume can be attached to one only.
    OneNode,
    /// One pod at a time: a volume admits one only. Stages never overlap, so nothing else follows from it.
    OnePod,
}

/// Volumes that pods could use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usable {
    /// Which volumes, what their access modes mean, and what a pod may still wait for.
    pub words: String,
    /// Where pods may run.
    pub placement: Placement,
}

/// Whether pods could use the volumes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumesState {
    /// They could.
    Ready(Usable),
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

/// Who holds a Job by its `spec.suspend`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hold {
    /// Nobody.
    #[default]
    None,
    /// The operator, for the `spec.suspend` of the resource.
    Ours,
    /// Somebody else: Kueue, or a person.
    Foreign,
    /// Nobody any more: somebody has let go what the operator held. When that was seen, once it is noted on the Job.
    Undone(Option<Timestamp>),
}

impl Hold {
    /// Whether the Job is held, whoever does.
    pub const fn is_held(self) -> bool {
        matches!(self, Self::Ours | Self::Foreign)
    }
}

/// How long a Job is left alone that somebody else let go although the run is to be held: whoever does that, Kueue for one,
/// does it again at once, and then each hold costs the pods of the moment.
const UNDONE: SignedDuration = SignedDuration::from_secs(10);

/// A Job that has not ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Running {
    /// What keeps its pods from running.
    pub trouble: Option<Trouble>,
    /// Who holds it.
    pub hold: Hold,
    /// Its `activeDeadlineSeconds`.
    pub deadline_seconds: Option<i64>,
    /// When its own clock began.
    pub started: Option<Timestamp>,
}

/// A Job of a stage that tells a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StageJob<R> {
    /// It is being deleted.
    Leaving,
    /// It has not ended.
    Running(Running),
    /// It did its work and told this.
    Succeeded(R),
    /// It ended without a result.
    Failed(Failure),
    /// It ended, and the pod that told how is gone, or its log.
    Lost {
        /// How many Jobs of this stage were lost so before.
        before: u32,
    },
}

/// The Indexed Job. Its result lies on the volume, so there is none to lose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConvertJob {
    /// It is being deleted.
    Leaving,
    /// It has not ended.
    Running(Running),
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
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// The volumes.
    pub volumes: VolumesState,
    /// Image and encoding.
    pub settings: SettingsState,
    /// The Job that the run has come to.
    pub newest: Newest,
    /// Whether the run is to be held.
    pub suspend: bool,
    /// Why the operator may not go on with it: it is held for that too.
    pub forbidden: Option<Failure>,
    /// When its time is over.
    pub deadline: Deadline,
    /// Whether a Job of it was ever made.
    pub begun: bool,
    /// When this was seen.
    pub now: Timestamp,
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

/// How a Job is made.
#[derive(Clone, Debug, PartialEq)]
pub struct How {
    /// Image and encoding.
    pub settings: Settings,
    /// Where pods may run.
    pub placement: Placement,
    /// What is left of the run's time, in seconds.
    pub deadline_seconds: Option<i64>,
    /// How many Jobs of the stage were lost before this one.
    pub lost: u32,
}

/// What becomes of the hold on a Job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grip {
    /// It stays as it is.
    Leave,
    /// The Job is held, with our mark.
    Hold,
    /// The Job goes on, and the mark goes.
    LetGo,
    /// Somebody has let the Job go: our mark becomes a note of when that was seen, so that their next hold is theirs.
    NoteUndone(Timestamp),
    /// Such a mark or note goes, and nothing else changes.
    Forget,
}

/// What is changed about a Job that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control {
    /// What becomes of the hold on it.
    pub grip: Grip,
    /// Its `activeDeadlineSeconds`.
    pub deadline_seconds: Option<i64>,
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
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Wait for the volumes; nothing runs.
    AwaitVolumes,
    /// Wait for the AudioConverter whose settings the run takes, or until the operator may go on; nothing runs.
    AwaitSettings(Failure),
    /// Wait until the run is no longer held: this Job, or nothing yet.
    AwaitResume(Option<StageName>),
    /// Make a Job.
    Create(NewJob, Box<How>),
    /// Hold the Job of a stage, let it go on, or set its deadline.
    Adjust(StageName, Control),
    /// Delete the ended Job of a stage and make it anew.
    Rerun(NewJob, Box<How>),
    /// Wait for a Job to go away.
    AwaitDeletion(StageName),
    /// Wait for a Job to end.
    Follow(StageName, Option<Trouble>),
    /// Write down how the run ended.
    Finish(Ending),
}

/// What would come next if nothing were to be waited for.
enum Next {
    Make(NewJob),
    /// This Job was made before and was lost, as were so many before it.
    Remake(NewJob, u32),
    Watch(StageName, Running),
    Leave(StageName),
    End(Ending),
}

/// The next step of a run that has not ended.
pub fn plan_stage(observed: &Observed) -> Step {
    let over = observed.deadline.is_over(observed.now);
    take(next(observed, over), observed, over)
}

fn take(next: Next, observed: &Observed, over: bool) -> Step {
    let out_of_time = || Step::Finish(Ending::Failed { failure: exceeded(), report: None });
    if let (Some(failure), Next::Make(_) | Next::Remake(..)) = (&observed.forbidden, &next) {
        return Step::AwaitSettings(failure.clone());
    }
    match next {
        Next::End(ending) => Step::Finish(ending),
        Next::Leave(stage) => Step::AwaitDeletion(stage),
        Next::Watch(stage, running) => follow(stage, running, observed),
        Next::Make(_) | Next::Remake(..) if observed.suspend => Step::AwaitResume(None),
        Next::Make(NewJob::Plan) if over && observed.begun => out_of_time(),
        Next::Remake(new, before) => match take(Next::Make(new), observed, over) {
            Step::Create(new, how) => Step::Rerun(new, Box::new(How { lost: before.saturating_add(1), ..*how })),
            // What keeps it from being made keeps the lost one, which says how many there were.
            step => step,
        },
        // A Job that runs already or has ended is not undone by a volume that is away now; a new one waits for it.
        Next::Make(new) => match (&observed.volumes, &observed.settings) {
            (VolumesState::NotReady(_), _) if over => match new {
                // Its time is not what the conversion failed for.
                NewJob::Report { convert_failure: Some(failure) } => {
                    Step::Finish(Ending::Failed { failure, report: None })
                }
                _ => out_of_time(),
            },
            (VolumesState::NotReady(_), _) => Step::AwaitVolumes,
            (_, SettingsState::NotReady(failure)) => Step::AwaitSettings(failure.clone()),
            (VolumesState::Ready(usable), SettingsState::Known(settings)) => {
                let deadline_seconds = observed.deadline.seconds_from(observed.now);
                let settings = settings.as_ref().clone();
                let how = How { settings, placement: usable.placement, deadline_seconds, lost: 0 };
                Step::Create(new, Box::new(how))
            }
        },
    }
}

fn next(observed: &Observed, over: bool) -> Next {
    match &observed.newest {
        Newest::None => Next::Make(NewJob::Plan),
        Newest::Plan(job) => after_plan(job, over),
        Newest::Convert { job, plan: _ } => match job {
            ConvertJob::Leaving => Next::Leave(StageName::Convert),
            ConvertJob::Running(running) => Next::Watch(StageName::Convert, running.clone()),
            // Whatever the end, the report says what was done.
            ConvertJob::Ended(failure) => Next::Make(NewJob::Report { convert_failure: failure.clone() }),
        },
        Newest::Report { job, convert_failure } => after_report(job, convert_failure.as_ref()),
    }
}

fn after_plan(job: &StageJob<PlanResult>, over: bool) -> Next {
    match job {
        StageJob::Leaving => Next::Leave(StageName::Plan),
        StageJob::Running(running) => Next::Watch(StageName::Plan, running.clone()),
        StageJob::Lost { before } => Next::Remake(NewJob::Plan, *before),
        // Without a plan there is nothing that a report could merge.
        StageJob::Failed(failure) => Next::End(Ending::Failed { failure: failure.clone(), report: None }),
        StageJob::Succeeded(plan) if plan.shards_with_files() == 0 => {
            Next::Make(NewJob::Report { convert_failure: None })
        }
        StageJob::Succeeded(_) if over => Next::Make(NewJob::Report { convert_failure: Some(exceeded()) }),
        StageJob::Succeeded(plan) => Next::Make(NewJob::Convert(plan.clone())),
    }
}

fn after_report(job: &StageJob<ReportResult>, convert_failure: Option<&Failure>) -> Next {
    match (job, convert_failure) {
        (StageJob::Leaving, _) => Next::Leave(StageName::Report),
        (StageJob::Running(running), _) => Next::Watch(StageName::Report, running.clone()),
        (StageJob::Lost { before }, failure) => {
            Next::Remake(NewJob::Report { convert_failure: failure.cloned() }, *before)
        }
        (StageJob::Succeeded(report), None) => Next::End(Ending::Complete(report.clone())),
        (StageJob::Succeeded(report), Some(failure)) => {
            Next::End(Ending::Failed { failure: failure.clone(), report: Some(report.clone()) })
        }
        // What broke the conversion most likely broke the report too: the first cause is the one to name.
        (StageJob::Failed(failure), first) => {
            Next::End(Ending::Failed { failure: first.unwrap_or(failure).clone(), report: None })
        }
    }
}

/// A Job that has not ended is held, let go on, given another deadline, or waited for.
fn follow(stage: StageName, running: Running, observed: &Observed) -> Step {
    let Running { trouble, hold, deadline_seconds: has, started } = running;
    // The report tells what was done within the run's time, and comes after it.
    let deadline = if stage == StageName::Report { Deadline::None } else { observed.deadline };
    let adjust = |grip, deadline_seconds| Step::Adjust(stage, Control { grip, deadline_seconds });
    match (observed.suspend || observed.forbidden.is_some(), hold) {
        (true, Hold::Undone(None)) => adjust(Grip::NoteUndone(observed.now), has),
        (true, Hold::Undone(Some(since))) if is_recent(since, observed.now) => Step::Follow(stage, trouble),
        (true, Hold::None | Hold::Undone(_)) => adjust(Grip::Hold, None),
        // The Job controller looks at the deadline of a Job that is let go before it begins its clock anew: one of a Job that
        // was held for long would end it at once. Whoever holds it, it has none meanwhile.
        (_, Hold::Foreign) if has.is_some() => adjust(Grip::Leave, None),
        (true, Hold::Ours | Hold::Foreign) => Step::AwaitResume(Some(stage)),
        (false, Hold::Ours) => adjust(Grip::LetGo, deadline.seconds_from(started.unwrap_or(observed.now))),
        (false, Hold::Foreign) => Step::Follow(stage, trouble),
        (false, Hold::Undone(_)) => adjust(Grip::Forget, has),
        (false, Hold::None) => match deadline.adjusted(has, started.unwrap_or(observed.now)) {
            wanted if wanted == has || (started.is_none() && wanted.is_some() == has.is_some()) => {
                Step::Follow(stage, trouble)
            }
            deadline_seconds => adjust(Grip::Leave, deadline_seconds),
        },
    }
}

/// Whether a hold was undone just now. A note of the future is from another clock.
fn is_recent(since: Timestamp, now: Timestamp) -> bool {
    let ago = now.duration_since(since);
    !ago.is_negative() && ago < UNDONE
}

#[cfg(test)]
mod tests;
