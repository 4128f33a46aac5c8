//! The gate before each write: open while this process leads, and shut by itself when the right to write runs out.
//!
//! Nothing has to run for it to shut: whoever wants to write asks it, and it looks at the clock. So a process that was
//! stopped beyond its lease and goes on finds it shut, whatever of it is woken first.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::stream::{self, Stream};
use tokio::sync::watch;

use super::Moment;

/// What a refused write says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nothing is written: this operator does not lead")]
pub struct NotLeading;

impl NotLeading {
    /// Whether a refused write is at the bottom of `error`.
    pub fn caused(error: &(dyn std::error::Error + 'static)) -> bool {
        std::iter::successors(Some(error), |error| error.source()).any(<dyn std::error::Error>::is::<Self>)
    }
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// There is no election: everybody writes.
    Open,
    /// Writes may begin until `limit` after `since`.
    Held { since: Moment, limit: Duration },
    /// Nothing is written.
    Shut,
}

/// Whether this process may write at this moment. Clones are one gate.
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    /// Counts how often the right to write was gained.
    gains: watch::Sender<u64>,
    clock: Box<dyn Fn() -> Moment + Send + Sync>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gate").field(&self.state()).finish()
    }
}

impl Gate {
    /// A gate that nobody shuts, for an operator without election.
    pub fn open() -> Self {
        Self::new(State::Open, Moment::now)
    }

    /// A gate that is shut until [`Gate::hold`].
    pub fn shut() -> Self {
        Self::shut_by(Moment::now)
    }

    /// As [`Gate::shut`], by a clock of one's own.
    pub fn shut_by(clock: impl Fn() -> Moment + Send + Sync + 'static) -> Self {
        Self::new(State::Shut, clock)
    }

    fn new(state: State, clock: impl Fn() -> Moment + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner { state: Mutex::new(state), gains: watch::Sender::new(0), clock: Box::new(clock) }))
    }

    /// Now, by the gate's clock.
    pub fn now(&self) -> Moment {
        (self.0.clock)()
    }

    fn state(&self) -> State {
        *self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets writes begin until `limit` after `since`. Tells [`Gate::gains`] if none could before.
    pub fn hold(&self, since: Moment, limit: Duration) {
        let held = self.is_held();
        *self.0.state.lock().unwrap_or_else(PoisonError::into_inner) = State::Held { since, limit };
        if !held && self.is_held() {
            self.0.gains.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    /// Lets no write begin any more.
    pub fn close(&self) {
        *self.0.state.lock().unwrap_or_else(PoisonError::into_inner) = State::Shut;
    }

    /// Whether a write may begin at this moment.
    pub fn is_held(&self) -> bool {
        match self.state() {
            State::Open => true,
            State::Held { since, limit } => since.at_most(self.now()) < limit,
            State::Shut => false,
        }
    }

    /// As [`Gate::is_held`], as an error.
    pub fn check(&self) -> Result<(), NotLeading> {
        if self.is_held() { Ok(()) } else { Err(NotLeading) }
    }

    /// An item each time that writing becomes possible, from now on.
    pub fn gains(&self) -> impl Stream<Item = ()> + Send + use<> {
        stream::unfold(self.0.gains.subscribe(), async |mut gains| {
            gains.changed().await.ok()?;
            Some(((), gains))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{FutureExt, StreamExt};

    /// A gate, and the hands of its clock: boot time and wall time in seconds.
    fn gate() -> (Gate, Arc<Mutex<(u64, u64)>>) {
        let hands = Arc::new(Mutex::new((1000, 50_000)));
        let clock = Arc::clone(&hands);
        let gate = Gate::shut_by(move || {
            let (boot, wall) = *clock.lock().unwrap();
            Moment { boot: Duration::from_secs(boot), wall: Duration::from_secs(wall) }
        });
        (gate, hands)
    }

    const LIMIT: Duration = Duration::from_secs(7);

    #[test]
    fn it_shuts_by_itself_when_the_time_is_over() {
        let (gate, hands) = gate();
        assert_eq!(gate.check(), Err(NotLeading));
        gate.hold(gate.now(), LIMIT);
        *hands.lock().unwrap() = (1006, 50_006);
        assert_eq!(gate.check(), Ok(()));
        // A process that was stopped for an hour: nothing ran in between.
        *hands.lock().unwrap() = (4600, 53_600);
        assert_eq!(gate.check(), Err(NotLeading));
    }

    #[test]
    fn a_clock_that_jumps_never_lengthens_the_right() {
        let (gate, hands) = gate();
        gate.hold(gate.now(), LIMIT);
        // Back by hours: the other clock counts on.
        *hands.lock().unwrap() = (1006, 10);
        assert!(gate.is_held());
        *hands.lock().unwrap() = (1007, 11);
        assert!(!gate.is_held());
        // Forward: a virtual machine may have been paused, so the next renewal has to say.
        *hands.lock().unwrap() = (1000, 50_000);
        gate.hold(gate.now(), LIMIT);
        *hands.lock().unwrap() = (1001, 60_000);
        assert!(!gate.is_held());
    }

    #[test]
    fn time_counts_from_where_the_renewal_began() {
        let (gate, hands) = gate();
        let begun = gate.now();
        // The answer took eight seconds: it gives no right any more.
        *hands.lock().unwrap() = (1008, 50_008);
        gate.hold(begun, LIMIT);
        assert!(!gate.is_held());
    }

    #[test]
    fn each_gain_is_told_once_and_a_renewal_is_none() {
        let (gate, hands) = gate();
        let mut gains = gate.gains().boxed();
        gate.hold(gate.now(), LIMIT);
        gate.hold(gate.now(), LIMIT);
        assert_eq!(gains.next().now_or_never(), Some(Some(())));
        assert_eq!(gains.next().now_or_never(), None);
        *hands.lock().unwrap() = (1010, 50_010);
        gate.hold(gate.now(), LIMIT);
        assert_eq!(gains.next().now_or_never(), Some(Some(())), "it had run out in between");
        gate.close();
        assert!(!gate.is_held());
        assert!(Gate::open().is_held());
    }

    #[test]
    fn a_refusal_is_found_below_other_errors() {
        let refused = kube::Error::Service(Box::new(kube::Error::Service(Box::new(NotLeading))));
        assert!(NotLeading::caused(&refused));
        assert!(!NotLeading::caused(&kube::Error::Service("no route".into())));
    }
}
