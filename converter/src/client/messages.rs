//! The text messages of `/ws` as the client says and hears them (DESIGN §3). JSON both ways; the service's fields that
//! a client has no use for are passed over, so that a newer service can say more.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::wav::PcmFormat;

/// What the service is asked to do with the stream: the fields of `start`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Start {
    /// Compression level, 0 to 8; the service's own where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<u8>,
    /// Samples per channel in a block, 16 to 65,535.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_size: Option<u16>,
    /// Whether the service decodes each frame again and compares it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<bool>,
    /// What becomes of floating-point samples.
    pub float: String,
    /// Where the audio ends if header and length disagree.
    pub length: String,
    /// Which bits of a sample count.
    pub valid_bits: String,
    /// What becomes of audio outside the streamable subset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subset: Option<String>,
    /// `wav`, or `pcm` with the three fields below.
    pub format: &'static str,
    /// Samples per second of each channel, in Hz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_rate: Option<u32>,
    /// Number of channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<u8>,
    /// Bits of each sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bits_per_sample: Option<u8>,
}

impl Start {
    /// The same for headerless audio.
    #[must_use]
    pub fn with_pcm(self, pcm: PcmFormat) -> Self {
        Self {
            format: "pcm",
            sample_rate: Some(pcm.sample_rate()),
            channels: Some(pcm.channels()),
            bits_per_sample: Some(pcm.bits_per_sample()),
            ..self
        }
    }
}

/// What the client says in text.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Say<'a> {
    Start(&'a Start),
    Resume { token: &'a str },
    End,
}

impl Say<'_> {
    pub(super) fn to_json(&self) -> String {
        // Strings and numbers only: this cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// What the service says in text.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Said {
    Ready(Ready),
    Format {},
    Resumed(Place),
    Checkpoint {
        token: String,
        #[serde(flatten)]
        place: Place,
    },
    Done(Box<Done>),
    Error(ServiceError),
    /// Of a newer service.
    #[serde(other)]
    Other,
}

/// What the service told about itself.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Ready {
    /// The request's id in the service's log.
    pub id: Option<String>,
    pub max_message_bytes: Option<u64>,
    pub checkpoint_seconds: Option<f64>,
    /// Whether checkpoints come. Services of old know none.
    pub resumable: bool,
}

/// A place in the stream, counted from its start over all connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct Place {
    /// Samples per channel in the frames up to here.
    pub samples: u64,
    /// Bytes of input up to here: from here on it is sent again.
    pub bytes_in: u64,
    /// Bytes of FLAC up to here: what was saved is cut to this.
    pub bytes_out: u64,
}

/// The finished stream.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Done {
    /// Samples per channel.
    pub samples: u64,
    /// Bytes of input that the service took.
    pub bytes_in: u64,
    /// Bytes of FLAC that it sent, head included.
    pub bytes_out: u64,
    /// MD5 of the samples as STREAMINFO has it, 32 hexadecimal digits.
    pub md5: String,
    /// The final body of STREAMINFO, for bytes 8..42 of the file.
    #[serde(default, deserialize_with = "bytes")]
    pub streaminfo: Vec<u8>,
    /// The final head, of the same length as the one that came first.
    #[serde(default, deserialize_with = "bytes")]
    pub head: Vec<u8>,
    /// What the head has no room for.
    #[serde(default)]
    pub left_out: Vec<String>,
    /// Whether the file lies in the streamable subset.
    #[serde(default = "yes")]
    pub subset: bool,
    /// What the user should know.
    #[serde(default)]
    pub warnings: Vec<Note>,
}

/// A warning of the service.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Note {
    /// A stable name.
    pub code: String,
    /// What is so.
    pub message: String,
}

/// The service's reason to end a stream.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ServiceError {
    /// A stable name.
    pub code: String,
    /// What is wrong and what to change.
    pub message: String,
}

fn yes() -> bool {
    true
}

fn bytes<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(text).map_err(serde::de::Error::custom)
}

/// Reads a text message of the service.
pub(super) fn parse(text: &str) -> Result<Said, serde_json::Error> {
    serde_json::from_str(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_says_what_the_service_reads() {
        let start = Start {
            level: Some(8),
            float: "refuse".into(),
            length: "auto".into(),
            valid_bits: "declared".into(),
            format: "wav",
            ..Start::default()
        };
        assert_eq!(
            Say::Start(&start).to_json(),
            r#"{"type":"start","level":8,"float":"refuse","length":"auto","valid_bits":"declared","format":"wav"}"#
        );
        let pcm = start.with_pcm(PcmFormat::new(48_000, 2, 16).unwrap());
        let told = Say::Start(&pcm).to_json();
        assert!(told.ends_with(r#""format":"pcm","sample_rate":48000,"channels":2,"bits_per_sample":16}"#), "{told}");
        assert_eq!(Say::Resume { token: "a" }.to_json(), r#"{"type":"resume","token":"a"}"#);
        assert_eq!(Say::End.to_json(), r#"{"type":"end"}"#);
    }

    #[test]
    fn what_services_say() {
        let old = r#"{"type":"ready","id":"r","max_message_bytes":1048576,"idle_timeout_seconds":60.0}"#;
        let Said::Ready(ready) = parse(old).unwrap() else { panic!() };
        assert_eq!((ready.max_message_bytes, ready.resumable), (Some(1 << 20), false));
        let point = r#"{"type":"checkpoint","token":"t","samples":1,"bytes_in":2,"bytes_out":3}"#;
        let place = Place { samples: 1, bytes_in: 2, bytes_out: 3 };
        assert_eq!(parse(point).unwrap(), Said::Checkpoint { token: "t".into(), place });
        assert_eq!(parse(r#"{"type":"format","sample_rate":8000}"#).unwrap(), Said::Format {});
        assert_eq!(parse(r#"{"type":"weather","rain":true}"#).unwrap(), Said::Other);
        let done = r#"{"type":"done","samples":1,"bytes_in":2,"bytes_out":3,"md5":"x","head":"ZkxhQw=="}"#;
        let Said::Done(done) = parse(done).unwrap() else { panic!() };
        assert_eq!((done.head.as_slice(), done.subset), (b"fLaC".as_slice(), true));
    }

    #[test]
    fn what_is_no_message() {
        for text in ["", "hello", "[]", "{}", r#"{"type":"checkpoint"}"#, r#"{"type":"done","samples":-1}"#] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
