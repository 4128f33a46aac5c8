//! The FLAC side: metadata blocks, the frame encoder, the verifier (RFC 9639).

/// Why a frame could not be encoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The encoder refused its input or settings.
    #[error("{0}")]
    Refused(String),
    /// The encoder panicked.
    #[error("the frame encoder panicked: {0}")]
    Panicked(String),
}
