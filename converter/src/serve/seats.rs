//! The seats of live streams: how many are taken, and whether the server is reserved, that is, gives out none for a while.
//!
//! Whoever scales in reserves a server, looks once more at what it does, and lets it go only if that is little enough. So
//! the reservation and the count are one thing under one lock: a stream either sat down before, and is counted in the
//! answer, or is refused. Readiness has no part in this, and neither have conversions.
//!
//! A reservation ends by itself, so that one who reserves and then goes away leaves no server idle. No timer does that:
//! whoever looks compares the time.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::problem::Failure;

/// All seats of one server.
#[derive(Debug)]
pub(super) struct Seats {
    most: u32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    taken: u32,
    reservation: Option<Reservation>,
}

#[derive(Debug, Clone, Copy)]
struct Reservation {
    since: Instant,
    lasts: Duration,
}

/// How the seats are at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Occupancy {
    /// Streams that have a seat.
    pub taken: u32,
    /// All seats.
    pub most: u32,
    /// How long the reservation still lasts, if there is one.
    pub reserved: Option<Duration>,
}

/// A stream's seat. Free again once dropped.
#[derive(Debug)]
pub(super) struct Seat(Arc<Seats>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.lock().taken -= 1;
    }
}

impl State {
    fn reserved(&self, now: Instant) -> Option<Duration> {
        let Reservation { since, lasts } = self.reservation?;
        lasts.checked_sub(now.duration_since(since)).filter(|left| !left.is_zero())
    }
}

impl Seats {
    pub(super) fn new(most: u32) -> Arc<Self> {
        Arc::new(Self { most, state: Mutex::default() })
    }

    /// Takes a seat, if one is free and the server is not reserved.
    pub(super) fn take(self: &Arc<Self>) -> Result<Seat, Failure> {
        let mut state = self.lock();
        if state.reserved(Instant::now()).is_some() {
            return Err(Failure::Reserved);
        }
        if state.taken >= self.most {
            return Err(Failure::TooManyStreams { limit: self.most });
        }
        state.taken += 1;
        Ok(Seat(Arc::clone(self)))
    }

    /// Gives out no seat for so long, whatever was reserved before. Those that are taken stay so.
    pub(super) fn reserve(&self, lasts: Duration) -> Occupancy {
        self.change(Some(Reservation { since: Instant::now(), lasts }))
    }

    /// Gives out seats again.
    pub(super) fn release(&self) -> Occupancy {
        self.change(None)
    }

    /// How the seats are now.
    pub(super) fn look(&self) -> Occupancy {
        self.seen(&self.lock())
    }

    fn change(&self, reservation: Option<Reservation>) -> Occupancy {
        let mut state = self.lock();
        state.reservation = reservation;
        self.seen(&state)
    }

    fn seen(&self, state: &State) -> Occupancy {
        Occupancy { taken: state.taken, most: self.most, reserved: state.reserved(Instant::now()) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::time::advance;

    use super::*;

    const HALF_A_MINUTE: Duration = Duration::from_secs(30);

    fn code(taken: &Result<Seat, Failure>) -> &'static str {
        taken.as_ref().map_or_else(Failure::code, |_| "taken")
    }

    #[tokio::test]
    async fn there_are_as_many_seats_as_there_are() {
        let seats = Seats::new(2);
        let first = seats.take();
        let second = seats.take();
        assert_eq!([code(&first), code(&second), code(&seats.take())], ["taken", "taken", "too_many_streams"]);
        assert_eq!(seats.look(), Occupancy { taken: 2, most: 2, reserved: None });
        drop(first);
        assert_eq!(seats.look().taken, 1);
        assert_eq!(code(&seats.take()), "taken");
    }

    #[tokio::test(start_paused = true)]
    async fn a_reservation_refuses_who_comes_leaves_who_sits_and_ends_by_itself() {
        let seats = Seats::new(9);
        let sitting = seats.take().unwrap();
        assert_eq!(seats.reserve(HALF_A_MINUTE), Occupancy { taken: 1, most: 9, reserved: Some(HALF_A_MINUTE) });
        assert_eq!(code(&seats.take()), "reserved");
        drop(sitting);
        advance(Duration::from_millis(29_999)).await;
        assert_eq!(seats.look(), Occupancy { taken: 0, most: 9, reserved: Some(Duration::from_millis(1)) });
        assert_eq!(code(&seats.take()), "reserved");
        advance(Duration::from_millis(1)).await;
        assert_eq!(seats.look().reserved, None);
        assert_eq!(code(&seats.take()), "taken");
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_one_who_reserves_says_for_how_long() {
        let seats = Seats::new(9);
        seats.reserve(HALF_A_MINUTE);
        advance(Duration::from_secs(20)).await;
        assert_eq!(seats.reserve(HALF_A_MINUTE).reserved, Some(HALF_A_MINUTE));
        advance(Duration::from_secs(20)).await;
        assert_eq!(code(&seats.take()), "reserved");
        assert_eq!(seats.reserve(Duration::from_secs(1)).reserved, Some(Duration::from_secs(1)));
        advance(Duration::from_secs(1)).await;
        assert_eq!(code(&seats.take()), "taken");
        // No time is too long to be reckoned with.
        seats.reserve(Duration::MAX);
        advance(Duration::from_hours(1)).await;
        assert_eq!(seats.look().reserved, Duration::MAX.checked_sub(Duration::from_hours(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_release_ends_it_at_once_and_may_come_twice() {
        let seats = Seats::new(9);
        assert_eq!(seats.release().reserved, None);
        seats.reserve(HALF_A_MINUTE);
        assert_eq!(seats.release().reserved, None);
        assert_eq!(code(&seats.take()), "taken");
        assert_eq!(seats.release(), Occupancy { taken: 0, most: 9, reserved: None });
    }

    #[tokio::test]
    async fn who_finds_it_full_and_reserved_is_told_of_the_reservation() {
        let seats = Seats::new(1);
        let _sitting = seats.take().unwrap();
        seats.reserve(HALF_A_MINUTE);
        // It is another server that helps, not patience.
        assert_eq!(code(&seats.take()), "reserved");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn the_answer_to_a_reservation_has_every_stream_that_will_be() {
        const ROUNDS: usize = 200;
        const TASKS: usize = 16;
        for _ in 0..ROUNDS {
            let seats = Seats::new(u32::MAX);
            let over = Arc::new(AtomicBool::new(false));
            let comers: Vec<_> = (0..TASKS)
                .map(|_| {
                    let (seats, over) = (Arc::clone(&seats), Arc::clone(&over));
                    tokio::spawn(async move {
                        let mut held = Vec::new();
                        while !over.load(Ordering::Relaxed) {
                            held.extend(seats.take());
                            tokio::task::yield_now().await;
                        }
                        held
                    })
                })
                .collect();
            // All the while seats are asked for on every thread: before it, beside it and after it.
            while seats.look().taken < 50 {
                tokio::task::yield_now().await;
            }
            let told = seats.reserve(Duration::MAX).taken;
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
            over.store(true, Ordering::Relaxed);
            let mut held = 0;
            for comer in comers {
                held += comer.await.unwrap().len();
            }
            assert_eq!(usize::try_from(told).unwrap(), held);
        }
    }
}
