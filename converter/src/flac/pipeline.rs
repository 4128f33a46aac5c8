//! Blocks in, their frames out in order, made by several threads.
//!
//! Frames of a stream depend on nothing but their block (RFC 9639 §9.1), so any thread may make any of them; what comes
//! out, errors included, is the same with one thread as with many. Only STREAMINFO's MD5 goes through all blocks in
//! order, and takes as long as the encoding at the middle levels: each block is digested before it is encoded, by
//! whichever thread comes to it, one at a time. The caller's thread is one of them: it makes frames
//! itself whenever it would have to wait, so `threads` of 1 starts no thread at all, and a system that refuses to start
//! more threads only makes it slower.
//!
//! Workers start one by one as blocks pile up, take the oldest block that nobody has begun, and live as long as the
//! pipeline. The blocks under way are bounded in number and bytes; their buffers go round.
//!
//! To wake a thread takes as long as to encode a part of a block. So a worker that has run out of blocks is woken only when
//! a few wait, or when the caller says that it has no more for now.

use std::any::Any;
use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use super::encoder::{Block, EncodeError, FrameEncoder};
use super::md5::Md5;
use super::spare::SpareCores;

/// Makes one more encoder, each the same as the others.
pub(super) type MakeEncoder = Box<dyn Fn() -> Result<Box<dyn FrameEncoder>, EncodeError> + Send>;

/// Blocks under way for each thread: one that is encoded, and one to go on with.
const SLOTS_PER_THREAD: usize = 2;
/// Blocks to go on with while the caller reads and writes.
const SLOTS_BESIDE: usize = 8;
/// Blocks that have to wait before a sleeping thread is woken for them, where there are slots enough.
const WORTH_WAKING: usize = 3;
/// Bytes under way for each thread, and for all together. Blocks of up to 4096 samples stay well below.
const BYTES_PER_THREAD: usize = 1 << 20;
const BYTES_FOR_ALL: usize = 4 << 20;

/// A block on its way through the pipeline, and its frame.
#[derive(Debug, Default)]
pub(super) struct Slot {
    number: u64,
    /// The block's samples, as [`Block::pcm`] has them.
    pub pcm: Vec<u8>,
    /// Bytes of the block that the frame is made of.
    pub length: usize,
    /// The frame, once it is made.
    pub frame: Vec<u8>,
    result: Option<Result<(), EncodeError>>,
}

/// The ordered pipeline.
pub(super) struct Pipeline {
    shared: Arc<Shared>,
    /// The caller's own.
    encoder: Box<dyn FrameEncoder>,
    make: MakeEncoder,
    workers: Vec<JoinHandle<()>>,
    max_workers: usize,
    /// Where each worker's core comes from, if it is shared with others.
    cores: Option<SpareCores>,
    /// How many more slots may be made.
    slots_left: usize,
    free: Vec<Slot>,
    /// Frames that were made, in order, the next first.
    ready: VecDeque<Slot>,
    /// Blocks wait that an idle worker was not woken for.
    unannounced: bool,
    /// Blocks put in.
    next_in: u64,
    /// Frames taken out.
    next_out: u64,
}

/// What the threads share.
struct Shared {
    state: Mutex<State>,
    /// A block waits, or all is over.
    work: Condvar,
    /// The frame that the caller waits for is made, or there is something for it to do meanwhile.
    made: Condvar,
    worth_waking: usize,
}

#[derive(Default)]
struct State {
    /// Blocks that are still to be digested, the oldest first.
    undigested: VecDeque<Slot>,
    /// Of all blocks before those. None while a thread has it, to digest one more.
    md5: Option<Md5>,
    /// Blocks that were digested and that nobody has begun to encode, the oldest first.
    waiting: VecDeque<Slot>,
    /// Frames that were made, by their distance from the next to be taken out.
    made: VecDeque<Option<Slot>>,
    next_out: u64,
    idle_workers: usize,
    caller_waits: bool,
    over: bool,
}

impl Pipeline {
    /// A pipeline for blocks of up to `block_bytes`, whose encoders `make` makes. At most `threads` work at a time. `md5`
    /// goes on through all blocks.
    pub fn new(make: MakeEncoder, md5: Md5, threads: NonZeroUsize, block_bytes: usize) -> Result<Self, EncodeError> {
        let encoder = make()?;
        // The frame may be as large as the block.
        let bytes = BYTES_FOR_ALL.saturating_add(threads.get().saturating_mul(BYTES_PER_THREAD));
        let slots = (bytes / block_bytes.saturating_mul(2).max(1)).max(2);
        let (slots, max_workers) = match threads.get() {
            1 => (1, 0),
            threads => {
                let wanted = threads.saturating_mul(SLOTS_PER_THREAD).saturating_add(SLOTS_BESIDE);
                (slots.min(wanted), threads.min(slots) - 1)
            }
        };
        let workers = Vec::new();
        let shared = Arc::new(Shared {
            state: Mutex::new(State { md5: Some(md5), ..State::default() }),
            work: Condvar::new(),
            made: Condvar::new(),
            worth_waking: (slots / 4).clamp(1, WORTH_WAKING),
        });
        Ok(Self {
            shared,
            encoder,
            make,
            workers,
            max_workers,
            cores: None,
            slots_left: slots,
            free: vec![],
            ready: VecDeque::new(),
            unannounced: false,
            next_in: 0,
            next_out: 0,
        })
    }

