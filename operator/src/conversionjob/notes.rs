//! The Events of a run: what two statuses in a row are worth telling. Pure.

use crds::ConversionJobStatus;
use crds::conditions::{JobCondition, JobReason};
use crds::conversionjob::Stage;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::conditions::transitions;
use crate::events::Note;

/// What the operator was doing when it saw a change.
const OBSERVE: &str = "Observe";
/// What it was doing when it began a stage.
const APPLY: &str = "Apply";

/// What to tell of the way from `old` to `new`.
pub fn notes(old: Option<&ConversionJobStatus>, new: &ConversionJobStatus) -> Vec<Note> {
    let before = old.map(|status| status.conditions.as_slice()).unwrap_or_default();
    let mut notes = stage_notes(old, new);
    notes.extend(transitions(before, &new.conditions).into_iter().filter_map(|condition| {
        let known_before = before.iter().any(|old| old.type_ == condition.type_);
        condition_note(condition, known_before, new)
    }));
    notes
}

fn stage_notes(old: Option<&ConversionJobStatus>, new: &ConversionJobStatus) -> Vec<Note> {
    let mut notes = Vec::new();
    if let (None, Some(files)) = (old.and_then(|old| old.files.as_ref()), &new.files) {
        let shards = new.shards.as_ref().map_or(0, |shards| shards.total);
        notes.push(match files.total {
            0 => Note::normal("Planned", OBSERVE, "No file in the source is to be converted"),
            total => Note::normal("Planned", OBSERVE, format!("{total} files in {shards} shards")),
        });
    }
    if new.stage == Some(Stage::Convert) && old.and_then(|old| old.stage) != Some(Stage::Convert) {
        let shards = new.shards.as_ref().map_or(0, |shards| shards.total);
        notes.push(Note::normal("Converting", APPLY, format!("Made the convert Job of {shards} shards")));
    }
    notes
}

fn condition_note(condition: &Condition, known_before: bool, status: &ConversionJobStatus) -> Option<Note> {
    let message = condition.message.clone();
    let holds = condition.status == "True";
    let is = |type_: JobCondition| condition.type_ == type_.as_str();
    let because = |reason: JobReason| condition.reason == reason.as_str();
    if is(JobCondition::VolumesReady) {
        return match (holds, known_before) {
            (false, _) => Some(Note::warning("VolumesNotReady", OBSERVE, message)),
            (true, true) => Some(Note::normal("VolumesReady", OBSERVE, message)),
            (true, false) => None,
        };
    }
    if is(JobCondition::Accepted) {
        return (!holds).then(|| Note::warning(condition.reason.clone(), APPLY, message));
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
    // What a run waits for while it is pending has a condition, and so an Event, of its own.
    (because(JobReason::Waiting) && status.stage != Some(Stage::Pending))
        .then(|| Note::warning("PodsNotRunning", OBSERVE, message))
}

#[cfg(test)]
mod tests;
