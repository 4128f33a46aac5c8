//! A time as the Gateway API writes it: `90s`, `1h30m`, `500ms`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A time above zero, in whole hours, minutes, seconds and milliseconds.
///
/// Source of the notation: <https://gateway-api.sigs.k8s.io/geps/gep-2257/>. It keeps the text it was written with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Time {
    text: String,
    duration: Duration,
}

/// A text that is no such time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no time above 0: write a number with a unit, like 90s, 1h30m or 500ms")]
pub struct TimeError(String);

/// What the schema accepts; [`Time::from_str`] accepts the same, but for zero, which a rule refuses.
const PATTERN: &str = "^([0-9]{1,5}(h|m|s|ms)){1,4}$";

impl Time {
    /// The time.
    pub fn duration(&self) -> Duration {
        self.duration
    }
}

impl FromStr for Time {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || TimeError(text.to_owned());
        let mut rest = text;
        let mut duration = Duration::ZERO;
        let mut parts = 0;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(error)?;
            let (number, unit) = rest.split_at(digits);
            let length = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
            let (unit, after) = unit.split_at(length);
            if number.is_empty() || number.len() > 5 {
                return Err(error());
            }
            let number: u64 = number.parse().map_err(|_| error())?;
            duration += match unit {
                "h" => Duration::from_secs(number * 3600),
                "m" => Duration::from_secs(number * 60),
                "s" => Duration::from_secs(number),
                "ms" => Duration::from_millis(number),
                _ => return Err(error()),
            };
            rest = after;
            parts += 1;
        }
        if duration.is_zero() || parts > 4 {
            return Err(error());
        }
        Ok(Self { text: text.to_owned(), duration })
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": PATTERN,
            "maxLength": 24,
            "x-kubernetes-validations": [{
                "rule": "duration(self) > duration('0s')",
                "message": "a time is above 0: write a number with a unit, like 90s, 1h30m or 500ms",
            }],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_sums_of_numbers_with_units() {
        for (text, millis) in
            [("90s", 90_000), ("1h30m", 5_400_000), ("500ms", 500), ("1m1s1ms", 61_001), ("99999h", 99_999 * 3_600_000)]
        {
            let time: Time = text.parse().unwrap();
            assert_eq!(time.duration(), Duration::from_millis(millis), "{text}");
            assert_eq!(time.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_time_above_zero_is_refused() {
        for text in ["", "5", "s", "-1s", "1.5h", "1d", "100000s", "0s", "0h0m", "1s2s3s4s5s", "1 s", "1µs"] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
        assert!("soon".parse::<Time>().unwrap_err().to_string().contains("90s, 1h30m or 500ms"));
    }
}
