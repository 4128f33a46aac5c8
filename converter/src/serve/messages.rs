//! The text messages of a stream: what a client may say and what the server says. JSON both ways.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Serialize;
use serde_json::Value;

use super::{options::StreamOptions, problem::Failure};
use crate::bytesize::ByteSize;
use crate::convert::{Checkpoint, Format, Summary, Warning, md5_text};

/// Longest text that is read: many times a `resume` with the longest token. What is read into JSON takes many times its length
/// in memory, so the bound for messages of audio would be too much.
const MOST_TEXT: u64 = 64 * 1024;

/// What a client says in text.
#[derive(Debug, PartialEq)]
pub(super) enum Said {
    /// `{"type":"start",…}`: what the audio is and how to encode it.
    Start(StreamOptions),
    /// `{"type":"resume","token":…}`: the stream goes on that this token was given to.
    Resume(String),
    /// `{"type":"end"}`, or `{"eof":1}` as older services have it: no more audio.
    End,
}

/// Reads a text message.
pub(super) fn parse(text: &str) -> Result<Said, Failure> {
    if text.len() as u64 > MOST_TEXT {
        return Err(Failure::MessageTooLarge { limit: ByteSize(MOST_TEXT) });
    }
    let malformed = |reason: String| Failure::MalformedMessage(reason);
    let value: Value = serde_json::from_str(text).map_err(|error| malformed(format!("this is none ({error})")))?;
    let Value::Object(mut object) = value else {
        return Err(malformed(String::from("this is no JSON object")));
    };
    match object.remove("type") {
        Some(Value::String(kind)) => match kind.as_str() {
            "start" => serde_json::from_value(Value::Object(object))
                .map(Said::Start)
                .map_err(|error| malformed(format!("this `start` cannot be read ({error})"))),
            "resume" => match object.remove("token") {
                Some(Value::String(token)) => Ok(Said::Resume(token)),
                _ => Err(malformed(String::from("this `resume` has no token"))),
            },
            "end" => Ok(Said::End),
            _ => Err(malformed(String::from("this type is neither `start` nor `resume` nor `end`"))),
        },
        None if object.contains_key("eof") => Ok(Said::End),
        _ => Err(malformed(String::from("this one has no type"))),
    }
}

