//! Who converts now and who waits: so many conversions at once, so many more in line, and a refusal for the rest. First
//! come, first served; who leaves gives up the place.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Failure;

/// The line before the encoder.
#[derive(Debug)]
pub(super) struct Queue {
    places: Arc<Semaphore>,
    most: usize,
    waiting: AtomicUsize,
    most_waiting: usize,
}

/// A place among those that convert. Free again once dropped.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
}

/// One that waits.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Queue {
    /// A queue with `most` places, before which `most_waiting` may wait.
    pub(super) fn new(most: u32, most_waiting: u32) -> Self {
        let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let most = count(most);
        Self {
            places: Arc::new(Semaphore::new(most)),
            most,
            waiting: AtomicUsize::new(0),
            most_waiting: count(most_waiting),
        }
    }

    /// Takes a place if one is free.
    pub(super) fn free(&self) -> Option<Place> {
        // A place that becomes free goes to the first in line, so this one passes nobody.
        Arc::clone(&self.places).try_acquire_owned().ok().map(|permit| Place { _permit: permit })
    }

    /// Takes a place, at once or when it is this one's turn. Dropped while it waits, it leaves the line.
    pub(super) async fn enter(&self) -> Result<Place, Failure> {
        if let Some(place) = self.free() {
            return Ok(place);
        }
        self.waiting
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |waiting| {
                (waiting < self.most_waiting).then_some(waiting + 1)
            })
            .map_err(|_| Failure::QueueFull)?;
        let waiting = Waiting(&self.waiting);
        let permit = Arc::clone(&self.places).acquire_owned().await;
        drop(waiting);
        permit.map(|permit| Place { _permit: permit }).map_err(|error| Failure::Internal(error.to_string()))
    }

    /// Places taken.
    pub(super) fn active(&self) -> usize {
        self.most.saturating_sub(self.places.available_permits())
    }

    /// All places.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// How many may wait.
    pub(super) fn most_waiting(&self) -> usize {
        self.most_waiting
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn places_go_to_those_who_came_first_and_the_line_has_an_end() {
        let queue = Queue::new(1, 2);
        let first = queue.enter().now_or_never().unwrap().unwrap();
        let (mut second, mut third) = (Box::pin(queue.enter()), Box::pin(queue.enter()));
        assert!((&mut second).now_or_never().is_none() && (&mut third).now_or_never().is_none());
        assert_eq!((queue.active(), queue.most(), queue.waiting()), (1, 1, 2));
        assert!(matches!(queue.enter().now_or_never(), Some(Err(Failure::QueueFull))));
        drop(first);
        assert!((&mut third).now_or_never().is_none());
        let second = (&mut second).now_or_never().unwrap().unwrap();
        assert_eq!((queue.active(), queue.waiting()), (1, 1));
        drop(second);
        assert!(third.now_or_never().unwrap().is_ok());
        assert_eq!((queue.active(), queue.waiting()), (0, 0));
    }

    #[tokio::test]
    async fn who_leaves_the_line_makes_room_in_it() {
        let queue = Queue::new(1, 1);
        let first = queue.enter().await.unwrap();
        let mut second = Box::pin(queue.enter());
        assert!((&mut second).now_or_never().is_none());
        drop(second);
        assert_eq!(queue.waiting(), 0);
        let mut third = Box::pin(queue.enter());
        assert!((&mut third).now_or_never().is_none());
        drop(first);
        assert!(third.now_or_never().unwrap().is_ok());
    }

    #[tokio::test]
    async fn without_a_line_nobody_waits() {
        let queue = Queue::new(1, 0);
        let _first = queue.enter().await.unwrap();
        assert!(matches!(queue.enter().now_or_never(), Some(Err(Failure::QueueFull))));
    }
}
