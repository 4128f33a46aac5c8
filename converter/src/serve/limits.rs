//! The bounds on what a client may send in a request's body: how much, how slowly, and how much of a form around the file.

use std::{
    collections::VecDeque,
    error::Error as _,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures::{Stream, StreamExt};

use super::{
    args::Args,
    pace::{Pace, Verdict},
    problem::Failure,
};
use crate::bytesize::ByteSize;

/// What a multipart form may hold around the file, in all: boundaries, part headers and other fields.
pub(super) const FORM_OVERHEAD: u64 = 64 * 1024;

/// Most of a body that is read while it waits for its turn: enough to see that the client has left.
const AHEAD: usize = 64 * 1024;

/// What is known about a body while it is read; shared with the stream that reads it.
#[derive(Debug, Default)]
pub(super) struct Seen {
    bytes: AtomicU64,
    /// Bytes since the file's last byte, or the form's start. See [`Self::in_file`].
    around: AtomicU64,
    ended: AtomicBool,
}

impl Seen {
    /// Bytes of the body that have come.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether the body has come to its end.
    pub(super) fn ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// The form's reader has handed out bytes of the file, so what has come so far is no overhead.
    pub(super) fn in_file(&self) {
        self.around.store(0, Ordering::Relaxed);
    }
}

/// A request's body as a stream of pieces that ends in a [`Failure`] when it breaks a bound.
pub(super) struct Intake {
    body: BodyDataStream,
    seen: Arc<Seen>,
    limit: ByteSize,
    most: u64,
    most_around: u64,
    pace: Pace,
    patience: Duration,
    rate: ByteSize,
    /// What was read while the upload waited for its turn.
    ahead: VecDeque<Bytes>,
    /// Whether `body` has come to its end.
    over: bool,
    /// Whether the last poll gave a piece. The next one then first gives way: multer polls for as long as there are
    /// pieces and keeps them all, so that a fast client would fill the memory.
    gave: bool,
}

impl Intake {
    /// A body that may hold as much as a file, as the body itself.
    pub(super) fn raw(body: Body, args: &Args) -> Self {
        let (limit, patience, rate) = (args.max_upload_size, args.idle_timeout, args.min_upload_rate);
        Self {
            body: body.into_data_stream(),
            seen: Arc::default(),
            limit,
            most: limit.0,
            most_around: u64::MAX,
            pace: Pace::new(patience, rate.0),
            patience,
            rate,
            ahead: VecDeque::new(),
            over: false,
            gave: false,
        }
    }

    /// A body that may hold as much in a multipart form.
    pub(super) fn form(body: Body, args: &Args) -> Self {
        let most = args.max_upload_size.0.saturating_add(FORM_OVERHEAD);
        Self { most, most_around: FORM_OVERHEAD, ..Self::raw(body, args) }
    }

    /// What is known of the body.
    pub(super) fn seen(&self) -> Arc<Seen> {
        Arc::clone(&self.seen)
    }

    /// Refuses a body whose declared length is over the bound before any of it is read.
    pub(super) fn check_declared(&self, length: Option<u64>) -> Result<(), Failure> {
        match length {
            Some(length) if length > self.most => Err(Failure::TooLarge { limit: self.limit }),
            _ => Ok(()),
        }
    }

    /// Waits until the client has left, which only reading can tell. Reads no more than a little, and what it reads is not
    /// lost. Safe to drop while waiting.
    pub(super) async fn left(&mut self) -> Failure {
        let mut bytes: usize = self.ahead.iter().map(Bytes::len).sum();
        while bytes < AHEAD && !self.over {
            match self.body.next().await {
                Some(Ok(piece)) => {
                    bytes += piece.len();
                    self.ahead.push_back(piece);
                }
                Some(Err(error)) => return broken(&error),
                None => self.over = true,
            }
        }
        std::future::pending().await
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, axum::Error>>> {
        if let Some(piece) = self.ahead.pop_front() {
            return Poll::Ready(Some(Ok(piece)));
        }
        if self.over {
            return Poll::Ready(None);
        }
        let polled = Pin::new(&mut self.body).poll_next(cx);
        self.over = matches!(polled, Poll::Ready(None));
        polled
    }

    fn counted(&self, piece: Bytes) -> Result<Bytes, Failure> {
        let bytes = piece.len() as u64;
        if self.seen.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) > self.most {
            return Err(Failure::TooLarge { limit: self.limit });
        }
        // Checked before this piece is counted: it may be the one with the end of the overhead and much of the file.
        if self.seen.around.fetch_add(bytes, Ordering::Relaxed) > self.most_around {
            return Err(Failure::FormOverhead { most: ByteSize(FORM_OVERHEAD) });
        }
        Ok(piece)
    }
}

impl Stream for Intake {
    type Item = Result<Bytes, Failure>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.gave) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        match self.poll_body(cx) {
            Poll::Ready(Some(Ok(piece))) => {
                self.pace.came(piece.len() as u64);
                self.gave = true;
                Poll::Ready(Some(self.counted(piece)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(broken(&error)))),
            Poll::Ready(None) => {
                self.seen.ended.store(true, Ordering::Relaxed);
                Poll::Ready(None)
            }
            Poll::Pending => Poll::Ready(Some(Err(match ready!(self.pace.poll_over(cx)) {
                Verdict::Silent => Failure::Idle { seconds: self.patience.as_secs() },
                Verdict::Slow => Failure::TooSlow { rate: self.rate },
            }))),
        }
    }
}

