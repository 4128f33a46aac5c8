//! Points in time that also count while the process is stopped or the machine sleeps.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};

/// The clock that goes on while the machine is suspended (Linux' own `CLOCK_MONOTONIC`, which `Instant` reads, does not).
#[cfg(target_os = "linux")]
const BOOT: ClockId = ClockId::CLOCK_BOOTTIME;
#[cfg(not(target_os = "linux"))]
const BOOT: ClockId = ClockId::CLOCK_MONOTONIC;

/// A point in time, by two clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Since the machine was booted.
    pub boot: Duration,
    /// Since 1970. It may jump, yet it is the only clock that knows of a virtual machine that was paused from outside.
    pub wall: Duration,
}

impl Moment {
    /// Now.
    pub fn now() -> Self {
        // It fails only where there is no such clock; then the other one has to do.
        let boot = clock_gettime(BOOT).map(Duration::from).unwrap_or_default();
        Self { boot, wall: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() }
    }

    /// How much time has passed at most until `now`: what the clock says that went further.
    pub fn at_most(self, now: Self) -> Duration {
        now.boot.saturating_sub(self.boot).max(now.wall.saturating_sub(self.wall))
    }

    /// How much time has passed at least until `now`: what the clock says that never jumps.
    pub fn at_least(self, now: Self) -> Duration {
        now.boot.saturating_sub(self.boot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_jumps_ends_a_right_early_and_a_wait_never() {
        let at = |boot, wall| Moment { boot: Duration::from_secs(boot), wall: Duration::from_secs(wall) };
        for (now, at_most, at_least) in [(at(103, 5003), 3, 3), (at(103, 9000), 4000, 3), (at(103, 10), 3, 3)] {
            let then = at(100, 5000);
            assert_eq!(then.at_most(now).as_secs(), at_most, "{now:?}");
            assert_eq!(then.at_least(now).as_secs(), at_least, "{now:?}");
        }
    }

    #[test]
    fn both_clocks_go() {
        let now = Moment::now();
        assert!(now.boot > Duration::ZERO && now.wall > Duration::ZERO);
    }
}
