//! Numbers in words for people.

use indicatif::{HumanBytes, HumanCount};

/// `1 file`, `9,454 files`.
pub fn files(count: u64) -> String {
    format!("{} {}", HumanCount(count), if count == 1 { "file" } else { "files" })
}

/// `9,454`.
pub fn count(count: u64) -> String {
    HumanCount(count).to_string()
}

/// A name or message with its control characters shown as such, so that it does to a terminal nothing but be read.
pub fn visible(text: &str) -> String {
    let shown = |char: char| if char.is_control() { char.escape_unicode().to_string() } else { char.to_string() };
    text.chars().map(shown).collect()
}

/// `52 % less`, of two sizes; nothing if the second is no less or there is no first.
pub fn less(input: u64, output: u64) -> Option<String> {
    let saved = input.checked_sub(output).filter(|saved| *saved > 0)?;
    Some(format!("{} less", share(saved, input)))
}

/// `52 %`, `under 1 %`.
pub fn share(part: u64, of: u64) -> String {
    let percent = u128::from(part) * 100 / u128::from(of.max(1));
    if percent == 0 && part > 0 { "under 1 %".to_owned() } else { format!("{percent} %") }
}

/// `58.00 MiB`.
pub fn bytes(count: u64) -> String {
    HumanBytes(count).to_string()
}

/// `0.42 s`, `59.9 s`, `12 min 3 s`, `3 h 7 min`, `2 days 4 h`.
pub fn duration(seconds: f64) -> String {
    if seconds < 59.95 {
        let digits = if seconds < 1.0 { 2 } else { 1 };
        return format!("{:.digits$} s", seconds.max(0.0));
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let whole = seconds.round() as u64;
    let (minutes, hours, days) = (whole / 60, whole / 3600, whole / 86_400);
    match (hours, days) {
        (0, _) => format!("{minutes} min {} s", whole % 60),
        (_, 0) => format!("{hours} h {} min", minutes % 60),
        (_, 1) => format!("1 day {} h", hours % 24),
        _ => format!("{days} days {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables() {
        for (seconds, wanted) in [
            (0.0, "0.00 s"),
            (-1.0, "0.00 s"),
            (0.417, "0.42 s"),
            (59.94, "59.9 s"),
            (59.96, "1 min 0 s"),
            (723.2, "12 min 3 s"),
            (11_220.0, "3 h 7 min"),
            (86_400.0, "1 day 0 h"),
            (187_200.0, "2 days 4 h"),
            (f64::NAN, "0 min 0 s"),
        ] {
            assert_eq!(duration(seconds), wanted, "{seconds}");
        }
        for (part, of, wanted) in
            [(1, 1000, "under 1 %"), (0, 0, "0 %"), (999, 1000, "99 %"), (u64::MAX, u64::MAX, "100 %")]
        {
            assert_eq!(share(part, of), wanted, "{part} of {of}");
        }
        assert_eq!(less(100, 48).as_deref(), Some("52 % less"));
        for (input, output) in [(0, 0), (5, 5), (5, 6)] {
            assert_eq!(less(input, output), None);
        }
        assert_eq!([files(0), files(1), files(9454)], ["0 files", "1 file", "9,454 files"]);
    }
}
