//! Drives [`Conversion`] for async callers.
//!
//! Encoding an upload is CPU work of milliseconds a piece and would hold up every other connection on an async thread. So
//! each piece of input becomes one job on the runtime's blocking pool, and the conversion travels into the job and back.
//! The other way, one blocked thread for each upload or stream for as long as it lasts, would let a few hundred slow
//! clients use up the pool; here a client that sends nothing holds no thread. A semaphore lets as many jobs run at once
//! as there are cores, so that waiting pieces queue fairly.
//!
//! The messages of live streams are small: to hand one to another thread and back takes longer than to encode it. What
//! completes a block at most, and not a large one, is encoded where it is.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use bytes::Bytes;
use tokio::{sync::Semaphore, task::JoinHandle};

use super::problem::Failure;
use crate::convert::{Conversion, ConvertError, Engine, Options, Output, Summary};

/// Most bytes that are encoded on the caller's thread: 93 ms of CD audio.
const SMALL_PIECES: usize = 16 * 1024;
/// Longest blocks whose pieces may be: with 8 channels one takes about a millisecond at the highest level.
const SMALL_BLOCK: u16 = 8192;

/// A conversion and its output, which travel together.
struct Work<O> {
    conversion: Conversion,
    output: O,
}

type Job<O> = JoinHandle<(Result<(), ConvertError>, Box<Work<O>>)>;

enum State<O> {
    Idle(Box<Work<O>>),
    Busy(Job<O>),
    /// The last job failed or was lost.
    Gone,
}

/// One conversion fed from async code. After an error only [`Self::into_output`] is of use.
pub(super) struct Encoder<O> {
    state: State<O>,
    cores: Arc<Semaphore>,
    /// Whether small pieces are little work.
    light: bool,
}

impl<O: Output + Send + 'static> Encoder<O> {
    pub(super) fn new(options: &Options, output: O, cores: &Arc<Semaphore>) -> Self {
        Self::of(Conversion::new(options), options, output, cores)
    }

    /// One that goes on with a conversion, which has these options.
    pub(super) fn of(conversion: Conversion, options: &Options, output: O, cores: &Arc<Semaphore>) -> Self {
        let work = Work { conversion, output };
        let light = options.block_size <= SMALL_BLOCK && options.engine != Engine::Flacenc;
        Self { state: State::Idle(Box::new(work)), cores: Arc::clone(cores), light }
    }

    /// Whether a piece is being encoded.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self.state, State::Busy(_))
    }

    /// The conversion and its output, while no piece is being encoded.
    pub(super) fn idle(&mut self) -> Option<(&Conversion, &mut O)> {
        match &mut self.state {
            State::Idle(work) => Some((&work.conversion, &mut work.output)),
            _ => None,
        }
    }

    /// Encodes these pieces at once if that is little work. Else starts to, once a core is free for them. Waits for
    /// what is being encoded first.
    pub(super) async fn start(&mut self, pieces: Vec<Bytes>) -> Result<(), Failure> {
        self.settle().await?;
        if self.light && pieces.iter().map(Bytes::len).sum::<usize>() <= SMALL_PIECES {
            return self.encode_here(&pieces);
        }
        let core = Arc::clone(&self.cores).acquire_owned().await.map_err(lost)?;
        match std::mem::replace(&mut self.state, State::Gone) {
            State::Idle(mut work) => {
                self.state = State::Busy(tokio::task::spawn_blocking(move || {
                    let Work { conversion, output } = &mut *work;
                    let result = push(conversion, output, &pieces);
                    drop(core);
                    (result, work)
                }));
                Ok(())
            }
            _ => Err(used_after_failure()),
        }
    }

    fn encode_here(&mut self, pieces: &[Bytes]) -> Result<(), Failure> {
        let State::Idle(work) = &mut self.state else { return Err(used_after_failure()) };
        let Work { conversion, output } = &mut **work;
        let pushed = catch_unwind(AssertUnwindSafe(|| push(conversion, output, pieces)));
        pushed.map_or_else(
            |_| {
                // As a job that panics: nothing of it is used again.
                self.state = State::Gone;
                Err(lost("it panicked"))
            },
            |result| result.map_err(Failure::from),
        )
    }

    /// Waits until nothing is being encoded. Safe to drop while waiting: nothing is lost.
    pub(super) async fn settle(&mut self) -> Result<(), Failure> {
        let State::Busy(job) = &mut self.state else { return Ok(()) };
        match job.await {
            Ok((result, work)) => {
                self.state = State::Idle(work);
                result.map_err(Failure::from)
            }
            Err(error) => {
                self.state = State::Gone;
                Err(lost(error))
            }
        }
    }

    /// Ends the input. The output comes back in any case, unless the encoder panicked.
    pub(super) async fn finish(mut self) -> (Result<Summary, Failure>, Option<O>) {
        if let Err(failure) = self.settle().await {
            return (Err(failure), self.into_output());
        }
        let State::Idle(work) = self.state else {
            return (Err(used_after_failure()), None);
        };
        let Work { conversion, mut output } = *work;
        let core = self.cores.acquire_owned().await;
        let job = tokio::task::spawn_blocking(move || {
            let result = conversion.finish(&mut output);
            drop(core);
            (result, output)
        });
        match job.await {
            Ok((result, output)) => (result.map_err(Failure::from), Some(output)),
            Err(error) => (Err(lost(error)), None),
        }
    }

    /// The output, if no piece is being encoded.
    pub(super) fn into_output(self) -> Option<O> {
        match self.state {
            State::Idle(work) => Some(work.output),
            _ => None,
        }
    }
}

fn push(conversion: &mut Conversion, output: &mut impl Output, pieces: &[Bytes]) -> Result<(), ConvertError> {
    pieces.iter().try_for_each(|piece| conversion.push(piece, output))
}

fn used_after_failure() -> Failure {
    lost("a conversion was used after it had failed")
}

fn lost(error: impl std::fmt::Display) -> Failure {
    Failure::Internal(format!("the encoder's job was lost: {error}"))
}
