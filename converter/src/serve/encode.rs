//! Drives [`Conversion`] for async callers.
//!
//! Encoding is CPU work of milliseconds a piece and would hold up every other connection on an async thread. So each
//! piece of input becomes one job on the runtime's blocking pool, and the conversion travels into the job and back. The
//! other way, one blocked thread for each upload or stream for as long as it lasts, would let a few hundred slow
//! clients use up the pool; here a client that sends nothing holds no thread. A semaphore lets as many jobs run at once
//! as there are cores: waiting pieces queue fairly, and the encoder's per-thread buffers stay few.

use std::sync::Arc;

use bytes::Bytes;
use tokio::{sync::Semaphore, task::JoinHandle};

use super::problem::Failure;
use crate::convert::{Conversion, ConvertError, Options, Output, Summary};

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
}

impl<O: Output + Send + 'static> Encoder<O> {
    pub(super) fn new(options: &Options, output: O, cores: &Arc<Semaphore>) -> Self {
        Self::of(Conversion::new(options), output, cores)
    }

    /// One that goes on with a conversion.
    pub(super) fn of(conversion: Conversion, output: O, cores: &Arc<Semaphore>) -> Self {
        let work = Work { conversion, output };
        Self { state: State::Idle(Box::new(work)), cores: Arc::clone(cores) }
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

    /// Starts encoding these pieces, once a core is free for them. Waits for what is being encoded first.
    pub(super) async fn start(&mut self, pieces: Vec<Bytes>) -> Result<(), Failure> {
        self.settle().await?;
        let core = Arc::clone(&self.cores).acquire_owned().await.map_err(lost)?;
        match std::mem::replace(&mut self.state, State::Gone) {
            State::Idle(mut work) => {
                self.state = State::Busy(tokio::task::spawn_blocking(move || {
                    let Work { conversion, output } = &mut *work;
                    let result = pieces.iter().try_for_each(|piece| conversion.push(piece, output));
                    drop(core);
                    (result, work)
                }));
                Ok(())
            }
            _ => Err(lost("a conversion was used after it had failed")),
        }
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
            let failure = lost("a conversion was finished after it had failed");
            return (Err(failure), None);
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

fn lost(error: impl std::fmt::Display) -> Failure {
    Failure::Internal(format!("the encoder's job was lost: {error}"))
}
