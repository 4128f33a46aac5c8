//! A number of bytes as Kubernetes writes it: `512Mi`, `2G` or a plain number.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A positive, whole number of bytes in the notation of a Kubernetes quantity.
///
/// It keeps the text it was written with, so that what a user reads back is what he wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByteSize {
    text: String,
    bytes: u64,
}

/// A text that is no positive number of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByteSizeError(String);

impl fmt::Display for ByteSizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is no size: write a whole number of bytes above 0, or one with a unit, like 512Mi or 2G",
            self.0
        )
    }
}

impl std::error::Error for ByteSizeError {}

/// Suffixes of <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>, whole ones only.
const UNITS: [(&str, u64); 8] = [
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
];

/// What the schema accepts; [`ByteSize::from_str`] accepts the same.
const PATTERN: &str = "^[1-9][0-9]{0,17}(Ki|Mi|Gi|Ti|k|M|G|T)?$";

impl ByteSize {
    /// The size in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl FromStr for ByteSize {
    type Err = ByteSizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ByteSizeError(text.to_owned());
        let (digits, factor) =
            UNITS.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor))).unwrap_or((text, 1));
        let plain = !digits.is_empty() && digits.len() <= 18 && digits.bytes().all(|b| b.is_ascii_digit());
        if !plain || digits.starts_with('0') {
            return Err(error());
        }
        let count: u64 = digits.parse().map_err(|_| error())?;
        let bytes = count.checked_mul(factor).ok_or_else(error)?;
        Ok(Self { text: text.to_owned(), bytes })
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u64),
            Text(String),
        }
        let text = match Written::deserialize(deserializer)? {
            Written::Number(number) => number.to_string(),
            Written::Text(text) => text,
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for ByteSize {
    fn schema_name() -> Cow<'static, str> {
        "ByteSize".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "minimum": 1,
            "pattern": PATTERN,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_plain_numbers_and_units() {
        for (text, bytes) in [("1", 1), ("1500", 1500), ("2Gi", 2 << 30), ("7M", 7_000_000), ("3Ki", 3072)] {
            assert_eq!(text.parse::<ByteSize>().unwrap().bytes(), bytes, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_size() {
        for text in ["", "0", "-1", "1.5Gi", "Gi", "01", "12 Mi", "1e3", "999999999999999999Ti", "9999999999999999999"]
        {
            let error = text.parse::<ByteSize>().unwrap_err().to_string();
            assert!(error.contains("like 512Mi"), "{text}: {error}");
        }
    }

    #[test]
    fn a_number_and_a_text_mean_the_same() {
        let number: ByteSize = serde_json::from_str("4096").unwrap();
        let text: ByteSize = serde_json::from_str("\"4096\"").unwrap();
        assert_eq!(number, text);
        assert_eq!(serde_json::to_string(&text).unwrap(), "\"4096\"");
    }
}