/// What the server says in text.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Say<'a> {
    /// The stream may begin.
    Ready {
        id: &'a str,
        max_message_bytes: u64,
        idle_timeout_seconds: f64,
        /// How often a checkpoint comes, at most.
        checkpoint_seconds: f64,
        /// Whether checkpoints will come, unless `start` asks for what rules them out.
        resumable: bool,
        /// How long a checkpoint's token holds.
        expires_seconds: u64,
    },
    /// What the header says, once it has been read.
    Format {
        sample_rate: u32,
        channels: u8,
        bits_per_sample: u8,
        #[serde(skip_serializing_if = "Option::is_none")]
        channel_mask: Option<u32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        declared_samples: Option<u64>,
    },
    /// Where the stream stands: frames up to here have been sent.
    Checkpoint { token: &'a str, samples: u64, bytes_in: u64, bytes_out: u64 },
    /// The stream goes on from here.
    Resumed { samples: u64, bytes_in: u64, bytes_out: u64 },
    /// All audio has been encoded and sent.
    Done {
        samples: u64,
        bytes_in: u64,
        bytes_out: u64,
        md5: String,
        streaminfo: String,
        head: String,
        left_out: Vec<&'static str>,
        subset: bool,
        warnings: Vec<Note>,
    },
    /// The stream ends here, without a result.
    Error { code: &'a str, message: String },
}

/// A warning, as answers tell it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Warning)]
pub(super) struct Note {
    code: &'static str,
    message: String,
}

impl From<&Warning> for Note {
    fn from(warning: &Warning) -> Self {
        Self { code: warning.code(), message: warning.to_string() }
    }
}

impl<'a> Say<'a> {
    pub(super) fn format(format: &Format) -> Self {
        Self::Format {
            sample_rate: format.sample_rate,
            channels: format.channels,
            bits_per_sample: format.bits_per_sample,
            channel_mask: format.channel_mask,
            declared_samples: format.declared_samples,
        }
    }

    pub(super) fn checkpoint(token: &'a str, at: &Checkpoint) -> Self {
        Self::Checkpoint { token, samples: at.samples(), bytes_in: at.bytes_in(), bytes_out: at.bytes_out() }
    }

    pub(super) fn resumed(at: &Checkpoint) -> Self {
        Self::Resumed { samples: at.samples(), bytes_in: at.bytes_in(), bytes_out: at.bytes_out() }
    }

    pub(super) fn done(summary: &Summary) -> Self {
        Self::Done {
            samples: summary.samples,
            bytes_in: summary.bytes_in,
            bytes_out: summary.bytes_out,
            md5: md5_text(summary.md5),
            streaminfo: STANDARD.encode(summary.streaminfo),
            head: STANDARD.encode(&summary.head),
            left_out: summary.left_out.clone(),
            subset: summary.subset,
            warnings: summary.warnings.iter().map(Note::from).collect(),
        }
    }

    pub(super) fn error(failure: &Failure) -> Self {
        Self::Error { code: failure.code(), message: failure.to_string() }
    }

    pub(super) fn to_json(&self) -> Result<String, Failure> {
        serde_json::to_string(self).map_err(|error| Failure::Internal(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::PcmFormat;

    #[test]
    fn what_clients_may_say() {
        assert_eq!(parse(r#"{"type":"end"}"#).unwrap(), Said::End);
        assert_eq!(parse(r#"{"eof" : 1}"#).unwrap(), Said::End);
        assert_eq!(parse(r#"{"type":"resume","token":"AQ"}"#).unwrap(), Said::Resume("AQ".into()));
        assert_eq!(parse(r#"{"type":"start"}"#).unwrap(), Said::Start(StreamOptions::default()));
        let start =
            r#"{"type":"start","format":"pcm","sample_rate":48000,"channels":2,"bits_per_sample":16,"level":3}"#;
        assert!(matches!(parse(start).unwrap(), Said::Start(options) if options != StreamOptions::default()));
    }

    #[test]
    fn what_they_may_not() {
        for (text, word) in [
            ("hello", "this is none"),
            ("", "this is none"),
            ("[1]", "no JSON object"),
            ("{}", "no type"),
            (r#"{"type":7}"#, "no type"),
            (r#"{"type":"stop"}"#, "neither"),
            (r#"{"type":"resume"}"#, "no token"),
            (r#"{"type":"resume","token":7}"#, "no token"),
            (r#"{"type":"start","speed":256}"#, "speed"),
            (r#"{"type":"start","level":"high"}"#, "expected u8"),
            (r#"{"type":"start","format":"ogg"}"#, "unknown variant"),
        ] {
            let failure = parse(text).unwrap_err();
            assert_eq!(failure.code(), "malformed_message");
            assert!(failure.to_string().contains(word), "{text}: {failure}");
        }
    }

    #[test]
    fn a_text_that_would_be_large_as_json_is_not_read() {
        let ones = |count: usize| format!(r#"{{"type":"end","a":[{}1]}}"#, "1,".repeat(count));
        assert_eq!(parse(&ones(32_000)).unwrap(), Said::End);
        let failure = parse(&ones(33_000)).unwrap_err();
        assert_eq!(failure.code(), "message_too_large");
        assert!(failure.to_string().contains("64 KiB"), "{failure}");
    }

    #[test]
    fn unknown_parts_of_the_format_are_left_out() {
        let format = Format {
            channels: 2,
            sample_rate: 48_000,
            bits_per_sample: 16,
            channel_mask: None,
            declared_samples: None,
            ..Format::from(PcmFormat::new(48_000, 2, 16).unwrap())
        };
        assert_eq!(
            Say::format(&format).to_json().unwrap(),
            r#"{"type":"format","sample_rate":48000,"channels":2,"bits_per_sample":16}"#
        );
    }
}
