//! The Events of a run: what two statuses in a row are worth telling. Pure.

use crds::ConversionJobStatus;
use crds::conditions::{JobCondition, JobReason};
use crds::conversionjob::Stage;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::observe::RunFacts;
use super::pace::Size;
use crate::conditions::{shorten, transitions};
use crate::events::Note;

/// What the operator was doing when it saw a change.
const OBSERVE: &str = "Observe";
/// What it was doing when it began a stage.
const APPLY: &str = "Apply";

/// What to tell of the way from `old` to `new`; `run` is what was seen of it.
pub fn notes(old: Option<&ConversionJobStatus>, new: &ConversionJobStatus, run: Option<&RunFacts>) -> Vec<Note> {
    let before = old.map(|status| status.conditions.as_slice()).unwrap_or_default();
    let mut notes = stage_notes(old, new, run);
    if let Some(run) = run {
        notes.extend(shard_notes(old, new, run));
    }
    notes.extend(transitions(before, &new.conditions).into_iter().filter_map(|condition| {
        let old = before.iter().find(|old| old.type_ == condition.type_);
        condition_note(condition, old, new)
    }));
    notes
}

fn stage_notes(old: Option<&ConversionJobStatus>, new: &ConversionJobStatus, run: Option<&RunFacts>) -> Vec<Note> {
    let mut notes = Vec::new();
    let shards = new.shards.as_ref().map_or(0, |shards| shards.total);
    if let (None, Some(files)) = (old.and_then(|old| old.files.as_ref()), &new.files) {
        let size = run.and_then(|run| run.plan.as_ref()).map(|plan| format!(", {},", Size(plan.bytes)));
        notes.push(match files.total {
            0 => Note::normal("Planned", OBSERVE, "No file in the source is to be converted"),
            total => Note::normal(
                "Planned",
                OBSERVE,
                format!("{total} files{} in {shards} shards", size.unwrap_or_default()),
            ),
        });
    }
    if new.shards.is_some() && old.is_none_or(|old| old.shards.is_none()) {
        notes.push(Note::normal("Converting", APPLY, format!("Made the convert Job of {shards} shards")));
    }
    let reports = new.stage == Some(Stage::Report) && old.and_then(|old| old.stage) != Some(Stage::Report);
    if let (true, Some(failure)) = (reports, run.and_then(|run| run.convert_failure.as_ref())) {
        let words = format!("{}; the report is made of what was done", failure.message);
        notes.push(Note::warning(failure.reason.as_str(), OBSERVE, words));
    }
    notes
}

/// Pods that broke off, and shards that are given up.
fn shard_notes(old: Option<&ConversionJobStatus>, new: &ConversionJobStatus, run: &RunFacts) -> Vec<Note> {
    let of = |status: Option<&ConversionJobStatus>| {
        let shards = status.and_then(|status| status.shards.as_ref());
        shards.map_or((0, 0), |shards| (shards.broken_off.unwrap_or_default(), shards.failed))
    };
    let ((broke_off_before, failed_before), (broke_off, failed)) = (of(old), of(Some(new)));
    let mut notes = Vec::new();
    // Once the report is made, no other pod follows.
    if broke_off > broke_off_before && new.stage != Some(Stage::Report) {
        let last = run.broke_off.as_ref().map(|last| format!(", the last of {last}")).unwrap_or_default();
        let pods = if broke_off == 1 { "1 pod has".to_owned() } else { format!("{broke_off} pods have") };
        let words = format!("{pods} broken off so far{last}; a shard goes on with another pod where its records end");
        notes.push(Note::warning("ShardBrokeOff", OBSERVE, words));
    }
    if let (true, Some((shards, tries))) = (failed > failed_before, &run.failed_shards) {
        let words = format!("Given up after {tries} tries each: shards {}", shorten(shards, 200));
        notes.push(Note::warning("ShardFailed", OBSERVE, words));
    }
    notes
}

fn condition_note(condition: &Condition, old: Option<&Condition>, status: &ConversionJobStatus) -> Option<Note> {
    let message = condition.message.clone();
    let holds = condition.status == "True";
    let held_before = old.is_some_and(|old| old.status == "True");
    let is = |type_: JobCondition| condition.type_ == type_.as_str();
    let because = |reason: JobReason| condition.reason == reason.as_str();
    if is(JobCondition::VolumesReady) {
        return match (holds, old.is_some()) {
            (false, _) => Some(Note::warning("VolumesNotReady", OBSERVE, message)),
            (true, true) => Some(Note::normal("VolumesReady", OBSERVE, message)),
            (true, false) => None,
        };
    }
    if is(JobCondition::Suspended) {
        return match (holds, held_before) {
            (true, _) => Some(Note::normal("Suspended", APPLY, message)),
            (false, true) if !is_over(status) => Some(Note::normal("Resumed", APPLY, "The run goes on where it was")),
            (false, _) => None,
        };
    }
    if is(JobCondition::Accepted) {
        return match (holds, old.is_some()) {
            (false, _) => Some(Note::warning(condition.reason.clone(), APPLY, message)),
            (true, true) => Some(Note::normal("Accepted", APPLY, message)),
            (true, false) => None,
        };
    }
    if is(JobCondition::Failed) {
        return holds.then(|| Note::warning("Failed", OBSERVE, format!("{}: {message}", condition.reason)));
    }
    if !is(JobCondition::Complete) {
        return None;
    }
    if holds {
        return Some(Note::normal("Completed", OBSERVE, message));
    }
    if because(JobReason::PodsNotCreated) {
        return Some(Note::warning("PodsNotCreated", OBSERVE, message));
    }
    // What a run waits for while it is pending or held has a condition, and so an Event, of its own.
    (because(JobReason::Waiting) && !matches!(status.stage, Some(Stage::Pending | Stage::Suspended)))
        .then(|| Note::warning("PodsNotRunning", OBSERVE, message))
}

fn is_over(status: &ConversionJobStatus) -> bool {
    matches!(status.stage, Some(Stage::Done | Stage::Failed))
}

#[cfg(test)]
mod tests;
