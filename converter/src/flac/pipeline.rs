//! Blocks in, their frames out in order, made by several threads.
//!
//! Frames of a stream depend on nothing but their block (RFC 9639 §9.1), so any thread may make any of them; what comes
//! out, errors included, is the same with one thread as with many. The caller's thread is one of them: it makes frames
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

/// Makes one more encoder, each the same as the others.
pub(super) type MakeEncoder = Box<dyn Fn() -> Result<Box<dyn FrameEncoder>, EncodeError> + Send>;

/// Blocks under way for each thread: one that is encoded, and one to go on with.
const SLOTS_PER_THREAD: usize = 2;
/// Blocks to go on with while the caller reads and writes.
const SLOTS_BESIDE: usize = 8;
/// Blocks that have to wait before a worker is woken, where there are slots enough.
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
    /// How many more slots may be made.
    slots_left: usize,
    free: Vec<Slot>,
    /// Frames that were made, in order, the next first.
    ready: VecDeque<Slot>,
    worth_waking: usize,
    /// Blocks wait that an idle worker was not woken for.
    unannounced: bool,
    /// Blocks put in.
    next_in: u64,
    /// Frames taken out.
    next_out: u64,
}

/// What the threads share.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// A block waits, or all is over.
    work: Condvar,
    /// The frame that the caller waits for is made.
    made: Condvar,
}

#[derive(Default)]
struct State {
    /// Blocks that nobody has begun, the oldest first.
    waiting: VecDeque<Slot>,
    /// Frames that were made, by their distance from the next to be taken out.
    made: VecDeque<Option<Slot>>,
    next_out: u64,
    idle_workers: usize,
    caller_waits: bool,
    over: bool,
}

impl Pipeline {
    /// A pipeline for blocks of up to `block_bytes`, whose encoders `make` makes. At most `threads` encode at a time.
    pub fn new(make: MakeEncoder, threads: NonZeroUsize, block_bytes: usize) -> Result<Self, EncodeError> {
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
        let shared = Arc::default();
        Ok(Self {
            shared,
            encoder,
            make,
            workers,
            max_workers,
            slots_left: slots,
            free: vec![],
            ready: VecDeque::new(),
            worth_waking: (slots / 4).clamp(1, WORTH_WAKING),
            unannounced: false,
            next_in: 0,
            next_out: 0,
        })
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
        slot.number = self.next_in;
        self.next_in += 1;
        let mut state = self.shared.lock();
        state.waiting.push_back(slot);
        let (waiting, idle) = (state.waiting.len(), state.idle_workers);
        while let Some(slot) = state.take_next() {
            self.ready.push_back(slot);
        }
        drop(state);
        self.unannounced = idle > 0 && waiting < self.worth_waking;
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

    fn start_worker(&mut self) -> Result<(), EncodeError> {
        let encoder = (self.make)()?;
        let shared = Arc::clone(&self.shared);
        match Builder::new().name("encoder".to_owned()).spawn(move || work(&shared, encoder)) {
            Ok(worker) => self.workers.push(worker),
            // No more threads to be had: those that are there do it all.
            Err(_) => self.max_workers = self.workers.len(),
        }
        Ok(())
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
            if let Some(mut slot) = state.waiting.pop_front() {
                drop(state);
                slot.make_frame(&mut *self.encoder);
                state = self.shared.lock();
                state.put_made(slot);
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
        state.waiting.clear();
        drop(state);
        self.shared.work.notify_all();
        for worker in self.workers.drain(..) {
            // Its panics were caught; there is nothing to tell.
            _ = worker.join();
        }
    }
}

impl Shared {
    /// The state. No code that holds it can panic half-way, so it is sound even if a thread did.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
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

impl Slot {
    /// Makes the block's frame. Whatever happens, it has a result then.
    fn make_frame(&mut self, encoder: &mut dyn FrameEncoder) {
        let Self { number, pcm, frame, result } = self;
        let block = Block { number: *number, pcm };
        // After a panic the frame is thrown away, and so is the encoder: the conversion ends with this error.
        let made = catch_unwind(AssertUnwindSafe(|| encoder.encode(block, frame)));
        *result = Some(made.unwrap_or_else(|panic| Err(EncodeError::Panicked(panic_text(&*panic)))));
    }
}

/// The life of a worker.
fn work(shared: &Shared, mut encoder: Box<dyn FrameEncoder>) {
    let mut state = shared.lock();
    while !state.over {
        if let Some(mut slot) = state.waiting.pop_front() {
            drop(state);
            slot.make_frame(&mut *encoder);
            state = shared.lock();
            let awaited = state.caller_waits && slot.number == state.next_out;
            state.put_made(slot);
            if awaited {
                shared.made.notify_one();
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
