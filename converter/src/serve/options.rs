//! The options that a request may give in its address, and their words in errors. An option that is not known is
//! refused: ignoring it would convert otherwise than asked.

use std::{fmt::Display, str::FromStr};

use axum::{extract::Query, http::Uri};

use super::{problem::Failure, upload::short};
use crate::convert::{Input, Length, Level, Options, PcmFormat};

const CONVERT: [&str; 3] = ["level", "length", "filename"];
const STREAM: [&str; 5] = ["level", "format", "sample_rate", "channels", "bits_per_sample"];

/// Whether `/convert` knows an option of this name.
pub(super) fn is_convert_option(name: &str) -> bool {
    CONVERT.contains(&name)
}

/// What `/convert` was asked.
#[derive(Debug, PartialEq)]
pub(super) struct ConvertOptions {
    pub options: Options,
    /// Overrides the name that the upload brings.
    pub filename: Option<String>,
}

/// Reads the options of `/convert`.
pub(super) fn convert(uri: &Uri, level: Level) -> Result<ConvertOptions, Failure> {
    let mut found = ConvertOptions { options: Options { level, ..Options::default() }, filename: None };
    for (name, value) in pairs(uri, &CONVERT)? {
        match name.as_str() {
            "level" => found.options.level = parsed(&name, &value)?,
            "length" => found.options.length = length(&value)?,
            _ => found.filename = Some(value),
        }
    }
    Ok(found)
}

/// What a stream was asked so far; the fields of the `start` message, which are also options of `/ws`.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StreamOptions {
    level: Option<u8>,
    format: Option<StreamFormat>,
    sample_rate: Option<u32>,
    channels: Option<u16>,
    bits_per_sample: Option<u16>,
}

/// What the binary messages hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum StreamFormat {
    Wav,
    Pcm,
}

/// Reads the options of `/ws`.
pub(super) fn stream(uri: &Uri) -> Result<StreamOptions, Failure> {
    let mut found = StreamOptions::default();
    for (name, value) in pairs(uri, &STREAM)? {
        match name.as_str() {
            "level" => found.level = Some(parsed::<Level>(&name, &value)?.get()),
            "format" => {
                found.format = Some(match value.as_str() {
                    "wav" => StreamFormat::Wav,
                    "pcm" => StreamFormat::Pcm,
                    _ => return Err(invalid(&name, &value, "it is wav or pcm")),
                });
            }
            "sample_rate" => found.sample_rate = Some(number(&name, &value)?),
            "channels" => found.channels = Some(number(&name, &value)?),
            _ => found.bits_per_sample = Some(number(&name, &value)?),
        }
    }
    Ok(found)
}

impl StreamOptions {
    /// These options, and `earlier` ones where these say nothing.
    pub(super) fn or(self, earlier: &Self) -> Self {
        Self {
            level: self.level.or(earlier.level),
            format: self.format.or(earlier.format),
            sample_rate: self.sample_rate.or(earlier.sample_rate),
            channels: self.channels.or(earlier.channels),
            bits_per_sample: self.bits_per_sample.or(earlier.bits_per_sample),
        }
    }

    /// Checks that the options fit together.
    pub(super) fn resolve(&self, level: Level) -> Result<Options, Failure> {
        let level = match self.level {
            Some(asked) => Level::new(asked).map_err(|error| invalid("level", &asked.to_string(), error))?,
            None => level,
        };
        let input = match (self.format, self.sample_rate, self.channels, self.bits_per_sample) {
            (None, None, None, None) => Input::Auto,
            (Some(StreamFormat::Wav), None, None, None) => Input::Wav,
            (Some(StreamFormat::Pcm), Some(rate), Some(channels), Some(bits)) => {
                Input::Pcm(PcmFormat::new(rate, channels, bits).map_err(|error| Failure::Convert(error.into()))?)
            }
            (Some(StreamFormat::Pcm), ..) => {
                return Err(invalid("format", "pcm", "it needs sample_rate, channels and bits_per_sample beside it"));
            }
            _ => {
                let wanted = "only format pcm takes sample_rate, channels and bits_per_sample; a WAV's header has them";
                return Err(invalid("format", if self.format.is_some() { "wav" } else { "" }, wanted));
            }
        };
        Ok(Options { level, input, ..Options::default() })
    }
}

