//! How often pods are asked, and how long they have for an answer.

use std::time::Duration;

use clap::Args;
use jiff::SignedDuration;

/// How pods are asked how full they are.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Live streams")]
pub struct LoadArgs {
    /// How often the pods of converters with autoscaling.streams are asked how many streams they have
    #[arg(long, env = "FLACSHIP_LOAD_INTERVAL", value_name = "DURATION", default_value = "5s", value_parser = interval)]
    pub load_interval: Duration,
    /// How long a pod has for its answer
    #[arg(long, env = "FLACSHIP_LOAD_TIMEOUT", value_name = "DURATION", default_value = "2s", value_parser = interval)]
    pub load_timeout: Duration,
    /// How often the pods of other converters are asked, for their status alone
    #[arg(long, env = "FLACSHIP_STATUS_INTERVAL", value_name = "DURATION", default_value = "30s", value_parser = interval)]
    pub status_interval: Duration,
}

impl Default for LoadArgs {
    fn default() -> Self {
        Self {
            load_interval: Duration::from_secs(5),
            load_timeout: Duration::from_secs(2),
            status_interval: Duration::from_secs(30),
        }
    }
}

impl LoadArgs {
    /// From this time on, two looks at the same converter do not belong together: too much is unknown between them.
    pub fn gap(&self) -> Duration {
        self.load_interval.saturating_mul(4).max(Duration::from_secs(30))
    }

    /// How long a pod may be silent before that is told.
    pub fn patience(&self) -> Duration {
        self.load_interval.saturating_mul(3).max(Duration::from_secs(15))
    }
}

/// Reads `5s`, `500ms`, `1m 30s` and the like, at least a tenth of a second.
fn interval(text: &str) -> Result<Duration, String> {
    let hint = || format!("{text:?} is no time: write a number with a unit, at least 100ms, for example 5s or 2m");
    let parsed: SignedDuration = text.parse().map_err(|_| hint())?;
    let parsed = Duration::try_from(parsed).map_err(|_| hint())?;
    if parsed < Duration::from_millis(100) { Err(hint()) } else { Ok(parsed) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        load: LoadArgs,
    }

    #[test]
    fn the_defaults_are_one_thing() {
        let parsed = Cli::parse_from(["operator"]).load;
        let default = LoadArgs::default();
        assert_eq!(parsed.load_interval, default.load_interval);
        assert_eq!(parsed.load_timeout, default.load_timeout);
        assert_eq!(parsed.status_interval, default.status_interval);
    }

    #[test]
    fn a_pace_that_would_be_a_hot_loop_is_refused() {
        assert_eq!(interval("500ms"), Ok(Duration::from_millis(500)));
        for text in ["0s", "99ms", "-5s", "5", "often"] {
            assert!(interval(text).unwrap_err().contains("at least 100ms"), "{text}");
        }
    }
}
