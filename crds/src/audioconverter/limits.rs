//! What a client may ask of a converter at most.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::bytesize::ByteSize;
use crate::duration::Time;

/// What a client may ask for at most.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Size of the largest upload, counted as its bytes arrive; a larger one is answered with 413. For example 512Mi
    /// or 2G.
    #[serde(default = "default_max_upload_size")]
    pub max_upload_size: ByteSize,
    /// How many uploads each pod converts at once (default 64); further ones wait their turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub max_concurrent_conversions: Option<i32>,
    /// How many live streams each pod takes at once (default 1000); further ones are told to try later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub max_streams: Option<i32>,
    /// How long a live stream may last, over all its connections (default 24h). For example 90m or 12h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_stream_duration: Option<Time>,
    /// How long a client may send nothing of an upload or stream, or read nothing of an answer (default 60s).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<Time>,
}

/// Live streams of a pod where [`Limits::max_streams`] is left out: the converter's own default.
pub const DEFAULT_MAX_STREAMS: i32 = 1000;

fn default_max_upload_size() -> ByteSize {
    // The text is a constant that `the_default_is_two_gibibytes` parses, so the fallback is never reached.
    "2Gi".parse().unwrap_or_else(|_| unreachable!())
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_upload_size: default_max_upload_size(),
            max_concurrent_conversions: None,
            max_streams: None,
            max_stream_duration: None,
            idle_timeout: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_two_gibibytes() {
        assert_eq!(Limits::default().max_upload_size.bytes(), 2 << 30);
    }
}