/// Why a body ends before its end: its chunks cannot be read, or the client has left.
fn broken(error: &axum::Error) -> Failure {
    let mut cause = error.source();
    while let Some(error) = cause {
        let kind = error.downcast_ref().map(io::Error::kind);
        if matches!(kind, Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)) {
            return Failure::MalformedBody;
        }
        cause = error.source();
    }
    Failure::ClientGone
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{FutureExt, stream};

    fn args(limit: u64) -> Args {
        Args { max_upload_size: ByteSize(limit), ..crate::serve::args::tests::defaults() }
    }

    fn body(pieces: &[usize]) -> Body {
        let pieces: Vec<_> = pieces.iter().map(|count| Ok::<_, std::io::Error>(Bytes::from(vec![0; *count]))).collect();
        Body::from_stream(stream::iter(pieces))
    }

    async fn codes(mut intake: Intake) -> Vec<Result<usize, &'static str>> {
        let mut codes = Vec::new();
        while let Some(piece) = intake.next().await {
            let failed = piece.is_err();
            codes.push(piece.map(|piece| piece.len()).map_err(|failure| failure.code()));
            if failed {
                break;
            }
        }
        codes
    }

    #[tokio::test]
    async fn the_size_limit_is_exact_and_counts_as_bytes_come() {
        let intake = Intake::raw(body(&[60, 40]), &args(100));
        let seen = intake.seen();
        assert_eq!(codes(intake).await, [Ok(60), Ok(40)]);
        assert!(seen.ended());
        assert_eq!(seen.bytes(), 100);
        let intake = Intake::raw(body(&[60, 41, 1]), &args(100));
        let seen = intake.seen();
        assert_eq!(codes(intake).await, [Ok(60), Err("too_large")]);
        assert!(!seen.ended());
    }

    #[tokio::test]
    async fn a_declared_length_is_refused_at_once() {
        let raw = Intake::raw(Body::empty(), &args(100));
        assert!(raw.check_declared(Some(100)).is_ok() && raw.check_declared(None).is_ok());
        assert!(matches!(raw.check_declared(Some(101)), Err(Failure::TooLarge { .. })));
        let form = Intake::form(Body::empty(), &args(100));
        assert!(form.check_declared(Some(100 + FORM_OVERHEAD)).is_ok());
        assert!(form.check_declared(Some(101 + FORM_OVERHEAD)).is_err());
    }

    #[tokio::test]
    async fn what_lies_around_the_file_is_bounded() {
        let intake = Intake::form(body(&[60_000, 60_000, 1]), &args(1 << 30));
        assert_eq!(codes(intake).await, [Ok(60_000), Ok(60_000), Err("malformed_form")]);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_the_upload() {
        let silent = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(codes(Intake::raw(silent, &args(100))).await, [Err("idle")]);
    }

    #[tokio::test]
    async fn what_is_read_while_waiting_is_bounded_and_not_lost() {
        let mut intake = Intake::raw(body(&[60_000, 60_000, 60_000, 7]), &args(1 << 30));
        assert!(intake.left().now_or_never().is_none());
        assert_eq!((intake.ahead.len(), intake.seen.bytes()), (2, 0));
        assert_eq!(codes(intake).await, [Ok(60_000), Ok(60_000), Ok(60_000), Ok(7)]);
        let mut whole = Intake::raw(body(&[3, 4]), &args(100));
        assert!(whole.left().now_or_never().is_none());
        assert_eq!(codes(whole).await, [Ok(3), Ok(4)]);
    }

    #[tokio::test]
    async fn a_client_that_leaves_is_seen_while_it_waits() {
        let pieces = [Ok(Bytes::from_static(b"RIFF")), Err(std::io::Error::other("reset"))];
        let mut intake = Intake::raw(Body::from_stream(stream::iter(pieces)), &args(100));
        assert_eq!(intake.left().await.code(), "client_gone");
    }
    #[tokio::test]
    async fn chunks_that_cannot_be_read_are_told_from_a_client_that_left() {
        for (kind, code) in [
            (io::ErrorKind::InvalidInput, "malformed_body"),
            (io::ErrorKind::InvalidData, "malformed_body"),
            (io::ErrorKind::UnexpectedEof, "client_gone"),
            (io::ErrorKind::ConnectionReset, "client_gone"),
        ] {
            let broken = || Body::from_stream(stream::iter([Err::<Bytes, _>(io::Error::from(kind))]));
            assert_eq!(codes(Intake::raw(broken(), &args(100))).await, [Err(code)]);
            assert_eq!(Intake::raw(broken(), &args(100)).left().await.code(), code);
        }
    }
}
