//! What the person at the terminal sees: one line a step, with the time since the start, and patient waiting.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Prints steps with the time since it was made.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    start: Instant,
}

impl Progress {
    /// The clock starts now.
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }

    /// Prints one step, as `[ 12.3s] kube-apiserver ready`.
    pub fn step(&self, text: impl AsRef<str>) {
        println!("[{:5.1}s] {}", self.start.elapsed().as_secs_f64(), text.as_ref());
    }
}

/// Asks `done` again and again until it says yes; its error ends the waiting at once.
///
/// # Errors
/// If `done` fails or `limit` has passed; `what` names the thing in the message.
pub fn wait_for(what: &str, limit: Duration, pause: Duration, mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !done()? {
        if start.elapsed() > limit {
            bail!("{what}: not there after {} s", limit.as_secs());
        }
        std::thread::sleep(pause);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn waiting_ends_with_yes_an_error_or_the_limit() {
        let (limit, pause) = (Duration::from_millis(20), Duration::from_millis(1));
        let mut left = 3;
        wait_for("it", limit, pause, || {
            left -= 1;
            Ok(left == 0)
        })
        .unwrap();
        assert!(wait_for("it", limit, pause, || bail!("broken")).is_err());
        let late = wait_for("the thing", limit, pause, || Ok(false)).unwrap_err();
        assert!(late.to_string().starts_with("the thing: not there"));
    }
}