    /// The same where so many blocks were made into frames before. To be called before any block is put in.
    #[must_use]
    pub fn after(mut self, blocks: u64) -> Self {
        (self.next_in, self.next_out) = (blocks, blocks);
        self.shared.lock().next_out = blocks;
        self
    }

    /// The same with a worker only for each core that is spare.
    #[must_use]
    pub fn with_spare(mut self, cores: Option<SpareCores>) -> Self {
        self.cores = cores;
        self
    }

    /// Whether no block is under way.
    pub fn is_empty(&self) -> bool {
        self.next_in == self.next_out
    }

    /// An empty slot for the next block. None: a frame has to be taken out first.
    pub fn slot(&mut self) -> Option<Slot> {
        self.free.pop().or_else(|| {
            self.slots_left = self.slots_left.checked_sub(1)?;
            Some(Slot::default())
        })
    }

    /// Gives a slot back whose frame is no longer needed.
    pub fn recycle(&mut self, mut slot: Slot) {
        slot.pcm.clear();
        slot.frame.clear();
        slot.result = None;
        self.free.push(slot);
    }

    /// Puts the next block in. An encoder that a new worker needs may fail to be made.
    pub fn put(&mut self, mut slot: Slot) -> Result<(), EncodeError> {
        (slot.number, slot.length) = (self.next_in, slot.pcm.len());
        self.next_in += 1;
        let mut state = self.shared.lock();
        state.undigested.push_back(slot);
        let (waiting, idle) = (state.undigested.len() + state.waiting.len(), state.idle_workers);
        while let Some(slot) = state.take_next() {
            self.ready.push_back(slot);
        }
        drop(state);
        self.unannounced = idle > 0 && waiting < self.shared.worth_waking;
        if idle > 0 && !self.unannounced {
            self.shared.work.notify_one();
        }
        // The caller takes one block itself when it has nothing else to do.
        if waiting > idle + 1 && self.workers.len() < self.max_workers {
            self.start_worker()?;
        }
        Ok(())
    }

    /// Has the workers begin what waits: the caller has no block to put in soon.
    pub fn announce(&mut self) {
        if std::mem::take(&mut self.unannounced) {
            self.shared.work.notify_one();
        }
    }

    /// Whether the caller does all by itself, and no block is under way.
    pub fn is_alone(&self) -> bool {
        self.max_workers == 0 && self.is_empty()
    }

    /// Makes the frame of the next block, which stays where it is, in an empty slot. Only for a caller that
    /// [is alone](Self::is_alone).
    pub fn make(&mut self, pcm: &[u8], slot: &mut Slot) -> Result<(), EncodeError> {
        let mut state = self.shared.lock();
        if let Some(md5) = &mut state.md5 {
            md5.update(pcm);
        }
        state.next_out += 1;
        drop(state);
        let block = Block { number: self.next_in, pcm };
        self.next_in += 1;
        self.next_out += 1;
        slot.length = pcm.len();
        make_frame(&mut *self.encoder, block, &mut slot.frame)
    }

    /// The digest of all blocks, which are all encoded.
    pub fn md5(&self) -> Option<Md5> {
        self.shared.lock().md5.clone()
    }

    fn start_worker(&mut self) -> Result<(), EncodeError> {
        if self.cores.as_ref().is_some_and(|cores| !cores.try_take()) {
            return Ok(());
        }
        let started = self.start_worker_on_its_core();
        if !matches!(started, Ok(true))
            && let Some(cores) = &self.cores
        {
            cores.give();
        }
        started.map(drop)
    }

    /// Whether it could be started.
    fn start_worker_on_its_core(&mut self) -> Result<bool, EncodeError> {
        let encoder = (self.make)()?;
        let shared = Arc::clone(&self.shared);
        if let Ok(worker) = Builder::new().name("encoder".to_owned()).spawn(move || work(&shared, encoder)) {
            self.workers.push(worker);
            return Ok(true);
        }
        // No more threads to be had: those that are there do it all.
        self.max_workers = self.workers.len();
        Ok(false)
    }

    /// The next frame, if it was made when the latest block was put in; no waiting.
    pub fn take_made(&mut self) -> Result<Option<Slot>, EncodeError> {
        let slot = self.ready.pop_front();
        self.checked(slot)
    }

