//! From an upload into an encoder, and how long that may take.

use std::{collections::VecDeque, future::Future, time::Duration};

use bytes::Bytes;
use futures::FutureExt;
use tokio::{task::yield_now, time::timeout};

use super::{encode::Encoder, problem::Failure, upload::Upload};
use crate::convert::Output;

/// Bytes read ahead of the encoder. Beyond it the client's connection waits. It is also the most that one job is given, and
/// each job costs some switches between threads.
const READ_AHEAD: usize = 1024 * 1024;

/// What has come of an upload and is not encoded yet.
#[derive(Default)]
struct Ahead {
    pieces: VecDeque<Bytes>,
    bytes: usize,
    ended: bool,
}

impl Ahead {
    fn has_room(&self) -> bool {
        !self.ended && self.bytes < READ_AHEAD
    }

    fn add(&mut self, piece: Option<Bytes>) {
        match piece {
            Some(piece) => {
                self.bytes += piece.len();
                self.pieces.push_back(piece);
            }
            None => self.ended = true,
        }
    }

    fn take(&mut self) -> Vec<Bytes> {
        self.bytes = 0;
        std::mem::take(&mut self.pieces).into()
    }

    /// Adds what is there without waiting for the client. The connection hands out a piece at a time and has to run to get
    /// the next one.
    async fn gather(&mut self, upload: &mut Upload) -> Result<(), Failure> {
        let mut yielded = false;
        while self.has_room() {
            match upload.next().now_or_never() {
                Some(piece) => {
                    self.add(piece?);
                    yielded = false;
                }
                None if yielded => return Ok(()),
                None => {
                    yielded = true;
                    yield_now().await;
                }
            }
        }
        Ok(())
    }
}

/// Feeds the upload's current file to its end. Reads and encodes at the same time, so that neither waits for the other
/// while there is room.
pub(super) async fn feed<O: Output + Send + 'static>(
    encoder: &mut Encoder<O>,
    upload: &mut Upload,
) -> Result<(), Failure> {
    let mut ahead = Ahead::default();
    loop {
        ahead.gather(upload).await?;
        if !encoder.is_busy() && !ahead.pieces.is_empty() {
            encoder.start(ahead.take()).await?;
        }
        let busy = encoder.is_busy();
        if !busy && ahead.ended {
            return Ok(());
        }
        tokio::select! {
            biased;
            // Also while nothing comes: a refused upload is answered at once, not with its next byte.
            settled = encoder.settle(), if busy => settled?,
            piece = upload.next(), if ahead.has_room() => ahead.add(piece?),
        }
    }
}

/// Gives the work up when its time is over. No limit: it may take any time.
pub(super) async fn in_time<T>(limit: Duration, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    if limit.is_zero() {
        return work.await;
    }
    timeout(limit, work).await.unwrap_or(Err(Failure::TookTooLong { seconds: limit.as_secs() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_is_given_up_when_its_time_is_over() {
        let hour = Duration::from_hours(1);
        let late = in_time(hour, std::future::pending::<Result<(), _>>()).await;
        assert!(matches!(late, Err(Failure::TookTooLong { seconds: 3600 })));
        let slow = async || {
            tokio::time::sleep(hour * 2).await;
            Ok(7)
        };
        assert_eq!(in_time(hour * 3, slow()).await.unwrap(), 7);
        assert_eq!(in_time(Duration::ZERO, slow()).await.unwrap(), 7);
    }
}
