//! What happens after a connection has ended without the whole stream: pure decisions, by table.

use std::time::Duration;

use super::messages::ServiceError;

/// How a connection ended, or how none came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// No connection: no route, no name, nobody listens, TLS failed.
    Unreachable(String),
    /// The server's certificate is not trusted.
    Untrusted(String),
    /// The service, or a proxy before it, answered the handshake with something else.
    Refused {
        /// Its HTTP status.
        status: u16,
        /// What it said.
        detail: String,
    },
    /// The connection was closed or lost.
    Lost {
        /// Its close code, if it was closed as it should be (RFC 6455 §7.4.1).
        code: Option<u16>,
        /// What the service said before.
        error: Option<ServiceError>,
        /// What the system said.
        cause: String,
    },
}

/// What to do then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Connect again and go on.
    Again,
    /// Connect again if audio was sent before: a proxy that has just started may show another certificate for a moment.
    /// Give up at the beginning, where a setting is more likely wrong.
    AgainOnceBegun,
    /// Connect again as soon as there is something to send: the input was silent for too long.
    WhenThereIsMore,
    /// Connect again and begin anew: the service does not take the token.
    FromTheStart,
    /// Give up: it would end the same way.
    GiveUp,
}

/// Decides what to do after an ending.
pub fn plan_after(ending: &Ending) -> Then {
    match ending {
        Ending::Unreachable(_) => Then::Again,
        Ending::Untrusted(_) => Then::AgainOnceBegun,
        // What a proxy answers while the pod behind it changes, and what the service answers when it is full.
        Ending::Refused { status, .. } => match status {
            408 | 425 | 429 | 500 | 502..=504 => Then::Again,
            _ => Then::GiveUp,
        },
        Ending::Lost { code, error, .. } => match error.as_ref().map(|error| error.code.as_str()) {
            Some("token_malformed" | "token_forged" | "token_expired" | "token_version") => Then::FromTheStart,
            Some("idle") => Then::WhenThereIsMore,
            Some("draining" | "too_many_streams" | "reserved" | "spool_full" | "internal") => Then::Again,
            error => by_code(*code, error.is_some()),
        },
    }
}

fn by_code(code: Option<u16>, was_told_why: bool) -> Then {
    match code {
        Some(4408) => Then::WhenThereIsMore,
        // Going away, abnormal, internal, restart, try later, bad gateway.
        Some(1001 | 1006 | 1011 | 1012 | 1013 | 1014) => Then::Again,
        // A proxy that ends a connection closes it in the middle, as a crash does. An error that was told stays one.
        Some(1000 | 1005) | None if !was_told_why => Then::Again,
        _ => Then::GiveUp,
    }
}

/// How long and how often to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Attempts in a row that may bring nothing; none: as many as the time allows.
    pub retries: Option<u32>,
    /// How long attempts may bring nothing.
    pub timeout: Duration,
}

/// The first pause; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How long to wait before the next attempt; none: enough were made. `failed` attempts brought nothing, `lasted` so
/// long. `random`, 0 to 1, spreads the clients of a server that went away over half of the pause.
pub fn plan_pause(patience: Patience, failed: u32, lasted: Duration, random: f64) -> Option<Duration> {
    if patience.retries.is_some_and(|most| failed >= most) {
        return None;
    }
    let longest = FIRST_PAUSE.saturating_mul(1 << failed.min(16)).min(LONGEST_PAUSE);
    let pause = longest.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0);
    let left = patience.timeout.checked_sub(lasted).filter(|left| !left.is_zero())?;
    Some(pause.min(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(code: Option<u16>, error: Option<&str>) -> Then {
        let error = error.map(|code| ServiceError { code: code.into(), message: "because".into() });
        plan_after(&Ending::Lost { code, error, cause: String::new() })
    }

    #[test]
    fn what_passes_is_tried_again_and_what_stays_is_not() {
        use Then::{Again, FromTheStart, GiveUp, WhenThereIsMore};
        for (code, error, then) in [
            (None, None, Again),
            (Some(1000), None, Again),
            (Some(1001), None, Again),
            (Some(1012), Some("draining"), Again),
            (Some(1012), None, Again),
            (Some(1013), Some("too_many_streams"), Again),
            (Some(1013), Some("reserved"), Again),
            (None, Some("reserved"), Again),
            (Some(1011), Some("internal"), Again),
            (None, Some("draining"), Again),
            (Some(4408), Some("idle"), WhenThereIsMore),
            (Some(4408), None, WhenThereIsMore),
            (Some(1008), Some("token_expired"), FromTheStart),
            (Some(1008), Some("token_forged"), FromTheStart),
            (Some(1008), Some("token_version"), FromTheStart),
            (Some(1008), Some("unauthorized"), GiveUp),
            (Some(1008), Some("stream_too_long"), GiveUp),
            (Some(1008), None, GiveUp),
            (Some(1003), Some("not_wav"), GiveUp),
            (Some(1007), Some("invalid_option"), GiveUp),
            (Some(1009), Some("message_too_large"), GiveUp),
            (None, Some("not_wav"), GiveUp),
            (Some(1000), Some("no_end"), GiveUp),
        ] {
            assert_eq!(lost(code, error), then, "{code:?} {error:?}");
        }
        for (status, then) in
            [(503, Again), (502, Again), (429, Again), (401, GiveUp), (403, GiveUp), (404, GiveUp), (301, GiveUp)]
        {
            assert_eq!(plan_after(&Ending::Refused { status, detail: String::new() }), then, "{status}");
        }
        assert_eq!(plan_after(&Ending::Unreachable(String::new())), Again);
        assert_eq!(plan_after(&Ending::Untrusted(String::new())), Then::AgainOnceBegun);
    }

    #[test]
    fn pauses_grow_up_to_a_limit_and_are_spread() {
        let patience = Patience { retries: None, timeout: Duration::from_hours(1) };
        let pause = |failed, random| plan_pause(patience, failed, Duration::ZERO, random).unwrap().as_millis();
        assert_eq!([0, 1, 2, 3].map(|failed| pause(failed, 1.0)), [200, 400, 800, 1_600]);
        assert_eq!([6, 20, u32::MAX].map(|failed| pause(failed, 1.0)), [10_000; 3]);
        assert_eq!([0.0, 0.5, 1.0].map(|random| pause(1, random)), [200, 300, 400]);
        assert_eq!(pause(0, f64::INFINITY), 200);
    }

    #[test]
    fn patience_ends_by_count_or_by_time() {
        let patience = Patience { retries: Some(2), timeout: Duration::from_mins(1) };
        let pause = |failed, seconds| plan_pause(patience, failed, Duration::from_secs(seconds), 1.0);
        assert!(pause(1, 0).is_some());
        assert_eq!(pause(2, 0), None);
        assert_eq!(pause(0, 60), None);
        assert_eq!(pause(0, 61), None);
        let none = Patience { retries: Some(0), timeout: Duration::MAX };
        assert_eq!(plan_pause(none, 0, Duration::ZERO, 0.0), None);
        let short = Patience { retries: None, timeout: Duration::from_millis(50) };
        assert_eq!(plan_pause(short, 3, Duration::ZERO, 1.0), Some(Duration::from_millis(50)), "one last attempt");
    }
}
