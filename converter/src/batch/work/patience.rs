//! How long a file is waited for that another job has in its hands: as long as that job gets on with it.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::super::records::Stamp;

/// A partial file that has stayed as it is for so long is nobody's work any more.
const LONGEST: Duration = Duration::from_mins(1);

/// What is known of the other job's partial file.
#[derive(Debug, Default)]
pub struct Patience(Option<(Option<Stamp>, Instant)>);

impl Patience {
    /// Whether it is at an end, as the partial file is now.
    pub fn is_over(&mut self, partial: &Path) -> bool {
        match fs::symlink_metadata(partial) {
            Ok(found) if found.is_file() => self.is_over_at(Some(Stamp::of(&found)), Instant::now()),
            // No job writes into a folder or a pipe.
            Ok(_) => true,
            Err(_) => self.is_over_at(None, Instant::now()),
        }
    }

    fn is_over_at(&mut self, partial: Option<Stamp>, now: Instant) -> bool {
        match self.0 {
            Some((before, since)) if before == partial => now.duration_since(since) >= LONGEST,
            _ => {
                self.0 = Some((partial, now));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lasts_as_long_as_the_file_grows() {
        let start = Instant::now();
        let mut patience = Patience::default();
        let grown = |size| Some(Stamp { size, mtime_ns: 0 });
        let second = |seconds| start + Duration::from_secs(seconds);
        for (seconds, partial, over) in [
            (0, grown(1), false),
            (59, grown(1), false),
            (60, grown(2), false),
            (110, None, false),
            (150, grown(2), false),
            (209, grown(2), false),
            (210, grown(2), true),
        ] {
            assert_eq!(patience.is_over_at(partial, second(seconds)), over, "{seconds}");
        }
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Patience::default().is_over(folder.path()));
        assert!(!Patience::default().is_over(&folder.path().join("none")));
    }
}
