//! The thread that gathers files into groups, and sees to what follows once a group is recorded.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Instant;

use super::super::error::Error;
use super::super::records::{Done, Outcome};
use super::super::store::Store;
use super::desk::End;
use super::group::{AGE, BYTES, FILES, Groups, Item, What};
use super::limits::{FailedCount, Room};
use super::shard::Known;
use super::{Work, not_too_many};

/// What the gathering thread is sent.
pub enum Message<'a> {
    /// This belongs to the next group.
    Item(Box<Item<'a>>),
    /// The group is complete: nothing comes before it is recorded.
    Flush,
}

/// Gathers groups.
pub struct Gatherer<'a> {
    pub groups: Groups<'a>,
    pub failed: FailedCount,
    pub room: Room,
    pub store: &'a Store,
}

impl<'a> Gatherer<'a> {
    /// Gathers until nobody sends any more.
    pub fn run(mut self, messages: &Receiver<Message<'a>>, work: &Work<'_>) -> Result<(), Error> {
        while let Ok(message) = messages.recv() {
            let Message::Item(first) = message else { continue };
            let mut group = gathered(*first, messages);
            // Records in the plan's order read better.
            group.sort_by_key(|item| item.done().n);
            let places = self.groups.commit(&mut group)?;
            self.settle(group, &places, work);
        }
        Ok(())
    }

    /// All of a group is recorded.
    fn settle(&mut self, group: Vec<Item<'_>>, places: &[u64], work: &Work<'_>) {
        let mut failed = 0;
        for (item, at) in group.into_iter().zip(places) {
            let Item { what, busy, reading } = item;
            let (done, is_source) = match what {
                What::Source(done, _) => (done, true),
                // All of them are records by now.
                What::Record(done) => (done, false),
                What::Written(written) => (Box::new(written.1), false),
            };
            let before = work.progress.settle(done.n, Known::of(&done, *at), reading);
            if !is_source {
                tell(&done);
            }
            if done.outcome == Outcome::Failed && before.is_none_or(|before| before.outcome != Outcome::Failed) {
                failed += 1;
            }
            if self.room.is_none_after(&done) {
                work.desk.end(End::Failed(Error::no_room(work.bench.folders().destination())));
            }
            if is_source || done.outcome == Outcome::Failed || done.source.is_some() || work.bench.sources.stay() {
                work.desk.settled();
            } else {
                work.desk.release(done);
            }
            drop(busy);
        }
        // On a full disk: what is not counted is recorded all the same.
        if let Err(error) = self.failed.add(failed) {
            tracing::warn!(%error, failed, "failed files could not be counted in {}", self.store.failed_count().display());
        }
        // The files of other shards count too.
        if let Err(error) = not_too_many(&self.failed, self.store) {
            work.desk.end(End::Failed(error));
        }
    }
}

/// A group that begins with this.
fn gathered<'a>(first: Item<'a>, messages: &Receiver<Message<'a>>) -> Vec<Item<'a>> {
    let complete_at = Instant::now() + AGE;
    let mut bytes = first.bytes();
    let mut group = Vec::with_capacity(FILES);
    group.push(first);
    while group.len() < FILES && bytes < BYTES {
        match messages.recv_timeout(complete_at.saturating_duration_since(Instant::now())) {
            Ok(Message::Item(item)) => {
                bytes += item.bytes();
                group.push(*item);
            }
            Ok(Message::Flush) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        }
    }
    group
}

fn tell(done: &Done) {
    let path = done.path.text();
    match done.outcome {
        Outcome::Failed => {
            let (reason, message) = (done.reason.as_deref(), done.message.as_deref());
            tracing::warn!(path, reason, message, "failed");
        }
        Outcome::Skipped => tracing::debug!(path, reason = done.reason.as_deref(), "skipped"),
        Outcome::Converted => {
            for warning in &done.warnings {
                tracing::warn!(path, code = warning.code, "{}", warning.message);
            }
            tracing::debug!(path, bytes = done.output_bytes, "converted");
        }
    }
}