/// All options in the address, each known and there only once.
fn pairs(uri: &Uri, known: &[&str]) -> Result<Vec<(String, String)>, Failure> {
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri).map_err(|_| Failure::MalformedQuery)?;
    for (at, (name, _)) in pairs.iter().enumerate() {
        if !known.contains(&name.as_str()) {
            return Err(Failure::UnknownOption { name: short(name), known: known.join(", ") });
        }
        if pairs.iter().skip(at + 1).any(|(other, _)| other == name) {
            return Err(Failure::RepeatedOption { name: name.clone() });
        }
    }
    Ok(pairs)
}

fn length(value: &str) -> Result<Length, Failure> {
    match value {
        "auto" => Ok(Length::Auto),
        "header" => Ok(Length::Header),
        "eof" => Ok(Length::Eof),
        _ => Err(invalid("length", value, "it is auto, header or eof")),
    }
}

fn parsed<T: FromStr<Err: Display>>(name: &str, value: &str) -> Result<T, Failure> {
    value.parse().map_err(|error| invalid(name, value, error))
}

fn number<T: FromStr>(name: &str, value: &str) -> Result<T, Failure> {
    value.parse().map_err(|_| invalid(name, value, "it is a whole number"))
}

fn invalid(name: &str, value: &str, wanted: impl Display) -> Failure {
    Failure::InvalidOption { name: name.to_owned(), value: short(value), wanted: wanted.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(query: &str) -> Uri {
        format!("/x?{query}").parse().unwrap()
    }

    #[test]
    fn convert_reads_what_it_knows() {
        let found = convert(&uri("level=8&filename=na%C3%AFve+x.wav&length=eof"), Level::default()).unwrap();
        assert_eq!(found.options.level.get(), 8);
        assert_eq!(found.options.length, Length::Eof);
        assert_eq!(found.filename.as_deref(), Some("naïve x.wav"));
        assert_eq!(convert(&"/x".parse().unwrap(), Level::SMALLEST).unwrap().options.level, Level::SMALLEST);
    }

    #[test]
    fn convert_refuses_what_it_does_not_know_and_says_so() {
        for (query, code, word) in [
            ("speed=9", "unknown_option", "`speed`"),
            ("level=9", "invalid_option", "0 (fastest) to 8"),
            ("level=", "invalid_option", "`level`"),
            ("level=1&level=2", "repeated_option", "`level`"),
            ("length=long", "invalid_option", "auto, header or eof"),
            ("format=pcm", "unknown_option", "level, length, filename"),
        ] {
            let failure = convert(&uri(query), Level::default()).unwrap_err();
            assert_eq!(failure.code(), code, "{query}");
            assert!(failure.to_string().contains(word), "{query}: {failure}");
        }
    }

    #[test]
    fn a_stream_s_options_must_fit_together() {
        let resolve = |query: &str| stream(&uri(query)).and_then(|options| options.resolve(Level::default()));
        assert_eq!(resolve("").unwrap().input, Input::Auto);
        assert_eq!(resolve("format=wav&level=0").unwrap().level, Level::FASTEST);
        let pcm = resolve("format=pcm&sample_rate=48000&channels=2&bits_per_sample=24").unwrap();
        assert_eq!(pcm.input, Input::Pcm(PcmFormat::new(48_000, 2, 24).unwrap()));
        for (query, code) in [
            ("format=pcm", "invalid_option"),
            ("format=mp3", "invalid_option"),
            ("sample_rate=48000", "invalid_option"),
            ("format=wav&channels=2", "invalid_option"),
            ("format=pcm&sample_rate=48000&channels=9&bits_per_sample=16", "unsupported_channels"),
            ("format=pcm&sample_rate=fast&channels=2&bits_per_sample=16", "invalid_option"),
            ("block_size=256", "unknown_option"),
        ] {
            assert_eq!(resolve(query).unwrap_err().code(), code, "{query}");
        }
    }

    #[test]
    fn the_start_message_wins_over_the_address() {
        let address = stream(&uri("level=1&format=wav")).unwrap();
        let start = StreamOptions { level: Some(7), ..StreamOptions::default() };
        assert_eq!(start.or(&address), StreamOptions { level: Some(7), ..address });
    }
}