    /// The next frame; none if there is no block in the pipeline. Makes frames, or waits, until it is there.
    pub fn take(&mut self) -> Result<Option<Slot>, EncodeError> {
        if let Some(slot) = self.ready.pop_front() {
            return self.checked(Some(slot));
        }
        if self.next_out == self.next_in {
            return Ok(None);
        }
        self.announce();
        let mut state = self.shared.lock();
        loop {
            if let Some(slot) = state.take_next() {
                drop(state);
                return self.checked(Some(slot));
            }
            if let Some(task) = state.next_task() {
                drop(state);
                let done = task.run(&mut *self.encoder);
                state = self.shared.lock();
                state.put_done(done);
            } else {
                state.caller_waits = true;
                state = self.shared.made.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.caller_waits = false;
            }
        }
    }

    fn checked(&mut self, slot: Option<Slot>) -> Result<Option<Slot>, EncodeError> {
        let Some(mut slot) = slot else { return Ok(None) };
        self.next_out += 1;
        // A slot is put among the made ones only with a result.
        slot.result.take().unwrap_or(Ok(()))?;
        Ok(Some(slot))
    }
}

impl Drop for Pipeline {
    /// Waits for the workers, which finish no more than the block that each has begun.
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.over = true;
        state.undigested.clear();
        state.waiting.clear();
        drop(state);
        self.shared.work.notify_all();
        for worker in self.workers.drain(..) {
            // Its panics were caught; there is nothing to tell.
            _ = worker.join();
            if let Some(cores) = &self.cores {
                cores.give();
            }
        }
    }
}

impl Shared {
    /// The state. No code that holds it can panic half-way, so it is sound even if a thread did.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something to do with a block.
enum Task {
    Digest(Slot, Md5),
    Encode(Slot),
}

/// What was done.
enum Done {
    Digested(Slot, Md5),
    Encoded(Slot),
}

impl Task {
    fn run(self, encoder: &mut dyn FrameEncoder) -> Done {
        match self {
            Self::Digest(slot, mut md5) => {
                md5.update(&slot.pcm);
                Done::Digested(slot, md5)
            }
            Self::Encode(mut slot) => {
                let Slot { number, pcm, frame, result, .. } = &mut slot;
                *result = Some(make_frame(encoder, Block { number: *number, pcm }, frame));
                Done::Encoded(slot)
            }
        }
    }
}

impl State {
    /// To digest comes first: only one thread can do that at a time, so what is put off can hardly be caught up with.
    fn next_task(&mut self) -> Option<Task> {
        match self.md5.take() {
            Some(md5) if !self.undigested.is_empty() => self.undigested.pop_front().map(|slot| Task::Digest(slot, md5)),
            md5 => {
                self.md5 = md5;
                self.waiting.pop_front().map(Task::Encode)
            }
        }
    }

    fn put_done(&mut self, done: Done) {
        match done {
            Done::Digested(slot, md5) => {
                self.md5 = Some(md5);
                self.waiting.push_back(slot);
            }
            Done::Encoded(slot) => self.put_made(slot),
        }
    }

    fn take_next(&mut self) -> Option<Slot> {
        self.made.front()?.as_ref()?;
        self.next_out += 1;
        self.made.pop_front()?
    }

    fn put_made(&mut self, slot: Slot) {
        // No farther than there are slots.
        let place = usize::try_from(slot.number - self.next_out).unwrap_or(usize::MAX);
        while self.made.len() <= place {
            self.made.push_back(None);
        }
        if let Some(kept) = self.made.get_mut(place) {
            *kept = Some(slot);
        }
    }
}

/// Makes a block's frame.
fn make_frame(encoder: &mut dyn FrameEncoder, block: Block<'_>, frame: &mut Vec<u8>) -> Result<(), EncodeError> {
    // After a panic the frame is thrown away, and so is the encoder: the conversion ends with this error.
    let made = catch_unwind(AssertUnwindSafe(|| encoder.encode(block, frame)));
    made.unwrap_or_else(|panic| Err(EncodeError::Panicked(panic_text(&*panic))))
}

/// The life of a worker.
fn work(shared: &Shared, mut encoder: Box<dyn FrameEncoder>) {
    let mut state = shared.lock();
    while !state.over {
        if let Some(task) = state.next_task() {
            drop(state);
            let done = task.run(&mut *encoder);
            state = shared.lock();
            state.put_done(done);
            let worth = state.waiting.len() >= shared.worth_waking;
            if state.caller_waits && (worth || state.made.front().is_some_and(Option::is_some)) {
                shared.made.notify_one();
            } else if state.idle_workers > 0 && worth {
                shared.work.notify_one();
            }
        } else {
            state.idle_workers += 1;
            state = shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle_workers -= 1;
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message").to_owned()
}

#[cfg(test)]
mod tests;
