//! From an upload into an encoder, and how long that may take.

use std::{collections::VecDeque, future::Future, time::Duration};

use bytes::Bytes;
use tokio::time::timeout;

use super::{encode::Encoder, problem::Failure, upload::Upload};
use crate::convert::Output;

/// Bytes read ahead of the encoder. Beyond it the client's connection waits.
const READ_AHEAD: usize = 256 * 1024;

/// Feeds the upload's current file to its end. Reads and encodes at the same time, so that neither waits for the other
/// while there is room.
pub(super) async fn feed<O: Output + Send + 'static>(
    encoder: &mut Encoder<O>,
    upload: &mut Upload,
) -> Result<(), Failure> {
    let mut ahead: VecDeque<Bytes> = VecDeque::new();
    let mut ahead_bytes = 0;
    let mut ended = false;
    loop {
        if !encoder.is_busy() {
            if !ahead.is_empty() {
                ahead_bytes = 0;
                encoder.start(std::mem::take(&mut ahead).into()).await?;
            } else if ended {
                return Ok(());
            }
        }
        tokio::select! {
            biased;
            // Also while nothing comes: a refused upload is answered at once, not with its next byte.
            settled = encoder.settle(), if encoder.is_busy() => settled?,
            piece = upload.next(), if !ended && ahead_bytes < READ_AHEAD => match piece? {
                Some(piece) => {
                    ahead_bytes += piece.len();
                    ahead.push_back(piece);
                }
                None => ended = true,
            },
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
