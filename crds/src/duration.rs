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
/// Source of the notation: <https://gateway-api.sigs.k8s.io/geps/gep-2257/>, but for the order of the units: hours first,
/// each once, as the converter's flags and Prometheus have it. It is stored as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Time {
    text: String,
    duration: Duration,
    order: Order,
}

/// How the units follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// From the longest to the shortest, each once.
    Falling,
    /// Otherwise, like `30s1m`: an object that is older than the schema's order may hold it.
    Mixed,
}

/// A text that is no such time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no time above 0: write a number with a unit, like 90s, 1h30m or 500ms")]
pub struct TimeError(String);

/// What the schema accepts, beside a length above 0. [`Time::from_str`] accepts the same, but for zero, which a rule refuses,
/// and reads units in any order, as an object that is stored already may hold them.
pub const PATTERN: &str = "^([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,5}s)?([0-9]{1,5}ms)?$";

/// The units, the longest first, in milliseconds.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

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
        let mut order = Order::Falling;
        let mut shortest = u64::MAX;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(error)?;
            let (number, unit) = rest.split_at(digits);
            let length = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
            let (unit, after) = unit.split_at(length);
            if number.is_empty() || number.len() > 5 {
                return Err(error());
            }
            let number: u64 = number.parse().map_err(|_| error())?;
            let (_, millis) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or_else(error)?;
            duration += Duration::from_millis(number * millis);
            if millis >= shortest {
                order = Order::Mixed;
            }
            shortest = shortest.min(millis);
            rest = after;
            parts += 1;
        }
        if duration.is_zero() || parts > 4 {
            return Err(error());
        }
        Ok(Self { text: text.to_owned(), duration, order })
    }
}

/// With its units in order, so that whoever reads it takes it: as it was written, or else the same time anew.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.order == Order::Falling {
            return f.write_str(&self.text);
        }
        let mut left = self.duration.as_millis();
        for (name, millis) in UNITS {
            let (count, rest) = (left / u128::from(millis), left % u128::from(millis));
            if count > 0 {
                write!(f, "{count}{name}")?;
            }
            left = rest;
        }
        Ok(())
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
            "minLength": 1,
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
    fn a_stored_time_in_another_order_is_told_in_order() {
        for (stored, told) in [
            ("30s1m", "1m30s"),
            ("1ms1h", "1h1ms"),
            ("40s40s", "1m20s"),
            ("1m1h1m1h", "2h2m"),
            ("1s60m", "1h1s"),
            ("0s1m", "1m"),
            ("99999m99999h", "101665h39m"),
        ] {
            let time: Time = stored.parse().unwrap();
            assert_eq!(time.to_string(), told, "{stored}");
            assert_eq!(serde_json::to_value(&time).unwrap(), stored, "it stays as it was written");
        }
    }

    #[test]
    fn what_is_told_is_what_the_converter_reads() {
        for text in ["90s", "1h30m", "1h0m0s500ms", "99999h99999m99999s99999ms", "0h1ms", "30s1m", "1ms1s1m1h", "2m2m"]
        {
            let time: Time = text.parse().unwrap();
            let read: jiff::SignedDuration = time.to_string().parse().unwrap();
            assert_eq!(Duration::try_from(read).unwrap(), time.duration(), "{text} told as {time}");
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
